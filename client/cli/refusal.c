#include "client/cli/refusal.h"

#include <string.h>

#include "client/cli/ids.h"
#include "client/cli/lookup.h"
#include "client/cli/values.h"
#include "client/cli/wire.h"

#define ACCOUNT(name)  FLORIN__V1__OPEN_ACCOUNT_RESULT__OPEN_ACCOUNT_RESULT_##name
#define TRANSFER(name) FLORIN__V1__CREATE_TRANSFER_RESULT__CREATE_TRANSFER_RESULT_##name

#define LIMIT(name) FLORIN__V1__SET_CREDIT_LIMIT_RESULT__SET_CREDIT_LIMIT_RESULT_##name

#define TEXT_BYTES 1024 /* of a sentence with all that it may name */

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Of a result that this program has not heard of. */
#define UNKNOWN "this florin does not know what to do about it: is it older than the workers?"

#define SPENT "; the id is spent, another try needs a new one"

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

bool refusal_spends(Florin__V1__CreateTransferResult result)
{
    return result == TRANSFER(DEBIT_ACCOUNT_NOT_FOUND) ||
           result == TRANSFER(CREDIT_ACCOUNT_NOT_FOUND) ||
           result == TRANSFER(PENDING_TRANSFER_NOT_FOUND) ||
           result == TRANSFER(DEBIT_ACCOUNT_ALREADY_CLOSED) ||
           result == TRANSFER(CREDIT_ACCOUNT_ALREADY_CLOSED) ||
           result == TRANSFER(EXCEEDS_CREDITS) || result == TRANSFER(EXCEEDS_DEBITS) ||
           result == TRANSFER(RISK_DECLINED) || result == TRANSFER(ID_GIVEN_UP);
}

/* ---------------------------------------------------------------------------------- sentences */

#define NEW_ID "choose another id, or give none and get a new one"
#define TAKEN(kind, more)                                                                          \
    ("this id is taken by one that differs; compare it with `florin " kind " show`" more)
#define CHAIN       "another one of its chain was refused, and so all of it: mend that one"
#define CHAIN_OPEN  "the last one of a request ends its chain: take the flag linked off it"
#define IMPORTED    "in a file, all rows have the flag imported or none has: split it"
#define NO_TIME     "only what is imported has a timestamp of its own: give the flag imported too"
#define RANGE       "give the timestamp of an imported one, from 1970-01-01 on"
#define FUTURE      "nothing is imported from the future: give an earlier timestamp"
#define OPENS_EMPTY "an account begins empty: move money to it with transfers"
#define CURRENCY    "name a currency"
#define CODE        "give a code from 1 to 65535"
#define MOST(side)                                                                                 \
    ("the " side " would pass 2^63-1 minor units, the most that an account holds; nothing moved, " \
     "and the id is still free")
#define PENDING(field)                                                                             \
    ("the pending transfer has another " field ": leave it out, or say the same; see `florin "     \
     "transfer show`")

