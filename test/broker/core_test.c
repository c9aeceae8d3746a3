/* The core's rules, one test each. The mistakes that other Majordomo brokers make have their test
 * here where they are the core's to avoid, and in shell_test.c where they are the frames'. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test/broker/support/recorder.h"

#define STATUS(name) FLORIN__V1__STATUS__STATUS_##name

static const char *const nobody[] = {NULL};

static void request_many(recorder_t *self, const char *client, size_t count)
{
    for (size_t i = 0; i < count; i++)
        recorder_request(self, client, "pay", 10);
}

/* ------------------------------------------------------------------------ requests and replies */

static void a_reply_reaches_its_client(void **state)
{
    recorder_t *self = *state;
    recorder_plain(self, "w", "pay");
    body_t *body = recorder_request(self, "c", "pay", 10);
    assert_int_equal(self->sent_count, 1);
    assert_ptr_equal(self->sent[0].body, body);
    recorder_reply(self, "w", self->sent[0].token, "answer");
    assert_string_equal(body->reply, "answer");
    assert_int_equal(body->releases, 1);
}

static void a_worker_learns_who_asks_and_how_long_it_has(void **state)
{
    recorder_t *self = *state;
    recorder_request(self, "c", "pay", 10);
    recorder_pass(self, 400);
    recorder_hello(self, "w", "pay", 1, 1);
    assert_true(self->sent[0].hello);
    assert_string_equal(self->sent[0].principal, "alice");
    assert_int_equal(self->sent[0].ttl_ms, 9600);
    assert_int_equal(self->sent[0].attempt, 1);
}

static void a_token_suits_all_worker_libraries(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "w", "pay", 64, 1);
    request_many(self, "c", 50);
    for (size_t i = 0; i < self->sent_count; i++) {
        const char *token = self->sent[i].token;
        assert_int_equal(strlen(token), strspn(token, "0123456789abcdef"));
        assert_true(strlen(token) != 17 && strlen(token) != 33 && token[0] != '@');
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(token, self->sent[j].token);
    }
}

static void a_forged_token_is_dropped(void **state)
{
    recorder_t *self = *state;
    static const char *const forgeries[] = {
        "",
        "x",
        "0000",
        "ffff",
        "000000000000000000000000000000000000",
        "ffff00000000000000000000000000000000",
        "zzzz00000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000000000000000"};
    recorder_plain(self, "w", "pay");
    body_t *body = recorder_request(self, "c", "pay", 10);
    for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++)
        recorder_reply(self, "w", forgeries[i], "forged");
    assert_int_equal(body->answers, 0);
    assert_int_equal(florin_core_counters(self->core)->replies_dropped, 8);
}

static void a_reply_nobody_asked_for_gives_no_credit(void **state)
{
    recorder_t *self = *state;
    recorder_plain(self, "w", "pay");
    recorder_request(self, "c", "pay", 10);
    recorder_request(self, "c", "pay", 10);
    recorder_reply(self, "w", "000000000000000000000000000000000000", "forged");
    assert_int_equal(self->sent_count, 1);
}

static void another_workers_token_is_no_use(void **state)
{
    recorder_t *self = *state;
    recorder_plain(self, "w", "pay");
    body_t *body = recorder_request(self, "c", "pay", 10);
    recorder_plain(self, "thief", "pay");
    recorder_reply(self, "thief", self->sent[0].token, "stolen");
    assert_int_equal(body->answers, 0);
    recorder_reply(self, "w", self->sent[0].token, "right");
    assert_string_equal(body->reply, "right");
}

static void a_doubled_reply_is_dropped(void **state)
{
    recorder_t *self = *state;
    recorder_plain(self, "w", "pay");
    recorder_request(self, "c", "pay", 10);
    recorder_reply_sent(self, 0);
    recorder_request(self, "c", "pay", 10); /* takes the same slot */
    recorder_reply_sent(self, 0);
    assert_int_equal(florin_core_counters(self->core)->replies_dropped, 1);
    recorder_request(self, "c", "pay", 10);
    assert_int_equal(self->sent_count, 2);
}

/* ------------------------------------------------------------------------------------- credit */

static void a_plain_worker_gets_one_at_a_time(void **state)
{
    recorder_t *self = *state;
    recorder_plain(self, "w", "pay");
    request_many(self, "c", 3);
    assert_int_equal(self->sent_count, 1);
    recorder_reply_sent(self, 0);
    assert_int_equal(self->sent_count, 2);
}

