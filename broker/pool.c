#include <stdlib.h>
#include <string.h>

#include "broker/state.h"

/* A pool is crowded while less than this share of a bound is free; and one client may have at most
 * this many times as much in it as is still free, waiting or with a worker. So one client alone can
 * fill nearly all of a queue, and yet the next one to come finds room. */
#define FREE_SHARE 8
/* The time and the answers that a measurement of a pool's pace takes; and what it has room for at
 * any pace. */
#define PACE_MS      200
#define PACE_ANSWERS 8
#define PROBE_MS     1000
#define ROOM_LEAST   8

pool_t *pool_find(const florin_core_t *core, florin_slice_t service)
{
    table_key_t key = table_key(core, service);
    return zhashx_lookup(core->pools_by_service, &key);
}

pool_t *pool_new(florin_core_t *core, florin_slice_t service, const florin_pool_options_t *options,
                 uint64_t now_ms)
{
    if (core->pools_count == FLORIN_BROKER_SERVICES_MAX || service.size > FLORIN_SERVICE_BYTES_MAX)
        return NULL;
    pool_t *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    memcpy(pool->name, service.data, service.size);
    pool->service = table_key(core, (florin_slice_t){(const uint8_t *)pool->name, service.size});
    pool->options = *options;
    pool->room = options->queue_requests;
    pool->alone_ms = now_ms;
    pool->lanes_by_client = table_new();
    TAILQ_INIT(&pool->ready);
    TAILQ_INIT(&pool->others);
    TAILQ_INIT(&pool->requests);
    TAILQ_INIT(&pool->lanes);
    TAILQ_INSERT_TAIL(&core->pools, pool, in_core);
    zhashx_insert(core->pools_by_service, &pool->service, pool);
    core->pools_count++;
    return pool;
}

void pool_destroy(florin_core_t *core, pool_t *pool)
{
    TAILQ_REMOVE(&core->pools, pool, in_core);
    zhashx_delete(core->pools_by_service, &pool->service);
    core->pools_count--;
    zhashx_destroy(&pool->lanes_by_client);
    free(pool);
}

static lane_t *lane_find(const florin_core_t *core, const pool_t *pool, florin_slice_t client)
{
    table_key_t key = table_key(core, client);
    return zhashx_lookup(pool->lanes_by_client, &key);
}

static lane_t *lane_new(florin_core_t *core, pool_t *pool, florin_slice_t client)
{
    lane_t *lane = calloc(1, sizeof *lane + client.size);
    if (lane == NULL)
        return NULL;
    memcpy(lane->client_bytes, client.data, client.size);
    lane->client = table_key(core, (florin_slice_t){lane->client_bytes, client.size});
    lane->pool = pool;
    TAILQ_INIT(&lane->requests);
    zhashx_insert(pool->lanes_by_client, &lane->client, lane);
    core->lanes_count++;
    return lane;
}

static void lane_destroy(florin_core_t *core, lane_t *lane)
{
    zhashx_delete(lane->pool->lanes_by_client, &lane->client);
    core->lanes_count--;
    free(lane);
}

const char *pool_no_room(const florin_core_t *core, const pool_t *pool, florin_slice_t client,
                         size_t bytes)
{
    uint64_t free_requests =
        pool->room > pool->requests_count ? pool->room - pool->requests_count : 0;
    uint64_t free_bytes = pool->options.queue_bytes - pool->requests_bytes;
    if (pool->requests_count == pool->options.queue_requests)
        return "its queue holds as many requests as it may";
    if (free_requests == 0)
        return "its queue is as long as it can answer in time";
    if (bytes > free_bytes)
        return "its queue holds as many bytes as it may";
    const lane_t *lane = lane_find(core, pool, client);
    if (lane == NULL)
        return core->lanes_count < FLORIN_BROKER_CLIENTS_MAX
                   ? NULL
                   : "too many clients have requests under way";
    if (lane->count >= FREE_SHARE * free_requests || lane->bytes > FREE_SHARE * free_bytes)
        return "this client fills its share of the queue";
    return NULL;
}

void pool_wait(request_t *request, bool front)
{
    lane_t *lane = request->lane;
    pool_t *pool = request->pool;
    bool has_turn = !TAILQ_EMPTY(&lane->requests);
    if (front) {
        TAILQ_INSERT_HEAD(&lane->requests, request, place);
        if (has_turn)
            TAILQ_REMOVE(&pool->lanes, lane, turn);
        TAILQ_INSERT_HEAD(&pool->lanes, lane, turn);
    } else {
        TAILQ_INSERT_TAIL(&lane->requests, request, place);
        if (!has_turn)
            TAILQ_INSERT_TAIL(&pool->lanes, lane, turn);
    }
    request->waiting = true;
    pool->waiting_count++;
    pool->waiting_bytes += request->bytes;
}

