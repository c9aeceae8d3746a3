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
#include "store/admin/verify.h"
#include "test/store/support/books.h"
#include "test/store/support/servers.h"

#define SHARDS     3
#define FOUND_MAX  64
#define SQL_BYTES  2048
#define YEAR_2020  UINT64_C(1577836800000000000)
#define FLAG(name) FLORIN_TRANSFER_FLAG_##name

static florin_store_t *store;
static florin_ledger_t *ledger;

/* The books' accounts and some of their transfers; the last digit names the shard. */
static florin_id_t bank0, ada1, bob2, bounded0, closed1;
static florin_id_t local, crossing, foreign, posted, voided, expired, closing, refused, given_up;
static florin_id_t post_id;

/* ------------------------------------------------------------------------------------ the books */

static florin_id_t new_id(size_t shard)
{
    static uint64_t next = 1;
    return id_on(shard, next++);
}

static florin_id_t open_on(size_t shard, uint32_t flags, uint64_t credit_limit)
{
    florin_account_t event = account(new_id(shard));
    event.flags = flags;
    event.credit_limit = credit_limit;
    if (flags & FLORIN_ACCOUNT_FLAG_IMPORTED)
        event.timestamp = YEAR_2020;
    assert_int_equal(try_open(store, ledger, event), FLORIN_ACCOUNT_CREATED);
    return event.id;
}

/* One transfer that is created; returns its id. */
static florin_id_t pay(size_t shard, florin_id_t debit, florin_id_t credit, uint64_t amount,
                       uint32_t flags)
{
    florin_transfer_event_t event = transfer(new_id(shard), debit, credit, amount);
    event.transfer.flags = flags;
    assert_int_equal(try_create(store, ledger, event), FLORIN_TRANSFER_CREATED);
    return event.transfer.id;
}

static florin_id_t resolve(size_t shard, florin_id_t pending_id, uint32_t flags, uint64_t amount)
{
    florin_transfer_event_t event = {
        .transfer = {
            .id = new_id(shard), .pending_id = pending_id, .amount = amount, .flags = flags}};
    assert_int_equal(try_create(store, ledger, event), FLORIN_TRANSFER_CREATED);
    return event.transfer.id;
}

static florin_id_t let_expire(florin_id_t debit, florin_id_t credit)
{
    florin_transfer_event_t event = transfer(new_id(2), debit, credit, 9);
    event.transfer.flags = FLAG(PENDING);
    event.transfer.timeout_s = 1;
    assert_int_equal(try_create(store, ledger, event), FLORIN_TRANSFER_CREATED);
    florin_error_t error = {0};
    size_t count = 0;
    for (uint64_t end = florin_clock_ms() + 10000; count == 0;) {
        assert_true(florin_clock_ms() < end);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        assert_int_equal(florin_store_expire(store, ledger, &count, &error), 0);
    }
    return event.transfer.id;
}

static void set_limit(florin_id_t id, uint64_t limit)
{
    florin_limit_event_t event = {.account_id = id, .credit_limit = limit};
    florin_limit_outcome_t outcome;
    florin_store_request_t request = {.events_count = 1};
    florin_error_t error = {0};
    assert_int_equal(
        florin_store_set_credit_limits(store, ledger, &event, &outcome, &request, 1, &error), 0);
    assert_int_equal(request.error.code, 0);
    assert_int_equal(outcome.result, FLORIN_LIMIT_SET);
}

static void give_up(florin_id_t id)
{
    florin_transfer_outcome_t outcome;
    florin_store_request_t request = {.events_count = 1};
    florin_error_t error = {0};
    assert_int_equal(
        florin_store_settle_transfers(store, ledger, &id, &outcome, &request, 1, &error), 0);
    assert_int_equal(outcome.result, FLORIN_TRANSFER_ID_GIVEN_UP);
}

