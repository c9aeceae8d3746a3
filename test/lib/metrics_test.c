#include "lib/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/limits.h"
#include "test/lib/support/test.h"

#define THREADS     4
#define THREAD_ADDS 100000

static const uint64_t second_bounds[] = {500000, 1000000000, 2500000000};
static const florin_buckets_t seconds = {second_bounds, 3, 9};

static int set_up(void **state)
{
    *state = florin_metrics_new();
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    florin_metrics_t *metrics = *state;
    florin_metrics_destroy(&metrics);
    assert_null(metrics);
    return 0;
}

static void assert_text(florin_metrics_t *metrics, const char *expected)
{
    size_t bytes = 0;
    char *text = florin_metrics_text(metrics, &bytes);
    assert_non_null(text);
    assert_string_equal(text, expected);
    assert_int_equal(bytes, strlen(expected));
    free(text);
}

static void an_empty_registry_is_an_empty_text(void **state)
{
    assert_text(*state, "");
}

static void series_stand_by_name_with_help_and_type(void **state)
{
    florin_metric_t *ok = florin_metrics_counter(*state, "florin_calls_total", "Calls, by status.",
                                                 "service", "risk", "status", "ok", NULL);
    florin_metric_t *depth = florin_metrics_gauge(*state, "florin_depth", "How deep.", NULL);
    florin_metric_t *busy =
        florin_metrics_counter(*state, "florin_calls_total", "Calls, by status.", "service", "risk",
                               "status", "busy", NULL);
    florin_metric_add(ok, 3);
    florin_metric_add(ok, 1);
    florin_metric_set(depth, 2);
    florin_metric_add(depth, -5);
    florin_metric_set(busy, UINT64_MAX);
    assert_text(*state,
                "# HELP florin_calls_total Calls, by status.\n"
                "# TYPE florin_calls_total counter\n"
                "florin_calls_total{service=\"risk\",status=\"ok\"} 4\n"
                "florin_calls_total{service=\"risk\",status=\"busy\"} 18446744073709551615\n"
                "# HELP florin_depth How deep.\n"
                "# TYPE florin_depth gauge\n"
                "florin_depth -3\n");
}

static void buckets_are_cumulative_and_in_base_units(void **state)
{
    const char *help = "How long.";
    florin_metric_t *plain =
        florin_metrics_histogram(*state, "florin_wait_seconds", help, &seconds, NULL);
    florin_metric_t *labelled =
        florin_metrics_histogram(*state, "florin_wait_seconds", help, &seconds, "at", "x", NULL);
    static const uint64_t values[] = {0, 500000, 500001, 1000000000, 2500000001, 7000000000};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        florin_metric_observe(plain, values[i]);
    florin_metric_observe(labelled, 1);
    assert_text(*state, "# HELP florin_wait_seconds How long.\n"
                        "# TYPE florin_wait_seconds histogram\n"
                        "florin_wait_seconds_bucket{le=\"0.0005\"} 2\n"
                        "florin_wait_seconds_bucket{le=\"1\"} 4\n"
                        "florin_wait_seconds_bucket{le=\"2.5\"} 4\n"
                        "florin_wait_seconds_bucket{le=\"+Inf\"} 6\n"
                        "florin_wait_seconds_sum 10.501000002\n"
                        "florin_wait_seconds_count 6\n"
                        "florin_wait_seconds_bucket{at=\"x\",le=\"0.0005\"} 1\n"
                        "florin_wait_seconds_bucket{at=\"x\",le=\"1\"} 1\n"
                        "florin_wait_seconds_bucket{at=\"x\",le=\"2.5\"} 1\n"
                        "florin_wait_seconds_bucket{at=\"x\",le=\"+Inf\"} 1\n"
                        "florin_wait_seconds_sum{at=\"x\"} 0.000000001\n"
                        "florin_wait_seconds_count{at=\"x\"} 1\n");
}

static void what_would_end_a_text_is_escaped(void **state)
{
    florin_metrics_gauge(*state, "florin_odd", "A \\ and\na \"line\".", "name",
                         "a\"b\\c\nd\xc3\xa9", NULL);
    assert_text(*state, "# HELP florin_odd A \\\\ and\\na \"line\".\n"
                        "# TYPE florin_odd gauge\n"
                        "florin_odd{name=\"a\\\"b\\\\c\\nd\xc3\xa9\"} 0\n");
}

static void the_same_labels_are_the_same_series(void **state)
{
    florin_metric_t *one = florin_metrics_counter(*state, "florin_n_total", "N.", "a", "1", NULL);
    assert_non_null(one);
    assert_ptr_equal(florin_metrics_counter(*state, "florin_n_total", "N.", "a", "1", NULL), one);
    assert_ptr_not_equal(florin_metrics_counter(*state, "florin_n_total", "N.", "a", "2", NULL),
                         one);
}

