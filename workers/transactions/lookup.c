#include <assert.h>

#include "workers/runtime/messages/convert.h"
#include "workers/transactions/transactions.h"

static_assert(offsetof(florin_entry_t, transfer.id) == 0, "a row begins with its id");

static int read_rows(florin_store_t *store, const florin_id_t *ids, size_t ids_count, void *rows,
                     size_t *found, florin_error_t *error)
{
    return florin_store_lookup_transfers(store, ids, ids_count, rows, found, error);
}

static bool add_refused(Florin__V1__LookupTransfersReply *found, const florin_entry_t *entry,
                        florin_arena_t *arena)
{
    Florin__V1__RefusedTransfer *refused = florin_arena_alloc(arena, sizeof(*refused));
    if (!refused)
        return false;
    florin__v1__refused_transfer__init(refused);
    refused->result = (Florin__V1__CreateTransferResult)entry->result;
    refused->transfer = florin_convert_transfer_out(&entry->transfer, arena);
    found->refused[found->n_refused++] = refused;
    return refused->transfer != NULL;
}

static bool add_pending(Florin__V1__LookupTransfersReply *found, const florin_entry_t *entry,
                        florin_arena_t *arena)
{
    Florin__V1__PendingTransfer *pending = florin_arena_alloc(arena, sizeof(*pending));
    if (!pending)
        return false;
    florin__v1__pending_transfer__init(pending);
    pending->status = (Florin__V1__PendingStatus)entry->pending;
    found->pending[found->n_pending++] = pending;
    return florin_convert_id_out(entry->transfer.id, arena, &pending->id);
}

static bool add_created(Florin__V1__LookupTransfersReply *found, const florin_entry_t *entry,
                        florin_arena_t *arena)
{
    Florin__V1__Transfer *created = florin_convert_transfer_out(&entry->transfer, arena);
    found->transfers[found->n_transfers++] = created;
    return created && (entry->pending == FLORIN_PENDING_NONE || add_pending(found, entry, arena));
}

static bool fill(Florin__V1__Reply *reply, const void *rows, size_t count, florin_arena_t *arena)
{
    const florin_entry_t *entries = rows;
    Florin__V1__LookupTransfersReply *found = florin_arena_alloc(arena, sizeof(*found));
    if (!found)
        return false;
    florin__v1__lookup_transfers_reply__init(found);
    found->transfers = florin_arena_calloc(arena, count, sizeof(Florin__V1__Transfer *));
    found->refused = florin_arena_calloc(arena, count, sizeof(Florin__V1__RefusedTransfer *));
    found->pending = florin_arena_calloc(arena, count, sizeof(Florin__V1__PendingTransfer *));
    if (!found->transfers || !found->refused || !found->pending)
        return false;
    for (size_t i = 0; i < count; i++) {
        bool created = entries[i].result == FLORIN_TRANSFER_CREATED;
        if (!(created ? add_created : add_refused)(found, &entries[i], arena))
            return false;
    }
    reply->result_case = FLORIN__V1__REPLY__RESULT_LOOKUP_TRANSFERS;
    reply->lookup_transfers = found;
    reply->status = FLORIN__V1__STATUS__STATUS_OK;
    return true;
}

void florin_transactions_lookup(florin_transactions_t *self, florin_call_t *calls, size_t count,
                                florin_arena_t *arena)
{
    static const florin_lookup_kind_t kind = {FLORIN__V1__REQUEST__OPERATION_LOOKUP_TRANSFERS,
                                              read_rows, fill, sizeof(self->entries[0])};
    florin_lookup_run(&self->lookup, &kind, self->store, self->entries, calls, count, arena);
}
