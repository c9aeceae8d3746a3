/* The trial balance: the sums of all accounts at one moment (moment.c), a page at a time. Each
 * shard gives its part of the page, and they are merged. */
#include "store/read/moment.h"

#define PATIENCE_MS 5000

typedef struct {
    florin_statement_t statement;
    florin_params_t params;
} question_t;

/* By plans for all rows. */
static void add_sums(florin_session_t *session, size_t shard, void *arg)
{
    (void)shard;
    const question_t *question = arg;
    florin_session_command(session, "SET LOCAL enable_seqscan = on");
    florin_session_call(session, question->statement, &question->params);
}

static int ask_all(florin_store_t *self, question_t *question, florin_error_t *error)
{
    return florin_store_round_all(self, add_sums, question, florin_store_deadline(self), error);
}

static const PGresult *sums_of(const florin_store_t *self, size_t shard)
{
    return florin_session_result(&self->shards[shard], 1);
}

florin_sum_t florin_store_column_sum(const PGresult *rows, int row, int column)
{
    florin_sum_t sum = 0;
    for (const char *digit = PQgetvalue(rows, row, column); *digit >= '0' && *digit <= '9'; digit++)
        sum = sum * 10 + (unsigned)(*digit - '0');
    return sum;
}

static uint64_t key_of(const PGresult *rows, int row)
{
    return florin_column_u64(rows, row, 0) << 16 | florin_column_u64(rows, row, 1);
}

static void add_row(florin_trial_row_t *sum, const PGresult *rows, int row)
{
    sum->ledger = florin_column_u32(rows, row, 0);
    sum->code = (uint16_t)florin_column_u32(rows, row, 1);
    sum->accounts_count += florin_column_u64(rows, row, 2);
    sum->debits_pending += florin_store_column_sum(rows, row, 3);
    sum->debits_posted += florin_store_column_sum(rows, row, 4);
    sum->credits_pending += florin_store_column_sum(rows, row, 5);
    sum->credits_posted += florin_store_column_sum(rows, row, 6);
}

/* The least ledger and code that some shard has not given yet; false when all have. */
static bool least(const florin_store_t *self, const int next[], uint64_t *key)
{
    bool any = false;
    for (size_t i = 0; i < self->shards_count; i++) {
        const PGresult *rows = sums_of(self, i);
        if (next[i] < PQntuples(rows) && (!any || key_of(rows, next[i]) < *key)) {
            *key = key_of(rows, next[i]);
            any = true;
        }
    }
    return any;
}

/* A full page ends where a ledger does, if one does. */
static void cut(florin_trial_page_t *page, const florin_trial_row_t *rows, uint64_t next)
{
    size_t count = page->count;
    page->more = true;
    page->next_ledger = (uint32_t)(next >> 16);
    while (count > 0 && rows[count - 1].ledger == page->next_ledger)
        count--;
    page->split = count == 0;
    if (page->split)
        page->next_code = (uint16_t)next;
    else
        page->count = count;
}

static void merge(const florin_store_t *self, const florin_trial_query_t *query,
                  florin_trial_row_t *rows, florin_trial_page_t *page)
{
    int next[FLORIN_SHARDS_MAX] = {0};
    uint64_t key;
    while (page->count < query->limit && least(self, next, &key)) {
        florin_trial_row_t *row = &rows[page->count++];
        *row = (florin_trial_row_t){0};
        for (size_t i = 0; i < self->shards_count; i++) {
            const PGresult *sums = sums_of(self, i);
            if (next[i] < PQntuples(sums) && key_of(sums, next[i]) == key)
                add_row(row, sums, next[i]++);
        }
    }
    if (least(self, next, &key))
        cut(page, rows, key);
    page->split |= query->code > 0 && page->count > 0 && rows[0].ledger == query->ledger;
}

static int read_page(florin_store_t *self, const florin_trial_query_t *query,
                     florin_trial_row_t *rows, florin_trial_page_t *page, florin_error_t *error)
{
    question_t question = {.statement = FLORIN_SQL_TRIAL};
    florin_params_init(&question.params, self->arena);
    florin_params_u64(&question.params, query->ledger);
    florin_params_u32(&question.params, query->code);
    florin_params_u64(&question.params, query->limit + 1);
    int result = ask_all(self, &question, error);
    if (result == 0)
        merge(self, query, rows, page);
    if (result != 0 || !page->split)
        return result;
    question.statement = FLORIN_SQL_TRIAL_LEDGER;
    florin_params_init(&question.params, self->arena);
    florin_params_u64(&question.params, rows[0].ledger);
    result = ask_all(self, &question, error);
    for (size_t i = 0; i < self->shards_count && result == 0; i++)
        add_row(&page->total, sums_of(self, i), 0);
    return result;
}

int florin_store_trial_balance(florin_store_t *self, const florin_trial_query_t *query,
                               florin_trial_row_t *rows, florin_trial_page_t *page,
                               florin_error_t *error)
{
    *page = (florin_trial_page_t){0};
    if (query->limit < 1 || query->limit > FLORIN_TRIAL_ROWS_MAX)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "limit: must be 1 to %d",
                                FLORIN_TRIAL_ROWS_MAX);
    florin_arena_reset(self->arena);
    int result = florin_store_map(self, error);
    if (result != 0)
        return result;
    const florin_moment_t moment = {.shards = florin_store_all_shards(self),
                                    .patience_ms = PATIENCE_MS};
    result = florin_store_moment(self, &moment, error);
    if (result != 0)
        return result;
    result = read_page(self, query, rows, page, error);
    florin_store_moment_end(self, moment.shards);
    return result;
}
