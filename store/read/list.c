/* Lists: a page of the accounts, or of the created transfers, of all shards, in the order of time.
 * Each shard gives its part of the page, and they are merged. */
#include <inttypes.h>

#include "store/internal.h"
#include "store/rows.h"

typedef struct {
    florin_arena_t *arena;
    florin_statement_t statement;
    const florin_list_query_t *query;
} list_t;

static void add_list(florin_session_t *session, size_t shard, void *arg)
{
    const list_t *list = arg;
    const florin_list_query_t *query = list->query;
    bool first_page = query->after_timestamp == 0 && query->after_id == 0;
    uint64_t after = query->after_timestamp;
    florin_id_t after_id = query->after_id;
    florin_params_t params;
    (void)shard;
    if (query->newest_first && first_page) {
        after = FLORIN_LEDGER_TIMESTAMP_MAX;
        after_id = ~(florin_id_t)0;
    }
    florin_params_init(&params, list->arena);
    florin_params_u64(&params, query->from);
    florin_params_u64(&params, query->until ? query->until : FLORIN_LEDGER_TIMESTAMP_MAX);
    florin_params_u64(&params, query->ledger);
    florin_params_u32(&params, query->code);
    florin_params_u64(&params, after);
    florin_params_id(&params, after_id);
    florin_params_u64(&params, query->limit + 1);
    if (query->user_data != 0)
        florin_params_id(&params, query->user_data);
    florin_session_call(session, list->statement, &params);
}

static int check(const florin_list_query_t *query, florin_error_t *error)
{
    if (query->limit < 1 || query->limit > FLORIN_EVENTS_MAX)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "limit: must be 1 to %d",
                                FLORIN_EVENTS_MAX);
    if (query->from > FLORIN_LEDGER_TIMESTAMP_MAX || query->until > FLORIN_LEDGER_TIMESTAMP_MAX ||
        query->after_timestamp > FLORIN_LEDGER_TIMESTAMP_MAX)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "from, until, after: a timestamp is less than 2^63");
    return 0;
}

/* Where a row stands in the list. */
typedef struct {
    uint64_t timestamp;
    florin_id_t id;
} place_t;

static bool is_ahead(const place_t *a, const place_t *b, bool newest_first)
{
    bool less = a->timestamp != b->timestamp ? a->timestamp < b->timestamp : a->id < b->id;
    return newest_first ? !less : less;
}

/* The shard whose next row comes first; false when there is none. */
static bool pick(const florin_store_t *self, const int next[], int timestamp_column,
                 bool newest_first, size_t *shard)
{
    bool any = false;
    place_t best = {0};
    for (size_t i = 0; i < self->shards_count; i++) {
        const PGresult *rows = florin_session_result(&self->shards[i], 0);
        if (next[i] >= PQntuples(rows))
            continue;
        const place_t place = {florin_column_u64(rows, next[i], timestamp_column),
                               florin_column_id(rows, next[i], 0)};
        if (any && !is_ahead(&place, &best, newest_first))
            continue;
        any = true;
        best = place;
        *shard = i;
    }
    return any;
}

/* Returns as florin_row_account does. */
typedef const char *(take_fn)(const PGresult *rows, int row, void *array, size_t place);

/* A row that cannot be: a page ends before it, and the next one, which begins with it, says so and
 * how to go on. */
static int meet_odd(const florin_list_query_t *query, const place_t *place, const char *why,
                    size_t *count, bool *more, florin_error_t *error)
{
    char id[FLORIN_ID_TEXT_BYTES];
    *more = --*count > 0;
    if (*more)
        return 0;
    return florin_error_set(error, FLORIN_ERROR_ASIDE,
                            "row %s is set aside: it cannot be (%s); run florin verify; a list may "
                            "go on %s timestamp %" PRIu64,
                            florin_id_format_uuid(place->id, id), why,
                            query->newest_first ? "until" : "after", place->timestamp);
}

static int read_list(florin_store_t *self, const florin_list_query_t *query,
                     florin_statement_t statement, int timestamp_column, take_fn *take, void *array,
                     size_t *count, bool *more, florin_error_t *error)
{
    int next[FLORIN_SHARDS_MAX] = {0};
    size_t shard = 0;
    *count = 0;
    *more = false;
    int result = check(query, error);
    if (result == 0)
        result = florin_store_map(self, error);
    if (result != 0)
        return result;
    florin_arena_reset(self->arena);
    list_t list = {.arena = self->arena,
                   .statement = statement + (query->user_data != 0 ? 2 : 0) + query->newest_first,
                   .query = query};
    result = florin_store_read(self, florin_store_all_shards(self), add_list, &list, error);
    while (result == 0 && pick(self, next, timestamp_column, query->newest_first, &shard)) {
        *more = *count == query->limit;
        if (*more)
            break;
        const PGresult *rows = florin_session_result(&self->shards[shard], 0);
        const place_t place = {florin_column_u64(rows, next[shard], timestamp_column),
                               florin_column_id(rows, next[shard], 0)};
        const char *why = take(rows, next[shard]++, array, (*count)++);
        if (why)
            return meet_odd(query, &place, why, count, more, error);
    }
    return result;
}

static const char *take_account(const PGresult *rows, int row, void *array, size_t place)
{
    return florin_row_account(rows, row, (florin_account_t *)array + place);
}

static const char *take_transfer(const PGresult *rows, int row, void *array, size_t place)
{
    return florin_row_transfer(rows, row, (florin_transfer_t *)array + place);
}

int florin_store_list_accounts(florin_store_t *self, const florin_list_query_t *query,
                               florin_account_t *accounts, size_t *count, bool *more,
                               florin_error_t *error)
{
    return read_list(self, query, FLORIN_SQL_LIST_ACCOUNTS, FLORIN_ACCOUNT_TIMESTAMP_COLUMN,
                     take_account, accounts, count, more, error);
}

int florin_store_list_transfers(florin_store_t *self, const florin_list_query_t *query,
                                florin_transfer_t *transfers, size_t *count, bool *more,
                                florin_error_t *error)
{
    return read_list(self, query, FLORIN_SQL_LIST_TRANSFERS, FLORIN_TRANSFER_TIMESTAMP_COLUMN,
                     take_transfer, transfers, count, more, error);
}
