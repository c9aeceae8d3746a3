#include "bench/books.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bench/traffic.h"
#include "lib/limits.h"

/* The reply of status OK and that kind to a request, which the caller frees; NULL after an error.
 */
static Florin__V1__Reply *ask(florin_client_t *client, const char *service,
                              const Florin__V1__Request *request,
                              Florin__V1__Reply__ResultCase kind, florin_error_t *error)
{
    Florin__V1__Reply *reply;
    if (florin_client_call(client, service, request, &reply, error) != 0)
        return NULL;
    if (reply->status == FLORIN__V1__STATUS__STATUS_OK && reply->result_case == kind)
        return reply;
    (void)florin_error_set(error, FLORIN_ERROR_REFUSED, "service %s: %s: %s", service,
                           florin_status_name(reply->status), reply->message);
    florin__v1__reply__free_unpacked(reply, NULL);
    return NULL;
}

static int check_opened(const Florin__V1__OpenAccountsReply *reply, size_t first,
                        florin_error_t *error)
{
    for (size_t i = 0; i < reply->n_results; i++) {
        Florin__V1__OpenAccountResult result = reply->results[i]->result;
        char text[FLORIN_ID_TEXT_BYTES];
        if (result != FLORIN__V1__OPEN_ACCOUNT_RESULT__OPEN_ACCOUNT_RESULT_CREATED &&
            result != FLORIN__V1__OPEN_ACCOUNT_RESULT__OPEN_ACCOUNT_RESULT_EXISTS)
            return florin_error_set(error, FLORIN_ERROR_REFUSED, "account %s: not opened: %d",
                                    florin_id_format(traffic_account(first + i), text), result);
    }
    return 0;
}

static int open_some(florin_client_t *client, size_t first, size_t count, florin_error_t *error)
{
    static Florin__V1__Account accounts[FLORIN_EVENTS_MAX];
    static Florin__V1__Account *pointers[FLORIN_EVENTS_MAX];
    static uint8_t ids[FLORIN_EVENTS_MAX][FLORIN_ID_BYTES];
    for (size_t i = 0; i < count; i++) {
        florin_id_to_bytes(traffic_account(first + i), ids[i]);
        florin__v1__account__init(&accounts[i]);
        accounts[i].id = (ProtobufCBinaryData){FLORIN_ID_BYTES, ids[i]};
        accounts[i].ledger = TRAFFIC_LEDGER;
        accounts[i].code = TRAFFIC_CODE;
        pointers[i] = &accounts[i];
    }
    Florin__V1__OpenAccountsRequest open = FLORIN__V1__OPEN_ACCOUNTS_REQUEST__INIT;
    open.accounts = pointers;
    open.n_accounts = count;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_OPEN_ACCOUNTS;
    request.open_accounts = &open;
    Florin__V1__Reply *reply =
        ask(client, "accounts", &request, FLORIN__V1__REPLY__RESULT_OPEN_ACCOUNTS, error);
    if (!reply)
        return error->code;
    int rc = check_opened(reply->open_accounts, first, error);
    florin__v1__reply__free_unpacked(reply, NULL);
    return rc;
}

int books_open(florin_client_t *client, size_t count, florin_error_t *error)
{
    int rc = 0;
    for (size_t first = 0; first < count && rc == 0; first += FLORIN_EVENTS_MAX)
        rc =
            open_some(client, first,
                      count - first < FLORIN_EVENTS_MAX ? count - first : FLORIN_EVENTS_MAX, error);
    return rc;
}

int books_moved(florin_client_t *client, uint64_t *moved, florin_error_t *error)
{
    Florin__V1__TrialBalanceRequest empty = FLORIN__V1__TRIAL_BALANCE_REQUEST__INIT;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_TRIAL_BALANCE;
    request.trial_balance = &empty;
    Florin__V1__Reply *reply =
        ask(client, "accounts", &request, FLORIN__V1__REPLY__RESULT_TRIAL_BALANCE, error);
    if (!reply)
        return error->code;
    int rc = 0;
    *moved = 0;
    for (size_t i = 0; i < reply->trial_balance->n_rows && rc == 0; i++) {
        const Florin__V1__TrialBalanceRow *row = reply->trial_balance->rows[i];
        if (row->ledger != TRAFFIC_LEDGER || row->code != TRAFFIC_CODE)
            continue;
        *moved = strtoull(row->debits_posted, NULL, 10);
        if (strcmp(row->debits_posted, row->credits_posted) != 0 ||
            strcmp(row->debits_pending, row->credits_pending) != 0)
            rc = florin_error_set(error, FLORIN_ERROR_REFUSED,
                                  "debits and credits differ: %s and %s posted, %s and %s pending",
                                  row->debits_posted, row->credits_posted, row->debits_pending,
                                  row->credits_pending);
    }
    florin__v1__reply__free_unpacked(reply, NULL);
    return rc;
}

static int check_found(const Florin__V1__LookupTransfersReply *reply, const florin_id_t *ids,
                       size_t count, florin_error_t *error)
{
    char text[FLORIN_ID_TEXT_BYTES];
    for (size_t i = 0; i < count; i++) {
        const Florin__V1__Transfer *found = i < reply->n_transfers ? reply->transfers[i] : NULL;
        if (!found || found->id.len != FLORIN_ID_BYTES ||
            florin_id_from_bytes(found->id.data) != ids[i])
            return florin_error_set(error, FLORIN_ERROR_REFUSED,
                                    "transfer %s was acknowledged and is not in the books",
                                    florin_id_format(ids[i], text));
        if (found->amount != traffic_amount(ids[i]))
            return florin_error_set(
                error, FLORIN_ERROR_REFUSED,
                "transfer %s is in the books with %" PRIu64 " minor units, and had %" PRIu64,
                florin_id_format(ids[i], text), found->amount, traffic_amount(ids[i]));
    }
    return 0;
}

int books_find(florin_client_t *client, const florin_id_t *ids, size_t count, florin_error_t *error)
{
    static ProtobufCBinaryData wanted[FLORIN_EVENTS_MAX];
    static uint8_t bytes[FLORIN_EVENTS_MAX][FLORIN_ID_BYTES];
    for (size_t i = 0; i < count; i++) {
        florin_id_to_bytes(ids[i], bytes[i]);
        wanted[i] = (ProtobufCBinaryData){FLORIN_ID_BYTES, bytes[i]};
    }
    Florin__V1__LookupTransfersRequest lookup = FLORIN__V1__LOOKUP_TRANSFERS_REQUEST__INIT;
    lookup.ids = wanted;
    lookup.n_ids = count;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_LOOKUP_TRANSFERS;
    request.lookup_transfers = &lookup;
    Florin__V1__Reply *reply =
        ask(client, "transactions", &request, FLORIN__V1__REPLY__RESULT_LOOKUP_TRANSFERS, error);
    if (!reply)
        return error->code;
    int rc = check_found(reply->lookup_transfers, ids, count, error);
    florin__v1__reply__free_unpacked(reply, NULL);
    return rc;
}
