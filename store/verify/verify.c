/* Verification: one moment on all shards (read/moment.c), then one check after the other.
 *
 * Two kinds of them compare: those that walk all shards side by side, in the order of an id, and
 * see what has to agree between shards; and those that let each shard find its own wrong rows. */
#include "store/verify/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "store/batch/gid.h"
#include "store/read/moment.h"
#include "store/verify/copies.h"
#include "store/verify/run.h"
#include "store/verify/schema.h"
#include "store/verify/seals.h"
#include "store/verify/slots.h"
#include "store/verify/sql.h"

#define PATIENCE_MS  5000
#define PREPARED_MAX 16384
#define NS_PER_S     UINT64_C(1000000000)
/* How far a row's time may be ahead of the servers' clocks. */
#define AHEAD_S 60

/* A prepared transaction, and what its home shard has decided. */
struct florin_verify_prepared {
    char name[FLORIN_GID_BYTES];
    size_t shard;
    uint64_t age_s;
    bool decided, commit;
};

/* ------------------------------------------------------------------------------------- in doubt */

static void see_prepared(florin_verify_run_t *self, florin_shards_t shards)
{
    const PGresult *page;
    size_t shard = florin_shards_lowest(shards); /* its number is part of the name */
    int row = florin_verify_row(self, shard, &page);
    self->check->checked++;
    if (self->prepared_count == PREPARED_MAX) {
        florin_verify_tell(self, false, (int)shard, PQgetvalue(page, row, 0),
                           "is prepared, with more than %d", PREPARED_MAX);
        return;
    }
    florin_verify_prepared_t *prepared = &self->prepared[self->prepared_count++];
    (void)snprintf(prepared->name, sizeof prepared->name, "%s", PQgetvalue(page, row, 0));
    prepared->shard = shard;
    prepared->age_s = florin_column_u64(page, row, 1);
}

/* Hands a decision to those prepared for it; false when there are none. */
static bool hand_over(florin_verify_run_t *self, size_t home, florin_id_t batch, bool commit)
{
    bool waited_for = false;
    for (size_t i = 0; i < self->prepared_count; i++) {
        florin_gid_t gid;
        if (!florin_gid_parse(self->prepared[i].name, &gid) || gid.batch != batch ||
            gid.home != home)
            continue;
        waited_for = true;
        self->prepared[i].decided = true;
        self->prepared[i].commit = commit;
    }
    return waited_for;
}

static void see_decision(florin_verify_run_t *self, florin_shards_t shards)
{
    for (size_t home = 0; home < self->store->shards_count; home++) {
        const PGresult *page;
        int row = florin_verify_row(self, home, &page);
        char subject[FLORIN_VERIFY_SUBJECT_BYTES];
        if (!florin_shards_has(shards, home))
            continue;
        florin_id_t batch = florin_column_id(page, row, 0);
        bool commit = florin_column_bool(page, row, 1);
        self->check->checked++;
        if (hand_over(self, home, batch, commit))
            continue;
        (void)florin_verify_subject("batch", batch, subject);
        if (florin_column_bool(page, row, 3))
            florin_verify_tell(self, false, (int)home, subject,
                               "is decided, prepared nowhere, and decided in the future or so "
                               "long ago that workers would have forgotten it: none of them "
                               "wrote it");
        else if (florin_column_u64(page, row, 2) >= self->options->in_doubt_after_s)
            florin_verify_tell(
                self, true, (int)home, subject,
                commit
                    ? "decided to commit, and prepared nowhere: done on every shard; the next "
                      "batch "
                      "or a worker's clean-up forgets the decision"
                    : "fenced off, and prepared nowhere: a late coordinator of it may still meet "
                      "the fence; workers take fences away after a day");
    }
}

