/* The second half of a try: what the ledger changed, sorted by shard and written. */
#include "store/batch.h"

static florin_shards_t shards_of_entry(const florin_batch_t *self, const florin_entry_t *entry)
{
    const florin_transfer_t *transfer = &entry->transfer;
    florin_shards_t shards = florin_batch_place(self, transfer->id);
    if (entry->result != FLORIN_TRANSFER_CREATED)
        return shards; /* refused for good: only its id is spent */
    return shards | florin_batch_place(self, transfer->debit_account_id) |
           florin_batch_place(self, transfer->credit_account_id);
}

static bool is_here(const florin_batch_t *self, florin_id_t id, size_t shard)
{
    return florin_store_shard_of(self->store, id) == shard;
}

static void take_account(florin_batch_t *self, const florin_account_t *account, bool opened)
{
    size_t shard = florin_store_shard_of(self->store, account->id);
    florin_part_t *part = &self->parts[shard];
    const florin_account_t **list = opened ? part->opened : part->changed;
    size_t *count = opened ? &part->opened_count : &part->changed_count;
    if (list)
        list[*count] = account;
    ++*count;
    self->writers |= florin_shards_of(shard);
}

static void take_entry(florin_batch_t *self, const florin_entry_t *entry)
{
    florin_shards_t shards = shards_of_entry(self, entry);
    bool created = entry->result == FLORIN_TRANSFER_CREATED;
    self->writers |= shards;
    for (size_t i = 0; i < self->store->shards_count; i++) {
        florin_part_t *part = &self->parts[i];
        if (!florin_shards_has(shards, i))
            continue;
        if (part->rows)
            part->rows[part->rows_count] = (florin_row_t){
                .entry = entry,
                .debit_here = created && is_here(self, entry->transfer.debit_account_id, i),
                .credit_here = created && is_here(self, entry->transfer.credit_account_id, i),
            };
        part->rows_count++;
    }
}

/* What became of a pending transfer stands wherever its row does. */
static void take_pending(florin_batch_t *self, const florin_pending_t *pending)
{
    const florin_transfer_t *transfer = pending->transfer;
    florin_shards_t shards = florin_batch_place(self, transfer->id) |
                             florin_batch_place(self, transfer->debit_account_id) |
                             florin_batch_place(self, transfer->credit_account_id);
    self->writers |= shards;
    for (size_t i = 0; i < self->store->shards_count; i++) {
        florin_part_t *part = &self->parts[i];
        if (!florin_shards_has(shards, i))
            continue;
        if (part->pendings)
            part->pendings[part->pendings_count] = (florin_pending_row_t){
                .pending = *pending,
                .debit_here = is_here(self, transfer->debit_account_id, i),
                .credit_here = is_here(self, transfer->credit_account_id, i),
            };
        part->pendings_count++;
    }
}

static void take_all(florin_batch_t *self)
{
    for (size_t i = 0; i < florin_ledger_opened_count(self->ledger); i++)
        take_account(self, florin_ledger_opened(self->ledger, i), true);
    for (size_t i = 0; i < florin_ledger_changed_count(self->ledger); i++)
        take_account(self, florin_ledger_changed(self->ledger, i), false);
    for (size_t i = 0; i < florin_ledger_entries_count(self->ledger); i++)
        take_entry(self, florin_ledger_entry(self->ledger, i));
    for (size_t i = 0; i < florin_ledger_pendings_count(self->ledger); i++) {
        const florin_pending_t pending = florin_ledger_pending(self->ledger, i);
        take_pending(self, &pending);
    }
}

bool florin_batch_sort(florin_batch_t *self)
{
    florin_arena_t *arena = self->store->arena;
    take_all(self);
    for (size_t i = 0; i < self->store->shards_count; i++) {
        florin_part_t *part = &self->parts[i];
        if (!florin_shards_has(self->writers, i))
            continue;
        part->opened = florin_arena_calloc(arena, part->opened_count + 1, sizeof *part->opened);
        part->changed = florin_arena_calloc(arena, part->changed_count + 1, sizeof *part->changed);
        part->rows = florin_arena_calloc(arena, part->rows_count + 1, sizeof *part->rows);
        part->pendings =
            florin_arena_calloc(arena, part->pendings_count + 1, sizeof *part->pendings);
        if (!part->opened || !part->changed || !part->rows || !part->pendings)
            return false;
        part->opened_count = part->changed_count = part->rows_count = part->pendings_count = 0;
    }
    take_all(self);
    return true;
}

void florin_batch_add_writes(florin_batch_t *self, size_t shard)
{
    florin_session_t *session = &self->store->shards[shard];
    const florin_part_t *part = &self->parts[shard];
    florin_params_t params;
    if (part->opened_count > 0) {
        florin_params_init(&params, self->store->arena);
        florin_rows_insert_accounts(&params, part->opened, part->opened_count);
        florin_session_call(session, FLORIN_SQL_ACCOUNTS_INSERT, &params);
    }
    if (part->changed_count > 0) {
        florin_params_init(&params, self->store->arena);
        florin_rows_update_accounts(&params, part->changed, part->changed_count);
        florin_session_call(session, FLORIN_SQL_ACCOUNTS_UPDATE, &params);
    }
    if (part->rows_count > 0) {
        florin_params_init(&params, self->store->arena);
        florin_rows_insert_transfers(&params, part->rows, part->rows_count);
        florin_session_call(session, FLORIN_SQL_TRANSFERS_INSERT, &params);
    }
    if (part->pendings_count > 0) {
        florin_params_init(&params, self->store->arena);
        florin_rows_write_pendings(&params, part->pendings, part->pendings_count);
        florin_session_call(session, FLORIN_SQL_PENDINGS_WRITE, &params);
    }
    if (self->credit_limits && part->changed_count > 0) {
        florin_params_init(&params, self->store->arena);
        florin_rows_write_limits(&params, part->changed, part->changed_count);
        florin_session_call(session, FLORIN_SQL_LIMITS_WRITE, &params);
    }
}
