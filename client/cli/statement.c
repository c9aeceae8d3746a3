/* florin account statement. */
#include <inttypes.h>

#include "client/cli/cli.h"
#include "client/cli/ids.h"
#include "client/cli/lookup.h"
#include "client/cli/range.h"
#include "client/cli/table.h"
#include "client/cli/values.h"
#include "client/cli/wire.h"
#include "client/cli/words.h"

#define FLAG(name) FLORIN__V1__TRANSFER_FLAG__TRANSFER_FLAG_##name

typedef struct {
    cli_t *cli;
    words_t words;
    range_t range;
} arguments_t;

static error_t parse(int key, char *value, struct argp_state *state)
{
    arguments_t *self = state->input;
    (void)value;
    if (key != ARGP_KEY_INIT)
        return ARGP_ERR_UNKNOWN;
    state->child_inputs[0] = self->cli;
    state->child_inputs[1] = &self->words;
    state->child_inputs[2] = &self->range;
    return 0;
}

/* What an entry did, where it did not just move money. */
static const char *kind_of(const Florin__V1__StatementEntry *entry)
{
    uint32_t flags = entry->transfer->flags;
    if (entry->expired)
        return "expired";
    if (flags & FLAG(PENDING))
        return "pending";
    if (flags & FLAG(POST_PENDING_TRANSFER))
        return "posted";
    return flags & FLAG(VOID_PENDING_TRANSFER) ? "voided" : "";
}

/* An amount in parentheses was reserved or released, and did not move. */
static void add_row(table_t *table, florin_id_t account, const Florin__V1__StatementEntry *entry)
{
    const Florin__V1__Transfer *transfer = entry->transfer;
    bool debit = ids_of(&transfer->debit_account_id) == account;
    bool moved = !(transfer->flags & (FLAG(PENDING) | FLAG(VOID_PENDING_TRANSFER)));
    char text[VALUE_TEXT_BYTES], amount[VALUE_TEXT_BYTES + 2];
    table_cell(table, "%s", value_time(entry->timestamp, text));
    table_cell(table, "%s", florin_id_format(ids_of(&transfer->id), text));
    table_cell(
        table, "%s",
        florin_id_format(ids_of(debit ? &transfer->credit_account_id : &transfer->debit_account_id),
                         text));
    (void)value_amount(transfer->amount, transfer->ledger, text);
    (void)snprintf(amount, sizeof amount, moved ? "%s" : "(%s)", text);
    table_cell(table, "%s", debit ? amount : "");
    table_cell(table, "%s", debit ? "" : amount);
    table_cell(table, "%s",
               value_balance(entry->debits_posted, entry->credits_posted, transfer->ledger, text));
    table_cell(table, "%s", kind_of(entry));
    table_cell(table, "%s", transfer->reference);
}

/* Prints one page and goes on to the next: the request's cursor is 0 after the last. */
static int print_page(cli_t *cli, Florin__V1__StatementRequest *statement, range_t *range,
                      table_t *table)
{
    statement->limit = range_page(range);
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_STATEMENT;
    request.statement = statement;
    Florin__V1__Reply *reply;
    int code = cli_call(cli, "accounts", &request, "account statement", &reply);
    if (code != CLI_DONE)
        return code;
    const Florin__V1__StatementReply *page = reply->statement;
    if (page->n_entries > statement->limit || (page->next_cursor && page->n_entries == 0)) {
        florin__v1__reply__free_unpacked(reply, NULL);
        return cli_tell_nonsense(cli, "account statement");
    }
    for (size_t i = 0; i < page->n_entries; i++) {
        if (cli->json)
            cli_print_json(wire_json(&page->entries[i]->base));
        else if (page->entries[i]->transfer)
            add_row(table, ids_of(&statement->account_id), page->entries[i]);
    }
    if (!cli->json)
        table_print(table);
    range->left -= page->n_entries;
    statement->cursor = page->next_cursor;
    florin__v1__reply__free_unpacked(reply, NULL);
    return CLI_DONE;
}

/* The cursor is the timestamp of the last entry shown. */
static void tell_more(const cli_t *cli, const range_t *range, uint64_t cursor)
{
    char value[24], text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, cursor);
    (void)snprintf(value, sizeof value, "%" PRIu64, range->newest_first ? cursor : cursor + 1);
    range_tell_more(cli, range->newest_first ? "--newest-first --until" : "--from", value, text);
}

static int print_pages(cli_t *cli, florin_id_t account, range_t *range, uint32_t ledger)
{
    char name[VALUE_TEXT_BYTES], debit[VALUE_TEXT_BYTES + 8], credit[VALUE_TEXT_BYTES + 8];
    (void)value_ledger(ledger, name);
    (void)snprintf(debit, sizeof debit, ">DEBIT %s", name);
    (void)snprintf(credit, sizeof credit, ">CREDIT %s", name);
    table_t *table =
        table_new(stdout, (const char *const[]){"TIME (UTC)", "TRANSFER", "COUNTERPARTY", debit,
                                                credit, ">BALANCE", "STATE", "REFERENCE", NULL});
    uint8_t bytes[FLORIN_ID_BYTES];
    Florin__V1__StatementRequest statement = FLORIN__V1__STATEMENT_REQUEST__INIT;
    statement.account_id = ids_field(account, bytes);
    statement.from_timestamp = range->from;
    statement.until_timestamp = range->until;
    statement.newest_first = range->newest_first;
    int code;
    do
        code = print_page(cli, &statement, range, table);
    while (code == CLI_DONE && statement.cursor && range->left);
    if (code == CLI_DONE && statement.cursor)
        tell_more(cli, range, statement.cursor);
    table_destroy(&table);
    return code;
}

int statement(cli_t *cli, int argc, char **argv)
{
    const struct argp_child children[] = {
        {&cli_common_argp, 0, NULL, 0}, {&words_argp, 0, NULL, 0}, {&range_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        .parser = parse,
        .args_doc = "ID",
        .doc = "List what moved on an account, oldest first.\v"
               "A TIME is 2026-11-22, 2026-11-22T18:04:22.5Z (UTC unless it has an offset such as "
               "+01:00) or nanoseconds since 1970. The balance is the one just after the transfer: "
               "CR where credits exceed debits, DR otherwise. An amount in parentheses was "
               "reserved or released, and is no part of the balance.",
        .children = children};
    arguments_t arguments = {.cli = cli, .words = {1, 1, "the ID of an account", {0}}};
    cli_parse(&argp, argc, argv, &arguments);
    florin_id_t id;
    florin_error_t error;
    if (florin_id_parse(arguments.words.at[0], "ID", &id, &error) != 0 ||
        range_read(&arguments.range, &error) != 0)
        return cli_tell_usage(cli, &error);
    Florin__V1__Reply *reply;
    const Florin__V1__Account *account;
    int code = lookup_account(cli, id, &reply, &account);
    if (code == CLI_DONE)
        code = print_pages(cli, id, &arguments.range, account->ledger);
    florin__v1__reply__free_unpacked(reply, NULL);
    return code;
}
