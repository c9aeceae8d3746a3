#include "workers/runtime/messages/convert.h"
#include "workers/transactions/transactions.h"

static bool fill(Florin__V1__Reply *reply, const florin_transfer_outcome_t *outcomes, size_t count,
                 florin_arena_t *arena)
{
    Florin__V1__TransferOutcomesReply *told = florin_arena_alloc(arena, sizeof(*told));
    Florin__V1__TransferOutcome *wires = florin_arena_calloc(arena, count, sizeof(*wires));
    Florin__V1__TransferOutcome **list = florin_arena_calloc(arena, count, sizeof(*list));
    if (!told || !wires || !list)
        return false;
    florin__v1__transfer_outcomes_reply__init(told);
    for (size_t i = 0; i < count; i++) {
        florin__v1__transfer_outcome__init(&wires[i]);
        wires[i].result = (Florin__V1__CreateTransferResult)outcomes[i].result;
        wires[i].timestamp = outcomes[i].timestamp;
        wires[i].held_for_review = outcomes[i].held_for_review;
        list[i] = &wires[i];
    }
    told->n_outcomes = count;
    told->outcomes = list;
    reply->result_case = FLORIN__V1__REPLY__RESULT_TRANSFER_OUTCOMES;
    reply->transfer_outcomes = told;
    reply->status = FLORIN__V1__STATUS__STATUS_OK;
    return true;
}

static int settle(florin_transactions_t *self, const Florin__V1__TransferOutcomesRequest *request,
                  florin_id_t *ids, florin_error_t *error)
{
    florin_store_request_t settling = {.events_count = request->n_ids};
    for (size_t i = 0; i < request->n_ids; i++)
        if (florin_convert_id(&request->ids[i], "ids", i, &ids[i], error))
            return error->code;
    if (request->n_ids > 0 && florin_store_settle_transfers(self->store, self->ledger, ids,
                                                            self->outcomes, &settling, 1, error))
        return error->code;
    if (settling.error.code)
        *error = settling.error;
    return settling.error.code;
}

static void answer(florin_transactions_t *self, florin_call_t *call, florin_arena_t *arena)
{
    const Florin__V1__TransferOutcomesRequest *request = call->request->transfer_outcomes;
    florin_id_t *ids = florin_arena_calloc(arena, request->n_ids, sizeof(*ids));
    florin_error_t error = {0};
    if (ids && settle(self, request, ids, &error))
        florin_call_fail_error(call, arena, &error);
    else if (!ids || !fill(call->reply, self->outcomes, request->n_ids, arena))
        florin_call_fail_memory(call, arena);
}

void florin_transactions_outcomes(florin_transactions_t *self, florin_call_t *calls, size_t count,
                                  florin_arena_t *arena)
{
    for (size_t i = 0; i < count; i++)
        if (calls[i].request->operation_case == FLORIN__V1__REQUEST__OPERATION_TRANSFER_OUTCOMES &&
            !florin_call_expired(&calls[i], arena))
            answer(self, &calls[i], arena);
}
