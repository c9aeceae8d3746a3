/* florin transfer post, florin transfer void: what becomes of a pending transfer. */
#include "client/cli/booking.h"
#include "client/cli/ids.h"
#include "client/cli/lookup.h"
#include "client/cli/values.h"
#include "client/cli/words.h"

enum { PENDING_ID, AMOUNT, CURRENCY, WORDS };

typedef struct {
    cli_t *cli;
    words_t words;
    booking_options_t booking;
} arguments_t;

static error_t parse(int key, char *value, struct argp_state *state)
{
    arguments_t *self = state->input;
    (void)value;
    if (key != ARGP_KEY_INIT)
        return ARGP_ERR_UNKNOWN;
    state->child_inputs[0] = self->cli;
    state->child_inputs[1] = &self->words;
    state->child_inputs[2] = &self->booking;
    return 0;
}

/* What the command line says of the amount; `shown` has the pending transfer's. */
static int read_amount(const arguments_t *arguments, Florin__V1__Transfer *message,
                       Florin__V1__Transfer *shown, florin_error_t *error)
{
    if (!arguments->words.at[AMOUNT])
        return 0;
    const florin_currency_t *currency;
    if (arguments->words.at[CURRENCY]) {
        int rc = value_currency(arguments->words.at[CURRENCY], "CURRENCY", &currency, error);
        if (rc != 0)
            return rc;
        message->ledger = shown->ledger = currency->numeric;
    }
    int rc = value_amount_parse(arguments->words.at[AMOUNT], "AMOUNT", shown->ledger,
                                &shown->amount, error);
    message->amount = shown->amount;
    return rc;
}

static int make(cli_t *cli, const arguments_t *arguments, uint32_t flag, florin_id_t pending_id,
                const florin_id_t *id, const Florin__V1__Transfer *pending)
{
    bool posts = flag == FLORIN__V1__TRANSFER_FLAG__TRANSFER_FLAG_POST_PENDING_TRANSFER;
    booking_t booking;
    florin_error_t error;
    booking_init(&booking, id, ids_of(&pending->debit_account_id));
    booking.message.pending_id = ids_field(pending_id, booking.pending);
    booking.message.flags = flag;
    booking.message.amount = posts ? FLORIN_AMOUNT_MAX : 0; /* all of it */
    Florin__V1__Transfer shown = *pending;
    if (read_amount(arguments, &booking.message, &shown, &error) != 0)
        return cli_tell_usage(cli, &error);
    return booking_make(cli, &booking.message, &shown, arguments->booking.dry_run);
}

static int resolve(cli_t *cli, const struct argp *command, unsigned words_max, uint32_t flag,
                   int argc, char **argv)
{
    const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0},
                                          {&words_argp, 0, NULL, 0},
                                          {&booking_argp, 0, NULL, 0},
                                          {0}};
    const struct argp argp = {
        .parser = parse, .args_doc = command->args_doc, .doc = command->doc, .children = children};
    arguments_t arguments = {.cli = cli, .words = {1, words_max, command->args_doc, {0}}};
    cli_parse(&argp, argc, argv, &arguments);
    const char *id_text = arguments.booking.id_text;
    florin_id_t pending_id, id;
    florin_error_t error;
    if (florin_id_parse(arguments.words.at[PENDING_ID], "PENDING_ID", &pending_id, &error) != 0 ||
        (id_text && florin_id_parse(id_text, "--id", &id, &error) != 0))
        return cli_tell_usage(cli, &error);
    Florin__V1__Reply *reply;
    lookup_transfer_t found;
    int code = lookup_transfer(cli, pending_id, &reply, &found);
    if (code == CLI_DONE)
        code = make(cli, &arguments, flag, pending_id, id_text ? &id : NULL, found.transfer);
    florin__v1__reply__free_unpacked(reply, NULL);
    return code;
}

int transfer_post(cli_t *cli, int argc, char **argv)
{
    const struct argp command = {
        .args_doc = "PENDING_ID [AMOUNT [CURRENCY]]",
        .doc = "Move what a pending transfer reserved: all of it, or AMOUNT and release the rest.\v"
               "The post is a transfer of its own, with an id of its own. A pending transfer is "
               "posted once."};
    return resolve(cli, &command, WORDS,
                   FLORIN__V1__TRANSFER_FLAG__TRANSFER_FLAG_POST_PENDING_TRANSFER, argc, argv);
}

int transfer_void(cli_t *cli, int argc, char **argv)
{
    const struct argp command = {
        .args_doc = "PENDING_ID",
        .doc = "Release what a pending transfer reserved.\v"
               "The void is a transfer of its own, with an id of its own. If the pending transfer "
               "closed an account, that is open again."};
    return resolve(cli, &command, 1, FLORIN__V1__TRANSFER_FLAG__TRANSFER_FLAG_VOID_PENDING_TRANSFER,
                   argc, argv);
}
