/* florin account balance, florin account limit. */
#include "client/cli/cli.h"
#include "client/cli/ids.h"
#include "client/cli/lookup.h"
#include "client/cli/refusal.h"
#include "client/cli/values.h"
#include "client/cli/wire.h"
#include "client/cli/words.h"

enum { ID, AMOUNT };
enum { OPTION_AT = 256 };

static const struct argp_option balance_options[] = {
    {"at", OPTION_AT, "TIME", 0,
     "As they were then (otherwise now); for an account that was opened with --history", 0},
    {0}};

typedef struct {
    cli_t *cli;
    words_t words;
    const char *at;
} arguments_t;

static error_t parse(int key, char *value, struct argp_state *state)
{
    arguments_t *self = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = self->cli;
        state->child_inputs[1] = &self->words;
        return 0;
    case OPTION_AT:
        self->at = value;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* --------------------------------------------------------------------------------------- balance
 */

static void print_balances(const Florin__V1__BalanceAtReply *at, uint32_t ledger)
{
    char a[VALUE_TEXT_BYTES], b[VALUE_TEXT_BYTES];
    (void)printf("  currency  %s\n", value_ledger(ledger, a));
    (void)printf("  balance   %s\n",
                 value_balance(at->debits_posted, at->credits_posted, ledger, a));
    (void)printf("  debits    %s posted, %s pending\n", value_amount(at->debits_posted, ledger, a),
                 value_amount(at->debits_pending, ledger, b));
    (void)printf("  credits   %s posted, %s pending\n", value_amount(at->credits_posted, ledger, a),
                 value_amount(at->credits_pending, ledger, b));
}

static void show(cli_t *cli, const Florin__V1__Account *account,
                 const Florin__V1__BalanceAtReply *at, bool dated)
{
    char text[VALUE_TEXT_BYTES];
    if (cli->json) {
        json_t *object = wire_json(&at->base);
        (void)json_object_set_new(object, "id",
                                  json_string(florin_id_format_uuid(ids_of(&account->id), text)));
        if (!dated)
            (void)json_object_del(object, "changed_at");
        cli_print_json(object);
        return;
    }
    (void)printf("account %s\n", florin_id_format(ids_of(&account->id), text));
    print_balances(at, account->ledger);
    if (dated)
        (void)printf("  since     %s\n",
                     at->changed_at ? value_time(at->changed_at, text) : "it was not open yet");
}

/* Now: the account itself has them. */
static void show_now(cli_t *cli, const Florin__V1__Account *account)
{
    Florin__V1__BalanceAtReply now = FLORIN__V1__BALANCE_AT_REPLY__INIT;
    now.debits_pending = account->debits_pending;
    now.debits_posted = account->debits_posted;
    now.credits_pending = account->credits_pending;
    now.credits_posted = account->credits_posted;
    show(cli, account, &now, false);
}

static int show_at(cli_t *cli, const Florin__V1__Account *account, uint64_t timestamp)
{
    char what[IDS_NAME_BYTES];
    (void)ids_name("account", ids_of(&account->id), what);
    if (!(account->flags & FLORIN__V1__ACCOUNT_FLAG__ACCOUNT_FLAG_HISTORY)) {
        cli_tell(cli, what, "no_history",
                 "it was opened without --history; `florin account statement` with --until and "
                 "--newest-first has the balance after the last transfer before a moment");
        return CLI_REFUSED;
    }
    Florin__V1__BalanceAtRequest at = FLORIN__V1__BALANCE_AT_REQUEST__INIT;
    at.account_id = account->id;
    at.timestamp = timestamp;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_BALANCE_AT;
    request.balance_at = &at;
    Florin__V1__Reply *reply;
    int code = cli_call(cli, "accounts", &request, what, &reply);
    if (code == CLI_DONE)
        show(cli, account, reply->balance_at, true);
    florin__v1__reply__free_unpacked(reply, NULL);
    return code;
}

int account_balance(cli_t *cli, int argc, char **argv)
{
    const struct argp_child children[] = {
        {&cli_common_argp, 0, NULL, 0}, {&words_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        .options = balance_options,
        .parser = parse,
        .args_doc = "ID",
        .doc = "Show an account's balances, now or at a moment.\v"
               "A balance is CR where credits exceed debits, DR otherwise. A TIME is 2026-11-22, "
               "2026-11-22T18:04:22.5Z or nanoseconds since 1970.",
        .children = children};
    arguments_t arguments = {.cli = cli, .words = {1, 1, "the ID of an account", {0}}};
    cli_parse(&argp, argc, argv, &arguments);
    florin_id_t id;
    uint64_t timestamp = 0;
    florin_error_t error;
    if (florin_id_parse(arguments.words.at[ID], "ID", &id, &error) != 0 ||
        (arguments.at && value_time_parse(arguments.at, "--at", &timestamp, &error) != 0))
        return cli_tell_usage(cli, &error);
    Florin__V1__Reply *reply;
    const Florin__V1__Account *account;
    int code = lookup_account(cli, id, &reply, &account);
    if (code == CLI_DONE && timestamp != 0)
        code = show_at(cli, account, timestamp);
    else if (code == CLI_DONE)
        show_now(cli, account);
    florin__v1__reply__free_unpacked(reply, NULL);
    return code;
}

/* ----------------------------------------------------------------------------------------- limit
 */

static int tell_limit(cli_t *cli, const Florin__V1__Account *account, uint64_t limit,
                      const Florin__V1__CreditLimitResult *result)
{
    bool done = result->result == FLORIN__V1__SET_CREDIT_LIMIT_RESULT__SET_CREDIT_LIMIT_RESULT_SET;
    char what[IDS_NAME_BYTES], name[WIRE_NAME_BYTES], text[FLORIN_ERROR_MESSAGE_BYTES],
        balance[VALUE_TEXT_BYTES];
    (void)ids_name("account", ids_of(&account->id), what);
    if (cli->json) {
        json_t *object = wire_json(&result->base);
        (void)json_object_set_new(object, "id",
                                  json_string(florin_id_format_uuid(ids_of(&account->id), text)));
        cli_print_json(object);
    } else if (done) {
        (void)printf("%s: credit limit %s%s\n", what, value_money(limit, account->ledger, text),
                     result->timestamp ? "" : ", as it was");
    }
    if (done)
        return CLI_DONE;
    refusal_explain_limit(result->result, text, sizeof text);
    cli_tell(
        cli, what,
        wire_enum_name(&florin__v1__set_credit_limit_result__descriptor, (int)result->result, name),
        "%s (balance %s); `florin account show` has all of it", text,
        value_balance(account->debits_posted + account->debits_pending,
                      account->credits_posted + account->credits_pending, account->ledger,
                      balance));
    return CLI_REFUSED;
}

static int set_limit(cli_t *cli, const Florin__V1__Account *account, uint64_t amount)
{
    Florin__V1__CreditLimit limit = FLORIN__V1__CREDIT_LIMIT__INIT, *list[] = {&limit};
    limit.account_id = account->id;
    limit.credit_limit = amount;
    Florin__V1__SetCreditLimitsRequest set = FLORIN__V1__SET_CREDIT_LIMITS_REQUEST__INIT;
    set.n_limits = 1;
    set.limits = list;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_SET_CREDIT_LIMITS;
    request.set_credit_limits = &set;
    char what[IDS_NAME_BYTES];
    Florin__V1__Reply *reply;
    int code = cli_call(cli, "accounts", &request, ids_name("account", ids_of(&account->id), what),
                        &reply);
    if (code == CLI_DONE)
        code = reply->set_credit_limits->n_results == 1
                   ? tell_limit(cli, account, amount, reply->set_credit_limits->results[0])
                   : cli_tell_nonsense(cli, what);
    florin__v1__reply__free_unpacked(reply, NULL);
    return code;
}

int account_limit(cli_t *cli, int argc, char **argv)
{
    const struct argp_child children[] = {
        {&cli_common_argp, 0, NULL, 0}, {&words_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        .parser = parse,
        .args_doc = "ID AMOUNT",
        .doc = "Set how far an account's bound may be crossed, in the account's own currency.\v"
               "A limit that the account stands beyond already is refused.",
        .children = children};
    arguments_t arguments = {.cli = cli,
                             .words = {2, 2, "the ID of an account and an AMOUNT", {0}}};
    cli_parse(&argp, argc, argv, &arguments);
    florin_id_t id;
    uint64_t amount;
    florin_error_t error;
    if (florin_id_parse(arguments.words.at[ID], "ID", &id, &error) != 0)
        return cli_tell_usage(cli, &error);
    Florin__V1__Reply *reply;
    const Florin__V1__Account *account;
    int code = lookup_account(cli, id, &reply, &account);
    if (code == CLI_DONE)
        code = value_amount_parse(arguments.words.at[AMOUNT], "AMOUNT", account->ledger, &amount,
                                  &error)
                   ? cli_tell_usage(cli, &error)
                   : set_limit(cli, account, amount);
    florin__v1__reply__free_unpacked(reply, NULL);
    return code;
}