static void credit_is_never_exceeded(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "w", "pay", 5, 1);
    request_many(self, "c", 12);
    assert_int_equal(self->sent_count, 5);
    recorder_reply_sent(self, 3);
    recorder_reply_sent(self, 1);
    assert_int_equal(self->sent_count, 7);
}

static void a_blocked_pipe_is_no_credit_for_now(void **state)
{
    recorder_t *self = *state;
    (void)snprintf(self->awkward, sizeof self->awkward, "w");
    self->awkwardness = FLORIN_SEND_BLOCKED;
    recorder_hello(self, "w", "pay", 5, 1);
    body_t *body = recorder_request(self, "c", "pay", 10);
    assert_int_equal(self->sent_count, 0);
    assert_int_equal(body->answers, 0);
    self->awkward[0] = '\0';
    recorder_pass(self, 250);
    assert_int_equal(self->sent_count, 1);
    assert_int_equal(self->sent[0].attempt, 1);
}

/* ------------------------------------------------------------------------------- time to live */

static void an_expired_request_is_never_delivered(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "w", "pay", 1, 1);
    request_many(self, "c", 1);
    body_t *waits = recorder_request(self, "c", "pay", 10);
    static const char *const alive[] = {"w", NULL};
    recorder_pass_alive(self, 9900, alive);
    assert_int_equal(waits->answers, 0);
    recorder_pass_alive(self, 200, alive);
    assert_int_equal(waits->status, STATUS(EXPIRED));
    assert_non_null(strstr(waits->message, "nothing was begun"));
    recorder_reply_sent(self, 0);
    assert_int_equal(self->sent_count, 1);
}

static void a_reply_past_its_time_is_dropped_but_gives_the_credit_back(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "w", "pay", 1, 1);
    body_t *body = recorder_request(self, "c", "pay", 10);
    static const char *const alive[] = {"w", NULL};
    recorder_pass_alive(self, 10100, alive);
    assert_int_equal(body->status, STATUS(EXPIRED));
    assert_non_null(strstr(body->message, "same ids"));
    body_t *next = recorder_request(self, "c", "pay", 10);
    assert_int_equal(self->sent_count, 1); /* the worker still has the first in its hands */
    recorder_reply_sent(self, 0);
    assert_int_equal(florin_core_counters(self->core)->replies_dropped, 1);
    assert_int_equal(self->sent_count, 2);
    assert_ptr_equal(self->sent[1].body, next);
}

static void a_reply_that_is_lost_costs_no_credit_for_ever(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "w", "pay", 1, 1);
    recorder_request(self, "c", "pay", 10);
    static const char *const alive[] = {"w", NULL};
    recorder_pass_alive(self, 14900, alive);
    assert_true(florin_core_serves(self->core, slice("pay")));
    recorder_pass_alive(self, 300, alive);
    assert_false(florin_core_serves(self->core, slice("pay")));
    assert_string_equal(self->disconnected, "w"); /* so that it says READY again */
}

/* ---------------------------------------------------------------------- heartbeats and leases */

static void heartbeats_go_to_all_busy_ones_too(void **state)
{
    recorder_t *self = *state;
    recorder_plain(self, "idle", "pay");
    recorder_plain(self, "busy", "pay");
    request_many(self, "c", 1);
    recorder_pass(self, 1000);
    assert_int_equal(self->heartbeats, 8);
}

static void a_silent_worker_is_dead_after_three_beats(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "w", "pay", 4, 1);
    body_t *body = recorder_request(self, "c", "pay", 10);
    recorder_pass(self, 749);
    assert_true(florin_core_serves(self->core, slice("pay")));
    recorder_pass(self, 1);
    assert_false(florin_core_serves(self->core, slice("pay")));
    recorder_hello(self, "x", "pay", 4, 1);
    assert_ptr_equal(self->sent[1].body, body);
    assert_int_equal(self->sent[1].attempt, 2);
    assert_string_equal(self->sent[1].worker, "x");
}

static void a_dead_worker_does_not_hide_behind_a_live_one(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "first", "pay", 1, 1);
    recorder_hello(self, "dead", "pay", 1, 1);
    recorder_hello(self, "last", "pay", 1, 1);
    static const char *const alive[] = {"first", "last", NULL};
    recorder_pass_alive(self, 1000, alive);
    Florin__V1__Reply *status = recorder_status(self);
    assert_int_equal(status->broker_status->pools[0]->n_workers, 2);
    florin__v1__reply__free_unpacked(status, NULL);
}

