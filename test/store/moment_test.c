/* One moment on several shards: a batch is seen whole or not at all, and nobody is waited for who
 * only keeps locks. Halves of batches are made by hand. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* cmocka wants those above first. */
#include <cmocka.h>
#include <pthread.h>

#include "lib/clock.h"
#include "lib/id.h"
#include "test/store/support/books.h"
#include "test/store/support/servers.h"

enum { SHARDS = 3, SQL_BYTES = 2048, SOON_MS = 1000, MONEY = 1000 };

static florin_store_t *store;
static florin_ledger_t *ledger;
static florin_id_t accounts[SHARDS]; /* one on each shard, each with MONEY on both sides */
static uint64_t used = 100;

/* ------------------------------------------------------------------------------------- by hand */

static const char batch_id[] = "00000000-0000-0000-0000-0000000000aa";

/* A batch that moves 5 from shard 0 to shard 1, prepared there. */
static void prepare_half(void)
{
    char sql[SQL_BYTES], id[FLORIN_ID_TEXT_BYTES];
    snprintf(sql, sizeof sql,
             "BEGIN; UPDATE accounts SET credits_posted = credits_posted + 5 WHERE id = '%s';"
             "INSERT INTO crossings (batch, shards, transactions) VALUES ('%s', '{0,1}', '{0,0}');"
             "PREPARE TRANSACTION 'florin:0:%s:1'",
             florin_id_format_uuid(accounts[1], id), batch_id, batch_id);
    servers_ask(servers_shard(1), sql);
}

/* Its other half, committed at home, with its trace. */
static void commit_at_home(void)
{
    char sql[SQL_BYTES], id[FLORIN_ID_TEXT_BYTES];
    snprintf(sql, sizeof sql,
             "BEGIN; UPDATE accounts SET debits_posted = debits_posted + 5 WHERE id = '%s';"
             "INSERT INTO crossings (batch, shards, transactions) VALUES ('%s', '{0,1}',"
             " ARRAY[pg_current_xact_id()::text::bigint, %s]); COMMIT",
             florin_id_format_uuid(accounts[0], id), batch_id,
             servers_ask(servers_shard(1), "SELECT transaction FROM pg_prepared_xacts"));
    servers_ask(servers_shard(0), sql);
}

static void end_half(const char *how)
{
    char sql[SQL_BYTES];
    snprintf(sql, sizeof sql, "%s PREPARED 'florin:0:%s:1'", how, batch_id);
    servers_ask(servers_shard(1), sql);
}

static void forget_halves(void)
{
    for (size_t i = 0; i < SHARDS; i++)
        servers_ask(servers_shard(i), "DELETE FROM crossings");
}

/* --------------------------------------------------------------------------- the trial balance */

static florin_trial_row_t rows[FLORIN_TRIAL_ROWS_MAX];
static florin_trial_page_t page;

static int sum(florin_sum_t *debits, florin_sum_t *credits, florin_error_t *error)
{
    *debits = *credits = 0;
    int result = florin_store_trial_balance(
        store, &(florin_trial_query_t){.limit = FLORIN_TRIAL_ROWS_MAX}, rows, &page, error);
    for (size_t i = 0; i < page.count && result == 0; i++) {
        *debits += rows[i].debits_posted;
        *credits += rows[i].credits_posted;
    }
    return result;
}

static void expect_sum(uint64_t expected)
{
    florin_sum_t debits, credits;
    florin_error_t error = {0};
    if (sum(&debits, &credits, &error) != 0)
        fail_msg("%s", error.message);
    assert_int_equal((uint64_t)debits, expected);
    assert_int_equal((uint64_t)credits, expected);
}

/* Who keeps rows, or the tables against writing, keeps nobody from reading them. */
static void waits_for_no_lock(void **state)
{
    (void)state;
    servers_ask(servers_shard(2), "BEGIN; LOCK TABLE accounts, transfers IN EXCLUSIVE MODE;"
                                  "UPDATE accounts SET debits_posted = debits_posted + 1;"
                                  "PREPARE TRANSACTION 'foreign'");
    prepare_half();
    uint64_t began_ms = florin_clock_ms();
    expect_sum(SHARDS * MONEY);
    assert_in_range(florin_clock_ms() - began_ms, 0, SOON_MS);
    end_half("ROLLBACK");
    servers_ask(servers_shard(2), "ROLLBACK PREPARED 'foreign'");
}