static const char *const account_advice[] = {
    [ACCOUNT(CREATED)] = "it was opened",
    [ACCOUNT(LINKED_EVENT_FAILED)] = CHAIN,
    [ACCOUNT(LINKED_EVENT_CHAIN_OPEN)] = CHAIN_OPEN,
    [ACCOUNT(IMPORTED_EVENT_EXPECTED)] = IMPORTED,
    [ACCOUNT(IMPORTED_EVENT_NOT_EXPECTED)] = IMPORTED,
    [ACCOUNT(TIMESTAMP_MUST_BE_ZERO)] = NO_TIME,
    [ACCOUNT(IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE)] = RANGE,
    [ACCOUNT(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE)] = FUTURE,
    [ACCOUNT(RESERVED_FLAG)] = "the workers do not know one of its flags: are they older?",
    [ACCOUNT(ID_MUST_NOT_BE_ZERO)] = NEW_ID,
    [ACCOUNT(ID_MUST_NOT_BE_INT_MAX)] = NEW_ID,
    [ACCOUNT(EXISTS_WITH_DIFFERENT_FLAGS)] = TAKEN("account", ""),
    [ACCOUNT(EXISTS_WITH_DIFFERENT_USER_DATA)] = TAKEN("account", ""),
    [ACCOUNT(EXISTS_WITH_DIFFERENT_LEDGER)] = TAKEN("account", ""),
    [ACCOUNT(EXISTS_WITH_DIFFERENT_CODE)] = TAKEN("account", ""),
    [ACCOUNT(EXISTS_WITH_DIFFERENT_CREDIT_LIMIT)] =
        TAKEN("account", "; `florin account limit` changes the limit"),
    [ACCOUNT(EXISTS)] = "it was there before, and is the same",
    [ACCOUNT(FLAGS_ARE_MUTUALLY_EXCLUSIVE)] = "an account can be bound on one side only",
    [ACCOUNT(DEBITS_PENDING_MUST_BE_ZERO)] = OPENS_EMPTY,
    [ACCOUNT(DEBITS_POSTED_MUST_BE_ZERO)] = OPENS_EMPTY,
    [ACCOUNT(CREDITS_PENDING_MUST_BE_ZERO)] = OPENS_EMPTY,
    [ACCOUNT(CREDITS_POSTED_MUST_BE_ZERO)] = OPENS_EMPTY,
    [ACCOUNT(LEDGER_MUST_NOT_BE_ZERO)] = CURRENCY,
    [ACCOUNT(CODE_MUST_NOT_BE_ZERO)] = CODE,
    [ACCOUNT(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS)] =
        "it lies before the imported account ahead of it: order them by timestamp",
};

