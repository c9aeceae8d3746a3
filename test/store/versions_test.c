/* Programs over databases with migrations that came after them: which go on, and which are told to
 * be too old. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "store/admin/admin.h"
#include "store/statements.h"
#include "test/store/support/books.h"
#include "test/store/support/servers.h"

static florin_ledger_t *ledger;
static florin_store_t *old; /* has been connected since before */
static florin_id_t payer, payee;
static uint64_t used;
static unsigned newest = FLORIN_SCHEMA_SHARD;
static char folder[64];

/* Another file, which says of programs of this build and later ones that they may. */
static void migrate(bool reads, bool writes, const char *sql)
{
    char path[128];
    florin_error_t error;
    size_t applied;
    newest++;
    snprintf(path, sizeof path, "%s/shard/%04u_later.sql", folder, newest);
    FILE *stream = fopen(path, "we");
    assert_non_null(stream);
    assert_true(fprintf(stream, "-- florin: reads %u, writes %u\n%s\n",
                        reads ? FLORIN_SCHEMA_SHARD : newest, writes ? FLORIN_SCHEMA_SHARD : newest,
                        sql) > 0);
    assert_int_equal(fclose(stream), 0);
    for (size_t i = 0; i < servers_count(); i++)
        if (florin_admin_migrate(servers_shard(i), folder, "shard", 10000, &applied, &error) != 0)
            fail_msg("%s", error.message);
}

static int pay(florin_store_t *store)
{
    return try_create(store, ledger, transfer(id_on(0, ++used), payer, payee, 1));
}

static void test_an_old_program_goes_on_over_an_additive_migration(void **state)
{
    (void)state;
    florin_error_t error;
    migrate(true, true,
            "ALTER TABLE accounts ADD COLUMN nickname text;"
            "ALTER TABLE transfers ADD COLUMN colour integer NOT NULL DEFAULT 1;"
            "CREATE TABLE later (n integer);");
    assert_int_equal(pay(old), FLORIN_TRANSFER_CREATED);
    florin_store_t *again = open_store();
    assert_int_equal(florin_store_connect(again, &error), 0);
    assert_int_equal(pay(again), FLORIN_TRANSFER_CREATED);
    assert_int_equal(look_at(again, payer).balances.debits_posted, 2);
    florin_store_destroy(&again);
}

/* Also one that was connected before. It goes on reading. */
static void test_an_old_program_is_kept_from_writing(void **state)
{
    (void)state;
    florin_error_t error;
    migrate(true, false, "");
    assert_int_equal(pay(old), FLORIN_ERROR_CONFIG);
    assert_int_equal(look_at(old, payer).balances.debits_posted, 2);
    florin_store_t *again = open_store();
    assert_int_equal(florin_store_connect(again, &error), 0);
    assert_int_equal(pay(again), FLORIN_ERROR_CONFIG);
    assert_int_equal(look_at(again, payer).balances.debits_posted, 2);
    florin_store_destroy(&again);
}

/* It is a newer program's: who knows by which rules it ends. */
static void test_an_old_program_ends_no_newer_batch(void **state)
{
    (void)state;
    florin_error_t error;
    florin_resolved_t resolved;
    const char *name = "florin:0:0e20df87-295f-e8bc-ced3-5d609fcf0267:1";
    char sql[200];
    PGconn *newer = PQconnectdb(servers_shard(1));
    PQclear(PQexec(newer, "BEGIN; CREATE TABLE trace ()"));
    snprintf(sql, sizeof sql, "PREPARE TRANSACTION '%s'", name);
    PQclear(PQexec(newer, sql));
    PQfinish(newer);
    florin_store_t *again = open_store();
    assert_int_equal(florin_store_resolve(old, &resolved, &error), 0);
    assert_int_equal(florin_store_resolve(again, &resolved, &error), 0);
    assert_true(resolved.partial);
    snprintf(sql, sizeof sql, "ROLLBACK PREPARED '%s'", name);
    servers_ask(servers_shard(1), sql); /* it is there */
    florin_store_destroy(&again);
}

static void test_an_old_program_is_kept_from_reading(void **state)
{
    (void)state;
    florin_error_t error;
    migrate(false, false, "");
    florin_store_t *again = open_store();
    assert_int_equal(florin_store_connect(again, &error), FLORIN_ERROR_CONFIG);
    assert_non_null(strstr(error.message, "update the program"));
    florin_store_destroy(&again);
}

static int start(void **state)
{
    (void)state;
    char command[128];
    florin_error_t error;
    servers_start(2, true);
    snprintf(folder, sizeof folder, "/tmp/florin-versions.XXXXXX");
    ledger = florin_ledger_new();
    if (!ledger || !mkdtemp(folder))
        return -1;
    snprintf(command, sizeof command, "cp -r sql/shard %s", folder);
    old = open_store();
    payer = id_on(0, ++used);
    payee = id_on(1, ++used);
    return system(command) != 0 || florin_store_connect(old, &error) != 0 ||
           try_open(old, ledger, account(payer)) != FLORIN_ACCOUNT_CREATED ||
           try_open(old, ledger, account(payee)) != FLORIN_ACCOUNT_CREATED;
}

static int stop(void **state)
{
    (void)state;
    char command[128];
    florin_store_destroy(&old);
    florin_ledger_destroy(&ledger);
    servers_stop();
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_old_program_goes_on_over_an_additive_migration),
        cmocka_unit_test(test_an_old_program_is_kept_from_writing),
        cmocka_unit_test(test_an_old_program_ends_no_newer_batch),
        cmocka_unit_test(test_an_old_program_is_kept_from_reading),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
