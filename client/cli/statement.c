/* florin account statement. */
#include <inttypes.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/ids.h"
#include "client/cli/table.h"
#include "client/cli/values.h"
#include "client/cli/wire.h"
#include "lib/limits.h"

/* Entries asked for at once. */
#define PAGE_ENTRIES 1000

enum { OPTION_FROM = 256, OPTION_UNTIL };

static const struct argp_option options[] = {
    {"limit", 'n', "NUMBER", 0, "Show at most so many entries", 0},
    {"from", OPTION_FROM, "TIME", 0, "Begin here, inclusive", 0},
    {"until", OPTION_UNTIL, "TIME", 0, "End here, exclusive", 0},
    {0}};

typedef struct {
    cli_t *cli;
    const char *id, *limit, *from, *until;
} arguments_t;

static error_t parse(int key, char *value, struct argp_state *state)
{
    arguments_t *self = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = self->cli;
        return 0;
    case 'n':
        self->limit = value;
        return 0;
    case OPTION_FROM:
        self->from = value;
        return 0;
    case OPTION_UNTIL:
        self->until = value;
        return 0;
    case ARGP_KEY_ARG:
        if (self->id)
            argp_error(state, "one account at a time");
        self->id = value;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "the ID of an account is needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What is asked, and how many entries are still to be shown. */
typedef struct {
    florin_id_t id;
    uint8_t id_bytes[FLORIN_ID_BYTES];
    uint64_t from, until, left;
} query_t;

static int read_query(const arguments_t *arguments, query_t *query, florin_error_t *error)
{
    *query = (query_t){.left = UINT64_MAX};
    int rc = florin_id_parse(arguments->id, "ID", &query->id, error);
    if (rc == 0 && arguments->limit)
        rc = value_number(arguments->limit, "--limit", 1, UINT64_MAX, &query->left, error);
    if (rc == 0 && arguments->from)
        rc = value_time_parse(arguments->from, "--from", &query->from, error);
    if (rc == 0 && arguments->until)
        rc = value_time_parse(arguments->until, "--until", &query->until, error);
    return rc;
}

static void add_row(table_t *table, const query_t *query, const Florin__V1__StatementEntry *entry)
{
    const Florin__V1__Transfer *transfer = entry->transfer;
    bool debit = ids_of(&transfer->debit_account_id) == query->id;
    char text[VALUE_TEXT_BYTES];
    table_cell(table, "%s", value_time(transfer->timestamp, text));
    table_cell(table, "%s", florin_id_format(ids_of(&transfer->id), text));
    table_cell(
        table, "%s",
        florin_id_format(ids_of(debit ? &transfer->credit_account_id : &transfer->debit_account_id),
                         text));
    (void)value_amount(transfer->amount, transfer->ledger, text);
    table_cell(table, "%s", debit ? text : "");
    table_cell(table, "%s", debit ? "" : text);
    table_cell(table, "%s",
               value_balance(entry->debits_posted, entry->credits_posted, transfer->ledger, text));
    table_cell(table, "%s", transfer->reference);
}

/* Prints one page and goes on to the next: *cursor is 0 after the last. */
static int print_page(cli_t *cli, query_t *query, table_t *table, uint64_t *cursor)
{
    Florin__V1__StatementRequest statement = FLORIN__V1__STATEMENT_REQUEST__INIT;
    statement.account_id = ids_field(query->id, query->id_bytes);
    statement.from_timestamp = query->from;
    statement.until_timestamp = query->until;
    statement.limit = query->left < PAGE_ENTRIES ? (uint32_t)query->left : PAGE_ENTRIES;
    statement.cursor = *cursor;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_STATEMENT;
    request.statement = &statement;
    Florin__V1__Reply *reply;
    int code = cli_call(cli, "accounts", &request, "account statement", &reply);
    if (code != CLI_DONE)
        return code;
    const Florin__V1__StatementReply *page = reply->statement;
    if (reply->result_case != FLORIN__V1__REPLY__RESULT_STATEMENT ||
        page->n_entries > statement.limit || (page->next_cursor && page->n_entries == 0)) {
        florin__v1__reply__free_unpacked(reply, NULL);
        return cli_tell_nonsense(cli, "account statement");
    }
    for (size_t i = 0; i < page->n_entries; i++) {
        if (cli->json)
            cli_print_json(wire_json(&page->entries[i]->base));
        else if (page->entries[i]->transfer)
            add_row(table, query, page->entries[i]);
    }
    if (!cli->json)
        table_print(table);
    query->left -= page->n_entries;
    *cursor = page->next_cursor;
    florin__v1__reply__free_unpacked(reply, NULL);
    return CLI_DONE;
}

/* An account without entries and one that is not there look alike on a statement. */
static int check_exists(cli_t *cli, query_t *query, uint32_t *ledger)
{
    ProtobufCBinaryData ids[] = {ids_field(query->id, query->id_bytes)};
    Florin__V1__LookupAccountsRequest lookup = FLORIN__V1__LOOKUP_ACCOUNTS_REQUEST__INIT;
    lookup.n_ids = 1;
    lookup.ids = ids;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_LOOKUP_ACCOUNTS;
    request.lookup_accounts = &lookup;
    Florin__V1__Reply *reply;
    int code = cli_call(cli, "accounts", &request, "account statement", &reply);
    if (code != CLI_DONE)
        return code;
    if (reply->result_case != FLORIN__V1__REPLY__RESULT_LOOKUP_ACCOUNTS) {
        code = cli_tell_nonsense(cli, "account statement");
    } else if (reply->lookup_accounts->n_accounts == 0) {
        char text[FLORIN_ID_TEXT_BYTES], what[64];
        (void)snprintf(what, sizeof what, "account %s", florin_id_format(query->id, text));
        cli_tell(cli, what, "not_found", "there is none; `florin account open` opens it");
        code = CLI_REFUSED;
    } else {
        *ledger = reply->lookup_accounts->accounts[0]->ledger;
    }
    florin__v1__reply__free_unpacked(reply, NULL);
    return code;
}

/* The cursor is the timestamp of the last entry shown. */
static void tell_more(cli_t *cli, uint64_t cursor)
{
    (void)fflush(stdout); /* the entries come first */
    (void)fprintf(stderr, "florin: more follow: --from %" PRIu64 "\n", cursor + 1);
    if (cli->json) {
        json_t *object = json_object();
        (void)json_object_set_new(object, "next_cursor", wire_uint64(cursor));
        cli_print_json(object);
    }
}

int statement(cli_t *cli, int argc, char **argv)
{
    const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "ID",
        .doc = "List what moved on an account, oldest first.\v"
               "A TIME is 2026-11-22, 2026-11-22T18:04:22.5Z (UTC unless it has an offset such as "
               "+01:00) or nanoseconds since 1970. The balance is the one just after the transfer: "
               "CR where credits exceed debits, DR otherwise.",
        .children = children};
    arguments_t arguments = {.cli = cli};
    cli_parse(&argp, argc, argv, &arguments);
    query_t query;
    florin_error_t error;
    if (read_query(&arguments, &query, &error) != 0)
        return cli_tell_usage(cli, &error);
    uint32_t ledger = 0;
    int code = check_exists(cli, &query, &ledger);
    char name[VALUE_TEXT_BYTES], debit[VALUE_TEXT_BYTES + 8], credit[VALUE_TEXT_BYTES + 8];
    (void)value_ledger(ledger, name);
    (void)snprintf(debit, sizeof debit, ">DEBIT %s", name);
    (void)snprintf(credit, sizeof credit, ">CREDIT %s", name);
    table_t *table =
        table_new(stdout, (const char *const[]){"TIME (UTC)", "TRANSFER", "COUNTERPARTY", debit,
                                                credit, ">BALANCE", "REFERENCE", NULL});
    uint64_t cursor = 0;
    for (bool more = code == CLI_DONE; more; more = code == CLI_DONE && cursor && query.left)
        code = print_page(cli, &query, table, &cursor);
    if (code == CLI_DONE && cursor)
        tell_more(cli, cursor);
    table_destroy(&table);
    return code;
}