static void import_history(void)
{
    florin_id_t old0 = open_on(0, FLORIN_ACCOUNT_FLAG_IMPORTED, 0);
    florin_id_t old1 = open_on(1, FLORIN_ACCOUNT_FLAG_IMPORTED, 0);
    florin_transfer_event_t event = transfer(new_id(2), old0, old1, 77);
    event.transfer.flags = FLAG(IMPORTED);
    event.transfer.timestamp = YEAR_2020 + 1;
    assert_int_equal(try_create(store, ledger, event), FLORIN_TRANSFER_CREATED);
}

/* What risk wants a person to see. */
static void hold_for_review(void)
{
    florin_transfer_event_t event = transfer(new_id(1), bank0, bob2, 40);
    event.verdict = FLORIN_VERDICT_REVIEW;
    assert_int_equal(try_create(store, ledger, event), FLORIN_TRANSFER_CREATED);
}

/* Ids, debit and credit account each on any shard. */
static void pay_all_ways(void)
{
    const florin_id_t from[SHARDS] = {bank0, ada1, bob2};
    florin_id_t to[SHARDS];
    for (size_t i = 0; i < SHARDS; i++)
        to[i] = open_on(i, FLORIN_ACCOUNT_FLAG_HISTORY, 0);
    for (size_t way = 0; way < SHARDS * SHARDS * SHARDS; way++) {
        florin_id_t debit = from[way / SHARDS % SHARDS], credit = to[way / SHARDS / SHARDS];
        pay(way % SHARDS, debit, credit, 1 + way, 0);
        florin_id_t held = pay(way % SHARDS, debit, credit, 100, FLAG(PENDING));
        resolve((way + 1) % SHARDS, held,
                way & 1 ? FLAG(POST_PENDING_TRANSFER) : FLAG(VOID_PENDING_TRANSFER),
                way & 1 ? way : 0);
    }
}

static void make_accounts(void)
{
    bank0 = open_on(0, 0, 0);
    ada1 = open_on(1, FLORIN_ACCOUNT_FLAG_HISTORY, 0);
    bob2 = open_on(2, 0, 0);
    bounded0 = open_on(0, FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS, 50);
    closed1 = open_on(1, 0, 0);
    open_on(2, FLORIN_ACCOUNT_FLAG_CLOSED, 0);
}

static void make_books(void)
{
    make_accounts();
    local = pay(0, bank0, bounded0, 100, 0);
    crossing = pay(0, bank0, ada1, 500, 0);
    foreign = pay(2, bank0, ada1, 20, 0);
    posted = pay(1, ada1, bob2, 30, FLAG(PENDING));
    post_id = resolve(0, posted, FLAG(POST_PENDING_TRANSFER), 12);
    voided = pay(2, ada1, bob2, 31, FLAG(PENDING));
    resolve(2, voided, FLAG(VOID_PENDING_TRANSFER), 0);
    expired = let_expire(bank0, bob2);
    pay(0, ada1, closed1, 5, 0);
    closing = pay(1, bank0, closed1, 0, FLAG(PENDING) | FLAG(CLOSING_CREDIT));
    resolve(1, closing, FLAG(VOID_PENDING_TRANSFER), 0);
    closing = pay(1, bank0, closed1, 0, FLAG(PENDING) | FLAG(CLOSING_CREDIT));
    pay(1, bounded0, ada1, 150, 0);
    florin_transfer_event_t too_much = transfer(new_id(1), bounded0, ada1, 1);
    assert_int_equal(try_create(store, ledger, too_much), FLORIN_TRANSFER_EXCEEDS_CREDITS);
    refused = too_much.transfer.id;
    give_up(given_up = new_id(2));
    set_limit(bounded0, 70);
    set_limit(bounded0, 60);
    import_history();
    hold_for_review();
    pay_all_ways();
}

/* ---------------------------------------------------------------------------------- verification
 */

static struct {
    const florin_verify_check_t *check; /* the one that runs */
    struct {
        const char *check;
        florin_verify_finding_t finding;
    } found[FOUND_MAX];
    size_t found_count, began, ended;
    florin_verify_check_t checks[FLORIN_VERIFY_CHECKS_MAX];
    size_t checks_count;
} report;

