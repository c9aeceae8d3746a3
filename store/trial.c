/* The trial balance: one moment on all shards.
 *
 * Shard by shard, ascending as batches do, the accounts are locked against writing: a batch that
 * has committed at home but not yet elsewhere is waited for, one that comes later waits. With all
 * of them locked, each session's snapshot is the same moment. The locks go at once, with a
 * savepoint they were taken in, while the snapshots stay: nobody waits while the sums are made. */
#include <stdlib.h>

#include "store/internal.h"

#define TRIAL_TRIES_MAX 5

/* A lock and a snapshot on one shard. Waiting writers queue behind us, so we do not wait long: but
 * longer than PostgreSQL needs to see that an autovacuum stands in the way (deadlock_timeout). */
static int freeze(florin_store_t *self, size_t shard, florin_error_t *error)
{
    florin_session_t *session = &self->shards[shard];
    int result = florin_store_open_shard(self, shard, error);
    if (result != 0)
        return result;
    florin_session_begin(session);
    florin_session_command(session, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    florin_session_command(session, "SET LOCAL lock_timeout = '1500ms'");
    florin_session_command(session, "SET LOCAL enable_seqscan = on");
    florin_session_command(session, "SAVEPOINT locked");
    florin_session_command(session, "LOCK TABLE accounts IN EXCLUSIVE MODE");
    florin_session_command(session, "SELECT FROM accounts LIMIT 0");
    florin_session_sync(session);
    return florin_session_finish(session, florin_store_deadline(self), error);
}

static int freeze_all(florin_store_t *self, florin_error_t *error)
{
    int result = 0;
    for (size_t i = 0; i < self->shards_count && result == 0; i++)
        result = freeze(self, i, error);
    return result;
}

/* On all shards at once: lets the writers go on, then sums. */
static int sum_all(florin_store_t *self, florin_error_t *error)
{
    florin_params_t params;
    florin_params_init(&params, self->arena);
    florin_params_u64(&params, FLORIN_TRIAL_ROWS_MAX + 1);
    for (size_t i = 0; i < self->shards_count; i++) {
        florin_session_begin(&self->shards[i]);
        florin_session_command(&self->shards[i], "ROLLBACK TO SAVEPOINT locked");
        florin_session_call(&self->shards[i], FLORIN_SQL_TRIAL, &params);
        florin_session_command(&self->shards[i], "COMMIT");
        florin_session_sync(&self->shards[i]);
    }
    florin_store_wait(self, florin_store_all_shards(self), florin_store_deadline(self));
    for (size_t i = 0; i < self->shards_count; i++) {
        const florin_session_t *session = &self->shards[i];
        if (session->fault != FLORIN_FAULT_NONE)
            return florin_error_set(error, session->error.code, "%s", session->error.message);
    }
    return 0;
}

static void unfreeze_all(florin_store_t *self)
{
    for (size_t i = 0; i < self->shards_count; i++) {
        if (!self->shards[i].pg)
            continue;
        florin_session_begin(&self->shards[i]);
        florin_session_command(&self->shards[i], "ROLLBACK");
        florin_session_sync(&self->shards[i]);
    }
    florin_store_wait(self, florin_store_all_shards(self), florin_store_deadline(self));
    for (size_t i = 0; i < self->shards_count; i++)
        if (self->shards[i].fault != FLORIN_FAULT_NONE)
            florin_session_close(&self->shards[i]);
}

static florin_sum_t read_sum(const PGresult *rows, int row, int column)
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
                .debits_pending = read_sum(result, i, 3),
                .debits_posted = read_sum(result, i, 4),
                .credits_pending = read_sum(result, i, 5),
                .credits_posted = read_sum(result, i, 6),
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
    int result = florin_store_map(self, error);
    if (result != 0)
        return result;
    florin_arena_reset(self->arena);
    for (unsigned tries = 1;; tries++) {
        result = freeze_all(self, error);
        if (result == 0)
            result = sum_all(self, error);
        if (result == 0)
            break;
        unfreeze_all(self);
        /* A lock that did not come, or a connection that had died: once more. */
        bool passing = result == FLORIN_ERROR_CONFLICT || result == FLORIN_ERROR_UNAVAILABLE;
        if (!passing || tries == TRIAL_TRIES_MAX)
            return result;
    }
    return collect(self, rows, count, error);
}
