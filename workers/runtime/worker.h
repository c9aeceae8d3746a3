/* What every worker program does. The dialog thread talks to all brokers (READY with hello,
 * heartbeats, requests in, replies out) and never blocks. Lanes, a thread each, hand the handler
 * all requests that wait there, as one batch, and may block on the database. The dialog spreads the
 * requests over them by what they touch, so that none waits for what another one needs.
 *
 * Life: start -> (ask? handle | idle)* -> stop, in each lane. SIGTERM drains: DISCONNECT to the
 * brokers, what is under way is finished and answered, then the program ends with 0. */
#ifndef FLORIN_WORKER_H
#define FLORIN_WORKER_H

#include "florin/v1/florin.pb-c.h"
#include "lib/arena.h"
#include "lib/clocks.h"
#include "lib/config.h"
#include "lib/error.h"
#include "lib/metrics.h"
#include "workers/runtime/lanes/route.h"

/* One request of a batch. Everything lives until the batch is answered. */
typedef struct {
    /* Whole and unpacked; the operation may be any or none. */
    const Florin__V1__Request *request;
    const Florin__V1__RequestContext *context; /* never NULL */
    uint64_t deadline_ms; /* florin_clock_ms when nobody waits for the reply any more; 0: never */
    /* Initialised, request_id set, status INTERNAL: the handler fills it. */
    Florin__V1__Reply *reply;
} florin_call_t;

/* What a handler that asks others gets along with a batch. */
typedef struct {
    void *asked; /* what its ask returned for this batch */
    /* Collects the next batch and asks about it, if there are requests: for the time in which this
     * batch waits for something else. May be called more than once. */
    void (*look)(void *arg);
    void *arg;
} florin_ahead_t;

/* What a lane's handler starts with. All of it outlives the state. */
typedef struct {
    const florin_config_t *config;
    florin_metrics_t *metrics;   /* NULL: nobody reads them */
    florin_clocks_t *clocks;     /* what its servers and its machine say the time is */
    florin_slot_map_t *slot_map; /* whoever has read the map publishes it here */
    void *zmq;                   /* the worker's context */
    size_t kind;                 /* of the lane, in the handler's table */
    size_t index, count;         /* which of its kind's lanes it is, and how many there are */
} florin_setup_t;

/* A kind of lane. */
typedef struct {
    const char *name;
    bool by_shard;   /* there are worker/shard_lanes of it, and each has some shards; else one */
    bool one_by_one; /* its batches are of one request: each takes long */
    size_t part;     /* at most this part of the credit waits in it; 0: all of it may */
} florin_lane_kind_t;

typedef struct {
    const char *service;              /* "accounts" */
    const char *program;              /* "florin-accounts" */
    const florin_setting_t *settings; /* beyond the runtime's own */
    size_t settings_count;
    bool leaves_aside;               /* while it may not write (clocks.h), it leaves its brokers */
    const florin_lane_kind_t *lanes; /* the first is where all goes without a route */
    size_t lanes_count;

    /* Where a request goes; NULL: to the first kind. Pure, and called in the dialog's thread. */
    florin_route_t (*route)(const florin_slots_t *slots, florin_wire_t body);
    /* Makes a lane's state. What is away now may come later: fail only for what an operator has to
     * mend. */
    int (*start)(void **state, const florin_setup_t *setup, florin_error_t *error);
    /* How many events the request brings, at least 1. Pure. */
    size_t (*weigh)(const Florin__V1__Request *request);
    /* Sends what others have to be asked about a batch, without waiting, and returns what handle
     * needs to take their answers; NULL for a handler that asks nobody. The calls and the arena are
     * those that handle gets: of the batches in the order in which they were asked about, one ahead
     * at most. */
    void *(*ask)(void *state, florin_call_t *calls, size_t count, florin_arena_t *arena);
    /* Answers all calls: together at most FLORIN_BATCH_EVENTS_MAX events, or a single call. Replies
     * point into the arena or into the state, good until the next call. May block within the calls'
     * time to live. */
    void (*handle)(void *state, florin_call_t *calls, size_t count, florin_arena_t *arena,
                   const florin_ahead_t *ahead);
    /* Called about every 250 ms, between batches; NULL when there is nothing to do. */
    void (*idle)(void *state);
    void (*stop)(void **state);
} florin_handler_t;

/* The whole program: options, configuration, key, threads. Returns the exit code. */
int florin_worker_main(int argc, char **argv, const florin_handler_t *handler);

/* Fills a reply's status and message (printf into the arena). */
void florin_call_fail(florin_call_t *call, florin_arena_t *arena, Florin__V1__Status status,
                      const char *format, ...) FLORIN_PRINTF(4, 5);

/* The same from an error: INVALID and NOT_FOUND to BAD_REQUEST, TOO_LARGE to TOO_LARGE, ASIDE to
 * UNAVAILABLE, with the error's message; UNAVAILABLE, TIMEOUT, CONFLICT and CONFIG to UNAVAILABLE,
 * all others to INTERNAL, with a fixed one, for what the error says of this worker's databases goes
 * to the log alone. */
void florin_call_fail_error(florin_call_t *call, florin_arena_t *arena,
                            const florin_error_t *error);

/* BAD_REQUEST for a request without an operation, or with one that `service` does not have. */
void florin_call_fail_operation(florin_call_t *call, florin_arena_t *arena, const char *service);

/* Whether the call's time ran out; then it is answered EXPIRED. For a handler that works on calls
 * one after the other: ask before each. */
bool florin_call_expired(florin_call_t *call, florin_arena_t *arena);

/* Says that the batch's arena had no room for the reply. */
void florin_call_fail_memory(florin_call_t *call, florin_arena_t *arena);

#endif
