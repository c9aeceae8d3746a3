/* Reading the books: accounts, transfers, statements. */
#include <string.h>

#include "store/internal.h"
#include "store/rows.h"

/* Ids by shard. */
typedef struct {
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

static int look_up(florin_store_t *self, lookup_t *lookup, const florin_id_t *ids, size_t count,
                   florin_error_t *error)
{
    int result = florin_store_map(self, error);
    if (result != 0)
        return result;
    if (count > FLORIN_EVENTS_MAX)
        return florin_error_set(error, FLORIN_ERROR_TOO_LARGE, "at most %d ids in one call",
                                FLORIN_EVENTS_MAX);
    florin_arena_reset(self->arena);
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
    return florin_store_read(self, lookup->shards, add_lookup, lookup, error);
}

/* The row with that id, or -1: both statements give rows in the order of their ids. */
static int find_row(const PGresult *rows, florin_id_t id)
{
    int low = 0, high = PQntuples(rows);
    while (low < high) {
        int middle = low + (high - low) / 2;
        florin_id_t found = florin_column_id(rows, middle, 0);
        if (found == id)
            return middle;
        if (found < id)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

static const PGresult *rows_of(const florin_store_t *self, florin_id_t id)
{
    return florin_session_result(&self->shards[florin_store_shard_of(self, id)], 0);
}

int florin_store_lookup_accounts(florin_store_t *self, const florin_id_t *ids, size_t ids_count,
                                 florin_account_t *accounts, size_t *found, florin_error_t *error)
{
    lookup_t lookup = {.statement = FLORIN_SQL_ACCOUNTS};
    *found = 0;
    int result = look_up(self, &lookup, ids, ids_count, error);
    for (size_t i = 0; i < ids_count && result == 0; i++) {
        const PGresult *rows = rows_of(self, ids[i]);
        int row = find_row(rows, ids[i]);
        if (row >= 0)
            florin_row_account(rows, row, &accounts[(*found)++]);
    }
    return result;
}

int florin_store_lookup_transfers(florin_store_t *self, const florin_id_t *ids, size_t ids_count,
                                  florin_entry_t *entries, size_t *found, florin_error_t *error)
{
    lookup_t lookup = {.statement = FLORIN_SQL_TRANSFERS};
    *found = 0;
    int result = look_up(self, &lookup, ids, ids_count, error);
    for (size_t i = 0; i < ids_count && result == 0; i++) {
        const PGresult *rows = rows_of(self, ids[i]);
        int row = find_row(rows, ids[i]);
        if (row < 0)
            continue;
        florin_entry_t *entry = &entries[(*found)++];
        *entry = (florin_entry_t){0};
        florin_row_transfer(rows, row, &entry->transfer, &entry->result);
    }
    return result;
}

/* ------------------------------------------------------------------------------------ statements
 */

typedef struct {
    florin_arena_t *arena;
    const florin_statement_query_t *query;
} page_t;

/* Asks for one entry more than the page holds: it says whether there is another page. */
static void add_page(florin_session_t *session, size_t shard, void *arg)
{
    const page_t *page = arg;
    const florin_statement_query_t *query = page->query;
    uint64_t first = query->after >= query->from ? query->after + 1 : query->from;
    uint64_t end = query->until ? query->until : FLORIN_LEDGER_AMOUNT_MAX;
    florin_params_t params;
    (void)shard;
    florin_params_init(&params, page->arena);
    florin_params_id(&params, query->account_id);
    florin_session_call(session, FLORIN_SQL_ACCOUNT_EXISTS, &params);
    florin_params_u64(&params, first);
    florin_params_u64(&params, end);
    florin_params_u64(&params, query->limit + 1);
    florin_session_call(session, FLORIN_SQL_STATEMENT, &params);
}

static int check_query(const florin_statement_query_t *query, florin_error_t *error)
{
    if (query->limit == 0 || query->limit > FLORIN_STATEMENT_ENTRIES_MAX)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "limit: must be 1 to %d",
                                FLORIN_STATEMENT_ENTRIES_MAX);
    if (query->from >= INT64_MAX || query->until > INT64_MAX || query->after >= INT64_MAX)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "from, until, after: a timestamp is less than 2^63");
    return 0;
}

int florin_store_statement(florin_store_t *self, const florin_statement_query_t *query,
                           florin_statement_entry_t *entries, size_t *count, bool *more,
                           florin_error_t *error)
{
    *count = 0;
    *more = false;
    int result = check_query(query, error);
    if (result == 0)
        result = florin_store_map(self, error);
    if (result != 0)
        return result;
    florin_arena_reset(self->arena);
    size_t shard = florin_store_shard_of(self, query->account_id);
    page_t page = {self->arena, query};
    result = florin_store_read(self, florin_shards_of(shard), add_page, &page, error);
    if (result != 0)
        return result;
    const PGresult *exists = florin_session_result(&self->shards[shard], 0);
    const PGresult *rows = florin_session_result(&self->shards[shard], 1);
    if (!florin_column_bool(exists, 0, 0)) {
        char id[FLORIN_ID_TEXT_BYTES];
        return florin_error_set(error, FLORIN_ERROR_NOT_FOUND, "there is no account %s",
                                florin_id_format(query->account_id, id));
    }
    size_t found = (size_t)PQntuples(rows);
    *more = found > query->limit;
    *count = *more ? query->limit : found;
    for (size_t i = 0; i < *count; i++) {
        florin_transfer_result_t created;
        florin_row_transfer(rows, (int)i, &entries[i].transfer, &created);
        florin_row_balances(rows, (int)i, FLORIN_TRANSFER_COLUMNS, &entries[i].after);
    }
    return 0;
}
