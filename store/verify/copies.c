#include "store/verify/copies.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/verify/seals.h"

#define NS_PER_S UINT64_C(1000000000)

/* Where each row has its id and those of its accounts, but an account's own. */
enum { COLUMN_ID, COLUMN_DEBIT, COLUMN_CREDIT };

/* What the rows of a table are, and where their other columns are. */
typedef struct {
    const char *name;
    bool has_sides;
    int same_end;              /* columns before it are the same on all shards */
    int first_time, last_time; /* of what was done */
    int state;                 /* what says whether the row has its accounts' balances */
    uint32_t state_with_balances;
    int balances; /* eight columns */
    florin_sealed_fn *sealed;
} kind_t;

static const kind_t accounts = {.name = "account",
                                .first_time = FLORIN_ACCOUNT_TIMESTAMP_COLUMN,
                                .last_time = FLORIN_ACCOUNT_TIMESTAMP_COLUMN + 1,
                                .sealed = florin_sealed_account};
static const kind_t transfers = {.name = "transfer",
                                 .has_sides = true,
                                 .same_end = FLORIN_TRANSFER_COLUMNS,
                                 .first_time = FLORIN_TRANSFER_TIMESTAMP_COLUMN,
                                 .last_time = FLORIN_TRANSFER_TIMESTAMP_COLUMN,
                                 .state = FLORIN_TRANSFER_COLUMNS - 1,
                                 .state_with_balances = FLORIN_TRANSFER_CREATED,
                                 .balances = FLORIN_TRANSFER_COLUMNS,
                                 .sealed = florin_sealed_transfer};
static const kind_t pendings = {.name = "transfer",
                                .has_sides = true,
                                .same_end = FLORIN_VERIFY_PENDING_BALANCES,
                                .first_time = FLORIN_VERIFY_PENDING_RESOLVED,
                                .last_time = FLORIN_VERIFY_PENDING_RESOLVED,
                                .state = FLORIN_VERIFY_PENDING_STATUS,
                                .state_with_balances = FLORIN_PENDING_EXPIRED,
                                .balances = FLORIN_VERIFY_PENDING_BALANCES,
                                .sealed = florin_sealed_pending};

static bool is_same(const PGresult *a, int row_a, const PGresult *b, int row_b, int column)
{
    int length = PQgetlength(a, row_a, column);
    return PQgetisnull(a, row_a, column) == PQgetisnull(b, row_b, column) &&
           length == PQgetlength(b, row_b, column) &&
           memcmp(PQgetvalue(a, row_a, column), PQgetvalue(b, row_b, column), (size_t)length) == 0;
}

/* Whether a transfer was created: a pending one's row says so by being there. */
static bool is_created(const kind_t *kind, const PGresult *page, int row)
{
    return kind->has_sides && (kind == &pendings || florin_column_u32(page, row, kind->state) ==
                                                        kind->state_with_balances);
}

/* The shards that a row names as its places: its id's, and its accounts' if it was created. */
static florin_shards_t places_of(const florin_verify_run_t *self, const kind_t *kind,
                                 const PGresult *page, int row)
{
    florin_shards_t places = 0;
    for (int i = COLUMN_ID; i <= (is_created(kind, page, row) ? COLUMN_CREDIT : COLUMN_ID); i++)
        places |=
            florin_shards_of(florin_store_shard_of(self->store, florin_column_id(page, row, i)));
    return places;
}

/* Does this copy have the balances of the accounts that live here, and only those? */
static bool has_its_balances(const florin_verify_run_t *self, const kind_t *kind, size_t shard,
                             const PGresult *page, int row)
{
    if (!kind->has_sides || florin_column_u32(page, row, kind->state) != kind->state_with_balances)
        return true;
    for (int side = 0; side < 2; side++) {
        florin_id_t account = florin_column_id(page, row, COLUMN_DEBIT + side);
        bool lives_here = florin_store_shard_of(self->store, account) == shard;
        for (int i = 0; i < 4; i++)
            if (PQgetisnull(page, row, kind->balances + 4 * side + i) == lives_here)
                return false;
    }
    return true;
}

