/* Who gets the next request, and whose request is next: policies, queues, fairness, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test/broker/support/recorder.h"

#define STATUS(name) FLORIN__V1__STATUS__STATUS_##name

static void request_many(recorder_t *self, const char *client, size_t count)
{
    for (size_t i = 0; i < count; i++)
        recorder_request(self, client, "pay", 10);
}

/* ------------------------------------------------------------------------------------ policies */

static void request_many_of(recorder_t *self, const char *service, size_t count)
{
    for (size_t i = 0; i < count; i++)
        recorder_request(self, "c", service, 1);
}

static void use_policy(recorder_t *self, florin_policy_t policy)
{
    florin_pool_options_t options = self->options.pool;
    options.policy = policy;
    florin_error_t error;
    assert_int_equal(florin_core_pool_add(self->core, "chosen", &options, self->now_ms, &error), 0);
}

static size_t sent_to(const recorder_t *self, const char *worker)
{
    size_t count = 0;
    for (size_t i = 0; i < self->sent_count; i++)
        count += strcmp(self->sent[i].worker, worker) == 0;
    return count;
}

static void least_outstanding_evens_out(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "a", "pay", 8, 1);
    for (int i = 0; i < 4; i++)
        recorder_request(self, "c", "pay", 1);
    recorder_hello(self, "b", "pay", 8, 1);
    for (int i = 0; i < 4; i++)
        recorder_request(self, "c", "pay", 1);
    assert_int_equal(sent_to(self, "a"), 4);
    assert_int_equal(sent_to(self, "b"), 4);
}

/* And then to the next; a worker that has nothing left is as good as any. */
static void most_outstanding_fills_up_one(void **state)
{
    recorder_t *self = *state;
    use_policy(self, FLORIN_POLICY_MOST_OUTSTANDING);
    recorder_hello(self, "a", "chosen", 8, 1);
    recorder_hello(self, "b", "chosen", 8, 1);
    request_many_of(self, "chosen", 8);
    assert_int_equal(sent_to(self, "a"), 8);
    request_many_of(self, "chosen", 2);
    assert_int_equal(sent_to(self, "b"), 2);
    for (size_t i = 0; i < 7; i++)
        recorder_reply_sent(self, i);
    request_many_of(self, "chosen", 2);
    assert_int_equal(sent_to(self, "b"), 4);
    for (size_t i = 8; i < 12; i++)
        recorder_reply_sent(self, i);
    request_many_of(self, "chosen", 2);
    assert_int_equal(sent_to(self, "a"), 10);
}

static void round_robin_takes_turns(void **state)
{
    recorder_t *self = *state;
    use_policy(self, FLORIN_POLICY_ROUND_ROBIN);
    recorder_hello(self, "a", "chosen", 9, 1);
    recorder_hello(self, "b", "chosen", 9, 1);
    recorder_hello(self, "d", "chosen", 9, 1);
    for (int i = 0; i < 6; i++)
        recorder_request(self, "c", "chosen", 1);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(self->sent[i].worker, self->sent[i + 3].worker);
    assert_int_equal(sent_to(self, "a"), 2);
    assert_int_equal(sent_to(self, "b"), 2);
}

static void random_reaches_all(void **state)
{
    recorder_t *self = *state;
    use_policy(self, FLORIN_POLICY_RANDOM);
    static const char *const names[] = {"a", "b", "d", "e"};
    for (size_t i = 0; i < 4; i++)
        recorder_hello(self, names[i], "chosen", 100, 1);
    for (size_t i = 0; i < 400; i++) {
        recorder_request(self, "c", "chosen", 1);
        recorder_reply_sent(self, i);
    }
    for (size_t i = 0; i < 4; i++)
        assert_in_range(sent_to(self, names[i]), 70, 130);
}

static void weighted_follows_the_weights(void **state)
{
    recorder_t *self = *state;
    use_policy(self, FLORIN_POLICY_WEIGHTED);
    recorder_hello(self, "heavy", "chosen", 100, 3);
    recorder_hello(self, "light", "chosen", 100, 1);
    for (size_t i = 0; i < 40; i++) {
        recorder_request(self, "c", "chosen", 1);
        recorder_reply_sent(self, i);
    }
    assert_int_equal(sent_to(self, "heavy"), 30);
    assert_int_equal(sent_to(self, "light"), 10);
}

