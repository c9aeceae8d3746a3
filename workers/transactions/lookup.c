#include "workers/runtime/convert.h"
#include "workers/transactions/transactions.h"

static int convert(florin_transactions_t *self, const Florin__V1__LookupTransfersRequest *request,
                   size_t events, florin_error_t *error)
{
    for (size_t i = 0; i < request->n_ids; i++)
        if (florin_convert_id(&request->ids[i], "ids", i, &self->ids[events + i], error))
            return error->code;
    return 0;
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

static bool add_created(Florin__V1__LookupTransfersReply *found, const florin_entry_t *entry,
                        florin_arena_t *arena)
{
    Florin__V1__Transfer *created = florin_convert_transfer_out(&entry->transfer, arena);
    found->transfers[found->n_transfers++] = created;
    return created != NULL;
}

static bool fill(Florin__V1__Reply *reply, const florin_entry_t *entries, size_t count,
                 florin_arena_t *arena)
{
    Florin__V1__LookupTransfersReply *found = florin_arena_alloc(arena, sizeof(*found));
    if (!found)
        return false;
    florin__v1__lookup_transfers_reply__init(found);
    found->transfers = florin_arena_calloc(arena, count, sizeof(Florin__V1__Transfer *));
    found->refused = florin_arena_calloc(arena, count, sizeof(Florin__V1__RefusedTransfer *));
    if (!found->transfers || !found->refused)
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

/* Answers the calls merged[first] to merged[last - 1], whose ids begin at `ids`, from one read; or
 * none of them, and returns the read's error. */
static int read_calls(florin_transactions_t *self, size_t first, size_t last,
                      const florin_id_t *ids, florin_arena_t *arena, florin_error_t *error)
{
    size_t ids_count = 0, found = 0, from = 0;
    for (size_t i = first; i < last; i++)
        ids_count += self->requests[i].events_count;
    if (ids_count > 0 &&
        florin_store_lookup_transfers(self->store, ids, ids_count, self->entries, &found, error))
        return error->code;
    /* What was found is in the order asked, so each call's part follows the one before. */
    for (size_t i = first; i < last; i++) {
        size_t count = 0;
        for (size_t k = 0; k < self->requests[i].events_count && from + count < found; k++)
            count += self->entries[from + count].transfer.id == ids[k];
        if (!fill(self->merged[i]->reply, self->entries + from, count, arena))
            florin_call_fail_memory(self->merged[i], arena);
        from += count;
        ids += self->requests[i].events_count;
    }
    return 0;
}

/* One read for all; when that fails, one for each, so that a shard which is away fails only those
 * who ask for something on it. (A shard's absence costs time once: the store doesn't try again
 * until a pause is over.) */
static void read_merged(florin_transactions_t *self, size_t merged, florin_arena_t *arena)
{
    const florin_id_t *ids = self->ids;
    florin_error_t error = {0};
    if (merged == 0 || read_calls(self, 0, merged, ids, arena, &error) == 0)
        return;
    for (size_t i = 0; i < merged; i++) {
        if (merged == 1 || read_calls(self, i, i + 1, ids, arena, &error))
            florin_call_fail_error(self->merged[i], arena, &error);
        ids += self->requests[i].events_count;
    }
}

void florin_transactions_lookup(florin_transactions_t *self, florin_call_t *calls, size_t count,
                                florin_arena_t *arena)
{
    size_t merged = 0, events = 0;
    florin_error_t error = {0};
    for (size_t i = 0; i < count; i++) {
        const Florin__V1__Request *request = calls[i].request;
        if (request->operation_case != FLORIN__V1__REQUEST__OPERATION_LOOKUP_TRANSFERS)
            continue;
        if (convert(self, request->lookup_transfers, events, &error)) {
            florin_call_fail_error(&calls[i], arena, &error);
            continue;
        }
        self->merged[merged] = &calls[i];
        self->requests[merged++].events_count = request->lookup_transfers->n_ids;
        events += request->lookup_transfers->n_ids;
    }
    read_merged(self, merged, arena);
}
