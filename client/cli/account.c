/* florin account open, florin account show. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/ids.h"
#include "client/cli/lookup.h"
#include "client/cli/refusal.h"
#include "client/cli/values.h"
#include "client/cli/wire.h"
#include "lib/clock.h"
#include "lib/limits.h"

/* ------------------------------------------------------------------------------------------ open
 */

enum {
    OPTION_DEBITS_BOUND = 256,
    OPTION_CREDITS_BOUND,
    OPTION_LIMIT,
    OPTION_HISTORY,
    OPTION_CLOSED,
    OPTION_TIMESTAMP,
    OPTION_USER
};

static const struct argp_option open_options[] = {
    {"currency", 'u', "CODE", 0, "Currency, such as EUR (required)", 0},
    {"code", 'k', "NUMBER", 0, "Type in your chart of accounts, 1 to 65535 (required)", 0},
    {"debits-must-not-exceed-credits", OPTION_DEBITS_BOUND, 0, 0,
     "Refuse what would take the balance below zero, as for a customer's account", 0},
    {"no-overdraft", 0, 0, OPTION_ALIAS, 0, 0},
    {"credits-must-not-exceed-debits", OPTION_CREDITS_BOUND, 0, 0,
     "The same for the other side, as for an asset", 0},
    {"credit-limit", OPTION_LIMIT, "AMOUNT", 0, "How far that bound may be crossed, 100.00", 0},
    {"history", OPTION_HISTORY, 0, 0, "Let `account balance --at` tell the balances of any moment",
     0},
    {"closed", OPTION_CLOSED, 0, 0, "Let no money move on it", 0},
    {"timestamp", OPTION_TIMESTAMP, "TIME", 0,
     "Import it, as opened then; of several, each 1 ns after the one before", 0},
    {"user-data", OPTION_USER, "ID", 0, "16 bytes of your own, as a UUID or number", 0},
    {0}};

typedef struct {
    cli_t *cli;
    const char *currency, *code, *credit_limit, *user_data, *timestamp;
    uint32_t flags;
    size_t count;
    char **texts;
} arguments_t;

