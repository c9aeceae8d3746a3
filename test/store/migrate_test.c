/* Migrations: once, twice, from two places, behind others' locks, and against files that are not
 * the ones applied. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "lib/clock.h"
#include "store/admin/admin.h"
#include "store/statements.h"
#include "test/store/support/servers.h"

/* How long anybody else may stand still for a migration: one wait for a lock, on a busy machine. */
#define STANDSTILL_MS 1500

static char folder[64]; /* of files of our own, in folder/shard */

static void write_file(const char *name, const char *sql)
{
    char path[256];
    snprintf(path, sizeof path, "%s/shard/%s", folder, name);
    FILE *stream = fopen(path, "we");
    assert_non_null(stream);
    assert_true(fputs(sql, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
}

static void remove_file(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/shard/%s", folder, name);
    assert_int_equal(unlink(path), 0);
}

static int migrate(size_t *applied, florin_error_t *error)
{
    return florin_admin_migrate(servers_shard(0), folder, "shard", FLORIN_MIGRATE_WAIT_MS, applied,
                                error);
}

static const char *ask(const char *sql)
{
    return servers_ask(servers_shard(0), sql);
}

/* An empty database, and two files. */
static int begin(void **state)
{
    (void)state;
    char path[256];
    ask("DROP SCHEMA public CASCADE");
    ask("CREATE SCHEMA public");
    snprintf(folder, sizeof folder, "/tmp/florin-migrate.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/shard", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file("0001_one.sql", "CREATE TABLE one (n integer);\nINSERT INTO one VALUES (1);\n");
    write_file("0002_two.sql", "INSERT INTO one SELECT 2;\n");
    return 0;
}

static int end(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void test_applies_each_file_once(void **state)
{
    (void)state;
    florin_error_t error;
    size_t applied;
    assert_int_equal(migrate(&applied, &error), 0);
    assert_int_equal(applied, 2);
    assert_int_equal(migrate(&applied, &error), 0);
    assert_int_equal(applied, 0);
    write_file("0003_three.sql", "INSERT INTO one VALUES (3)");
    assert_int_equal(migrate(&applied, &error), 0);
    assert_int_equal(applied, 1);
    assert_string_equal(ask("SELECT string_agg(n::text, ',' ORDER BY n) FROM one"), "1,2,3");
    assert_string_equal(
        ask("SELECT encode(sha256, 'hex') FROM schema_migrations WHERE version = 2"),
        "c2f8277b0f94c5b17015e7f900a75a8e6f063a5390126c15e05a336a30f2b506");
}

static void check_two_at_once(void)
{
    florin_error_t error;
    size_t applied, others = 0;
    int results[2];
    assert_int_equal(pipe(results), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int result = migrate(&applied, &error);
        bool told = write(results[1], &applied, sizeof applied) == sizeof applied;
        _exit(result != 0 || !told);
    }
    assert_int_equal(migrate(&applied, &error), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(results[0], &others, sizeof others), sizeof others);
    assert_true((applied == 3 && others == 0) || (applied == 0 && others == 3));
    close(results[0]);
    close(results[1]);
}

static void test_two_at_once(void **state)
{
    (void)state;
    write_file("0003_slow.sql", "SELECT pg_sleep(0.3); INSERT INTO one VALUES (3)");
    check_two_at_once();
    assert_string_equal(ask("SELECT string_agg(n::text, ',' ORDER BY n) FROM one"), "1,2,3");
}

/* An index that is made concurrently waits for all who have a snapshot, also the other one. */
static void test_two_at_once_without_a_transaction(void **state)
{
    (void)state;
    write_file("0003_slow.sql", "-- florin: concurrently\n"
                                "SELECT pg_sleep(0.3);\n"
                                "CREATE INDEX CONCURRENTLY IF NOT EXISTS one_n ON one (n);\n");
    check_two_at_once();
    assert_string_equal(ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'one_n'::regclass"),
                        "t");
}

/* ------------------------------------------------------------------------ behind others' locks */

/* A session that keeps `one` from being altered, and has a snapshot; by its name. */
static PGconn *start_reader(void)
{
    char conninfo[1024];
    snprintf(conninfo, sizeof conninfo, "%s application_name=nightly-report", servers_shard(0));
    PGconn *reader = PQconnectdb(conninfo);
    PQclear(PQexec(reader, "BEGIN ISOLATION LEVEL REPEATABLE READ"));
    PGresult *rows = PQexec(reader, "SELECT * FROM one");
    assert_int_equal(PQresultStatus(rows), PGRES_TUPLES_OK);
    PQclear(rows);
    return reader;
}

/* A migration in a child, which ends with the negative of its result. */
static pid_t start_migration(uint32_t wait_ms)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        florin_error_t error;
        size_t applied;
        _exit(-florin_admin_migrate(servers_shard(0), folder, "shard", wait_ms, &applied, &error));
    }
    return child;
}

/* Until the child has ended, or `until_ms`: others read and write; the longest that one of them
 * took. */
static uint64_t work_beside(pid_t child, int *status, uint64_t until_ms)
{
    uint64_t most_ms = 0;
    while (waitpid(child, status, WNOHANG) == 0 && florin_clock_ms() < until_ms) {
        uint64_t from_ms = florin_clock_ms();
        ask("UPDATE one SET n = n WHERE n = 1");
        uint64_t took_ms = florin_clock_ms() - from_ms;
        most_ms = took_ms > most_ms ? took_ms : most_ms;
    }
    return most_ms;
}

static void test_nobody_waits_for_one_behind_a_long_reader(void **state)
{
    (void)state;
    florin_error_t error;
    size_t applied;
    int status = 0;
    assert_int_equal(migrate(&applied, &error), 0);
    write_file("0003_column.sql", "ALTER TABLE one ADD COLUMN m integer;\n");
    PGconn *reader = start_reader();
    pid_t child = start_migration(4000);
    uint64_t most_ms = work_beside(child, &status, UINT64_MAX);
    assert_int_equal(WEXITSTATUS(status), -FLORIN_ERROR_CONFLICT);
    assert_true(most_ms < STANDSTILL_MS);
    /* It says who it was. */
    char pid[16];
    snprintf(pid, sizeof pid, " %d ", PQbackendPID(reader));
    assert_int_equal(florin_admin_migrate(servers_shard(0), folder, "shard", 0, &applied, &error),
                     FLORIN_ERROR_CONFLICT);
    assert_non_null(strstr(error.message, "0003_column.sql"));
    assert_non_null(strstr(error.message, pid));
    assert_non_null(strstr(error.message, "nightly-report"));
    PQfinish(reader);
    assert_int_equal(migrate(&applied, &error), 0);
    assert_int_equal(applied, 1);
}

static void test_tries_again_until_the_reader_has_gone(void **state)
{
    (void)state;
    florin_error_t error;
    size_t applied;
    int status = 0;
    assert_int_equal(migrate(&applied, &error), 0);
    write_file("0003_column.sql", "ALTER TABLE one ADD COLUMN m integer;\n");
    PGconn *reader = start_reader();
    pid_t child = start_migration(FLORIN_MIGRATE_WAIT_MS);
    (void)work_beside(child, &status, florin_clock_ms() + 1500);
    PQfinish(reader);
    assert_true(work_beside(child, &status, UINT64_MAX) < STANDSTILL_MS);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_string_equal(ask("SELECT max(version) FROM schema_migrations"), "3");
}

/* Whoever prepared it has gone: it has no process. */
static void test_names_a_prepared_transaction(void **state)
{
    (void)state;
    florin_error_t error;
    size_t applied;
    assert_int_equal(migrate(&applied, &error), 0);
    write_file("0003_column.sql", "ALTER TABLE one ADD COLUMN m integer;\n");
    PGconn *other = PQconnectdb(servers_shard(0));
    PQclear(PQexec(other, "BEGIN"));
    PQclear(PQexec(other, "UPDATE one SET n = n"));
    PQclear(PQexec(other, "PREPARE TRANSACTION 'other-app-1'"));
    PQfinish(other);
    assert_int_equal(florin_admin_migrate(servers_shard(0), folder, "shard", 0, &applied, &error),
                     FLORIN_ERROR_CONFLICT);
    assert_non_null(strstr(error.message, "prepared transaction 'other-app-1'"));
    ask("ROLLBACK PREPARED 'other-app-1'");
}

static void test_an_index_is_made_beside_others(void **state)
{
    (void)state;
    florin_error_t error;
    size_t applied;
    int status = 0;
    assert_int_equal(migrate(&applied, &error), 0);
    write_file("0003_index.sql", "-- florin: concurrently\n"
                                 "CREATE INDEX CONCURRENTLY IF NOT EXISTS one_n ON one (n);\n"
                                 "COMMENT ON INDEX one_n IS 'By number; of course.';\n");
    PGconn *reader = start_reader();
    pid_t child = start_migration(0);
    assert_true(work_beside(child, &status, florin_clock_ms() + 2000) < STANDSTILL_MS);
    PQfinish(reader);
    assert_true(work_beside(child, &status, UINT64_MAX) < STANDSTILL_MS);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_string_equal(ask("SELECT obj_description('one_n'::regclass, 'pg_class')"),
                        "By number; of course.");
}

static void test_an_index_left_half_made_is_made_anew(void **state)
{
    (void)state;
    florin_error_t error;
    size_t applied;
    write_file("0003_index.sql",
               "-- florin: concurrently\n"
               "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS one_n ON one (n);\n");
    write_file("0002_two.sql", "INSERT INTO one SELECT 1;\n");
    assert_int_not_equal(migrate(&applied, &error), 0);
    assert_int_equal(applied, 2);
    assert_string_equal(ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'one_n'::regclass"),
                        "f");
    ask("DELETE FROM one WHERE ctid = '(0,1)'");
    assert_int_equal(migrate(&applied, &error), 0);
    assert_int_equal(applied, 1);
    assert_string_equal(ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'one_n'::regclass"),
                        "t");
}

/* --------------------------------------------------------------------------- files that are wrong
 */

static void test_refuses_a_head_that_it_does_not_understand(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "-- florin: reads 4, writes 4\n", "-- florin: reads 3, writes 2\n",
        "-- florin: reads 0, writes 1\n", "-- florin: reads 1, writes 1 and more\n",
        "-- florin: concurrent\n",        "-- About it.\n-- florin:\n"};
    florin_error_t error;
    size_t applied;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        write_file("0003_three.sql", heads[i]);
        assert_int_equal(migrate(&applied, &error), FLORIN_ERROR_CONFIG);
        assert_non_null(strstr(error.message, "0003_three.sql"));
    }
    write_file("0003_three.sql", "-- About it.\n-- florin: reads 1, writes 2\n\nSELECT 1;\n");
    assert_int_equal(migrate(&applied, &error), 0);
    assert_string_equal(ask("SELECT string_agg(concat_ws('/', reads_from, writes_from), ' '"
                            " ORDER BY version) FROM schema_migrations"),
                        "1/1 2/2 1/2");
}

