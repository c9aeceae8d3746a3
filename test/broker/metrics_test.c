#include "broker/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test/broker/support/recorder.h"

#define COPIES_MS 250

typedef struct {
    recorder_t *recorder;
    florin_metrics_t *registry;
    florin_broker_metrics_t *metrics;
    char *text; /* as it was last read */
} stage_t;

static int set_up(void **state)
{
    static stage_t stage;
    void *recorder = NULL;
    florin_error_t error;
    if (recorder_setup(&recorder) != 0)
        return -1;
    stage = (stage_t){.recorder = recorder, .registry = florin_metrics_new()};
    *state = &stage;
    return florin_broker_metrics_new(stage.registry, &stage.metrics, &error);
}

static int tear_down(void **state)
{
    stage_t *self = *state;
    void *recorder = self->recorder;
    free(self->text);
    florin_broker_metrics_destroy(&self->metrics);
    florin_metrics_destroy(&self->registry);
    return recorder_teardown(&recorder);
}

static void turn(stage_t *self)
{
    size_t bytes;
    florin_broker_metrics_turn(self->metrics, self->recorder->core, self->recorder->now_ms);
    free(self->text);
    self->text = florin_metrics_text(self->registry, &bytes);
    assert_non_null(self->text);
}

static void expect(stage_t *self, const char *series, unsigned value)
{
    char line[256];
    (void)snprintf(line, sizeof line, "\n%s %u\n", series, value);
    if (strstr(self->text, line) == NULL)
        fail_msg("%s is not %u in:\n%s", series, value, self->text);
}

static void what_a_pool_holds_is_shown(void **state)
{
    stage_t *self = *state;
    recorder_hello(self->recorder, "w", "pay", 2, 1);
    for (unsigned i = 0; i < 4; i++)
        recorder_request(self->recorder, i == 0 ? "c" : "d", "pay", 10);
    recorder_reply_sent(self->recorder, 0);
    turn(self);
    expect(self, "florin_pool_requests_total{pool=\"pay\",outcome=\"replied\"}", 1);
    expect(self, "florin_pool_requests{pool=\"pay\",state=\"waiting\"}", 1);
    expect(self, "florin_pool_requests{pool=\"pay\",state=\"at_worker\"}", 2);
    expect(self, "florin_pool_body_bytes{pool=\"pay\",state=\"waiting\"}", 10);
    expect(self, "florin_pool_body_bytes{pool=\"pay\",state=\"at_worker\"}", 20);
    expect(self, "florin_pool_workers{pool=\"pay\",state=\"serving\"}", 1);
    expect(self, "florin_pool_workers{pool=\"pay\",state=\"draining\"}", 0);
    expect(self, "florin_pool_clients{pool=\"pay\"}", 1);
    expect(self, "florin_pool_requests_max{pool=\"pay\"}",
           self->recorder->options.pool.queue_requests);
    expect(self, "florin_pool_body_bytes_max{pool=\"pay\"}",
           (unsigned)self->recorder->options.pool.queue_bytes);
    recorder_disconnect(self->recorder, "w");
    recorder_pass(self->recorder, COPIES_MS);
    turn(self);
    expect(self, "florin_pool_workers{pool=\"pay\",state=\"serving\"}", 0);
    expect(self, "florin_pool_workers{pool=\"pay\",state=\"draining\"}", 1);
}

