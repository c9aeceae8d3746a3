/* Edits by hand, each of which verification has to find, and name the row. A line of the table is
 * an edit, made on books of every kind, and mended before the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "store/admin/verify_schema.h"
#include "test/store/support/books.h"
#include "test/store/support/every_kind.h"
#include "test/store/support/servers.h"
#include "test/store/support/verified.h"

#define CONTROL (-1)

typedef struct {
    const char *name;
    int shard;             /* where it is made; CONTROL: in the control database */
    const florin_id_t *id; /* stands for each "$"; NULL: there is none */
    const char *sql;
    const char *mend; /* what the rows' own mending leaves; NULL: nothing */
    /* What has to be found. */
    const char *check, *subject; /* the subject ahead of the id, if there is one */
    int found_on;
    const char *message;
} edit_t;

#define YEAR_2036 "2082758400000000000"
static const florin_id_t a_batch = 255;

static edit_t edits[] = {
    /* The schema. */
    {"an index dropped", 1, NULL, "DROP INDEX transfers_by_debit_account",
     "CREATE INDEX transfers_by_debit_account ON transfers (debit_account_id, timestamp)"
     " WHERE debit_debits_posted IS NOT NULL",
     "schema", "index transfers_by_debit_account", 1, "is missing; the schema has CREATE INDEX"},
    {"an index of other columns", 1, NULL,
     "DROP INDEX accounts_by_time; CREATE INDEX accounts_by_time ON accounts (timestamp)",
     "DROP INDEX accounts_by_time; CREATE INDEX accounts_by_time ON accounts (timestamp, id)",
     "schema", "index accounts_by_time", 1, "(\"timestamp\"), and the schema has"},
    {"a primary key dropped", 2, NULL, "ALTER TABLE transfers DROP CONSTRAINT transfers_pkey",
     "ALTER TABLE transfers ADD PRIMARY KEY (id)", "schema", "constraint transfers.transfers_pkey",
     2, "is missing; the schema has PRIMARY KEY (id)"},
    {"a bound dropped", 0, NULL,
     "ALTER TABLE accounts DROP CONSTRAINT debits_must_not_exceed_credits",
     "ALTER TABLE accounts ADD CONSTRAINT debits_must_not_exceed_credits CHECK"
     " (flags & 2 = 0 OR debits_pending + debits_posted - credits_posted <= credit_limit)",
     "schema", "constraint accounts.debits_must_not_exceed_credits", 0, "is missing"},
    {"a column that may be NULL", 0, NULL, "ALTER TABLE transfers ALTER COLUMN code DROP NOT NULL",
     "ALTER TABLE transfers ALTER COLUMN code SET NOT NULL", "schema", "column transfers.code", 0,
     "is missing; the schema has integer NOT NULL"},
    {"a table without a log", 0, NULL, "ALTER TABLE decisions SET UNLOGGED",
     "ALTER TABLE decisions SET LOGGED", "schema", "table decisions", 0, "is UNLOGGED"},
    {"rows hidden by a policy", 0, NULL, "ALTER TABLE accounts ENABLE ROW LEVEL SECURITY",
     "ALTER TABLE accounts DISABLE ROW LEVEL SECURITY", "schema", "table accounts", 0,
     "ROW LEVEL SECURITY"},
    {"a trigger", 1, NULL,
     "CREATE TRIGGER odd BEFORE UPDATE ON accounts FOR EACH ROW"
     " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
     "DROP TRIGGER odd ON accounts", "schema", "trigger accounts.odd", 1, "is not of the schema"},
    {"a rule", 1, NULL, "CREATE RULE odd AS ON DELETE TO decisions DO INSTEAD NOTHING",
     "DROP RULE odd ON decisions", "schema", "rule decisions.odd", 1, "is not of the schema"},
    /* The map. */
    {"an empty slot moved", CONTROL, NULL,
     "SET florin.admin = 'on'; UPDATE slots SET shard = 1 WHERE slot = 999",
     "SET florin.admin = 'on'; UPDATE slots SET shard = 0 WHERE slot = 999", "slots", "slot 999", 0,
     "is claimed here, and the map has it on shard 1"},
    {"a claim taken away", 0, NULL, "DELETE FROM shard_slots WHERE slot = 999",
     "INSERT INTO shard_slots VALUES (999)", "slots", "slot 999", 0, "not claimed here"},
    /* Times. */
    {"a transfer from the future", 2, &every.given_up,
     "UPDATE transfers SET timestamp = " YEAR_2036 " WHERE id = $", NULL, "transfers", "transfer",
     2, "is from the future: its timestamp"},
    {"an account from the future", 2, &every.bob2,
     "UPDATE accounts SET timestamp_last = " YEAR_2036 " WHERE id = $", NULL, "accounts", "account",
     2, "is from the future: its timestamp_last"},
    {"an expiry in the future", 2, &every.expired,
     "UPDATE pending_transfers SET resolved_at = " YEAR_2036 " WHERE id = $", NULL, "pending",
     "transfer", 2, "is from the future: its resolved_at"},
    {"a limit from the future", 0, &every.bounded0,
     "UPDATE credit_limits SET timestamp = " YEAR_2036 " WHERE account_id = $"
     " AND credit_limit = 60",
     NULL, "balances", "account", 0, "its latest change is at " YEAR_2036},
    /* Decisions. */
    {"an orphan decision", 2, &a_batch,
     "INSERT INTO decisions VALUES ($, 'commit', now() - interval '2 hours')", NULL, "in-doubt",
     "batch", 2, "none of them wrote it"},
    {"an orphan fence", 2, &a_batch,
     "INSERT INTO decisions VALUES ($, 'abort', now() - interval '3 days')", NULL, "in-doubt",
     "batch", 2, "none of them wrote it"},
    {"a decision from the future", 2, &a_batch,
     "INSERT INTO decisions VALUES ($, 'commit', now() + interval '1 day')", NULL, "in-doubt",
     "batch", 2, "none of them wrote it"},
};

