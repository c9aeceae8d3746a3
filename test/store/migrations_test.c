/* The files of sql/: none of them makes others wait while it works, and each that runs without a
 * transaction can be repeated. What they do is measured, not read: run in a transaction, a file
 * shows which tables it keeps from others, and which of these it has scanned or written anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "store/admin/migration.h"
#include "test/store/support/servers.h"

static PGconn *pg;

static void run(const char *sql)
{
    PGresult *result = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%.100s: %s", sql, PQerrorMessage(pg));
    PQclear(result);
}

/* Runs it in a transaction that stays open. Tables that were there before, that others can't write
 * until it ends, and that were scanned or written anew under that lock; "" for none. */
static const char *harm_of(const char *sql)
{
    static char names[200];
    run("BEGIN");
    run("CREATE TEMP TABLE before ON COMMIT DROP AS SELECT oid, relfilenode, seq_scan"
        " FROM pg_class JOIN pg_stat_xact_user_tables ON relid = oid"
        " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace");
    run(sql);
    PGresult *rows =
        PQexec(pg, "SELECT string_agg(DISTINCT c.relname, ', ') FROM before JOIN pg_class c"
                   " USING (oid) JOIN pg_locks l ON l.relation = oid"
                   " JOIN pg_stat_xact_user_tables s ON s.relid = oid"
                   " WHERE l.pid = pg_backend_pid() AND l.mode IN ('ShareLock',"
                   " 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"
                   " AND (c.relfilenode <> before.relfilenode OR s.seq_scan > before.seq_scan)");
    assert_int_equal(PQresultStatus(rows), PGRES_TUPLES_OK);
    snprintf(names, sizeof names, "%s", PQgetvalue(rows, 0, 0));
    PQclear(rows);
    return names;
}

static void run_each(const char *sql)
{
    const char *statement;
    size_t length;
    while (florin_migration_next(&sql, &statement, &length)) {
        char text[2048];
        assert_true(length < sizeof text);
        snprintf(text, sizeof text, "%.*s", (int)length, statement);
        run(text);
    }
}

/* Files up to `founding` made tables that were empty. */
static void check_files(const char *kind, unsigned founding)
{
    florin_migrations_t files = {0};
    florin_error_t error;
    run("DROP SCHEMA public CASCADE");
    run("CREATE SCHEMA public");
    run("CREATE TABLE schema_migrations (version integer PRIMARY KEY, name text, sha256 bytea,"
        " applied_at timestamptz, reads_from integer, writes_from integer)");
    assert_int_equal(florin_migrations_read(&files, "sql", kind, &error), 0);
    for (size_t i = 0; i < files.count; i++) {
        const florin_migration_t *file = &files.files[i];
        if (file->version > founding && !strstr(file->sql, "-- florin: reads"))
            fail_msg("%s: must say '-- florin: reads N, writes M' at its head", file->name);
        if (file->concurrently) {
            run_each(file->sql);
            run_each(file->sql); /* as after a try that failed at its end */
            continue;
        }
        const char *harmed = harm_of(file->sql);
        if (file->version > founding && *harmed)
            fail_msg("%s: keeps %s from others while it works on it; use '-- florin: "
                     "concurrently', or NOT VALID here and VALIDATE in the next file",
                     file->name, harmed);
        run("COMMIT");
    }
    florin_migrations_clear(&files);
}

static void test_no_file_makes_others_wait(void **state)
{
    (void)state;
    check_files("control", 1);
    check_files("shard", 2);
}

/* On the newest schema: what the check finds, and what it lets pass. */
static void test_what_makes_others_wait_is_found(void **state)
{
    (void)state;
    static const char *const harmful[] = {
        "CREATE INDEX x ON transfers (code)",
        "CREATE TABLE y (n integer); CREATE INDEX x ON transfers (code)",
        "DO $$ BEGIN CREATE INDEX x ON transfers (code); END $$",
        "ALTER TABLE transfers ADD CHECK (amount < 5)",
        ("ALTER TABLE transfers ADD CONSTRAINT x CHECK (amount < 5) NOT VALID;"
         "ALTER TABLE transfers VALIDATE CONSTRAINT x"),
        "ALTER TABLE transfers ALTER COLUMN user_data SET NOT NULL",
        "ALTER TABLE transfers ALTER COLUMN timeout_s TYPE numeric",
        "ALTER TABLE transfers ADD COLUMN x double precision DEFAULT random()",
    };
    static const char *const harmless[] = {
        "ALTER TABLE transfers ADD COLUMN x integer NOT NULL DEFAULT 1",
        "ALTER TABLE transfers ADD CONSTRAINT x CHECK (amount < 5) NOT VALID",
        "CREATE TABLE y (n integer); CREATE INDEX x ON y (n); INSERT INTO y VALUES (1)",
        "ALTER TABLE transfers SET (fillfactor = 90)",
    };
    for (size_t i = 0; i < sizeof harmful / sizeof *harmful; i++) {
        if (strcmp(harm_of(harmful[i]), "transfers") != 0)
            fail_msg("not found: %s", harmful[i]);
        run("ROLLBACK");
    }
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        assert_string_equal(harm_of(harmless[i]), "");
        run("ROLLBACK");
    }
}

/* ---------------------------------------------------------------------------------- statements */

static void test_statements_are_told_apart(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "SELECT 'a;b', \"c;d\", 'it''s'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$",
        "SELECT $of$ ; $$ ; $of$ -- not; here\n",
        "SELECT /* nor; here */ 2",
    };
    const char *sql = "-- A head; with a semicolon.\n\n SELECT 'a;b', \"c;d\", 'it''s';\n"
                      "/* one; two */ CREATE FUNCTION f() RETURNS int LANGUAGE sql AS"
                      " $$ SELECT 1; $$;;\n"
                      "SELECT $of$ ; $$ ; $of$ -- not; here\n;SELECT /* nor; here */ 2";
    const char *statement;
    size_t length;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_true(florin_migration_next(&sql, &statement, &length));
        assert_int_equal(length, strlen(expected[i]));
        assert_memory_equal(statement, expected[i], length);
    }
    assert_false(florin_migration_next(&sql, &statement, &length));
    /* What is never closed ends with the text. */
    static const char *const open[] = {"'a", "\"b", "$$ c", "$d$ e", "f /* g", "h -- i"};
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        sql = open[i];
        assert_true(florin_migration_next(&sql, &statement, &length));
        assert_int_equal(length, strlen(open[i]));
        assert_false(florin_migration_next(&sql, &statement, &length));
    }
}

static int start(void **state)
{
    (void)state;
    servers_start(1, false);
    pg = PQconnectdb(servers_shard(0));
    run("SET client_min_messages = error");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    PQfinish(pg);
    servers_stop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_file_makes_others_wait),
        cmocka_unit_test(test_what_makes_others_wait_is_found),
        cmocka_unit_test(test_statements_are_told_apart),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
