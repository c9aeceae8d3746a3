/* The second half of a try: what the ledger changed, sorted by shard and written. */
#include "store/batch/write.h"

/* The changes of limits on one shard. */
typedef struct {
    size_t shard;
    florin_limit_row_t *rows;
    size_t count;
} limits_t;

/* An account's limit may change more than once in a batch: each is a row of its history. */
static void take_limit(florin_plan_t *self, florin_store_request_t *request, size_t event,
                       void *arg)
{
    (void)request;
    limits_t *limits = arg;
    const florin_limit_event_t *limit = &self->credit_limits[event];
    uint64_t timestamp = self->credit_limit_outcomes[event].timestamp;
    if (timestamp != 0 && florin_store_shard_of(self->store, limit->account_id) == limits->shard)
        limits->rows[limits->count++] =
            (florin_limit_row_t){limit->account_id, timestamp, limit->credit_limit};
}

static void add_limits(florin_plan_t *self, size_t shard)
{
    florin_session_t *session = &self->store->shards[shard];
    florin_part_t *part = &self->parts[shard];
    limits_t limits = {.shard = shard};
    florin_params_t params;
    florin_params_init(&params, self->store->arena);
    florin_rows_update_limits(&params, part->changed, part->changed_count);
    florin_session_call(session, FLORIN_SQL_LIMITS_UPDATE, &params);
    limits.rows =
        florin_arena_calloc(self->store->arena, florin_plan_events(self), sizeof *limits.rows);
    florin_params_init(&params, self->store->arena);
    params.failed = !limits.rows;
    if (limits.rows) {
        florin_plan_each(self, take_limit, &limits);
        florin_rows_insert_limits(&params, limits.rows, limits.count, &part->chain);
    }
    florin_session_call(session, FLORIN_SQL_LIMITS_INSERT, &params);
}

/* What lets a reader of several shards see that the batch is there on one of them and not yet on
 * another (read/moment.c). */
static void add_trace(florin_plan_t *self, size_t shard)
{
    static const florin_column_t columns[] = {FLORIN_COLUMN_U32, FLORIN_COLUMN_U64};
    florin_array_t arrays[2];
    florin_params_t params;
    florin_params_init(&params, self->store->arena);
    florin_params_id(&params, self->id);
    if (florin_params_arrays(&params, arrays, columns, 2, self->store->shards_count)) {
        for (size_t i = 0; i < self->store->shards_count; i++) {
            if (!florin_shards_has(self->writers, i))
                continue;
            florin_array_u32(&arrays[0], (uint32_t)i);
            florin_array_u64(&arrays[1], self->parts[i].transaction);
        }
        florin_params_arrays_end(&params, arrays, 2);
    }
    florin_session_call(&self->store->shards[shard], FLORIN_SQL_CROSSINGS_INSERT, &params);
}

static void add_changes(florin_plan_t *self, size_t shard)
{
    const florin_part_t *part = &self->parts[shard];
    uint64_t *places = florin_arena_calloc(self->store->arena, part->changed_count, sizeof *places);
    florin_params_t params;
    florin_params_init(&params, self->store->arena);
    params.failed = !places;
    for (size_t i = 0; places && i < part->changed_count; i++)
        places[i] = florin_plan_row_place(part, part->changed[i]->id);
    if (places)
        florin_rows_update_accounts(&params, part->changed, places, part->changed_count,
                                    &part->chain.key);
    florin_session_call(&self->store->shards[shard], FLORIN_SQL_ACCOUNTS_UPDATE, &params);
}

/* Whether the part writes rows that nothing else in the books would miss: accounts that are opened,
 * limits, and transfers refused. */
static bool needs_head(const florin_plan_t *self, const florin_part_t *part)
{
    bool needs = part->opened_count > 0 || self->credit_limits;
    for (size_t i = 0; i < part->rows_count && !needs; i++)
        needs = part->rows[i].entry->result != FLORIN_TRANSFER_CREATED;
    return needs;
}

/* Says how far the chain has come, and, with its first rows, when sealing began. */
static void add_heads(florin_plan_t *self, size_t shard, uint64_t first)
{
    const florin_chain_t *chain = &self->parts[shard].chain;
    florin_head_t heads[3];
    florin_params_t params;
    size_t count = 0;
    if (chain->next == first)
        return; /* nothing has got a place */
    if (florin_place_number(first) == 1) {
        heads[count++] = (florin_head_t){0, FLORIN_SEALED_FROM_FIRST};
        heads[count++] = (florin_head_t){0, self->now};
    }
    if (needs_head(self, &self->parts[shard]))
        heads[count++] = (florin_head_t){florin_place_chain(first), chain->next - 1};
    if (count == 0)
        return;
    florin_params_init(&params, self->store->arena);
    florin_rows_write_heads(&params, heads, count, &chain->key);
    florin_session_call(&self->store->shards[shard], FLORIN_SQL_SEAL_HEADS, &params);
}

void florin_batch_add_writes(florin_plan_t *self, size_t shard)
{
    florin_session_t *session = &self->store->shards[shard];
    florin_part_t *part = &self->parts[shard];
    const uint64_t first = self->store->chains[shard].next;
    florin_params_t params;
    part->chain = self->store->chains[shard];
    if (part->opened_count > 0) {
        florin_params_init(&params, self->store->arena);
        florin_rows_insert_accounts(&params, part->opened, part->opened_count, &part->chain);
        florin_session_call(session, FLORIN_SQL_ACCOUNTS_INSERT, &params);
    }
    if (part->changed_count > 0)
        add_changes(self, shard);
    if (part->rows_count > 0) {
        florin_params_init(&params, self->store->arena);
        florin_rows_insert_transfers(&params, part->rows, part->rows_count, &part->chain);
        florin_session_call(session, FLORIN_SQL_TRANSFERS_INSERT, &params);
    }
    if (part->pendings_count > 0) {
        florin_params_init(&params, self->store->arena);
        florin_rows_write_pendings(&params, part->pendings, part->pendings_count, &part->chain.key);
        florin_session_call(session, FLORIN_SQL_PENDINGS_WRITE, &params);
    }
    if (self->credit_limits && part->changed_count > 0)
        add_limits(self, shard);
    add_heads(self, shard, first);
    if (self->writers != florin_shards_of(shard))
        add_trace(self, shard);
}
