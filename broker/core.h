/* The broker's mind: pools, workers, credit, queues, leases. It knows no socket, no clock and no
 * log: events and a time come in through the functions below, and what is to be done goes out
 * through the table of functions that its owner gives it. So a test can run it under a simulated
 * clock, a million steps at a time.
 *
 * A request's life: waiting in its pool -> held by a worker -> settled. It goes back to waiting
 * when its worker dies, and is settled exactly once: by the worker's reply, or by a refusal (BUSY,
 * EXPIRED, NO_SERVICE, UNAVAILABLE). Its body belongs to the core from florin_core_request until
 * `release`.
 *
 * `now_ms` is a monotonic time and never goes back. The functions of florin_core_out_t must not
 * call the core. */
#ifndef FLORIN_BROKER_CORE_H
#define FLORIN_BROKER_CORE_H

#include "florin/v1/florin.pb-c.h"
#include "lib/limits.h"
#include "lib/log.h"
#include "lib/mdp.h"

#define FLORIN_CORE_TRACE_BYTES 16

typedef struct florin_core florin_core_t;

typedef enum {
    FLORIN_POLICY_LEAST_OUTSTANDING, /* the worker with the fewest requests under way */
    FLORIN_POLICY_ROUND_ROBIN,       /* each in turn */
    FLORIN_POLICY_RANDOM,            /* any */
    FLORIN_POLICY_WEIGHTED,          /* each in turn, as often as its weight says */
    FLORIN_POLICY_MOST_OUTSTANDING,  /* the one with the most requests: the next when it is full */
    FLORIN_POLICIES
} florin_policy_t;

/* "least-outstanding" and so on, and back. */
const char *florin_policy_name(florin_policy_t policy);
int florin_policy_parse(const char *text, florin_policy_t *policy) FLORIN_MUST_USE;

/* What can be set for one pool. The two bounds count all that the pool holds, waiting or with a
 * worker: a body is kept until its request is settled, so that another worker can have it. */
typedef struct {
    florin_policy_t policy;
    uint32_t ttl_ms;   /* past it a request is answered EXPIRED */
    uint32_t lease_ms; /* how long a worker that does not heartbeat may keep a request */
    uint32_t wait_ms;  /* while answers are slow: it holds what it can answer in that time */
    uint32_t queue_requests;
    uint64_t queue_bytes;
} florin_pool_options_t;

typedef struct {
    uint32_t heartbeat_ms;       /* ours, and that of workers that said hello */
    uint32_t plain_heartbeat_ms; /* that of plain workers: the RFC's examples take 2,500 */
    uint32_t no_worker_ms;       /* how long a request waits where no worker is */
    uint64_t seed;               /* of the random policy; secrets come from `random` */
    florin_pool_options_t pool;  /* of a pool that the configuration does not name */
} florin_core_options_t;

/* A request on its way to a worker. All borrowed. */
typedef struct {
    florin_slice_t worker; /* routing id */
    bool hello;            /* the worker said hello: it gets a RequestContext */
    bool packs;            /* it takes several requests in one message */
    const char *token;     /* stands for the client: 36 hexadecimal digits */
    const char *principal;
    const uint8_t *trace_id; /* FLORIN_CORE_TRACE_BYTES of them */
    uint32_t ttl_ms;         /* what is left of its time */
    uint32_t attempt;        /* 1 for the first worker */
    void *body;
} florin_core_dispatch_t;

typedef enum {
    FLORIN_SENT,
    FLORIN_SEND_BLOCKED, /* its pipe is full: no credit for now */
    FLORIN_SEND_GONE     /* nobody there by that routing id */
} florin_core_sent_t;

/* What the core asks of its owner. None may block, none may call the core. */
typedef struct {
    void *arg;
    /* Sends a request; the body stays the core's, which may need it for another worker. */
    florin_core_sent_t (*send_request)(void *arg, const florin_core_dispatch_t *dispatch);
    florin_core_sent_t (*send_heartbeat)(void *arg, florin_slice_t worker);
    void (*send_disconnect)(void *arg, florin_slice_t worker);
    /* Answers the client of `body` with the reply that florin_core_worker_reply was given. */
    void (*reply)(void *arg, void *body, void *reply);
    /* Answers the client of `body` that it gets no answer from a worker, and why. */
    void (*refuse)(void *arg, void *body, Florin__V1__Status status, const char *message);
    /* Gives a body back, exactly once, after the answer. */
    void (*release)(void *arg, void *body);
    /* Unguessable bytes. */
    void (*random)(void *arg, void *bytes, size_t count);
    void (*log)(void *arg, florin_log_level_t level, const char *action, const char *message);
} florin_core_out_t;

/* What was dropped. The first two are the owner's to count, for it reads frames and writes them. */
typedef struct {
    uint64_t malformed;            /* messages that were none, from anyone */
    uint64_t replies_undelivered;  /* the client was gone or did not read */
    uint64_t replies_dropped;      /* late, doubled and forged replies */
    uint64_t workers_refused;      /* READY with a bad hello, a reserved name, or past a bound */
    uint64_t strangers;            /* commands from peers that never said READY */
    uint64_t disconnects_withheld; /* not sent, to keep a mad peer from a mad dialog */
} florin_core_counters_t;

