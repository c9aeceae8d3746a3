#include "client/cli/lookup.h"

#include "client/cli/ids.h"

int lookup_accounts(cli_t *cli, ProtobufCBinaryData *ids, size_t count, const char *what,
                    Florin__V1__Reply **reply)
{
    Florin__V1__LookupAccountsRequest lookup = FLORIN__V1__LOOKUP_ACCOUNTS_REQUEST__INIT;
    lookup.n_ids = count;
    lookup.ids = ids;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_LOOKUP_ACCOUNTS;
    request.lookup_accounts = &lookup;
    return cli_call(cli, "accounts", &request, what, reply);
}

int lookup_transfers(cli_t *cli, ProtobufCBinaryData *ids, size_t count, const char *what,
                     Florin__V1__Reply **reply)
{
    Florin__V1__LookupTransfersRequest lookup = FLORIN__V1__LOOKUP_TRANSFERS_REQUEST__INIT;
    lookup.n_ids = count;
    lookup.ids = ids;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_LOOKUP_TRANSFERS;
    request.lookup_transfers = &lookup;
    return cli_call(cli, "transactions", &request, what, reply);
}

/* All three lists are in the order asked, so what comes next in each is compared. */
lookup_transfer_t lookup_next(const Florin__V1__LookupTransfersReply *reply, florin_id_t id,
                              lookup_place_t *place)
{
    lookup_transfer_t found = {0};
    if (place->transfers < reply->n_transfers &&
        ids_of(&reply->transfers[place->transfers]->id) == id) {
        found.transfer = reply->transfers[place->transfers++];
        if (place->pending < reply->n_pending && ids_of(&reply->pending[place->pending]->id) == id)
            found.pending = reply->pending[place->pending++]->status;
    } else if (place->refused < reply->n_refused && reply->refused[place->refused]->transfer &&
               ids_of(&reply->refused[place->refused]->transfer->id) == id) {
        found.transfer = reply->refused[place->refused]->transfer;
        found.result = reply->refused[place->refused++]->result;
    }
    return found;
}

/* CLI_DONE when there was an answer; *account is NULL when there is none. */
static int ask_for_account(cli_t *cli, ProtobufCBinaryData id, const char *what,
                           Florin__V1__Reply **reply, const Florin__V1__Account **account)
{
    *account = NULL;
    int code = lookup_accounts(cli, &id, 1, what, reply);
    if (code == CLI_DONE && (*reply)->lookup_accounts->n_accounts > 0)
        *account = (*reply)->lookup_accounts->accounts[0];
    return code;
}

static int ask_for_transfer(cli_t *cli, ProtobufCBinaryData id, const char *what,
                            Florin__V1__Reply **reply, lookup_transfer_t *found)
{
    *found = (lookup_transfer_t){0};
    int code = lookup_transfers(cli, &id, 1, what, reply);
    if (code == CLI_DONE)
        *found = lookup_next((*reply)->lookup_transfers, ids_of(&id), &(lookup_place_t){0});
    return code;
}

int lookup_account(cli_t *cli, florin_id_t id, Florin__V1__Reply **reply,
                   const Florin__V1__Account **account)
{
    char what[IDS_NAME_BYTES];
    uint8_t bytes[FLORIN_ID_BYTES];
    int code =
        ask_for_account(cli, ids_field(id, bytes), ids_name("account", id, what), reply, account);
    return code == CLI_DONE && !*account ? lookup_tell_no_account(cli, id) : code;
}

int lookup_transfer(cli_t *cli, florin_id_t id, Florin__V1__Reply **reply, lookup_transfer_t *found)
{
    char what[IDS_NAME_BYTES];
    uint8_t bytes[FLORIN_ID_BYTES];
    int code =
        ask_for_transfer(cli, ids_field(id, bytes), ids_name("transfer", id, what), reply, found);
    return code == CLI_DONE && !found->transfer ? lookup_tell_no_transfer(cli, id) : code;
}

bool lookup_account_quietly(cli_t *cli, const ProtobufCBinaryData *id, Florin__V1__Reply **reply,
                            const Florin__V1__Account **account)
{
    return ask_for_account(cli, *id, NULL, reply, account) == CLI_DONE && *account;
}

bool lookup_transfer_quietly(cli_t *cli, const ProtobufCBinaryData *id, Florin__V1__Reply **reply,
                             lookup_transfer_t *found)
{
    return ask_for_transfer(cli, *id, NULL, reply, found) == CLI_DONE && found->transfer;
}

int lookup_tell_no_account(cli_t *cli, florin_id_t id)
{
    char what[IDS_NAME_BYTES];
    cli_tell(cli, ids_name("account", id, what), "not_found",
             "there is none; `florin account open` opens it");
    return CLI_REFUSED;
}

int lookup_tell_no_transfer(cli_t *cli, florin_id_t id)
{
    char what[IDS_NAME_BYTES];
    cli_tell(cli, ids_name("transfer", id, what), "not_found",
             "there is none; its id is still free");
    return CLI_REFUSED;
}