/* One worker after the other takes the request and falls silent. */
static void each_end_of_a_request_is_counted(void **state)
{
    stage_t *self = *state;
    recorder_request(self->recorder, "c", "nobody", 10);
    recorder_request(self->recorder, "c", "pay", 10);
    recorder_pass(self->recorder, self->recorder->options.no_worker_ms);
    recorder_request(self->recorder, "c", "pay", 10);
    for (unsigned i = 0; i < FLORIN_ATTEMPTS_MAX; i++) {
        char worker[16];
        (void)snprintf(worker, sizeof worker, "w%u", i);
        recorder_hello(self->recorder, worker, "pay", 1, 1);
        recorder_pass(self->recorder, 4 * (uint64_t)self->recorder->options.heartbeat_ms);
    }
    static const char *const alive[] = {"w", NULL};
    recorder_hello(self->recorder, "w", "pay", 1, 1);
    for (unsigned i = 0; i <= self->recorder->options.pool.queue_requests; i++) {
        char client[16];
        (void)snprintf(client, sizeof client, "c%u", i);
        recorder_request(self->recorder, client, "pay", 10);
    }
    recorder_pass_alive(self->recorder, self->recorder->options.pool.ttl_ms, alive);
    turn(self);
    expect(self, "florin_broker_requests_unserved_total", 1);
    expect(self, "florin_pool_requests_total{pool=\"pay\",outcome=\"no_service\"}", 1);
    expect(self, "florin_pool_requests_total{pool=\"pay\",outcome=\"unavailable\"}", 1);
    expect(self, "florin_pool_requests_total{pool=\"pay\",outcome=\"busy\"}", 1);
    expect(self, "florin_pool_requests_total{pool=\"pay\",outcome=\"expired\"}",
           self->recorder->options.pool.queue_requests);
    expect(self, "florin_pool_redispatches_total{pool=\"pay\"}", FLORIN_ATTEMPTS_MAX - 1);
}

static void what_is_dropped_is_counted(void **state)
{
    stage_t *self = *state;
    florin_core_counters(self->recorder->core)->malformed = 3;
    florin_core_counters(self->recorder->core)->replies_undelivered = 4;
    recorder_heartbeat(self->recorder, "stranger");
    recorder_hello(self->recorder, "w", "mmi.x", 1, 1);
    recorder_hello(self->recorder, "v", "pay", 1, 1);
    recorder_reply(self->recorder, "v", "no token", "reply");
    turn(self);
    expect(self, "florin_broker_dropped_total{reason=\"malformed\"}", 3);
    expect(self, "florin_broker_dropped_total{reason=\"reply_undelivered\"}", 4);
    expect(self, "florin_broker_dropped_total{reason=\"reply_late_or_unknown\"}", 1);
    expect(self, "florin_broker_dropped_total{reason=\"unregistered_worker\"}", 1);
    expect(self, "florin_broker_workers_refused_total", 1);
}

static void a_pool_that_goes_is_not_shown(void **state)
{
    stage_t *self = *state;
    static const char *const names[] = {"one", "two", "three"};
    for (size_t i = 0; i < 3; i++)
        recorder_hello(self->recorder, names[i], names[i], 1, 1);
    turn(self);
    for (size_t i = 0; i < 3; i++) {
        char series[64];
        (void)snprintf(series, sizeof series, "florin_pool_clients{pool=\"%s\"}", names[i]);
        expect(self, series, 0);
    }
    recorder_disconnect(self->recorder, "one");
    recorder_disconnect(self->recorder, "three");
    static const char *const alive[] = {"two", NULL};
    recorder_pass_alive(self->recorder, 2 * COPIES_MS, alive);
    turn(self);
    assert_null(strstr(self->text, "\"one\""));
    assert_null(strstr(self->text, "\"three\""));
    expect(self, "florin_pool_workers{pool=\"two\",state=\"serving\"}", 1);
    expect(self, "florin_pool_workers{pool=\"pay\",state=\"serving\"}", 0);
}

static void the_core_is_asked_at_times(void **state)
{
    stage_t *self = *state;
    turn(self);
    uint64_t wake_ms = florin_broker_metrics_wake_ms(self->metrics);
    assert_int_equal(wake_ms, self->recorder->now_ms + COPIES_MS);
    recorder_request(self->recorder, "c", "nobody", 10);
    self->recorder->now_ms = wake_ms - 1;
    turn(self);
    expect(self, "florin_broker_requests_unserved_total", 0);
    self->recorder->now_ms = wake_ms;
    turn(self);
    expect(self, "florin_broker_requests_unserved_total", 1);
    florin_broker_metrics_turn(NULL, self->recorder->core, wake_ms);
    assert_int_equal(florin_broker_metrics_wake_ms(NULL), UINT64_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_pool_holds_is_shown), TEST(each_end_of_a_request_is_counted),
        TEST(what_is_dropped_is_counted), TEST(a_pool_that_goes_is_not_shown),
        TEST(the_core_is_asked_at_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
