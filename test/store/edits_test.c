/* Edits by hand, each of which verification has to find, and name the row. A line of the table is
 * an edit, made on books of every kind, and mended before the next. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "store/admin/seal_again.h"
#include "store/verify/schema.h"
#include "test/store/support/books.h"
#include "test/store/support/every_kind.h"
#include "test/store/support/servers.h"
#include "test/store/support/verified.h"

#define CONTROL (-1)
#define ALL     (-2) /* shards */

typedef struct {
    const char *name;
    int shard;             /* where it is made, or CONTROL, or ALL */
    const florin_id_t *id; /* stands for each "$"; NULL: there is none */
    const char *sql;
    const char *mend; /* what the rows' own mending leaves; NULL: nothing */
    /* What has to be found. */
    const char *check, *subject; /* the subject, ahead of the id if there is one; NULL: any */
    int found_on;
    const char *message;
} edit_t;

#define YEAR_2036 "2082758400000000000"
#define SEALED    "is not as it was sealed"
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
    /* What no rule can tell. */
    {"a transfer's code", 0, &every.local, "UPDATE transfers SET code = 2 WHERE id = $", NULL,
     "transfers", "transfer", 0, SEALED},
    {"a transfer's reference", 0, &every.local, "UPDATE transfers SET reference = 'x' WHERE id = $",
     NULL, "transfers", "transfer", 0, SEALED},
    {"a transfer's user_data", 0, &every.local, "UPDATE transfers SET user_data = $ WHERE id = $",
     NULL, "transfers", "transfer", 0, SEALED},
    {"a transfer's id", 0, &every.local,
     "UPDATE transfers SET id = '00000000-0000-0000-0000-0000000ffc00' WHERE id = $", NULL,
     "transfers", NULL, 0, SEALED},
    {"a transfer's timestamp, in its gap", 0, &every.local,
     "UPDATE transfers SET timestamp = timestamp - 1 WHERE id = $", NULL, "transfers", "transfer",
     0, SEALED},
    {"a transfer's flag linked", 0, &every.local,
     "UPDATE transfers SET flags = flags | 1 WHERE id = $", NULL, "transfers", "transfer", 0,
     SEALED},
    {"a transfer's flag imported", 0, &every.local,
     "UPDATE transfers SET flags = flags | 256 WHERE id = $", NULL, "transfers", "transfer", 0,
     SEALED},
    {"a transfer's flag review", 0, &every.local,
     "UPDATE transfers SET flags = flags | 512 WHERE id = $", NULL, "transfers", "transfer", 0,
     SEALED},
    {"a transfer's code on all copies", ALL, &every.foreign,
     "UPDATE transfers SET code = 2 WHERE id = $", NULL, "transfers", "transfer", 2, SEALED},
    {"a transfer's seal taken off", 0, &every.local,
     "UPDATE transfers SET seal = NULL, place = NULL, code = 2 WHERE id = $", NULL, "transfers",
     "transfer", 0, "has no seal, and was written after sealing had begun"},
    {"a copy without its balances, and another's seal", 2, &every.foreign,
     "UPDATE transfers SET seal = (SELECT seal FROM transfers WHERE id <> $ LIMIT 1) WHERE id = $",
     NULL, "transfers", "transfer", 2, SEALED},
    {"an account without its bound", 0, &every.bounded0,
     "UPDATE accounts SET flags = 0 WHERE id = $", NULL, "accounts", "account", 0, SEALED},
    {"an account's code", 0, &every.bank0, "UPDATE accounts SET code = 2 WHERE id = $", NULL,
     "accounts", "account", 0, SEALED},
    {"an account's owner", 0, &every.bank0, "UPDATE accounts SET user_data = $ WHERE id = $", NULL,
     "accounts", "account", 0, SEALED},
    {"an account's opening", 1, &every.ada1,
     "UPDATE accounts SET timestamp = timestamp - 1 WHERE id = $", NULL, "accounts", "account", 1,
     SEALED},
    {"a limit that no change recorded", 2, &every.bob2,
     "UPDATE accounts SET credit_limit = 500 WHERE id = $", NULL, "accounts", "account", 2, SEALED},
    {"a limit of an earlier time edited", 0, &every.bounded0,
     "UPDATE credit_limits SET credit_limit = 71 WHERE account_id = $ AND credit_limit = 70", NULL,
     "seals", NULL, 0, SEALED},
    {"a limit of an earlier time deleted", 0, &every.bounded0,
     "DELETE FROM credit_limits WHERE account_id = $ AND credit_limit = 70", NULL, "seals", NULL, 0,
     "are gone, after transfer"},
    {"a limit of an earlier time invented", 0, &every.bounded0,
     "INSERT INTO credit_limits SELECT account_id, min(timestamp) + 1, 65 FROM credit_limits"
     " WHERE account_id = $ GROUP BY account_id",
     NULL, "seals", NULL, 0, "has no seal"},
    {"a refusal edited", 1, &every.refused, "UPDATE transfers SET result = 13 WHERE id = $", NULL,
     "transfers", "transfer", 1, SEALED},
    {"a refusal deleted", 1, &every.refused, "DELETE FROM transfers WHERE id = $", NULL, "seals",
     NULL, 1, "are gone, after transfer"},
    {"a refusal invented", 1, &every.refused,
     "INSERT INTO transfers (id, amount, timestamp, timeout_s, ledger, code, flags, result)"
     " SELECT '00000000-0000-0000-0000-0000000ffc01', amount, timestamp, 0, ledger, code, 0, result"
     " FROM transfers WHERE id = $",
     NULL, "transfers", NULL, 1, "has no seal"},
    {"a refusal copied to another id", 1, &every.refused,
     "INSERT INTO transfers (id, debit_account_id, credit_account_id, amount, timestamp, timeout_s,"
     " ledger, code, flags, result, place, seal) SELECT '00000000-0000-0000-0000-0000000ffc01',"
     " debit_account_id, credit_account_id, amount, timestamp, timeout_s, ledger, code, flags,"
     " result, place, seal FROM transfers WHERE id = $",
     NULL, "transfers", NULL, 1, SEALED},
    {"the last refusal deleted", 2, &every.last_refused, "DELETE FROM transfers WHERE id = $", NULL,
     "seals", NULL, 2, "its rows 1 to 1, the last ones, are gone"},
    {"an unused account deleted", 2, NULL,
     "DELETE FROM accounts WHERE timestamp = timestamp_last AND flags & 32 <> 0", NULL, "seals",
     NULL, 2, "are gone"},
    {"an account invented", 2, &every.given_up,
     "INSERT INTO accounts VALUES ($, NULL, 0, 0, 0, 0, 0, 1, 1, 978, 1, 0)", NULL, "accounts",
     "account", 2, "has no seal"},
    {"a status of a hold", 0, &every.closing,
     "UPDATE pending_transfers SET expires_at = 4102444800000000000 WHERE id = $", NULL, "pending",
     "transfer", 0, SEALED},
    {"the head of a chain deleted", 1, NULL, "DELETE FROM seal_heads WHERE chain <> 0", NULL,
     "seals", NULL, 1, "its head in seal_heads is gone"},
    {"the head of a chain edited", 1, NULL,
     "UPDATE seal_heads SET place = place - 1 WHERE chain <> 0", NULL, "seals", NULL, 1,
     "its head in seal_heads is gone, edited"},
    {"the beginning of sealing edited", 1, NULL,
     "UPDATE seal_heads SET place = place + 1 WHERE chain = 0", NULL, "seals", "chain 0", 1,
     "when sealing began is gone"},
};

