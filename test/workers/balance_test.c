/* The balances at a moment: what the books are asked, and what is refused before that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Of one program only: compiled into its test, which stands in for the books. */
#include "workers/accounts/balance.c" /* NOLINT(bugprone-suspicious-include) */

#include "test/workers/support/calls.h"

static florin_accounts_t *worker;
static florin_arena_t *arena;
static calls_t batch;
static Florin__V1__BalanceAtRequest bodies[CALLS_MAX];
static uint8_t ids[CALLS_MAX][17];

static unsigned reads;
static uint64_t asked_timestamp;

/* Account 1 is not there, account 2 keeps no history. */
int florin_store_balances_at(florin_store_t *self, florin_id_t account_id, uint64_t timestamp,
                             florin_balances_t *balances, uint64_t *changed_at,
                             florin_error_t *error)
{
    assert_null(self);
    reads++;
    asked_timestamp = timestamp;
    if (account_id == 1)
        return florin_error_set(error, FLORIN_ERROR_NOT_FOUND, "there is no account 1");
    if (account_id == 2)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "account 2 keeps no history");
    *balances = (florin_balances_t){.debits_pending = 10,
                                    .debits_posted = 20,
                                    .credits_pending = 30,
                                    .credits_posted = FLORIN_LEDGER_AMOUNT_MAX};
    *changed_at = 7;
    return 0;
}

static void request(size_t call, uint8_t id, uint64_t timestamp)
{
    florin__v1__balance_at_request__init(&bodies[call]);
    ids[call][15] = id;
    bodies[call].account_id = (ProtobufCBinaryData){.len = 16, .data = ids[call]};
    bodies[call].timestamp = timestamp;
    batch.requests[call].operation_case = FLORIN__V1__REQUEST__OPERATION_BALANCE_AT;
    batch.requests[call].balance_at = &bodies[call];
}

static void run(void)
{
    florin_accounts_balance_at(worker, batch.calls, CALLS_MAX, arena);
}

static int set_up(void **state)
{
    (void)state;
    worker = calloc(1, sizeof(*worker));
    arena = florin_arena_new(65536);
    reads = 0;
    calls_init(&batch);
    return worker && arena ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    florin_arena_destroy(&arena);
    free(worker);
    return 0;
}

static void test_each_call_is_answered_by_itself(void **state)
{
    (void)state;
    request(0, 1, 5);
    request(1, 3, 5);
    request(2, 3, 5);
    calls_expire(&batch, 2);
    request(4, 2, 5);
    run();
    assert_int_equal(reads, 3);
    calls_expect(&batch, 0, FLORIN__V1__STATUS__STATUS_BAD_REQUEST, "there is no account 1");
    calls_expect_ok(&batch, 1);
    assert_int_equal(batch.replies[1].result_case, FLORIN__V1__REPLY__RESULT_BALANCE_AT);
    const Florin__V1__BalanceAtReply *at = batch.replies[1].balance_at;
    assert_int_equal(at->debits_pending, 10);
    assert_int_equal(at->debits_posted, 20);
    assert_int_equal(at->credits_pending, 30);
    assert_int_equal(at->credits_posted, FLORIN_LEDGER_AMOUNT_MAX);
    assert_int_equal(at->changed_at, 7);
    calls_expect_expired(&batch, 2);
    calls_expect_left_alone(&batch, 3);
    calls_expect(&batch, 4, FLORIN__V1__STATUS__STATUS_BAD_REQUEST, "account 2 keeps no history");
}

/* Now is the end of time, as far as the books can go. */
static void test_moments(void **state)
{
    (void)state;
    const uint64_t moments[][2] = {
        {1, 1}, {INT64_MAX - 1, INT64_MAX - 1}, {0, INT64_MAX - 1} /* now */};
    for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
        request(0, 3, moments[i][0]);
        run();
        calls_expect_ok(&batch, 0);
        assert_int_equal(asked_timestamp, moments[i][1]);
    }
}

static void test_what_is_refused(void **state)
{
    (void)state;
    request(0, 3, INT64_MAX);
    request(1, 3, UINT64_MAX);
    request(2, 3, 1);
    bodies[2].account_id.len = 15;
    request(3, 3, 1);
    bodies[3].account_id.len = 17;
    run();
    assert_int_equal(reads, 0);
    calls_expect(&batch, 0, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                 "timestamp: 9223372036854775807; it is at most 9223372036854775806");
    calls_expect(&batch, 1, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                 "timestamp: 18446744073709551615; it is at most 9223372036854775806");
    calls_expect(&batch, 2, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                 "account_id: 15 bytes; an id has 16");
    calls_expect(&batch, 3, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                 "account_id: 17 bytes; an id has 16");
}

static void test_a_reply_needs_room(void **state)
{
    (void)state;
    florin_arena_destroy(&arena);
    arena = florin_arena_new(16);
    request(0, 3, 1);
    run();
    assert_true(calls_refused_for_room(&batch, 0));
}

#define BATCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BATCH(test_each_call_is_answered_by_itself),
        BATCH(test_moments),
        BATCH(test_what_is_refused),
        BATCH(test_a_reply_needs_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
