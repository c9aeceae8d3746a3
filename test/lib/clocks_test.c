/* By what time a process writes, and when it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "lib/clock.h"
#include "lib/clocks.h"

#define BOUND_MS 5000
#define SECOND   INT64_C(1000000000)
#define HOUR     (3600 * SECOND)

/* A server's answer, at once, that is so far ahead of this machine. */
static void answer(florin_clocks_t *clocks, size_t server, int64_t ahead_ns)
{
    uint64_t sent_ns = florin_clock_boot_ns(), unix_ns = florin_clock_unix_ns();
    florin_clocks_take(clocks, server, sent_ns, florin_clock_boot_ns(),
                       unix_ns + (uint64_t)ahead_ns);
}

static int64_t off(florin_clocks_t *clocks)
{
    uint64_t unix_ns = 0;
    florin_error_t error = {0};
    if (florin_clocks_now(clocks, &unix_ns, &error) != 0)
        fail_msg("%s", error.message);
    return (int64_t)(unix_ns - florin_clock_unix_ns());
}

static void expect_aside(florin_clocks_t *clocks, const char *why)
{
    uint64_t unix_ns;
    florin_error_t error = {0};
    assert_false(florin_clocks_agree(clocks));
    assert_int_equal(florin_clocks_now(clocks, &unix_ns, &error), FLORIN_ERROR_ASIDE);
    if (!strstr(error.message, why))
        fail_msg("%s", error.message);
}

static void a_server_and_this_machine_have_to_agree(void **state)
{
    (void)state;
    florin_clocks_t *clocks = florin_clocks_new(BOUND_MS, NULL);
    expect_aside(clocks, "of 1, 1 are");
    answer(clocks, 0, SECOND);
    assert_true(llabs(off(clocks)) < SECOND / 10); /* its own is good enough */
    answer(clocks, 0, 8 * HOUR);
    expect_aside(clocks, "of 2, 1 are within half of 5000 ms (own 0.000 s, shard 0 28");
    answer(clocks, 0, -24 * HOUR);
    expect_aside(clocks, "do not agree");
    florin_clocks_destroy(&clocks);
}

static void one_server_that_is_wrong_is_outvoted(void **state)
{
    (void)state;
    florin_clocks_t *clocks = florin_clocks_new(BOUND_MS, NULL);
    answer(clocks, 0, 8 * HOUR);
    answer(clocks, 1, SECOND / 100);
    assert_true(llabs(off(clocks)) < SECOND / 10);
    answer(clocks, 0, -24 * HOUR);
    assert_true(llabs(off(clocks)) < SECOND / 10);
    florin_clocks_destroy(&clocks);
}

/* Beyond the bound it writes nothing; within, it writes by what the others agree on. */
static void a_machine_that_is_wrong_steps_aside(void **state)
{
    (void)state;
    florin_clocks_t *clocks = florin_clocks_new(BOUND_MS, NULL);
    answer(clocks, 0, -8 * HOUR);
    answer(clocks, 1, -8 * HOUR - SECOND);
    expect_aside(clocks, "ahead of agreed time");
    answer(clocks, 0, 24 * HOUR);
    answer(clocks, 1, 24 * HOUR);
    expect_aside(clocks, "behind agreed time");
    answer(clocks, 0, 4 * SECOND);
    answer(clocks, 1, 4 * SECOND);
    int64_t ns = off(clocks);
    assert_true(llabs(ns - 4 * SECOND) < SECOND / 10);
    assert_true(llabs((int64_t)(florin_clocks_time(clocks) - florin_clock_unix_ns()) - ns) <
                SECOND);
    florin_clocks_destroy(&clocks);
}

static void metrics_say_whether_and_how_far(void **state)
{
    (void)state;
    florin_metrics_t *metrics = florin_metrics_new();
    florin_clocks_t *clocks = florin_clocks_new(BOUND_MS, metrics);
    size_t bytes;
    answer(clocks, 0, -8 * HOUR);
    expect_aside(clocks, "do not agree");
    char *text = florin_metrics_text(metrics, &bytes);
    assert_non_null(strstr(text, "\nflorin_clock_agreed 0\n"));
    assert_non_null(strstr(text, "\nflorin_clock_ahead_seconds{clock=\"shard 0\"} -28"));
    free(text);
    answer(clocks, 0, 0);
    (void)off(clocks);
    text = florin_metrics_text(metrics, &bytes);
    assert_non_null(strstr(text, "\nflorin_clock_agreed 1\n"));
    free(text);
    florin_clocks_destroy(&clocks);
    florin_metrics_destroy(&metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_and_this_machine_have_to_agree),
        cmocka_unit_test(one_server_that_is_wrong_is_outvoted),
        cmocka_unit_test(a_machine_that_is_wrong_steps_aside),
        cmocka_unit_test(metrics_say_whether_and_how_far),
    };
    return cmocka_run_group_tests_name("lib/clocks", tests, NULL, NULL);
}
