/* florin transfer, florin transfer show. */
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/ids.h"
#include "client/cli/refusal.h"
#include "client/cli/values.h"
#include "client/cli/wire.h"
#include "lib/clock.h"
#include "lib/limits.h"

enum { WORDS = 4 }; /* DEBIT CREDIT AMOUNT CURRENCY */
enum { OPTION_ID = 256, OPTION_USER };

static const struct argp_option options[] = {
    {"id", OPTION_ID, "ID", 0,
     "The transfer's id: repeating the command with it pays only once (otherwise a new one)", 0},
    {"code", 'k', "NUMBER", 0, "Your reason for the transfer, 1 to 65535 (otherwise 1)", 0},
    {"reference", 'r', "TEXT", 0, "Text that goes with it, at most 140 bytes", 0},
    {"user-data", OPTION_USER, "ID", 0, "16 bytes of your own, as a UUID or number", 0},
    {0}};

typedef struct {
    cli_t *cli;
    const char *words[WORDS];
    const char *id, *code, *reference, *user_data;
} arguments_t;

static error_t parse(int key, char *value, struct argp_state *state)
{
    arguments_t *self = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = self->cli;
        return 0;
    case OPTION_ID:
        self->id = value;
        return 0;
    case 'k':
        self->code = value;
        return 0;
    case 'r':
        self->reference = value;
        return 0;
    case OPTION_USER:
        self->user_data = value;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num >= WORDS)
            argp_error(state, "too many words: DEBIT CREDIT AMOUNT CURRENCY are needed");
        self->words[state->arg_num] = value;
        return 0;
    case ARGP_KEY_END:
        if (state->arg_num < WORDS)
            argp_error(state, "DEBIT CREDIT AMOUNT CURRENCY are needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* A transfer, and the bytes that its fields point to. */
typedef struct {
    Florin__V1__Transfer message;
    uint8_t ids[4][FLORIN_ID_BYTES];
    char reference[FLORIN_REFERENCE_BYTES_MAX + 1];
} transfer_t;

static int read_transfer(const arguments_t *arguments, transfer_t *transfer, florin_error_t *error)
{
    Florin__V1__Transfer *message = &transfer->message;
    florin__v1__transfer__init(message);
    transfer->reference[0] = '\0';
    florin_id_t debit, credit, id = 0, user_data = 0;
    const florin_currency_t *currency;
    uint64_t code = 1;
    int rc = florin_id_parse(arguments->words[0], "DEBIT", &debit, error);
    if (rc == 0)
        rc = florin_id_parse(arguments->words[1], "CREDIT", &credit, error);
    if (rc == 0)
        rc = value_currency(arguments->words[3], "CURRENCY", &currency, error);
    if (rc == 0)
        rc = florin_money_parse(arguments->words[2], "AMOUNT", currency, &message->amount, error);
    if (rc == 0 && arguments->id)
        rc = florin_id_parse(arguments->id, "--id", &id, error);
    if (rc == 0 && arguments->code)
        rc = value_number(arguments->code, "--code", 1, UINT16_MAX, &code, error);
    if (rc == 0 && arguments->reference)
        rc = value_reference(arguments->reference, "--reference", transfer->reference, error);
    if (rc == 0 && arguments->user_data)
        rc = florin_id_parse(arguments->user_data, "--user-data", &user_data, error);
    if (rc != 0)
        return rc;
    /* With the debit account's slot, a transfer within one shard stays there. */
    if (!arguments->id)
        id = florin_id_mint(florin_clock_unix_ns() / 1000000, florin_id_slot(debit));
    message->id = ids_field(id, transfer->ids[0]);
    message->debit_account_id = ids_field(debit, transfer->ids[1]);
    message->credit_account_id = ids_field(credit, transfer->ids[2]);
    if (arguments->user_data)
        message->user_data = ids_field(user_data, transfer->ids[3]);
    message->reference = transfer->reference;
    message->ledger = currency->numeric;
    message->code = (uint32_t)code;
    return 0;
}

static int tell_created(cli_t *cli, const Florin__V1__Transfer *transfer,
                        const Florin__V1__TransferResult *result)
{
    bool done = refusal_none_transfer(result->result);
    char id[FLORIN_ID_TEXT_BYTES], debit[FLORIN_ID_TEXT_BYTES], credit[FLORIN_ID_TEXT_BYTES],
        money[VALUE_TEXT_BYTES], name[WIRE_NAME_BYTES];
    if (cli->json)
        cli_print_json(refusal_transfer_json(&transfer->id, result));
    else if (done)
        (void)printf("transfer %s: %s: %s from %s to %s\n",
                     florin_id_format(ids_of(&transfer->id), id),
                     wire_enum_name(&florin__v1__create_transfer_result__descriptor,
                                    (int)result->result, name),
                     value_money(transfer->amount, transfer->ledger, money),
                     florin_id_format(ids_of(&transfer->debit_account_id), debit),
                     florin_id_format(ids_of(&transfer->credit_account_id), credit));
    if (!done)
        refusal_tell_transfer(cli, transfer, result);
    return done ? CLI_DONE : CLI_REFUSED;
}

int transfer_create(cli_t *cli, int argc, char **argv)
{
    const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "DEBIT CREDIT AMOUNT CURRENCY",
        .doc = "Move money from the account DEBIT to the account CREDIT.\v"
               "With --id a repeated command pays once: the second time it says `exists`, which "
               "counts as done.\n\n"
               "  florin transfer 1 2 12.50 EUR --reference \"Invoice 7\"",
        .children = children};
    arguments_t arguments = {.cli = cli};
    cli_parse(&argp, argc, argv, &arguments);
    transfer_t transfer;
    florin_error_t error;
    if (read_transfer(&arguments, &transfer, &error) != 0)
        return cli_tell_usage(cli, &error);
    Florin__V1__Transfer *list[] = {&transfer.message};
    Florin__V1__CreateTransfersRequest create = FLORIN__V1__CREATE_TRANSFERS_REQUEST__INIT;
    create.n_transfers = 1;
    create.transfers = list;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_CREATE_TRANSFERS;
    request.create_transfers = &create;
    char id[FLORIN_ID_TEXT_BYTES], what[64];
    (void)snprintf(what, sizeof what, "transfer %s",
                   florin_id_format(ids_of(&transfer.message.id), id));
    Florin__V1__Reply *reply;
    int code = cli_call(cli, "transactions", &request, what, &reply);
    if (code != CLI_DONE)
        return code;
    if (reply->result_case != FLORIN__V1__REPLY__RESULT_CREATE_TRANSFERS ||
        reply->create_transfers->n_results != 1)
        code = cli_tell_nonsense(cli, what);
    else
        code = tell_created(cli, &transfer.message, reply->create_transfers->results[0]);
    florin__v1__reply__free_unpacked(reply, NULL);
    return code;
}

