#include <stdlib.h>
#include <string.h>

#include "broker/state.h"
#include "lib/arena.h"

/* Room for as many pools and workers as there may be. */
#define STATUS_BYTES_MAX (1024 * 1024)

static_assert(FLORIN_BROKER_WORKERS_MAX * (sizeof(Florin__V1__WorkerStatus) + 16) +
                      FLORIN_BROKER_SERVICES_MAX * (sizeof(Florin__V1__PoolStatus) + 48) <
                  STATUS_BYTES_MAX,
              "the whole status fits in its arena");

static Florin__V1__WorkerStatus *describe_worker(worker_t *worker, uint64_t now_ms,
                                                 florin_arena_t *arena)
{
    Florin__V1__WorkerStatus *status = florin_arena_alloc(arena, sizeof *status);
    if (status == NULL)
        return NULL;
    florin__v1__worker_status__init(status);
    status->instance = worker->instance;
    status->version = worker->version;
    status->credit = worker->credit;
    status->weight = worker->weight;
    status->outstanding = worker->outstanding;
    status->answered = worker->answered;
    status->age_ms = now_ms - worker->born_ms;
    status->draining = worker->state == WORKER_DRAINING;
    return status;
}

static bool describe_workers(const struct worker_list *workers, Florin__V1__PoolStatus *status,
                             uint64_t now_ms, florin_arena_t *arena)
{
    worker_t *worker;
    TAILQ_FOREACH(worker, workers, in_pool)
    {
        Florin__V1__WorkerStatus *described = describe_worker(worker, now_ms, arena);
        if (described == NULL)
            return false;
        status->workers[status->n_workers++] = described;
    }
    return true;
}

static Florin__V1__PoolStatus *describe_pool(pool_t *pool, uint64_t now_ms, florin_arena_t *arena)
{
    Florin__V1__PoolStatus *status = florin_arena_alloc(arena, sizeof *status);
    size_t workers = pool->serving + pool->draining;
    if (status == NULL)
        return NULL;
    florin__v1__pool_status__init(status);
    status->service = pool->name;
    /* The generated struct wants a char *, and only reads it. */
    status->policy = florin_arena_printf(arena, "%s", florin_policy_name(pool->options.policy));
    status->queued_requests = pool->waiting_count;
    status->queued_bytes = pool->waiting_bytes;
    status->queue_requests_max = pool->room;
    status->queue_bytes_max = pool->options.queue_bytes;
    status->answered = pool->answered;
    status->busy = pool->busy;
    status->expired = pool->expired;
    status->redispatched = pool->redispatched;
    status->workers = florin_arena_calloc(arena, workers + 1, sizeof *status->workers);
    if (status->policy == NULL || status->workers == NULL ||
        !describe_workers(&pool->ready, status, now_ms, arena) ||
        !describe_workers(&pool->others, status, now_ms, arena))
        return NULL;
    return status;
}

void florin_core_pools(const florin_core_t *self, florin_core_pool_fn *visit, void *arg)
{
    const pool_t *pool;
    TAILQ_FOREACH(pool, &self->pools, in_core)
    {
        const florin_core_pool_t now = {
            .clients = zhashx_size(pool->lanes_by_client),
            .workers = pool->serving,
            .workers_draining = pool->draining,
            .requests_waiting = pool->waiting_count,
            .requests_held = pool->requests_count - pool->waiting_count,
            .requests_max = pool->options.queue_requests,
            .bytes_waiting = pool->waiting_bytes,
            .bytes_held = pool->requests_bytes - pool->waiting_bytes,
            .bytes_max = pool->options.queue_bytes,
            .answered = pool->answered,
            .busy = pool->busy,
            .expired = pool->expired,
            .no_service = pool->no_service,
            .unavailable = pool->unavailable,
            .redispatched = pool->redispatched,
        };
        visit(arg, pool->name, &now);
    }
}

static uint8_t *pack(Florin__V1__BrokerStatus *status, florin_slice_t request_id, size_t *bytes)
{
    uint8_t id[FLORIN_REQUEST_ID_BYTES_MAX];
    Florin__V1__Reply reply = FLORIN__V1__REPLY__INIT;
    if (request_id.size > 0 && request_id.size <= sizeof id) {
        memcpy(id, request_id.data, request_id.size);
        reply.request_id = (ProtobufCBinaryData){request_id.size, id};
    }
    reply.status = FLORIN__V1__STATUS__STATUS_OK;
    reply.result_case = FLORIN__V1__REPLY__RESULT_BROKER_STATUS;
    reply.broker_status = status;
    uint8_t *packed = malloc(florin__v1__reply__get_packed_size(&reply));
    if (packed != NULL)
        *bytes = florin__v1__reply__pack(&reply, packed);
    return packed;
}

uint8_t *florin_core_status(const florin_core_t *self, florin_slice_t request_id, uint64_t now_ms,
                            size_t *bytes)
{
    uint8_t *packed = NULL;
    florin_arena_t *arena = florin_arena_new(STATUS_BYTES_MAX);
    if (arena == NULL)
        return NULL;
    Florin__V1__BrokerStatus status = FLORIN__V1__BROKER_STATUS__INIT;
    char version[] = FLORIN_VERSION;
    status.version = version;
    status.uptime_ms = now_ms - self->born_ms;
    status.dropped_malformed = self->counters.malformed;
    status.dropped_replies = self->counters.replies_dropped;
    status.pools = florin_arena_calloc(arena, self->pools_count + 1, sizeof *status.pools);
    pool_t *pool;
    TAILQ_FOREACH(pool, &self->pools, in_core)
    {
        Florin__V1__PoolStatus *described =
            status.pools != NULL ? describe_pool(pool, now_ms, arena) : NULL;
        if (described == NULL)
            goto out;
        status.pools[status.n_pools++] = described;
    }
    packed = pack(&status, request_id, bytes);
out:
    florin_arena_destroy(&arena);
    return packed;
}
