#include "broker/core.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/state.h"

static_assert(FLORIN_WORKER_CREDIT_MAX <= 0xffff, "a slot fits in the token's four digits");
static_assert(TOKEN_BYTES != 17 && TOKEN_BYTES != 33, "workers in C++ read those as a UUID");

static const char going_down[] = "the broker is going down; nothing was begun: try another broker";

static uint64_t earlier(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

static void wake_by(florin_core_t *core, uint64_t at_ms)
{
    core->wake_ms = earlier(core->wake_ms, at_ms);
}

florin_core_t *florin_core_new(const florin_core_options_t *options, const florin_core_out_t *out,
                               uint64_t now_ms)
{
    florin_core_t *core = calloc(1, sizeof *core);
    if (core == NULL)
        return NULL;
    core->options = *options;
    core->out = *out;
    core->born_ms = now_ms;
    core->heartbeat_at_ms = core->wake_ms = now_ms + options->heartbeat_ms;
    core->random_state = options->seed | 1; /* xorshift stays at zero for ever */
    out->random(out->arg, core->hash_key, sizeof core->hash_key);
    TAILQ_INIT(&core->pools);
    TAILQ_INIT(&core->workers);
    core->pools_by_service = table_new();
    core->workers_by_id = table_new();
    return core;
}

void florin_core_destroy(florin_core_t **self_p)
{
    florin_core_t *core = *self_p;
    if (core == NULL)
        return;
    pool_t *pool;
    TAILQ_FOREACH(pool, &core->pools, in_core)
    {
        while (!TAILQ_EMPTY(&pool->requests))
            request_settle(core, TAILQ_FIRST(&pool->requests));
    }
    worker_t *worker;
    while ((worker = TAILQ_FIRST(&core->workers)) != NULL)
        worker_die(core, worker, "was left when the broker ended", worker->seen_ms);
    while ((pool = TAILQ_FIRST(&core->pools)) != NULL)
        pool_destroy(core, pool);
    zhashx_destroy(&core->pools_by_service);
    zhashx_destroy(&core->workers_by_id);
    free(core);
    *self_p = NULL;
}

int florin_core_pool_add(florin_core_t *self, const char *service,
                         const florin_pool_options_t *options, uint64_t now_ms,
                         florin_error_t *error)
{
    florin_slice_t name = {(const uint8_t *)service, strlen(service)};
    if (!florin_mdp_service_valid(name) || florin_core_reserved(name))
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "pool '%s': the name is reserved, or not 1 to %d printable "
                                "characters; choose another",
                                service, FLORIN_SERVICE_BYTES_MAX);
    if (pool_find(self, name) != NULL)
        return florin_error_set(error, FLORIN_ERROR_CONFIG, "pool '%s' is there twice", service);
    pool_t *pool = pool_new(self, name, options, now_ms);
    if (pool == NULL)
        return florin_error_set(error, FLORIN_ERROR_CONFIG, "pool '%s': at most %d pools fit",
                                service, FLORIN_BROKER_SERVICES_MAX);
    pool->configured = true;
    return 0;
}

/* Sends the next request of the pool; false when none waits or nobody has credit. Each call that
 * returns true takes one request from the queue or one worker from the ready ones. */
static bool dispatch_next(florin_core_t *core, pool_t *pool, uint64_t now_ms)
{
    request_t *request = pool_next(pool);
    worker_t *worker = request != NULL ? policy_pick(core, pool) : NULL;
    if (worker == NULL)
        return false;
    if (request->expires_ms <= now_ms) {
        request_expire(core, request);
        return true;
    }
    worker_token(core, worker, request->token);
    const florin_core_dispatch_t dispatch = {
        .worker = worker->id.bytes,
        .hello = worker->hello,
        .packs = worker->packs,
        .token = request->token,
        .principal = request->principal,
        .trace_id = request->trace_id,
        .ttl_ms = (uint32_t)(request->expires_ms - now_ms),
        .attempt = request->attempt + 1,
        .body = request->body,
    };
    switch (core->out.send_request(core->out.arg, &dispatch)) {
    case FLORIN_SENT:
        pool_end_turn(request);
        pool_take(request);
        worker_hold(worker, request);
        request->attempt++;
        /* One that heartbeats is judged by its silence; but a reply that it lost must not cost a
         * credit for ever. */
        request->lease_ms = (worker->hello ? request->expires_ms : now_ms) + pool->options.lease_ms;
        wake_by(core, request->lease_ms);
        break;
    case FLORIN_SEND_BLOCKED:
        worker_set_state(worker, WORKER_BLOCKED);
        break;
    case FLORIN_SEND_GONE:
        worker_die(core, worker, "is not connected any more", now_ms);
        break;
    }
    return true;
}

