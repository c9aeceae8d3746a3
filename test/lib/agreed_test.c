/* Agreed time, against a world with a true time and clocks that step, slew, drift and sleep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "lib/agreed.h"

#define SECOND  UINT64_C(1000000000)
#define BOUND   (5 * SECOND)
#define TRUE_AT (UINT64_C(1800000000) * SECOND) /* true time when the machine booted */
#define SEEDS   300
#define STEPS   300
#define CLOCKS  7
#define DAY     (86400 * SECOND)

static uint64_t state_of_random;

/* splitmix64 */
static uint64_t draw(void)
{
    uint64_t z = (state_of_random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t below(uint64_t bound)
{
    return draw() % bound;
}

static int64_t around(uint64_t most)
{
    return (int64_t)below(2 * most + 1) - (int64_t)most;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* Sources that say so much more than true time, each asked just now. */
static florin_agreed_t asked(const int64_t *ahead, size_t count)
{
    florin_agreed_t agreed = {0};
    for (size_t i = 0; i < count; i++)
        florin_agreed_take(&agreed, i, 100, 300, TRUE_AT + 200 + (uint64_t)ahead[i]);
    return agreed;
}

static void one_wrong_clock_is_outvoted(void **state)
{
    (void)state;
    const int64_t wrong[] = {(int64_t)DAY, -(int64_t)DAY, 3650 * (int64_t)DAY,
                             8 * 3600 * (int64_t)SECOND};
    for (size_t i = 0; i < 4; i++) {
        for (size_t place = 0; place < 3; place++) {
            int64_t ahead[3] = {1000, -2000, 3000};
            florin_agreed_time_t time;
            ahead[place] = wrong[i];
            florin_agreed_t agreed = asked(ahead, 3);
            assert_true(florin_agreed_at(&agreed, 300, BOUND, &time));
            assert_int_equal(time.voters, 3);
            assert_int_equal(time.agree, 2);
            assert_true(time.earliest <= TRUE_AT + 300 && time.latest >= TRUE_AT + 300);
            assert_true(distance(time.earliest, TRUE_AT) < BOUND / 2);
            assert_true(distance((uint64_t)florin_agreed_ahead(&agreed, place, 300, TRUE_AT + 300),
                                 (uint64_t)wrong[i]) <= 200);
        }
    }
}

static void two_that_differ_do_not_agree(void **state)
{
    (void)state;
    florin_agreed_time_t time;
    int64_t ahead[] = {0, (int64_t)(2 * SECOND), (int64_t)(2 * SECOND)};
    florin_agreed_t agreed = asked(ahead, 1);
    assert_false(florin_agreed_at(&agreed, 300, BOUND, &time)); /* alone */
    agreed = asked(ahead, 2);
    assert_true(florin_agreed_at(&agreed, 300, BOUND, &time));
    ahead[1] = (int64_t)(3 * SECOND);
    agreed = asked(ahead, 2);
    assert_false(florin_agreed_at(&agreed, 300, BOUND, &time));
    const int64_t halves[] = {0, 0, (int64_t)DAY, (int64_t)DAY};
    agreed = asked(halves, 4);
    assert_false(florin_agreed_at(&agreed, 300, BOUND, &time));
}

/* What is not known well does not vote: an answer that took long, or an old one. */
static void what_is_not_known_well_does_not_vote(void **state)
{
    (void)state;
    florin_agreed_t agreed = {0};
    florin_agreed_time_t time;
    florin_agreed_take(&agreed, 0, 0, 100, TRUE_AT);
    florin_agreed_take(&agreed, 1, 0, 2 * SECOND, TRUE_AT);
    assert_false(florin_agreed_at(&agreed, 2 * SECOND, BOUND, &time));
    assert_int_equal(time.voters, 1);
    florin_agreed_take(&agreed, 1, 2 * SECOND, 2 * SECOND + 100, TRUE_AT + 2 * SECOND);
    assert_true(florin_agreed_at(&agreed, 3 * SECOND, BOUND, &time));
    assert_false(florin_agreed_at(&agreed, DAY, BOUND, &time));
    assert_int_equal(time.voters, 0);
}

/* A late answer must not blur what is known; one that shows another time counts at once. */
static void a_late_answer_leaves_what_is_known(void **state)
{
    (void)state;
    florin_agreed_t agreed = {0};
    florin_agreed_take(&agreed, 0, 0, 100, TRUE_AT);
    const florin_agreed_source_t known = agreed.sources[0];
    florin_agreed_take(&agreed, 0, SECOND, 3 * SECOND, TRUE_AT + 2 * SECOND);
    assert_memory_equal(&known, &agreed.sources[0], sizeof known);
    florin_agreed_take(&agreed, 0, 4 * SECOND, 6 * SECOND, TRUE_AT + 60 * SECOND);
    assert_int_equal(agreed.sources[0].at_ns, 6 * SECOND);
}

/* A clock of the model: its distance from true time, and how fast that grows. */
typedef struct {
    int64_t ahead;
    int64_t drift_ppm;
    bool right;
} model_clock_t;

static bool is_past(int64_t ahead, uint64_t most)
{
    return ahead > (int64_t)most || ahead < -(int64_t)most;
}

/* Moves the world on, awake or asleep. Clocks that are wrong step as they like; those that are
 * right slew, and are stepped back before they are wrong. */
static void pass(model_clock_t *clocks, uint64_t ns)
{
    for (size_t i = 0; i < CLOCKS; i++) {
        model_clock_t *clock = &clocks[i];
        clock->ahead += (int64_t)(ns / 1000000) * clock->drift_ppm;
        if (!clock->right && below(10) == 0)
            clock->ahead = below(2) ? around(3650 * DAY) : around(20 * SECOND);
        if (clock->right && is_past(clock->ahead, BOUND / 8))
            clock->drift_ppm = clock->ahead > 0 ? -200 : 200;
        if (clock->right && is_past(clock->ahead, BOUND / 4))
            clock->ahead = around(BOUND / 8);
    }
}

/* Asks a clock; now and then the question or the answer is long on its way. True time goes on. */
static void ask(florin_agreed_t *agreed, size_t source, const model_clock_t *clock,
                uint64_t *passed)
{
    uint64_t there = below(50) ? below(SECOND / 100) : below(3 * SECOND);
    uint64_t back = below(50) ? below(SECOND / 100) : below(3 * SECOND);
    uint64_t sent = *passed, read = sent + there;
    *passed = read + back;
    florin_agreed_take(agreed, source, sent, *passed, TRUE_AT + read + (uint64_t)clock->ahead);
}

/* Most are right, and all were asked. */
static void it_is_never_further_off_than_the_bound(void **state)
{
    (void)state;
    size_t agreements = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        state_of_random = seed;
        florin_agreed_t agreed = {0};
        model_clock_t clocks[CLOCKS];
        uint64_t passed = SECOND, wrong = below(CLOCKS / 2 + 1);
        for (size_t i = 0; i < CLOCKS; i++)
            clocks[i] = (model_clock_t){around(BOUND / 5), around(200), i >= wrong};
        for (size_t step = 0; step < STEPS; step++) {
            uint64_t ns = below(20) ? below(10 * SECOND) : below(600 * SECOND);
            florin_agreed_time_t time;
            pass(clocks, ns);
            passed += ns;
            for (size_t i = 0; i < CLOCKS; i++)
                if (step == 0 || below(3) > 0)
                    ask(&agreed, i, &clocks[i], &passed);
            if (!florin_agreed_at(&agreed, passed, BOUND, &time))
                continue;
            agreements++;
            if (time.voters < CLOCKS)
                continue; /* some that are right may not vote */
            if (distance(time.earliest, TRUE_AT + passed) > BOUND ||
                distance(time.latest, TRUE_AT + passed) > BOUND || time.earliest > time.latest)
                fail_msg("seed %lu, step %zu", (unsigned long)seed, step);
        }
    }
    assert_in_range(agreements, SEEDS * STEPS * 9 / 10, SEEDS * STEPS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_wrong_clock_is_outvoted),
        cmocka_unit_test(two_that_differ_do_not_agree),
        cmocka_unit_test(what_is_not_known_well_does_not_vote),
        cmocka_unit_test(a_late_answer_leaves_what_is_known),
        cmocka_unit_test(it_is_never_further_off_than_the_bound),
    };
    return cmocka_run_group_tests_name("lib/agreed", tests, NULL, NULL);
}
