#include "client/cli/booking.h"

#include "client/cli/ids.h"
#include "client/cli/lookup.h"
#include "client/cli/refusal.h"
#include "client/cli/table.h"
#include "client/cli/values.h"
#include "client/cli/wire.h"
#include "lib/clock.h"

#define FLAG(name) FLORIN__V1__TRANSFER_FLAG__TRANSFER_FLAG_##name

#define BALANCING (FLAG(BALANCING_DEBIT) | FLAG(BALANCING_CREDIT))

#define TEXT_BYTES 512

enum { OPTION_ID = 1024, OPTION_DRY_RUN };

static const struct argp_option options[] = {
    {"id", OPTION_ID, "ID", 0,
     "The transfer's own id: repeating the command with it does it only once (otherwise a new one)",
     60},
    {"dry-run", OPTION_DRY_RUN, 0, 0, "Say what would happen, and change nothing", 60},
    {0}};

static error_t parse(int key, char *value, struct argp_state *state)
{
    booking_options_t *self = state->input;
    switch (key) {
    case OPTION_ID:
        self->id_text = value;
        return 0;
    case OPTION_DRY_RUN:
        self->dry_run = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp booking_argp = {.options = options, .parser = parse};

void booking_init(booking_t *self, const florin_id_t *id, florin_id_t debit_account_id)
{
    unsigned slot = florin_id_slot(debit_account_id);
    florin__v1__transfer__init(&self->message);
    self->reference[0] = '\0';
    self->message.reference = self->reference;
    self->message.id =
        ids_field(id ? *id : florin_id_mint(florin_clock_unix_ns() / 1000000, slot), self->id);
}

int booking_send(cli_t *cli, Florin__V1__Transfer *transfer, bool dry_run,
                 Florin__V1__Reply **reply)
{
    Florin__V1__Transfer *list[] = {transfer};
    Florin__V1__CreateTransfersRequest create = FLORIN__V1__CREATE_TRANSFERS_REQUEST__INIT;
    create.n_transfers = 1;
    create.transfers = list;
    create.dry_run = dry_run;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_CREATE_TRANSFERS;
    request.create_transfers = &create;
    char what[IDS_NAME_BYTES];
    int code = cli_call(cli, "transactions", &request,
                        ids_name("transfer", ids_of(&transfer->id), what), reply);
    if (code == CLI_DONE && (*reply)->create_transfers->n_results != 1)
        code = cli_tell_nonsense(cli, what);
    return code;
}

bool booking_reverses(const Florin__V1__Transfer *transfer)
{
    florin_id_t reversed = ids_of(&transfer->user_data);
    return reversed != 0 && florin_reversal_id(reversed, ids_of(&transfer->debit_account_id)) ==
                                ids_of(&transfer->id);
}

/* What is done to the money, where it is more than to move it: ", pending", ", posts 7". */
static void describe_kind(const Florin__V1__Transfer *transfer, char *text, size_t bytes)
{
    char id[FLORIN_ID_TEXT_BYTES];
    *text = '\0';
    if (transfer->flags & FLAG(PENDING))
        (void)snprintf(text, bytes, ", pending");
    else if (transfer->flags & FLAG(POST_PENDING_TRANSFER))
        (void)snprintf(text, bytes, ", posts %s",
                       florin_id_format(ids_of(&transfer->pending_id), id));
    else if (transfer->flags & FLAG(VOID_PENDING_TRANSFER))
        (void)snprintf(text, bytes, ", voids %s",
                       florin_id_format(ids_of(&transfer->pending_id), id));
    else if (booking_reverses(transfer))
        (void)snprintf(text, bytes, ", reverses %s",
                       florin_id_format(ids_of(&transfer->user_data), id));
}

/* ", held for review (amount_above_review)"; what became of it when that was earlier. */
static void describe_review(const Florin__V1__TransferResult *result,
                            Florin__V1__PendingStatus status, char *text, size_t bytes)
{
    char words[TEXT_BYTES];
    if (status != FLORIN__V1__PENDING_STATUS__PENDING_STATUS_UNSPECIFIED &&
        status != FLORIN__V1__PENDING_STATUS__PENDING_STATUS_OPEN)
        (void)snprintf(text, bytes, ", was held for review and %s",
                       wire_enum_name(&florin__v1__pending_status__descriptor, (int)status, words));
    else
        (void)snprintf(text, bytes, ", held for review%s%s%s", result->n_reasons ? " (" : "",
                       refusal_reasons(result, words, sizeof words), result->n_reasons ? ")" : "");
}

/* "10.00 EUR from 1 to 2"; of a balancing one only the most it moves is known beforehand. */
static void describe_money(const Florin__V1__Transfer *shown, bool at_most, char *text,
                           size_t bytes)
{
    char money[VALUE_TEXT_BYTES], debit[FLORIN_ID_TEXT_BYTES], credit[FLORIN_ID_TEXT_BYTES];
    bool all = at_most && shown->amount == FLORIN_AMOUNT_MAX;
    (void)snprintf(text, bytes, "%s%s from %s to %s", at_most && !all ? "at most " : "",
                   all ? "as much as there is" : value_money(shown->amount, shown->ledger, money),
                   florin_id_format(ids_of(&shown->debit_account_id), debit),
                   florin_id_format(ids_of(&shown->credit_account_id), credit));
}

/* The accounts as they would be. */
static void print_accounts(const Florin__V1__CreateTransfersReply *reply)
{
    table_t *table =
        table_new(stdout, (const char *const[]){"ACCOUNT", ">BALANCE", ">DEBITS PENDING",
                                                ">CREDITS PENDING", "FLAGS", NULL});
    for (size_t i = 0; i < reply->n_accounts; i++) {
        const Florin__V1__Account *account = reply->accounts[i];
        char text[VALUE_FLAGS_BYTES];
        table_cell(table, "%s", florin_id_format(ids_of(&account->id), text));
        table_cell(
            table, "%s",
            value_balance(account->debits_posted, account->credits_posted, account->ledger, text));
        table_cell(table, "%s", value_amount(account->debits_pending, account->ledger, text));
        table_cell(table, "%s", value_amount(account->credits_pending, account->ledger, text));
        table_cell(table, "%s", value_account_flags(account->flags, text, sizeof text));
    }
    table_print(table);
    table_destroy(&table);
}

static void print_done(cli_t *cli, const Florin__V1__Transfer *transfer,
                       const Florin__V1__Transfer *shown, bool dry_run,
                       const Florin__V1__TransferResult *result)
{
    char id[FLORIN_ID_TEXT_BYTES], name[WIRE_NAME_BYTES], kind[TEXT_BYTES], money[TEXT_BYTES];
    bool existed =
        result->result == FLORIN__V1__CREATE_TRANSFER_RESULT__CREATE_TRANSFER_RESULT_EXISTS;
    bool balancing = transfer->flags & BALANCING;
    bool held = result->held_for_review;
    Florin__V1__Reply *reply = NULL;
    lookup_transfer_t found = {0};
    /* What the result leaves open is in the books: how much moved, and what became of a review. */
    bool asks = (balancing && (existed || !dry_run)) || (held && existed);
    bool known = asks && lookup_transfer_quietly(cli, &transfer->id, &reply, &found);
    if (held)
        describe_review(result, found.pending, kind, sizeof kind);
    else
        describe_kind(transfer, kind, sizeof kind);
    describe_money(known ? found.transfer : shown, balancing && !known, money, sizeof money);
    (void)florin_id_format(ids_of(&transfer->id), id);
    (void)printf(
        "transfer %s: %s%s%s: %s\n", id, dry_run && !existed ? "would be " : "",
        wire_enum_name(&florin__v1__create_transfer_result__descriptor, (int)result->result, name),
        kind, money);
    if (held && !dry_run &&
        (!existed || found.pending == FLORIN__V1__PENDING_STATUS__PENDING_STATUS_OPEN))
        (void)printf(
            "  `florin transfer post %s` moves it, `florin transfer void %s` releases it\n", id,
            id);
    florin__v1__reply__free_unpacked(reply, NULL);
}

static void print_json(const Florin__V1__Transfer *transfer, bool dry_run,
                       const Florin__V1__CreateTransfersReply *reply)
{
    json_t *object = refusal_transfer_json(&transfer->id, reply->results[0]);
    if (dry_run) {
        json_t *accounts = json_array();
        for (size_t i = 0; i < reply->n_accounts; i++)
            (void)json_array_append_new(accounts, wire_json(&reply->accounts[i]->base));
        (void)json_object_set_new(object, "accounts", accounts);
    }
    cli_print_json(object);
}

int booking_tell(cli_t *cli, const Florin__V1__Transfer *transfer,
                 const Florin__V1__Transfer *shown, bool dry_run, const Florin__V1__Reply *reply)
{
    const Florin__V1__TransferResult *result = reply->create_transfers->results[0];
    bool done = refusal_none_transfer(result->result);
    if (cli->json) {
        print_json(transfer, dry_run, reply->create_transfers);
    } else if (done) {
        print_done(cli, transfer, shown, dry_run, result);
        if (reply->create_transfers->n_accounts > 0)
            print_accounts(reply->create_transfers);
    }
    if (!done)
        refusal_tell_transfer(cli, transfer, result, dry_run);
    return done ? CLI_DONE : CLI_REFUSED;
}

int booking_make(cli_t *cli, Florin__V1__Transfer *transfer, const Florin__V1__Transfer *shown,
                 bool dry_run)
{
    Florin__V1__Reply *reply;
    int code = booking_send(cli, transfer, dry_run, &reply);
    if (code == CLI_DONE)
        code = booking_tell(cli, transfer, shown, dry_run, reply);
    florin__v1__reply__free_unpacked(reply, NULL);
    return code;
}
