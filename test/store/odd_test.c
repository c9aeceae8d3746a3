/* What comes from the database comes from outside: rows that it does not write, rows that cannot
 * be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "lib/id.h"
#include "test/store/support/books.h"
#include "test/store/support/servers.h"

#define SHARDS       2
#define REQUESTS_MAX 9

static florin_store_t *store;
static florin_ledger_t *ledger;
static uint64_t next_id = 1;

static florin_id_t new_id(size_t shard)
{
    return id_on(shard, next_id++);
}

static florin_id_t open_on(size_t shard)
{
    florin_account_t event = account(new_id(shard));
    assert_int_equal(try_open(store, ledger, event), FLORIN_ACCOUNT_CREATED);
    return event.id;
}

/* An id as SQL, good until the eighth call after it. */
static const char *quoted(florin_id_t id)
{
    static char texts[8][FLORIN_ID_TEXT_BYTES + 2];
    static size_t next;
    char uuid[FLORIN_ID_TEXT_BYTES], *text = texts[next++ % 8];
    snprintf(text, sizeof texts[0], "'%s'", florin_id_format_uuid(id, uuid));
    return text;
}

static void FLORIN_PRINTF(2, 3) command(size_t shard, const char *format, ...)
{
    char sql[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    (void)servers_ask(servers_shard(shard), sql);
}

/* Requests of one transfer each, in one batch. */
static void pay_all(const florin_transfer_event_t *events, size_t count,
                    florin_transfer_outcome_t *outcomes, florin_store_request_t *requests)
{
    florin_error_t error;
    for (size_t i = 0; i < count; i++)
        requests[i] = (florin_store_request_t){.events_count = 1};
    assert_int_equal(florin_store_create_transfers(store, ledger, events, outcomes, requests, count,
                                                   NULL, 0, &error),
                     0);
}

/* ------------------------------------------------------------------ what the database keeps back
 */

static void keep_back(size_t shard, const char *table, const char *column, const char *value)
{
    command(shard,
            "CREATE OR REPLACE FUNCTION keep_back() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN RETURN NULL; END'; CREATE TRIGGER keep_back BEFORE INSERT OR UPDATE ON %s"
            " FOR EACH ROW WHEN (NEW.%s = %s) EXECUTE FUNCTION keep_back()",
            table, column, value);
}

static void let_go(size_t shard, const char *table)
{
    command(shard, "DROP TRIGGER keep_back ON %s", table);
}

/* A batch of several, on one shard and across: the one that needs the row alone has an error, and
 * nothing of it happened. */
static void a_row_kept_back_fails_its_own_request_alone(void **state)
{
    (void)state;
    static const struct {
        const char *table, *column;
        bool by_account;
    } rows[] = {{"accounts", "id", true},
                {"transfers", "id", false},
                {"transfers", "debit_account_id", true}};
    for (size_t way = 0; way < 2 * 3; way++) {
        size_t far = way % 2;
        const bool by_account = rows[way / 2].by_account;
        const char *table = rows[way / 2].table;
        florin_transfer_event_t events[REQUESTS_MAX];
        florin_transfer_outcome_t outcomes[REQUESTS_MAX];
        florin_store_request_t requests[REQUESTS_MAX];
        for (size_t i = 0; i < REQUESTS_MAX; i++)
            events[i] = transfer(new_id(0), open_on(0), open_on(i % 2 ? far : 0), 5);
        size_t odd = 4 + way / 2;
        const florin_transfer_t *kept = &events[odd].transfer;
        keep_back(0, table, rows[way / 2].column,
                  quoted(by_account ? kept->debit_account_id : kept->id));
        pay_all(events, REQUESTS_MAX, outcomes, requests);
        for (size_t i = 0; i < REQUESTS_MAX; i++) {
            florin_account_t debit = look_at(store, events[i].transfer.debit_account_id);
            assert_int_equal(requests[i].error.code, i == odd ? FLORIN_ERROR_ASIDE : 0);
            assert_int_equal(debit.balances.debits_posted, i == odd ? 0 : 5);
            if (i != odd)
                assert_int_equal(outcomes[i].result, FLORIN_TRANSFER_CREATED);
            else
                assert_non_null(strstr(requests[i].error.message, "were written"));
        }
        let_go(0, table);
        assert_int_equal(try_create(store, ledger, events[odd]), FLORIN_TRANSFER_CREATED);
        check_books();
    }
}

/* Of holds, limits and the decision of a batch across shards, too. */
static void no_row_of_any_table_is_kept_back_unnoticed(void **state)
{
    (void)state;
    florin_id_t near = open_on(0), far = open_on(1);
    florin_transfer_event_t hold = transfer(new_id(0), near, far, 3);
    hold.transfer.flags = FLORIN_TRANSFER_FLAG_PENDING;
    keep_back(1, "pending_transfers", "id", quoted(hold.transfer.id));
    assert_int_equal(try_create(store, ledger, hold), FLORIN_ERROR_ASIDE);
    let_go(1, "pending_transfers");
    assert_int_equal(try_create(store, ledger, hold), FLORIN_TRANSFER_CREATED);

    florin_error_t error;
    const florin_limit_event_t limit = {near, 10};
    florin_limit_outcome_t outcome;
    florin_store_request_t request = {.events_count = 1};
    keep_back(0, "credit_limits", "account_id", quoted(near));
    assert_int_equal(
        florin_store_set_credit_limits(store, ledger, &limit, &outcome, &request, 1, &error), 0);
    assert_int_equal(request.error.code, FLORIN_ERROR_ASIDE);
    let_go(0, "credit_limits");
    assert_int_equal(look_at(store, near).credit_limit, 0);

    keep_back(0, "decisions", "decision", "'commit'");
    florin_transfer_event_t event = transfer(new_id(0), near, far, 2);
    assert_int_equal(try_create(store, ledger, event), FLORIN_ERROR_ASIDE);
    let_go(0, "decisions");
    assert_int_equal(try_create(store, ledger, event), FLORIN_TRANSFER_CREATED);

    florin_account_t never = account(new_id(1));
    keep_back(1, "accounts", "id", quoted(never.id));
    assert_int_equal(try_open(store, ledger, never), FLORIN_ERROR_ASIDE);
    let_go(1, "accounts");
    assert_int_equal(try_open(store, ledger, never), FLORIN_ACCOUNT_CREATED);
    check_books();
}

/* A row of that id where nobody looks for it: of the credit account's shard alone. */
static void a_row_that_should_not_be_there_fails_its_own_request_alone(void **state)
{
    (void)state;
    florin_transfer_event_t events[3];
    florin_transfer_outcome_t outcomes[3];
    florin_store_request_t requests[3];
    for (size_t i = 0; i < 3; i++)
        events[i] = transfer(new_id(0), open_on(0), open_on(1), 5);
    assert_int_equal(try_create(store, ledger, events[1]), FLORIN_TRANSFER_CREATED);
    const florin_transfer_t *orphan = &events[1].transfer;
    command(0, "DELETE FROM transfers WHERE id = %s", quoted(orphan->id));
    pay_all(events, 3, outcomes, requests);
    assert_int_equal(requests[0].error.code, 0);
    assert_int_equal(requests[1].error.code, FLORIN_ERROR_CONFLICT);
    assert_int_equal(requests[2].error.code, 0);
    assert_int_equal(outcomes[2].result, FLORIN_TRANSFER_CREATED);
}

static int set_up(void **state)
{
    (void)state;
    servers_start(SHARDS, true);
    ledger = florin_ledger_new();
    store = open_store();
    return ledger && store ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    florin_store_destroy(&store);
    florin_ledger_destroy(&ledger);
    servers_stop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_kept_back_fails_its_own_request_alone),
        cmocka_unit_test(no_row_of_any_table_is_kept_back_unnoticed),
        cmocka_unit_test(a_row_that_should_not_be_there_fails_its_own_request_alone),
    };
    return cmocka_run_group_tests_name("store/odd", tests, set_up, tear_down);
}
