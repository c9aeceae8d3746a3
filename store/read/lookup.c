/* Reading the books: accounts, transfers, statements. */
#include <string.h>

#include "store/read/moment.h"
#include "store/rows.h"

/* Others wait behind a lookup: it does not wait long for a batch to end. */
#define PATIENCE_MS 250

/* Ids by shard. */
typedef struct {
    florin_store_t *store;
    florin_arena_t *arena;
    florin_statement_t statement;
    florin_shards_t shards;
    florin_id_t *ids[FLORIN_SHARDS_MAX];
    size_t counts[FLORIN_SHARDS_MAX];
} lookup_t;

static void add_lookup(florin_session_t *session, size_t shard, void *arg)
{
    const lookup_t *lookup = arg;
    florin_params_t params;
    florin_params_init(&params, lookup->arena);
    florin_params_ids(&params, lookup->ids[shard], lookup->counts[shard]);
    florin_session_call(session, lookup->statement, &params);
}

static int sort_ids(florin_store_t *self, lookup_t *lookup, const florin_id_t *ids, size_t count,
                    florin_error_t *error)
{
    int result = florin_store_map(self, error);
    if (result != 0)
        return result;
    if (count > FLORIN_EVENTS_MAX)
        return florin_error_set(error, FLORIN_ERROR_TOO_LARGE, "at most %d ids in one call",
                                FLORIN_EVENTS_MAX);
    florin_arena_reset(self->arena);
    lookup->store = self;
    lookup->arena = self->arena;
    for (size_t i = 0; i < count; i++) {
        size_t shard = florin_store_shard_of(self, ids[i]);
        if (!lookup->ids[shard])
            lookup->ids[shard] = florin_arena_calloc(self->arena, count, sizeof *ids);
        if (!lookup->ids[shard])
            return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory to look up ids");
        lookup->ids[shard][lookup->counts[shard]++] = ids[i];
        lookup->shards |= florin_shards_of(shard);
    }
    return 0;
}

static const PGresult *rows_of(const florin_store_t *self, florin_id_t id, size_t result)
{
    return florin_session_result(&self->shards[florin_store_shard_of(self, id)], result);
}

/* A row names who locked or changed it after the version that was read: of what had written by
 * then, nobody else concerns it. And an account that is not there may be one that it opens. */
static bool concerns(const void *arg, size_t shard, uint64_t transaction)
{
    const lookup_t *lookup = arg;
    const PGresult *rows =
        florin_session_result(&lookup->store->shards[shard], FLORIN_MOMENT_RESULTS);
    for (int i = 0; i < PQntuples(rows); i++)
        if (florin_column_u32(rows, i, FLORIN_ACCOUNT_XMAX_COLUMN) == (uint32_t)transaction)
            return true;
    for (size_t i = 0; i < lookup->counts[shard]; i++)
        if (florin_row_find(rows, lookup->ids[shard][i]) < 0)
            return true;
    return false;
}

/* One shard shows each batch whole anyway. */
static int read_accounts(florin_store_t *self, lookup_t *lookup, size_t *rows,
                         florin_error_t *error)
{
    const florin_moment_t moment = {.shards = lookup->shards,
                                    .patience_ms = PATIENCE_MS,
                                    .add = add_lookup,
                                    .concerns = concerns,
                                    .arg = lookup};
    bool alone = (lookup->shards & (lookup->shards - 1)) == 0;
    *rows = alone ? 0 : FLORIN_MOMENT_RESULTS;
    return alone ? florin_store_read(self, lookup->shards, add_lookup, lookup, error)
                 : florin_store_moment(self, &moment, error);
}

int florin_store_lookup_accounts(florin_store_t *self, const florin_id_t *ids, size_t ids_count,
                                 florin_account_t *accounts, size_t *found, florin_error_t *error)
{
    lookup_t lookup = {.statement = FLORIN_SQL_ACCOUNTS};
    size_t place = 0;
    *found = 0;
    int result = sort_ids(self, &lookup, ids, ids_count, error);
    if (result == 0)
        result = read_accounts(self, &lookup, &place, error);
    for (size_t i = 0; i < ids_count && result == 0; i++) {
        const PGresult *rows = rows_of(self, ids[i], place);
        int row = florin_row_find(rows, ids[i]);
        const char *why = row >= 0 ? florin_row_account(rows, row, &accounts[(*found)++]) : NULL;
        if (why)
            result = florin_row_error("account", ids[i], why, error);
    }
    return result;
}

int florin_store_lookup_transfers(florin_store_t *self, const florin_id_t *ids, size_t ids_count,
                                  florin_entry_t *entries, size_t *found, florin_error_t *error)
{
    lookup_t lookup = {.statement = FLORIN_SQL_TRANSFERS};
    *found = 0;
    int result = sort_ids(self, &lookup, ids, ids_count, error);
    if (result == 0)
        result = florin_store_read(self, lookup.shards, add_lookup, &lookup, error);
    for (size_t i = 0; i < ids_count && result == 0; i++) {
        const PGresult *rows = rows_of(self, ids[i], 0);
        int row = florin_row_find(rows, ids[i]);
        const char *why = row >= 0 ? florin_row_entry(rows, row, &entries[(*found)++]) : NULL;
        if (why)
            result = florin_row_error("transfer", ids[i], why, error);
    }
    return result;
}

/* ------------------------------------------------------------------------------------ statements
 */

typedef struct {
    florin_arena_t *arena;
    const florin_statement_query_t *query;
} page_t;

/* Asks for the account, and for one entry more than the page holds: it says whether there is
 * another page. */
