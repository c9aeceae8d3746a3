/* How much of the credit a lane may hold: cases, and a worker whose lanes stand still at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "workers/runtime/lanes/budget.h"

#define CREDIT 384

static void test_stuck(void **state)
{
    (void)state;
    assert_false(florin_budget_stuck(&(florin_load_t){.since_ms = 0}, 100000));
    assert_false(florin_budget_stuck(&(florin_load_t){.since_ms = 1000}, 1499));
    assert_true(florin_budget_stuck(&(florin_load_t){.since_ms = 1000}, 1500));
}

/* One lane alone makes batches as large as two can be under way within two thirds of the credit. */
static void test_batch(void **state)
{
    (void)state;
    assert_int_equal(florin_budget_batch(CREDIT, 0), 128);
    assert_int_equal(florin_budget_batch(CREDIT, 100), 128);
    assert_int_equal(florin_budget_batch(CREDIT, 200), 56);
    assert_int_equal(florin_budget_batch(CREDIT, 250), 24);
    assert_int_equal(florin_budget_batch(CREDIT, 1000), 24);
    /* A small credit is not divided. */
    assert_int_equal(florin_budget_batch(6, 0), 32);
    assert_int_equal(florin_budget_batch(1, 64), 8);
}

static size_t waiting(size_t begun, uint64_t since_ms, size_t part, size_t held)
{
    const florin_load_t load = {.waiting = 1000, .begun = begun, .since_ms = since_ms};
    return florin_budget_waiting(&load, CREDIT, part, held, 10000);
}

static void test_waiting(void **state)
{
    (void)state;
    assert_true(waiting(5, 9900, 0, CREDIT) == SIZE_MAX);     /* at work */
    assert_true(waiting(5, 9000, 0, CREDIT / 2) == SIZE_MAX); /* nobody needs the credit */
    assert_int_equal(waiting(5, 9000, 0, CREDIT), 19);
    assert_int_equal(waiting(24, 9000, 0, CREDIT), 0);
    assert_int_equal(waiting(100, 9000, 0, CREDIT), 0);
    /* A bound of the lane's own holds always. */
    assert_int_equal(waiting(0, 0, 12, 0), 32);
    assert_int_equal(waiting(0, 9000, 12, CREDIT), 24);
}

static void test_rest(void **state)
{
    (void)state;
    assert_int_equal(florin_budget_rest_ms(50, 1000, 1099), 50);
    assert_int_equal(florin_budget_rest_ms(5000, 1000, 1099), 200);
    assert_int_equal(florin_budget_rest_ms(5000, 1000, 1100), 0);
    assert_int_equal(florin_budget_rest_ms(0, 1000, 1000), 0);
}

/* ------------------------------------------------------------------------------- a whole worker */

#define LANES     7
#define STUCK_MAX 4
#define TURN_MS   10

typedef struct {
    florin_load_t load;
    size_t running; /* of load.begun; the others are of the next batch */
    bool stuck;
} lane_t;

typedef struct {
    lane_t lanes[LANES];
    uint64_t now_ms;
    unsigned seed;
} worker_t;

static size_t below(worker_t *self, size_t bound)
{
    return (size_t)rand_r(&self->seed) % bound;
}

static size_t begun(const worker_t *self)
{
    size_t sum = 0;
    for (size_t i = 0; i < LANES; i++)
        sum += self->lanes[i].load.begun;
    return sum;
}

static size_t held(const worker_t *self, bool stuck_alone)
{
    size_t sum = 0;
    for (size_t i = 0; i < LANES; i++)
        if (!stuck_alone || self->lanes[i].stuck)
            sum += self->lanes[i].load.begun + self->lanes[i].load.waiting;
    return sum;
}

/* As lane.c does: a batch, and one ahead. */
static void work(worker_t *self, lane_t *lane)
{
    if (!lane->stuck) {
        lane->load.begun -= lane->running;
        lane->running = lane->load.begun;
        lane->load.since_ms = 0;
    }
    for (unsigned i = 0; i < 2; i++) {
        bool ahead = lane->running > 0;
        if (ahead && lane->load.begun > lane->running)
            break;
        size_t most = florin_budget_batch(CREDIT, begun(self));
        assert_in_range(most, 1, CREDIT / 3);
        size_t count = lane->load.waiting < most ? lane->load.waiting : most;
        lane->load.waiting -= count;
        lane->load.begun += count;
        if (!ahead)
            lane->running = count;
    }
    if (lane->running > 0 && lane->load.since_ms == 0)
        lane->load.since_ms = self->now_ms;
}

static void relieve(worker_t *self)
{
    size_t all = held(self, false);
    for (size_t i = 0; i < LANES; i++) {
        florin_load_t *load = &self->lanes[i].load;
        size_t most = florin_budget_waiting(load, CREDIT, 0, all, self->now_ms);
        if (load->waiting > most) {
            assert_true(self->lanes[i].stuck); /* who is at work is left alone */
            load->waiting = most;
        }
    }
}

/* Whether it was seen of each lane that stands still. */
static bool all_known(const worker_t *self)
{
    for (size_t i = 0; i < LANES; i++)
        if (self->lanes[i].stuck && self->lanes[i].load.since_ms != 0 &&
            !florin_budget_stuck(&self->lanes[i].load, self->now_ms))
            return false;
    return true;
}

/* Lanes stop and go on; whatever comes, those that are not stuck have some of the credit left. */
static void test_some_credit_is_always_left(void **state)
{
    (void)state;
    worker_t self = {.now_ms = 1000, .seed = (unsigned)time(NULL)};
    const unsigned seed = self.seed;
    size_t stuck = 0, refused = 0, checked = 0;
    for (int turn = 0; turn < 200000; turn++, self.now_ms += TURN_MS) {
        if (below(&self, 150) == 0) {
            lane_t *lane = &self.lanes[below(&self, LANES)];
            if (lane->stuck || stuck < STUCK_MAX) {
                stuck = lane->stuck ? stuck - 1 : stuck + 1;
                lane->stuck = !lane->stuck;
                if (!lane->stuck && lane->load.since_ms)
                    lane->load.since_ms = self.now_ms;
            }
        }
        size_t favourite = below(&self, LANES); /* most of what comes is for one lane */
        while (held(&self, false) < CREDIT && below(&self, 60) > 0)
            self.lanes[below(&self, 3) ? favourite : below(&self, LANES)].load.waiting++;
        size_t before = held(&self, false);
        relieve(&self);
        refused += before - held(&self, false);
        for (size_t i = 0; i < LANES; i++)
            work(&self, &self.lanes[i]);
        size_t free = CREDIT - held(&self, true);
        checked += all_known(&self) && stuck == STUCK_MAX;
        if (all_known(&self) && free < CREDIT / 16)
            fail_msg("seed %u, turn %d: %zu of the credit is left", seed, turn, free);
    }
    assert_true(refused > 1000 && checked > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stuck),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_rest),
        cmocka_unit_test(test_some_credit_is_always_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