request_t *pool_next(const pool_t *pool)
{
    const lane_t *lane = TAILQ_FIRST(&pool->lanes);
    return lane != NULL ? TAILQ_FIRST(&lane->requests) : NULL;
}

void pool_take(request_t *request)
{
    lane_t *lane = request->lane;
    pool_t *pool = request->pool;
    TAILQ_REMOVE(&lane->requests, request, place);
    if (TAILQ_EMPTY(&lane->requests))
        TAILQ_REMOVE(&pool->lanes, lane, turn);
    request->waiting = false;
    pool->waiting_count--;
    pool->waiting_bytes -= request->bytes;
}

void pool_end_turn(request_t *request)
{
    lane_t *lane = request->lane;
    TAILQ_REMOVE(&lane->pool->lanes, lane, turn);
    TAILQ_INSERT_TAIL(&lane->pool->lanes, lane, turn);
}

static void pool_count(florin_core_t *core, pool_t *pool)
{
    const florin_pool_options_t *bound = &pool->options;
    bool crowded =
        pool->requests_count >= bound->queue_requests - bound->queue_requests / FREE_SHARE ||
        pool->requests_bytes >= bound->queue_bytes - bound->queue_bytes / FREE_SHARE;
    if (crowded && !pool->crowded)
        core->crowded_count++;
    if (!crowded && pool->crowded)
        core->crowded_count--;
    pool->crowded = crowded;
}

static void pace_begin(pool_t *pool, uint64_t now_ms)
{
    pool->pace.from_ms = now_ms;
    pool->pace.answers = 0;
    pool->pace.late = 0;
}

/* Requests that wait are no harm while they don't wait for long: a burst may fill the queue. Nor
 * are those that wait long while most don't: they wait for something that the others don't need. */
static uint32_t pace_room(const pool_t *pool, uint64_t elapsed_ms)
{
    const uint64_t wait_ms = pool->options.wait_ms, answers = pool->pace.answers;
    uint64_t room = answers * wait_ms / elapsed_ms + ROOM_LEAST;
    bool slow = pool->pace.late > answers / 2;
    return slow && room < pool->options.queue_requests ? (uint32_t)room
                                                       : pool->options.queue_requests;
}

void pool_answered(pool_t *pool, const request_t *request, uint64_t now_ms)
{
    const uint64_t elapsed_ms = now_ms - pool->pace.from_ms;
    if (elapsed_ms >= PACE_MS && pool->pace.answers >= PACE_ANSWERS) {
        pool->room = pace_room(pool, elapsed_ms);
        pace_begin(pool, now_ms);
    }
    pool->pace.answers++;
    pool->pace.late += now_ms - request->arrived_ms > pool->options.wait_ms / 4;
}

void pool_probe(pool_t *pool, uint64_t now_ms)
{
    const uint32_t more = pool->requests_count + ROOM_LEAST;
    if (now_ms - pool->pace.from_ms < PROBE_MS || pool->pace.answers >= PACE_ANSWERS)
        return;
    if (more > pool->room)
        pool->room = more < pool->options.queue_requests ? more : pool->options.queue_requests;
    pace_begin(pool, now_ms);
}

bool pool_hold(florin_core_t *core, request_t *request)
{
    pool_t *pool = request->pool;
    lane_t *lane = lane_find(core, pool, request->client);
    if (lane == NULL)
        lane = lane_new(core, pool, request->client);
    if (lane == NULL)
        return false;
    if (pool->requests_count == 0)
        pace_begin(pool, request->arrived_ms);
    request->lane = lane;
    lane->count++;
    lane->bytes += request->bytes;
    TAILQ_INSERT_TAIL(&pool->requests, request, age);
    pool->requests_count++;
    pool->requests_bytes += request->bytes;
    pool_count(core, pool);
    return true;
}

void pool_let_go(florin_core_t *core, request_t *request)
{
    pool_t *pool = request->pool;
    lane_t *lane = request->lane;
    request->lane = NULL;
    lane->count--;
    lane->bytes -= request->bytes;
    if (lane->count == 0)
        lane_destroy(core, lane);
    TAILQ_REMOVE(&pool->requests, request, age);
    pool->requests_count--;
    pool->requests_bytes -= request->bytes;
    if (pool->requests_count == 0)
        pool->room = pool->options.queue_requests;
    pool_count(core, pool);
}