static void a_plain_worker_may_be_silent_while_it_works(void **state)
{
    recorder_t *self = *state;
    self->options.pool.ttl_ms = self->options.pool.lease_ms = 60000;
    florin_error_t error;
    assert_int_equal(
        florin_core_pool_add(self->core, "slow", &self->options.pool, self->now_ms, &error), 0);
    recorder_plain(self, "w", "slow");
    body_t *body = recorder_request(self, "c", "slow", 10);
    recorder_pass(self, 30000);
    recorder_reply_sent(self, 0);
    assert_non_null(body->reply);
}

static void an_idle_plain_worker_must_heartbeat_as_the_rfc_says(void **state)
{
    recorder_t *self = *state;
    recorder_plain(self, "w", "pay");
    recorder_pass(self, 7400);
    assert_true(florin_core_serves(self->core, slice("pay")));
    recorder_pass(self, 200);
    assert_false(florin_core_serves(self->core, slice("pay")));
}

static void a_plain_worker_has_a_lease(void **state)
{
    recorder_t *self = *state;
    recorder_plain(self, "stuck", "pay");
    body_t *body = recorder_request(self, "c", "pay", 10);
    recorder_pass(self, 4000);
    recorder_plain(self, "other", "pay");
    recorder_pass(self, 999);
    assert_int_equal(self->sent_count, 1);
    recorder_pass(self, 1);
    assert_int_equal(self->sent_count, 2);
    assert_string_equal(self->sent[1].worker, "other");
    recorder_reply_sent(self, 0); /* too late, and from nobody now */
    assert_int_equal(body->answers, 0);
    recorder_reply_sent(self, 1);
    assert_int_equal(body->answers, 1);
}

static void a_broker_that_slept_blames_nobody(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "w", "pay", 1, 1);
    self->now_ms += 60000; /* SIGSTOP, or a laptop's lid */
    florin_core_tick(self->core, self->now_ms);
    assert_true(florin_core_serves(self->core, slice("pay")));
    recorder_pass(self, 750);
    assert_false(florin_core_serves(self->core, slice("pay")));
}

static void a_broker_that_slept_ends_no_lease(void **state)
{
    recorder_t *self = *state;
    recorder_plain(self, "w", "pay");
    body_t *body = recorder_request(self, "c", "pay", 10);
    self->now_ms += self->options.pool.lease_ms; /* the reply may wait to be read */
    florin_core_tick(self->core, self->now_ms);
    recorder_reply_sent(self, 0);
    assert_int_equal(body->answers, 1);
    assert_int_equal(body->status, 0);

    recorder_request(self, "c", "pay", 10);
    self->now_ms += self->options.pool.lease_ms;
    florin_core_tick(self->core, self->now_ms);
    recorder_pass(self, self->options.heartbeat_ms); /* none came: now it counts */
    assert_false(florin_core_serves(self->core, slice("pay")));
}

/* ---------------------------------------------------------------------------- lost and leaving */

static void what_a_dead_worker_held_goes_first_and_in_order(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "w", "pay", 3, 1);
    request_many(self, "c", 6);
    recorder_pass(self, 750);
    recorder_hello(self, "x", "pay", 10, 1);
    assert_int_equal(self->sent_count, 9);
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_equal(self->sent[3 + i].body, self->sent[i].body);
        assert_int_equal(self->sent[3 + i].attempt, 2);
    }
}

static void attempts_are_bounded(void **state)
{
    recorder_t *self = *state;
    body_t *body = recorder_request(self, "c", "pay", 10);
    static const char *const names[] = {"w1", "w2", "w3", "w4"};
    for (size_t i = 0; i < 4; i++) {
        recorder_hello(self, names[i], "pay", 1, 1);
        recorder_pass(self, 750);
    }
    assert_int_equal(self->sent_count, FLORIN_ATTEMPTS_MAX);
    assert_int_equal(body->status, STATUS(UNAVAILABLE));
}

static void an_unreachable_worker_costs_no_attempt(void **state)
{
    recorder_t *self = *state;
    (void)snprintf(self->awkward, sizeof self->awkward, "gone");
    self->awkwardness = FLORIN_SEND_GONE;
    recorder_hello(self, "gone", "pay", 1, 1);
    recorder_hello(self, "w", "pay", 1, 1);
    recorder_request(self, "c", "pay", 10);
    assert_int_equal(self->sent_count, 1);
    assert_string_equal(self->sent[0].worker, "w");
    assert_int_equal(self->sent[0].attempt, 1);
    assert_non_null(strstr(self->log, "not connected any more"));
}

