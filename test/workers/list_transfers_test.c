/* Pages of the list of transfers: whose filter is no filter, where a page ends, and how it goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Of one program only: compiled into its test, which stands in for the books. */
#include "workers/transactions/list.c" /* NOLINT(bugprone-suspicious-include) */

#include "test/workers/support/calls.h"

#define ROWS   5 /* that the books have */
#define BARREN 9 /* a code that none has */

static florin_transactions_t *worker;
static florin_arena_t *arena;
static calls_t batch;
static Florin__V1__ListTransfersRequest bodies[CALLS_MAX];
static Florin__V1__Filter filters[CALLS_MAX];

static unsigned reads;
static bool away;

/* Rows 1 to ROWS, whose number is their timestamp and id. */
int florin_store_list_transfers(florin_store_t *self, const florin_list_query_t *query,
                                florin_transfer_t *rows, size_t *count, florin_place_t *next,
                                florin_error_t *error)
{
    uint64_t first = query->after_timestamp + 1;
    assert_null(self);
    assert_true(query->after_id == query->after_timestamp);
    reads++;
    if (away)
        return florin_error_set(error, FLORIN_ERROR_UNAVAILABLE, "shard is away");
    for (*count = 0; *count < query->limit && first + *count <= ROWS; ++*count)
        rows[*count] = (florin_transfer_t){.id = first + *count,
                                           .timestamp = first + *count,
                                           .ledger = query->ledger,
                                           .amount = 40};
    /* One that only finds, of all rows, that none is what is asked for. */
    if (query->code == BARREN)
        *count = 0;
    *next = (florin_place_t){0};
    if (first + query->limit <= ROWS)
        *next = (florin_place_t){first + query->limit - 1, first + query->limit - 1};
    return 0;
}

static void request(size_t call, uint32_t limit)
{
    florin__v1__list_transfers_request__init(&bodies[call]);
    florin__v1__filter__init(&filters[call]);
    filters[call].limit = limit;
    filters[call].ledger = 978;
    bodies[call].filter = &filters[call];
    batch.requests[call].operation_case = FLORIN__V1__REQUEST__OPERATION_LIST_TRANSFERS;
    batch.requests[call].list_transfers = &bodies[call];
}

static void run(void)
{
    florin_transactions_list(worker, batch.calls, CALLS_MAX, arena);
}

static int set_up(void **state)
{
    (void)state;
    worker = calloc(1, sizeof(*worker));
    arena = florin_arena_new(65536);
    reads = 0;
    away = false;
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

/* The rows `first` and on; returns the cursor of the next page. */
static ProtobufCBinaryData expect_page(size_t call, size_t count, uint64_t first)
{
    calls_expect_ok(&batch, call);
    assert_int_equal(batch.replies[call].result_case, FLORIN__V1__REPLY__RESULT_LIST_TRANSFERS);
    const Florin__V1__ListTransfersReply *page = batch.replies[call].list_transfers;
    assert_int_equal(page->n_transfers, count);
    for (size_t i = 0; i < count; i++) {
        const Florin__V1__Transfer *row = page->transfers[i];
        assert_int_equal(row->timestamp, first + i);
        assert_int_equal(row->id.len, 16);
        assert_int_equal(row->id.data[15], first + i);
        assert_int_equal(row->ledger, 978);
        assert_int_equal(row->amount, 40);
    }
    return page->next_cursor;
}

static void test_pages_follow_one_another(void **state)
{
    (void)state;
    const size_t counts[] = {2, 2, 1};
    ProtobufCBinaryData cursor = {0};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        request(0, 2);
        filters[0].cursor = cursor;
        run();
        cursor = expect_page(0, counts[i], 1 + 2 * i);
        assert_int_equal(cursor.len, i < 2 ? 24 : 0); /* that was the last page */
    }
}

/* The page that is just full, one that is empty, and no filter at all. */
static void test_where_a_page_ends(void **state)
{
    (void)state;
    uint8_t last[24] = {[7] = ROWS, [23] = ROWS};
    request(0, ROWS);
    request(1, ROWS - 1);
    request(2, 1);
    filters[2].cursor = (ProtobufCBinaryData){.len = sizeof(last), .data = last};
    request(3, 0);
    request(4, 0);
    bodies[4].filter = NULL;
    run();
    assert_int_equal(expect_page(0, ROWS, 1).len, 0);
    assert_int_equal(expect_page(1, ROWS - 1, 1).len, 24);
    assert_int_equal(expect_page(2, 0, 0).len, 0);
    assert_int_equal(expect_page(3, ROWS, 1).len, 0);
    calls_expect_ok(&batch, 4);
    assert_int_equal(batch.replies[4].list_transfers->n_transfers, ROWS);
}

/* A page may be empty and not the last. */
static void test_an_empty_page_goes_on(void **state)
{
    (void)state;
    request(0, 2);
    filters[0].code = BARREN;
    run();
    ProtobufCBinaryData cursor = expect_page(0, 0, 0);
    assert_int_equal(cursor.len, 24);
    assert_int_equal(cursor.data[7], 2);
    request(0, 10);
    filters[0].code = BARREN;
    filters[0].cursor = cursor;
    run();
    assert_int_equal(expect_page(0, 0, 0).len, 0);
}

static void test_a_bad_filter_fails_its_request_alone(void **state)
{
    (void)state;
    uint8_t garbage[3] = {0};
    request(0, FLORIN_EVENTS_MAX + 1);
    request(1, 1);
    request(2, 1);
    filters[2].cursor = (ProtobufCBinaryData){.len = sizeof(garbage), .data = garbage};
    request(3, 1);
    calls_expire(&batch, 3);
    run();
    assert_int_equal(reads, 1);
    calls_expect(&batch, 0, FLORIN__V1__STATUS__STATUS_TOO_LARGE,
                 "filter.limit: 8191; a page has at most 8190 rows: ask for the others with "
                 "next_cursor");
    (void)expect_page(1, 1, 1);
    calls_expect(&batch, 2, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                 "filter.cursor: 3 bytes; it is the next_cursor of a reply");
    calls_expect_expired(&batch, 3);
    calls_expect_left_alone(&batch, 4);
}

static void test_a_shard_is_away(void **state)
{
    (void)state;
    away = true;
    request(0, 1);
    run();
    calls_expect(&batch, 0, FLORIN__V1__STATUS__STATUS_UNAVAILABLE, SHARD_AWAY);
}

/* However little room there is: a whole page, or none. */
static void test_a_page_needs_room(void **state)
{
    (void)state;
    size_t refused = 0;
    for (size_t room = 16; batch.replies[0].status != FLORIN__V1__STATUS__STATUS_OK; room += 16) {
        florin_arena_destroy(&arena);
        arena = florin_arena_new(room);
        calls_init(&batch);
        request(0, ROWS - 1);
        run();
        refused += calls_refused_for_room(&batch, 0);
    }
    assert_int_equal(expect_page(0, ROWS - 1, 1).len, 24);
    assert_int_not_equal(refused, 0);
}

#define BATCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BATCH(test_pages_follow_one_another), BATCH(test_where_a_page_ends),
        BATCH(test_an_empty_page_goes_on),    BATCH(test_a_bad_filter_fails_its_request_alone),
        BATCH(test_a_shard_is_away),          BATCH(test_a_page_needs_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
