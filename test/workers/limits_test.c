/* How the accounts worker makes one batch of many requests for credit limits, and each its reply.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Of one program only: compiled into its test, which stands in for the books. */
#include "workers/accounts/limits.c" /* NOLINT(bugprone-suspicious-include) */

#include "test/workers/support/calls.h"

#define LIMITS_MAX 3

static florin_accounts_t *worker;
static florin_arena_t *arena;
static calls_t batch;
static Florin__V1__SetCreditLimitsRequest bodies[CALLS_MAX];
static Florin__V1__CreditLimit limits[CALLS_MAX][LIMITS_MAX];
static Florin__V1__CreditLimit *lists[CALLS_MAX][LIMITS_MAX];
static uint8_t ids[CALLS_MAX][LIMITS_MAX][17];

static size_t books_requests, books_events;
static int books_code;          /* of the batch as a whole */
static size_t away_request = 9; /* the one whose shard is away */

/* The outcome's timestamp is the limit; an account with an odd id is not there. */
int florin_store_set_credit_limits(florin_store_t *self, florin_ledger_t *ledger,
                                   const florin_limit_event_t *events,
                                   florin_limit_outcome_t *outcomes,
                                   florin_store_request_t *requests, size_t requests_count,
                                   florin_error_t *error)
{
    assert_true(!self && !ledger);
    books_requests = requests_count;
    if (books_code)
        return florin_error_set(error, books_code, "no");
    for (size_t i = 0; i < requests_count; i++) {
        assert_int_not_equal(requests[i].events_count, 0);
        for (size_t k = 0; k < requests[i].events_count; k++, books_events++)
            outcomes[books_events] = (florin_limit_outcome_t){
                .result = events[books_events].account_id % 2 ? FLORIN_LIMIT_ACCOUNT_NOT_FOUND
                                                              : FLORIN_LIMIT_SET,
                .timestamp = events[books_events].credit_limit};
        if (i == away_request)
            florin_error_set(&requests[i].error, FLORIN_ERROR_UNAVAILABLE, "shard is away");
    }
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    worker = calloc(1, sizeof(*worker));
    arena = florin_arena_new(65536);
    books_requests = books_events = 0;
    books_code = 0;
    away_request = 9;
    calls_init(&batch);
    for (size_t i = 0; i < CALLS_MAX; i++)
        florin__v1__set_credit_limits_request__init(&bodies[i]);
    return worker && arena ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    florin_arena_destroy(&arena);
    free(worker);
    return 0;
}

/* A request of `count` limits, `first` and on, for the accounts of the same numbers. */
static void request(size_t call, size_t count, uint64_t first)
{
    for (size_t i = 0; i < count; i++) {
        florin__v1__credit_limit__init(&limits[call][i]);
        ids[call][i][15] = (uint8_t)(first + i);
        limits[call][i].account_id = (ProtobufCBinaryData){.len = 16, .data = ids[call][i]};
        limits[call][i].credit_limit = first + i;
        lists[call][i] = &limits[call][i];
    }
    bodies[call].n_limits = count;
    bodies[call].limits = lists[call];
    batch.requests[call].operation_case = FLORIN__V1__REQUEST__OPERATION_SET_CREDIT_LIMITS;
    batch.requests[call].set_credit_limits = &bodies[call];
}

static void run(void)
{
    florin_accounts_set_limits(worker, batch.calls, CALLS_MAX, arena);
}

static void expect_set(size_t call, size_t count, uint64_t first)
{
    calls_expect_ok(&batch, call);
    const Florin__V1__Reply *reply = &batch.replies[call];
    assert_int_equal(reply->result_case, FLORIN__V1__REPLY__RESULT_SET_CREDIT_LIMITS);
    assert_int_equal(reply->set_credit_limits->n_results, count);
    for (size_t i = 0; i < count; i++) {
        const Florin__V1__CreditLimitResult *result = reply->set_credit_limits->results[i];
        assert_int_equal(result->timestamp, first + i);
        assert_int_equal(
            result->result,
            (first + i) % 2
                ? FLORIN__V1__SET_CREDIT_LIMIT_RESULT__SET_CREDIT_LIMIT_RESULT_ACCOUNT_NOT_FOUND
                : FLORIN__V1__SET_CREDIT_LIMIT_RESULT__SET_CREDIT_LIMIT_RESULT_SET);
    }
}