static void no_policy_picks_a_worker_without_credit(void **state)
{
    recorder_t *self = *state;
    for (int policy = 0; policy < FLORIN_POLICIES; policy++) {
        florin_pool_options_t options = self->options.pool;
        options.policy = (florin_policy_t)policy;
        const char *name = florin_policy_name(options.policy);
        florin_error_t error;
        assert_int_equal(florin_core_pool_add(self->core, name, &options, self->now_ms, &error), 0);
        char small[64], large[64];
        (void)snprintf(small, sizeof small, "small-%s", name);
        (void)snprintf(large, sizeof large, "large-%s", name);
        recorder_hello(self, small, name, 2, 1000);
        recorder_hello(self, large, name, 5, 1);
        for (int i = 0; i < 9; i++)
            recorder_request(self, "c", name, 1);
        assert_int_equal(sent_to(self, small), 2);
        assert_int_equal(sent_to(self, large), 5);
        florin_policy_t parsed;
        assert_int_equal(florin_policy_parse(name, &parsed), 0);
        assert_int_equal(parsed, policy);
    }
    florin_policy_t parsed;
    assert_int_not_equal(florin_policy_parse("fastest", &parsed), 0);
}

/* ------------------------------------------------------------------------ queues and fairness */

static void one_clients_backlog_delays_no_other(void **state)
{
    recorder_t *self = *state;
    recorder_plain(self, "w", "pay");
    request_many(self, "greedy", 40);
    body_t *modest = recorder_request(self, "modest", "pay", 10);
    recorder_reply_sent(self, 0);
    recorder_reply_sent(self, 1);
    assert_ptr_equal(self->sent[2].body, modest);
}

static void a_full_queue_is_busy(void **state)
{
    recorder_t *self = *state;
    char client[16];
    for (int i = 0; i < 64; i++) {
        (void)snprintf(client, sizeof client, "c%d", i);
        assert_int_equal(recorder_request(self, client, "pay", 10)->answers, 0);
    }
    body_t *refused = recorder_request(self, "late", "pay", 10);
    assert_int_equal(refused->status, STATUS(BUSY));
    assert_int_equal(refused->releases, 1);
    assert_non_null(strstr(refused->message, "pay"));
}

static void a_queue_is_bounded_in_bytes(void **state)
{
    recorder_t *self = *state;
    const size_t half = 4 * 1024 * 1024;
    assert_int_equal(recorder_request(self, "a", "pay", half)->answers, 0);
    assert_int_equal(recorder_request(self, "b", "pay", half)->answers, 0);
    assert_int_equal(recorder_request(self, "c", "pay", 1)->status, STATUS(BUSY));
}

static void a_body_that_a_worker_holds_counts(void **state)
{
    recorder_t *self = *state;
    const size_t half = 4 * 1024 * 1024;
    recorder_hello(self, "w", "pay", 8, 1);
    recorder_request(self, "a", "pay", half);
    recorder_request(self, "a", "pay", half);
    assert_int_equal(recorder_request(self, "b", "pay", 1)->status, STATUS(BUSY));
    recorder_reply_sent(self, 0);
    assert_int_equal(recorder_request(self, "b", "pay", 1)->status, 0);
}

static void one_client_leaves_room_for_another(void **state)
{
    recorder_t *self = *state;
    request_many(self, "greedy", 64);
    assert_int_equal(recorder_request(self, "greedy", "pay", 1)->status, STATUS(BUSY));
    assert_int_equal(recorder_request(self, "modest", "pay", 1)->answers, 0);
}

static void what_workers_hold_counts_for_a_clients_share(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "w", "pay", 64, 1);
    request_many(self, "greedy", 64);
    assert_int_equal(recorder_request(self, "greedy", "pay", 1)->status, STATUS(BUSY));
    assert_int_equal(recorder_request(self, "modest", "pay", 1)->status, 0);
}

static void a_pool_is_crowded_before_anyone_is_refused(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "w", "pay", 64, 1);
    while (!florin_core_crowded(self->core))
        assert_int_equal(recorder_request(self, "greedy", "pay", 1)->answers, 0);
    assert_int_equal(self->sent_count, 56);
    recorder_reply_sent(self, 0);
    assert_false(florin_core_crowded(self->core));
}

typedef struct {
    size_t taken, refused, answered;
} traffic_t;

static size_t held(const traffic_t *traffic)
{
    return traffic->taken - traffic->answered;
}

/* Every 20 ms so many requests come in, and the worker answers five, the oldest first. */
static void pass_traffic(recorder_t *self, traffic_t *traffic, size_t each, uint64_t ms)
{
    static const char *const workers[] = {"w", NULL};
    for (uint64_t passed = 0; passed < ms; passed += 20) {
        for (size_t i = 0; i < each; i++) {
            const body_t *body = recorder_request(self, "c", "slow", 1);
            assert_true(body->answers == 0 || body->status == STATUS(BUSY));
            (*(body->answers == 0 ? &traffic->taken : &traffic->refused))++;
        }
        recorder_pass_alive(self, 20, workers);
        for (size_t i = 0; i < 5 && held(traffic) > 0; i++)
            recorder_reply_sent(self, traffic->answered++);
    }
}

