/* A shard that is given another database, while workers go on with the map that they have read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "lib/clock.h"
#include "store/admin/admin.h"
#include "store/statements.h"
#include "test/store/support/books.h"
#include "test/store/support/servers.h"

#define WAIT_MS 10000

static florin_ledger_t *ledger;
static uint64_t used; /* the latest number of an id */

/* An account on shard 1 that has 5.00 and may not be overdrawn, and one that it pays. */
typedef struct {
    florin_id_t payer, payee;
} pair_t;

static pair_t open_pair(florin_store_t *store)
{
    pair_t pair = {id_on(1, used + 1), id_on(1, used + 2)};
    florin_id_t bank = id_on(1, used + 3);
    florin_account_t payer = account(pair.payer);
    payer.flags = FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS;
    assert_int_equal(try_open(store, ledger, payer), FLORIN_ACCOUNT_CREATED);
    assert_int_equal(try_open(store, ledger, account(pair.payee)), FLORIN_ACCOUNT_CREATED);
    assert_int_equal(try_open(store, ledger, account(bank)), FLORIN_ACCOUNT_CREATED);
    assert_int_equal(try_create(store, ledger, transfer(id_on(1, used + 4), bank, pair.payer, 500)),
                     FLORIN_TRANSFER_CREATED);
    used += 4;
    return pair;
}

/* Spends the 5.00; asks again with the same id while it is told to, as clients do. */
static int spend(florin_store_t *store, const pair_t *pair, uint32_t patience_ms)
{
    uint64_t until_ms = florin_clock_ms() + patience_ms;
    florin_id_t id = id_on(1, ++used);
    int result;
    do
        result = try_create(store, ledger, transfer(id, pair->payer, pair->payee, 500));
    while (result == FLORIN_ERROR_UNAVAILABLE && florin_clock_ms() < until_ms);
    return result;
}

/* One of the databases of shard 1's server, copied under another name. */
static void copy(const char *from, const char *to)
{
    char sql[128];
    snprintf(sql, sizeof sql, "CREATE DATABASE %s TEMPLATE %s OWNER florin", to, from);
    servers_command(1, "postgres", sql);
}

static const char *conninfo_of(const char *database)
{
    static char conninfo[1024];
    snprintf(conninfo, sizeof conninfo, "%s dbname=%s", servers_shard(1), database);
    return conninfo;
}

static int move(const char *conninfo, bool old_is_gone, florin_error_t *error)
{
    return florin_admin_shards_move(servers_control(), 1, conninfo, old_is_gone, WAIT_MS, error);
}

static void retire(void)
{
    florin_error_t error;
    if (florin_admin_shards_retire(servers_control(), 1, WAIT_MS, &error) != 0)
        fail_msg("%s", error.message);
}

/* The statement ends in an error that has this in it. */
static void check_refused(const char *sql, const char *words)
{
    PGconn *pg = PQconnectdb(servers_control());
    PGresult *result = PQexec(pg, sql);
    assert_int_equal(PQresultStatus(result), PGRES_FATAL_ERROR);
    assert_non_null(strstr(PQresultErrorMessage(result), words));
    PQclear(result);
    PQfinish(pg);
}

static void test_the_map_is_not_changed_by_hand(void **state)
{
    (void)state;
    check_refused("UPDATE shards SET conninfo = 'dbname=other' WHERE shard = 1", "florin-admin");
    check_refused("DELETE FROM shards", "florin-admin");
    check_refused("INSERT INTO shards VALUES (2, 'dbname=other')", "florin-admin");
    check_refused("UPDATE slots SET shard = 1", "florin-admin");
    check_refused("TRUNCATE slots", "florin-admin");
}

