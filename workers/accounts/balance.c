#include "workers/accounts/accounts.h"
#include "workers/runtime/messages/page.h"

static bool fill(Florin__V1__Reply *reply, const florin_balances_t *balances, uint64_t changed_at,
                 florin_arena_t *arena)
{
    Florin__V1__BalanceAtReply *at = florin_arena_alloc(arena, sizeof(*at));
    if (!at)
        return false;
    florin__v1__balance_at_reply__init(at);
    at->debits_pending = balances->debits_pending;
    at->debits_posted = balances->debits_posted;
    at->credits_pending = balances->credits_pending;
    at->credits_posted = balances->credits_posted;
    at->changed_at = changed_at;
    reply->result_case = FLORIN__V1__REPLY__RESULT_BALANCE_AT;
    reply->balance_at = at;
    reply->status = FLORIN__V1__STATUS__STATUS_OK;
    return true;
}

static void answer(florin_accounts_t *self, florin_call_t *call, florin_arena_t *arena)
{
    const Florin__V1__BalanceAtRequest *request = call->request->balance_at;
    /* Now is the end of time: an account may be ahead of this worker's clock. */
    uint64_t timestamp = request->timestamp ? request->timestamp : FLORIN_LEDGER_TIMESTAMP_MAX - 1;
    florin_balances_t balances;
    florin_error_t error = {0};
    florin_id_t id = 0;
    uint64_t changed_at = 0;
    if (florin_page_number("timestamp", timestamp, FLORIN_LEDGER_TIMESTAMP_MAX - 1, &error) ||
        florin_convert_id(&request->account_id, "account_id", FLORIN_CONVERT_NO_INDEX, &id,
                          &error) ||
        florin_store_balances_at(self->store, id, timestamp, &balances, &changed_at, &error))
        florin_call_fail_error(call, arena, &error);
    else if (!fill(call->reply, &balances, changed_at, arena))
        florin_call_fail_memory(call, arena);
}

void florin_accounts_balance_at(florin_accounts_t *self, florin_call_t *calls, size_t count,
                                florin_arena_t *arena)
{
    for (size_t i = 0; i < count; i++)
        if (calls[i].request->operation_case == FLORIN__V1__REQUEST__OPERATION_BALANCE_AT &&
            !florin_call_expired(&calls[i], arena))
            answer(self, &calls[i], arena);
}
