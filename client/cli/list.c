/* florin account list, florin transfer list. */
#include <sodium.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/ids.h"
#include "client/cli/range.h"
#include "client/cli/table.h"
#include "client/cli/values.h"
#include "client/cli/wire.h"

/* Longest cursor that is taken; it is the server's own business what is in it. */
#define CURSOR_BYTES_MAX 64

enum { OPTION_USER = 256, OPTION_CURSOR };

static const struct argp_option options[] = {
    {"currency", 'u', "CODE", 0, "Only of this currency, such as EUR", 0},
    {"code", 'k', "NUMBER", 0, "Only of this code, 1 to 65535", 0},
    {"user-data", OPTION_USER, "ID", 0, "Only with this user data, a UUID or number", 0},
    {"cursor", OPTION_CURSOR, "HEX", 0, "Go on where a list ended that --limit cut short", 50},
    {0}};

typedef struct {
    cli_t *cli;
    const char *currency, *code, *user_data, *cursor;
    range_t range;
} arguments_t;

static error_t parse(int key, char *value, struct argp_state *state)
{
    arguments_t *self = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = self->cli;
        state->child_inputs[1] = &self->range;
        return 0;
    case 'u':
        self->currency = value;
        return 0;
    case 'k':
        self->code = value;
        return 0;
    case OPTION_USER:
        self->user_data = value;
        return 0;
    case OPTION_CURSOR:
        self->cursor = value;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* A filter, and the bytes that its fields point to. */
typedef struct {
    Florin__V1__Filter message;
    uint8_t user_data[FLORIN_ID_BYTES], cursor[CURSOR_BYTES_MAX];
} filter_t;

static int read_cursor(const char *text, filter_t *filter, florin_error_t *error)
{
    size_t bytes;
    if (sodium_hex2bin(filter->cursor, sizeof filter->cursor, text, strlen(text), NULL, &bytes,
                       NULL) != 0 ||
        bytes == 0)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "--cursor: \"%.40s\" is none: give what followed \"more follow\"",
                                text);
    filter->message.cursor = (ProtobufCBinaryData){.len = bytes, .data = filter->cursor};
    return 0;
}

static int read_filter(arguments_t *arguments, filter_t *filter, florin_error_t *error)
{
    Florin__V1__Filter *message = &filter->message;
    florin__v1__filter__init(message);
    const florin_currency_t *currency = NULL;
    uint64_t code = 0;
    florin_id_t user_data = 0;
    int rc = range_read(&arguments->range, error);
    if (rc == 0 && arguments->currency)
        rc = value_currency(arguments->currency, "--currency", &currency, error);
    if (rc == 0 && arguments->code)
        rc = value_number(arguments->code, "--code", 1, UINT16_MAX, &code, error);
    if (rc == 0 && arguments->user_data)
        rc = florin_id_parse(arguments->user_data, "--user-data", &user_data, error);
    if (rc == 0 && arguments->cursor)
        rc = read_cursor(arguments->cursor, filter, error);
    if (rc != 0)
        return rc;
    message->ledger = currency ? currency->numeric : 0;
    message->code = (uint32_t)code;
    if (arguments->user_data)
        message->user_data = ids_field(user_data, filter->user_data);
    message->from_timestamp = arguments->range.from;
    message->until_timestamp = arguments->range.until;
    message->newest_first = arguments->range.newest_first;
    return 0;
}

/* ------------------------------------------------------------------------------------ two kinds */

/* One page of a list. */
typedef struct {
    Florin__V1__Reply *reply;
    size_t count;
    ProtobufCBinaryData cursor; /* where the next one begins; empty: that was the last */
} page_t;

/* What differs between accounts and transfers. */
typedef struct {
    const char *titles[TABLE_COLUMNS_MAX];
    /* As cli_call; the page's reply has to be freed either way. */
    int (*ask)(cli_t *cli, Florin__V1__Filter *filter, page_t *page);
    const ProtobufCMessage *(*row)(const page_t *page, size_t index);
    void (*add)(table_t *table, const page_t *page, size_t index);
} kind_t;

static int ask_accounts(cli_t *cli, Florin__V1__Filter *filter, page_t *page)
{
    Florin__V1__ListAccountsRequest list = FLORIN__V1__LIST_ACCOUNTS_REQUEST__INIT;
    list.filter = filter;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_LIST_ACCOUNTS;
    request.list_accounts = &list;
    int code = cli_call(cli, "accounts", &request, "account list", &page->reply);
    if (code == CLI_DONE) {
        page->count = page->reply->list_accounts->n_accounts;
        page->cursor = page->reply->list_accounts->next_cursor;
    }
    return code;
}

static const ProtobufCMessage *account_row(const page_t *page, size_t index)
{
    return &page->reply->list_accounts->accounts[index]->base;
}

static void add_account(table_t *table, const page_t *page, size_t index)
{
    const Florin__V1__Account *account = page->reply->list_accounts->accounts[index];
    uint32_t ledger = account->ledger;
    char text[VALUE_FLAGS_BYTES];
    table_cell(table, "%s", value_time(account->timestamp, text));
    table_cell(table, "%s", florin_id_format(ids_of(&account->id), text));
    table_cell(table, "%s", value_ledger(ledger, text));
    table_cell(table, "%u", account->code);
    table_cell(table, "%s",
               value_balance(account->debits_posted, account->credits_posted, ledger, text));
    table_cell(table, "%s", value_amount(account->debits_pending, ledger, text));
    table_cell(table, "%s", value_amount(account->credits_pending, ledger, text));
    table_cell(table, "%s", value_account_flags(account->flags, text, sizeof text));
}

