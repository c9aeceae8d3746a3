/* The first half of a try: which ids lie where, lock and read them, load the ledger. */
#include "lib/clock.h"
#include "store/batch.h"
#include "store/windows.h"

/* Counts an id, and once there is an array for it, keeps it. Ids that no row can have are for the
 * ledger to refuse. */
static void take_id(florin_id_t *ids, size_t *count, florin_id_t id)
{
    if (id == 0)
        return;
    if (ids)
        ids[*count] = id;
    ++*count;
}

static florin_part_t *part_of(florin_batch_t *self, florin_id_t id)
{
    size_t shard = florin_store_shard_of(self->store, id);
    self->touched |= florin_shards_of(shard);
    return &self->parts[shard];
}

static void take_account(florin_batch_t *self, florin_id_t id)
{
    florin_part_t *part = part_of(self, id);
    take_id(part->account_ids, &part->account_ids_count, id);
}

static void take_transfer(florin_batch_t *self, florin_id_t id)
{
    florin_part_t *part = part_of(self, id);
    take_id(part->transfer_ids, &part->transfer_ids_count, id);
}

static void take_limit(florin_batch_t *self, const florin_window_limit_t *limit)
{
    size_t shard = florin_store_shard_of(self->store, limit->account_id);
    florin_part_t *part = &self->parts[shard];
    if (!florin_shards_has(self->touched, shard))
        return; /* its request is out of this try */
    if (part->limits)
        part->limits[part->limits_count] = limit;
    part->limits_count++;
}

/* One pass over all that lives. */
static void take_all(florin_batch_t *self)
{
    size_t event = 0;
    for (size_t i = 0; i < self->requests_count; i++) {
        const florin_store_request_t *request = &self->requests[i];
        size_t end = event + request->events_count;
        for (; event < end && florin_request_lives(request); event++) {
            if (self->accounts) {
                take_account(self, self->accounts[event].id);
                continue;
            }
            const florin_transfer_t *transfer = &self->transfers[event].transfer;
            take_transfer(self, transfer->id);
            take_account(self, transfer->debit_account_id);
            take_account(self, transfer->credit_account_id);
        }
        event = end;
    }
    for (size_t i = 0; i < self->limits_count; i++)
        take_limit(self, &self->limits[i]);
}

/* Counts, makes the arrays, and fills them. */
static bool plan(florin_batch_t *self)
{
    florin_arena_t *arena = self->store->arena;
    take_all(self);
    for (size_t i = 0; i < self->store->shards_count; i++) {
        florin_part_t *part = &self->parts[i];
        if (!florin_shards_has(self->touched, i))
            continue;
        part->account_ids =
            florin_arena_calloc(arena, part->account_ids_count + 1, sizeof *part->account_ids);
        part->transfer_ids =
            florin_arena_calloc(arena, part->transfer_ids_count + 1, sizeof *part->transfer_ids);
        part->limits = florin_arena_calloc(arena, part->limits_count + 1, sizeof *part->limits);
        if (!part->account_ids || !part->transfer_ids || !part->limits)
            return false;
        part->account_ids_count = part->transfer_ids_count = part->limits_count = 0;
    }
    take_all(self);
    return true;
}

/* The sessions come first: a shard that is away is found out before anything is locked. */
static bool open_sessions(florin_batch_t *self)
{
    bool all = true;
    for (size_t i = 0; i < self->store->shards_count; i++) {
        florin_error_t error;
        if (!florin_shards_has(self->touched, i) ||
            florin_store_open_shard(self->store, i, &error) == 0)
            continue;
        florin_batch_fail(self, florin_shards_of(i), &error);
        all = false;
    }
    return all;
}

/* One round: begin, hold, lock, and read what must be read under the locks. Each statement sees
 * all that was committed before it got its locks, and whoever asks for the hold later waits for
 * the end of this transaction. */
static void add_reads(florin_batch_t *self, size_t shard)
{
    florin_session_t *session = &self->store->shards[shard];
    florin_part_t *part = &self->parts[shard];
    florin_params_t params;
    florin_session_begin(session);
    florin_session_command(session, "BEGIN ISOLATION LEVEL READ COMMITTED");
    florin_params_init(&params, self->store->arena);
    florin_params_u64(&params, (uint64_t)self->id);
    florin_session_call(session, FLORIN_SQL_HOLD, &params);
    if (part->account_ids_count > 0) {
        florin_params_init(&params, self->store->arena);
        florin_params_ids(&params, part->account_ids, part->account_ids_count);
        florin_session_call(session, FLORIN_SQL_ACCOUNTS_LOCK, &params);
    }
    if (part->transfer_ids_count > 0) {
        florin_params_init(&params, self->store->arena);
        florin_params_ids(&params, part->transfer_ids, part->transfer_ids_count);
        florin_session_call(session, FLORIN_SQL_TRANSFERS, &params);
    }
    if (part->limits_count > 0) {
        florin_params_init(&params, self->store->arena);
        florin_windows_params(&params, part->limits, part->limits_count, self->now);
        florin_session_call(session, FLORIN_SQL_WINDOWS, &params);
    }
    florin_session_sync(session);
    part->state = FLORIN_PART_OPEN;
}

/* What add_reads asked for, in the same order. */
static void load(florin_batch_t *self, size_t shard)
{
    const florin_session_t *session = &self->store->shards[shard];
    const florin_part_t *part = &self->parts[shard];
    size_t index = 2; /* after BEGIN and the hold */
    if (part->account_ids_count > 0) {
        const PGresult *rows = florin_session_result(session, index++);
        for (int i = 0; i < PQntuples(rows); i++) {
            florin_account_t account;
            florin_row_account(rows, i, &account);
            (void)florin_ledger_load_account(self->ledger, &account); /* has room: see limits.h */
        }
    }
    if (part->transfer_ids_count > 0) {
        const PGresult *rows = florin_session_result(session, index++);
        for (int i = 0; i < PQntuples(rows); i++) {
            florin_transfer_t transfer;
            florin_transfer_result_t result;
            florin_row_transfer(rows, i, &transfer, &result);
            (void)florin_ledger_load_entry(self->ledger, &transfer, result);
        }
    }
    if (part->limits_count > 0) {
        const PGresult *rows = florin_session_result(session, index++);
        for (int i = 0; i < PQntuples(rows); i++) {
            florin_window_t window;
            florin_windows_row(rows, i, part->limits, part->limits_count, &window);
            /* An account that is not there needs no window. */
            (void)florin_ledger_load_window(self->ledger, &window);
        }
    }
}

florin_step_t florin_batch_read(florin_batch_t *self)
{
    florin_error_t error;
    if (!plan(self)) {
        florin_error_set(&error, FLORIN_ERROR_MEMORY, "no memory to read the batch");
        florin_batch_fail(self, ~(florin_shards_t)0, &error);
        return FLORIN_STEP_AGAIN;
    }
    if (!open_sessions(self))
        return FLORIN_STEP_AGAIN;
    self->now = florin_clock_unix_ns();
    for (size_t i = 0; i < self->store->shards_count; i++) {
        if (!florin_shards_has(self->touched, i))
            continue;
        add_reads(self, i);
        florin_store_wait(self->store, florin_shards_of(i), florin_store_deadline(self->store));
        if (florin_batch_faults(self, florin_shards_of(i), true))
            return FLORIN_STEP_AGAIN;
    }
    florin_ledger_reset(self->ledger, self->now);
    for (size_t i = 0; i < self->store->shards_count; i++)
        if (florin_shards_has(self->touched, i))
            load(self, i);
    return FLORIN_STEP_DONE;
}
