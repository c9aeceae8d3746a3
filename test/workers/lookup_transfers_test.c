/* Transfers that are looked up: which were created, which refused, and what became of the pending.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Of one program only: compiled into its test, which stands in for the books. */
#include "workers/transactions/lookup.c" /* NOLINT(bugprone-suspicious-include) */

#include "test/workers/support/calls.h"

#define IDS 8

static florin_transactions_t *worker;
static florin_arena_t *arena;
static calls_t batch;
static Florin__V1__LookupTransfersRequest body;
static uint8_t bytes[IDS][16];
static ProtobufCBinaryData ids[IDS];

/* Of the ids from 16 on, the first five are created, each with the next pending status, from none
 * on; the sixth was refused; the others are not there. */
int florin_store_lookup_transfers(florin_store_t *self, const florin_id_t *asked, size_t count,
                                  florin_entry_t *entries, size_t *found, florin_error_t *error)
{
    (void)error;
    assert_null(self);
    *found = 0;
    for (size_t i = 0; i < count; i++)
        if (asked[i] <= 16 + 5)
            entries[(*found)++] = (florin_entry_t){
                .transfer = {.id = asked[i], .amount = (uint64_t)asked[i]},
                .result =
                    asked[i] == 16 + 5 ? FLORIN_TRANSFER_EXCEEDS_CREDITS : FLORIN_TRANSFER_CREATED,
                .pending = asked[i] == 16 + 5 ? FLORIN_PENDING_NONE
                                              : (florin_pending_status_t)(asked[i] - 16),
            };
    return 0;
}

static void request(void)
{
    florin__v1__lookup_transfers_request__init(&body);
    for (size_t i = 0; i < IDS; i++) {
        bytes[i][15] = (uint8_t)(16 + i);
        ids[i] = (ProtobufCBinaryData){.len = 16, .data = bytes[i]};
    }
    body.n_ids = IDS;
    body.ids = ids;
    batch.requests[1].operation_case = FLORIN__V1__REQUEST__OPERATION_LOOKUP_TRANSFERS;
    batch.requests[1].lookup_transfers = &body;
}

static void expect_all(void)
{
    static const Florin__V1__PendingStatus statuses[] = {
        FLORIN__V1__PENDING_STATUS__PENDING_STATUS_OPEN,
        FLORIN__V1__PENDING_STATUS__PENDING_STATUS_POSTED,
        FLORIN__V1__PENDING_STATUS__PENDING_STATUS_VOIDED,
        FLORIN__V1__PENDING_STATUS__PENDING_STATUS_EXPIRED};
    calls_expect_ok(&batch, 1);
    const Florin__V1__LookupTransfersReply *found = batch.replies[1].lookup_transfers;
    assert_int_equal(found->n_transfers, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(found->transfers[i]->amount, 16 + i);
    assert_int_equal(found->n_refused, 1);
    assert_int_equal(found->refused[0]->transfer->amount, 16 + 5);
    assert_int_equal(found->refused[0]->result,
                     FLORIN__V1__CREATE_TRANSFER_RESULT__CREATE_TRANSFER_RESULT_EXCEEDS_CREDITS);
    assert_int_equal(found->n_pending, 4); /* not of 16, which never was */
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(found->pending[i]->id.len, 16);
        assert_int_equal(found->pending[i]->id.data[15], 17 + i);
        assert_int_equal(found->pending[i]->status, statuses[i]);
    }
}

static void run(size_t room)
{
    florin_arena_destroy(&arena);
    arena = florin_arena_new(room);
    calls_init(&batch);
    request();
    florin_transactions_lookup(worker, batch.calls, CALLS_MAX, arena);
}

static void test_what_became_of_them(void **state)
{
    (void)state;
    run(65536);
    calls_expect_left_alone(&batch, 0);
    expect_all();
}

/* However little room there is: a whole reply, or none. */
static void test_a_reply_needs_room(void **state)
{
    (void)state;
    size_t room = 16, refused = 0;
    for (run(room); calls_refused_for_room(&batch, 1); run(room += 16))
        refused++;
    expect_all();
    assert_int_not_equal(refused, 0);
}

static int set_up(void **state)
{
    (void)state;
    worker = calloc(1, sizeof(*worker));
    return worker ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    florin_arena_destroy(&arena);
    free(worker);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_became_of_them),
        cmocka_unit_test(test_a_reply_needs_room),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
