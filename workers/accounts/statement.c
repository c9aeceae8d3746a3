#include "workers/accounts/accounts.h"
#include "workers/runtime/messages/page.h"

size_t florin_accounts_statement_limit(const Florin__V1__StatementRequest *request)
{
    return request->limit == 0 ? FLORIN_STATEMENT_LIMIT_DEFAULT : request->limit;
}

static bool fill_entry(Florin__V1__StatementEntry *wire, const florin_statement_entry_t *entry,
                       florin_arena_t *arena)
{
    florin__v1__statement_entry__init(wire);
    wire->transfer = florin_convert_transfer_out(&entry->transfer, arena);
    wire->debits_pending = entry->after.debits_pending;
    wire->debits_posted = entry->after.debits_posted;
    wire->credits_pending = entry->after.credits_pending;
    wire->credits_posted = entry->after.credits_posted;
    wire->expired = entry->expired;
    wire->timestamp = entry->timestamp;
    return wire->transfer != NULL;
}

static bool fill(Florin__V1__Reply *reply, const florin_statement_entry_t *entries, size_t count,
                 bool more, florin_arena_t *arena)
{
    Florin__V1__StatementReply *page = florin_arena_alloc(arena, sizeof(*page));
    Florin__V1__StatementEntry *wires = florin_arena_calloc(arena, count, sizeof(*wires));
    Florin__V1__StatementEntry **list = florin_arena_calloc(arena, count, sizeof(*list));
    if (!page || !wires || !list)
        return false;
    florin__v1__statement_reply__init(page);
    for (size_t i = 0; i < count; i++) {
        if (!fill_entry(&wires[i], &entries[i], arena))
            return false;
        list[i] = &wires[i];
    }
    page->n_entries = count;
    page->entries = list;
    /* Timestamps are unique along an account: the last one is where the next page begins. */
    page->next_cursor = more && count > 0 ? entries[count - 1].timestamp : 0;
    reply->result_case = FLORIN__V1__REPLY__RESULT_STATEMENT;
    reply->statement = page;
    reply->status = FLORIN__V1__STATUS__STATUS_OK;
    return true;
}

static int check(const Florin__V1__StatementRequest *request, florin_error_t *error)
{
    if (request->limit > FLORIN_STATEMENT_ENTRIES_MAX)
        return florin_error_set(error, FLORIN_ERROR_TOO_LARGE,
                                "limit: %u; a page has at most %d entries: ask for the others with "
                                "next_cursor",
                                request->limit, FLORIN_STATEMENT_ENTRIES_MAX);
    if (florin_page_number("from_timestamp", request->from_timestamp, INT64_MAX - 1, error) ||
        florin_page_number("until_timestamp", request->until_timestamp, INT64_MAX, error) ||
        florin_page_number("cursor", request->cursor, INT64_MAX - 1, error))
        return error->code;
    return 0;
}

static void answer(florin_accounts_t *self, florin_call_t *call, florin_arena_t *arena)
{
    const Florin__V1__StatementRequest *request = call->request->statement;
    florin_statement_query_t query = {.from = request->from_timestamp,
                                      .until = request->until_timestamp,
                                      .after = request->cursor,
                                      .limit = florin_accounts_statement_limit(request),
                                      .newest_first = request->newest_first};
    florin_error_t error = {0};
    size_t count = 0;
    bool more = false;
    if (check(request, &error) ||
        florin_convert_id(&request->account_id, "account_id", FLORIN_CONVERT_NO_INDEX,
                          &query.account_id, &error) ||
        florin_store_statement(self->store, &query, self->entries, &count, &more, &error))
        florin_call_fail_error(call, arena, &error);
    else if (!fill(call->reply, self->entries, count, more, arena))
        florin_call_fail_memory(call, arena);
}

void florin_accounts_statement(florin_accounts_t *self, florin_call_t *calls, size_t count,
                               florin_arena_t *arena)
{
    for (size_t i = 0; i < count; i++)
        if (calls[i].request->operation_case == FLORIN__V1__REQUEST__OPERATION_STATEMENT &&
            !florin_call_expired(&calls[i], arena))
            answer(self, &calls[i], arena);
}