static const char *const transfer_advice[] = {
    [TRANSFER(CREATED)] = "it was made",
    [TRANSFER(LINKED_EVENT_FAILED)] = CHAIN,
    [TRANSFER(LINKED_EVENT_CHAIN_OPEN)] = CHAIN_OPEN,
    [TRANSFER(IMPORTED_EVENT_EXPECTED)] = IMPORTED,
    [TRANSFER(IMPORTED_EVENT_NOT_EXPECTED)] = IMPORTED,
    [TRANSFER(TIMESTAMP_MUST_BE_ZERO)] = NO_TIME,
    [TRANSFER(IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE)] = RANGE,
    [TRANSFER(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE)] = FUTURE,
    [TRANSFER(RESERVED_FLAG)] =
        "one of its flags is not for you to set (review), or the workers are too old to know it",
    [TRANSFER(ID_MUST_NOT_BE_ZERO)] = NEW_ID,
    [TRANSFER(ID_MUST_NOT_BE_INT_MAX)] = NEW_ID,
    [TRANSFER(EXISTS_WITH_DIFFERENT_FLAGS)] = TAKEN("transfer", ""),
    [TRANSFER(EXISTS_WITH_DIFFERENT_PENDING_ID)] = TAKEN("transfer", ""),
    [TRANSFER(EXISTS_WITH_DIFFERENT_TIMEOUT)] = TAKEN("transfer", ""),
    [TRANSFER(EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID)] = TAKEN("transfer", ""),
    [TRANSFER(EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID)] = TAKEN("transfer", ""),
    [TRANSFER(EXISTS_WITH_DIFFERENT_AMOUNT)] = TAKEN("transfer", ""),
    [TRANSFER(EXISTS_WITH_DIFFERENT_USER_DATA)] = TAKEN("transfer", ""),
    [TRANSFER(EXISTS_WITH_DIFFERENT_REFERENCE)] = TAKEN("transfer", ""),
    [TRANSFER(EXISTS_WITH_DIFFERENT_LEDGER)] = TAKEN("transfer", ""),
    [TRANSFER(EXISTS_WITH_DIFFERENT_CODE)] = TAKEN("transfer", ""),
    [TRANSFER(EXISTS)] = "it was there before, and is the same",
    [TRANSFER(ID_ALREADY_FAILED)] = "this id was refused before; another try needs a new id",
    [TRANSFER(FLAGS_ARE_MUTUALLY_EXCLUSIVE)] =
        "a transfer posts, or voids, or is new (pending, balancing, closing): one of these",
    [TRANSFER(DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO)] =
        "no account has that id; name another debit account",
    [TRANSFER(DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX)] =
        "no account has that id; name another debit account",
    [TRANSFER(CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO)] =
        "no account has that id; name another credit account",
    [TRANSFER(CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX)] =
        "no account has that id; name another credit account",
    [TRANSFER(ACCOUNTS_MUST_BE_DIFFERENT)] = "money can't move from an account to itself",
    [TRANSFER(PENDING_ID_MUST_BE_ZERO)] =
        "only what posts or voids has a pending_id: give it that flag, or leave pending_id out",
    [TRANSFER(PENDING_ID_MUST_NOT_BE_ZERO)] = "name the pending transfer that is posted or voided",
    [TRANSFER(PENDING_ID_MUST_NOT_BE_INT_MAX)] =
        "no transfer has that pending_id; name another one",
    [TRANSFER(PENDING_ID_MUST_BE_DIFFERENT)] =
        "what posts or voids is a transfer of its own: give it another id than the pending one's",
    [TRANSFER(TIMEOUT_RESERVED_FOR_PENDING_TRANSFER)] =
        "only a pending transfer has a timeout: make it pending, or leave the timeout out",
    [TRANSFER(CLOSING_TRANSFER_MUST_BE_PENDING)] =
        ("what closes an account is pending, so that voiding it opens the account again: make it "
         "pending"),
    [TRANSFER(LEDGER_MUST_NOT_BE_ZERO)] = CURRENCY,
    [TRANSFER(CODE_MUST_NOT_BE_ZERO)] = CODE,
    [TRANSFER(DEBIT_ACCOUNT_NOT_FOUND)] =
        ("open the debit account first (`florin account open`)" SPENT),
    [TRANSFER(CREDIT_ACCOUNT_NOT_FOUND)] =
        ("open the credit account first (`florin account open`)" SPENT),
    [TRANSFER(ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER)] = "the two accounts are in different currencies",
    [TRANSFER(TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS)] =
        "the accounts are in another currency; see `florin account show`",
    [TRANSFER(PENDING_TRANSFER_NOT_FOUND)] =
        ("there is no such pending transfer; look for it with `florin transfer list`" SPENT),
    [TRANSFER(PENDING_TRANSFER_NOT_PENDING)] =
        ("that transfer is not pending: its money has moved; `florin transfer reverse` moves it "
         "back"),
    [TRANSFER(PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID)] = PENDING("debit account"),
    [TRANSFER(PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID)] = PENDING("credit account"),
    [TRANSFER(PENDING_TRANSFER_HAS_DIFFERENT_LEDGER)] = PENDING("currency"),
    [TRANSFER(PENDING_TRANSFER_HAS_DIFFERENT_CODE)] = PENDING("code"),
    [TRANSFER(EXCEEDS_PENDING_TRANSFER_AMOUNT)] =
        "that is more than is reserved; post less, or all of it by giving no amount",
    [TRANSFER(PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT)] =
        "a void releases all; to keep a part, post that part",
    [TRANSFER(PENDING_TRANSFER_ALREADY_POSTED)] =
        ("it was posted, and its money has moved; `florin account statement` has the transfer that "
         "posted it"),
    [TRANSFER(PENDING_TRANSFER_ALREADY_VOIDED)] =
        "it was voided, and nothing is reserved any more; make a new transfer",
    [TRANSFER(PENDING_TRANSFER_EXPIRED)] =
        "its timeout has passed, and nothing is reserved any more; make a new transfer",
    [TRANSFER(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS)] =
        ("one of its accounts has a later change already: import along each account in the order "
         "of time"),
    [TRANSFER(IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT)] =
        "the debit account was opened later; see `florin account show`",
    [TRANSFER(IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT)] =
        "the credit account was opened later; see `florin account show`",
    [TRANSFER(IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO)] =
        "what is imported has no timeout, as its time would be up already: leave it out",
    [TRANSFER(DEBIT_ACCOUNT_ALREADY_CLOSED)] =
        ("the debit account is closed; if a pending transfer closed it, voiding that opens it "
         "again" SPENT),
    [TRANSFER(CREDIT_ACCOUNT_ALREADY_CLOSED)] =
        ("the credit account is closed; if a pending transfer closed it, voiding that opens it "
         "again" SPENT),
    [TRANSFER(OVERFLOWS_DEBITS_PENDING)] = MOST("debit account's pending debits"),
    [TRANSFER(OVERFLOWS_CREDITS_PENDING)] = MOST("credit account's pending credits"),
    [TRANSFER(OVERFLOWS_DEBITS_POSTED)] = MOST("debit account's debits"),
    [TRANSFER(OVERFLOWS_CREDITS_POSTED)] = MOST("credit account's credits"),
    [TRANSFER(OVERFLOWS_DEBITS)] = MOST("debit account's debits, pending and posted together,"),
    [TRANSFER(OVERFLOWS_CREDITS)] = MOST("credit account's credits, pending and posted together,"),
    [TRANSFER(OVERFLOWS_TIMEOUT)] =
        "the timeout would end after the year 2262, when timestamps do: give a shorter one",
    [TRANSFER(EXCEEDS_CREDITS)] = ("the debit account has too little" SPENT),
    [TRANSFER(EXCEEDS_DEBITS)] = ("the credit account can't take that much" SPENT),
    [TRANSFER(RISK_DECLINED)] = ("risk said no" SPENT),
    [TRANSFER(RISK_UNAVAILABLE)] =
        "risk could not be asked and nothing moved; try again with the same id",
    [TRANSFER(NOT_AUTHORIZED)] = "this key may not debit that account",
    [TRANSFER(ID_GIVEN_UP)] =
        ("its outcome was asked for before it was there, and the id was given up" SPENT),
};