static void test_a_file_that_fails_leaves_nothing(void **state)
{
    (void)state;
    florin_error_t error;
    size_t applied;
    write_file("0003_bad.sql", "INSERT INTO one VALUES (3); INSERT INTO nowhere VALUES (1)");
    assert_int_not_equal(migrate(&applied, &error), 0);
    assert_non_null(strstr(error.message, "0003_bad.sql"));
    assert_non_null(strstr(error.message, "nowhere"));
    assert_int_equal(applied, 2);
    assert_string_equal(ask("SELECT count(*) FROM one"), "2");
    write_file("0003_bad.sql", "INSERT INTO one VALUES (3)");
    assert_int_equal(migrate(&applied, &error), 0);
    assert_int_equal(applied, 1);
}

static void test_refuses_a_changed_file(void **state)
{
    (void)state;
    florin_error_t error;
    size_t applied;
    assert_int_equal(migrate(&applied, &error), 0);
    write_file("0002_two.sql", "INSERT INTO one SELECT 22;\n");
    write_file("0003_three.sql", "INSERT INTO one VALUES (3)");
    assert_int_equal(migrate(&applied, &error), FLORIN_ERROR_REFUSED);
    assert_non_null(strstr(error.message, "0002_two.sql"));
    assert_string_equal(ask("SELECT count(*) FROM one"), "2");
}

