/* libflorin: a client of Florin in C.
 *
 * Requests and replies are the wire's own messages (florin/v1/florin.pb-c.h). A client talks to one
 * broker at a time and fails over to the next when it falls silent. A request that got no answer is
 * sent again as it is, same ids, after a pause with jitter: the books make repeats harmless.
 * A florin_client_t belongs to one thread. */
#ifndef FLORIN_H
#define FLORIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "florin/v1/florin.pb-c.h"
#include "lib/error.h"
#include "lib/id.h"

typedef struct florin_client florin_client_t;

typedef struct {
    /* "tcp://127.0.0.1:5555" or "ipc://...", at most FLORIN_BROKERS_MAX, the preferred one first */
    const char *const *brokers;
    size_t brokers_count;
    const char *broker_key_path; /* all brokers' NAME.pub; NULL: no Curve (ipc only) */
    const char *key_path;        /* this client's NAME.key; with broker_key_path */
    uint32_t timeout_ms;         /* for one request, retries included; 0: 10,000 */
    uint32_t try_timeout_ms;     /* silence after which the next broker is tried; 0: 2,500 */
    uint32_t silence_ms;         /* a broker that does not answer a ping in it is gone; 0: 500 */
    uint32_t in_flight_max;      /* requests under way at once, at most 65,536; 0: 1,024 */
    bool refusals_end;           /* BUSY and the like end a request: no pause, no other try */
    void *zmq_context;           /* shared by clients of one process, outlives them; NULL: own */
    void *texts;                 /* what florin_client_options_load keeps; else NULL */
} florin_client_options_t;

/* Reads the options from a ZPL file: client/broker (one or more), client/broker_key, client/key,
 * client/timeout_ms, client/silence_ms. Paths are relative to the file. The texts live until
 * florin_client_options_clear. */
FLORIN_API int florin_client_options_load(const char *path, florin_client_options_t *options,
                                          florin_error_t *error) FLORIN_MUST_USE;
FLORIN_API void florin_client_options_clear(florin_client_options_t *options);

/* Connects in the background; what is wrong with the options is an error at once. */
FLORIN_API int florin_client_new(const florin_client_options_t *options, florin_client_t **client,
                                 florin_error_t *error) FLORIN_MUST_USE;
/* Ends requests under way with FLORIN_ERROR_UNAVAILABLE. */
FLORIN_API void florin_client_destroy(florin_client_t **self_p);

/* One request and its reply. *reply is the caller's to free with florin__v1__reply__free_unpacked
 * (reply, NULL). A reply of any status is success here, but BUSY, EXPIRED, UNAVAILABLE and
 * NO_SERVICE are tried again until the time is up (with refusals_end: not at all); then the last
 * such reply is given, unless it says "not begun" and another try may have been carried out. A
 * service that says BUSY is sent little more than it takes; the rest has BUSY without being sent.
 * FLORIN_ERROR_TIMEOUT: no broker answered in time; the message says how each of them stands.
 * FLORIN_ERROR_TOO_LARGE: not sent. FLORIN_ERROR_INVALID: the service's name is none, or what
 * answers under it speaks no Florin. */
FLORIN_API int florin_client_call(florin_client_t *self, const char *service,
                                  const Florin__V1__Request *request, Florin__V1__Reply **reply,
                                  florin_error_t *error) FLORIN_MUST_USE;

/* Called once for each request submitted, from florin_client_process or florin_client_destroy.
 * `reply` is NULL when `error` has a code other than 0; it is freed after the call. May submit
 * again; must not destroy the client. */
typedef void(florin_client_reply_fn)(void *arg, const Florin__V1__Reply *reply,
                                     const florin_error_t *error);

/* Sends without waiting. FLORIN_ERROR_UNAVAILABLE when in_flight_max are under way. */
FLORIN_API int florin_client_submit(florin_client_t *self, const char *service,
                                    const Florin__V1__Request *request, florin_client_reply_fn *fn,
                                    void *arg, florin_error_t *error) FLORIN_MUST_USE;

/* Waits up to timeout_ms for something to do, does it, and returns how many requests are under way.
 * The descriptor becomes readable when there may be something to do. Its edge may have been taken
 * by florin_client_submit: call process with 0 before waiting for it, and at least every 100 ms
 * while requests are under way. */
FLORIN_API size_t florin_client_process(florin_client_t *self, uint32_t timeout_ms);
FLORIN_API int florin_client_fd(const florin_client_t *self);

/* The id of the one transfer that reverses transfer `id`: whoever reverses it, and how often, makes
 * the same. It is BLAKE2b, 16 bytes of it, over the 15 bytes "florin reversal" and the id's 16, its
 * low 10 bits replaced by the slot of the account that `id` credits, as that is the one the
 * reversal debits. docs/decisions/reversal.md says what else a reversal is made of. */
FLORIN_API florin_id_t florin_reversal_id(florin_id_t id, florin_id_t credit_account_id);

/* A status's name in lower case without its prefix: "busy". Static. */
FLORIN_API const char *florin_status_name(Florin__V1__Status status);

#endif