static const char *const limit_advice[] = {
    [LIMIT(SET)] = "it was set",
    [LIMIT(ACCOUNT_ID_MUST_NOT_BE_ZERO)] = "no account has that id; name another one",
    [LIMIT(ACCOUNT_ID_MUST_NOT_BE_INT_MAX)] = "no account has that id; name another one",
    [LIMIT(ACCOUNT_NOT_FOUND)] = "there is none; `florin account open` opens it",
    [LIMIT(EXCEEDS_CREDITS)] = "its debits are further beyond its credits than that",
    [LIMIT(EXCEEDS_DEBITS)] = "its credits are further beyond its debits than that",
};

static const char *advice_of(const char *const *advice, size_t count, int result)
{
    return result >= 0 && (size_t)result < count ? advice[result] : UNKNOWN;
}

char *refusal_reasons(const Florin__V1__TransferResult *result, char *text, size_t bytes)
{
    *text = '\0';
    for (size_t i = 0, used = 0; i < result->n_reasons && used < bytes; i++) {
        char name[WIRE_NAME_BYTES];
        used += (size_t)snprintf(
            text + used, bytes - used, "%s%s", i ? ", " : "",
            wire_enum_name(&florin__v1__risk_reason__descriptor, (int)result->reasons[i], name));
    }
    return text;
}

void refusal_explain_account(const Florin__V1__AccountResult *result, char *text, size_t bytes)
{
    (void)snprintf(text, bytes, "%s",
                   advice_of(account_advice, COUNT(account_advice), (int)result->result));
}