static void test_one_batch_of_many_requests(void **state)
{
    (void)state;
    request(0, 2, 10);
    request(1, 0, 0); /* nothing to do is done */
    request(3, LIMITS_MAX, 21);
    run();
    assert_int_equal(books_requests, 2);
    assert_int_equal(books_events, 5);
    expect_set(0, 2, 10);
    expect_set(1, 0, 0);
    calls_expect_left_alone(&batch, 2);
    expect_set(3, LIMITS_MAX, 21);
}

static void test_a_bad_field_fails_its_request_alone(void **state)
{
    (void)state;
    request(0, 3, 10);
    limits[0][2].account_id.len = 17;
    request(1, 1, 20);
    request(2, 2, 30);
    limits[2][1].credit_limit = FLORIN_LEDGER_AMOUNT_MAX + 1;
    request(3, 1, 40);
    request(4, 1, 50);
    limits[4][0].account_id.len = 1;
    run();
    assert_int_equal(books_events, 2);
    calls_expect(&batch, 0, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                 "limits[2]: 17 bytes; an id has 16");
    expect_set(1, 1, 20);
    calls_expect(&batch, 2, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                 "limits[1].credit_limit: 9223372036854775808; it is at most 9223372036854775807");
    expect_set(3, 1, 40);
    calls_expect(&batch, 4, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                 "limits[0]: 1 bytes; an id has 16");
}

static void test_the_largest_limit_and_no_account(void **state)
{
    (void)state;
    request(0, 1, 0);
    limits[0][0].account_id.len = 0; /* the books refuse it, with a result */
    request(1, 1, 2);
    limits[1][0].credit_limit = FLORIN_LEDGER_AMOUNT_MAX;
    run();
    assert_true(worker->limits[0].account_id == 0);
    expect_set(0, 1, 0);
    calls_expect_ok(&batch, 1);
    assert_int_equal(batch.replies[1].set_credit_limits->results[0]->timestamp,
                     FLORIN_LEDGER_AMOUNT_MAX);
}

static void test_a_shard_that_is_away_fails_its_request_alone(void **state)
{
    (void)state;
    request(0, 1, 10);
    request(1, 2, 20);
    request(2, 1, 30);
    away_request = 1;
    run();
    expect_set(0, 1, 10);
    calls_expect(&batch, 1, FLORIN__V1__STATUS__STATUS_UNAVAILABLE, SHARD_AWAY);
    expect_set(2, 1, 30);
}

static void test_all_fail_with_the_batch(void **state)
{
    (void)state;
    request(0, 1, 10);
    request(1, 0, 0);
    request(2, 1, 30);
    books_code = FLORIN_ERROR_UNAVAILABLE;
    run();
    calls_expect(&batch, 0, FLORIN__V1__STATUS__STATUS_UNAVAILABLE, SHARD_AWAY);
    expect_set(1, 0, 0);
    calls_expect(&batch, 2, FLORIN__V1__STATUS__STATUS_UNAVAILABLE, SHARD_AWAY);
}

/* However little room there is: a whole reply, or none. */
static void test_a_reply_needs_room(void **state)
{
    (void)state;
    size_t refused = 0;
    for (size_t room = 16; batch.replies[0].status != FLORIN__V1__STATUS__STATUS_OK; room += 16) {
        florin_arena_destroy(&arena);
        arena = florin_arena_new(room);
        calls_init(&batch);
        request(0, LIMITS_MAX, 20);
        books_events = 0;
        run();
        refused += calls_refused_for_room(&batch, 0);
    }
    expect_set(0, LIMITS_MAX, 20);
    assert_int_not_equal(refused, 0);
}

#define BATCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BATCH(test_one_batch_of_many_requests),
        BATCH(test_a_bad_field_fails_its_request_alone),
        BATCH(test_the_largest_limit_and_no_account),
        BATCH(test_a_shard_that_is_away_fails_its_request_alone),
        BATCH(test_all_fail_with_the_batch),
        BATCH(test_a_reply_needs_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
