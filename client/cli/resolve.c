/* florin transfer post, florin transfer void: what becomes of a pending transfer. */
#include <string.h>

#include "client/cli/booking.h"
#include "client/cli/ids.h"
#include "client/cli/lookup.h"
#include "client/cli/values.h"
#include "client/cli/wire.h"

enum { WORDS = 3 }; /* PENDING_ID AMOUNT CURRENCY */
enum { OPTION_ID = 256, OPTION_DRY_RUN };

static const struct argp_option options[] = {
    {"id", OPTION_ID, "ID", 0,
     "The new transfer's own id: repeating the command with it does it once (otherwise a new one)",
     0},
    {"dry-run", OPTION_DRY_RUN, 0, 0, "Say what would happen, and change nothing", 0},
    {0}};

typedef struct {
    cli_t *cli;
    unsigned words_max;
    const char *words[WORDS];
    const char *id;
    bool dry_run;
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
    case OPTION_DRY_RUN:
        self->dry_run = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num >= self->words_max)
            argp_error(state, "too many words");
        self->words[state->arg_num] = value;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "the ID of a pending transfer is needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What the command line says of the amount; `shown` has the pending transfer's. */
static int read_amount(const arguments_t *arguments, Florin__V1__Transfer *message,
                       Florin__V1__Transfer *shown, florin_error_t *error)
{
    if (!arguments->words[1])
        return 0;
    const florin_currency_t *currency;
    if (arguments->words[2]) {
        int rc = value_currency(arguments->words[2], "CURRENCY", &currency, error);
        if (rc != 0)
            return rc;
        message->ledger = shown->ledger = currency->numeric;
    }
    int rc =
        value_amount_parse(arguments->words[1], "AMOUNT", shown->ledger, &shown->amount, error);
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
    return booking_make(cli, &booking.message, &shown, arguments->dry_run);
}

static int resolve(cli_t *cli, const arguments_t *arguments, uint32_t flag)
{
    florin_id_t pending_id, id;
    florin_error_t error;
    if (florin_id_parse(arguments->words[0], "PENDING_ID", &pending_id, &error) != 0 ||
        (arguments->id && florin_id_parse(arguments->id, "--id", &id, &error) != 0))
        return cli_tell_usage(cli, &error);
    Florin__V1__Reply *reply;
    lookup_transfer_t found;
    int code = lookup_transfer(cli, pending_id, &reply, &found);
    if (code == CLI_DONE)
        code = make(cli, arguments, flag, pending_id, arguments->id ? &id : NULL, found.transfer);
    florin__v1__reply__free_unpacked(reply, NULL);
    return code;
}

int transfer_post(cli_t *cli, int argc, char **argv)
{
    const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "PENDING_ID [AMOUNT [CURRENCY]]",
        .doc = "Move what a pending transfer reserved: all of it, or AMOUNT and release the rest.\v"
               "The post is a transfer of its own, with an id of its own. A pending transfer is "
               "posted once.",
        .children = children};
    arguments_t arguments = {.cli = cli, .words_max = WORDS};
    cli_parse(&argp, argc, argv, &arguments);
    return resolve(cli, &arguments, FLORIN__V1__TRANSFER_FLAG__TRANSFER_FLAG_POST_PENDING_TRANSFER);
}

int transfer_void(cli_t *cli, int argc, char **argv)
{
    const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "PENDING_ID",
        .doc = "Release what a pending transfer reserved.\v"
               "The void is a transfer of its own, with an id of its own. If the pending transfer "
               "closed an account, that is open again.",
        .children = children};
    arguments_t arguments = {.cli = cli, .words_max = 1};
    cli_parse(&argp, argc, argv, &arguments);
    return resolve(cli, &arguments, FLORIN__V1__TRANSFER_FLAG__TRANSFER_FLAG_VOID_PENDING_TRANSFER);
}
