/* Books of every kind of transfer on three shards are whole; then, for each thing that verification
 * looks at, a damage that it has to find and name. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "lib/clock.h"
#include "lib/id.h"
#include "store/verify/verify.h"
#include "test/store/support/books.h"
#include "test/store/support/every_kind.h"
#include "test/store/support/servers.h"
#include "test/store/support/verified.h"

#define SHARDS    EVERY_KIND_SHARDS
#define SQL_BYTES 2048

/* ----------------------------------------------------------------------------------- whole books
 */

static void books_of_all_kinds_are_whole(void **state)
{
    (void)state;
    verify_all();
    if (findings() != 0)
        tell_all();
    assert_int_equal(findings(), 0);
    check_books();
    for (size_t i = 0; i < verified.checks_count; i++)
        if (strcmp(verified.checks[i].name, "in-doubt") != 0 &&
            strcmp(verified.checks[i].name, "seals") != 0)
            assert_true(verified.checks[i].checked > 0);
}

/* ----------------------------------------------------------------------------------- the damages
 */

static void a_balance_off_by_one(void **state)
{
    (void)state;
    every_kind_damage(1, every.ada1,
                      "UPDATE accounts SET credits_posted = credits_posted + 1 WHERE id = $");
    verify_all();
    expect("balances", "account", every.ada1, 1, "its history makes");
    expect_finding("ledgers", "ledger 978", -1, "posted");
    assert_int_equal(findings_of("chains"), 1);
    assert_int_equal(findings_of("balances"), 1);
}

static void a_pending_balance_off_by_one(void **state)
{
    (void)state;
    every_kind_damage(2, every.bob2,
                      "UPDATE accounts SET credits_pending = credits_pending + 1 WHERE id = $");
    verify_all();
    expect("balances", "account", every.bob2, 2, "its history makes");
    expect_finding("ledgers", "ledger 978", -1, "pending");
}

/* Of all copies, so that they agree with each other. */
static void an_amount_changed(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHARDS; i++)
        every_kind_damage(i, every.crossing,
                          "UPDATE transfers SET amount = amount + 1 WHERE id = $");
    verify_all();
    expect("balances", "account", every.bank0, 0, "its history makes");
    expect("balances", "account", every.ada1, 1, "its history makes");
    expect("chains", "transfer", every.crossing, 0, "are not those before");
    expect("chains", "transfer", every.crossing, 1, "are not those before");
    assert_int_equal(findings_of("transfers"), 0);
}

static void one_copy_changed(void **state)
{
    (void)state;
    every_kind_damage(2, every.foreign,
                      "UPDATE transfers SET amount = 21, reference = 'x' WHERE id = $");
    verify_all();
    expect("transfers", "transfer", every.foreign, 2,
           "differs from its copy on shard 0: amount, reference");
    assert_int_equal(findings(), 1);
}

static void two_transfers_under_one_id(void **state)
{
    (void)state;
    every_kind_damage(2, every.refused,
                      "INSERT INTO transfers SELECT $, debit_account_id, credit_account_id,"
                      " pending_id, user_data, amount, timestamp, timeout_s, ledger, code, flags,"
                      " 0 FROM transfers WHERE result = 0 AND flags = 0 LIMIT 1");
    verify_all();
    expect("transfers", "transfer", every.refused, 2, "differs from its copy on shard 1");
    expect("transfers", "transfer", every.refused, 2, "does not belong");
}

static void a_copy_deleted(void **state)
{
    (void)state;
    every_kind_damage(2, every.foreign, "DELETE FROM transfers WHERE id = $");
    verify_all();
    expect("transfers", "transfer", every.foreign, 2, "is missing here; shard 0 has it");
    assert_int_equal(findings(), 1);
}

static void a_side_deleted(void **state)
{
    (void)state;
    every_kind_damage(1, every.crossing, "DELETE FROM transfers WHERE id = $");
    verify_all();
    expect("transfers", "transfer", every.crossing, 1, "is missing here; shard 0 has it");
    expect("balances", "account", every.ada1, 1, "its history makes");
    assert_int_equal(findings_of("chains"), 1); /* of the line after it */
}