static void test_refuses_a_newer_database(void **state)
{
    (void)state;
    florin_error_t error;
    size_t applied;
    assert_int_equal(migrate(&applied, &error), 0);
    remove_file("0002_two.sql");
    assert_int_equal(migrate(&applied, &error), FLORIN_ERROR_REFUSED);
    assert_non_null(strstr(error.message, "newer"));
}

static void test_refuses_a_gap(void **state)
{
    (void)state;
    florin_error_t error;
    size_t applied;
    write_file("0004_four.sql", "SELECT 1");
    assert_int_equal(migrate(&applied, &error), FLORIN_ERROR_CONFIG);
    assert_string_equal(ask("SELECT to_regclass('one') IS NULL"), "t");
}

/* The files of the repository make what this program was built for, and bear the names of shards
 * only once they are claimed. */
static void test_the_schema_is_what_the_store_expects(void **state)
{
    (void)state;
    florin_error_t error;
    florin_store_t *store;
    size_t applied;
    char version[16];
    const char *shards[] = {servers_shard(0)};
    const florin_store_options_t options = {
        .control = servers_control(), .connect_timeout_ms = 2000, .statement_timeout_ms = 2000};
    assert_int_equal(florin_store_new(&options, &store, &error), 0);
    assert_int_equal(florin_store_connect(store, &error), FLORIN_ERROR_CONFIG);
    assert_non_null(strstr(error.message, "florin-admin migrate"));
    assert_int_equal(florin_admin_migrate(servers_control(), "sql", "control",
                                          FLORIN_MIGRATE_WAIT_MS, &applied, &error),
                     0);
    snprintf(version, sizeof version, "%d", FLORIN_SCHEMA_CONTROL);
    assert_string_equal(
        servers_ask(servers_control(), "SELECT max(version) FROM schema_migrations"), version);
    assert_int_equal(florin_admin_shards_set(servers_control(), shards, 1, &error), 0);
    assert_int_equal(
        florin_admin_migrate(shards[0], "sql", "shard", FLORIN_MIGRATE_WAIT_MS, &applied, &error),
        0);
    snprintf(version, sizeof version, "%d", FLORIN_SCHEMA_SHARD);
    assert_string_equal(ask("SELECT max(version) FROM schema_migrations"), version);
    florin_store_destroy(&store);

    assert_int_equal(florin_store_new(&options, &store, &error), 0);
    assert_int_equal(florin_store_connect(store, &error), FLORIN_ERROR_CONFIG);
    assert_non_null(strstr(error.message, "no cluster"));
    assert_int_equal(florin_admin_shards_claim(servers_control(), &applied, &error), 0);
    assert_int_equal(applied, 1);
    assert_int_equal(florin_store_connect(store, &error), 0);
    florin_store_destroy(&store);
}