/* Two workers that have read the map before. One comes just after the move, and one later still. */
static void test_the_same_money_is_spent_once(void **state)
{
    (void)state;
    florin_error_t error;
    florin_store_t *one = open_store(), *other = open_store();
    const pair_t pair = open_pair(one);
    (void)look_at(other, pair.payer);
    retire();
    copy("florin", "copy");
    assert_int_equal(spend(other, &pair, 0), FLORIN_ERROR_UNAVAILABLE);
    assert_int_equal(move(conninfo_of("copy"), false, &error), 0);
    assert_int_equal(spend(one, &pair, WAIT_MS), FLORIN_TRANSFER_CREATED);
    assert_int_equal(spend(other, &pair, WAIT_MS), FLORIN_TRANSFER_EXCEEDS_CREDITS);
    /* Readers see the books of now as well. */
    assert_int_equal(look_at(other, pair.payer).balances.debits_posted, 500);
    assert_string_equal(servers_ask(conninfo_of("copy"), "SELECT epoch FROM shard_identity"), "2");
    /* And back; but not to the first database as it was left. */
    assert_int_equal(move(servers_shard(1), false, &error), FLORIN_ERROR_REFUSED);
    assert_int_equal(spend(one, &pair, WAIT_MS), FLORIN_TRANSFER_EXCEEDS_CREDITS);
    servers_command(1, "postgres", "ALTER DATABASE florin RENAME TO first");
    retire();
    copy("copy", "florin");
    assert_int_equal(move(servers_shard(1), false, &error), 0);
    assert_int_equal(spend(other, &pair, WAIT_MS), FLORIN_TRANSFER_EXCEEDS_CREDITS);
    florin_store_destroy(&one);
    florin_store_destroy(&other);
    servers_command(1, "postgres", "DROP DATABASE copy");
    servers_command(1, "postgres", "DROP DATABASE first");
}

/* It lacks what was written since: nothing changes, and the shard works as before. */
static void test_an_old_copy_is_refused(void **state)
{
    (void)state;
    florin_error_t error;
    copy("florin", "stale");
    florin_store_t *store = open_store();
    const pair_t pair = open_pair(store);
    assert_int_equal(move(conninfo_of("stale"), false, &error), FLORIN_ERROR_REFUSED);
    assert_non_null(strstr(error.message, "no copy of the retired one"));
    assert_int_equal(spend(store, &pair, WAIT_MS), FLORIN_TRANSFER_CREATED);
    /* Nor does it help to say that the old one is gone while it can be reached. */
    assert_int_equal(move(conninfo_of("stale"), true, &error), FLORIN_ERROR_REFUSED);
    assert_int_equal(move(servers_shard(0), false, &error), FLORIN_ERROR_REFUSED);
    assert_non_null(strstr(error.message, "not that shard"));
    assert_int_equal(spend(store, &pair, WAIT_MS), FLORIN_TRANSFER_EXCEEDS_CREDITS);
    florin_store_destroy(&store);
    servers_command(1, "postgres", "DROP DATABASE stale");
}

/* Another connection string of the same database, as when a standby's host is added. */
static void test_the_same_database_by_another_name(void **state)
{
    (void)state;
    florin_error_t error;
    florin_store_t *store = open_store();
    const pair_t pair = open_pair(store);
    assert_int_equal(move(conninfo_of("florin"), false, &error), 0);
    assert_int_equal(spend(store, &pair, WAIT_MS), FLORIN_TRANSFER_CREATED);
    florin_store_destroy(&store);
    assert_int_equal(move(servers_shard(1), false, &error), 0);
}

/* Nothing is retired while a batch is under way: one that has passed the fence, or was prepared. */
static void test_batches_under_way_are_waited_for(void **state)
{
    (void)state;
    florin_error_t error;
    PGconn *batch = PQconnectdb(servers_shard(1));
    PQclear(PQexec(batch, "BEGIN"));
    PQclear(PQexec(batch, florin_statements[FLORIN_SQL_IDENTITY].sql));
    assert_int_equal(florin_admin_shards_retire(servers_control(), 1, 0, &error),
                     FLORIN_ERROR_CONFLICT);
    PQclear(PQexec(batch, "PREPARE TRANSACTION 'florin-like'"));
    PQfinish(batch);
    assert_int_equal(florin_admin_shards_retire(servers_control(), 1, 0, &error),
                     FLORIN_ERROR_CONFLICT);
    assert_non_null(strstr(error.message, "'florin-like'"));
    servers_ask(servers_shard(1), "ROLLBACK PREPARED 'florin-like'");
    assert_string_equal(servers_ask(servers_shard(1), "SELECT retired FROM shard_identity"), "f");
}