static void a_refusal_where_it_does_not_belong(void **state)
{
    (void)state;
    every_kind_damage(0, every.given_up,
                      "INSERT INTO transfers (id, amount, timestamp, timeout_s, ledger, code,"
                      " flags, result) VALUES ($, 0, 1, 0, 0, 0, 0, 1)");
    verify_all();
    expect("transfers", "transfer", every.given_up, 0, "does not belong");
}

static void a_copy_without_its_balances(void **state)
{
    (void)state;
    every_kind_damage(1, every.crossing,
                      "UPDATE transfers SET credit_debits_posted = NULL WHERE id = $");
    verify_all();
    expect("transfers", "transfer", every.crossing, 1, "has not the balances after it");
}

static void a_lines_balance_changed(void **state)
{
    (void)state;
    every_kind_damage(
        1, every.crossing,
        "UPDATE transfers SET credit_credits_posted = credit_credits_posted - 1 WHERE id = $");
    verify_all();
    expect("chains", "transfer", every.crossing, 1, "are not those before");
    assert_int_equal(findings(), 2); /* and the line after it */
}

static void an_expirys_balance_changed(void **state)
{
    (void)state;
    every_kind_damage(2, every.expired,
                      "UPDATE pending_transfers SET credit_credits_pending = 1000000 WHERE id = $");
    verify_all();
    expect("chains", "transfer", every.expired, 2, "are not those before");
}

static void a_lines_time_changed(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHARDS; i++)
        every_kind_damage(i, every.crossing, "UPDATE transfers SET timestamp = 1 WHERE id = $");
    verify_all();
    expect("chains", "transfer", every.crossing, 1, "it is not later");
}

static void two_lines_at_one_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHARDS; i++)
        every_kind_damage(
            i, every.local,
            "UPDATE transfers SET timestamp = (SELECT min(timestamp) FROM transfers t WHERE"
            " t.debit_account_id = transfers.debit_account_id AND t.id <> $) WHERE id = $");
    verify_all();
    expect("chains", "transfer", every.crossing, 0, "it is not later");
    assert_int_equal(findings_of("chains"), 1);
}

static void a_line_of_another_ledger(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHARDS; i++)
        every_kind_damage(i, every.local, "UPDATE transfers SET ledger = 840 WHERE id = $");
    verify_all();
    expect("chains", "transfer", every.local, 0, "another ledger");
}

static void an_account_on_another_shard(void **state)
{
    (void)state;
    every_kind_damage(2, every.ada1,
                      "INSERT INTO accounts VALUES ($, NULL, 0, 0, 0, 0, 0, 1, 1, 978, 1, 0)");
    verify_all();
    expect("accounts", "account", every.ada1, 2, "does not belong");
    assert_int_equal(findings(), findings_of("accounts"));
}

static void an_account_deleted(void **state)
{
    (void)state;
    every_kind_damage(1, every.ada1, "DELETE FROM accounts WHERE id = $");
    verify_all();
    expect("balances", "account", every.ada1, 1, "is not on this shard");
}

static void a_status_that_differs(void **state)
{
    (void)state;
    every_kind_damage(2, every.posted,
                      "UPDATE pending_transfers SET status = 1, resolved_at = NULL WHERE id = $");
    verify_all();
    expect("pending", "transfer", every.posted, 2,
           "differs from its copy on shard 1: status, resolved_at");
    expect("outcomes", "transfer", every.posted, 2, "has status 1");
}

static void a_status_that_nothing_explains(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHARDS; i++)
        every_kind_damage(i, every.closing,
                          "UPDATE pending_transfers SET status = 2, resolved_at = 1 WHERE id = $");
    verify_all();
    expect("outcomes", "transfer", every.closing, 0, "no transfer does so");
    expect("balances", "account", every.closed1, 1, "is closed, and no pending transfer closes it");
}

static void a_status_lost(void **state)
{
    (void)state;
    every_kind_damage(2, every.voided, "DELETE FROM pending_transfers WHERE id = $");
    verify_all();
    expect("pending", "transfer", every.voided, 2, "is missing here");
    expect("outcomes", "transfer", every.voided, 2, "does not say what became of it");
}

static void a_post_deleted(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHARDS; i++)
        every_kind_damage(i, every.post, "DELETE FROM transfers WHERE id = $");
    verify_all();
    expect("outcomes", "transfer", every.posted, 1, "no transfer does so");
    expect("balances", "account", every.bob2, 2, "its history makes");
}