static void began(void *arg, const florin_verify_check_t *check)
{
    (void)arg;
    report.check = check;
    report.began++;
}

static void found(void *arg, const florin_verify_finding_t *finding)
{
    (void)arg;
    assert_true(report.found_count < FOUND_MAX);
    report.found[report.found_count].check = report.check->name;
    report.found[report.found_count++].finding = *finding;
}

static void ended(void *arg, const florin_verify_check_t *check)
{
    (void)arg;
    assert_ptr_equal(check, report.check);
    report.ended++;
}

static int verify(uint32_t in_doubt_after_s, florin_error_t *error)
{
    memset(&report, 0, sizeof report);
    const florin_verify_options_t options = {in_doubt_after_s, began, found, ended, NULL};
    return florin_store_verify(store, &options, report.checks, &report.checks_count, error);
}

static void verify_all(void)
{
    florin_error_t error = {0};
    if (verify(0, &error) != 0)
        fail_msg("%s", error.message);
    assert_int_equal(report.began, report.checks_count);
    assert_int_equal(report.ended, report.checks_count);
    for (size_t i = 0; i < report.checks_count; i++)
        assert_true(report.checks[i].done);
}

static void tell_all(void)
{
    for (size_t i = 0; i < report.found_count; i++)
        print_message("%s: %s on %d: %s\n", report.found[i].check, report.found[i].finding.subject,
                      report.found[i].finding.shard, report.found[i].finding.message);
}

/* Fails unless this was found. */
static void expect_finding(const char *check, const char *subject, int shard, const char *message)
{
    for (size_t i = 0; i < report.found_count; i++) {
        const florin_verify_finding_t *finding = &report.found[i].finding;
        if (strcmp(report.found[i].check, check) == 0 && strcmp(finding->subject, subject) == 0 &&
            finding->shard == shard && strstr(finding->message, message))
            return;
    }
    tell_all();
    fail_msg("%s says nothing of %s: %s", check, subject, message);
}

static void expect(const char *check, const char *kind, florin_id_t id, int shard,
                   const char *message)
{
    char subject[96], text[FLORIN_ID_TEXT_BYTES];
    snprintf(subject, sizeof subject, "%s %s", kind, florin_id_format(id, text));
    expect_finding(check, subject, shard, message);
}

static uint64_t findings_of(const char *check)
{
    for (size_t i = 0; i < report.checks_count; i++)
        if (strcmp(report.checks[i].name, check) == 0)
            return report.checks[i].findings;
    fail_msg("there is no check %s", check);
    return 0;
}

static uint64_t findings(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < report.checks_count; i++)
        sum += report.checks[i].findings;
    return sum;
}

/* Runs SQL on a shard; each "$" in it stands for the id, as a literal. */
static void damage(size_t shard, florin_id_t id, const char *sql)
{
    char text[SQL_BYTES] = "", uuid[FLORIN_ID_TEXT_BYTES], literal[FLORIN_ID_TEXT_BYTES + 2];
    snprintf(literal, sizeof literal, "'%s'", florin_id_format_uuid(id, uuid));
    size_t used = 0;
    for (; *sql; sql++) {
        int length = *sql == '$' ? snprintf(text + used, sizeof text - used, "%s", literal)
                                 : snprintf(text + used, sizeof text - used, "%c", *sql);
        used += (size_t)length;
        assert_true(used < sizeof text);
    }
    servers_ask(servers_shard(shard), text);
}

static void for_all_shards(const char *sql)
{
    for (size_t i = 0; i < SHARDS; i++)
        damage(i, 0, sql);
}

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
    for (size_t i = 0; i < report.checks_count; i++)
        if (strcmp(report.checks[i].name, "in-doubt") != 0)
            assert_true(report.checks[i].checked > 0);
}

/* ----------------------------------------------------------------------------------- the damages
 */