static void tell_prepared(florin_verify_run_t *self, const florin_verify_prepared_t *prepared)
{
    char subject[FLORIN_VERIFY_SUBJECT_BYTES];
    florin_gid_t gid;
    (void)snprintf(subject, sizeof subject, "prepared transaction %s", prepared->name);
    if (!florin_gid_parse(prepared->name, &gid) || gid.shard != prepared->shard ||
        gid.home >= self->store->shards_count)
        florin_verify_tell(self, false, (int)prepared->shard, subject,
                           "prepared for %" PRIu64
                           " s under a name that no worker gives; end it by hand",
                           prepared->age_s);
    else if (!prepared->decided)
        florin_verify_tell(
            self, false, (int)prepared->shard, subject,
            "prepared for %" PRIu64 " s and undecided: home shard %zu has no decision, so the "
            "batch has not happened; a worker fences it off and rolls it back, or florin-admin "
            "resolve",
            prepared->age_s, gid.home);
    else
        florin_verify_tell(
            self, false, (int)prepared->shard, subject,
            prepared->commit
                ? "prepared for %" PRIu64 " s, and home shard %zu has decided to commit: the "
                  "commit is still owed here; a worker does it, or florin-admin resolve"
                : "prepared for %" PRIu64 " s, and home shard %zu has fenced it off: the rollback "
                  "is still owed here; a worker does it, or florin-admin resolve",
            prepared->age_s, gid.home);
}

/* Decisions are those of the moment, and held against what was prepared after it: one whose batch
 * is prepared nowhere has been carried out everywhere. */
static int check_in_doubt(florin_verify_run_t *self, const char *const *sql, florin_error_t *error)
{
    florin_arena_reset(self->store->arena);
    self->prepared = florin_arena_calloc(self->store->arena, PREPARED_MAX, sizeof *self->prepared);
    self->prepared_count = 0;
    if (!self->prepared)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for what is prepared");
    int result = florin_verify_walk(self, sql[0], see_prepared, error);
    if (result == 0)
        result = florin_verify_walk(self, sql[1], see_decision, error);
    for (size_t i = 0; i < self->prepared_count && result == 0; i++)
        if (self->prepared[i].age_s >= self->options->in_doubt_after_s)
            tell_prepared(self, &self->prepared[i]);
    return result;
}

/* ----------------------------------------------------------------------- side by side: ledgers */

/* A sum in decimals; text holds 40 bytes. */
static const char *format_sum(florin_sum_t sum, char text[40])
{
    char *at = text + 39;
    *at = '\0';
    do {
        *--at = (char)('0' + (int)(sum % 10));
        sum /= 10;
    } while (sum > 0);
    return at;
}

static void see_ledger(florin_verify_run_t *self, florin_shards_t shards)
{
    static const char *const kinds[] = {"pending", "posted"};
    florin_sum_t sums[4] = {0};
    uint64_t ledger = 0;
    for (size_t i = 0; i < self->store->shards_count; i++) {
        const PGresult *page;
        int row = florin_verify_row(self, i, &page);
        if (!florin_shards_has(shards, i))
            continue;
        ledger = florin_column_u64(page, row, 0);
        for (int k = 0; k < 4; k++)
            sums[k] += florin_store_column_sum(page, row, 1 + k);
    }
    self->check->checked++;
    for (size_t kind = 0; kind < 2; kind++) {
        char subject[FLORIN_VERIFY_SUBJECT_BYTES], debits[40], credits[40];
        const florin_sum_t *sum = &sums[2 * kind];
        if (sum[0] == sum[1])
            continue;
        (void)snprintf(subject, sizeof subject, "ledger %" PRIu64, ledger);
        florin_verify_tell(self, false, -1, subject, "debits %s are %s, and credits %s",
                           kinds[kind], format_sum(sum[0], debits), format_sum(sum[1], credits));
    }
}

/* -------------------------------------------------------------------------- each shard by itself
 */

static void see_wrong(florin_verify_run_t *self, florin_shards_t shards)
{
    for (size_t i = 0; i < self->store->shards_count; i++) {
        char subject[FLORIN_VERIFY_SUBJECT_BYTES];
        const PGresult *page;
        int row = florin_verify_row(self, i, &page);
        if (florin_shards_has(shards, i))
            florin_verify_tell(self, false, (int)i,
                               florin_verify_subject(PQgetvalue(page, row, 0),
                                                     florin_column_id(page, row, 1), subject),
                               "%s", PQgetvalue(page, row, 2));
    }
}

static void see_count(florin_verify_run_t *self, florin_shards_t shards)
{
    for (size_t i = 0; i < self->store->shards_count; i++) {
        const PGresult *page;
        int row = florin_verify_row(self, i, &page);
        if (florin_shards_has(shards, i))
            self->check->checked += florin_column_u64(page, row, 0);
    }
}

static int check_shards(florin_verify_run_t *self, const char *const *sql, florin_error_t *error)
{
    int result = florin_verify_walk(self, sql[0], see_count, error);
    return result == 0 ? florin_verify_walk(self, sql[1], see_wrong, error) : result;
}

