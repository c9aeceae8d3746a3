/* florin trial-balance. */
#include <inttypes.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/table.h"
#include "client/cli/values.h"
#include "client/cli/wire.h"
#include "lib/limits.h"

/* Longest cursor that is taken; it is the server's own business what is in it. */
#define CURSOR_BYTES_MAX 64

static error_t parse(int key, char *value, struct argp_state *state)
{
    (void)value;
    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = state->input;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

typedef struct {
    sum_t debits_pending, debits_posted, credits_pending, credits_posted;
    uint64_t accounts;
} totals_t;

static bool add(totals_t *totals, const totals_t *row)
{
    totals->accounts += row->accounts;
    return sum_add(&totals->debits_pending, row->debits_pending) &&
           sum_add(&totals->debits_posted, row->debits_posted) &&
           sum_add(&totals->credits_pending, row->credits_pending) &&
           sum_add(&totals->credits_posted, row->credits_posted);
}

static bool read_row(const Florin__V1__TrialBalanceRow *row, totals_t *totals)
{
    totals->accounts = row->accounts_count;
    return sum_parse(row->debits_pending, &totals->debits_pending) &&
           sum_parse(row->debits_posted, &totals->debits_posted) &&
           sum_parse(row->credits_pending, &totals->credits_pending) &&
           sum_parse(row->credits_posted, &totals->credits_posted);
}

static void add_cells(table_t *table, uint32_t ledger, const char *code, const totals_t *totals)
{
    char text[VALUE_TEXT_BYTES];
    table_cell(table, "%s", value_ledger(ledger, text));
    table_cell(table, "%s", code);
    table_cell(table, "%" PRIu64, totals->accounts);
    table_cell(table, "%s", value_sum(totals->debits_posted, ledger, text));
    table_cell(table, "%s", value_sum(totals->credits_posted, ledger, text));
    table_cell(table, "%s", value_sum(totals->debits_pending, ledger, text));
    table_cell(table, "%s", value_sum(totals->credits_pending, ledger, text));
}

static bool is_balanced(const totals_t *totals)
{
    return totals->debits_posted == totals->credits_posted &&
           totals->debits_pending == totals->credits_pending;
}

/* What was printed, page after page. */
typedef struct {
    cli_t *cli;
    table_t *table;
    bool any, balanced;
    /* The currency under way. */
    uint32_t ledger;
    totals_t totals;
    bool told; /* as a whole, by each page that has a part of it: its rows are of several moments */
    bool equal; /* in all that was told */
} report_t;

/* Ends a currency: its total, and whether the two sides agree. */
static void end_ledger(report_t *self)
{
    bool balanced = self->told ? self->equal : is_balanced(&self->totals);
    char text[VALUE_TEXT_BYTES];
    if (!self->any)
        return;
    if (!self->cli->json) {
        add_cells(self->table, self->ledger, "total", &self->totals);
        table_print(self->table);
        (void)printf("%s: debits and credits %s\n", value_ledger(self->ledger, text),
                     balanced ? "are equal" : "DIFFER");
    }
    if (!balanced)
        cli_tell(self->cli, value_ledger(self->ledger, text), "unbalanced",
                 "debits and credits differ: money was lost or made; stop the transactions "
                 "workers and look at the databases before anything else");
    self->balanced &= balanced;
}

static bool print_row(report_t *self, const Florin__V1__TrialBalanceRow *row)
{
    totals_t sums;
    char code[16];
    if (!read_row(row, &sums))
        return false;
    if (!self->any || row->ledger != self->ledger) {
        end_ledger(self);
        self->any = true;
        self->ledger = row->ledger;
        self->totals = (totals_t){0};
        self->told = false;
        self->equal = true;
    }
    (void)snprintf(code, sizeof code, "%" PRIu32, row->code);
    if (self->cli->json)
        cli_print_json(wire_json(&row->base));
    else
        add_cells(self->table, row->ledger, code, &sums);
    return self->told || add(&self->totals, &sums);
}

/* The first row's currency has rows on other pages: the page says what it is as a whole. */
static bool take_total(report_t *self, const Florin__V1__TrialBalanceReply *page)
{
    if (!page->ledger_total || page->ledger_total->ledger != self->ledger)
        return !page->ledger_total;
    self->told = true;
    if (!read_row(page->ledger_total, &self->totals))
        return false;
    self->equal &= is_balanced(&self->totals);
    return true;
}

static bool print_page(report_t *self, const Florin__V1__TrialBalanceReply *page)
{
    for (size_t i = 0; i < page->n_rows; i++)
        if (!print_row(self, page->rows[i]) || (i == 0 && !take_total(self, page)))
            return false;
    return page->n_rows > 0 || page->next_cursor.len == 0;
}

static int print_pages(report_t *self)
{
    uint8_t cursor[CURSOR_BYTES_MAX];
    Florin__V1__TrialBalanceRequest trial = FLORIN__V1__TRIAL_BALANCE_REQUEST__INIT;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_TRIAL_BALANCE;
    request.trial_balance = &trial;
    trial.limit = FLORIN_TRIAL_ROWS_MAX;
    do {
        Florin__V1__Reply *reply;
        int code = cli_call(self->cli, "accounts", &request, "trial-balance", &reply);
        if (code != CLI_DONE)
            return code;
        ProtobufCBinaryData next = reply->trial_balance->next_cursor;
        if (next.len > sizeof cursor || !print_page(self, reply->trial_balance))
            code = cli_tell_nonsense(self->cli, "trial-balance");
        else if (next.len > 0)
            memcpy(cursor, next.data, next.len);
        trial.cursor = (ProtobufCBinaryData){next.len, cursor};
        florin__v1__reply__free_unpacked(reply, NULL);
        if (code != CLI_DONE)
            return code;
    } while (trial.cursor.len > 0);
    end_ledger(self);
    if (self->cli->json)
        cli_print_json(json_pack("{s:b}", "balanced", self->balanced));
    else if (!self->any)
        (void)printf("The books are empty.\n");
    return self->balanced ? CLI_DONE : CLI_REFUSED;
}

int trial_balance(cli_t *cli, int argc, char **argv)
{
    const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        .parser = parse,
        .doc = "Sum up all books by currency and code, and compare debits with credits.\v"
               "Exit code 1 when they differ in any currency.",
        .children = children};
    cli_parse(&argp, argc, argv, cli);
    table_t *table = table_new(
        stdout, (const char *const[]){"CURRENCY", ">CODE", ">ACCOUNTS", ">DEBITS", ">CREDITS",
                                      ">DEBITS PENDING", ">CREDITS PENDING", NULL});
    report_t report = {.cli = cli, .table = table, .balanced = true};
    int code = print_pages(&report);
    table_destroy(&table);
    return code;
}
