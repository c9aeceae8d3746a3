/* What the core's files share: its structs, and who may change what.
 *
 * A request is in exactly one place: waiting in its client's lane (`waiting`), or in the list of
 * the worker that holds it (`worker` is set). One that expired while a worker held it stays there
 * without a body, because the worker still spends credit on it, until the worker replies or dies.
 * A worker is in exactly one list of its pool, `ready` or `others`, as its state says; only
 * worker_set_state moves it. */
#ifndef FLORIN_BROKER_STATE_H
#define FLORIN_BROKER_STATE_H

#include <czmq.h>
#include <sys/queue.h>

#include "broker/core.h"

#define TOKEN_BYTES        36 /* 4 digits of slot, 32 digits of secret */
#define SECRET_BYTES       16
#define WORKER_TEXT_BYTES  64
#define SILENT_BEATS_MAX   3
#define DISCONNECT_CELLS   256
#define DISCONNECT_REST_MS 1000

/* A routing id or a service as a key of a table. The hash is keyed by a secret, so that nobody can
 * choose names that fall into one bucket. */
typedef struct {
    florin_slice_t bytes;
    size_t hash;
} table_key_t;

typedef struct request request_t;
typedef struct lane lane_t;
typedef struct worker worker_t;
typedef struct pool pool_t;

TAILQ_HEAD(request_list, request);
TAILQ_HEAD(lane_list, lane);
TAILQ_HEAD(worker_list, worker);
TAILQ_HEAD(pool_list, pool);

struct request {
    void *body; /* NULL: settled, and only the worker that holds it does not know yet */
    size_t bytes;
    florin_slice_t client;
    const char *principal;
    pool_t *pool;
    lane_t *lane; /* its client's; until it is settled */
    worker_t *worker;
    bool waiting;
    uint32_t slot; /* in the worker's slots */
    uint32_t attempt;
    uint64_t arrived_ms;
    uint64_t expires_ms;
    uint64_t lease_ms; /* when the worker must have answered */
    uint8_t trace_id[FLORIN_CORE_TRACE_BYTES];
    char token[TOKEN_BYTES + 1];
    TAILQ_ENTRY(request) place; /* in the lane's requests or in the worker's held */
    TAILQ_ENTRY(request) age;   /* in the pool's requests; not when settled */
};

/* What one client has in one pool, waiting or with a worker. It is there only while there is
 * something, and takes turns only while something waits. */
struct lane {
    table_key_t client;
    pool_t *pool;
    uint32_t count;
    uint64_t bytes;
    struct request_list requests; /* those that wait */
    TAILQ_ENTRY(lane) turn;       /* in the pool's lanes, while something waits */
    uint8_t client_bytes[];
};

typedef enum {
    WORKER_READY,   /* has credit */
    WORKER_FULL,    /* holds as many as its credit */
    WORKER_BLOCKED, /* its pipe was full: no credit for now */
    WORKER_DRAINING /* gets nothing more; its replies still pass */
} worker_state_t;

struct worker {
    table_key_t id;
    pool_t *pool;
    worker_state_t state;
    bool hello;
    bool packs;
    uint32_t credit;
    uint32_t weight;
    uint32_t outstanding;
    int64_t turn; /* of the weighted policy */
    uint64_t born_ms;
    uint64_t seen_ms;
    uint64_t answered;
    char principal[WORKER_TEXT_BYTES];
    char instance[WORKER_TEXT_BYTES];
    char version[WORKER_TEXT_BYTES];
    struct request_list held; /* in the order they were sent */
    request_t **slots;        /* `credit` of them; a token names one */
    uint32_t *slots_free;     /* a stack of credit - outstanding numbers */
    TAILQ_ENTRY(worker) in_pool;
    TAILQ_ENTRY(worker) in_core;
    uint8_t id_bytes[];
};

struct pool {
    table_key_t service;
    florin_pool_options_t options;
    bool configured;
    bool crowded;
    uint64_t alone_ms; /* since when no worker serves it, when none does */
    uint32_t serving;  /* workers that do not drain */
    uint32_t draining;
    uint32_t ready_count;
    struct worker_list ready;
    struct worker_list others;
    struct request_list requests; /* all that are not settled, oldest first */
    uint32_t requests_count;
    uint64_t requests_bytes;
    uint32_t room; /* requests that it may hold now, at most options.queue_requests */
    struct {       /* its answers since a moment, by which `room` is measured next */
        uint64_t from_ms;
        uint32_t answers;
        uint32_t late; /* those that came more than a quarter of wait_ms after the request */
    } pace;
    uint32_t waiting_count;
    uint64_t waiting_bytes;
    struct lane_list lanes; /* the client whose turn it is comes first */
    zhashx_t *lanes_by_client;
    uint64_t answered;
    uint64_t busy;
    uint64_t expired;
    uint64_t no_service;
    uint64_t unavailable;
    uint64_t redispatched;
    TAILQ_ENTRY(pool) in_core;
    char name[FLORIN_SERVICE_BYTES_MAX + 1];
};