/* Where a chain has a gap is looked for only when there is one. */
static int check_seals(florin_verify_run_t *self, const char *const *sql, florin_error_t *error)
{
    bool gaps = false;
    int result = florin_verify_seals(self, sql[0], &gaps, error);
    return result == 0 && gaps ? florin_verify_walk(self, sql[1], see_wrong, error) : result;
}

static int check_ledgers(florin_verify_run_t *self, const char *const *sql, florin_error_t *error)
{
    return florin_verify_walk(self, sql[0], see_ledger, error);
}

/* ----------------------------------------------------------------------------------- all of it */

static const struct {
    const char *name, *counted, *claim;
    int (*run)(florin_verify_run_t *self, const char *const *sql, florin_error_t *error);
    const char *sql[2];
    /* Of a verification of what was booked since; where there is none, the same. */
    const char *since[2];
    bool whole_only; /* not a part of one */
} checks_of_all[] = {
    {.name = "in-doubt",
     .counted = "prepared or decided",
     .claim = "no batch waits for its end",
     .run = check_in_doubt,
     .sql = {florin_verify_sql_prepared, florin_verify_sql_decisions}},
    {.name = "schema",
     .counted = "objects of the schema",
     .claim = "none is missing, and none is bound to a table that is not ours",
     .run = florin_verify_schema,
     .sql = {florin_verify_sql_schema}},
    {.name = "slots",
     .counted = "slots",
     .claim = "each is claimed by the shard that the map names",
     .run = florin_verify_slots,
     .sql = {florin_verify_sql_slots}},
    {.name = "ledgers",
     .counted = "ledgers",
     .claim = "debits equal credits, pending and posted",
     .run = check_ledgers,
     .sql = {florin_verify_sql_ledgers}},
    {.name = "accounts",
     .counted = "accounts",
     .claim = "each is on its slot's shard and on no other",
     .run = florin_verify_accounts,
     .sql = {florin_verify_sql_accounts}},
    {.name = "transfers",
     .counted = "transfers",
     .claim = "each is on its shards, and the same on all",
     .run = florin_verify_transfers,
     .sql = {florin_verify_sql_transfers},
     .since = {florin_verify_sql_transfers_since}},
    {.name = "pending",
     .counted = "pending transfers",
     .claim = "what became of each is the same on all its shards",
     .run = florin_verify_pendings,
     .sql = {florin_verify_sql_pendings},
     .since = {florin_verify_sql_pendings_since}},
    {.name = "outcomes",
     .counted = "rows of pending transfers",
     .claim = "each is resolved by what its status says",
     .run = check_shards,
     .sql = {florin_verify_sql_outcomes_count, florin_verify_sql_outcomes}},
    {.name = "balances",
     .counted = "accounts",
     .claim = "balances are the sum of the history",
     .run = check_shards,
     .sql = {florin_verify_sql_balances_count, florin_verify_sql_balances},
     .whole_only = true},
    {.name = "chains",
     .counted = "lines of history",
     .claim = "each line's balances follow from the line before",
     .run = check_shards,
     .sql = {florin_verify_sql_chains_count, florin_verify_sql_chains},
     .since = {florin_verify_sql_chains_since_count, florin_verify_sql_chains_since}},
    {.name = "limits",
     .counted = "changes of limits",
     .claim = "the latest is the account's credit limit",
     .run = check_shards,
     .sql = {florin_verify_sql_limits_count, florin_verify_sql_limits}},
    {.name = "bounds",
     .counted = "accounts with a bound",
     .claim = "none is overdrawn",
     .run = check_shards,
     .sql = {florin_verify_sql_bounds_count, florin_verify_sql_bounds}},
    {.name = "seals",
     .counted = "sealed rows",
     .claim = "none was edited, put in or taken away",
     .run = check_seals,
     .sql = {florin_verify_sql_sealed_limits, florin_verify_sql_gaps}},
};
#define CHECKS (sizeof checks_of_all / sizeof *checks_of_all)
_Static_assert(CHECKS <= FLORIN_VERIFY_CHECKS_MAX, "a caller's array holds them all");