void refusal_explain_transfer(const Florin__V1__TransferResult *result, char *text, size_t bytes)
{
    char words[WIRE_NAME_BYTES * 4];
    if (result->result == TRANSFER(RISK_DECLINED) && result->n_reasons > 0)
        (void)snprintf(text, bytes, "risk said no (%s)" SPENT,
                       refusal_reasons(result, words, sizeof words));
    else if (result->result == TRANSFER(ID_ALREADY_FAILED))
        (void)snprintf(
            text, bytes,
            "this id was refused before, as %s, and stays so; another try needs a new id",
            wire_enum_name(&florin__v1__create_transfer_result__descriptor,
                           (int)result->first_result, words));
    else
        (void)snprintf(text, bytes, "%s",
                       advice_of(transfer_advice, COUNT(transfer_advice), (int)result->result));
}

void refusal_explain_limit(Florin__V1__SetCreditLimitResult result, char *text, size_t bytes)
{
    (void)snprintf(text, bytes, "%s", advice_of(limit_advice, COUNT(limit_advice), (int)result));
}

/* --------------------------------------------------------------- with a look at what is in the way
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

/* "account 1 can pay at most 3.00 EUR (balance 3.00 CR, 0.00 reserved, credit limit 0.00)". */
static bool describe_room(cli_t *cli, const ProtobufCBinaryData *id, bool debit, char *text,
                          size_t bytes)
{
    Florin__V1__Reply *reply;
    const Florin__V1__Account *account;
    bool found = lookup_account_quietly(cli, id, &reply, &account);
    if (found) {
        char name[IDS_NAME_BYTES], money[VALUE_TEXT_BYTES], balance[VALUE_TEXT_BYTES],
            reserved[VALUE_TEXT_BYTES], limit[VALUE_TEXT_BYTES];
        uint64_t pending = debit ? account->debits_pending : account->credits_pending;
        (void)snprintf(text, bytes, "%s can %s at most %s (balance %s%s%s, credit limit %s)" SPENT,
                       ids_name("account", ids_of(id), name), debit ? "pay" : "take",
                       value_money(room(account, debit), account->ledger, money),
                       value_balance(account->debits_posted, account->credits_posted,
                                     account->ledger, balance),
                       pending ? ", pending " : "",
                       pending ? value_amount(pending, account->ledger, reserved) : "",
                       value_amount(account->credit_limit, account->ledger, limit));
    }
    florin__v1__reply__free_unpacked(reply, NULL);
    return found;
}

/* Holds a field as people read it: the longest is a reference, or all flags. */
#define FIELD_BYTES 256

/* A field of an account or transfer; "" when there is none of that name. */
static char *describe_field(const ProtobufCMessage *message, uint32_t ledger, const char *name,
                            char *text)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    *text = '\0';
    if (!field)
        return text;
    const void *member = (const uint8_t *)message + field->offset;
    bool account = message->descriptor == &florin__v1__account__descriptor;
    if (strcmp(name, "flags") == 0)
        return (account ? value_account_flags : value_transfer_flags)(*(const uint32_t *)member,
                                                                      text, FIELD_BYTES);
    if (strcmp(name, "ledger") == 0)
        return value_ledger(ledger, text);
    if (field->type == PROTOBUF_C_TYPE_UINT64)
        return value_money(*(const uint64_t *)member, ledger, text);
    if (field->type == PROTOBUF_C_TYPE_BYTES)
        return florin_id_format(ids_of(member), text);
    if (field->type == PROTOBUF_C_TYPE_STRING)
        (void)snprintf(text, FIELD_BYTES, "\"%s\"", value_printable(*(char *const *)member));
    else
        (void)snprintf(text, FIELD_BYTES, "%u", *(const uint32_t *)member);
    return text;
}

/* The field that a result's name ends in; NULL when it is of another kind. */
static const char *field_after(const char *name, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(name, prefix, length) == 0 ? name + length : NULL;
}

