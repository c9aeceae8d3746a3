#include "workers/accounts/accounts.h"
#include "workers/runtime/messages/page.h"

static bool fill(Florin__V1__Reply *reply, const florin_account_t *accounts, size_t count,
                 const florin_place_t *next, florin_arena_t *arena)
{
    Florin__V1__ListAccountsReply *page = florin_arena_alloc(arena, sizeof(*page));
    if (!page)
        return false;
    florin__v1__list_accounts_reply__init(page);
    page->accounts = florin_arena_calloc(arena, count, sizeof(*page->accounts));
    if (!page->accounts)
        return false;
    for (; page->n_accounts < count; page->n_accounts++) {
        Florin__V1__Account *wire = florin_convert_account_out(&accounts[page->n_accounts], arena);
        if (!wire)
            return false;
        page->accounts[page->n_accounts] = wire;
    }
    if (next->timestamp != 0 &&
        !florin_page_cursor(next->timestamp, next->id, arena, &page->next_cursor))
        return false;
    reply->result_case = FLORIN__V1__REPLY__RESULT_LIST_ACCOUNTS;
    reply->list_accounts = page;
    reply->status = FLORIN__V1__STATUS__STATUS_OK;
    return true;
}

static void answer(florin_accounts_t *self, florin_call_t *call, florin_arena_t *arena)
{
    florin_list_query_t query;
    florin_error_t error = {0};
    size_t count;
    florin_place_t next;
    if (florin_page_query(call->request->list_accounts->filter, &query, &error) ||
        florin_store_list_accounts(self->store, &query, self->accounts, &count, &next, &error))
        florin_call_fail_error(call, arena, &error);
    else if (!fill(call->reply, self->accounts, count, &next, arena))
        florin_call_fail_memory(call, arena);
}

void florin_accounts_list(florin_accounts_t *self, florin_call_t *calls, size_t count,
                          florin_arena_t *arena)
{
    for (size_t i = 0; i < count; i++)
        if (calls[i].request->operation_case == FLORIN__V1__REQUEST__OPERATION_LIST_ACCOUNTS &&
            !florin_call_expired(&calls[i], arena))
            answer(self, &calls[i], arena);
}
