/* Statements are read one after the other: those that nobody waits for any more are left out, and
 * the books are not asked for what is no page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Of one program only: compiled into its test, which stands in for the books. */
#include "workers/accounts/statement.c" /* NOLINT(bugprone-suspicious-include) */

#define CALLS 4

static unsigned reads;
static size_t expected_limit = FLORIN_STATEMENT_LIMIT_DEFAULT;

int florin_store_statement(florin_store_t *self, const florin_statement_query_t *query,
                           florin_statement_entry_t *entries, size_t *count, bool *more,
                           florin_error_t *error)
{
    assert_null(self);
    assert_int_equal(query->limit, expected_limit);
    reads++;
    if (query->account_id == 1)
        return florin_error_set(error, FLORIN_ERROR_NOT_FOUND, "there is no account 1");
    entries[0] = (florin_statement_entry_t){
        .transfer.timestamp = 7, .timestamp = 7, .after.debits_posted = 5};
    *count = 1;
    *more = query->account_id == 2;
    return 0;
}

static void test_statements(void **state)
{
    (void)state;
    static const Florin__V1__RequestContext context = {.ttl_ms = 5};
    static uint8_t ids[CALLS][16];
    Florin__V1__Request requests[CALLS];
    Florin__V1__Reply replies[CALLS];
    Florin__V1__StatementRequest statements[CALLS];
    florin_call_t calls[CALLS];
    florin_accounts_t *worker = calloc(1, sizeof(*worker));
    florin_arena_t *arena = florin_arena_new(65536);
    assert_true(worker && arena);
    for (size_t i = 0; i < CALLS; i++) {
        florin__v1__request__init(&requests[i]);
        florin__v1__reply__init(&replies[i]);
        florin__v1__statement_request__init(&statements[i]);
        ids[i][15] = (uint8_t)i;
        statements[i].account_id = (ProtobufCBinaryData){.len = 16, .data = ids[i]};
        requests[i].operation_case = FLORIN__V1__REQUEST__OPERATION_STATEMENT;
        requests[i].statement = &statements[i];
        calls[i] = (florin_call_t){.request = &requests[i],
                                   .context = &context,
                                   .deadline_ms = UINT64_MAX,
                                   .reply = &replies[i]};
    }
    calls[0].deadline_ms = 1;
    florin_accounts_statement(worker, calls, CALLS, arena);
    assert_int_equal(reads, CALLS - 1);
    assert_int_equal(replies[0].status, FLORIN__V1__STATUS__STATUS_EXPIRED);
    assert_int_equal(replies[1].status, FLORIN__V1__STATUS__STATUS_BAD_REQUEST);
    assert_string_equal(replies[1].message, "there is no account 1");
    for (size_t i = 2; i < CALLS; i++) {
        assert_int_equal(replies[i].status, FLORIN__V1__STATUS__STATUS_OK);
        assert_int_equal(replies[i].statement->n_entries, 1);
        assert_int_equal(replies[i].statement->entries[0]->debits_posted, 5);
        assert_int_equal(replies[i].statement->next_cursor, i == 2 ? 7 : 0);
    }
    florin_arena_destroy(&arena);
    free(worker);
}

/* What is asked for, and how it is refused; without a message it is not. */
static const struct {
    uint64_t from_timestamp, until_timestamp, cursor;
    uint32_t limit;
    Florin__V1__Status status;
    const char *message;
} bounds[] = {
    {INT64_MAX - 1, INT64_MAX, INT64_MAX - 1, FLORIN_STATEMENT_ENTRIES_MAX,
     FLORIN__V1__STATUS__STATUS_OK, ""},
    {2, 1, 3, FLORIN_STATEMENT_ENTRIES_MAX, FLORIN__V1__STATUS__STATUS_OK, ""},
    {0, 0, 0, FLORIN_STATEMENT_ENTRIES_MAX + 1, FLORIN__V1__STATUS__STATUS_TOO_LARGE,
     "limit: 8191; a page has at most 8190 entries: ask for the others with next_cursor"},
    {0, 0, 0, UINT32_MAX, FLORIN__V1__STATUS__STATUS_TOO_LARGE,
     "limit: 4294967295; a page has at most 8190 entries: ask for the others with next_cursor"},
    {INT64_MAX, 0, 0, 1, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
     "from_timestamp: 9223372036854775807; it is at most 9223372036854775806"},
    {0, (uint64_t)INT64_MAX + 1, 0, 1, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
     "until_timestamp: 9223372036854775808; it is at most 9223372036854775807"},
    {0, 0, UINT64_MAX, 1, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
     "cursor: 18446744073709551615; it is at most 9223372036854775806"},
};

static void test_bounds(void **state)
{
    (void)state;
    florin_accounts_t *worker = calloc(1, sizeof(*worker));
    florin_arena_t *arena = florin_arena_new(65536);
    assert_true(worker && arena);
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
        Florin__V1__Reply reply = FLORIN__V1__REPLY__INIT;
        Florin__V1__StatementRequest statement = FLORIN__V1__STATEMENT_REQUEST__INIT;
        florin_call_t call = {.request = &request, .reply = &reply};
        request.operation_case = FLORIN__V1__REQUEST__OPERATION_STATEMENT;
        request.statement = &statement;
        statement.from_timestamp = bounds[i].from_timestamp;
        statement.until_timestamp = bounds[i].until_timestamp;
        statement.cursor = bounds[i].cursor;
        expected_limit = statement.limit = bounds[i].limit;
        unsigned reads_before = reads;
        florin_accounts_statement(worker, &call, 1, arena);
        assert_int_equal(reply.status, bounds[i].status);
        assert_string_equal(reply.message, bounds[i].message);
        assert_int_equal(reads - reads_before, *bounds[i].message ? 0 : 1);
    }
    florin_arena_destroy(&arena);
    free(worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_statements),
                                       cmocka_unit_test(test_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