/* "this id is taken by an account whose currency is CZK ..." */
static void describe_taken(const ProtobufCMessage *taken, uint32_t ledger, const char *noun,
                           const char *field, char *text, size_t bytes)
{
    char value[FIELD_BYTES];
    (void)describe_field(taken, ledger, field, value);
    (void)snprintf(text, bytes,
                   "this id is taken by %s with %s %s; say the same to repeat it, or take a "
                   "new id for a new one",
                   noun, field, *value ? value : "none");
}

void refusal_tell_account(cli_t *cli, const Florin__V1__Account *account,
                          const Florin__V1__AccountResult *result)
{
    char what[IDS_NAME_BYTES], name[WIRE_NAME_BYTES], text[TEXT_BYTES];
    (void)wire_enum_name(&florin__v1__open_account_result__descriptor, (int)result->result, name);
    const char *field = field_after(name, "exists_with_different_");
    refusal_explain_account(result, text, sizeof text);
    Florin__V1__Reply *reply = NULL;
    const Florin__V1__Account *taken;
    if (field && lookup_account_quietly(cli, &account->id, &reply, &taken))
        describe_taken(&taken->base, taken->ledger, "an account", field, text, sizeof text);
    florin__v1__reply__free_unpacked(reply, NULL);
    cli_tell(cli, ids_name("account", ids_of(&account->id), what), name, "%s", text);
}

/* Says of the transfer that has the id, or that is to be posted or voided, what differs. */
static bool describe_transfer(cli_t *cli, const Florin__V1__Transfer *transfer, const char *result,
                              char *text, size_t bytes)
{
    bool exceeds = strcmp(result, "exceeds_pending_transfer_amount") == 0;
    const char *taken = field_after(result, "exists_with_different_");
    const char *differs =
        exceeds ? "amount" : field_after(result, "pending_transfer_has_different_");
    Florin__V1__Reply *reply = NULL;
    lookup_transfer_t found;
    bool done =
        (taken || differs) &&
        lookup_transfer_quietly(cli, taken ? &transfer->id : &transfer->pending_id, &reply, &found);
    if (done && taken) {
        describe_taken(&found.transfer->base, found.transfer->ledger, "a transfer", taken, text,
                       bytes);
    } else if (done) {
        char value[FIELD_BYTES], name[IDS_NAME_BYTES];
        (void)snprintf(
            text, bytes, "the %s of pending %s is %s; %s, or leave it out", differs,
            ids_name("transfer", ids_of(&found.transfer->id), name),
            describe_field(&found.transfer->base, found.transfer->ledger, differs, value),
            exceeds ? "post at most that" : "say the same");
    }
    florin__v1__reply__free_unpacked(reply, NULL);
    return done;
}

void refusal_tell_transfer(cli_t *cli, const Florin__V1__Transfer *transfer,
                           const Florin__V1__TransferResult *result, bool tried)
{
    char what[IDS_NAME_BYTES], name[WIRE_NAME_BYTES], text[TEXT_BYTES];
    (void)wire_enum_name(&florin__v1__create_transfer_result__descriptor, (int)result->result,
                         name);
    bool debit = result->result == TRANSFER(EXCEEDS_CREDITS);
    bool credit = result->result == TRANSFER(EXCEEDS_DEBITS);
    const ProtobufCBinaryData *account =
        debit ? &transfer->debit_account_id : &transfer->credit_account_id;
    if (!((debit || credit) && describe_room(cli, account, debit, text, sizeof text)) &&
        !describe_transfer(cli, transfer, name, text, sizeof text))
        refusal_explain_transfer(result, text, sizeof text);
    char *spent = strstr(text, SPENT);
    if (tried && spent)
        *spent = '\0';
    cli_tell(cli, ids_name("transfer", ids_of(&transfer->id), what), name, "%s", text);
}
