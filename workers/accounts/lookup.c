#include <assert.h>

#include "workers/accounts/accounts.h"
#include "workers/runtime/messages/convert.h"

static_assert(offsetof(florin_account_t, id) == 0, "a row begins with its id");

static int read_rows(florin_store_t *store, const florin_id_t *ids, size_t ids_count, void *rows,
                     size_t *found, florin_error_t *error)
{
    return florin_store_lookup_accounts(store, ids, ids_count, rows, found, error);
}

static bool fill(Florin__V1__Reply *reply, const void *rows, size_t count, florin_arena_t *arena)
{
    const florin_account_t *accounts = rows;
    Florin__V1__LookupAccountsReply *found = florin_arena_alloc(arena, sizeof(*found));
    Florin__V1__Account **list = florin_arena_calloc(arena, count, sizeof(*list));
    if (!found || !list)
        return false;
    florin__v1__lookup_accounts_reply__init(found);
    for (size_t i = 0; i < count; i++)
        if (!(list[i] = florin_convert_account_out(&accounts[i], arena)))
            return false;
    found->n_accounts = count;
    found->accounts = list;
    reply->result_case = FLORIN__V1__REPLY__RESULT_LOOKUP_ACCOUNTS;
    reply->lookup_accounts = found;
    reply->status = FLORIN__V1__STATUS__STATUS_OK;
    return true;
}

void florin_accounts_lookup(florin_accounts_t *self, florin_call_t *calls, size_t count,
                            florin_arena_t *arena)
{
    static const florin_lookup_kind_t kind = {FLORIN__V1__REQUEST__OPERATION_LOOKUP_ACCOUNTS,
                                              read_rows, fill, sizeof(self->accounts[0])};
    florin_lookup_run(&self->lookup, &kind, self->store, self->accounts, calls, count, arena);
}