static void dispatch(florin_core_t *core, pool_t *pool, uint64_t now_ms)
{
    while (dispatch_next(core, pool, now_ms))
        ;
    if (pool->serving == 0 && pool->waiting_count > 0)
        wake_by(core, now_ms + core->options.no_worker_ms);
}

/* Answers a request that was never taken in. */
static void turn_away(florin_core_t *core, const florin_core_request_t *request,
                      Florin__V1__Status status, const char *message)
{
    core->out.refuse(core->out.arg, request->body, status, message);
    core->out.release(core->out.arg, request->body);
}

void florin_core_request(florin_core_t *self, const florin_core_request_t *request, uint64_t now_ms)
{
    char message[FLORIN_SERVICE_BYTES_MAX + 160];
    if (self->draining) {
        turn_away(self, request, FLORIN__V1__STATUS__STATUS_UNAVAILABLE, going_down);
        return;
    }
    pool_t *pool = pool_find(self, request->service);
    if (pool == NULL || (!pool->configured && pool->serving == 0)) {
        (void)snprintf(message, sizeof message,
                       "no worker serves '%.*s'; nothing was begun: check the name, or start one",
                       (int)request->service.size, (const char *)request->service.data);
        self->unserved++;
        turn_away(self, request, FLORIN__V1__STATUS__STATUS_NO_SERVICE, message);
        return;
    }
    pool_probe(pool, now_ms);
    const char *why = pool_no_room(self, pool, request->client, request->bytes);
    request_t *taken = why == NULL ? calloc(1, sizeof *taken) : NULL;
    if (taken != NULL) {
        *taken = (request_t){.body = request->body,
                             .bytes = request->bytes,
                             .client = request->client,
                             .principal = request->principal,
                             .pool = pool,
                             .arrived_ms = now_ms,
                             .expires_ms = now_ms + pool->options.ttl_ms};
    }
    if (taken == NULL || !pool_hold(self, taken)) {
        free(taken);
        pool->busy++;
        (void)snprintf(message, sizeof message,
                       "'%s' is busy: %s; nothing was begun: try again after a pause", pool->name,
                       why != NULL ? why : "the broker has no memory left");
        turn_away(self, request, FLORIN__V1__STATUS__STATUS_BUSY, message);
        return;
    }
    self->out.random(self->out.arg, taken->trace_id, sizeof taken->trace_id);
    pool_wait(taken, false);
    wake_by(self, taken->expires_ms);
    dispatch(self, pool, now_ms);
}

/* Tells a peer to go, at a limited rate: once a second each, and as the peers share the cells, no
 * more than 256 a second in all. A worker that answers each DISCONNECT with a new READY, and a new
 * routing id, would else keep the broker busy with nothing. */
static void send_disconnect(florin_core_t *core, florin_slice_t worker, uint64_t now_ms)
{
    uint64_t *next_ms = &core->disconnect_at_ms[table_key(core, worker).hash % DISCONNECT_CELLS];
    if (now_ms < *next_ms) {
        core->counters.disconnects_withheld++;
        return;
    }
    *next_ms = now_ms + DISCONNECT_REST_MS;
    core->out.send_disconnect(core->out.arg, worker);
}

static void kill_worker(florin_core_t *core, worker_t *worker, const char *why, uint64_t now_ms)
{
    pool_t *pool = worker->pool;
    worker_die(core, worker, why, now_ms);
    dispatch(core, pool, now_ms);
}

void florin_core_worker_refuse(florin_core_t *self, florin_slice_t worker, const char *why,
                               uint64_t now_ms)
{
    worker_t *registered = worker_find(self, worker);
    if (registered != NULL)
        kill_worker(self, registered, why, now_ms);
    self->counters.workers_refused++;
    send_disconnect(self, worker, now_ms);
}

void florin_core_worker_ready(florin_core_t *self, florin_slice_t worker, florin_slice_t service,
                              const florin_core_hello_t *hello, const char *principal,
                              uint64_t now_ms)
{
    const char *why = NULL;
    if (worker_find(self, worker) != NULL)
        why = "said READY twice";
    else if (florin_core_reserved(service))
        why = "asked for a reserved name";
    else if (hello != NULL &&
             (hello->credit > FLORIN_WORKER_CREDIT_MAX || hello->weight > FLORIN_WORKER_WEIGHT_MAX))
        why = "named a credit or weight past its bound";
    else if (self->workers_count == FLORIN_BROKER_WORKERS_MAX)
        why = "came when there were as many workers as may be";
    pool_t *pool = why == NULL ? pool_find(self, service) : NULL;
    if (why == NULL && pool == NULL)
        pool = pool_new(self, service, &self->options.pool, now_ms);
    if (pool == NULL || worker_new(self, pool, worker, hello, principal, now_ms) == NULL) {
        florin_core_worker_refuse(self, worker, why != NULL ? why : "found no room", now_ms);
        return;
    }
    dispatch(self, pool, now_ms);
}

