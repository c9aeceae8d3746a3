/* A request as the books take it: filters and cursors, accounts, transfers, ids and limits. What
 * passes is within the books' bounds, and what is refused names its field. */
#include "test/fuzz/fuzz.h"
#include "workers/runtime/messages/page.h"

/* Of one program only: compiled into its fuzzer, which stands in for the books. */
#include "workers/accounts/limits.c"

#define ARENA_BYTES (64u * 1024 * 1024)

static florin_arena_t *arena;
static florin_accounts_t *accounts;

/* A bad field has its error, and nothing else has. */
static bool passes(int code, const char *field, const florin_error_t *error)
{
    if (code == 0)
        return true;
    HOLDS(code == FLORIN_ERROR_INVALID || code == FLORIN_ERROR_TOO_LARGE);
    HOLDS(error->code == code && strncmp(error->message, field, strlen(field)) == 0);
    return false;
}

static void use_filter(const Florin__V1__Filter *filter)
{
    florin_list_query_t query;
    florin_error_t error = {0};
    ProtobufCBinaryData cursor;
    size_t limit = florin_page_limit(filter);
    HOLDS(limit >= 1 && limit <= FLORIN_EVENTS_MAX);
    if (!passes(florin_page_query(filter, &query, &error), "filter.", &error))
        return;
    HOLDS(query.limit == limit && query.from <= INT64_MAX && query.until <= INT64_MAX);
    HOLDS(query.after_timestamp <= INT64_MAX);
    HOLDS(florin_page_cursor(query.after_timestamp, query.after_id, arena, &cursor));
    if (filter && filter->cursor.len > 0)
        HOLDS(cursor.len == filter->cursor.len &&
              memcmp(cursor.data, filter->cursor.data, cursor.len) == 0);
    if (filter)
        HOLDS(query.ledger == filter->ledger && query.code == filter->code);
}

static void use_accounts(const Florin__V1__OpenAccountsRequest *request)
{
    for (size_t i = 0; i < request->n_accounts; i++) {
        florin_account_t account;
        florin_error_t error = {0};
        if (!passes(florin_convert_account(request->accounts[i], i, &account, &error), "accounts[",
                    &error))
            continue;
        const Florin__V1__Account *back = florin_convert_account_out(&account, arena);
        HOLDS(back && back->code == request->accounts[i]->code);
        HOLDS(back->credit_limit == request->accounts[i]->credit_limit);
        HOLDS(account.credit_limit <= FLORIN_LEDGER_AMOUNT_MAX);
    }
}

static void use_transfers(const Florin__V1__CreateTransfersRequest *request)
{
    for (size_t i = 0; i < request->n_transfers; i++) {
        const Florin__V1__Transfer *wire = request->transfers[i];
        florin_transfer_t transfer, again;
        florin_error_t error = {0};
        if (!passes(florin_convert_transfer(wire, i, &transfer, &error), "transfers[", &error))
            continue;
        HOLDS(transfer.amount <= FLORIN_LEDGER_AMOUNT_MAX);
        const Florin__V1__Transfer *back = florin_convert_transfer_out(&transfer, arena);
        HOLDS(back && florin_convert_transfer(back, i, &again, &error) == 0);
        HOLDS(again.id == transfer.id && again.pending_id == transfer.pending_id);
        HOLDS(again.flags == wire->flags && again.timeout_s == wire->timeout);
        HOLDS(strcmp(back->reference, wire->reference) == 0);
    }
}

/* The books: they get only what they may be asked. */
int florin_store_set_credit_limits(florin_store_t *self, florin_ledger_t *ledger,
                                   const florin_limit_event_t *events,
                                   florin_limit_outcome_t *outcomes,
                                   florin_store_request_t *requests, size_t requests_count,
                                   florin_error_t *error)
{
    (void)self;
    (void)ledger;
    (void)error;
    HOLDS(requests_count == 1 && requests[0].events_count >= 1);
    for (size_t i = 0; i < requests[0].events_count; i++) {
        HOLDS(events[i].credit_limit <= FLORIN_LEDGER_AMOUNT_MAX);
        outcomes[i] = (florin_limit_outcome_t){.timestamp = events[i].credit_limit};
    }
    return 0;
}

static void use_limits(const Florin__V1__Request *request)
{
    Florin__V1__Reply reply = FLORIN__V1__REPLY__INIT;
    florin_call_t call = {.request = request, .reply = &reply};
    size_t count = request->set_credit_limits->n_limits;
    florin_accounts_set_limits(accounts, &call, 1, arena);
    if (reply.status != FLORIN__V1__STATUS__STATUS_OK) {
        HOLDS(reply.status == FLORIN__V1__STATUS__STATUS_BAD_REQUEST);
        HOLDS(strncmp(reply.message, "limits[", 7) == 0);
        return;
    }
    HOLDS(reply.set_credit_limits->n_results == count);
    for (size_t i = 0; i < count; i++)
        HOLDS(reply.set_credit_limits->results[i]->timestamp ==
              request->set_credit_limits->limits[i]->credit_limit);
}

static void use(const Florin__V1__Request *request)
{
    switch (request->operation_case) {
    case FLORIN__V1__REQUEST__OPERATION_LIST_ACCOUNTS:
        use_filter(request->list_accounts->filter);
        break;
    case FLORIN__V1__REQUEST__OPERATION_LIST_TRANSFERS:
        use_filter(request->list_transfers->filter);
        break;
    case FLORIN__V1__REQUEST__OPERATION_OPEN_ACCOUNTS:
        use_accounts(request->open_accounts);
        break;
    case FLORIN__V1__REQUEST__OPERATION_CREATE_TRANSFERS:
        use_transfers(request->create_transfers);
        break;
    case FLORIN__V1__REQUEST__OPERATION_SET_CREDIT_LIMITS:
        use_limits(request);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!arena) {
        arena = florin_arena_new(ARENA_BYTES);
        accounts = calloc(1, sizeof(*accounts));
    }
    HOLDS(arena && accounts);
    florin_arena_reset(arena);
    Florin__V1__Request *request =
        florin__v1__request__unpack(florin_arena_protobuf(arena), size, data);
    if (request)
        use(request);
    return 0;
}
