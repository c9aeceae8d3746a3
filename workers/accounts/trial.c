#include "workers/accounts/accounts.h"

#define DIGITS_MAX 40 /* of 128 bits, and NUL */

/* A sum in decimal digits; NULL when the arena is full. */
static char *format_sum(florin_sum_t sum, florin_arena_t *arena)
{
    char text[DIGITS_MAX];
    size_t first = sizeof(text) - 1;
    text[first] = '\0';
    do {
        text[--first] = (char)('0' + (int)(sum % 10));
        sum /= 10;
    } while (sum > 0);
    return florin_arena_printf(arena, "%s", text + first);
}

static bool fill_row(Florin__V1__TrialBalanceRow *wire, const florin_trial_row_t *row,
                     florin_arena_t *arena)
{
    florin__v1__trial_balance_row__init(wire);
    wire->ledger = row->ledger;
    wire->code = row->code;
    wire->accounts_count = row->accounts_count;
    return (wire->debits_pending = format_sum(row->debits_pending, arena)) &&
           (wire->debits_posted = format_sum(row->debits_posted, arena)) &&
           (wire->credits_pending = format_sum(row->credits_pending, arena)) &&
           (wire->credits_posted = format_sum(row->credits_posted, arena));
}

static Florin__V1__TrialBalanceReply *make(const florin_trial_row_t *rows, size_t count,
                                           florin_arena_t *arena)
{
    Florin__V1__TrialBalanceReply *trial = florin_arena_alloc(arena, sizeof(*trial));
    Florin__V1__TrialBalanceRow *wires = florin_arena_calloc(arena, count, sizeof(*wires));
    Florin__V1__TrialBalanceRow **list = florin_arena_calloc(arena, count, sizeof(*list));
    if (!trial || !wires || !list)
        return NULL;
    florin__v1__trial_balance_reply__init(trial);
    for (size_t i = 0; i < count; i++) {
        if (!fill_row(&wires[i], &rows[i], arena))
            return NULL;
        list[i] = &wires[i];
    }
    trial->n_rows = count;
    trial->rows = list;
    return trial;
}

void florin_accounts_trial_balance(florin_accounts_t *self, florin_call_t *calls, size_t count,
                                   florin_arena_t *arena)
{
    Florin__V1__TrialBalanceReply *trial = NULL;
    florin_error_t error = {0};
    size_t rows = 0;
    for (size_t i = 0; i < count; i++) {
        if (calls[i].request->operation_case != FLORIN__V1__REQUEST__OPERATION_TRIAL_BALANCE)
            continue;
        if (!trial && !error.code &&
            florin_store_trial_balance(self->store, self->rows, &rows, &error) == 0 &&
            !(trial = make(self->rows, rows, arena)))
            florin_error_set(&error, FLORIN_ERROR_TOO_LARGE, "too many rows for one reply");
        if (!trial) {
            florin_call_fail_error(&calls[i], arena, &error);
            continue;
        }
        calls[i].reply->result_case = FLORIN__V1__REPLY__RESULT_TRIAL_BALANCE;
        calls[i].reply->trial_balance = trial;
        calls[i].reply->status = FLORIN__V1__STATUS__STATUS_OK;
    }
}