/* The worker that speaks, whom that shows to be alive; NULL for a stranger, who is told to go. */
static worker_t *worker_speaks(florin_core_t *core, florin_slice_t id, uint64_t now_ms)
{
    worker_t *worker = worker_find(core, id);
    if (worker == NULL) {
        core->counters.strangers++;
        send_disconnect(core, id, now_ms);
        return NULL;
    }
    worker->seen_ms = now_ms;
    if (worker->state == WORKER_BLOCKED)
        worker_refresh(worker);
    return worker;
}

/* The held request that the token names is answered; one that expired only gives its credit back.
 */
static bool take_reply(florin_core_t *core, worker_t *worker, florin_slice_t token, void *reply,
                       uint64_t now_ms)
{
    request_t *request = worker_request(worker, token);
    if (request == NULL)
        return false;
    worker_let_go(request);
    if (request->body == NULL) {
        free(request);
        return false;
    }
    worker->answered++;
    worker->pool->answered++;
    pool_answered(worker->pool, request, now_ms);
    core->out.reply(core->out.arg, request->body, reply);
    request_settle(core, request);
    return true;
}

void florin_core_worker_reply(florin_core_t *self, florin_slice_t worker, florin_slice_t token,
                              void *reply, uint64_t now_ms)
{
    worker_t *speaker = worker_speaks(self, worker, now_ms);
    if (speaker == NULL || !take_reply(self, speaker, token, reply, now_ms))
        self->counters.replies_dropped++;
    if (speaker == NULL)
        return;
    pool_t *pool = speaker->pool;
    if (speaker->state == WORKER_DRAINING && speaker->outstanding == 0)
        worker_die(self, speaker, "has drained", now_ms);
    dispatch(self, pool, now_ms);
}

void florin_core_worker_heartbeat(florin_core_t *self, florin_slice_t worker, uint64_t now_ms)
{
    worker_t *speaker = worker_speaks(self, worker, now_ms);
    if (speaker != NULL)
        dispatch(self, speaker->pool, now_ms);
}

void florin_core_worker_lost(florin_core_t *self, florin_slice_t worker, uint64_t now_ms)
{
    worker_t *lost = worker_find(self, worker);
    if (lost != NULL)
        kill_worker(self, lost, "is not connected any more", now_ms);
}

void florin_core_worker_disconnect(florin_core_t *self, florin_slice_t worker, uint64_t now_ms)
{
    worker_t *leaver = worker_find(self, worker);
    if (leaver == NULL)
        return;
    if (!leaver->hello || leaver->outstanding == 0) {
        kill_worker(self, leaver, "said DISCONNECT", now_ms);
        return;
    }
    leaver->seen_ms = now_ms;
    worker_drain(leaver, now_ms);
    dispatch(self, leaver->pool, now_ms);
}

static void send_heartbeat(florin_core_t *core, worker_t *worker, uint64_t now_ms)
{
    if (worker->state == WORKER_DRAINING)
        return;
    if (core->out.send_heartbeat(core->out.arg, worker->id.bytes) == FLORIN_SEND_GONE)
        worker_die(core, worker, "is not connected any more", now_ms);
    else if (worker->state == WORKER_BLOCKED)
        worker_refresh(worker);
}

static void send_heartbeats(florin_core_t *core, bool slept, uint64_t now_ms)
{
    if (now_ms < core->heartbeat_at_ms)
        return;
    worker_t *worker, *next;
    for (worker = TAILQ_FIRST(&core->workers); worker != NULL; worker = next) {
        next = TAILQ_NEXT(worker, in_core);
        if (slept)
            worker->seen_ms = now_ms;
        send_heartbeat(core, worker, now_ms);
    }
    core->heartbeat_at_ms = now_ms + core->options.heartbeat_ms;
}

/* When the worker must be taken for dead if it says nothing until then. A plain one is silent while
 * it works. */
