/* What comes from the database comes from outside: rows that it does not write, rows that cannot
 * be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "lib/clock.h"
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

/* ---------------------------------------------------------------------------- what cannot be there
 */

static florin_transfer_event_t hold_between(florin_id_t debit, florin_id_t credit)
{
    florin_transfer_event_t event = transfer(new_id(0), debit, credit, 5);
    event.transfer.flags = FLORIN_TRANSFER_FLAG_PENDING;
    event.transfer.timeout_s = 1;
    assert_int_equal(try_create(store, ledger, event), FLORIN_TRANSFER_CREATED);
    return event;
}

static int void_of(florin_id_t hold)
{
    florin_transfer_event_t event = transfer(new_id(0), 0, 0, 0);
    event.transfer.pending_id = hold;
    event.transfer.flags = FLORIN_TRANSFER_FLAG_VOID_PENDING_TRANSFER;
    event.transfer.ledger = event.transfer.code = 0;
    return try_create(store, ledger, event);
}

/* Its holds can be neither released nor voided. Those of others are. */
static void an_account_that_is_gone_ends_nobody(void **state)
{
    (void)state;
    for (size_t gone_shard = 0; gone_shard < SHARDS; gone_shard++) {
        florin_id_t gone = open_on(gone_shard), near = open_on(0), far = open_on(1);
        florin_transfer_event_t odd = hold_between(near, gone);
        (void)hold_between(near, far);
        command(gone_shard, "DELETE FROM accounts WHERE id = %s", quoted(gone));
        assert_int_equal(void_of(odd.transfer.id), FLORIN_ERROR_ASIDE);
        uint64_t until_ms = florin_clock_ms() + 10000;
        while (look_at(store, far).balances.credits_pending > 0) {
            florin_error_t error;
            size_t expired;
            assert_int_equal(florin_store_expire(store, ledger, &expired, &error), 0);
            assert_true(florin_clock_ms() < until_ms);
        }
        assert_int_equal(look_at(store, near).balances.debits_pending, 5);
        assert_int_equal(try_create(store, ledger, transfer(new_id(0), near, far, 1)),
                         FLORIN_TRANSFER_CREATED);
        command(0, "UPDATE pending_transfers SET expires_at = NULL WHERE id = %s",
                quoted(odd.transfer.id));
    }
}

/* The checks of the schema would refuse it: whoever damages a row goes round them. */
static void without_checks(size_t shard)
{
    command(shard, "%s",
            "DO $$ DECLARE r record; BEGIN FOR r IN SELECT conrelid::regclass AS t, conname"
            " FROM pg_constraint WHERE contype = 'c' AND conrelid::regclass::text IN"
            " ('accounts', 'transfers', 'pending_transfers')"
            " LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', r.t, r.conname);"
            " END LOOP; END $$");
}

static int look(florin_id_t id)
{
    florin_error_t error;
    florin_account_t found;
    size_t count;
    return florin_store_lookup_accounts(store, &id, 1, &found, &count, &error);
}

/* Pays between three pairs of accounts in one batch, the second pair being odd. */
static void expect_one_refused(florin_id_t debit, florin_id_t credit)
{
    florin_transfer_event_t events[3];
    florin_transfer_outcome_t outcomes[3];
    florin_store_request_t requests[3];
    for (size_t i = 0; i < 3; i++)
        events[i] = transfer(new_id(0), open_on(0), open_on(1), 1);
    events[1].transfer.debit_account_id = debit;
    events[1].transfer.credit_account_id = credit;
    pay_all(events, 3, outcomes, requests);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(requests[i].error.code, i == 1 ? FLORIN_ERROR_ASIDE : 0);
        if (i != 1)
            assert_int_equal(outcomes[i].result, FLORIN_TRANSFER_CREATED);
        else
            assert_non_null(strstr(requests[i].error.message, "cannot be"));
    }
}

static void an_account_that_cannot_be_is_refused_alone(void **state)
{
    (void)state;
    static const char *const damages[] = {
        "debits_posted = -1",
        "credits_pending = -9223372036854775808",
        "credits_posted = 9223372036854775807, credits_pending = 1",
        "flags = 6",
        "flags = -1",
        "flags = 64",
        "timestamp_last = timestamp - 1",
        "timestamp_last = 9223372036854775807",
        "timestamp = 0",
        "credit_limit = -5",
        "ledger = 4294967296 + 978",
        "code = 65537",
    };
    for (size_t shard = 0; shard < SHARDS; shard++)
        without_checks(shard);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        size_t shard = i % SHARDS;
        florin_id_t odd = open_on(shard), other = open_on(0);
        command(shard, "UPDATE accounts SET %s WHERE id = %s", damages[i], quoted(odd));
        expect_one_refused(i % 3 ? odd : other, i % 3 ? other : odd);
        assert_int_equal(look(odd), FLORIN_ERROR_ASIDE);
        command(shard, "DELETE FROM accounts WHERE id = %s", quoted(odd));
    }
}