/* The checks that are to run, and where each is in the table; returns their number. */
static size_t choose_checks(const florin_verify_options_t *options, florin_verify_check_t *checks,
                            size_t *places)
{
    size_t count = 0;
    for (size_t i = 0; i < CHECKS; i++) {
        if (options->since && checks_of_all[i].whole_only)
            continue;
        places[count] = i;
        checks[count++] = (florin_verify_check_t){.name = checks_of_all[i].name,
                                                  .claim = checks_of_all[i].claim,
                                                  .counted = checks_of_all[i].counted};
    }
    return count;
}

static int run_check(florin_verify_run_t *self, size_t place, florin_error_t *error)
{
    uint64_t began_ms = florin_clock_ms();
    bool since = self->options->since && checks_of_all[place].since[0];
    self->options->began(self->options->arg, self->check);
    int result = checks_of_all[place].run(
        self, since ? checks_of_all[place].since : checks_of_all[place].sql, error);
    self->check->took_ms = florin_clock_ms() - began_ms;
    self->check->done = result == 0;
    self->options->ended(self->options->arg, self->check);
    return result;
}

/* Whole tables are read, by plans for all of their rows. */
static void add_settings(florin_session_t *session, size_t shard, void *arg)
{
    const uint64_t *since = arg;
    char sql[64];
    (void)shard;
    snprintf(sql, sizeof sql, "SET LOCAL florin.since = '%" PRIu64 "'", *since);
    florin_session_command(session, "SET LOCAL enable_seqscan = on");
    florin_session_command(session, "SET LOCAL cursor_tuple_fraction = 1");
    florin_session_command(session, "SET LOCAL work_mem = '64MB'");
    florin_session_command(session,
                           "SELECT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint");
    florin_session_command(session, sql);
}
#define SETTINGS_CLOCK 3 /* its result */

static int compare_clocks(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

/* The middle one of the servers' clocks, which no single one of them can move. */
static int begin_checks(florin_verify_run_t *self, florin_error_t *error)
{
    uint64_t clocks[FLORIN_SHARDS_MAX];
    size_t count = self->store->shards_count;
    uint64_t since = self->options->since;
    int result =
        florin_store_round_all(self->store, add_settings, &since, self->deadline_ms, error);
    if (result != 0)
        return result;
    for (size_t i = 0; i < count; i++)
        clocks[i] =
            florin_column_u64(florin_session_result(&self->store->shards[i], SETTINGS_CLOCK), 0, 0);
    qsort(clocks, count, sizeof *clocks, compare_clocks);
    self->latest = clocks[(count - 1) / 2] + AHEAD_S * NS_PER_S;
    return 0;
}

static void add_begin(florin_session_t *session, size_t shard, void *arg)
{
    (void)shard, (void)arg;
    florin_session_command(session, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
}

/* A batch stays half done, or somebody lets nobody read: what is in doubt can be seen all the same,
 * and may be why. The time may have gone into waiting, so this has its own. */
static int look_for_the_cause(florin_verify_run_t *self, florin_error_t *error)
{
    self->deadline_ms = florin_store_deadline(self->store);
    int result = florin_store_round_all(self->store, add_begin, NULL, self->deadline_ms, error);
    return result == 0 ? run_check(self, 0, error) : result;
}

int florin_store_verify(florin_store_t *self, const florin_verify_options_t *options,
                        florin_verify_check_t *checks, size_t *count, florin_error_t *error)
{
    florin_verify_run_t verify = {
        .store = self, .options = options, .deadline_ms = florin_store_deadline(self)};
    size_t places[CHECKS];
    *count = choose_checks(options, checks, places);
    verify.check = checks;
    int result = florin_store_map(self, error);
    const florin_moment_t moment = {.shards = florin_store_all_shards(self),
                                    .patience_ms = PATIENCE_MS};
    florin_arena_reset(self->arena);
    if (result == 0)
        result = florin_store_moment(self, &moment, error);
    if (result == FLORIN_ERROR_CONFLICT) {
        florin_error_t cause = {0};
        int looked = look_for_the_cause(&verify, &cause);
        florin_store_moment_end(self, moment.shards);
        return looked != 0 ? florin_error_set(error, looked, "%s", cause.message) : result;
    }
    if (result != 0)
        return result;
    result = begin_checks(&verify, error);
    if (result == 0)
        result = florin_verify_seals_begin(&verify, error);
    for (size_t i = 0; i < *count && result == 0; i++) {
        verify.check = &checks[i];
        result = run_check(&verify, places[i], error);
    }
    florin_verify_seals_end(&verify);
    florin_store_moment_end(self, moment.shards);
    return result;
}