static uint64_t silent_ms(const florin_core_t *core, const worker_t *worker)
{
    if (!worker->hello && !TAILQ_EMPTY(&worker->held))
        return UINT64_MAX;
    uint64_t beat_ms =
        worker->hello ? core->options.heartbeat_ms : core->options.plain_heartbeat_ms;
    return worker->seen_ms + SILENT_BEATS_MAX * beat_ms;
}

static void bury_workers(florin_core_t *core, uint64_t now_ms)
{
    worker_t *worker, *next;
    for (worker = TAILQ_FIRST(&core->workers); worker != NULL; worker = next) {
        next = TAILQ_NEXT(worker, in_core);
        uint64_t silent = silent_ms(core, worker);
        uint64_t lease =
            TAILQ_EMPTY(&worker->held) ? UINT64_MAX : TAILQ_FIRST(&worker->held)->lease_ms;
        if (lease <= now_ms)
            worker_die(core, worker, "kept a request past its lease", now_ms);
        else if (silent <= now_ms)
            worker_die(core, worker, "fell silent", now_ms);
        else
            wake_by(core, earlier(silent, lease));
    }
}

/* Ends the requests whose time is up: their own, or the time that one waits for a worker. */
static void expire_requests(florin_core_t *core, pool_t *pool, uint64_t now_ms)
{
    request_t *request, *next;
    while ((request = TAILQ_FIRST(&pool->requests)) != NULL && request->expires_ms <= now_ms)
        request_expire(core, request);
    if (request != NULL)
        wake_by(core, request->expires_ms);
    if (pool->serving > 0 || pool->waiting_count == 0)
        return;
    for (; request != NULL; request = next) {
        next = TAILQ_NEXT(request, age);
        uint64_t since_ms =
            request->arrived_ms > pool->alone_ms ? request->arrived_ms : pool->alone_ms;
        if (!request->waiting)
            continue;
        if (since_ms + core->options.no_worker_ms > now_ms) {
            wake_by(core, since_ms + core->options.no_worker_ms);
            break;
        }
        request_no_worker(core, request);
    }
}

void florin_core_tick(florin_core_t *self, uint64_t now_ms)
{
    /* When the broker itself was away, heartbeats and replies may still wait to be read. */
    bool slept = now_ms >= self->heartbeat_at_ms + self->options.heartbeat_ms;
    send_heartbeats(self, slept, now_ms);
    self->wake_ms = self->heartbeat_at_ms;
    if (!slept)
        bury_workers(self, now_ms);
    pool_t *pool, *next;
    for (pool = TAILQ_FIRST(&self->pools); pool != NULL; pool = next) {
        next = TAILQ_NEXT(pool, in_core);
        expire_requests(self, pool, now_ms);
        dispatch(self, pool, now_ms);
        if (!pool->configured && pool->serving + pool->draining == 0 && pool->requests_count == 0)
            pool_destroy(self, pool);
    }
}

uint64_t florin_core_wake_ms(const florin_core_t *self)
{
    return self->wake_ms;
}

bool florin_core_crowded(const florin_core_t *self)
{
    return self->crowded_count > 0;
}

void florin_core_drain(florin_core_t *self)
{
    self->draining = true;
}

bool florin_core_idle(const florin_core_t *self)
{
    return self->lanes_count == 0;
}

void florin_core_stop(florin_core_t *self)
{
    worker_t *worker;
    TAILQ_FOREACH(worker, &self->workers, in_core)
    {
        if (worker->state != WORKER_DRAINING)
            self->out.send_disconnect(self->out.arg, worker->id.bytes);
    }
    pool_t *pool;
    TAILQ_FOREACH(pool, &self->pools, in_core)
    {
        request_t *request;
        while ((request = TAILQ_FIRST(&pool->requests)) != NULL)
            request_refuse(self, request, FLORIN__V1__STATUS__STATUS_UNAVAILABLE,
                           request->attempt == 0
                               ? going_down
                               : "the broker is going down; ask again with the same ids");
    }
}

bool florin_core_serves(const florin_core_t *self, florin_slice_t service)
{
    const pool_t *pool = pool_find(self, service);
    return pool != NULL && pool->serving > 0;
}

bool florin_core_reserved(florin_slice_t service)
{
    static const char *const prefixes[] = {"florin.", "mmi."};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t size = strlen(prefixes[i]);
        if (service.size >= size && memcmp(service.data, prefixes[i], size) == 0)
            return true;
    }
    return false;
}

florin_core_counters_t *florin_core_counters(florin_core_t *self)
{
    return &self->counters;
}

uint64_t florin_core_unserved(const florin_core_t *self)
{
    return self->unserved;
}