static void an_expiry_before_its_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHARDS; i++)
        every_kind_damage(
            i, every.expired,
            "UPDATE pending_transfers SET expires_at = expires_at + 60000000000 WHERE id = $;"
            "UPDATE transfers SET timeout_s = 61 WHERE id = $");
    verify_all();
    expect("outcomes", "transfer", every.expired, 2, "expired before its time");
}

static void an_account_open_that_should_be_closed(void **state)
{
    (void)state;
    every_kind_damage(1, every.closed1, "UPDATE accounts SET flags = flags & ~32 WHERE id = $");
    verify_all();
    expect("balances", "account", every.closed1, 1, "is open, and a pending transfer closes it");
    assert_int_equal(findings(), 1);
}

static void a_latest_change_that_was_not(void **state)
{
    (void)state;
    every_kind_damage(0, every.bank0,
                      "UPDATE accounts SET timestamp_last = timestamp_last + 1 WHERE id = $");
    verify_all();
    expect("balances", "account", every.bank0, 0, "has timestamp_last");
    assert_int_equal(findings(), 1);
}

static void a_limit_that_was_never_set(void **state)
{
    (void)state;
    every_kind_damage(0, every.bounded0, "UPDATE accounts SET credit_limit = 65 WHERE id = $");
    verify_all();
    expect("limits", "account", every.bounded0, 0,
           "has the credit limit 65, and its latest change is to 60");
    assert_int_equal(findings(), 1);
}

/* The database itself would refuse it. */
static void an_account_overdrawn(void **state)
{
    (void)state;
    every_kind_damage(
        0, every.bounded0,
        "ALTER TABLE accounts DROP CONSTRAINT IF EXISTS debits_must_not_exceed_credits;"
        "UPDATE accounts SET credit_limit = 48 WHERE id = $");
    verify_all();
    expect("bounds", "account", every.bounded0, 0, "is beyond its bound by 2");
}

/* --------------------------------------------------------------------------------------- in doubt
 */

static const char gid[] = "florin:0:00000000-0000-0000-0000-0000000000ff:1";
#define BATCH 255

static void prepare(const char *sql)
{
    char text[SQL_BYTES];
    snprintf(text, sizeof text, "BEGIN; %s; PREPARE TRANSACTION '%s'", sql, gid);
    servers_ask(servers_shard(1), text);
}

/* If there is one: what it locks, no table could be mended without. */
static void end_prepared(void)
{
    char text[SQL_BYTES];
    if (strcmp(servers_ask(servers_shard(1), "SELECT count(*) FROM in_doubt"), "0") == 0)
        return;
    snprintf(text, sizeof text, "ROLLBACK PREPARED '%s'", gid);
    servers_ask(servers_shard(1), text);
}

static void expect_prepared(const char *message)
{
    char subject[96];
    snprintf(subject, sizeof subject, "prepared transaction %s", gid);
    expect_finding("in-doubt", subject, 1, message);
}

static void a_stray_prepared_transaction(void **state)
{
    florin_error_t error = {0};
    (void)state;
    prepare("SELECT 1");
    verify_all();
    expect_prepared("undecided: home shard 0 has no decision");
    assert_int_equal(verify(3600, &error), 0); /* it is younger than that */
    assert_int_equal(findings(), 0);
    every_kind_damage(0, BATCH, "INSERT INTO decisions (batch, decision) VALUES ($, 'commit')");
    verify_all();
    expect_prepared("home shard 0 has decided to commit");
    every_kind_damage(0, BATCH, "UPDATE decisions SET decision = 'abort' WHERE batch = $");
    verify_all();
    expect_prepared("home shard 0 has fenced it off");
    every_kind_damage(0, BATCH, "DELETE FROM decisions WHERE batch = $");
    every_kind_damage(2, BATCH, "INSERT INTO decisions (batch, decision) VALUES ($, 'commit')");
    verify_all();
    expect_prepared("undecided"); /* what another shard says decides nothing */
}

/* What it locks nobody has to lock to look at it. */
static void a_prepared_transaction_that_keeps_locks(void **state)
{
    (void)state;
    prepare("UPDATE accounts SET code = code");
    verify_all();
    expect_prepared("undecided");
    assert_int_equal(findings(), 1);
}

