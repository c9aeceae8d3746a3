/* Verification: one moment on all shards (moment.c), then one check after the other.
 *
 * Two kinds of them compare: those that walk all shards side by side, in the order of an id, and
 * see what has to agree between shards; and those that let each shard find its own wrong rows. */
#include "store/admin/verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "store/admin/verify_rows.h"
#include "store/admin/verify_sql.h"
#include "store/batch/gid.h"

#define PREPARED_MAX  16384
#define SUBJECT_BYTES (sizeof((florin_verify_finding_t){0}).subject)

/* A prepared transaction, and what its home shard has decided. */
typedef struct {
    char name[FLORIN_GID_BYTES];
    size_t shard;
    uint64_t age_s;
    bool decided, commit;
} prepared_t;

typedef struct {
    florin_store_t *store;
    const florin_verify_options_t *options;
    uint64_t deadline_ms;
    florin_verify_check_t *check; /* the one that runs */
    florin_verify_rows_t rows;    /* its query's */
    prepared_t *prepared;         /* in the arena */
    size_t prepared_count;
} verify_t;

static void FLORIN_PRINTF(5, 6)
    tell(verify_t *self, bool note, int shard, const char *subject, const char *format, ...)
{
    florin_verify_finding_t finding = {.note = note, .shard = shard};
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(finding.message, sizeof finding.message, format, arguments);
    va_end(arguments);
    (void)snprintf(finding.subject, sizeof finding.subject, "%s", subject);
    *(note ? &self->check->notes : &self->check->findings) += 1;
    self->options->found(self->options->arg, &finding);
}

static const char *subject_of(const char *kind, florin_id_t id, char text[SUBJECT_BYTES])
{
    char id_text[FLORIN_ID_TEXT_BYTES];
    (void)snprintf(text, SUBJECT_BYTES, "%s %s", kind, florin_id_format(id, id_text));
    return text;
}

static int row_of(const verify_t *self, size_t shard, const PGresult **page)
{
    *page = self->rows.at[shard].page;
    return self->rows.at[shard].row;
}

/* Calls `see` for each least row and the shards that have it. */
typedef void(see_fn)(verify_t *self, florin_shards_t shards);
static int walk(verify_t *self, const char *sql, see_fn *see, florin_error_t *error)
{
    int result = florin_verify_rows_open(&self->rows, self->store, sql, self->deadline_ms, error);
    while (result == 0) {
        florin_shards_t shards = florin_verify_rows_least(&self->rows);
        if (!shards)
            return 0;
        see(self, shards);
        result = florin_verify_rows_next(&self->rows, shards, error);
    }
    return result;
}

/* ------------------------------------------------------------------------------------- in doubt */

static void see_prepared(verify_t *self, florin_shards_t shards)
{
    const PGresult *page;
    size_t shard = florin_shards_lowest(shards); /* its number is part of the name */
    int row = row_of(self, shard, &page);
    self->check->checked++;
    if (self->prepared_count == PREPARED_MAX) {
        tell(self, false, (int)shard, PQgetvalue(page, row, 0), "is prepared, with more than %d",
             PREPARED_MAX);
        return;
    }
    prepared_t *prepared = &self->prepared[self->prepared_count++];
    (void)snprintf(prepared->name, sizeof prepared->name, "%s", PQgetvalue(page, row, 0));
    prepared->shard = shard;
    prepared->age_s = florin_column_u64(page, row, 1);
}

/* Hands a decision to those prepared for it; false when there are none. */
static bool hand_over(verify_t *self, size_t home, florin_id_t batch, bool commit)
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

static void see_decision(verify_t *self, florin_shards_t shards)
{
    for (size_t home = 0; home < self->store->shards_count; home++) {
        const PGresult *page;
        int row = row_of(self, home, &page);
        char subject[SUBJECT_BYTES];
        if (!florin_shards_has(shards, home))
            continue;
        florin_id_t batch = florin_column_id(page, row, 0);
        bool commit = florin_column_bool(page, row, 1);
        self->check->checked++;
        if (hand_over(self, home, batch, commit) ||
            florin_column_u64(page, row, 2) < self->options->in_doubt_after_s)
            continue;
        tell(self, true, (int)home, subject_of("batch", batch, subject),
             commit
                 ? "decided to commit, and prepared nowhere: done on every shard; the next batch "
                   "or a worker's clean-up forgets the decision"
                 : "fenced off, and prepared nowhere: a late coordinator of it may still meet "
                   "the fence; workers take fences away after a day");
    }
}

