#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/state.h"

worker_t *worker_find(const florin_core_t *core, florin_slice_t id)
{
    table_key_t key = table_key(core, id);
    return zhashx_lookup(core->workers_by_id, &key);
}

/* What a worker says of itself goes into logs: cut it, and show only what can be printed. */
static void copy_printable(char text[WORKER_TEXT_BYTES], const char *from)
{
    size_t used = 0;
    for (; from != NULL && from[used] != '\0' && used < WORKER_TEXT_BYTES - 1; used++)
        text[used] = (char)(from[used] >= ' ' && from[used] <= '~' ? from[used] : '?');
    text[used] = '\0';
}

static void log_birth(const florin_core_t *core, const worker_t *worker)
{
    char text[FLORIN_SERVICE_BYTES_MAX + 3 * WORKER_TEXT_BYTES + 128];
    (void)snprintf(text, sizeof text,
                   "%s '%s' with key '%s' serves '%s': version '%s', credit %u, weight %u",
                   worker->hello ? "worker" : "plain worker", worker->instance, worker->principal,
                   worker->pool->name, worker->version, worker->credit, worker->weight);
    core->out.log(core->out.arg, FLORIN_LOG_INFO, "worker_ready", text);
}

static void log_death(const florin_core_t *core, const worker_t *worker, const char *why,
                      uint64_t now_ms)
{
    char text[FLORIN_SERVICE_BYTES_MAX + 2 * WORKER_TEXT_BYTES + 256];
    (void)snprintf(text, sizeof text,
                   "%s '%s' with key '%s' of '%s' %s, after %" PRIu64 " ms and %" PRIu64
                   " replies; it held %u requests",
                   worker->hello ? "worker" : "plain worker", worker->instance, worker->principal,
                   worker->pool->name, why, now_ms - worker->born_ms, worker->answered,
                   worker->outstanding);
    core->out.log(core->out.arg, FLORIN_LOG_INFO, "worker_gone", text);
}

worker_t *worker_new(florin_core_t *core, pool_t *pool, florin_slice_t id,
                     const florin_core_hello_t *hello, const char *principal, uint64_t now_ms)
{
    uint32_t credit = hello != NULL && hello->credit > 0 ? hello->credit : 1;
    worker_t *worker = calloc(1, sizeof *worker + id.size);
    request_t **slots = calloc(credit, sizeof *slots);
    uint32_t *slots_free = calloc(credit, sizeof *slots_free);
    if (worker == NULL || slots == NULL || slots_free == NULL) {
        free(worker);
        free(slots);
        free(slots_free);
        return NULL;
    }
    for (uint32_t i = 0; i < credit; i++)
        slots_free[i] = credit - 1 - i;
    memcpy(worker->id_bytes, id.data, id.size);
    worker->id = table_key(core, (florin_slice_t){worker->id_bytes, id.size});
    worker->pool = pool;
    worker->hello = hello != NULL;
    worker->packs = hello != NULL && hello->packs;
    worker->credit = credit;
    worker->weight = hello != NULL && hello->weight > 0 ? hello->weight : 1;
    worker->born_ms = worker->seen_ms = now_ms;
    copy_printable(worker->principal, principal);
    copy_printable(worker->instance, hello != NULL ? hello->instance : NULL);
    copy_printable(worker->version, hello != NULL ? hello->version : NULL);
    worker->slots = slots;
    worker->slots_free = slots_free;
    TAILQ_INIT(&worker->held);
    TAILQ_INSERT_TAIL(&core->workers, worker, in_core);
    zhashx_insert(core->workers_by_id, &worker->id, worker);
    core->workers_count++;
    TAILQ_INSERT_TAIL(&pool->ready, worker, in_pool);
    pool->ready_count++;
    pool->serving++;
    log_birth(core, worker);
    return worker;
}