static void make(const edit_t *edit, const char *sql)
{
    const florin_id_t id = edit->id ? *edit->id : 0;
    if (edit->shard == CONTROL)
        servers_ask(servers_control(), sql);
    for (size_t i = 0; i < EVERY_KIND_SHARDS; i++)
        if (edit->shard == ALL || edit->shard == (int)i)
            every_kind_damage(i, id, sql);
}

/* A store has the map as it was; another reads it anew. */
static void open_again(void)
{
    florin_store_destroy(&every.verifier);
    every.verifier = open_store();
}

static void is_found(void **state)
{
    const edit_t *edit = *state;
    make(edit, edit->sql);
    if (edit->shard == CONTROL)
        open_again();
    verify_all();
    if (!edit->subject)
        expect_finding(edit->check, NULL, edit->found_on, edit->message);
    else if (edit->id)
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

static int mend_rows(void **state)
{
    (void)state;
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

static uint64_t booked_at(florin_id_t id, size_t shard)
{
    char sql[128], uuid[FLORIN_ID_TEXT_BYTES];
    snprintf(sql, sizeof sql, "SELECT timestamp FROM transfers WHERE id = '%s'",
             florin_id_format_uuid(id, uuid));
    return strtoull(servers_ask(servers_shard(shard), sql), NULL, 10);
}

/* The refusal is in the midst of the books. */
static void what_was_booked_since_is_looked_at_alone(void **state)
{
    (void)state;
    verify_all();
    uint64_t all = checked_by("transfers"), lines = checked_by("chains");
    uint64_t since = booked_at(every.refused, 1);
    verify_since(since);
    if (findings() != 0)
        tell_all();
    assert_int_equal(findings(), 0);
    assert_in_range(checked_by("transfers"), all / 2, all - 5);
    assert_in_range(checked_by("chains"), lines / 2, lines - 10);

    every_kind_damage(1, every.refused, "UPDATE transfers SET code = 2 WHERE id = $");
    every_kind_damage(0, every.local, "UPDATE transfers SET code = 2 WHERE id = $");
    verify_since(since);
    expect("transfers", "transfer", every.refused, 1, SEALED);
    assert_int_equal(findings(), 1); /* the other one was booked before */
}

/* The first line since has to follow from the last one before. */
static void a_line_before_is_looked_at_too(void **state)
{
    (void)state;
    uint64_t since = booked_at(every.refused, 1);
    char sql[512];
    snprintf(sql, sizeof sql,
             "UPDATE transfers SET debit_credits_posted = debit_credits_posted + 1"
             " WHERE id = (SELECT id FROM transfers WHERE debit_account_id = $"
             " AND timestamp < %" PRIu64 " ORDER BY timestamp DESC LIMIT 1)",
             since);
    every_kind_damage(0, every.bank0, sql);
    verify_since(since);
    assert_int_equal(findings_of("chains"), 1);
    assert_int_equal(findings(), 1); /* the edited line itself was booked before */
}

static void seal_again(bool account, florin_id_t id, size_t rows)
{
    florin_error_t error = {0};
    size_t count = 0;
    if (florin_store_seal_again(every.verifier, account, id, &count, &error) != 0)
        fail_msg("%s", error.message);
    assert_int_equal(count, rows);
}

static void what_was_mended_is_sealed_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < EVERY_KIND_SHARDS; i++)
        every_kind_damage(i, every.foreign, "UPDATE transfers SET code = 2 WHERE id = $");
    every_kind_damage(0, every.bounded0,
                      "UPDATE accounts SET user_data = $ WHERE id = $;"
                      "UPDATE credit_limits SET credit_limit = 71 WHERE account_id = $"
                      " AND credit_limit = 70");
    verify_all();
    assert_int_equal(findings(), 5);
    seal_again(false, every.foreign, 3);
    seal_again(true, every.bounded0, 2);
    seal_again(true, every.bounded0, 0);
    verify_all();
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
            fail_msg("store/verify/schema.c does not list \"%s\"", name);
    }
}

static int set_up(void **state)
{
    (void)state;
    every_kind_make(true);
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
    struct CMUnitTest tests[EDITS + 5];
    for (size_t i = 0; i < EDITS; i++)
        tests[i] = (struct CMUnitTest){.name = edits[i].name,
                                       .test_func = is_found,
                                       .teardown_func = mend,
                                       .initial_state = &edits[i]};
    tests[EDITS] = (struct CMUnitTest)cmocka_unit_test(mended_books_are_whole);
    tests[EDITS + 1] = (struct CMUnitTest)cmocka_unit_test(what_the_migrations_make_is_listed);
    tests[EDITS + 2] = (struct CMUnitTest)cmocka_unit_test_teardown(
        what_was_booked_since_is_looked_at_alone, mend_rows);
    tests[EDITS + 3] =
        (struct CMUnitTest)cmocka_unit_test_teardown(a_line_before_is_looked_at_too, mend_rows);
    tests[EDITS + 4] =
        (struct CMUnitTest)cmocka_unit_test_teardown(what_was_mended_is_sealed_again, mend_rows);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