static void tell_prepared(verify_t *self, const prepared_t *prepared)
{
    char subject[SUBJECT_BYTES];
    florin_gid_t gid;
    (void)snprintf(subject, sizeof subject, "prepared transaction %s", prepared->name);
    if (!florin_gid_parse(prepared->name, &gid) || gid.shard != prepared->shard ||
        gid.home >= self->store->shards_count)
        tell(self, false, (int)prepared->shard, subject,
             "prepared for %" PRIu64 " s under a name that no worker gives; end it by hand",
             prepared->age_s);
    else if (!prepared->decided)
        tell(self, false, (int)prepared->shard, subject,
             "prepared for %" PRIu64 " s and undecided: home shard %zu has no decision, so the "
             "batch has not happened; a worker fences it off and rolls it back, or florin-admin "
             "resolve",
             prepared->age_s, gid.home);
    else
        tell(self, false, (int)prepared->shard, subject,
             prepared->commit
                 ? "prepared for %" PRIu64 " s, and home shard %zu has decided to commit: the "
                   "commit is still owed here; a worker does it, or florin-admin resolve"
                 : "prepared for %" PRIu64 " s, and home shard %zu has fenced it off: the rollback "
                   "is still owed here; a worker does it, or florin-admin resolve",
             prepared->age_s, gid.home);
}

/* Decisions are those of the moment, and held against what was prepared after it: one whose batch
 * is prepared nowhere has been carried out everywhere. */
