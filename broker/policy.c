#include <string.h>

#include "broker/state.h"

/* Each looks only at the ready workers, so none goes beyond a worker's credit. The one that is
 * picked goes to the end of the list: among equals, the one that waited longest is first. */

static worker_t *pick_least_outstanding(florin_core_t *core, pool_t *pool)
{
    (void)core;
    worker_t *best = TAILQ_FIRST(&pool->ready), *worker;
    TAILQ_FOREACH(worker, &pool->ready, in_pool)
    {
        if (worker->outstanding < best->outstanding)
            best = worker;
    }
    return best;
}

static worker_t *pick_most_outstanding(florin_core_t *core, pool_t *pool)
{
    (void)core;
    worker_t *best = TAILQ_FIRST(&pool->ready), *worker;
    TAILQ_FOREACH(worker, &pool->ready, in_pool)
    {
        if (worker->outstanding > best->outstanding)
            best = worker;
    }
    return best;
}

static worker_t *pick_round_robin(florin_core_t *core, pool_t *pool)
{
    (void)core;
    return TAILQ_FIRST(&pool->ready);
}

/* xorshift64*: enough to spread requests, and the same again for the same seed. */
static uint64_t random_next(florin_core_t *core)
{
    uint64_t x = core->random_state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    core->random_state = x;
    return x * UINT64_C(0x2545F4914F6CDD1D);
}

static worker_t *pick_random(florin_core_t *core, pool_t *pool)
{
    uint64_t steps = (random_next(core) >> 32) % pool->ready_count;
    worker_t *worker = TAILQ_FIRST(&pool->ready);
    while (steps-- > 0)
        worker = TAILQ_NEXT(worker, in_pool);
    return worker;
}

/* Smooth weighted round robin: each gains its weight, the richest is picked and pays for all. So a
 * worker of weight 2 among two of weight 1 is picked a-b-a-c, not a-a-b-c. */
static worker_t *pick_weighted(florin_core_t *core, pool_t *pool)
{
    (void)core;
    worker_t *best = TAILQ_FIRST(&pool->ready), *worker;
    int64_t total = 0;
    TAILQ_FOREACH(worker, &pool->ready, in_pool)
    {
        worker->turn += worker->weight;
        total += worker->weight;
        if (worker->turn > best->turn)
            best = worker;
    }
    best->turn -= total;
    return best;
}

static const struct {
    const char *name;
    worker_t *(*pick)(florin_core_t *core, pool_t *pool);
} policies[] = {
    [FLORIN_POLICY_LEAST_OUTSTANDING] = {"least-outstanding", pick_least_outstanding},
    [FLORIN_POLICY_ROUND_ROBIN] = {"round-robin", pick_round_robin},
    [FLORIN_POLICY_RANDOM] = {"random", pick_random},
    [FLORIN_POLICY_WEIGHTED] = {"weighted", pick_weighted},
    [FLORIN_POLICY_MOST_OUTSTANDING] = {"most-outstanding", pick_most_outstanding},
};
_Static_assert(sizeof policies / sizeof policies[0] == FLORIN_POLICIES, "each policy has a name");

worker_t *policy_pick(florin_core_t *core, pool_t *pool)
{
    if (pool->ready_count == 0)
        return NULL;
    worker_t *worker = policies[pool->options.policy].pick(core, pool);
    TAILQ_REMOVE(&pool->ready, worker, in_pool);
    TAILQ_INSERT_TAIL(&pool->ready, worker, in_pool);
    return worker;
}

const char *florin_policy_name(florin_policy_t policy)
{
    return policies[policy].name;
}

int florin_policy_parse(const char *text, florin_policy_t *policy)
{
    for (size_t i = 0; i < FLORIN_POLICIES; i++) {
        if (strcmp(text, policies[i].name) == 0) {
            *policy = (florin_policy_t)i;
            return 0;
        }
    }
    return FLORIN_ERROR_INVALID;
}
