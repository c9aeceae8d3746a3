#include "store/windows.h"

#include "lib/clock.h"
#include "store/internal.h"

void florin_windows_params(florin_params_t *params, const florin_window_limit_t *const *limits,
                           size_t count, uint64_t now)
{
    static const florin_column_t columns[] = {FLORIN_COLUMN_ID, FLORIN_COLUMN_U64,
                                              FLORIN_COLUMN_U32};
    florin_array_t arrays[3];
    if (!florin_params_arrays(params, arrays, columns, 3, count))
        return;
    for (size_t i = 0; i < count; i++) {
        uint64_t length = (uint64_t)limits[i]->window_s * UINT64_C(1000000000);
        florin_array_id(&arrays[0], limits[i]->account_id);
        florin_array_u64(&arrays[1], now > length ? now - length : 0);
        florin_array_u32(&arrays[2], limits[i]->count_max);
    }
    florin_params_arrays_end(params, arrays, 3);
}

size_t florin_windows_row(const PGresult *result, int row,
                          const florin_window_limit_t *const *limits, size_t count,
                          florin_window_t *window)
{
    size_t place = florin_column_u64(result, row, 0) - 1;
    assert(place < count); /* WITH ORDINALITY counts what we sent */
    *window = (florin_window_t){.account_id = limits[place]->account_id,
                                .count = florin_column_u32(result, row, 1),
                                .sum = florin_column_u64(result, row, 2),
                                .count_max = limits[place]->count_max,
                                .sum_max = limits[place]->sum_max};
    return place;
}

/* By shard: the limits asked there, and their places in the caller's array. */
typedef struct {
    florin_arena_t *arena;
    florin_clocks_t *clocks;
    uint64_t now;
    const florin_window_limit_t **limits[FLORIN_SHARDS_MAX];
    size_t counts[FLORIN_SHARDS_MAX];
} ask_t;

static void add_windows(florin_session_t *session, size_t shard, void *arg)
{
    ask_t *ask = arg;
    ask->now = florin_clocks_time(ask->clocks);
    florin_params_t params;
    florin_params_init(&params, ask->arena);
    florin_windows_params(&params, ask->limits[shard], ask->counts[shard], ask->now);
    florin_session_call(session, FLORIN_SQL_WINDOWS, &params);
}

int florin_store_windows(florin_store_t *self, const florin_window_limit_t *limits, size_t count,
                         florin_window_t *windows, florin_error_t *error)
{
    ask_t ask = {.arena = self->arena, .clocks = self->clocks};
    florin_shards_t shards = 0;
    int result = florin_store_map(self, error);
    if (result != 0)
        return result;
    if (count > FLORIN_BATCH_EVENTS_MAX)
        return florin_error_set(error, FLORIN_ERROR_TOO_LARGE, "%zu windows in one call", count);
    florin_arena_reset(self->arena);
    for (size_t i = 0; i < count; i++) {
        size_t shard = florin_store_shard_of(self, limits[i].account_id);
        if (limits[i].count_max > FLORIN_WINDOW_COUNT_MAX)
            return florin_error_set(error, FLORIN_ERROR_INVALID,
                                    "limits[%zu].count_max: %u is more than %d", i,
                                    limits[i].count_max, FLORIN_WINDOW_COUNT_MAX);
        if (!ask.limits[shard])
            ask.limits[shard] = florin_arena_calloc(self->arena, count, sizeof *ask.limits[0]);
        if (!ask.limits[shard])
            return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory to read windows");
        ask.limits[shard][ask.counts[shard]++] = &limits[i];
        shards |= florin_shards_of(shard);
    }
    result = florin_store_read(self, shards, add_windows, &ask, error);
    if (result != 0)
        return result;
    for (size_t shard = 0; shard < self->shards_count; shard++) {
        if (!florin_shards_has(shards, shard))
            continue;
        const PGresult *rows = florin_session_result(&self->shards[shard], 0);
        for (int i = 0; i < PQntuples(rows); i++) {
            florin_window_t window;
            size_t place =
                florin_windows_row(rows, i, ask.limits[shard], ask.counts[shard], &window);
            windows[ask.limits[shard][place] - limits] = window;
        }
    }
    return 0;
}