static void *end_later(void *arg)
{
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    end_half("COMMIT");
    return arg;
}

static void never_shows_half_a_batch(void **state)
{
    pthread_t thread;
    florin_sum_t debits, credits;
    florin_error_t error = {0};
    (void)state;
    prepare_half();
    expect_sum(SHARDS * MONEY); /* undecided: nobody has seen it */
    commit_at_home();
    assert_int_equal(sum(&debits, &credits, &error), FLORIN_ERROR_CONFLICT);
    assert_non_null(strstr(error.message, batch_id));
    assert_non_null(strstr(error.message, "not yet on shard 1"));
    assert_int_equal(pthread_create(&thread, NULL, end_later, NULL), 0);
    expect_sum(SHARDS * MONEY + 5);
    assert_int_equal(pthread_join(thread, NULL), 0);
    forget_halves();
}

/* --------------------------------------------------------------------------------------- pages */

enum { WIDE = 9000, WIDE_CODES = 5000, NARROW = 9001, NARROW_CODES = 100, LEDGERS = 51 };

/* One ledger of more codes than a page has rows and then fifty of a hundred, on two shards: half of
 * the codes on each, and every tenth on both. */
static void open_many(void)
{
    for (size_t shard = 0; shard < 2; shard++) {
        char sql[SQL_BYTES];
        snprintf(sql, sizeof sql,
                 "INSERT INTO accounts SELECT gen_random_uuid(), NULL, 0, 7, 0, 7, 0, 1, 1, ledger,"
                 " code, 0 FROM (SELECT %d AS ledger, generate_series(1, %d) AS code UNION ALL"
                 " SELECT %d + n, generate_series(1, %d) FROM generate_series(0, %d) AS n) AS pairs"
                 " WHERE code %% 2 = %zu OR code %% 10 = 0",
                 WIDE, WIDE_CODES, NARROW, NARROW_CODES, LEDGERS - 2, shard);
        servers_ask(servers_shard(shard), sql);
    }
}

static void check_row(const florin_trial_row_t *row, uint32_t *of, uint16_t *code)
{
    uint16_t codes = *of == WIDE ? WIDE_CODES : NARROW_CODES;
    *of += *code == codes;
    *code = (uint16_t)(*code == codes ? 1 : *code + 1);
    uint64_t expected = *code % 10 == 0 ? 2 : 1;
    assert_int_equal(row->ledger, *of);
    assert_int_equal(row->code, *code);
    assert_int_equal(row->accounts_count, expected);
    assert_true(row->debits_posted == 7 * expected && row->credits_posted == 7 * expected);
}

/* Each pair once, in order; a ledger whole on a page, or its total beside its part. */
static void walk(size_t limit, size_t pages_expected)
{
    florin_trial_query_t query = {.ledger = WIDE, .limit = limit};
    uint32_t of = WIDE;
    uint16_t code = 0;
    size_t pages = 0;
    do {
        florin_error_t error = {0};
        if (florin_store_trial_balance(store, &query, rows, &page, &error) != 0)
            fail_msg("%s", error.message);
        for (size_t i = 0; i < page.count; i++)
            check_row(&rows[i], &of, &code);
        size_t codes = rows[0].ledger == WIDE ? WIDE_CODES : NARROW_CODES;
        assert_int_equal(page.split, codes > limit || query.code > 0);
        if (page.split) {
            assert_int_equal(page.total.ledger, rows[0].ledger);
            assert_int_equal(page.total.code, 0);
            assert_int_equal(page.total.accounts_count, codes + codes / 10);
            assert_true(page.total.credits_posted == 7 * (codes + codes / 10));
        }
        assert_true(!page.more || page.next_code > 0 || code == NARROW_CODES || code == WIDE_CODES);
        query.ledger = page.next_ledger;
        query.code = page.next_code;
        pages++;
    } while (page.more);
    assert_int_equal(of, WIDE + LEDGERS - 1);
    assert_int_equal(code, NARROW_CODES);
    assert_int_equal(pages, pages_expected);
}

