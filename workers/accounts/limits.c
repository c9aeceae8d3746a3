#include "workers/accounts/accounts.h"
#include "workers/runtime/messages/page.h"

/* Appends a call's limits to the batch. */
static int convert(florin_accounts_t *self, const Florin__V1__SetCreditLimitsRequest *request,
                   size_t events, florin_error_t *error)
{
    for (size_t i = 0; i < request->n_limits; i++) {
        florin_limit_event_t *event = &self->limits[events + i];
        event->credit_limit = request->limits[i]->credit_limit;
        if (florin_convert_id(&request->limits[i]->account_id, "limits", i, &event->account_id,
                              error))
            return error->code;
        if (event->credit_limit > FLORIN_LEDGER_AMOUNT_MAX)
            return florin_error_set(error, FLORIN_ERROR_INVALID,
                                    "limits[%zu].credit_limit: %llu; it is at most %llu", i,
                                    (unsigned long long)event->credit_limit,
                                    (unsigned long long)FLORIN_LEDGER_AMOUNT_MAX);
    }
    return 0;
}

static bool fill(Florin__V1__Reply *reply, const florin_limit_outcome_t *outcomes, size_t count,
                 florin_arena_t *arena)
{
    Florin__V1__SetCreditLimitsReply *set = florin_arena_alloc(arena, sizeof(*set));
    Florin__V1__CreditLimitResult *results = florin_arena_calloc(arena, count, sizeof(*results));
    Florin__V1__CreditLimitResult **list = florin_arena_calloc(arena, count, sizeof(*list));
    if (!set || !results || !list)
        return false;
    florin__v1__set_credit_limits_reply__init(set);
    for (size_t i = 0; i < count; i++) {
        florin__v1__credit_limit_result__init(&results[i]);
        results[i].result = (Florin__V1__SetCreditLimitResult)outcomes[i].result;
        results[i].timestamp = outcomes[i].timestamp;
        list[i] = &results[i];
    }
    set->n_results = count;
    set->results = list;
    reply->result_case = FLORIN__V1__REPLY__RESULT_SET_CREDIT_LIMITS;
    reply->set_credit_limits = set;
    reply->status = FLORIN__V1__STATUS__STATUS_OK;
    return true;
}

/* Converts the calls into one batch; those that can't be are answered. Returns how many requests
 * it has. */
static size_t merge(florin_accounts_t *self, florin_call_t *calls, size_t count,
                    florin_arena_t *arena)
{
    size_t merged = 0, events = 0;
    florin_error_t error = {0};
    for (size_t i = 0; i < count; i++) {
        const Florin__V1__Request *request = calls[i].request;
        if (request->operation_case != FLORIN__V1__REQUEST__OPERATION_SET_CREDIT_LIMITS)
            continue;
        size_t limits = request->set_credit_limits->n_limits;
        if (convert(self, request->set_credit_limits, events, &error)) {
            florin_call_fail_error(&calls[i], arena, &error);
        } else if (limits == 0) {
            if (!fill(calls[i].reply, NULL, 0, arena))
                florin_call_fail_memory(&calls[i], arena);
        } else {
            self->merged[merged] = &calls[i];
            self->requests[merged++] = (florin_store_request_t){.events_count = limits};
            events += limits;
        }
    }
    return merged;
}

void florin_accounts_set_limits(florin_accounts_t *self, florin_call_t *calls, size_t count,
                                florin_arena_t *arena)
{
    florin_error_t error = {0};
    size_t merged = merge(self, calls, count, arena), first = 0;
    if (merged == 0)
        return;
    int code = florin_store_set_credit_limits(self->store, self->ledger, self->limits,
                                              self->limit_outcomes, self->requests, merged, &error);
    for (size_t i = 0; i < merged; i++) {
        const florin_store_request_t *request = &self->requests[i];
        if (code || request->error.code)
            florin_call_fail_error(self->merged[i], arena, code ? &error : &request->error);
        else if (!fill(self->merged[i]->reply, self->limit_outcomes + first, request->events_count,
                       arena))
            florin_call_fail_memory(self->merged[i], arena);
        first += request->events_count;
    }
}
