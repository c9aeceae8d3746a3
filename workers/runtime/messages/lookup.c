#include "workers/runtime/messages/lookup.h"

#include <string.h>

#include "workers/runtime/messages/convert.h"

/* Both operations ask with the same field. */
static const ProtobufCBinaryData *ids_of(const Florin__V1__Request *request, size_t *count)
{
    bool accounts = request->operation_case == FLORIN__V1__REQUEST__OPERATION_LOOKUP_ACCOUNTS;
    *count = accounts ? request->lookup_accounts->n_ids : request->lookup_transfers->n_ids;
    return accounts ? request->lookup_accounts->ids : request->lookup_transfers->ids;
}

/* Takes the calls' ids; a call whose ids are none is answered. Returns how many calls there are. */
static size_t merge(florin_lookup_t *self, florin_call_t *calls, size_t count,
                    florin_arena_t *arena)
{
    size_t merged = 0, first = 0;
    florin_error_t error;
    for (size_t i = 0; i < count; i++) {
        int code = 0;
        size_t ids_count = 0;
        if (calls[i].request->operation_case != self->kind->operation)
            continue;
        const ProtobufCBinaryData *ids = ids_of(calls[i].request, &ids_count);
        for (size_t k = 0; k < ids_count && code == 0; k++)
            code = florin_convert_id(&ids[k], "ids", k, &self->ids[first + k], &error);
        if (code) {
            florin_call_fail_error(&calls[i], arena, &error);
            continue;
        }
        self->asked[merged].call = &calls[i];
        self->asked[merged++].ids_count = ids_count;
        first += ids_count;
    }
    return merged;
}

/* Answers the calls asked[first] to asked[last - 1], whose ids begin at `ids`, from one read; or
 * none of them, and returns the read's error. */
static int read_calls(florin_lookup_t *self, size_t first, size_t last, const florin_id_t *ids,
                      florin_arena_t *arena, florin_error_t *error)
{
    const size_t row_bytes = self->kind->row_bytes;
    const uint8_t *row = self->rows;
    size_t ids_count = 0, found = 0;
    for (size_t i = first; i < last; i++)
        ids_count += self->asked[i].ids_count;
    if (ids_count > 0 && self->kind->read(self->store, ids, ids_count, self->rows, &found, error))
        return error->code;
    /* What was found is in the order asked, so each call's part follows the one before. */
    for (size_t i = first; i < last; i++) {
        size_t count = 0;
        for (size_t k = 0; k < self->asked[i].ids_count && count < found; k++)
            count += memcmp(row + count * row_bytes, &ids[k], sizeof(ids[k])) == 0;
        if (!self->kind->fill(self->asked[i].call->reply, row, count, arena))
            florin_call_fail_memory(self->asked[i].call, arena);
        row += count * row_bytes;
        found -= count;
        ids += self->asked[i].ids_count;
    }
    return 0;
}

void florin_lookup_run(florin_lookup_t *self, const florin_lookup_kind_t *kind,
                       florin_store_t *store, void *rows, florin_call_t *calls, size_t count,
                       florin_arena_t *arena)
{
    florin_error_t error = {0};
    self->kind = kind;
    self->store = store;
    self->rows = rows;
    const florin_id_t *ids = self->ids;
    size_t merged = merge(self, calls, count, arena);
    if (merged == 0 || read_calls(self, 0, merged, ids, arena, &error) == 0)
        return;
    /* Once more, one by one, so that a shard which is away fails only those who ask for something
     * on it. (Its absence costs time once: the store doesn't try again until a pause is over.) */
    for (size_t i = 0; i < merged; i++) {
        florin_call_t *call = self->asked[i].call;
        if (merged == 1 ||
            (!florin_call_expired(call, arena) && read_calls(self, i, i + 1, ids, arena, &error)))
            florin_call_fail_error(call, arena, &error);
        ids += self->asked[i].ids_count;
    }
}
