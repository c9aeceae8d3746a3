/* Who may connect: the ZAP handler (RFC 27), a thread of its own behind inproc://zeromq.zap.01.
 *
 * On TCP a peer shows a Curve key, and gets in when the folder of its domain holds that key; from
 * then on its messages carry the key's NAME as User-Id. On ipc:// (domain "ipc") the file system's
 * permissions have decided already; the User-Id is the peer's "uid:NUMBER". */
#ifndef FLORIN_BROKER_ZAP_H
#define FLORIN_BROKER_ZAP_H

#include "lib/error.h"

#define FLORIN_ZAP_CLIENTS "clients"
#define FLORIN_ZAP_WORKERS "workers"
#define FLORIN_ZAP_LOCAL   "ipc"

typedef struct florin_zap florin_zap_t;

/* Starts the thread; `context` is libzmq's. A folder may be empty text: then no key of that
 * domain gets in. */
int florin_zap_new(void *context, const char *client_keys, const char *worker_keys,
                   florin_zap_t **zap, florin_error_t *error) FLORIN_MUST_USE;

/* Call after zmq_ctx_shutdown, which ends the thread. */
void florin_zap_destroy(florin_zap_t **self_p);

#endif