static void a_heartbeat_finds_the_unreachable(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "gone", "pay", 1, 1);
    request_many(self, "c", 1);
    (void)snprintf(self->awkward, sizeof self->awkward, "gone");
    self->awkwardness = FLORIN_SEND_GONE;
    recorder_hello(self, "w", "pay", 1, 1);
    recorder_pass(self, 250);
    assert_int_equal(self->sent_count, 2);
    assert_string_equal(self->sent[1].worker, "w");
}

static void a_worker_that_drains_gets_nothing_more_and_may_finish(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "w", "pay", 4, 1);
    body_t *first = recorder_request(self, "c", "pay", 10);
    body_t *second = recorder_request(self, "c", "pay", 10);
    recorder_disconnect(self, "w");
    size_t heartbeats = self->heartbeats;
    request_many(self, "c", 1);
    static const char *const alive[] = {"w", NULL};
    recorder_pass_alive(self, 800, alive);
    assert_int_equal(self->sent_count, 2);
    assert_int_equal(self->heartbeats, heartbeats);
    recorder_reply_sent(self, 0);
    assert_non_null(first->reply);
    recorder_reply_sent(self, 1);
    assert_non_null(second->reply);
    assert_non_null(strstr(self->log, "has drained"));
}

static void a_worker_that_dies_while_it_drains_is_replaced(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "w", "pay", 4, 1);
    body_t *body = recorder_request(self, "c", "pay", 10);
    recorder_disconnect(self, "w");
    recorder_pass(self, 750);
    recorder_hello(self, "x", "pay", 4, 1);
    assert_ptr_equal(self->sent[1].body, body);
}

static void a_plain_workers_disconnect_hands_on_what_it_held(void **state)
{
    recorder_t *self = *state;
    recorder_plain(self, "w", "pay");
    recorder_plain(self, "x", "pay");
    recorder_request(self, "c", "pay", 10);
    recorder_disconnect(self, self->sent[0].worker);
    assert_int_equal(self->sent_count, 2);
    assert_string_not_equal(self->sent[0].worker, self->sent[1].worker);
}

/* ----------------------------------------------------------------------- services and strangers */

static void an_unknown_service_is_refused_and_forgotten(void **state)
{
    recorder_t *self = *state;
    char service[32];
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(service, sizeof service, "unknown%d", i);
        body_t *body = recorder_request(self, "c", service, 10);
        assert_int_equal(body->status, STATUS(NO_SERVICE));
    }
    Florin__V1__Reply *status = recorder_status(self);
    assert_int_equal(status->broker_status->n_pools, 1);
    florin__v1__reply__free_unpacked(status, NULL);
}

static void a_configured_pool_waits_for_a_worker(void **state)
{
    recorder_t *self = *state;
    body_t *body = recorder_request(self, "c", "pay", 10);
    recorder_pass(self, 999);
    assert_int_equal(body->answers, 0);
    recorder_pass(self, 1);
    assert_int_equal(body->status, STATUS(NO_SERVICE));
    body = recorder_request(self, "c", "pay", 10);
    recorder_pass(self, 900);
    recorder_plain(self, "w", "pay");
    assert_ptr_equal(self->sent[0].body, body);
}

static void a_begun_request_without_a_worker_is_unavailable(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "w", "pay", 1, 1);
    body_t *body = recorder_request(self, "c", "pay", 10);
    recorder_pass(self, 750 + 999);
    assert_int_equal(body->answers, 0);
    recorder_pass(self, 1);
    assert_int_equal(body->status, STATUS(UNAVAILABLE));
}

static void a_pool_goes_with_its_last_worker(void **state)
{
    recorder_t *self = *state;
    recorder_plain(self, "w", "echo");
    assert_true(florin_core_serves(self->core, slice("echo")));
    recorder_disconnect(self, "w");
    assert_int_equal(recorder_request(self, "c", "echo", 10)->status, STATUS(NO_SERVICE));
    recorder_pass(self, 250);
    Florin__V1__Reply *status = recorder_status(self);
    assert_int_equal(status->broker_status->n_pools, 1);
    florin__v1__reply__free_unpacked(status, NULL);
}