static error_t parse_open(int key, char *value, struct argp_state *state)
{
    arguments_t *self = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = self->cli;
        return 0;
    case 'u':
        self->currency = value;
        return 0;
    case 'k':
        self->code = value;
        return 0;
    case OPTION_DEBITS_BOUND:
        self->flags |= FLORIN__V1__ACCOUNT_FLAG__ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS;
        return 0;
    case OPTION_CREDITS_BOUND:
        self->flags |= FLORIN__V1__ACCOUNT_FLAG__ACCOUNT_FLAG_CREDITS_MUST_NOT_EXCEED_DEBITS;
        return 0;
    case OPTION_LIMIT:
        self->credit_limit = value;
        return 0;
    case OPTION_HISTORY:
        self->flags |= FLORIN__V1__ACCOUNT_FLAG__ACCOUNT_FLAG_HISTORY;
        return 0;
    case OPTION_CLOSED:
        self->flags |= FLORIN__V1__ACCOUNT_FLAG__ACCOUNT_FLAG_CLOSED;
        return 0;
    case OPTION_TIMESTAMP:
        self->flags |= FLORIN__V1__ACCOUNT_FLAG__ACCOUNT_FLAG_IMPORTED;
        self->timestamp = value;
        return 0;
    case OPTION_USER:
        self->user_data = value;
        return 0;
    case ARGP_KEY_ARGS:
        self->count = (size_t)(state->argc - state->next);
        self->texts = state->argv + state->next;
        return 0;
    case ARGP_KEY_END:
        if (!self->currency || !self->code)
            argp_error(state, "--currency and --code are needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What all accounts of one command have in common. `user_data` holds 16 bytes. */
static int read_account(const arguments_t *arguments, Florin__V1__Account *account,
                        uint8_t *user_data, florin_error_t *error)
{
    florin__v1__account__init(account);
    const florin_currency_t *currency;
    uint64_t code;
    int rc = value_currency(arguments->currency, "--currency", &currency, error);
    if (rc == 0)
        rc = value_number(arguments->code, "--code", 1, UINT16_MAX, &code, error);
    if (rc == 0 && arguments->credit_limit)
        rc = florin_money_parse(arguments->credit_limit, "--credit-limit", currency,
                                &account->credit_limit, error);
    if (rc == 0 && arguments->timestamp)
        rc = value_time_parse(arguments->timestamp, "--timestamp", &account->timestamp, error);
    florin_id_t id;
    if (rc == 0 && arguments->user_data) {
        rc = florin_id_parse(arguments->user_data, "--user-data", &id, error);
        if (rc == 0)
            account->user_data = ids_field(id, user_data);
    }
    if (rc != 0)
        return rc;
    account->ledger = currency->numeric;
    account->code = (uint32_t)code;
    account->flags = arguments->flags;
    return 0;
}

static void tell_opened(cli_t *cli, const Florin__V1__Account *account,
                        const Florin__V1__AccountResult *result)
{
    bool done = refusal_none_account(result->result);
    char what[IDS_NAME_BYTES], name[WIRE_NAME_BYTES];
    if (cli->json)
        cli_print_json(refusal_account_json(&account->id, result));
    else if (done)
        (void)printf("%s: %s\n", ids_name("account", ids_of(&account->id), what),
                     wire_enum_name(&florin__v1__open_account_result__descriptor,
                                    (int)result->result, name));
    if (!done)
        refusal_tell_account(cli, account, result);
}

static int open_accounts(cli_t *cli, const ids_t *ids, const Florin__V1__Account *template)
{
    Florin__V1__Account *accounts = calloc(ids->count, sizeof *accounts);
    Florin__V1__Account **list = calloc(ids->count, sizeof *list);
    Florin__V1__Reply *reply = NULL;
    int code = CLI_REFUSED;
    if (!accounts || !list)
        goto out;
    for (size_t i = 0; i < ids->count; i++) {
        accounts[i] = *template;
        accounts[i].id = ids->wire[i];
        if (template->timestamp) /* which rises along a request */
            accounts[i].timestamp += i;
        list[i] = &accounts[i];
    }
    Florin__V1__OpenAccountsRequest open = FLORIN__V1__OPEN_ACCOUNTS_REQUEST__INIT;
    open.n_accounts = ids->count;
    open.accounts = list;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_OPEN_ACCOUNTS;
    request.open_accounts = &open;
    code = cli_call(cli, "accounts", &request, "account open", &reply);
    if (code != CLI_DONE)
        goto out;
    if (reply->open_accounts->n_results != ids->count) {
        code = cli_tell_nonsense(cli, "account open");
        goto out;
    }
    for (size_t i = 0; i < ids->count; i++) {
        const Florin__V1__AccountResult *result = reply->open_accounts->results[i];
        tell_opened(cli, list[i], result);
        if (!refusal_none_account(result->result))
            code = CLI_REFUSED;
    }
out:
    florin__v1__reply__free_unpacked(reply, NULL);
    free(list);
    free(accounts);
    return code;
}

int account_open(cli_t *cli, int argc, char **argv)
{
    const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        .options = open_options,
        .parser = parse_open,
        .args_doc = "[ID...]",
        .doc = "Open accounts; without an ID, one with a new id.\v"
               "An id is a UUID or a number. Opening what exists just so counts as done.\n\n"
               "  florin account open 1 2 --currency EUR --code 1 --no-overdraft",
        .children = children};
    arguments_t arguments = {.cli = cli};
    cli_parse(&argp, argc, argv, &arguments);
    char minted[FLORIN_ID_TEXT_BYTES], *texts[] = {minted};
    if (arguments.count == 0) {
        if (sodium_init() < 0)
            return CLI_REFUSED;
        unsigned slot = randombytes_uniform(FLORIN_SLOTS);
        (void)florin_id_format_uuid(florin_id_mint(florin_clock_unix_ns() / 1000000, slot), minted);
        arguments.count = 1;
        arguments.texts = texts;
    }
    Florin__V1__Account template;
    uint8_t user_data[FLORIN_ID_BYTES];
    ids_t ids = {0};
    florin_error_t error;
    if (read_account(&arguments, &template, user_data, &error) != 0 ||
        ids_read(arguments.texts, arguments.count, "ID", &ids, &error) != 0)
        return cli_tell_usage(cli, &error);
    int code = open_accounts(cli, &ids, &template);
    ids_clear(&ids);
    return code;
}

/* ------------------------------------------------------------------------------------------ show
 */

static void print_account(const Florin__V1__Account *account)
{
    uint32_t ledger = account->ledger;
    char a[VALUE_TEXT_BYTES], b[VALUE_TEXT_BYTES], flags[256];
    (void)printf("account %s\n", florin_id_format(ids_of(&account->id), a));
    (void)printf("  currency      %s\n", value_ledger(ledger, a));
    (void)printf("  code          %u\n", account->code);
    (void)printf("  balance       %s\n",
                 value_balance(account->debits_posted, account->credits_posted, ledger, a));
    (void)printf("  debits        %s posted, %s pending\n",
                 value_amount(account->debits_posted, ledger, a),
                 value_amount(account->debits_pending, ledger, b));
    (void)printf("  credits       %s posted, %s pending\n",
                 value_amount(account->credits_posted, ledger, a),
                 value_amount(account->credits_pending, ledger, b));
    (void)printf("  credit limit  %s\n", value_amount(account->credit_limit, ledger, a));
    (void)printf("  flags         %s\n",
                 account->flags ? value_account_flags(account->flags, flags, sizeof flags)
                                : "none");
    if (ids_of(&account->user_data) != 0)
        (void)printf("  user data     %s\n", florin_id_format(ids_of(&account->user_data), a));
    (void)printf("  opened        %s\n", value_time(account->timestamp, a));
}

/* Those found come in the order asked: what is missing in between was not found. */
static int print_accounts(cli_t *cli, const ids_t *ids,
                          const Florin__V1__LookupAccountsReply *reply)
{
    int code = CLI_DONE;
    size_t found = 0;
    for (size_t i = 0; i < ids->count; i++) {
        const Florin__V1__Account *account =
            found < reply->n_accounts ? reply->accounts[found] : NULL;
        if (account && ids_of(&account->id) == ids_of(&ids->wire[i])) {
            found++;
            if (cli->json)
                cli_print_json(wire_json(&account->base));
            else
                print_account(account);
        } else {
            code = lookup_tell_no_account(cli, ids_of(&ids->wire[i]));
        }
    }
    return code;
}

int account_show(cli_t *cli, int argc, char **argv)
{
    ids_t ids;
    int code = ids_parse(cli, argc, argv,
                         "Show accounts and their balances.\v"
                         "A balance is CR where credits exceed debits, DR otherwise.",
                         &ids);
    if (code != CLI_DONE)
        return code;
    Florin__V1__Reply *reply;
    code = lookup_accounts(cli, ids.wire, ids.count, "account show", &reply);
    if (code == CLI_DONE)
        code = print_accounts(cli, &ids, reply->lookup_accounts);
    florin__v1__reply__free_unpacked(reply, NULL);
    ids_clear(&ids);
    return code;
}