static void what_was_removed_is_not_shown(void **state)
{
    florin_metric_t *gone = florin_metrics_gauge(*state, "florin_n", "N.", "a", "1", NULL);
    florin_metric_t *other = florin_metrics_gauge(*state, "florin_n", "N.", "a", "2", NULL);
    florin_metrics_remove(*state, &gone);
    assert_null(gone);
    assert_text(*state, "# HELP florin_n N.\n# TYPE florin_n gauge\nflorin_n{a=\"2\"} 0\n");
    florin_metrics_remove(*state, &other);
    florin_metrics_remove(*state, &other);
    assert_text(*state, "");
}

static void a_full_registry_takes_no_more(void **state)
{
    char value[16], long_value[2048] = {0};
    florin_metric_t *first = NULL;
    for (unsigned i = 0; i < FLORIN_METRICS_SERIES_MAX; i++) {
        (void)snprintf(value, sizeof(value), "%u", i);
        florin_metric_t *metric =
            florin_metrics_counter(*state, "florin_n_total", "N.", "a", value, NULL);
        assert_non_null(metric);
        first = i == 0 ? metric : first;
    }
    assert_null(florin_metrics_counter(*state, "florin_n_total", "N.", "a", "one more", NULL));
    florin_metrics_remove(*state, &first);
    memset(long_value, 'x', sizeof(long_value) - 1);
    assert_null(florin_metrics_counter(*state, "florin_n_total", "N.", "a", long_value, NULL));
    assert_non_null(florin_metrics_counter(*state, "florin_n_total", "N.", "a", "one more", NULL));
}

static void without_a_registry_nothing_is_counted(void **state)
{
    (void)state;
    florin_metric_t *none = florin_metrics_counter(NULL, "florin_n_total", "N.", NULL);
    assert_null(none);
    florin_metric_add(none, 1);
    florin_metric_set(none, 1);
    florin_metric_observe(none, 1);
    florin_metrics_remove(NULL, &none);
}

typedef struct {
    florin_metric_t *counter, *histogram;
} shared_t;

static void *count(void *shared_p)
{
    const shared_t *shared = shared_p;
    for (uint64_t i = 0; i < THREAD_ADDS; i++) {
        florin_metric_add(shared->counter, 1);
        florin_metric_observe(shared->histogram, i % 2 ? 1 : UINT64_C(3000000000));
    }
    return NULL;
}

/* The text is made meanwhile, again and again: whatever it catches, it agrees with itself. */
static void no_thread_s_count_is_lost(void **state)
{
    pthread_t threads[THREADS];
    shared_t shared = {florin_metrics_counter(*state, "florin_n_total", "N.", NULL),
                       florin_metrics_histogram(*state, "florin_t_seconds", "T.", &seconds, NULL)};
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, &shared), 0);
    for (unsigned i = 0; i < 200; i++) {
        unsigned long long infinite = 0, counted = 0;
        size_t bytes;
        char *text = florin_metrics_text(*state, &bytes);
        assert_non_null(text);
        const char *last = strstr(text, "+Inf\"}"), *total = strstr(text, "_count ");
        assert_non_null(last);
        assert_non_null(total);
        infinite = strtoull(last + strlen("+Inf\"}"), NULL, 10);
        counted = strtoull(total + strlen("_count "), NULL, 10);
        assert_int_equal(infinite, counted);
        free(text);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_text(*state, "# HELP florin_n_total N.\n"
                        "# TYPE florin_n_total counter\n"
                        "florin_n_total 400000\n"
                        "# HELP florin_t_seconds T.\n"
                        "# TYPE florin_t_seconds histogram\n"
                        "florin_t_seconds_bucket{le=\"0.0005\"} 200000\n"
                        "florin_t_seconds_bucket{le=\"1\"} 200000\n"
                        "florin_t_seconds_bucket{le=\"2.5\"} 200000\n"
                        "florin_t_seconds_bucket{le=\"+Inf\"} 400000\n"
                        "florin_t_seconds_sum 600000.0002\n"
                        "florin_t_seconds_count 400000\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_registry_is_an_empty_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(series_stand_by_name_with_help_and_type, set_up, tear_down),
        cmocka_unit_test_setup_teardown(buckets_are_cumulative_and_in_base_units, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_would_end_a_text_is_escaped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_labels_are_the_same_series, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_removed_is_not_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_registry_takes_no_more, set_up, tear_down),
        cmocka_unit_test(without_a_registry_nothing_is_counted),
        cmocka_unit_test_setup_teardown(no_thread_s_count_is_lost, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