static void reserved_names_are_refused(void **state)
{
    recorder_t *self = *state;
    recorder_plain(self, "w", "mmi.service");
    assert_int_equal(self->disconnects, 1);
    recorder_plain(self, "x", "florin.broker");
    assert_int_equal(self->disconnects, 2);
    assert_int_equal(florin_core_counters(self->core)->workers_refused, 2);
    assert_false(florin_core_serves(self->core, slice("mmi.service")));
    /* It is the service that counts: whoever is called so may be what he likes. */
    recorder_plain(self, "mmi.worker", "pay");
    recorder_request(self, "mmi.client", "pay", 10);
    assert_int_equal(self->sent_count, 1);
}

static void a_second_ready_ends_the_registration(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "w", "pay", 2, 1);
    request_many(self, "c", 1);
    recorder_hello(self, "w", "pay", 2, 1);
    assert_int_equal(self->disconnects, 1);
    assert_false(florin_core_serves(self->core, slice("pay")));
    recorder_hello(self, "w", "pay", 2, 1);
    assert_int_equal(self->sent_count, 2);
    assert_ptr_equal(self->sent[0].body, self->sent[1].body);
}

static void strangers_are_told_to_go_at_a_limited_rate(void **state)
{
    recorder_t *self = *state;
    for (int i = 0; i < 779; i++)
        recorder_heartbeat(self, "stranger");
    assert_int_equal(self->disconnects, 1);
    recorder_reply(self, "stranger", "0000", "x");
    assert_int_equal(self->disconnects, 1);
    self->now_ms += 1000;
    recorder_heartbeat(self, "stranger");
    assert_int_equal(self->disconnects, 2);
    char name[32]; /* one that comes back with a new routing id each time */
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(name, sizeof name, "stranger%d", i);
        recorder_heartbeat(self, name);
    }
    assert_true(self->disconnects <= 2 + 256);
}

static void a_bad_hello_is_refused(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "w", "pay", FLORIN_WORKER_CREDIT_MAX + 1, 1);
    recorder_hello(self, "x", "pay", 1, FLORIN_WORKER_WEIGHT_MAX + 1);
    florin_core_worker_refuse(self->core, slice("y"), "said garbage", self->now_ms);
    assert_false(florin_core_serves(self->core, slice("pay")));
    assert_int_equal(florin_core_counters(self->core)->workers_refused, 3);
    recorder_hello(self, "z", "pay", 0, 0); /* not named: 1 */
    request_many(self, "c", 2);
    assert_int_equal(self->sent_count, 1);
}

static void workers_are_bounded(void **state)
{
    recorder_t *self = *state;
    char name[32];
    for (int i = 0; i < FLORIN_BROKER_WORKERS_MAX; i++) {
        (void)snprintf(name, sizeof name, "w%d", i);
        recorder_plain(self, name, "pay");
    }
    assert_int_equal(self->disconnects, 0);
    recorder_plain(self, "more", "pay");
    assert_string_equal(self->disconnected, "more");
    recorder_disconnect(self, "w7");
    recorder_plain(self, "more", "pay");
    assert_int_equal(florin_core_counters(self->core)->workers_refused, 1);
}

static void services_are_bounded(void **state)
{
    recorder_t *self = *state;
    char name[32];
    for (int i = 0; i < FLORIN_BROKER_SERVICES_MAX - 1; i++) {
        (void)snprintf(name, sizeof name, "s%d", i);
        recorder_plain(self, name, name);
    }
    assert_int_equal(self->disconnects, 0);
    recorder_plain(self, "more", "more");
    assert_string_equal(self->disconnected, "more");
}

/* --------------------------------------------------------------------------------- the rest */

static void stopping_answers_everybody(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "w", "pay", 1, 1);
    body_t *held = recorder_request(self, "c", "pay", 10);
    body_t *waits = recorder_request(self, "c", "pay", 10);
    florin_core_stop(self->core);
    assert_int_equal(held->status, STATUS(UNAVAILABLE));
    assert_int_equal(waits->status, STATUS(UNAVAILABLE));
    assert_string_equal(self->disconnected, "w");
}

static void draining_finishes_what_was_taken_in(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "w", "pay", 1, 1);
    body_t *held = recorder_request(self, "c", "pay", 10);
    body_t *waits = recorder_request(self, "c", "pay", 10);
    florin_core_drain(self->core);
    body_t *late = recorder_request(self, "c", "pay", 10);
    assert_int_equal(late->status, STATUS(UNAVAILABLE));
    assert_non_null(strstr(late->message, "nothing was begun"));
    assert_false(florin_core_idle(self->core));
    recorder_reply_sent(self, 0);
    recorder_reply_sent(self, 1);
    assert_non_null(held->reply);
    assert_non_null(waits->reply);
    assert_true(florin_core_idle(self->core));
    assert_int_equal(self->disconnects, 0);
}