/* A worker whose session goes on, as nobody has ended it. */
static void test_each_batch_looks_at_the_fence(void **state)
{
    (void)state;
    static const char *const closed[] = {"retired = true", "epoch = epoch + 1",
                                         "epoch = epoch - 1"};
    florin_store_t *store = open_store();
    const pair_t pair = open_pair(store);
    for (size_t i = 0; i < sizeof closed / sizeof *closed; i++) {
        char sql[100];
        snprintf(sql, sizeof sql, "UPDATE shard_identity SET %s", closed[i]);
        uint64_t epoch =
            strtoull(servers_ask(servers_shard(1), "SELECT epoch FROM shard_identity"), NULL, 10);
        servers_ask(servers_shard(1), sql);
        assert_int_equal(spend(store, &pair, 0), FLORIN_ERROR_UNAVAILABLE);
        assert_int_equal(look_at(store, pair.payer).balances.debits_posted, 0);
        snprintf(sql, sizeof sql, "UPDATE shard_identity SET retired = false, epoch = %llu",
                 (unsigned long long)epoch);
        servers_ask(servers_shard(1), sql);
    }
    assert_int_equal(spend(store, &pair, WAIT_MS), FLORIN_TRANSFER_CREATED);
    florin_store_destroy(&store);
}

/* The batch is held up between its statements, while its shard is retired and moved. */
typedef struct {
    bool pending;
    int retired; /* what came of it */
} meanwhile_t;

static void retire_meanwhile(void *arg)
{
    meanwhile_t *meanwhile = arg;
    florin_error_t error;
    if (first_time(&meanwhile->pending))
        meanwhile->retired = florin_admin_shards_retire(servers_control(), 1, 0, &error);
}

static void test_a_batch_that_is_written_keeps_its_database(void **state)
{
    (void)state;
    florin_error_t error;
    florin_store_t *store = open_store();
    const pair_t pair = open_pair(store);
    meanwhile_t meanwhile = {.pending = true};
    florin_id_t far = id_on(0, ++used);
    assert_int_equal(try_open(store, ledger, account(far)), FLORIN_ACCOUNT_CREATED);
    florin_store_set_meanwhile(store, retire_meanwhile, &meanwhile);
    /* Across shards: it is prepared on shard 1 when it is tried to retire that. */
    assert_int_equal(try_create(store, ledger, transfer(id_on(1, ++used), pair.payer, far, 500)),
                     FLORIN_TRANSFER_CREATED);
    assert_false(meanwhile.pending);
    assert_int_equal(meanwhile.retired, FLORIN_ERROR_CONFLICT);
    florin_store_set_meanwhile(store, NULL, NULL);
    assert_int_equal(move(conninfo_of("florin"), false, &error), 0);
    assert_int_equal(move(servers_shard(1), false, &error), 0);
    assert_int_equal(spend(store, &pair, WAIT_MS), FLORIN_TRANSFER_EXCEEDS_CREDITS);
    florin_store_destroy(&store);
}

/* The old one does not answer: only on the operator's word, and workers find the new one. */
static void test_the_old_database_is_gone(void **state)
{
    (void)state;
    florin_error_t error;
    florin_store_t *store = open_store();
    const pair_t pair = open_pair(store);
    florin_store_destroy(&store);
    servers_await(servers_shard(1),
                  "SELECT count(*) FROM pg_stat_activity WHERE datname = 'florin'"
                  " AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
                  "0");
    copy("florin", "promoted");
    store = open_store();
    (void)look_at(store, pair.payer);
    servers_command(1, "postgres", "ALTER DATABASE florin ALLOW_CONNECTIONS false");
    servers_command(1, "postgres",
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = 'florin'");
    assert_int_equal(move(conninfo_of("promoted"), false, &error), FLORIN_ERROR_REFUSED);
    assert_non_null(strstr(error.message, "--old-is-gone"));
    assert_int_equal(move(conninfo_of("promoted"), true, &error), 0);
    /* The worker sees that its shard is away, and looks into the map again. */
    assert_int_equal(spend(store, &pair, 2 * WAIT_MS), FLORIN_TRANSFER_CREATED);
    florin_store_destroy(&store);
}

static int start(void **state)
{
    (void)state;
    servers_start(2, true);
    ledger = florin_ledger_new();
    return ledger ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    florin_ledger_destroy(&ledger);
    servers_stop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_map_is_not_changed_by_hand),
        cmocka_unit_test(test_the_same_money_is_spent_once),
        cmocka_unit_test(test_an_old_copy_is_refused),
        cmocka_unit_test(test_the_same_database_by_another_name),
        cmocka_unit_test(test_batches_under_way_are_waited_for),
        cmocka_unit_test(test_each_batch_looks_at_the_fence),
        cmocka_unit_test(test_a_batch_that_is_written_keeps_its_database),
        cmocka_unit_test(test_the_old_database_is_gone), /* the last: it is gone */
    };
    return cmocka_run_group_tests(tests, start, stop);
}
