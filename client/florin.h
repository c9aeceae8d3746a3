/* libflorin: a client of Florin in C.
 *
 * Requests and replies are the wire's own messages (florin/v1/florin.pb-c.h). A client talks to one
 * broker at a time and fails over to the next when it falls silent. A request that got no answer is
 * sent again as it is, same ids, after a pause with jitter: the books make repeats harmless.
 * A florin_client_t belongs to one thread. */
#ifndef FLORIN_H
#define FLORIN_H

#include <stddef.h>
#include <stdint.h>

#include "florin/v1/florin.pb-c.h"
#include "lib/error.h"

typedef struct florin_client florin_client_t;

typedef struct {
    const char *const
        *brokers; /* "tcp://127.0.0.1:5555" or "ipc://...", at most FLORIN_BROKERS_MAX */
    size_t brokers_count;
    const char *broker_key_path; /* the brokers' NAME.pub; NULL: no Curve (ipc only) */
    const char *key_path;        /* this client's NAME.key; with broker_key_path */
    uint32_t timeout_ms;         /* for one request, retries included; 0: 10,000 */
    uint32_t try_timeout_ms;     /* silence after which the next broker is tried; 0: 2,500 */
    uint32_t in_flight_max;      /* requests under way at once; 0: 1,024 */
} florin_client_options_t;

/* Reads the options from a ZPL file: client/broker (one or more), client/broker_key, client/key,
 * client/timeout_ms. Paths are relative to the file. The texts live until
 * florin_client_options_clear. */
int florin_client_options_load(const char *path, florin_client_options_t *options,
                               florin_error_t *error) FLORIN_MUST_USE;
void florin_client_options_clear(florin_client_options_t *options);

/* Connects in the background; what is wrong with the options is an error at once. */
int florin_client_new(const florin_client_options_t *options, florin_client_t **client,
                      florin_error_t *error) FLORIN_MUST_USE;
/* Ends requests under way with FLORIN_ERROR_UNAVAILABLE. */
void florin_client_destroy(florin_client_t **self_p);

/* One request and its reply. *reply is the caller's to free with florin__v1__reply__free_unpacked
 * (reply, NULL). A reply of any status is success here, but BUSY, EXPIRED, UNAVAILABLE and
 * NO_SERVICE are tried again until the time is up; then the last such reply is given.
 * FLORIN_ERROR_TIMEOUT: no broker answered in time. FLORIN_ERROR_TOO_LARGE: not sent. */
int florin_client_call(florin_client_t *self, const char *service,
                       const Florin__V1__Request *request, Florin__V1__Reply **reply,
                       florin_error_t *error) FLORIN_MUST_USE;

/* Called once for each request submitted, from florin_client_process or florin_client_destroy.
 * `reply` is NULL when `error` has a code other than 0; it is freed after the call. May submit
 * again; must not destroy the client. */
typedef void(florin_client_reply_fn)(void *arg, const Florin__V1__Reply *reply,
                                     const florin_error_t *error);

/* Sends without waiting. FLORIN_ERROR_UNAVAILABLE when in_flight_max are under way. */
int florin_client_submit(florin_client_t *self, const char *service,
                         const Florin__V1__Request *request, florin_client_reply_fn *fn, void *arg,
                         florin_error_t *error) FLORIN_MUST_USE;

/* Waits up to timeout_ms for something to do, does it, and returns how many requests are under way.
 * The descriptor becomes readable when there may be something to do; call process also at least
 * every 100 ms while requests are under way. */
size_t florin_client_process(florin_client_t *self, uint32_t timeout_ms);
int florin_client_fd(const florin_client_t *self);

/* A status's name in lower case without its prefix: "busy". Static. */
const char *florin_status_name(Florin__V1__Status status);

#endif