static const kind_t of_accounts = {
    .titles = {"OPENED (UTC)", "ACCOUNT", "CURRENCY", ">CODE", ">BALANCE", ">DEBITS PENDING",
               ">CREDITS PENDING", "FLAGS"},
    .ask = ask_accounts,
    .row = account_row,
    .add = add_account,
};

static int ask_transfers(cli_t *cli, Florin__V1__Filter *filter, page_t *page)
{
    Florin__V1__ListTransfersRequest list = FLORIN__V1__LIST_TRANSFERS_REQUEST__INIT;
    list.filter = filter;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_LIST_TRANSFERS;
    request.list_transfers = &list;
    int code = cli_call(cli, "transactions", &request, "transfer list", &page->reply);
    if (code == CLI_DONE) {
        page->count = page->reply->list_transfers->n_transfers;
        page->cursor = page->reply->list_transfers->next_cursor;
    }
    return code;
}

static const ProtobufCMessage *transfer_row(const page_t *page, size_t index)
{
    return &page->reply->list_transfers->transfers[index]->base;
}

static void add_transfer(table_t *table, const page_t *page, size_t index)
{
    const Florin__V1__Transfer *transfer = page->reply->list_transfers->transfers[index];
    char text[VALUE_FLAGS_BYTES];
    table_cell(table, "%s", value_time(transfer->timestamp, text));
    table_cell(table, "%s", florin_id_format(ids_of(&transfer->id), text));
    table_cell(table, "%s", florin_id_format(ids_of(&transfer->debit_account_id), text));
    table_cell(table, "%s", florin_id_format(ids_of(&transfer->credit_account_id), text));
    table_cell(table, "%s", value_money(transfer->amount, transfer->ledger, text));
    table_cell(table, "%u", transfer->code);
    table_cell(table, "%s", value_transfer_flags(transfer->flags, text, sizeof text));
    table_cell(table, "%s", transfer->reference);
}

static const kind_t of_transfers = {
    .titles = {"TIME (UTC)", "TRANSFER", "DEBIT", "CREDIT", ">AMOUNT", ">CODE", "FLAGS",
               "REFERENCE"},
    .ask = ask_transfers,
    .row = transfer_row,
    .add = add_transfer,
};

/* -------------------------------------------------------------------------------------- printing
 */

/* A page may be empty, but the next one begins elsewhere. */
static bool is_where_it_was(const filter_t *filter, const ProtobufCBinaryData *cursor)
{
    return cursor->len == filter->message.cursor.len &&
           memcmp(cursor->data, filter->message.cursor.data, cursor->len) == 0;
}

/* Prints one page; the filter's cursor is then that of the next one, empty after the last. */
static int print_page(cli_t *cli, const kind_t *kind, filter_t *filter, range_t *range,
                      table_t *table)
{
    filter->message.limit = range_page(range);
    page_t page = {0};
    int code = kind->ask(cli, &filter->message, &page);
    if (code == CLI_DONE &&
        (page.count > filter->message.limit || page.cursor.len > sizeof filter->cursor ||
         (page.cursor.len > 0 && is_where_it_was(filter, &page.cursor))))
        code = cli_tell_nonsense(cli, "list");
    if (code == CLI_DONE) {
        for (size_t i = 0; i < page.count; i++)
            if (cli->json)
                cli_print_json(wire_json(kind->row(&page, i)));
            else
                kind->add(table, &page, i);
        if (!cli->json)
            table_print(table);
        range->left -= page.count;
        if (page.cursor.len > 0)
            memcpy(filter->cursor, page.cursor.data, page.cursor.len);
        filter->message.cursor =
            (ProtobufCBinaryData){.len = page.cursor.len, .data = filter->cursor};
    }
    florin__v1__reply__free_unpacked(page.reply, NULL);
    return code;
}

static int print_pages(cli_t *cli, const kind_t *kind, filter_t *filter, range_t *range)
{
    const ProtobufCBinaryData *cursor = &filter->message.cursor;
    table_t *table = table_new(stdout, kind->titles);
    int code;
    do
        code = print_page(cli, kind, filter, range, table);
    while (code == CLI_DONE && cursor->len > 0 && range->left > 0);
    if (code == CLI_DONE && cursor->len > 0) {
        char text[2 * CURSOR_BYTES_MAX + 1];
        (void)sodium_bin2hex(text, sizeof text, cursor->data, cursor->len);
        range_tell_more(cli, "--cursor", text, text);
    }
    table_destroy(&table);
    return code;
}

static int list(cli_t *cli, const kind_t *kind, const char *doc, int argc, char **argv)
{
    const struct argp_child children[] = {
        {&cli_common_argp, 0, NULL, 0}, {&range_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        .options = options, .parser = parse, .doc = doc, .children = children};
    arguments_t arguments = {.cli = cli};
    cli_parse(&argp, argc, argv, &arguments);
    filter_t filter;
    florin_error_t error;
    if (read_filter(&arguments, &filter, &error) != 0)
        return cli_tell_usage(cli, &error);
    return print_pages(cli, kind, &filter, &arguments.range);
}

int account_list(cli_t *cli, int argc, char **argv)
{
    return list(cli, &of_accounts,
                "List accounts in the order of their opening, oldest first.\v"
                "A TIME is 2026-11-22, 2026-11-22T18:04:22.5Z or nanoseconds since 1970.",
                argc, argv);
}

int transfer_list(cli_t *cli, int argc, char **argv)
{
    return list(cli, &of_transfers,
                "List the transfers that were made, oldest first.\v"
                "A TIME is 2026-11-22, 2026-11-22T18:04:22.5Z or nanoseconds since 1970. The "
                "reversal of a transfer has that one's id as its user data.",
                argc, argv);
}
