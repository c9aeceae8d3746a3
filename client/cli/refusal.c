#include "client/cli/refusal.h"

#include <string.h>

#include "client/cli/ids.h"
#include "client/cli/values.h"
#include "client/cli/wire.h"

#define ACCOUNT(name)  FLORIN__V1__OPEN_ACCOUNT_RESULT__OPEN_ACCOUNT_RESULT_##name
#define TRANSFER(name) FLORIN__V1__CREATE_TRANSFER_RESULT__CREATE_TRANSFER_RESULT_##name

/* The command's own requests give no cause for the others. */
#define UNEXPECTED "this florin does not know what to do about it: is it older than the workers?"

bool refusal_none_account(Florin__V1__OpenAccountResult result)
{
    return result == ACCOUNT(CREATED) || result == ACCOUNT(EXISTS);
}

bool refusal_none_transfer(Florin__V1__CreateTransferResult result)
{
    return result == TRANSFER(CREATED) || result == TRANSFER(EXISTS);
}

/* The result's own fields, with the id before them. */
static json_t *with_id(const ProtobufCBinaryData *id, const ProtobufCMessage *result)
{
    char text[FLORIN_ID_TEXT_BYTES];
    json_t *object = json_object();
    (void)json_object_set_new(object, "id", json_string(florin_id_format_uuid(ids_of(id), text)));
    json_t *rest = wire_json(result);
    (void)json_object_update(object, rest);
    json_decref(rest);
    return object;
}

json_t *refusal_account_json(const ProtobufCBinaryData *id, const Florin__V1__AccountResult *result)
{
    return with_id(id, &result->base);
}

json_t *refusal_transfer_json(const ProtobufCBinaryData *id,
                              const Florin__V1__TransferResult *result)
{
    json_t *object = with_id(id, &result->base);
    if (result->result != TRANSFER(ID_ALREADY_FAILED)) /* else it says nothing */
        (void)json_object_del(object, "first_result");
    return object;
}

/* ---------------------------------------------------------------------------------- sentences */

void refusal_explain_account(const Florin__V1__AccountResult *result, char *text, size_t bytes)
{
    const char *advice = UNEXPECTED;
    switch (result->result) {
    case ACCOUNT(EXISTS_WITH_DIFFERENT_FLAGS):
    case ACCOUNT(EXISTS_WITH_DIFFERENT_USER_DATA):
    case ACCOUNT(EXISTS_WITH_DIFFERENT_LEDGER):
    case ACCOUNT(EXISTS_WITH_DIFFERENT_CODE):
    case ACCOUNT(EXISTS_WITH_DIFFERENT_CREDIT_LIMIT):
        advice = "this id is taken by an account that differs; compare it with `florin account "
                 "show`, or choose another id";
        break;
    case ACCOUNT(ID_MUST_NOT_BE_ZERO):
    case ACCOUNT(ID_MUST_NOT_BE_INT_MAX):
        advice = "choose another id, or give none and get a new one";
        break;
    case ACCOUNT(FLAGS_ARE_MUTUALLY_EXCLUSIVE):
        advice = "an account can be bound on one side only";
        break;
    default:
        break;
    }
    (void)snprintf(text, bytes, "%s", advice);
}

static void explain_risk(const Florin__V1__TransferResult *result, char *text, size_t bytes)
{
    char reasons[WIRE_NAME_BYTES * 4] = "";
    for (size_t i = 0, used = 0; i < result->n_reasons && used < sizeof reasons; i++) {
        char name[WIRE_NAME_BYTES];
        used += (size_t)snprintf(
            reasons + used, sizeof reasons - used, "%s%s", i ? ", " : "",
            wire_enum_name(&florin__v1__risk_reason__descriptor, (int)result->reasons[i], name));
    }
    (void)snprintf(text, bytes, "risk said no%s%s%s; the id is spent, another try needs a new one",
                   *reasons ? " (" : "", reasons, *reasons ? ")" : "");
}

/* What to do about a result, where that does not depend on anything else. */
static const char *transfer_advice(Florin__V1__CreateTransferResult result)
{
    switch (result) {
    case TRANSFER(DEBIT_ACCOUNT_NOT_FOUND):
        return "open the debit account first (`florin account open`); the id is spent, another "
               "try needs a new one";
    case TRANSFER(CREDIT_ACCOUNT_NOT_FOUND):
        return "open the credit account first (`florin account open`); the id is spent, another "
               "try needs a new one";
    case TRANSFER(ACCOUNTS_MUST_BE_DIFFERENT):
        return "money can't move from an account to itself";
    case TRANSFER(ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER):
        return "the two accounts are in different currencies";
    case TRANSFER(TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS):
        return "the accounts are in another currency; see `florin account show`";
    case TRANSFER(DEBIT_ACCOUNT_ALREADY_CLOSED):
    case TRANSFER(CREDIT_ACCOUNT_ALREADY_CLOSED):
        return "the account is closed; the id is spent, another try needs a new one";
    case TRANSFER(EXCEEDS_CREDITS):
        return "the debit account has too little; the id is spent, another try needs a new one";
    case TRANSFER(EXCEEDS_DEBITS):
        return "the credit account can't take that much; the id is spent, another try needs a new "
               "one";
    case TRANSFER(RISK_UNAVAILABLE):
        return "risk could not be asked and nothing moved; try again with the same id";
    case TRANSFER(NOT_AUTHORIZED):
        return "this key may not debit that account";
    case TRANSFER(ID_MUST_NOT_BE_ZERO):
    case TRANSFER(ID_MUST_NOT_BE_INT_MAX):
        return "choose another id, or give none and get a new one";
    case TRANSFER(DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO):
    case TRANSFER(DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX):
        return "no account has that id; name another debit account";
    case TRANSFER(CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO):
    case TRANSFER(CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX):
        return "no account has that id; name another credit account";
    case TRANSFER(OVERFLOWS_DEBITS_PENDING):
    case TRANSFER(OVERFLOWS_DEBITS_POSTED):
    case TRANSFER(OVERFLOWS_DEBITS):
        return "the debit account's debits would pass 2^63-1 minor units, the most that an account "
               "holds; nothing moved, and the id is still free";
    case TRANSFER(OVERFLOWS_CREDITS_PENDING):
    case TRANSFER(OVERFLOWS_CREDITS_POSTED):
    case TRANSFER(OVERFLOWS_CREDITS):
        return "the credit account's credits would pass 2^63-1 minor units, the most that an "
               "account holds; nothing moved, and the id is still free";
    default:
        return NULL;
    }
}