static void a_balance_off_by_one(void **state)
{
    (void)state;
    damage(1, ada1, "UPDATE accounts SET credits_posted = credits_posted + 1 WHERE id = $");
    verify_all();
    expect("balances", "account", ada1, 1, "its history makes");
    expect_finding("ledgers", "ledger 978", -1, "posted");
    assert_int_equal(findings_of("chains"), 1);
    assert_int_equal(findings_of("balances"), 1);
}

static void a_pending_balance_off_by_one(void **state)
{
    (void)state;
    damage(2, bob2, "UPDATE accounts SET credits_pending = credits_pending + 1 WHERE id = $");
    verify_all();
    expect("balances", "account", bob2, 2, "its history makes");
    expect_finding("ledgers", "ledger 978", -1, "pending");
}

/* Of all copies, so that they agree with each other. */
static void an_amount_changed(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHARDS; i++)
        damage(i, crossing, "UPDATE transfers SET amount = amount + 1 WHERE id = $");
    verify_all();
    expect("balances", "account", bank0, 0, "its history makes");
    expect("balances", "account", ada1, 1, "its history makes");
    expect("chains", "transfer", crossing, 0, "are not those before");
    expect("chains", "transfer", crossing, 1, "are not those before");
    assert_int_equal(findings_of("transfers"), 0);
}

static void one_copy_changed(void **state)
{
    (void)state;
    damage(2, foreign, "UPDATE transfers SET amount = 21, reference = 'x' WHERE id = $");
    verify_all();
    expect("transfers", "transfer", foreign, 2,
           "differs from its copy on shard 0: amount, reference");
    assert_int_equal(findings(), 1);
}

static void two_transfers_under_one_id(void **state)
{
    (void)state;
    damage(2, refused,
           "INSERT INTO transfers SELECT $, debit_account_id, credit_account_id,"
           " pending_id, user_data, amount, timestamp, timeout_s, ledger, code, flags,"
           " 0 FROM transfers WHERE result = 0 AND flags = 0 LIMIT 1");
    verify_all();
    expect("transfers", "transfer", refused, 2, "differs from its copy on shard 1");
    expect("transfers", "transfer", refused, 2, "does not belong");
}

static void a_copy_deleted(void **state)
{
    (void)state;
    damage(2, foreign, "DELETE FROM transfers WHERE id = $");
    verify_all();
    expect("transfers", "transfer", foreign, 2, "is missing here; shard 0 has it");
    assert_int_equal(findings(), 1);
}

static void a_side_deleted(void **state)
{
    (void)state;
    damage(1, crossing, "DELETE FROM transfers WHERE id = $");
    verify_all();
    expect("transfers", "transfer", crossing, 1, "is missing here; shard 0 has it");
    expect("balances", "account", ada1, 1, "its history makes");
    assert_int_equal(findings_of("chains"), 1); /* of the line after it */
}

static void a_refusal_where_it_does_not_belong(void **state)
{
    (void)state;
    damage(0, given_up,
           "INSERT INTO transfers (id, amount, timestamp, timeout_s, ledger, code,"
           " flags, result) VALUES ($, 0, 1, 0, 0, 0, 0, 1)");
    verify_all();
    expect("transfers", "transfer", given_up, 0, "does not belong");
}

static void a_copy_without_its_balances(void **state)
{
    (void)state;
    damage(1, crossing, "UPDATE transfers SET credit_debits_posted = NULL WHERE id = $");
    verify_all();
    expect("transfers", "transfer", crossing, 1, "has not the balances after it");
}

static void a_lines_balance_changed(void **state)
{
    (void)state;
    damage(1, crossing,
           "UPDATE transfers SET credit_credits_posted = credit_credits_posted - 1 WHERE id = $");
    verify_all();
    expect("chains", "transfer", crossing, 1, "are not those before");
    assert_int_equal(findings(), 2); /* and the line after it */
}

static void an_expirys_balance_changed(void **state)
{
    (void)state;
    damage(2, expired,
           "UPDATE pending_transfers SET credit_credits_pending = 1000000 WHERE id = $");
    verify_all();
    expect("chains", "transfer", expired, 2, "are not those before");
}