/* ------------------------------------------------------------------------------------------ show
 */

static void print_transfer(const Florin__V1__Transfer *transfer, const char *result)
{
    char text[VALUE_TEXT_BYTES];
    (void)printf("transfer %s\n", florin_id_format(ids_of(&transfer->id), text));
    (void)printf("  result     %s\n", result);
    (void)printf("  debit      account %s\n",
                 florin_id_format(ids_of(&transfer->debit_account_id), text));
    (void)printf("  credit     account %s\n",
                 florin_id_format(ids_of(&transfer->credit_account_id), text));
    (void)printf("  amount     %s\n", value_money(transfer->amount, transfer->ledger, text));
    (void)printf("  code       %u\n", transfer->code);
    if (*transfer->reference)
        (void)printf("  reference  %s\n", value_printable(transfer->reference));
    if (ids_of(&transfer->user_data) != 0)
        (void)printf("  user data  %s\n", florin_id_format(ids_of(&transfer->user_data), text));
    (void)printf("  time       %s\n", value_time(transfer->timestamp, text));
}

static void show(cli_t *cli, const Florin__V1__Transfer *transfer, const char *result)
{
    if (!cli->json) {
        print_transfer(transfer, result);
        return;
    }
    json_t *object = wire_json(&transfer->base);
    (void)json_object_set_new(object, "result", json_string(result));
    cli_print_json(object);
}

/* Both lists come in the order asked: together they are those ids that are spent. */
static int show_all(cli_t *cli, const ids_t *ids, const Florin__V1__LookupTransfersReply *reply)
{
    int code = CLI_DONE;
    size_t created = 0, refused = 0;
    for (size_t i = 0; i < ids->count; i++) {
        florin_id_t id = ids_of(&ids->wire[i]);
        const Florin__V1__Transfer *transfer =
            created < reply->n_transfers ? reply->transfers[created] : NULL;
        const Florin__V1__RefusedTransfer *refusal =
            refused < reply->n_refused ? reply->refused[refused] : NULL;
        char name[WIRE_NAME_BYTES], text[FLORIN_ID_TEXT_BYTES], what[64];
        if (transfer && ids_of(&transfer->id) == id) {
            created++;
            show(cli, transfer, "created");
        } else if (refusal && refusal->transfer && ids_of(&refusal->transfer->id) == id) {
            refused++;
            show(cli, refusal->transfer,
                 wire_enum_name(&florin__v1__create_transfer_result__descriptor,
                                (int)refusal->result, name));
        } else {
            (void)snprintf(what, sizeof what, "transfer %s", florin_id_format(id, text));
            cli_tell(cli, what, "not_found", "there is none; its id is still free");
            code = CLI_REFUSED;
        }
    }
    return code;
}

int transfer_show(cli_t *cli, int argc, char **argv)
{
    ids_t ids;
    int code = ids_parse(cli, argc, argv, "Show transfers, also those refused for good.", &ids);
    if (code != CLI_DONE)
        return code;
    Florin__V1__LookupTransfersRequest lookup = FLORIN__V1__LOOKUP_TRANSFERS_REQUEST__INIT;
    lookup.n_ids = ids.count;
    lookup.ids = ids.wire;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_LOOKUP_TRANSFERS;
    request.lookup_transfers = &lookup;
    Florin__V1__Reply *reply;
    code = cli_call(cli, "transactions", &request, "transfer show", &reply);
    if (code == CLI_DONE)
        code = reply->result_case == FLORIN__V1__REPLY__RESULT_LOOKUP_TRANSFERS
                   ? show_all(cli, &ids, reply->lookup_transfers)
                   : cli_tell_nonsense(cli, "transfer show");
    if (reply)
        florin__v1__reply__free_unpacked(reply, NULL);
    ids_clear(&ids);
    return code;
}
