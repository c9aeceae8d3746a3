/* The outcomes of transfers, one call at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Of one program only: compiled into its test, which stands in for the books. */
#include "workers/transactions/outcomes.c" /* NOLINT(bugprone-suspicious-include) */

#include "test/workers/support/calls.h"

#define IDS 3

static florin_transactions_t *worker;
static florin_arena_t *arena;
static calls_t batch;
static Florin__V1__TransferOutcomesRequest bodies[CALLS_MAX];
static uint8_t bytes[CALLS_MAX][IDS][17];
static ProtobufCBinaryData ids[CALLS_MAX][IDS];
static florin_id_t away; /* the id whose shard is */

/* Even ids were applied, odd ones are given up; each at the time that its number says. */
int florin_store_settle_transfers(florin_store_t *self, florin_ledger_t *ledger,
                                  const florin_id_t *asked, florin_transfer_outcome_t *outcomes,
                                  florin_store_request_t *requests, size_t requests_count,
                                  florin_error_t *error)
{
    assert_true(!self && !ledger && requests_count == 1 && requests->error.code == 0);
    for (size_t i = 0; i < requests->events_count; i++) {
        if (asked[i] == away)
            (void)florin_error_set(&requests->error, FLORIN_ERROR_UNAVAILABLE, "shard is away");
        outcomes[i] = (florin_transfer_outcome_t){
            .timestamp = (uint64_t)asked[i],
            .result = asked[i] % 2 ? FLORIN_TRANSFER_ID_GIVEN_UP : FLORIN_TRANSFER_CREATED,
            .held_for_review = asked[i] % 4 == 0};
    }
    (void)error;
    return 0;
}

static void request(size_t call, size_t count, uint8_t first)
{
    florin__v1__transfer_outcomes_request__init(&bodies[call]);
    for (size_t i = 0; i < count; i++) {
        bytes[call][i][15] = (uint8_t)(first + i);
        ids[call][i] = (ProtobufCBinaryData){.len = 16, .data = bytes[call][i]};
    }
    bodies[call].n_ids = count;
    bodies[call].ids = ids[call];
    batch.requests[call].operation_case = FLORIN__V1__REQUEST__OPERATION_TRANSFER_OUTCOMES;
    batch.requests[call].transfer_outcomes = &bodies[call];
}

static void run(void)
{
    florin_transactions_outcomes(worker, batch.calls, CALLS_MAX, arena);
}

static void expect(size_t call, size_t count, uint8_t first)
{
    calls_expect_ok(&batch, call);
    assert_int_equal(batch.replies[call].result_case, FLORIN__V1__REPLY__RESULT_TRANSFER_OUTCOMES);
    const Florin__V1__TransferOutcomesReply *reply = batch.replies[call].transfer_outcomes;
    assert_int_equal(reply->n_outcomes, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(reply->outcomes[i]->timestamp, first + i);
        assert_int_equal(reply->outcomes[i]->held_for_review, (first + i) % 4 == 0);
        assert_int_equal(
            reply->outcomes[i]->result,
            (first + i) % 2 ? FLORIN__V1__CREATE_TRANSFER_RESULT__CREATE_TRANSFER_RESULT_ID_GIVEN_UP
                            : FLORIN__V1__CREATE_TRANSFER_RESULT__CREATE_TRANSFER_RESULT_CREATED);
    }
}

static void test_each_call_has_its_own(void **state)
{
    (void)state;
    request(0, IDS, 20);
    request(1, 2, 31);
    request(3, 0, 0);
    calls_expire(&batch, 1);
    run();
    expect(0, IDS, 20);
    calls_expect_expired(&batch, 1);
    calls_expect_left_alone(&batch, 2);
    expect(3, 0, 0);
}

static void test_a_shard_that_is_away_fails_its_call_alone(void **state)
{
    (void)state;
    request(0, IDS, 20);
    request(1, 1, 31);
    away = 22;
    run();
    calls_expect(&batch, 0, FLORIN__V1__STATUS__STATUS_UNAVAILABLE, SHARD_AWAY);
    expect(1, 1, 31);
}

static void test_an_id_that_is_none(void **state)
{
    (void)state;
    request(0, 2, 20);
    ids[0][1].len = 17;
    run();
    calls_expect(&batch, 0, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                 "ids[1]: 17 bytes; an id has 16");
}

/* However little room there is: a whole reply, or none. */
static void test_a_reply_needs_room(void **state)
{
    (void)state;
    size_t room = 16, refused = 0;
    for (;; room += 16, refused++) {
        florin_arena_destroy(&arena);
        arena = florin_arena_new(room);
        calls_init(&batch);
        request(0, IDS, 20);
        run();
        if (!calls_refused_for_room(&batch, 0))
            break;
    }
    expect(0, IDS, 20);
    assert_int_not_equal(refused, 0);
}

static int set_up(void **state)
{
    (void)state;
    worker = calloc(1, sizeof(*worker));
    arena = florin_arena_new(65536);
    calls_init(&batch);
    away = 0;
    return worker && arena ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    florin_arena_destroy(&arena);
    free(worker);
    return 0;
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(test_each_call_has_its_own),
        FRESH(test_a_shard_that_is_away_fails_its_call_alone),
        FRESH(test_an_id_that_is_none),
        FRESH(test_a_reply_needs_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
