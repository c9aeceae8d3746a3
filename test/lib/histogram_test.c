#include "lib/histogram.h"

#include <stdlib.h>

#include "test/lib/support/test.h"

static int set_up(void **state)
{
    *state = florin_histogram_new();
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    florin_histogram_t *histogram = *state;
    florin_histogram_destroy(&histogram);
    assert_null(histogram);
    return 0;
}

static void nothing_recorded_reads_as_zero(void **state)
{
    assert_int_equal(florin_histogram_count(*state), 0);
    assert_int_equal(florin_histogram_at(*state, 0.5), 0);
    assert_int_equal(florin_histogram_at(*state, 1), 0);
}

static void small_values_are_exact(void **state)
{
    for (uint64_t i = 1; i <= 200; i++)
        florin_histogram_record(*state, i);
    assert_int_equal(florin_histogram_count(*state), 200);
    assert_int_equal(florin_histogram_at(*state, 0), 1);
    assert_int_equal(florin_histogram_at(*state, 0.005), 1);
    assert_int_equal(florin_histogram_at(*state, 0.5), 100);
    assert_int_equal(florin_histogram_at(*state, 0.501), 101);
    assert_int_equal(florin_histogram_at(*state, 0.99), 198);
    assert_int_equal(florin_histogram_at(*state, 1), 200);
}

/* Read between a smaller value and a larger one, each is itself and not cut off at the largest. */
static void expect_close(uint64_t value)
{
    florin_histogram_t *histogram = florin_histogram_new();
    florin_histogram_record(histogram, 0);
    florin_histogram_record(histogram, value);
    florin_histogram_record(histogram, UINT64_MAX);
    uint64_t read = florin_histogram_at(histogram, 0.5);
    assert_true(read >= value);
    assert_true(read - value <= value / 100);
    assert_int_equal(florin_histogram_at(histogram, 0.1), 0);
    assert_int_equal(florin_histogram_at(histogram, 1), UINT64_MAX);
    florin_histogram_destroy(&histogram);
}

static void the_error_is_under_one_percent(void **state)
{
    (void)state;
    test_random_t random = test_random_new();
    for (unsigned bits = 0; bits < 64; bits++) {
        uint64_t power = UINT64_C(1) << bits;
        expect_close(power - 1);
        expect_close(power);
        expect_close(power + 1);
        for (size_t i = 0; i < 20; i++)
            expect_close(power + test_random_next(&random) % power);
    }
    expect_close(UINT64_MAX);
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;
    return *left < *right ? -1 : *left > *right;
}

/* Against the definition, on values as uneven as latencies are. */
static void quantiles_are_those_of_the_sorted_values(void **state)
{
    enum { COUNT = 5000 };
    static uint64_t values[COUNT];
    test_random_t random = test_random_new();
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = test_random_next(&random) >> (20 + test_random_below(&random, 40));
        florin_histogram_record(*state, values[i]);
    }
    qsort(values, COUNT, sizeof *values, by_value);
    for (size_t rank = 1; rank <= COUNT; rank++) {
        uint64_t read = florin_histogram_at(*state, ((double)rank - 0.5) / COUNT);
        assert_true(read >= values[rank - 1]);
        assert_true(read - values[rank - 1] <= values[rank - 1] / 100);
    }
    assert_int_equal(florin_histogram_at(*state, 1), values[COUNT - 1]);
}

static void never_reads_above_the_largest(void **state)
{
    florin_histogram_record(*state, 1000001);
    assert_int_equal(florin_histogram_at(*state, 0.5), 1000001);
}

static void adds_another_up(void **state)
{
    florin_histogram_t *other = florin_histogram_new();
    florin_histogram_record(*state, 10);
    florin_histogram_record(other, 20);
    florin_histogram_record(other, 123456789);
    florin_histogram_add(*state, other);
    florin_histogram_destroy(&other);
    assert_int_equal(florin_histogram_count(*state), 3);
    assert_int_equal(florin_histogram_at(*state, 0.3), 10);
    assert_int_equal(florin_histogram_at(*state, 0.6), 20);
    assert_int_equal(florin_histogram_at(*state, 1), 123456789);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_recorded_reads_as_zero), TEST(small_values_are_exact),
        TEST(the_error_is_under_one_percent), TEST(quantiles_are_those_of_the_sorted_values),
        TEST(never_reads_above_the_largest),  TEST(adds_another_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
