/* florin trial-balance. */
#include <inttypes.h>

#include "client/cli/cli.h"
#include "client/cli/table.h"
#include "client/cli/values.h"
#include "client/cli/wire.h"

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

/* Ends a currency: its total, and whether the two sides agree. */
static bool end_ledger(cli_t *cli, table_t *table, uint32_t ledger, const totals_t *totals)
{
    bool balanced = totals->debits_posted == totals->credits_posted &&
                    totals->debits_pending == totals->credits_pending;
    char text[VALUE_TEXT_BYTES];
    if (!cli->json) {
        add_cells(table, ledger, "total", totals);
        table_print(table);
        (void)printf("%s: debits and credits %s\n", value_ledger(ledger, text),
                     balanced ? "are equal" : "DIFFER");
    }
    if (!balanced)
        cli_tell(cli, value_ledger(ledger, text), "unbalanced",
                 "debits and credits differ: money was lost or made; stop the transactions "
                 "workers and look at the databases before anything else");
    return balanced;
}

static int print_rows(cli_t *cli, const Florin__V1__TrialBalanceReply *reply, table_t *table)
{
    bool balanced = true;
    totals_t totals = {0};
    for (size_t i = 0; i < reply->n_rows; i++) {
        const Florin__V1__TrialBalanceRow *row = reply->rows[i];
        totals_t sums;
        if (!read_row(row, &sums) || !add(&totals, &sums))
            return cli_tell_nonsense(cli, "trial-balance");
        char code[16];
        (void)snprintf(code, sizeof code, "%" PRIu32, row->code);
        if (cli->json)
            cli_print_json(wire_json(&row->base));
        else
            add_cells(table, row->ledger, code, &sums);
        if (i + 1 == reply->n_rows || reply->rows[i + 1]->ledger != row->ledger) {
            balanced &= end_ledger(cli, table, row->ledger, &totals);
            totals = (totals_t){0};
        }
    }
    if (cli->json)
        cli_print_json(json_pack("{s:b}", "balanced", balanced));
    else if (reply->n_rows == 0)
        (void)printf("The books are empty.\n");
    return balanced ? CLI_DONE : CLI_REFUSED;
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
    Florin__V1__TrialBalanceRequest trial = FLORIN__V1__TRIAL_BALANCE_REQUEST__INIT;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_TRIAL_BALANCE;
    request.trial_balance = &trial;
    Florin__V1__Reply *reply;
    int code = cli_call(cli, "accounts", &request, "trial-balance", &reply);
    if (code != CLI_DONE)
        return code;
    table_t *table = table_new(
        stdout, (const char *const[]){"CURRENCY", ">CODE", ">ACCOUNTS", ">DEBITS", ">CREDITS",
                                      ">DEBITS PENDING", ">CREDITS PENDING", NULL});
    code = print_rows(cli, reply->trial_balance, table);
    table_destroy(&table);
    florin__v1__reply__free_unpacked(reply, NULL);
    return code;
}
