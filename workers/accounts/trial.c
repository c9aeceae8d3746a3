#include <string.h>

#include "workers/accounts/accounts.h"

#define DIGITS_MAX 40 /* of 128 bits, and NUL */
/* 4 bytes of ledger, 2 of code, both big-endian. */
#define CURSOR_BYTES 6

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

/* NULL when the arena is full. */
static Florin__V1__TrialBalanceRow *make_row(const florin_trial_row_t *row, florin_arena_t *arena)
{
    Florin__V1__TrialBalanceRow *wire = florin_arena_alloc(arena, sizeof(*wire));
    if (!wire)
        return NULL;
    florin__v1__trial_balance_row__init(wire);
    wire->ledger = row->ledger;
    wire->code = row->code;
    wire->accounts_count = row->accounts_count;
    bool full = (wire->debits_pending = format_sum(row->debits_pending, arena)) &&
                (wire->debits_posted = format_sum(row->debits_posted, arena)) &&
                (wire->credits_pending = format_sum(row->credits_pending, arena)) &&
                (wire->credits_posted = format_sum(row->credits_posted, arena));
    return full ? wire : NULL;
}

static bool make_cursor(const florin_trial_page_t *page, ProtobufCBinaryData *cursor,
                        florin_arena_t *arena)
{
    uint64_t place = (uint64_t)page->next_ledger << 16 | page->next_code;
    *cursor = (ProtobufCBinaryData){CURSOR_BYTES, florin_arena_alloc(arena, CURSOR_BYTES)};
    for (size_t i = CURSOR_BYTES; i-- > 0 && cursor->data; place >>= 8)
        cursor->data[i] = (uint8_t)place;
    return cursor->data;
}

static Florin__V1__TrialBalanceReply *make(const florin_trial_row_t *rows,
                                           const florin_trial_page_t *page, florin_arena_t *arena)
{
    Florin__V1__TrialBalanceReply *trial = florin_arena_alloc(arena, sizeof(*trial));
    Florin__V1__TrialBalanceRow **list = florin_arena_calloc(arena, page->count, sizeof(*list));
    if (!trial || !list)
        return NULL;
    florin__v1__trial_balance_reply__init(trial);
    for (size_t i = 0; i < page->count; i++)
        if (!(list[i] = make_row(&rows[i], arena)))
            return NULL;
    trial->n_rows = page->count;
    trial->rows = list;
    if ((page->split && !(trial->ledger_total = make_row(&page->total, arena))) ||
        (page->more && !make_cursor(page, &trial->next_cursor, arena)))
        return NULL;
    return trial;
}

static int read_query(const Florin__V1__TrialBalanceRequest *request, florin_trial_query_t *query,
                      florin_error_t *error)
{
    uint64_t place = 0;
    if (request->limit > FLORIN_TRIAL_ROWS_MAX)
        return florin_error_set(error, FLORIN_ERROR_TOO_LARGE,
                                "limit: %u; a page has at most %d rows: ask for the others with "
                                "next_cursor",
                                request->limit, FLORIN_TRIAL_ROWS_MAX);
    if (request->cursor.len != 0 && request->cursor.len != CURSOR_BYTES)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "cursor: %zu bytes; it is the next_cursor of a reply",
                                request->cursor.len);
    for (size_t i = 0; i < request->cursor.len; i++)
        place = place << 8 | request->cursor.data[i];
    *query =
        (florin_trial_query_t){.ledger = (uint32_t)(place >> 16),
                               .code = (uint16_t)place,
                               .limit = request->limit ? request->limit : FLORIN_TRIAL_ROWS_MAX};
    return 0;
}

/* NULL: an error. Who does not ask for pages takes one for all. */
static Florin__V1__TrialBalanceReply *answer(florin_accounts_t *self,
                                             const Florin__V1__TrialBalanceRequest *request,
                                             florin_arena_t *arena, florin_error_t *error)
{
    florin_trial_query_t query;
    florin_trial_page_t page;
    Florin__V1__TrialBalanceReply *reply = NULL;
    if (read_query(request, &query, error) ||
        florin_store_trial_balance(self->store, &query, self->rows, &page, error))
        return NULL;
    if (request->limit == 0 && page.more)
        florin_error_set(error, FLORIN_ERROR_TOO_LARGE,
                         "the trial balance has more than %d rows: ask for it in pages, with limit",
                         FLORIN_TRIAL_ROWS_MAX);
    else if (!(reply = make(self->rows, &page, arena)))
        florin_error_set(error, FLORIN_ERROR_TOO_LARGE, "too many rows for one reply");
    return reply;
}

static bool is_same(const Florin__V1__TrialBalanceRequest *a,
                    const Florin__V1__TrialBalanceRequest *b)
{
    return a->limit == b->limit && a->cursor.len == b->cursor.len &&
           (a->cursor.len == 0 || memcmp(a->cursor.data, b->cursor.data, a->cursor.len) == 0);
}

void florin_accounts_trial_balance(florin_accounts_t *self, florin_call_t *calls, size_t count,
                                   florin_arena_t *arena)
{
    const Florin__V1__TrialBalanceRequest *latest = NULL;
    Florin__V1__TrialBalanceReply *trial = NULL;
    florin_error_t error = {0};
    for (size_t i = 0; i < count; i++) {
        if (calls[i].request->operation_case != FLORIN__V1__REQUEST__OPERATION_TRIAL_BALANCE ||
            florin_call_expired(&calls[i], arena))
            continue;
        const Florin__V1__TrialBalanceRequest *request = calls[i].request->trial_balance;
        if (!latest || !is_same(latest, request))
            trial = answer(self, request, arena, &error);
        latest = request;
        if (!trial) {
            florin_call_fail_error(&calls[i], arena, &error);
            continue;
        }
        calls[i].reply->result_case = FLORIN__V1__REPLY__RESULT_TRIAL_BALANCE;
        calls[i].reply->trial_balance = trial;
        calls[i].reply->status = FLORIN__V1__STATUS__STATUS_OK;
    }
}