/* Committed at home and not here: the rest would look broken. It is named, and nothing else
 * checked.
 */
static void a_batch_half_done(void **state)
{
    char trace[SQL_BYTES];
    florin_error_t error = {0};
    (void)state;
    prepare("UPDATE accounts SET code = code");
    snprintf(trace, sizeof trace,
             "INSERT INTO crossings (batch, shards, transactions) VALUES ($, '{0,1}',"
             " ARRAY[pg_current_xact_id()::text::bigint, %s]);"
             "INSERT INTO decisions (batch, decision) VALUES ($, 'commit')",
             servers_ask(servers_shard(1), "SELECT transaction FROM pg_prepared_xacts"));
    every_kind_damage(0, BATCH, trace);
    assert_int_equal(verify(0, &error), FLORIN_ERROR_CONFLICT);
    assert_non_null(strstr(error.message, "00000000-0000-0000-0000-0000000000ff"));
    assert_non_null(strstr(error.message, "not yet on shard 1"));
    expect_prepared("home shard 0 has decided to commit");
    assert_int_equal(verified.began, 1);
    assert_false(verified.checks[1].done);
}

static void a_decision_that_nobody_waits_for(void **state)
{
    (void)state;
    every_kind_damage(2, BATCH, "INSERT INTO decisions (batch, decision) VALUES ($, 'commit')");
    verify_all();
    expect("in-doubt", "batch", BATCH, 2, "prepared nowhere: done on every shard");
    every_kind_damage(2, BATCH, "UPDATE decisions SET decision = 'abort' WHERE batch = $");
    verify_all();
    expect("in-doubt", "batch", BATCH, 2, "may still meet the fence");
    assert_int_equal(findings(), 0); /* noted: nothing is wrong with it */
}

/* -----------------------------------------------------------------------------------------------
 */

static int set_up(void **state)
{
    (void)state;
    every_kind_make(false);
    return 0;
}

static int mend(void **state)
{
    (void)state;
    end_prepared();
    every_kind_mend();
    every_kind_damage(0, 0,
                      "ALTER TABLE accounts DROP CONSTRAINT IF EXISTS"
                      " debits_must_not_exceed_credits;"
                      "ALTER TABLE accounts ADD CONSTRAINT debits_must_not_exceed_credits CHECK"
                      " (flags & 2 = 0 OR debits_pending + debits_posted - credits_posted"
                      " <= credit_limit)");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    every_kind_end();
    return 0;
}

#define DAMAGE(test) cmocka_unit_test_teardown(test, mend)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DAMAGE(books_of_all_kinds_are_whole),
        DAMAGE(a_balance_off_by_one),
        DAMAGE(a_pending_balance_off_by_one),
        DAMAGE(an_amount_changed),
        DAMAGE(one_copy_changed),
        DAMAGE(two_transfers_under_one_id),
        DAMAGE(a_copy_deleted),
        DAMAGE(a_side_deleted),
        DAMAGE(a_refusal_where_it_does_not_belong),
        DAMAGE(a_copy_without_its_balances),
        DAMAGE(a_lines_balance_changed),
        DAMAGE(an_expirys_balance_changed),
        DAMAGE(a_lines_time_changed),
        DAMAGE(two_lines_at_one_time),
        DAMAGE(a_line_of_another_ledger),
        DAMAGE(an_account_on_another_shard),
        DAMAGE(an_account_deleted),
        DAMAGE(a_status_that_differs),
        DAMAGE(a_status_that_nothing_explains),
        DAMAGE(a_status_lost),
        DAMAGE(a_post_deleted),
        DAMAGE(an_expiry_before_its_time),
        DAMAGE(an_account_open_that_should_be_closed),
        DAMAGE(a_latest_change_that_was_not),
        DAMAGE(a_limit_that_was_never_set),
        DAMAGE(an_account_overdrawn),
        DAMAGE(a_stray_prepared_transaction),
        DAMAGE(a_prepared_transaction_that_keeps_locks),
        DAMAGE(a_batch_half_done),
        DAMAGE(a_decision_that_nobody_waits_for),
        DAMAGE(books_of_all_kinds_are_whole), /* mended, they are again */
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