static int check_in_doubt(verify_t *self, const char *const *sql, florin_error_t *error)
{
    florin_arena_reset(self->store->arena);
    self->prepared = florin_arena_calloc(self->store->arena, PREPARED_MAX, sizeof *self->prepared);
    self->prepared_count = 0;
    if (!self->prepared)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for what is prepared");
    int result = walk(self, sql[0], see_prepared, error);
    if (result == 0)
        result = walk(self, sql[1], see_decision, error);
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

static void see_ledger(verify_t *self, florin_shards_t shards)
{
    static const char *const kinds[] = {"pending", "posted"};
    florin_sum_t sums[4] = {0};
    uint64_t ledger = 0;
    for (size_t i = 0; i < self->store->shards_count; i++) {
        const PGresult *page;
        int row = row_of(self, i, &page);
        if (!florin_shards_has(shards, i))
            continue;
        ledger = florin_column_u64(page, row, 0);
        for (int k = 0; k < 4; k++)
            sums[k] += florin_store_column_sum(page, row, 1 + k);
    }
    self->check->checked++;
    for (size_t kind = 0; kind < 2; kind++) {
        char subject[SUBJECT_BYTES], debits[40], credits[40];
        const florin_sum_t *sum = &sums[2 * kind];
        if (sum[0] == sum[1])
            continue;
        (void)snprintf(subject, sizeof subject, "ledger %" PRIu64, ledger);
        tell(self, false, -1, subject, "debits %s are %s, and credits %s", kinds[kind],
             format_sum(sum[0], debits), format_sum(sum[1], credits));
    }
}

/* --------------------------------------------------------------------- side by side: the copies */

/* Where a row's columns stand; what follows them is the same in all copies. */
enum {
    COLUMN_ID,
    COLUMN_DEBIT,
    COLUMN_CREDIT,
    COLUMN_RESULT,
    COLUMN_DEBIT_HERE,
    COLUMN_CREDIT_HERE
};

static bool is_same(const PGresult *a, int row_a, const PGresult *b, int row_b, int column)
{
    int length = PQgetlength(a, row_a, column);
    return PQgetisnull(a, row_a, column) == PQgetisnull(b, row_b, column) &&
           length == PQgetlength(b, row_b, column) &&
           memcmp(PQgetvalue(a, row_a, column), PQgetvalue(b, row_b, column), (size_t)length) == 0;
}

/* The shards that a row names as its places: its id's, and its accounts' if it was created. */
static florin_shards_t places_of(const verify_t *self, const PGresult *page, int row)
{
    bool created =
        PQnfields(page) > COLUMN_RESULT && florin_column_u32(page, row, COLUMN_RESULT) == 0;
    florin_shards_t places = 0;
    for (int i = COLUMN_ID; i <= (created ? COLUMN_CREDIT : COLUMN_ID); i++)
        places |=
            florin_shards_of(florin_store_shard_of(self->store, florin_column_id(page, row, i)));
    return places;
}

/* Does this copy have the balances of the accounts that live here, and only those? */
static bool has_its_balances(const verify_t *self, size_t shard, const PGresult *page, int row)
{
    for (int side = 0; side < 2 && PQnfields(page) > COLUMN_CREDIT_HERE; side++) {
        if (PQgetisnull(page, row, COLUMN_DEBIT_HERE + side))
            continue;
        florin_id_t account = florin_column_id(page, row, COLUMN_DEBIT + side);
        if (florin_column_bool(page, row, COLUMN_DEBIT_HERE + side) !=
            (florin_store_shard_of(self->store, account) == shard))
            return false;
    }
    return true;
}

/* One copy against the first: names what differs. */
static void compare_copy(verify_t *self, size_t shard, size_t first, const char *subject)
{
    const PGresult *page, *first_page;
    int row = row_of(self, shard, &page), first_row = row_of(self, first, &first_page);
    char columns[256] = "";
    size_t used = 0;
    for (int i = COLUMN_DEBIT; i < PQnfields(page); i++) {
        bool may_differ = i == COLUMN_DEBIT_HERE || i == COLUMN_CREDIT_HERE;
        if (may_differ || is_same(page, row, first_page, first_row, i))
            continue;
        int length = snprintf(columns + used, sizeof columns - used, "%s%s", used ? ", " : "",
                              PQfname(page, i));
        used += length > 0 && (size_t)length < sizeof columns - used ? (size_t)length : 0;
    }
    if (used)
        tell(self, false, (int)shard, subject, "differs from its copy on shard %zu: %s", first,
             columns);
    if (!has_its_balances(self, shard, page, row))
        tell(self, false, (int)shard, subject,
             "has not the balances after it of just those accounts that live here");
}

static void see_copies(verify_t *self, florin_shards_t shards, const char *kind)
{
    size_t first = florin_shards_lowest(shards);
    const PGresult *page;
    int row = row_of(self, first, &page);
    char subject[SUBJECT_BYTES];
    (void)subject_of(kind, florin_column_id(page, row, COLUMN_ID), subject);
    florin_shards_t places = places_of(self, page, row);
    self->check->checked++;
    for (size_t i = 0; i < self->store->shards_count; i++) {
        bool is = florin_shards_has(shards, i), should = florin_shards_has(places, i);
        if (is && !should)
            tell(self, false, (int)i, subject, "is here, where it does not belong");
        if (!is && should)
            tell(self, false, (int)i, subject, "is missing here; shard %zu has it", first);
        if (is)
            compare_copy(self, i, first, subject);
    }
}

static void see_account(verify_t *self, florin_shards_t shards)
{
    see_copies(self, shards, "account");
}

static void see_transfer(verify_t *self, florin_shards_t shards)
{
    see_copies(self, shards, "transfer");
}

/* -------------------------------------------------------------------------- each shard by itself
 */

static void see_wrong(verify_t *self, florin_shards_t shards)
{
    for (size_t i = 0; i < self->store->shards_count; i++) {
        char subject[SUBJECT_BYTES];
        const PGresult *page;
        int row = row_of(self, i, &page);
        if (florin_shards_has(shards, i))
            tell(self, false, (int)i,
                 subject_of(PQgetvalue(page, row, 0), florin_column_id(page, row, 1), subject),
                 "%s", PQgetvalue(page, row, 2));
    }
}

static void see_count(verify_t *self, florin_shards_t shards)
{
    for (size_t i = 0; i < self->store->shards_count; i++) {
        const PGresult *page;
        int row = row_of(self, i, &page);
        if (florin_shards_has(shards, i))
            self->check->checked += florin_column_u64(page, row, 0);
    }
}

static int check_shards(verify_t *self, const char *const *sql, florin_error_t *error)
{
    int result = walk(self, sql[0], see_count, error);
    return result == 0 ? walk(self, sql[1], see_wrong, error) : result;
}

static int check_ledgers(verify_t *self, const char *const *sql, florin_error_t *error)
{
    return walk(self, sql[0], see_ledger, error);
}

static int check_accounts(verify_t *self, const char *const *sql, florin_error_t *error)
{
    return walk(self, sql[0], see_account, error);
}

static int check_transfers(verify_t *self, const char *const *sql, florin_error_t *error)
{
    return walk(self, sql[0], see_transfer, error);
}

/* ----------------------------------------------------------------------------------- all of it */

static const struct {
    const char *name, *counted, *claim;
    int (*run)(verify_t *self, const char *const *sql, florin_error_t *error);
    const char *sql[2];
} checks_of_all[] = {
    {"in-doubt",
     "prepared or decided",
     "no batch waits for its end",
     check_in_doubt,
     {florin_verify_sql_prepared, florin_verify_sql_decisions}},
    {"ledgers",
     "ledgers",
     "debits equal credits, pending and posted",
     check_ledgers,
     {florin_verify_sql_ledgers}},
    {"accounts",
     "accounts",
     "each is on its slot's shard and on no other",
     check_accounts,
     {florin_verify_sql_accounts}},
    {"transfers",
     "transfers",
     "each is on its shards, and the same on all",
     check_transfers,
     {florin_verify_sql_transfers}},
    {"pending",
     "pending transfers",
     "what became of each is the same on all its shards",
     check_transfers,
     {florin_verify_sql_pendings}},
    {"outcomes",
     "rows of pending transfers",
     "each is resolved by what its status says",
     check_shards,
     {florin_verify_sql_outcomes_count, florin_verify_sql_outcomes}},
    {"balances",
     "accounts",
     "balances are the sum of the history",
     check_shards,
     {florin_verify_sql_balances_count, florin_verify_sql_balances}},
    {"chains",
     "lines of history",
     "each line's balances follow from the line before",
     check_shards,
     {florin_verify_sql_chains_count, florin_verify_sql_chains}},
    {"limits",
     "changes of limits",
     "the latest is the account's credit limit",
     check_shards,
     {florin_verify_sql_limits_count, florin_verify_sql_limits}},
    {"bounds",
     "accounts with a bound",
     "none is overdrawn",
     check_shards,
     {florin_verify_sql_bounds_count, florin_verify_sql_bounds}},
};
#define CHECKS (sizeof checks_of_all / sizeof *checks_of_all)
_Static_assert(CHECKS <= FLORIN_VERIFY_CHECKS_MAX, "a caller's array holds them all");

static int run_check(verify_t *self, size_t i, florin_error_t *error)
{
    uint64_t began_ms = florin_clock_ms();
    self->options->began(self->options->arg, self->check);
    int result = checks_of_all[i].run(self, checks_of_all[i].sql, error);
    self->check->took_ms = florin_clock_ms() - began_ms;
    self->check->done = result == 0;
    self->options->ended(self->options->arg, self->check);
    return result;
}

/* Lets the writers go on; then whole tables are read, by plans for all of their rows. */
static void add_thaw(florin_session_t *session, size_t shard, void *arg)
{
    (void)shard, (void)arg;
    florin_session_command(session, "ROLLBACK TO SAVEPOINT locked");
    florin_session_command(session, "SET LOCAL cursor_tuple_fraction = 1");
    florin_session_command(session, "SET LOCAL work_mem = '64MB'");
}

static void add_begin(florin_session_t *session, size_t shard, void *arg)
{
    (void)shard, (void)arg;
    florin_session_command(session, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
}

/* The books can't be held still: what is in doubt can be seen without, and may be why. The time may
 * have gone into waiting, so this has its own. */
static int look_for_the_cause(verify_t *self, florin_error_t *error)
{
    self->deadline_ms = florin_store_deadline(self->store);
    int result = florin_store_round_all(self->store, add_begin, NULL, self->deadline_ms, error);
    return result == 0 ? run_check(self, 0, error) : result;
}

int florin_store_verify(florin_store_t *self, const florin_verify_options_t *options,
                        florin_verify_check_t *checks, size_t *count, florin_error_t *error)
{
    verify_t verify = {
        .store = self, .options = options, .deadline_ms = florin_store_deadline(self)};
    for (size_t i = 0; i < CHECKS; i++)
        checks[i] = (florin_verify_check_t){.name = checks_of_all[i].name,
                                            .claim = checks_of_all[i].claim,
                                            .counted = checks_of_all[i].counted};
    *count = CHECKS;
    verify.check = checks;
    int result = florin_store_freeze(self, true, error);
    if (result == FLORIN_ERROR_CONFLICT) {
        florin_error_t cause = {0};
        int looked = look_for_the_cause(&verify, &cause);
        florin_store_unfreeze(self);
        return looked != 0 ? florin_error_set(error, looked, "%s", cause.message) : result;
    }
    if (result != 0)
        return result;
    result = florin_store_round_all(self, add_thaw, NULL, verify.deadline_ms, error);
    for (size_t i = 0; i < CHECKS && result == 0; i++) {
        verify.check = &checks[i];
        result = run_check(&verify, i, error);
    }
    florin_store_unfreeze(self);
    return result;
}