struct florin_core {
    florin_core_options_t options;
    florin_core_out_t out;
    florin_core_counters_t counters;
    uint64_t unserved;
    struct pool_list pools;
    size_t pools_count;
    zhashx_t *pools_by_service;
    struct worker_list workers;
    size_t workers_count;
    zhashx_t *workers_by_id;
    size_t lanes_count; /* 0: no request is left */
    bool draining;
    size_t crowded_count; /* pools that are crowded */
    uint64_t born_ms;
    uint64_t heartbeat_at_ms;
    uint64_t wake_ms;
    uint64_t random_state; /* of the random policy */
    uint8_t hash_key[16];
    uint64_t disconnect_at_ms[DISCONNECT_CELLS]; /* when the next one may be sent */
};

/* table.c */
table_key_t table_key(const florin_core_t *core, florin_slice_t bytes);
zhashx_t *table_new(void);

/* pool.c */
pool_t *pool_find(const florin_core_t *core, florin_slice_t service);
/* NULL past FLORIN_BROKER_SERVICES_MAX. */
pool_t *pool_new(florin_core_t *core, florin_slice_t service, const florin_pool_options_t *options,
                 uint64_t now_ms);
void pool_destroy(florin_core_t *core, pool_t *pool);
/* Why a request cannot be taken, or NULL when it can. Static. */
const char *pool_no_room(const florin_core_t *core, const pool_t *pool, florin_slice_t client,
                         size_t bytes);
/* A request at the front is the next one out. */
void pool_wait(request_t *request, bool front);
request_t *pool_next(const pool_t *pool);
/* Ends a request's wait. */
void pool_take(request_t *request);
/* The waiting request's client has had its turn: the next one is first now. */
void pool_end_turn(request_t *request);
/* Counts a request that begins, false when there is no memory; and one that is settled. */
bool pool_hold(florin_core_t *core, request_t *request);
/* A worker has answered the request, which is still held: measures how many there is room for. */
void pool_answered(pool_t *pool, const request_t *request, uint64_t now_ms);
/* Lets a few more in, to see, when answers are too few to measure by. */
void pool_probe(pool_t *pool, uint64_t now_ms);
void pool_let_go(florin_core_t *core, request_t *request);

/* request.c: the end of requests */
void request_settle(florin_core_t *core, request_t *request);
void request_refuse(florin_core_t *core, request_t *request, Florin__V1__Status status,
                    const char *message);
void request_expire(florin_core_t *core, request_t *request);
void request_no_worker(florin_core_t *core, request_t *request);
/* Its worker is lost. Back to the front of the queue, or UNAVAILABLE when it had all its attempts;
 * one that is settled already ends here. */
void request_again(florin_core_t *core, request_t *request);

/* worker.c */
worker_t *worker_find(const florin_core_t *core, florin_slice_t id);
/* NULL when there is no memory. */
worker_t *worker_new(florin_core_t *core, pool_t *pool, florin_slice_t id,
                     const florin_core_hello_t *hello, const char *principal, uint64_t now_ms);
/* The one place where workers die: logs who, why and how old; what it held goes to another. */
void worker_die(florin_core_t *core, worker_t *worker, const char *why, uint64_t now_ms);
void worker_set_state(worker_t *worker, worker_state_t state);
/* It gets nothing more. */
void worker_drain(worker_t *worker, uint64_t now_ms);
/* The state that its credit gives it; a draining worker stays so. */
void worker_refresh(worker_t *worker);
void worker_hold(worker_t *worker, request_t *request);
/* Takes a request from the worker: its credit is free again. */
void worker_let_go(request_t *request);
/* The request that a token names, when this worker holds it; else NULL. */
request_t *worker_request(const worker_t *worker, florin_slice_t token);
/* Writes the token of the worker's next request. */
void worker_token(florin_core_t *core, const worker_t *worker, char token[TOKEN_BYTES + 1]);

/* policy.c: the worker that gets the next request, or NULL when none has credit. */
worker_t *policy_pick(florin_core_t *core, pool_t *pool);

#endif