static void a_lines_time_changed(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHARDS; i++)
        damage(i, crossing, "UPDATE transfers SET timestamp = 1 WHERE id = $");
    verify_all();
    expect("chains", "transfer", crossing, 1, "it is not later");
}

static void two_lines_at_one_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHARDS; i++)
        damage(i, local,
               "UPDATE transfers SET timestamp = (SELECT min(timestamp) FROM transfers t WHERE"
               " t.debit_account_id = transfers.debit_account_id AND t.id <> $) WHERE id = $");
    verify_all();
    expect("chains", "transfer", crossing, 0, "it is not later");
    assert_int_equal(findings_of("chains"), 1);
}

static void a_line_of_another_ledger(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHARDS; i++)
        damage(i, local, "UPDATE transfers SET ledger = 840 WHERE id = $");
    verify_all();
    expect("chains", "transfer", local, 0, "another ledger");
}

static void an_account_on_another_shard(void **state)
{
    (void)state;
    damage(2, ada1, "INSERT INTO accounts VALUES ($, NULL, 0, 0, 0, 0, 0, 1, 1, 978, 1, 0)");
    verify_all();
    expect("accounts", "account", ada1, 2, "does not belong");
    assert_int_equal(findings(), 1);
}

static void an_account_deleted(void **state)
{
    (void)state;
    damage(1, ada1, "DELETE FROM accounts WHERE id = $");
    verify_all();
    expect("balances", "account", ada1, 1, "is not on this shard");
}

static void a_status_that_differs(void **state)
{
    (void)state;
    damage(2, posted, "UPDATE pending_transfers SET status = 1, resolved_at = NULL WHERE id = $");
    verify_all();
    expect("pending", "transfer", posted, 2,
           "differs from its copy on shard 1: status, resolved_at");
    expect("outcomes", "transfer", posted, 2, "has status 1");
}

static void a_status_that_nothing_explains(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHARDS; i++)
        damage(i, closing, "UPDATE pending_transfers SET status = 2, resolved_at = 1 WHERE id = $");
    verify_all();
    expect("outcomes", "transfer", closing, 0, "no transfer does so");
    expect("balances", "account", closed1, 1, "is closed, and no pending transfer closes it");
}

static void a_status_lost(void **state)
{
    (void)state;
    damage(2, voided, "DELETE FROM pending_transfers WHERE id = $");
    verify_all();
    expect("pending", "transfer", voided, 2, "is missing here");
    expect("outcomes", "transfer", voided, 2, "does not say what became of it");
}

static void a_post_deleted(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHARDS; i++)
        damage(i, post_id, "DELETE FROM transfers WHERE id = $");
    verify_all();
    expect("outcomes", "transfer", posted, 1, "no transfer does so");
    expect("balances", "account", bob2, 2, "its history makes");
}

static void an_expiry_before_its_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHARDS; i++)
        damage(i, expired,
               "UPDATE pending_transfers SET expires_at = expires_at + 60000000000 WHERE id = $;"
               "UPDATE transfers SET timeout_s = 61 WHERE id = $");
    verify_all();
    expect("outcomes", "transfer", expired, 2, "expired before its time");
}

static void an_account_open_that_should_be_closed(void **state)
{
    (void)state;
    damage(1, closed1, "UPDATE accounts SET flags = flags & ~32 WHERE id = $");
    verify_all();
    expect("balances", "account", closed1, 1, "is open, and a pending transfer closes it");
    assert_int_equal(findings(), 1);
}

static void a_latest_change_that_was_not(void **state)
{
    (void)state;
    damage(0, bank0, "UPDATE accounts SET timestamp_last = timestamp_last + 1 WHERE id = $");
    verify_all();
    expect("balances", "account", bank0, 0, "has timestamp_last");
    assert_int_equal(findings(), 1);
}

static void a_limit_that_was_never_set(void **state)
{
    (void)state;
    damage(0, bounded0, "UPDATE accounts SET credit_limit = 65 WHERE id = $");
    verify_all();
    expect("limits", "account", bounded0, 0,
           "has the credit limit 65, and its latest change is to 60");
    assert_int_equal(findings(), 1);
}

