#include "workers/runtime/messages/page.h"
#include "workers/transactions/transactions.h"

static bool fill(Florin__V1__Reply *reply, const florin_transfer_t *transfers, size_t count,
                 const florin_place_t *next, florin_arena_t *arena)
{
    Florin__V1__ListTransfersReply *page = florin_arena_alloc(arena, sizeof(*page));
    if (!page)
        return false;
    florin__v1__list_transfers_reply__init(page);
    page->transfers = florin_arena_calloc(arena, count, sizeof(*page->transfers));
    if (!page->transfers)
        return false;
    for (; page->n_transfers < count; page->n_transfers++) {
        Florin__V1__Transfer *wire =
            florin_convert_transfer_out(&transfers[page->n_transfers], arena);
        if (!wire)
            return false;
        page->transfers[page->n_transfers] = wire;
    }
    if (next->timestamp != 0 &&
        !florin_page_cursor(next->timestamp, next->id, arena, &page->next_cursor))
        return false;
    reply->result_case = FLORIN__V1__REPLY__RESULT_LIST_TRANSFERS;
    reply->list_transfers = page;
    reply->status = FLORIN__V1__STATUS__STATUS_OK;
    return true;
}

static void answer(florin_transactions_t *self, florin_call_t *call, florin_arena_t *arena)
{
    florin_list_query_t query;
    florin_error_t error = {0};
    size_t count;
    florin_place_t next;
    if (florin_page_query(call->request->list_transfers->filter, &query, &error) ||
        florin_store_list_transfers(self->store, &query, self->listed, &count, &next, &error))
        florin_call_fail_error(call, arena, &error);
    else if (!fill(call->reply, self->listed, count, &next, arena))
        florin_call_fail_memory(call, arena);
}

void florin_transactions_list(florin_transactions_t *self, florin_call_t *calls, size_t count,
                              florin_arena_t *arena)
{
    for (size_t i = 0; i < count; i++)
        if (calls[i].request->operation_case == FLORIN__V1__REQUEST__OPERATION_LIST_TRANSFERS &&
            !florin_call_expired(&calls[i], arena))
            answer(self, &calls[i], arena);
}