/* A pool as it is now, and what became of its requests so far. */
typedef struct {
    uint64_t clients; /* that have requests in it */
    uint64_t workers;
    uint64_t workers_draining;
    uint64_t requests_waiting;
    uint64_t requests_held; /* by workers */
    uint64_t requests_max;  /* of both together, as of the two below */
    uint64_t bytes_waiting; /* of bodies */
    uint64_t bytes_held;
    uint64_t bytes_max;
    uint64_t answered; /* by a worker; the next four: refused */
    uint64_t busy;
    uint64_t expired;
    uint64_t no_service;   /* nobody served it, nothing was begun */
    uint64_t unavailable;  /* begun, and its workers were lost */
    uint64_t redispatched; /* sent to another worker after the first was lost */
} florin_core_pool_t;

/* NULL when there is no memory. */
florin_core_t *florin_core_new(const florin_core_options_t *options, const florin_core_out_t *out,
                               uint64_t now_ms);

/* Releases what is left without an answer; see florin_core_stop. */
void florin_core_destroy(florin_core_t **self_p);

/* Names a pool of the configuration: it stays when no worker is there, and requests wait for one
 * for no_worker_ms. Any other pool is there while workers serve it. */
int florin_core_pool_add(florin_core_t *self, const char *service,
                         const florin_pool_options_t *options, uint64_t now_ms,
                         florin_error_t *error) FLORIN_MUST_USE;

/* A client's request. `client` (its routing id) and `principal` must stay good as long as the body.
 * Roles and rights will be asked here, before the request costs anything. */
typedef struct {
    florin_slice_t client;
    florin_slice_t service;
    const char *principal;
    void *body;
    size_t bytes;
} florin_core_request_t;

/* Takes a request and its body, and has it answered, now or later. */
void florin_core_request(florin_core_t *self, const florin_core_request_t *request,
                         uint64_t now_ms);

/* What a worker says of itself beyond the RFC. */
typedef struct {
    uint32_t credit; /* 0: 1 */
    uint32_t weight; /* 0: 1 */
    bool packs;
    const char *instance;
    const char *version;
} florin_core_hello_t;

/* The worker's READY; hello is NULL for a plain worker. A second READY ends the registration. Who
 * may serve what will be asked here, of `principal`. */
void florin_core_worker_ready(florin_core_t *self, florin_slice_t worker, florin_slice_t service,
                              const florin_core_hello_t *hello, const char *principal,
                              uint64_t now_ms);

/* The worker's READY had something wrong with it: it is told to go. */
void florin_core_worker_refuse(florin_core_t *self, florin_slice_t worker, const char *why,
                               uint64_t now_ms);

/* The worker's reply. `reply` goes to `out.reply` or nowhere; the caller keeps it. */
void florin_core_worker_reply(florin_core_t *self, florin_slice_t worker, florin_slice_t token,
                              void *reply, uint64_t now_ms);

void florin_core_worker_heartbeat(florin_core_t *self, florin_slice_t worker, uint64_t now_ms);

/* A message for the worker, which florin_core_out_t had taken as sent, could not be sent after all:
 * it is gone. */
void florin_core_worker_lost(florin_core_t *self, florin_slice_t worker, uint64_t now_ms);

/* The worker goes. One that said hello drains: it gets nothing more, and its replies still pass. A
 * plain one is gone, and what it held goes to another. */
void florin_core_worker_disconnect(florin_core_t *self, florin_slice_t worker, uint64_t now_ms);

/* Does what is due: heartbeats, expiries, leases. Call at florin_core_wake_ms or later; calling
 * early or often does no harm. */
void florin_core_tick(florin_core_t *self, uint64_t now_ms);

/* When the next tick is due. */
uint64_t florin_core_wake_ms(const florin_core_t *self);

/* True while a pool is so full that it is better not to read more requests. */
bool florin_core_crowded(const florin_core_t *self);

/* From now on requests are answered UNAVAILABLE. Those that were taken in go on, until the core is
 * idle: none is left. */
void florin_core_drain(florin_core_t *self);
bool florin_core_idle(const florin_core_t *self);

/* Answers all requests UNAVAILABLE and tells all workers to go. */
void florin_core_stop(florin_core_t *self);

/* True when a worker serves it. */
bool florin_core_serves(const florin_core_t *self, florin_slice_t service);

/* True for names that no worker may take: those that begin with "florin." or "mmi.". */
bool florin_core_reserved(florin_slice_t service);

/* For the owner to count in, and for all to read. */
florin_core_counters_t *florin_core_counters(florin_core_t *self);

/* Requests that were refused because there was no pool for their service. */
uint64_t florin_core_unserved(const florin_core_t *self);

/* Calls visit with each pool; what it gets is good until it returns. */
typedef void(florin_core_pool_fn)(void *arg, const char *service, const florin_core_pool_t *pool);
void florin_core_pools(const florin_core_t *self, florin_core_pool_fn *visit, void *arg);

/* The core as it is: a florin.v1.Reply with a BrokerStatus, packed. The caller frees the bytes with
 * free; NULL when there is no memory. */
uint8_t *florin_core_status(const florin_core_t *self, florin_slice_t request_id, uint64_t now_ms,
                            size_t *bytes);

#endif