/* The database itself would refuse it. */
static void an_account_overdrawn(void **state)
{
    (void)state;
    damage(0, bounded0,
           "ALTER TABLE accounts DROP CONSTRAINT IF EXISTS debits_must_not_exceed_credits;"
           "UPDATE accounts SET credit_limit = 48 WHERE id = $");
    verify_all();
    expect("bounds", "account", bounded0, 0, "is beyond its bound by 2");
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
    damage(0, BATCH, "INSERT INTO decisions (batch, decision) VALUES ($, 'commit')");
    verify_all();
    expect_prepared("home shard 0 has decided to commit");
    damage(0, BATCH, "UPDATE decisions SET decision = 'abort' WHERE batch = $");
    verify_all();
    expect_prepared("home shard 0 has fenced it off");
    damage(0, BATCH, "DELETE FROM decisions WHERE batch = $");
    damage(2, BATCH, "INSERT INTO decisions (batch, decision) VALUES ($, 'commit')");
    verify_all();
    expect_prepared("undecided"); /* what another shard says decides nothing */
}

/* It is named although nothing else can be checked. */
static void a_prepared_transaction_that_keeps_locks(void **state)
{
    florin_error_t error = {0};
    (void)state;
    prepare("UPDATE accounts SET code = code");
    assert_int_equal(verify(0, &error), FLORIN_ERROR_CONFLICT);
    expect_prepared("undecided");
    assert_int_equal(report.began, 1);
    assert_false(report.checks[1].done);
}

/* On the shard of a transfer's id alone a batch locks no account, and is waited for all the same:
 * otherwise its row would be missing in the middle of the second phase. */
static void a_row_prepared_without_an_account(void **state)
{
    florin_error_t error = {0};
    (void)state;
    prepare("INSERT INTO transfers (id, amount, timestamp, timeout_s, ledger, code, flags, result)"
            " VALUES ('00000000-0000-0000-0000-00000000ffff', 0, 1, 0, 0, 0, 0, 1)");
    assert_int_equal(verify(0, &error), FLORIN_ERROR_CONFLICT);
    expect_prepared("undecided");
}

static void a_decision_that_nobody_waits_for(void **state)
{
    (void)state;
    damage(2, BATCH, "INSERT INTO decisions (batch, decision) VALUES ($, 'commit')");
    verify_all();
    expect("in-doubt", "batch", BATCH, 2, "prepared nowhere: done on every shard");
    damage(2, BATCH, "UPDATE decisions SET decision = 'abort' WHERE batch = $");
    verify_all();
    expect("in-doubt", "batch", BATCH, 2, "may still meet the fence");
    assert_int_equal(findings(), 0); /* noted: nothing is wrong with it */
}

/* -----------------------------------------------------------------------------------------------
 */

#define TABLES(do)                                                                                 \
    do                                                                                             \
    ("accounts") do("transfers") do("pending_transfers") do("credit_limits") do("decisions")
#define SAVE(table)    "CREATE TABLE saved." table " AS SELECT * FROM " table ";"
#define RESTORE(table) "DELETE FROM " table "; INSERT INTO " table " SELECT * FROM saved." table ";"

static int set_up(void **state)
{
    (void)state;
    servers_start(SHARDS, true);
    store = open_store();
    ledger = florin_ledger_new();
    make_books();
    for_all_shards("CREATE SCHEMA saved;" TABLES(SAVE));
    return 0;
}

static int mend(void **state)
{
    (void)state;
    end_prepared();
    for_all_shards(TABLES(RESTORE));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    florin_ledger_destroy(&ledger);
    florin_store_destroy(&store);
    servers_stop();
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
        DAMAGE(a_row_prepared_without_an_account),
        DAMAGE(a_decision_that_nobody_waits_for),
        DAMAGE(books_of_all_kinds_are_whole), /* mended, they are again */
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