static void add_page(florin_session_t *session, size_t shard, void *arg)
{
    const page_t *page = arg;
    const florin_statement_query_t *query = page->query;
    bool back = query->newest_first;
    uint64_t first = !back && query->after >= query->from ? query->after + 1 : query->from;
    uint64_t end = query->until ? query->until : FLORIN_LEDGER_TIMESTAMP_MAX;
    if (back && query->after != 0 && query->after < end)
        end = query->after;
    florin_params_t params;
    (void)shard;
    florin_params_init(&params, page->arena);
    florin_params_ids(&params, &query->account_id, 1);
    florin_session_call(session, FLORIN_SQL_ACCOUNTS, &params);
    florin_params_init(&params, page->arena);
    florin_params_id(&params, query->account_id);
    florin_params_u64(&params, first);
    florin_params_u64(&params, end);
    florin_params_u64(&params, query->limit + 1);
    florin_session_call(session, back ? FLORIN_SQL_STATEMENT_BACK : FLORIN_SQL_STATEMENT, &params);
}

static int check_times(uint64_t from, uint64_t until, uint64_t after, florin_error_t *error)
{
    if (from <= FLORIN_LEDGER_TIMESTAMP_MAX && until <= FLORIN_LEDGER_TIMESTAMP_MAX &&
        after <= FLORIN_LEDGER_TIMESTAMP_MAX)
        return 0;
    return florin_error_set(error, FLORIN_ERROR_INVALID,
                            "from, until, after: a timestamp is less than 2^63");
}

static int check_limit(size_t limit, size_t max, florin_error_t *error)
{
    if (limit >= 1 && limit <= max)
        return 0;
    return florin_error_set(error, FLORIN_ERROR_INVALID, "limit: must be 1 to %zu", max);
}

/* A page's rows, and its account. */
static int read_page(florin_store_t *self, const florin_statement_query_t *query,
                     florin_account_t *account, const PGresult **rows, florin_error_t *error)
{
    int result = florin_store_map(self, error);
    if (result != 0)
        return result;
    florin_arena_reset(self->arena);
    size_t shard = florin_store_shard_of(self, query->account_id);
    page_t page = {self->arena, query};
    result = florin_store_read(self, florin_shards_of(shard), add_page, &page, error);
    if (result != 0)
        return result;
    const PGresult *found = florin_session_result(&self->shards[shard], 0);
    if (PQntuples(found) == 0) {
        char id[FLORIN_ID_TEXT_BYTES];
        return florin_error_set(error, FLORIN_ERROR_NOT_FOUND, "there is no account %s",
                                florin_id_format(query->account_id, id));
    }
    const char *why = florin_row_account(found, 0, account);
    if (why)
        return florin_row_error("account", query->account_id, why, error);
    *rows = florin_session_result(&self->shards[shard], 1);
    return 0;
}

static int read_entry(const PGresult *rows, int row, florin_statement_entry_t *entry,
                      florin_error_t *error)
{
    const char *why = florin_row_transfer(rows, row, &entry->transfer);
    const char *sums = florin_row_balances(rows, row, FLORIN_TRANSFER_COLUMNS + 2, &entry->after);
    entry->expired = florin_column_bool(rows, row, FLORIN_TRANSFER_COLUMNS);
    entry->timestamp = florin_column_u64(rows, row, FLORIN_TRANSFER_COLUMNS + 1);
    if (why || sums)
        return florin_row_error("transfer", entry->transfer.id, why ? why : sums, error);
    return 0;
}

int florin_store_statement(florin_store_t *self, const florin_statement_query_t *query,
                           florin_statement_entry_t *entries, size_t *count, bool *more,
                           florin_error_t *error)
{
    florin_account_t account = {0};
    const PGresult *rows = NULL;
    *count = 0;
    *more = false;
    int result = check_limit(query->limit, FLORIN_STATEMENT_ENTRIES_MAX, error);
    if (result == 0)
        result = check_times(query->from, query->until, query->after, error);
    if (result == 0)
        result = read_page(self, query, &account, &rows, error);
    if (result != 0)
        return result;
    size_t found = (size_t)PQntuples(rows);
    *more = found > query->limit;
    *count = *more ? query->limit : found;
    for (size_t i = 0; i < *count && result == 0; i++)
        result = read_entry(rows, (int)i, &entries[i], error);
    return result;
}

int florin_store_balances_at(florin_store_t *self, florin_id_t account_id, uint64_t timestamp,
                             florin_balances_t *balances, uint64_t *changed_at,
                             florin_error_t *error)
{
    /* The latest entry that is not later than the moment. */
    const florin_statement_query_t query = {
        .account_id = account_id, .until = timestamp + 1, .limit = 1, .newest_first = true};
    florin_account_t account = {0};
    const PGresult *rows = NULL;
    *balances = (florin_balances_t){0};
    *changed_at = 0;
    if (timestamp >= FLORIN_LEDGER_TIMESTAMP_MAX)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "timestamp: must be less than 2^63 - 1");
    int result = read_page(self, &query, &account, &rows, error);
    if (result != 0)
        return result;
    if (!(account.flags & FLORIN_ACCOUNT_FLAG_HISTORY)) {
        char id[FLORIN_ID_TEXT_BYTES];
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "account %s keeps no history: it was opened without that flag",
                                florin_id_format(account_id, id));
    }
    if (PQntuples(rows) > 0) {
        florin_statement_entry_t entry;
        result = read_entry(rows, 0, &entry, error);
        *balances = entry.after;
        *changed_at = entry.timestamp;
    } else if (account.timestamp <= timestamp) {
        *changed_at = account.timestamp;
    }
    return result;
}
