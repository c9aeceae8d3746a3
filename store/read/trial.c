/* The trial balance: the sums of all accounts at one moment (moment.c). */
#include <stdlib.h>

#include "store/read/moment.h"

#define PATIENCE_MS 5000

/* Plans for all rows. */
static void add_sums(florin_session_t *session, size_t shard, void *arg)
{
    (void)shard;
    florin_session_command(session, "SET LOCAL enable_seqscan = on");
    florin_session_call(session, FLORIN_SQL_TRIAL, arg);
    florin_session_command(session, "COMMIT");
}

static int sum_all(florin_store_t *self, florin_error_t *error)
{
    florin_params_t params;
    florin_params_init(&params, self->arena);
    florin_params_u64(&params, FLORIN_TRIAL_ROWS_MAX + 1);
    return florin_store_round_all(self, add_sums, &params, florin_store_deadline(self), error);
}

florin_sum_t florin_store_column_sum(const PGresult *rows, int row, int column)
{
    florin_sum_t sum = 0;
    for (const char *digit = PQgetvalue(rows, row, column); *digit >= '0' && *digit <= '9'; digit++)
        sum = sum * 10 + (unsigned)(*digit - '0');
    return sum;
}

static uint64_t key_of(const florin_trial_row_t *row)
{
    return (uint64_t)row->ledger << 16 | row->code;
}

static int compare_rows(const void *left, const void *right)
{
    uint64_t a = key_of(left), b = key_of(right);
    return (a > b) - (a < b);
}

/* Rows of several shards, sorted: those of one ledger and code become one. */
static size_t merge(florin_trial_row_t *rows, size_t count)
{
    size_t kept = 0;
    qsort(rows, count, sizeof *rows, compare_rows);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || key_of(&rows[kept - 1]) != key_of(&rows[i])) {
            rows[kept++] = rows[i];
            continue;
        }
        florin_trial_row_t *sum = &rows[kept - 1];
        sum->accounts_count += rows[i].accounts_count;
        sum->debits_pending += rows[i].debits_pending;
        sum->debits_posted += rows[i].debits_posted;
        sum->credits_pending += rows[i].credits_pending;
        sum->credits_posted += rows[i].credits_posted;
    }
    return kept;
}

static int collect(florin_store_t *self, florin_trial_row_t *rows, size_t *count,
                   florin_error_t *error)
{
    for (size_t shard = 0; shard < self->shards_count; shard++) {
        const PGresult *result = florin_session_result(&self->shards[shard], 1);
        for (int i = 0; i < PQntuples(result); i++) {
            if (*count == FLORIN_TRIAL_ROWS_MAX)
                return florin_error_set(error, FLORIN_ERROR_TOO_LARGE,
                                        "the trial balance has more than %d rows",
                                        FLORIN_TRIAL_ROWS_MAX);
            rows[(*count)++] = (florin_trial_row_t){
                .ledger = florin_column_u32(result, i, 0),
                .code = (uint16_t)florin_column_u32(result, i, 1),
                .accounts_count = florin_column_u64(result, i, 2),
                .debits_pending = florin_store_column_sum(result, i, 3),
                .debits_posted = florin_store_column_sum(result, i, 4),
                .credits_pending = florin_store_column_sum(result, i, 5),
                .credits_posted = florin_store_column_sum(result, i, 6),
            };
        }
        *count = merge(rows, *count);
    }
    return 0;
}

int florin_store_trial_balance(florin_store_t *self, florin_trial_row_t *rows, size_t *count,
                               florin_error_t *error)
{
    *count = 0;
    florin_arena_reset(self->arena);
    int result = florin_store_map(self, error);
    const florin_moment_t moment = {.shards = florin_store_all_shards(self),
                                    .patience_ms = PATIENCE_MS};
    if (result == 0)
        result = florin_store_moment(self, &moment, error);
    if (result != 0)
        return result;
    result = sum_all(self, error);
    if (result == 0)
        return collect(self, rows, count, error);
    florin_store_moment_end(self, moment.shards);
    return result;
}