static void the_status_tells_all(void **state)
{
    recorder_t *self = *state;
    recorder_hello(self, "w\n1", "pay", 2, 5);
    request_many(self, "c", 5);
    recorder_reply_sent(self, 0);
    recorder_pass_alive(self, 100, nobody);
    Florin__V1__Reply *reply = recorder_status(self);
    const Florin__V1__PoolStatus *pool = reply->broker_status->pools[0];
    assert_int_equal(reply->status, STATUS(OK));
    assert_memory_equal(reply->request_id.data, "id", 2);
    assert_int_equal(reply->broker_status->uptime_ms, 100);
    assert_string_equal(pool->service, "pay");
    assert_string_equal(pool->policy, "least-outstanding");
    assert_int_equal(pool->queued_requests, 2);
    assert_int_equal(pool->queued_bytes, 20);
    assert_int_equal(pool->answered, 1);
    assert_string_equal(pool->workers[0]->instance, "w?1");
    assert_int_equal(pool->workers[0]->weight, 5);
    assert_int_equal(pool->workers[0]->outstanding, 2);
    assert_int_equal(pool->workers[0]->age_ms, 100);
    florin__v1__reply__free_unpacked(reply, NULL);
}

static void pool_names_are_checked(void **state)
{
    recorder_t *self = *state;
    static const char *const names[] = {"", "pay", "mmi.x", "florin.broker", "a b"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        florin_error_t error;
        assert_int_equal(
            florin_core_pool_add(self->core, names[i], &self->options.pool, self->now_ms, &error),
            FLORIN_ERROR_CONFIG);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, recorder_setup, recorder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reply_reaches_its_client),
        TEST(a_worker_learns_who_asks_and_how_long_it_has),
        TEST(a_token_suits_all_worker_libraries),
        TEST(a_forged_token_is_dropped),
        TEST(a_reply_nobody_asked_for_gives_no_credit),
        TEST(another_workers_token_is_no_use),
        TEST(a_doubled_reply_is_dropped),
        TEST(a_plain_worker_gets_one_at_a_time),
        TEST(credit_is_never_exceeded),
        TEST(a_blocked_pipe_is_no_credit_for_now),
        TEST(an_expired_request_is_never_delivered),
        TEST(a_reply_past_its_time_is_dropped_but_gives_the_credit_back),
        TEST(a_reply_that_is_lost_costs_no_credit_for_ever),
        TEST(heartbeats_go_to_all_busy_ones_too),
        TEST(a_silent_worker_is_dead_after_three_beats),
        TEST(a_dead_worker_does_not_hide_behind_a_live_one),
        TEST(a_plain_worker_may_be_silent_while_it_works),
        TEST(an_idle_plain_worker_must_heartbeat_as_the_rfc_says),
        TEST(a_plain_worker_has_a_lease),
        TEST(a_broker_that_slept_blames_nobody),
        TEST(a_broker_that_slept_ends_no_lease),
        TEST(what_a_dead_worker_held_goes_first_and_in_order),
        TEST(attempts_are_bounded),
        TEST(an_unreachable_worker_costs_no_attempt),
        TEST(a_heartbeat_finds_the_unreachable),
        TEST(a_worker_that_drains_gets_nothing_more_and_may_finish),
        TEST(a_worker_that_dies_while_it_drains_is_replaced),
        TEST(a_plain_workers_disconnect_hands_on_what_it_held),
        TEST(an_unknown_service_is_refused_and_forgotten),
        TEST(a_configured_pool_waits_for_a_worker),
        TEST(a_begun_request_without_a_worker_is_unavailable),
        TEST(a_pool_goes_with_its_last_worker),
        TEST(reserved_names_are_refused),
        TEST(a_second_ready_ends_the_registration),
        TEST(strangers_are_told_to_go_at_a_limited_rate),
        TEST(a_bad_hello_is_refused),
        TEST(workers_are_bounded),
        TEST(services_are_bounded),
        TEST(stopping_answers_everybody),
        TEST(draining_finishes_what_was_taken_in),
        TEST(the_status_tells_all),
        TEST(pool_names_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
