/* florin transfer reverse: docs/decisions/reversal.md. */
#include <string.h>

#include "client/cli/booking.h"
#include "client/cli/ids.h"
#include "client/cli/lookup.h"
#include "client/cli/refusal.h"
#include "client/cli/values.h"
#include "client/cli/wire.h"
#include "client/cli/words.h"

#define FLAG(name)   FLORIN__V1__TRANSFER_FLAG__TRANSFER_FLAG_##name
#define STATUS(name) FLORIN__V1__PENDING_STATUS__PENDING_STATUS_##name
#define RESULT(name) FLORIN__V1__CREATE_TRANSFER_RESULT__CREATE_TRANSFER_RESULT_##name

/* Of the debit account's entries after a pending transfer, so many are searched for its post. */
#define SEARCHED 1000

enum { OPTION_DRY_RUN = 256 };

static const struct argp_option options[] = {
    {"dry-run", OPTION_DRY_RUN, 0, 0, "Say what would happen, and change nothing", 0}, {0}};

typedef struct {
    cli_t *cli;
    words_t words;
    bool dry_run;
} arguments_t;

static error_t parse(int key, char *value, struct argp_state *state)
{
    arguments_t *self = state->input;
    (void)value;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = self->cli;
        state->child_inputs[1] = &self->words;
        return 0;
    case OPTION_DRY_RUN:
        self->dry_run = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The transfer that posted a pending one: 0 when it is not among the entries that are searched. */
static florin_id_t find_post(cli_t *cli, const Florin__V1__Transfer *pending)
{
    Florin__V1__StatementRequest statement = FLORIN__V1__STATEMENT_REQUEST__INIT;
    statement.account_id = pending->debit_account_id;
    statement.cursor = pending->timestamp;
    statement.limit = SEARCHED;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_STATEMENT;
    request.statement = &statement;
    Florin__V1__Reply *reply;
    florin_id_t post = 0;
    if (cli_call(cli, "accounts", &request, NULL, &reply) == CLI_DONE)
        for (size_t i = 0; i < reply->statement->n_entries && post == 0; i++) {
            const Florin__V1__Transfer *transfer = reply->statement->entries[i]->transfer;
            if (transfer && ids_of(&transfer->pending_id) == ids_of(&pending->id))
                post = ids_of(&transfer->id);
        }
    florin__v1__reply__free_unpacked(reply, NULL);
    return post;
}

/* Why a pending transfer itself can't be reversed. */
static void refuse_pending(cli_t *cli, const lookup_transfer_t *found, const char *what)
{
    const char *id = strchr(what, ' ') + 1;
    char name[WIRE_NAME_BYTES], post[FLORIN_ID_TEXT_BYTES];
    florin_id_t post_id;
    (void)wire_enum_name(&florin__v1__pending_status__descriptor, (int)found->pending, name);
    if (found->pending == STATUS(OPEN))
        cli_tell(cli, what, "pending",
                 "nothing has moved yet: `florin transfer void %s` releases what it reserves", id);
    else if (found->pending != STATUS(POSTED))
        cli_tell(cli, what, name, "it was pending and is %s: nothing moved, nothing is reserved",
                 name);
    else if ((post_id = find_post(cli, found->transfer)) != 0)
        cli_tell(cli, what, name,
                 "another transfer posted it, and that is the one to reverse: `florin transfer "
                 "reverse %s`",
                 florin_id_format(post_id, post));
    else
        cli_tell(cli, what, name,
                 "another transfer posted it, and that is the one to reverse: look for it with "
                 "`florin account statement`");
}

/* Whether its money has moved and may be moved back; told when not. */
static bool is_reversible(cli_t *cli, const lookup_transfer_t *found)
{
    const Florin__V1__Transfer *transfer = found->transfer;
    char what[IDS_NAME_BYTES], name[WIRE_NAME_BYTES], reversed[FLORIN_ID_TEXT_BYTES];
    (void)ids_name("transfer", ids_of(&transfer->id), what);
    (void)wire_enum_name(&florin__v1__create_transfer_result__descriptor, (int)found->result, name);
    if (found->result != RESULT(CREATED))
        cli_tell(cli, what, name, "it was refused and moved nothing: there is nothing to reverse");
    else if (transfer->flags & FLAG(PENDING))
        refuse_pending(cli, found, what);
    else if (transfer->flags & FLAG(VOID_PENDING_TRANSFER))
        cli_tell(cli, what, "voids",
                 "it released what was reserved and moved nothing: there is nothing to reverse");
    else if (booking_reverses(transfer))
        cli_tell(cli, what, "is_reversal",
                 "it is the reversal of %s, and a reversal stands: to pay again, make a new "
                 "transfer",
                 florin_id_format(ids_of(&transfer->user_data), reversed));
    else
        return true;
    return false;
}

/* The opposite of a transfer, made of nothing but what is stored of it. */
static void build(booking_t *booking, const Florin__V1__Transfer *transfer)
{
    static char reference[] = "reversal";
    florin_id_t id =
        florin_reversal_id(ids_of(&transfer->id), ids_of(&transfer->credit_account_id));
    booking_init(booking, &id, 0);
    Florin__V1__Transfer *message = &booking->message;
    message->debit_account_id = transfer->credit_account_id;
    message->credit_account_id = transfer->debit_account_id;
    message->amount = transfer->amount;
    message->ledger = transfer->ledger;
    message->code = transfer->code;
    message->user_data = transfer->id;
    message->reference = reference;
}

/* The money can't be moved back under the reversal's id any more. Returns CLI_REFUSED. */
static int tell_lost(const Florin__V1__Transfer *reversal, const char *why)
{
    char reversed[FLORIN_ID_TEXT_BYTES], debit[FLORIN_ID_TEXT_BYTES], credit[FLORIN_ID_TEXT_BYTES],
        money[VALUE_TEXT_BYTES];
    (void)fprintf(
        stderr,
        "florin: transfer %s: its one reversal was %s; only a transfer under a new id can "
        "move the money back, and pays each time: `florin transfer %s %s %s`\n",
        florin_id_format(ids_of(&reversal->user_data), reversed), why,
        florin_id_format(ids_of(&reversal->debit_account_id), debit),
        florin_id_format(ids_of(&reversal->credit_account_id), credit),
        value_money(reversal->amount, reversal->ledger, money));
    return CLI_REFUSED;
}

/* Whether a reversal that exists was held for review, and was let go. */
static bool was_voided(cli_t *cli, const Florin__V1__Transfer *reversal)
{
    Florin__V1__Reply *reply;
    lookup_transfer_t found;
    bool voided = lookup_transfer_quietly(cli, &reversal->id, &reply, &found) &&
                  found.pending == STATUS(VOIDED);
    florin__v1__reply__free_unpacked(reply, NULL);
    return voided;
}

/* Sends it; `quiet` tells only refusals. */
static int attempt(cli_t *cli, Florin__V1__Transfer *reversal, bool dry_run, bool quiet)
{
    Florin__V1__Reply *reply;
    int code = booking_send(cli, reversal, dry_run, &reply);
    if (code == CLI_DONE) {
        const Florin__V1__TransferResult *result = reply->create_transfers->results[0];
        if (!quiet || !refusal_none_transfer(result->result))
            code = booking_tell(cli, reversal, reversal, dry_run, reply);
        if (result->result == RESULT(ID_ALREADY_FAILED) ||
            (!dry_run && refusal_spends(result->result)))
            code = tell_lost(reversal, "refused");
        else if (!quiet && result->result == RESULT(EXISTS) && result->held_for_review &&
                 was_voided(cli, reversal))
            code = tell_lost(reversal, "held for review and voided");
    }
    florin__v1__reply__free_unpacked(reply, NULL);
    return code;
}

/* A refusal that spends the reversal's id would be for ever, so it is tried first. */
static int make(cli_t *cli, Florin__V1__Transfer *reversal, bool dry_run)
{
    int code = attempt(cli, reversal, true, !dry_run);
    return code != CLI_DONE || dry_run ? code : attempt(cli, reversal, false, false);
}

int transfer_reverse(cli_t *cli, int argc, char **argv)
{
    const struct argp_child children[] = {
        {&cli_common_argp, 0, NULL, 0}, {&words_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "ID",
        .doc = "Move a transfer's money back, once, however often this is repeated.\v"
               "The reversal is a transfer whose id comes from the reversed one's; its user data "
               "is that one's id. What is pending is voided instead, and what was posted is "
               "reversed by the id of its post.",
        .children = children};
    arguments_t arguments = {.cli = cli, .words = {1, 1, "the ID of a transfer", {0}}};
    cli_parse(&argp, argc, argv, &arguments);
    florin_id_t id;
    florin_error_t error;
    if (florin_id_parse(arguments.words.at[0], "ID", &id, &error) != 0)
        return cli_tell_usage(cli, &error);
    Florin__V1__Reply *reply;
    lookup_transfer_t found;
    int code = lookup_transfer(cli, id, &reply, &found);
    if (code == CLI_DONE && !is_reversible(cli, &found))
        code = CLI_REFUSED;
    if (code == CLI_DONE) {
        booking_t booking;
        build(&booking, found.transfer);
        code = make(cli, &booking.message, arguments.dry_run);
    }
    florin__v1__reply__free_unpacked(reply, NULL);
    return code;
}