static void make(const edit_t *edit, const char *sql)
{
    if (edit->shard == CONTROL)
        servers_ask(servers_control(), sql);
    else
        every_kind_damage((size_t)edit->shard, edit->id ? *edit->id : 0, sql);
}

/* The store has the map as it was; another reads it anew. */
static void open_again(void)
{
    florin_store_destroy(&every.store);
    every.store = open_store();
}

static void is_found(void **state)
{
    const edit_t *edit = *state;
    make(edit, edit->sql);
    if (edit->shard == CONTROL)
        open_again();
    verify_all();
    if (edit->id)
        expect(edit->check, edit->subject, *edit->id, edit->found_on, edit->message);
    else
        expect_finding(edit->check, edit->subject, edit->found_on, edit->message);
    assert_true(findings_of(edit->check) > 0); /* no mere note */
}

static int mend(void **state)
{
    const edit_t *edit = *state;
    if (edit->mend)
        make(edit, edit->mend);
    if (edit->shard == CONTROL)
        open_again();
    every_kind_mend();
    return 0;
}

static void mended_books_are_whole(void **state)
{
    (void)state;
    verify_all();
    if (findings() != 0)
        tell_all();
    assert_int_equal(findings(), 0);
}

/* What a migration adds, verification has to know. */
static void what_the_migrations_make_is_listed(void **state)
{
    (void)state;
    const char *name = "";
    for (int i = 0; i == 0 || *name; i++) {
        char sql[4096];
        snprintf(sql, sizeof sql, "SELECT key FROM (%s) o OFFSET %d LIMIT 1",
                 florin_verify_sql_schema, i);
        name = servers_ask(servers_shard(0), sql);
        if (*name && !florin_verify_schema_lists(name))
            fail_msg("store/admin/verify_schema.c does not list \"%s\"", name);
    }
}

static int set_up(void **state)
{
    (void)state;
    every_kind_make();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    every_kind_end();
    return 0;
}

#define EDITS (sizeof edits / sizeof *edits)

int main(void)
{
    struct CMUnitTest tests[EDITS + 2];
    for (size_t i = 0; i < EDITS; i++)
        tests[i] = (struct CMUnitTest){.name = edits[i].name,
                                       .test_func = is_found,
                                       .teardown_func = mend,
                                       .initial_state = &edits[i]};
    tests[EDITS] = (struct CMUnitTest)cmocka_unit_test(mended_books_are_whole);
    tests[EDITS + 1] = (struct CMUnitTest)cmocka_unit_test(what_the_migrations_make_is_listed);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