void worker_die(florin_core_t *core, worker_t *worker, const char *why, uint64_t now_ms)
{
    pool_t *pool = worker->pool;
    log_death(core, worker, why, now_ms);
    worker_drain(worker, now_ms);
    TAILQ_REMOVE(&pool->others, worker, in_pool);
    pool->draining--;
    /* From the last to the first, each to the front: they wait in the order they were sent. */
    request_t *request;
    while ((request = TAILQ_LAST(&worker->held, request_list)) != NULL) {
        worker_let_go(request);
        request_again(core, request);
    }
    TAILQ_REMOVE(&core->workers, worker, in_core);
    zhashx_delete(core->workers_by_id, &worker->id);
    core->workers_count--;
    free(worker->slots);
    free(worker->slots_free);
    free(worker);
}

void worker_set_state(worker_t *worker, worker_state_t state)
{
    pool_t *pool = worker->pool;
    if (worker->state == state)
        return;
    if (worker->state == WORKER_READY) {
        TAILQ_REMOVE(&pool->ready, worker, in_pool);
        pool->ready_count--;
    } else {
        TAILQ_REMOVE(&pool->others, worker, in_pool);
    }
    if (state == WORKER_READY) {
        TAILQ_INSERT_TAIL(&pool->ready, worker, in_pool);
        pool->ready_count++;
    } else {
        TAILQ_INSERT_TAIL(&pool->others, worker, in_pool);
    }
    if (state == WORKER_DRAINING) {
        pool->serving--;
        pool->draining++;
    }
    worker->state = state;
}

void worker_drain(worker_t *worker, uint64_t now_ms)
{
    if (worker->state == WORKER_DRAINING)
        return;
    worker_set_state(worker, WORKER_DRAINING);
    if (worker->pool->serving == 0)
        worker->pool->alone_ms = now_ms;
}

void worker_refresh(worker_t *worker)
{
    if (worker->state != WORKER_DRAINING)
        worker_set_state(worker, worker->outstanding < worker->credit ? WORKER_READY : WORKER_FULL);
}

void worker_hold(worker_t *worker, request_t *request)
{
    request->worker = worker;
    request->slot = worker->slots_free[worker->credit - worker->outstanding - 1];
    worker->slots[request->slot] = request;
    worker->outstanding++;
    TAILQ_INSERT_TAIL(&worker->held, request, place);
    worker_refresh(worker);
}

void worker_let_go(request_t *request)
{
    worker_t *worker = request->worker;
    TAILQ_REMOVE(&worker->held, request, place);
    worker->slots[request->slot] = NULL;
    worker->outstanding--;
    worker->slots_free[worker->credit - worker->outstanding - 1] = request->slot;
    request->worker = NULL;
    worker_refresh(worker);
}

void worker_token(florin_core_t *core, const worker_t *worker, char token[TOKEN_BYTES + 1])
{
    uint8_t secret[SECRET_BYTES];
    core->out.random(core->out.arg, secret, sizeof secret);
    (void)snprintf(token, 5, "%04x",
                   worker->slots_free[worker->credit - worker->outstanding - 1] & 0xffffu);
    (void)sodium_bin2hex(token + 4, TOKEN_BYTES - 4 + 1, secret, sizeof secret);
}

request_t *worker_request(const worker_t *worker, florin_slice_t token)
{
    uint8_t slot_bytes[2];
    size_t slot_size = 0;
    if (token.size != TOKEN_BYTES ||
        sodium_hex2bin(slot_bytes, sizeof slot_bytes, (const char *)token.data, 4, NULL, &slot_size,
                       NULL) != 0 ||
        slot_size != sizeof slot_bytes)
        return NULL;
    uint32_t slot = (uint32_t)slot_bytes[0] << 8 | slot_bytes[1];
    request_t *request = slot < worker->credit ? worker->slots[slot] : NULL;
    if (request == NULL || sodium_memcmp(request->token, token.data, TOKEN_BYTES) != 0)
        return NULL;
    return request;
}