static void more_pairs_than_a_page_has_rows(void **state)
{
    (void)state;
    open_many();
    walk(FLORIN_TRIAL_ROWS_MAX, 3); /* 4,096; 904 and 31 ledgers; 19 ledgers */
    walk(250, 20 + 25);             /* two ledgers a page */
    walk(100, 50 + 50);
    walk(99, 51 + 2 * 50); /* what is left of a page after a part may be too short for the next */
    servers_ask(servers_shard(0), "DELETE FROM accounts WHERE ledger >= 9000");
    servers_ask(servers_shard(1), "DELETE FROM accounts WHERE ledger >= 9000");
}

/* --------------------------------------------------------------------------- several accounts */

static int look_up(const florin_id_t *ids, size_t count, int64_t *sum, florin_error_t *error)
{
    florin_account_t found[SHARDS + 1];
    size_t found_count = 0;
    *sum = 0;
    int result = florin_store_lookup_accounts(store, ids, count, found, &found_count, error);
    for (size_t i = 0; i < found_count; i++)
        *sum += (int64_t)(found[i].balances.credits_posted - found[i].balances.debits_posted);
    return result;
}

/* They add up to that, and nothing was waited for. */
static void expect_lookup(const florin_id_t *ids, size_t count, int64_t expected)
{
    int64_t sum;
    florin_error_t error = {0};
    uint64_t began_ms = florin_clock_ms();
    if (look_up(ids, count, &sum, &error) != 0)
        fail_msg("%s", error.message);
    assert_int_equal(sum, expected);
    assert_in_range(florin_clock_ms() - began_ms, 0, SOON_MS / 5);
}

static void expect_conflict(const florin_id_t *ids, size_t count)
{
    int64_t sum;
    florin_error_t error = {0};
    assert_int_equal(look_up(ids, count, &sum, &error), FLORIN_ERROR_CONFLICT);
    assert_non_null(strstr(error.message, batch_id));
}

/* Whether an earlier read has left anything for the next, and so how many rounds that takes, must
 * not matter. */
static void forget_reads(bool forgotten)
{
    if (forgotten)
        nanosleep(&(struct timespec){.tv_nsec = 150000000}, NULL);
}

static void lookups_add_up(void **state)
{
    int64_t sum, first, second;
    florin_error_t error = {0};
    florin_id_t other = id_on(1, ++used);
    (void)state;
    assert_int_equal(try_open(store, ledger, account(other)), FLORIN_ACCOUNT_CREATED);
    assert_int_equal(look_up(accounts, 2, &sum, &error), 0);
    for (int forgotten = 0; forgotten < 2; forgotten++) {
        assert_int_equal(look_up(&accounts[0], 1, &first, &error), 0);
        assert_int_equal(look_up(&accounts[1], 1, &second, &error), 0);
        prepare_half();
        forget_reads(forgotten);
        expect_lookup(accounts, 2, sum); /* undecided: nobody has seen it */
        commit_at_home();
        for (int i = 0; i < 2; i++) {
            forget_reads(forgotten);
            expect_conflict(accounts, 2);
        }
        forget_reads(forgotten);
        expect_lookup((florin_id_t[]){accounts[0], other}, 2,
                      first - 5);               /* what it lacks on shard 1 is not wanted */
        expect_lookup(&accounts[1], 1, second); /* one shard is as it is */
        end_half("COMMIT");
        forget_reads(forgotten);
        expect_lookup(accounts, 2, sum);
        forget_halves();
    }
}

/* An account that is not there may be one that the batch opens. */
static void an_account_is_opened_with_its_batch(void **state)
{
    florin_id_t opened = id_on(1, ++used);
    char sql[SQL_BYTES], id[FLORIN_ID_TEXT_BYTES];
    (void)state;
    florin_id_format_uuid(opened, id);
    snprintf(sql, sizeof sql,
             "BEGIN; INSERT INTO accounts SELECT '%s', user_data, 0, 0, 0, 0, 0, timestamp,"
             " timestamp_last, ledger, code, 0 FROM accounts LIMIT 1;"
             "PREPARE TRANSACTION 'florin:0:%s:1'",
             id, batch_id);
    servers_ask(servers_shard(1), sql);
    commit_at_home();
    expect_conflict((florin_id_t[]){accounts[0], opened}, 2);
    end_half("COMMIT");
    expect_lookup((florin_id_t[]){accounts[2], opened}, 2, 0);
    forget_halves();
}

