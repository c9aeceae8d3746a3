#include "workers/accounts/accounts.h"
#include "workers/runtime/messages/convert.h"

/* Appends a call's accounts to the batch. */
static int convert(florin_accounts_t *self, const Florin__V1__OpenAccountsRequest *request,
                   size_t events, florin_error_t *error)
{
    for (size_t i = 0; i < request->n_accounts; i++)
        if (florin_convert_account(request->accounts[i], i, &self->accounts[events + i], error))
            return error->code;
    return 0;
}

static bool fill(Florin__V1__Reply *reply, const florin_account_outcome_t *outcomes, size_t count,
                 florin_arena_t *arena)
{
    Florin__V1__OpenAccountsReply *opened = florin_arena_alloc(arena, sizeof(*opened));
    Florin__V1__AccountResult *results = florin_arena_calloc(arena, count, sizeof(*results));
    Florin__V1__AccountResult **list = florin_arena_calloc(arena, count, sizeof(*list));
    if (!opened || !results || !list)
        return false;
    florin__v1__open_accounts_reply__init(opened);
    for (size_t i = 0; i < count; i++) {
        florin__v1__account_result__init(&results[i]);
        results[i].result = (Florin__V1__OpenAccountResult)outcomes[i].result;
        results[i].timestamp = outcomes[i].timestamp;
        list[i] = &results[i];
    }
    opened->n_results = count;
    opened->results = list;
    reply->result_case = FLORIN__V1__REPLY__RESULT_OPEN_ACCOUNTS;
    reply->open_accounts = opened;
    reply->status = FLORIN__V1__STATUS__STATUS_OK;
    return true;
}

static void answer(florin_accounts_t *self, size_t merged, florin_arena_t *arena)
{
    const florin_account_outcome_t *outcomes = self->outcomes;
    for (size_t i = 0; i < merged; i++) {
        florin_store_request_t *request = &self->requests[i];
        if (request->error.code)
            florin_call_fail_error(self->merged[i], arena, &request->error);
        else if (!fill(self->merged[i]->reply, outcomes, request->events_count, arena))
            florin_call_fail_memory(self->merged[i], arena);
        outcomes += request->events_count;
    }
}

void florin_accounts_open(florin_accounts_t *self, florin_call_t *calls, size_t count,
                          florin_arena_t *arena)
{
    size_t merged = 0, events = 0;
    florin_error_t error = {0};
    for (size_t i = 0; i < count; i++) {
        const Florin__V1__Request *request = calls[i].request;
        if (request->operation_case != FLORIN__V1__REQUEST__OPERATION_OPEN_ACCOUNTS)
            continue;
        size_t accounts = request->open_accounts->n_accounts;
        if (convert(self, request->open_accounts, events, &error)) {
            florin_call_fail_error(&calls[i], arena, &error);
        } else if (accounts == 0) {
            if (!fill(calls[i].reply, NULL, 0, arena))
                florin_call_fail_memory(&calls[i], arena);
        } else {
            self->merged[merged] = &calls[i];
            self->requests[merged++] = (florin_store_request_t){.events_count = accounts};
            events += accounts;
        }
    }
    if (merged == 0)
        return;
    if (florin_store_open_accounts(self->store, self->ledger, self->accounts, self->outcomes,
                                   self->requests, merged, &error)) {
        for (size_t i = 0; i < merged; i++)
            florin_call_fail_error(self->merged[i], arena, &error);
        return;
    }
    answer(self, merged, arena);
}
