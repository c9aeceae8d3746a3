/* Lists: a page of the accounts, or of the created transfers, of all shards, in the order of time.
 * Each shard gives its part of the page, and they are merged, as far as all of them have looked. */
#include <inttypes.h>

#include "store/internal.h"
#include "store/rows.h"

typedef struct {
    florin_arena_t *arena;
    florin_statement_t statement;
    const florin_list_query_t *query;
} list_t;

/* The place that a page begins after. It never lies before the span that is asked for: the index is
 * read from there. */
static florin_place_t begin(const florin_list_query_t *query)
{
    florin_place_t after = {query->after_timestamp, query->after_id};
    bool first_page = after.timestamp == 0 && after.id == 0;
    if (query->newest_first) {
        uint64_t until = query->until ? query->until : FLORIN_LEDGER_TIMESTAMP_MAX;
        return first_page || after.timestamp >= until ? (florin_place_t){until, 0} : after;
    }
    return after.timestamp < query->from ? (florin_place_t){query->from - 1, ~(florin_id_t)0}
                                         : after;
}

static void add_list(florin_session_t *session, size_t shard, void *arg)
{
    const list_t *list = arg;
    const florin_list_query_t *query = list->query;
    const florin_place_t after = begin(query);
    florin_params_t params;
    (void)shard;
    florin_params_init(&params, list->arena);
    florin_params_u64(&params, query->from);
    florin_params_u64(&params, query->until ? query->until : FLORIN_LEDGER_TIMESTAMP_MAX);
    florin_params_u64(&params, query->ledger);
    florin_params_u32(&params, query->code);
    florin_params_u64(&params, after.timestamp);
    florin_params_id(&params, after.id);
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

static bool is_ahead(const florin_place_t *a, const florin_place_t *b, bool newest_first)
{
    bool less = a->timestamp != b->timestamp ? a->timestamp < b->timestamp : a->id < b->id;
    return newest_first ? !less : less;
}

/* The shard whose next row comes first, and that row's place; false when there is none. */
static bool pick(const florin_store_t *self, const int next[], int timestamp_column,
                 bool newest_first, size_t *shard, florin_place_t *best)
{
    bool any = false;
    for (size_t i = 0; i < self->shards_count; i++) {
        const PGresult *rows = florin_session_result(&self->shards[i], 0);
        if (next[i] >= PQntuples(rows))
            continue;
        const florin_place_t place = {florin_column_u64(rows, next[i], timestamp_column),
                                      florin_column_id(rows, next[i], 0)};
        if (any && !is_ahead(&place, best, newest_first))
            continue;
        any = true;
        *best = place;
        *shard = i;
    }
    return any;
}

/* Returns as florin_row_account does. */
typedef const char *(take_fn)(const PGresult *rows, int row, void *array, size_t place);

/* A row that cannot be: a page ends before it, and the next one, which begins with it, says so and
 * how to go on. */
static int meet_odd(const florin_list_query_t *query, const florin_place_t *place, const char *why,
                    size_t count, florin_error_t *error)
{
    char id[FLORIN_ID_TEXT_BYTES];
    if (count > 0)
        return 0;
    return florin_error_set(error, FLORIN_ERROR_ASIDE,
                            "row %s is set aside: it cannot be (%s); run florin verify; a list may "
                            "go on %s timestamp %" PRIu64,
                            florin_id_format_uuid(place->id, id), why,
                            query->newest_first ? "until" : "after", place->timestamp);
}

/* The last columns of a row: whether it is one that was asked for, and whether its shard was looked
 * at no further: then nor can the page go. */
static bool column_from_end(const PGresult *rows, int row, int distance)
{
    return florin_column_bool(rows, row, PQnfields(rows) - distance);
}

static int merge(florin_store_t *self, const florin_list_query_t *query, int timestamp_column,
                 take_fn *take, void *array, size_t *count, florin_place_t *next,
                 florin_error_t *error)
{
    int at[FLORIN_SHARDS_MAX] = {0};
    florin_place_t place = {0}, last = {0};
    size_t shard = 0;
    while (pick(self, at, timestamp_column, query->newest_first, &shard, &place)) {
        const PGresult *rows = florin_session_result(&self->shards[shard], 0);
        int row = at[shard]++;
        *next = last;
        if (*count == query->limit)
            return 0;
        const char *why = column_from_end(rows, row, 2) ? take(rows, row, array, *count) : NULL;
        if (why)
            return meet_odd(query, &place, why, *count, error);
        *count += column_from_end(rows, row, 2);
        *next = last = place;
        if (column_from_end(rows, row, 1))
            return 0;
    }
    *next = (florin_place_t){0};
    return 0;
}

static int read_list(florin_store_t *self, const florin_list_query_t *query,
                     florin_statement_t statement, int timestamp_column, take_fn *take, void *array,
                     size_t *count, florin_place_t *next, florin_error_t *error)
{
    *count = 0;
    *next = (florin_place_t){0};
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
    return result == 0 ? merge(self, query, timestamp_column, take, array, count, next, error)
                       : result;
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
                               florin_account_t *accounts, size_t *count, florin_place_t *next,
                               florin_error_t *error)
{
    return read_list(self, query, FLORIN_SQL_LIST_ACCOUNTS, FLORIN_ACCOUNT_TIMESTAMP_COLUMN,
                     take_account, accounts, count, next, error);
}

int florin_store_list_transfers(florin_store_t *self, const florin_list_query_t *query,
                                florin_transfer_t *transfers, size_t *count, florin_place_t *next,
                                florin_error_t *error)
{
    return read_list(self, query, FLORIN_SQL_LIST_TRANSFERS, FLORIN_TRANSFER_TIMESTAMP_COLUMN,
                     take_transfer, transfers, count, next, error);
}