/* ---------------------------------------------------------------------------------- the traces */

static const char *traces_on(size_t shard)
{
    return servers_ask(servers_shard(shard), "SELECT count(*) FROM crossings");
}

static void pay(size_t from, size_t to)
{
    assert_int_equal(
        try_create(store, ledger, transfer(id_on(from, ++used), accounts[from], accounts[to], 1)),
        FLORIN_TRANSFER_CREATED);
}

static void forget(void)
{
    florin_error_t error = {0};
    if (florin_store_forget(store, &error) != 0)
        fail_msg("%s", error.message);
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static void batches_that_cross_leave_traces(void **state)
{
    (void)state;
    florin_id_t other = id_on(2, ++used);
    assert_int_equal(try_open(store, ledger, account(other)), FLORIN_ACCOUNT_CREATED);
    assert_int_equal(try_create(store, ledger, transfer(id_on(2, ++used), accounts[2], other, 1)),
                     FLORIN_TRANSFER_CREATED);
    for (size_t i = 0; i < SHARDS; i++)
        assert_string_equal(traces_on(i), "0");
    pay(0, 2);
    assert_string_equal(traces_on(0), "1");
    assert_string_equal(traces_on(1), "0");
    assert_string_equal(traces_on(2), "1");
    /* Each number is that of the transaction that wrote the trace there. */
    for (size_t i = 0; i < SHARDS; i += 2)
        assert_string_equal(
            servers_ask(servers_shard(i),
                        i == 0 ? "SELECT shards = '{0,2}' AND own::text = transactions[1]::text"
                                 " AND own::text = xmin::text FROM crossings"
                               : "SELECT shards = '{0,2}' AND own::text = transactions[2]::text"
                                 " AND own::text = xmin::text FROM crossings"),
            "t");
}

static void ended_ones_are_forgotten(void **state)
{
    (void)state;
    pay(0, 1);
    forget(); /* sees them */
    forget(); /* they had ended by then */
    forget(); /* a pass that looks again, and one that finds nothing left */
    forget();
    for (size_t i = 0; i < SHARDS; i++)
        assert_string_equal(traces_on(i), "0");
    prepare_half();
    commit_at_home();
    for (size_t i = 0; i < 6; i++)
        forget();
    assert_string_equal(traces_on(0), "1"); /* prepared on shard 1 */
    pay(0, 2);
    for (size_t i = 0; i < 6; i++)
        forget();
    assert_string_equal(traces_on(0), "1");
    assert_string_equal(traces_on(2), "0"); /* which keeps no other one */
    end_half("COMMIT");
    for (size_t i = 0; i < 6; i++)
        forget();
    for (size_t i = 0; i < SHARDS; i++)
        assert_string_equal(traces_on(i), "0");
}

/* ------------------------------------------------------------------------------------------------
 */

static int set_up(void **state)
{
    florin_error_t error = {0};
    (void)state;
    servers_start(SHARDS, true);
    const florin_store_options_t options = {.control = servers_control(),
                                            .connect_timeout_ms = 3000,
                                            .statement_timeout_ms = 3000,
                                            .traces_kept_ms = 1};
    if (florin_store_new(&options, &store, &error) != 0)
        fail_msg("%s", error.message);
    ledger = florin_ledger_new();
    for (size_t i = 0; i < SHARDS; i++) {
        accounts[i] = id_on(i, 1 + i);
        assert_int_equal(try_open(store, ledger, account(accounts[i])), FLORIN_ACCOUNT_CREATED);
    }
    for (size_t i = 0; i < SHARDS; i++)
        assert_int_equal(
            try_create(store, ledger,
                       transfer(id_on(i, ++used), accounts[i], accounts[(i + 1) % SHARDS], MONEY)),
            FLORIN_TRANSFER_CREATED);
    forget_halves();
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_for_no_lock),
        cmocka_unit_test(never_shows_half_a_batch),
        cmocka_unit_test(more_pairs_than_a_page_has_rows),
        cmocka_unit_test(lookups_add_up),
        cmocka_unit_test(an_account_is_opened_with_its_batch),
        cmocka_unit_test(batches_that_cross_leave_traces),
        cmocka_unit_test(ended_ones_are_forgotten),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