/* It answers 250 a second, which is 125 in the time that requests may wait. */
static void a_slow_pool_holds_what_it_can_answer_in_time(void **state)
{
    recorder_t *self = *state;
    florin_pool_options_t options = self->options.pool;
    options.queue_requests = 1000;
    options.wait_ms = 500;
    florin_error_t error;
    assert_int_equal(florin_core_pool_add(self->core, "slow", &options, self->now_ms, &error), 0);
    recorder_hello(self, "w", "slow", 20, 1);
    traffic_t traffic = {0};
    pass_traffic(self, &traffic, 5, 500);
    assert_int_equal(traffic.refused, 0);
    for (int i = 0; i < 10; i++) {
        pass_traffic(self, &traffic, 10, 200);
        assert_true(held(&traffic) < 150);
    }
    assert_in_range(held(&traffic), 100, 140);
    assert_in_range(traffic.refused, 300, 500);
    assert_int_equal(traffic.answered, 5 * 125);
    /* When the load is over, the queue is empty in time, and takes a burst again. */
    pass_traffic(self, &traffic, 0, 600);
    assert_int_equal(held(&traffic), 0);
    traffic.refused = 0;
    pass_traffic(self, &traffic, 200, 20);
    assert_int_equal(traffic.refused, 0);
}

/* So many hang with the worker, and then a pool that was slow for a moment has room for fewer: the
 * others, which are quick again, are let in within a second, and from then on. */
static void what_hangs_does_not_close_a_pool(void **state)
{
    enum { HANGING = 16, SLOW = 8 };
    static const char *const workers[] = {"w", NULL};
    recorder_t *self = *state;
    florin_pool_options_t options = self->options.pool;
    options.queue_requests = 1000;
    options.wait_ms = 500;
    options.ttl_ms = 20000;
    florin_error_t error;
    size_t sent = HANGING + SLOW + 1, refused = 0;
    assert_int_equal(florin_core_pool_add(self->core, "slow", &options, self->now_ms, &error), 0);
    recorder_hello(self, "w", "slow", 3 * HANGING, 1);
    for (size_t i = 0; i < sent; i++)
        recorder_request(self, "h", "slow", 1);
    recorder_pass_alive(self, 1000, workers);
    for (size_t i = HANGING; i < sent; i++)
        recorder_reply_sent(self, i);
    for (uint64_t passed = 0; passed < 5000; passed += 20) {
        bool taken = recorder_request(self, "c", "slow", 1)->answers == 0;
        assert_true(taken || passed < 1000);
        refused += !taken;
        recorder_pass_alive(self, 20, workers);
        if (taken)
            recorder_reply_sent(self, sent++);
    }
    assert_in_range(refused, 1, 50);
}

static void clients_are_bounded(void **state)
{
    recorder_t *self = *state;
    florin_pool_options_t options = self->options.pool;
    options.queue_requests = FLORIN_QUEUE_REQUESTS_MAX;
    static const char *const services[] = {"one", "two"};
    florin_error_t error;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            florin_core_pool_add(self->core, services[i], &options, self->now_ms, &error), 0);
    char client[16];
    for (int i = 0; i < FLORIN_BROKER_CLIENTS_MAX; i++) {
        (void)snprintf(client, sizeof client, "c%d", i);
        assert_int_equal(recorder_request(self, client, services[i % 2], 1)->answers, 0);
    }
    assert_int_equal(recorder_request(self, "more", "one", 1)->status, STATUS(BUSY));
    assert_int_equal(recorder_request(self, "c0", "one", 1)->status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, recorder_setup, recorder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(least_outstanding_evens_out),
        TEST(round_robin_takes_turns),
        TEST(random_reaches_all),
        TEST(weighted_follows_the_weights),
        TEST(most_outstanding_fills_up_one),
        TEST(no_policy_picks_a_worker_without_credit),
        TEST(one_clients_backlog_delays_no_other),
        TEST(a_full_queue_is_busy),
        TEST(a_queue_is_bounded_in_bytes),
        TEST(a_body_that_a_worker_holds_counts),
        TEST(one_client_leaves_room_for_another),
        TEST(what_workers_hold_counts_for_a_clients_share),
        TEST(a_pool_is_crowded_before_anyone_is_refused),
        TEST(a_slow_pool_holds_what_it_can_answer_in_time),
        TEST(what_hangs_does_not_close_a_pool),
        TEST(clients_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