/* One copy against the first: names what differs. */
static void compare_copy(florin_verify_run_t *self, const kind_t *kind, size_t shard, size_t first,
                         const char *subject)
{
    const PGresult *page, *first_page;
    int row = florin_verify_row(self, shard, &page),
        first_row = florin_verify_row(self, first, &first_page);
    char columns[256] = "";
    size_t used = 0;
    for (int i = COLUMN_DEBIT; i < kind->same_end && shard != first; i++) {
        if (is_same(page, row, first_page, first_row, i))
            continue;
        int length = snprintf(columns + used, sizeof columns - used, "%s%s", used ? ", " : "",
                              PQfname(page, i));
        used += length > 0 && (size_t)length < sizeof columns - used ? (size_t)length : 0;
    }
    if (used)
        florin_verify_tell(self, false, (int)shard, subject,
                           "differs from its copy on shard %zu: %s", first, columns);
    if (!has_its_balances(self, kind, shard, page, row))
        florin_verify_tell(self, false, (int)shard, subject,
                           "has not the balances after it of just those accounts that live here");
}

/* A time that the servers' clocks have not reached. */
static void check_times(florin_verify_run_t *self, const kind_t *kind, size_t shard,
                        const char *subject)
{
    const PGresult *page;
    int row = florin_verify_row(self, shard, &page);
    for (int i = kind->first_time; i <= kind->last_time; i++) {
        uint64_t time = florin_column_u64(page, row, i);
        if (time > self->latest)
            florin_verify_tell(self, false, (int)shard, subject,
                               "is from the future: its %s, %" PRIu64 ", is %" PRIu64
                               " s beyond what the servers' clocks allow",
                               PQfname(page, i), time, (time - self->latest) / NS_PER_S);
    }
}

static void see_copies(florin_verify_run_t *self, const kind_t *kind, florin_shards_t shards)
{
    size_t first = florin_shards_lowest(shards);
    const PGresult *page;
    int row = florin_verify_row(self, first, &page);
    char subject[FLORIN_VERIFY_SUBJECT_BYTES];
    (void)florin_verify_subject(kind->name, florin_column_id(page, row, COLUMN_ID), subject);
    florin_shards_t places = places_of(self, kind, page, row);
    self->check->checked++;
    for (size_t i = 0; i < self->store->shards_count; i++) {
        bool is = florin_shards_has(shards, i), should = florin_shards_has(places, i);
        if (is && !should)
            florin_verify_tell(self, false, (int)i, subject, "is here, where it does not belong");
        if (!is && should)
            florin_verify_tell(self, false, (int)i, subject, "is missing here; shard %zu has it",
                               first);
        if (!is)
            continue;
        compare_copy(self, kind, i, first, subject);
        check_times(self, kind, i, subject);
        row = florin_verify_row(self, i, &page);
        florin_verify_seal(self, i, page, row, subject, kind->sealed);
    }
}

static void see_account(florin_verify_run_t *self, florin_shards_t shards)
{
    see_copies(self, &accounts, shards);
}

static void see_transfer(florin_verify_run_t *self, florin_shards_t shards)
{
    see_copies(self, &transfers, shards);
}

static void see_pending(florin_verify_run_t *self, florin_shards_t shards)
{
    see_copies(self, &pendings, shards);
}

int florin_verify_accounts(florin_verify_run_t *self, const char *const *sql, florin_error_t *error)
{
    return florin_verify_walk(self, sql[0], see_account, error);
}

int florin_verify_transfers(florin_verify_run_t *self, const char *const *sql,
                            florin_error_t *error)
{
    return florin_verify_walk(self, sql[0], see_transfer, error);
}

int florin_verify_pendings(florin_verify_run_t *self, const char *const *sql, florin_error_t *error)
{
    return florin_verify_walk(self, sql[0], see_pending, error);
}