void refusal_explain_transfer(const Florin__V1__TransferResult *result, char *text, size_t bytes)
{
    const char *advice = transfer_advice(result->result);
    char first[WIRE_NAME_BYTES];
    if (result->result == TRANSFER(RISK_DECLINED))
        explain_risk(result, text, bytes);
    else if (result->result == TRANSFER(ID_ALREADY_FAILED))
        (void)snprintf(
            text, bytes,
            "this id was refused before, as %s, and stays so; another try needs a new id",
            wire_enum_name(&florin__v1__create_transfer_result__descriptor,
                           (int)result->first_result, first));
    else if (advice)
        (void)snprintf(text, bytes, "%s", advice);
    else if (result->result >= TRANSFER(EXISTS_WITH_DIFFERENT_FLAGS) &&
             result->result <= TRANSFER(EXISTS_WITH_DIFFERENT_CODE))
        (void)snprintf(text, bytes,
                       "this id was used for a transfer that differs; compare it with `florin "
                       "transfer show`, and take a new id for a new transfer");
    else
        (void)snprintf(text, bytes, UNEXPECTED);
}

/* ------------------------------------------------------------------------ with a look at accounts
 */

/* How much more an account may be debited (or credited, where that side is bound), now. */
static uint64_t room(const Florin__V1__Account *account, bool debit)
{
    uint64_t used = debit ? account->debits_pending + account->debits_posted
                          : account->credits_pending + account->credits_posted;
    uint64_t most =
        (debit ? account->credits_posted : account->debits_posted) + account->credit_limit;
    return most > used ? most - used : 0;
}

/* "account 1 can pay 3.00 EUR (balance 3.00 CR, credit limit 0.00)"; false when it can't be had. */
static bool describe_account(cli_t *cli, const ProtobufCBinaryData *id, bool debit, char *text,
                             size_t bytes)
{
    ProtobufCBinaryData ids[] = {*id};
    Florin__V1__LookupAccountsRequest lookup = FLORIN__V1__LOOKUP_ACCOUNTS_REQUEST__INIT;
    lookup.n_ids = 1;
    lookup.ids = ids;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_LOOKUP_ACCOUNTS;
    request.lookup_accounts = &lookup;
    Florin__V1__Reply *reply = NULL;
    bool done = false;
    /* Only to say more: whatever goes wrong here has been no part of the transfer. */
    if (florin_client_call(cli->client, "accounts", &request, &reply, NULL) == 0 &&
        reply->result_case == FLORIN__V1__REPLY__RESULT_LOOKUP_ACCOUNTS &&
        reply->lookup_accounts->n_accounts == 1) {
        const Florin__V1__Account *account = reply->lookup_accounts->accounts[0];
        char name[FLORIN_ID_TEXT_BYTES], money[VALUE_TEXT_BYTES], balance[VALUE_TEXT_BYTES],
            limit[VALUE_TEXT_BYTES];
        (void)snprintf(text, bytes,
                       "account %s can %s at most %s (balance %s, credit limit %s); the id is "
                       "spent, another try needs a new one",
                       florin_id_format(ids_of(id), name), debit ? "pay" : "take",
                       value_money(room(account, debit), account->ledger, money),
                       value_balance(account->debits_posted, account->credits_posted,
                                     account->ledger, balance),
                       value_amount(account->credit_limit, account->ledger, limit));
        done = true;
    }
    if (reply)
        florin__v1__reply__free_unpacked(reply, NULL);
    return done;
}

void refusal_tell_transfer(cli_t *cli, const Florin__V1__Transfer *transfer,
                           const Florin__V1__TransferResult *result)
{
    char id[FLORIN_ID_TEXT_BYTES], what[64], name[WIRE_NAME_BYTES],
        text[FLORIN_ERROR_MESSAGE_BYTES];
    bool debit = result->result == TRANSFER(EXCEEDS_CREDITS);
    bool credit = result->result == TRANSFER(EXCEEDS_DEBITS);
    const ProtobufCBinaryData *account =
        debit ? &transfer->debit_account_id : &transfer->credit_account_id;
    if (!(debit || credit) || !describe_account(cli, account, debit, text, sizeof text))
        refusal_explain_transfer(result, text, sizeof text);
    (void)snprintf(what, sizeof what, "transfer %s", florin_id_format(ids_of(&transfer->id), id));
    cli_tell(
        cli, what,
        wire_enum_name(&florin__v1__create_transfer_result__descriptor, (int)result->result, name),
        "%s", text);
}
