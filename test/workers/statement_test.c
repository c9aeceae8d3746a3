/* Statements are read one after the other: those that nobody waits for any more are left out. */
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

int florin_store_statement(florin_store_t *self, const florin_statement_query_t *query,
                           florin_statement_entry_t *entries, size_t *count, bool *more,
                           florin_error_t *error)
{
    assert_null(self);
    assert_int_equal(query->limit, FLORIN_STATEMENT_LIMIT_DEFAULT);
    reads++;
    if (query->account_id == 1)
        return florin_error_set(error, FLORIN_ERROR_NOT_FOUND, "there is no account 1");
    entries[0] = (florin_statement_entry_t){.transfer.timestamp = 7, .after.debits_posted = 5};
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_statements)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