/* It can be read; but what is booked on it would be later still. */
static void an_account_ahead_of_time_is_not_written(void **state)
{
    (void)state;
    florin_id_t ahead = open_on(0);
    command(0, "UPDATE accounts SET timestamp_last = timestamp_last + 60000000000 WHERE id = %s",
            quoted(ahead));
    expect_one_refused(ahead, open_on(1));
    assert_int_equal(look(ahead), 0);
    command(0, "UPDATE accounts SET timestamp_last = timestamp WHERE id = %s", quoted(ahead));
    assert_int_equal(try_create(store, ledger, transfer(new_id(0), ahead, open_on(1), 1)),
                     FLORIN_TRANSFER_CREATED);
}

/* A page of a list ends before it; what follows can be asked for. */
static void a_list_goes_on_after_what_cannot_be(void **state)
{
    (void)state;
    florin_error_t error = {0};
    florin_account_t found[8];
    size_t count;
    florin_place_t next;
    florin_list_query_t query = {.user_data = 4711, .limit = 8};
    florin_id_t ids[4];
    for (size_t i = 0; i < 4; i++) {
        florin_account_t event = account(new_id(i % SHARDS));
        ids[i] = event.id;
        event.user_data = 4711;
        assert_int_equal(try_open(store, ledger, event), FLORIN_ACCOUNT_CREATED);
    }
    command(0, "UPDATE accounts SET credits_posted = -7 WHERE id = %s", quoted(ids[2]));
    assert_int_equal(florin_store_list_accounts(store, &query, found, &count, &next, &error), 0);
    assert_int_equal(count, 2);
    assert_true(next.id == found[1].id);
    query.after_timestamp = found[1].timestamp;
    query.after_id = found[1].id;
    assert_int_equal(florin_store_list_accounts(store, &query, found, &count, &next, &error),
                     FLORIN_ERROR_ASIDE);
    const char *after = strstr(error.message, "after timestamp ");
    assert_non_null(after);
    query.after_timestamp = strtoull(after + strlen("after timestamp "), NULL, 10);
    query.after_id = ~(florin_id_t)0;
    assert_int_equal(florin_store_list_accounts(store, &query, found, &count, &next, &error), 0);
    assert_int_equal(count, 1);
    assert_true(found[0].id == ids[3]);
    command(0, "DELETE FROM accounts WHERE id = %s", quoted(ids[2]));
}

/* A hold, damaged on one of its shards: what it would do there cannot be told. */
static void a_hold_that_cannot_be_is_refused_alone(void **state)
{
    (void)state;
    static const char *const damages[] = {
        "UPDATE transfers SET amount = amount + 1 WHERE id = %s",
        "UPDATE transfers SET amount = -1 WHERE id = %s",
        "UPDATE transfers SET debit_account_id = credit_account_id WHERE id = %s",
        "UPDATE transfers SET flags = 2 | 4 WHERE id = %s",
        "UPDATE transfers SET reference = repeat('x', 200) WHERE id = %s",
        "UPDATE pending_transfers SET status = 9 WHERE id = %s",
        "DELETE FROM pending_transfers WHERE id = %s",
        ("UPDATE accounts SET debits_pending = 4 WHERE id ="
         " (SELECT debit_account_id FROM transfers WHERE id = %s)"),
    };
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        florin_transfer_event_t hold = transfer(new_id(0), open_on(1), open_on(0), 5);
        hold.transfer.flags = FLORIN_TRANSFER_FLAG_PENDING;
        assert_int_equal(try_create(store, ledger, hold), FLORIN_TRANSFER_CREATED);
        char sql[256];
        const char *id = quoted(hold.transfer.id), *at = strstr(damages[i], "%s");
        snprintf(sql, sizeof sql, "%.*s%s%s", (int)(at - damages[i]), damages[i], id, at + 2);
        command(1, "%s", sql);
        int result = void_of(hold.transfer.id);
        if (result != FLORIN_ERROR_ASIDE)
            fail_msg("%s: %d", damages[i], result);
    }
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
        cmocka_unit_test(an_account_that_is_gone_ends_nobody),
        cmocka_unit_test(an_account_that_cannot_be_is_refused_alone),
        cmocka_unit_test(an_account_ahead_of_time_is_not_written),
        cmocka_unit_test(a_list_goes_on_after_what_cannot_be),
        cmocka_unit_test(a_hold_that_cannot_be_is_refused_alone),
    };
    return cmocka_run_group_tests_name("store/odd", tests, set_up, tear_down);
}