static int start(void **state)
{
    (void)state;
    servers_start(1, false);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    servers_stop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_applies_each_file_once, begin, end),
        cmocka_unit_test_setup_teardown(test_two_at_once, begin, end),
        cmocka_unit_test_setup_teardown(test_two_at_once_without_a_transaction, begin, end),
        cmocka_unit_test_setup_teardown(test_nobody_waits_for_one_behind_a_long_reader, begin, end),
        cmocka_unit_test_setup_teardown(test_tries_again_until_the_reader_has_gone, begin, end),
        cmocka_unit_test_setup_teardown(test_names_a_prepared_transaction, begin, end),
        cmocka_unit_test_setup_teardown(test_an_index_is_made_beside_others, begin, end),
        cmocka_unit_test_setup_teardown(test_an_index_left_half_made_is_made_anew, begin, end),
        cmocka_unit_test_setup_teardown(test_refuses_a_head_that_it_does_not_understand, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_a_file_that_fails_leaves_nothing, begin, end),
        cmocka_unit_test_setup_teardown(test_refuses_a_changed_file, begin, end),
        cmocka_unit_test_setup_teardown(test_refuses_a_newer_database, begin, end),
        cmocka_unit_test_setup_teardown(test_refuses_a_gap, begin, end),
        cmocka_unit_test_setup_teardown(test_the_schema_is_what_the_store_expects, begin, end),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
