#include "workers/runtime/convert.h"
#include "workers/transactions/transactions.h"

/* Appends a call's transfers to the batch. */
static int convert(florin_transactions_t *self, const Florin__V1__CreateTransfersRequest *request,
                   size_t events, florin_error_t *error)
{
    for (size_t i = 0; i < request->n_transfers; i++) {
        self->wires[events + i] = request->transfers[i];
        if (florin_convert_transfer(request->transfers[i], i, &self->events[events + i].transfer,
                                    error))
            return error->code;
    }
    return 0;
}

static bool fill_result(const florin_transactions_t *self, size_t event,
                        Florin__V1__TransferResult *wire, florin_arena_t *arena)
{
    const florin_transfer_outcome_t *outcome = &self->outcomes[event];
    florin__v1__transfer_result__init(wire);
    wire->result = (Florin__V1__CreateTransferResult)outcome->result;
    wire->timestamp = outcome->timestamp;
    wire->first_result = (Florin__V1__CreateTransferResult)outcome->first_result;
    wire->held_for_review = outcome->held_for_review;
    bool held = outcome->held_for_review && outcome->result == FLORIN_TRANSFER_CREATED;
    return (outcome->result != FLORIN_TRANSFER_RISK_DECLINED && !held) ||
           florin_verdicts_reasons(&self->verdicts, event, &self->events[event], outcome, arena,
                                   &wire->reasons, &wire->n_reasons);
}

/* Answers with the outcomes of the events from `first` on. */
static bool fill(const florin_transactions_t *self, Florin__V1__Reply *reply, size_t first,
                 size_t count, florin_arena_t *arena)
{
    Florin__V1__CreateTransfersReply *created = florin_arena_alloc(arena, sizeof(*created));
    Florin__V1__TransferResult *results = florin_arena_calloc(arena, count, sizeof(*results));
    Florin__V1__TransferResult **list = florin_arena_calloc(arena, count, sizeof(*list));
    if (!created || !results || !list)
        return false;
    florin__v1__create_transfers_reply__init(created);
    for (size_t i = 0; i < count; i++) {
        if (!fill_result(self, first + i, &results[i], arena))
            return false;
        list[i] = &results[i];
    }
    created->n_results = count;
    created->results = list;
    reply->result_case = FLORIN__V1__REPLY__RESULT_CREATE_TRANSFERS;
    reply->create_transfers = created;
    reply->status = FLORIN__V1__STATUS__STATUS_OK;
    return true;
}

static bool creates(const Florin__V1__Request *request, bool dry_run)
{
    return request->operation_case == FLORIN__V1__REQUEST__OPERATION_CREATE_TRANSFERS &&
           request->create_transfers->dry_run == dry_run;
}

/* Converts the calls into one batch; those that can't be are answered. Returns how many events. */
static size_t merge(florin_transactions_t *self, florin_call_t *calls, size_t count, size_t *merged,
                    florin_arena_t *arena)
{
    size_t events = 0;
    florin_error_t error = {0};
    for (size_t i = 0; i < count; i++) {
        const Florin__V1__Request *request = calls[i].request;
        if (!creates(request, false))
            continue;
        size_t transfers = request->create_transfers->n_transfers;
        if (convert(self, request->create_transfers, events, &error)) {
            florin_call_fail_error(&calls[i], arena, &error);
        } else if (transfers == 0) {
            if (!fill(self, calls[i].reply, 0, 0, arena))
                florin_call_fail_memory(&calls[i], arena);
        } else {
            self->merged[*merged] = &calls[i];
            self->requests[(*merged)++] = (florin_store_request_t){.events_count = transfers};
            events += transfers;
        }
    }
    return events;
}

void florin_transactions_create(florin_transactions_t *self, florin_call_t *calls, size_t count,
                                florin_arena_t *arena)
{
    size_t merged = 0, first = 0;
    florin_error_t error = {0};
    size_t events = merge(self, calls, count, &merged, arena);
    if (merged == 0)
        return;
    florin_verdicts_ask(&self->verdicts, self->wires, self->events, events);
    int code = florin_store_create_transfers(
        self->store, self->ledger, self->events, self->outcomes, self->requests, merged,
        self->verdicts.limits, self->verdicts.limits_count, &error);
    for (size_t i = 0; i < merged; i++) {
        const florin_store_request_t *request = &self->requests[i];
        if (code || request->error.code)
            florin_call_fail_error(self->merged[i], arena, code ? &error : &request->error);
        else if (!fill(self, self->merged[i]->reply, first, request->events_count, arena))
            florin_call_fail_memory(self->merged[i], arena);
        first += request->events_count;
    }
}

/* Adds the accounts as they would be. */
static bool fill_accounts(const florin_transactions_t *self,
                          Florin__V1__CreateTransfersReply *reply, florin_arena_t *arena)
{
    size_t count = florin_ledger_changed_count(self->ledger);
    reply->accounts = florin_arena_calloc(arena, count, sizeof(*reply->accounts));
    if (!reply->accounts)
        return false;
    for (; reply->n_accounts < count; reply->n_accounts++) {
        const florin_account_t *account = florin_ledger_changed(self->ledger, reply->n_accounts);
        reply->accounts[reply->n_accounts] = florin_convert_account_out(account, arena);
        if (!reply->accounts[reply->n_accounts])
            return false;
    }
    return true;
}

static void try_call(florin_transactions_t *self, florin_call_t *call, florin_arena_t *arena)
{
    const Florin__V1__CreateTransfersRequest *request = call->request->create_transfers;
    size_t count = request->n_transfers;
    florin_error_t error = {0};
    int code = convert(self, request, 0, &error);
    if (code == 0 && count > 0) {
        florin_verdicts_ask(&self->verdicts, self->wires, self->events, count);
        code = florin_store_try_transfers(self->store, self->ledger, self->events, self->outcomes,
                                          count, self->verdicts.limits, self->verdicts.limits_count,
                                          &error);
    }
    if (code)
        florin_call_fail_error(call, arena, &error);
    else if (!fill(self, call->reply, 0, count, arena) ||
             (count > 0 && !fill_accounts(self, call->reply->create_transfers, arena)))
        florin_call_fail_memory(call, arena);
}

void florin_transactions_try(florin_transactions_t *self, florin_call_t *calls, size_t count,
                             florin_arena_t *arena)
{
    for (size_t i = 0; i < count; i++)
        if (creates(calls[i].request, true) && !florin_call_expired(&calls[i], arena))
            try_call(self, &calls[i], arena);
}
