/* florin transfer. */
#include <string.h>

#include "client/cli/booking.h"
#include "client/cli/ids.h"
#include "client/cli/values.h"
#include "client/cli/words.h"

enum { DEBIT, CREDIT, AMOUNT, CURRENCY, WORDS };
enum { OPTION_USER = 256, OPTION_TIMEOUT };

/* An option that sets a flag has this key, and the flag's bit. */
#define OPTION_FLAG       0x10000
#define FLAG(name)        FLORIN__V1__TRANSFER_FLAG__TRANSFER_FLAG_##name
#define OPTION_SETS(name) (OPTION_FLAG | FLAG(name))

static const struct argp_option options[] = {
    {"code", 'k', "NUMBER", 0, "Your reason for the transfer, 1 to 65535 (otherwise 1)", 0},
    {"reference", 'r', "TEXT", 0, "Text that goes with it, at most 140 bytes", 0},
    {"user-data", OPTION_USER, "ID", 0, "16 bytes of your own, as a UUID or number", 0},
    {"pending", OPTION_SETS(PENDING), 0, 0,
     "Reserve the money, until it is posted, voided or the timeout is over", 0},
    {"timeout", OPTION_TIMEOUT, "TIME", 0,
     "Seconds after which a pending transfer expires, or a number with s, m, h or d (otherwise "
     "never)",
     0},
    {"balancing-debit", OPTION_SETS(BALANCING_DEBIT), 0, 0,
     "Move at most what DEBIT has; AMOUNT may be `max`", 0},
    {"balancing-credit", OPTION_SETS(BALANCING_CREDIT), 0, 0,
     "Move at most what CREDIT owes; AMOUNT may be `max`", 0},
    {"closing-debit", OPTION_SETS(CLOSING_DEBIT), 0, 0,
     "Close DEBIT, until this transfer is voided; with --pending", 0},
    {"closing-credit", OPTION_SETS(CLOSING_CREDIT), 0, 0, "The same with CREDIT", 0},
    {0}};

typedef struct {
    cli_t *cli;
    words_t words;
    booking_options_t booking;
    const char *code, *reference, *user_data, *timeout;
    uint32_t flags;
} arguments_t;

static error_t parse(int key, char *value, struct argp_state *state)
{
    arguments_t *self = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = self->cli;
        state->child_inputs[1] = &self->words;
        state->child_inputs[2] = &self->booking;
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
    case OPTION_TIMEOUT:
        self->timeout = value;
        return 0;
    case OPTION_SETS(PENDING):
    case OPTION_SETS(BALANCING_DEBIT):
    case OPTION_SETS(BALANCING_CREDIT):
    case OPTION_SETS(CLOSING_DEBIT):
    case OPTION_SETS(CLOSING_CREDIT):
        self->flags |= (uint32_t)key & ~(uint32_t)OPTION_FLAG;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* AMOUNT, which may be "max" where the accounts bound it. */
static int read_amount(const arguments_t *arguments, const florin_currency_t *currency,
                       uint64_t *amount, florin_error_t *error)
{
    const char *text = arguments->words.at[AMOUNT];
    bool balancing = arguments->flags & (FLAG(BALANCING_DEBIT) | FLAG(BALANCING_CREDIT));
    if (strcmp(text, "max") != 0)
        return florin_money_parse(text, "AMOUNT", currency, amount, error);
    *amount = FLORIN_AMOUNT_MAX;
    return balancing ? 0
                     : florin_error_set(error, FLORIN_ERROR_INVALID,
                                        "AMOUNT: \"max\" goes with --balancing-debit or "
                                        "--balancing-credit, which say how much that is");
}

static int read_transfer(const arguments_t *arguments, booking_t *booking, florin_error_t *error)
{
    florin_id_t debit, credit, id = 0, user_data = 0;
    const florin_currency_t *currency;
    uint64_t code = 1, amount = 0;
    uint32_t timeout = 0;
    int rc = florin_id_parse(arguments->words.at[DEBIT], "DEBIT", &debit, error);
    if (rc == 0)
        rc = florin_id_parse(arguments->words.at[CREDIT], "CREDIT", &credit, error);
    if (rc == 0)
        rc = value_currency(arguments->words.at[CURRENCY], "CURRENCY", &currency, error);
    if (rc == 0)
        rc = read_amount(arguments, currency, &amount, error);
    if (rc == 0 && arguments->booking.id_text)
        rc = florin_id_parse(arguments->booking.id_text, "--id", &id, error);
    if (rc == 0 && arguments->code)
        rc = value_number(arguments->code, "--code", 1, UINT16_MAX, &code, error);
    if (rc == 0 && arguments->user_data)
        rc = florin_id_parse(arguments->user_data, "--user-data", &user_data, error);
    if (rc == 0 && arguments->timeout)
        rc = value_seconds(arguments->timeout, "--timeout", &timeout, error);
    if (rc != 0)
        return rc;
    booking_init(booking, arguments->booking.id_text ? &id : NULL, debit);
    Florin__V1__Transfer *message = &booking->message;
    message->debit_account_id = ids_field(debit, booking->debit);
    message->credit_account_id = ids_field(credit, booking->credit);
    if (arguments->user_data)
        message->user_data = ids_field(user_data, booking->user_data);
    message->amount = amount;
    message->timeout = timeout;
    message->ledger = currency->numeric;
    message->code = (uint32_t)code;
    message->flags = arguments->flags;
    return arguments->reference
               ? value_reference(arguments->reference, "--reference", booking->reference, error)
               : 0;
}

int transfer_create(cli_t *cli, int argc, char **argv)
{
    const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0},
                                          {&words_argp, 0, NULL, 0},
                                          {&booking_argp, 0, NULL, 0},
                                          {0}};
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "DEBIT CREDIT AMOUNT CURRENCY",
        .doc = "Move money from the account DEBIT to the account CREDIT.\v"
               "With --id a repeated command pays once: the second time it says `exists`, which "
               "counts as done.\n\n"
               "  florin transfer 1 2 12.50 EUR --reference \"Invoice 7\"\n"
               "  florin transfer 1 2 12.50 EUR --pending --timeout 7d\n"
               "  florin transfer 1 2 max EUR --balancing-debit",
        .children = children};
    arguments_t arguments = {.cli = cli,
                             .words = {WORDS, WORDS, "DEBIT CREDIT AMOUNT CURRENCY", {0}}};
    cli_parse(&argp, argc, argv, &arguments);
    booking_t booking;
    florin_error_t error;
    if (read_transfer(&arguments, &booking, &error) != 0)
        return cli_tell_usage(cli, &error);
    return booking_make(cli, &booking.message, &booking.message, arguments.booking.dry_run);
}
