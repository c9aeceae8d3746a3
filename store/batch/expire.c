/* The release of what nobody needs just now: look after look through what is overdue on a shard. */
#include <assert.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "store/batch/batch.h"

/* What is overdue by agreed time: without one, nothing is. */
static void add_look(florin_session_t *session, size_t shard, void *arg)
{
    florin_store_t *self = arg;
    florin_params_t params;
    uint64_t now;
    florin_params_init(&params, self->arena);
    florin_params_u64(&params, florin_clocks_now(self->clocks, &now, NULL) == 0 ? now : 0);
    florin_params_u64(&params, self->expiry_after[shard]);
    florin_params_id(&params, self->expiry_after_id[shard]);
    florin_params_u64(&params, FLORIN_OVERDUE_MAX);
    florin_session_call(session, FLORIN_SQL_OVERDUE, &params);
    florin_session_call(session, FLORIN_SQL_CLOCK, NULL);
}

/* And at the shard's clock, which otherwise only those see who write there. */
static int look(florin_store_t *self, size_t shard, florin_error_t *error)
{
    uint64_t sent_ns = florin_clock_boot_ns();
    int result = florin_store_read(self, florin_shards_of(shard), add_look, self, error);
    if (result == 0)
        florin_store_take_clock(self, shard, florin_session_result(&self->shards[shard], 1), 0,
                                sent_ns, florin_clock_boot_ns());
    return result;
}

/* The next look goes on behind the last row of this one, or at the beginning. */
static void move_on(florin_store_t *self, size_t shard, const PGresult *rows)
{
    int last = PQntuples(rows) - 1;
    bool more = last + 1 == FLORIN_OVERDUE_MAX;
    self->expiry_after[shard] = more ? florin_column_u64(rows, last, 3) : 0;
    self->expiry_after_id[shard] = more ? florin_column_id(rows, last, 0) : 0;
}

/* What crosses shards is found on each of them; the one of its debit account counts. */
static size_t take_found(const florin_store_t *self, size_t shard, bool crossing,
                         const PGresult *rows, florin_overdue_t *overdue)
{
    size_t count = 0;
    for (int i = 0; i < PQntuples(rows); i++) {
        const florin_overdue_t found = florin_row_overdue(rows, i);
        bool crosses = florin_store_shard_of(self, found.sides.credit) != shard ||
                       florin_store_shard_of(self, found.id) != shard;
        if (florin_store_shard_of(self, found.sides.debit) == shard && crosses == crossing)
            overdue[count++] = found;
    }
    return count;
}

/* Those that cross apart: what they wait for, the others need not. */
static size_t release(florin_store_t *self, florin_ledger_t *ledger,
                      const florin_overdue_t *overdue, size_t count)
{
    florin_error_t error;
    florin_store_request_t *requests =
        count > 0 ? florin_arena_calloc(self->arena, count, sizeof *requests) : NULL;
    if (!requests)
        return 0;
    size_t expired = florin_batch_release(self, ledger, overdue, requests, count, true, &error);
    if (error.code != 0)
        florin_log(FLORIN_LOG_WARN, "expiry_failed", "%s", error.message);
    return expired;
}

int florin_store_expire_on(florin_store_t *self, florin_ledger_t *ledger, size_t shard,
                           unsigned which, size_t *expired, florin_error_t *error)
{
    *expired = 0;
    int result = florin_store_map(self, error);
    if (result != 0)
        return result;
    assert(shard < self->shards_count);
    florin_arena_reset(self->arena);
    result = look(self, shard, error);
    if (result != 0)
        return result;
    const PGresult *rows = florin_session_result(&self->shards[shard], 0);
    florin_overdue_t *found[2];
    size_t counts[2] = {0};
    for (size_t crossing = 0; crossing < 2; crossing++) {
        found[crossing] =
            florin_arena_calloc(self->arena, FLORIN_OVERDUE_MAX, sizeof *found[crossing]);
        if (!found[crossing])
            return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for what is overdue");
        if (which & (crossing ? FLORIN_EXPIRE_CROSSING : FLORIN_EXPIRE_LOCAL))
            counts[crossing] = take_found(self, shard, crossing, rows, found[crossing]);
    }
    move_on(self, shard, rows);
    for (size_t crossing = 0; crossing < 2; crossing++)
        *expired += release(self, ledger, found[crossing], counts[crossing]);
    return 0;
}

int florin_store_expire(florin_store_t *self, florin_ledger_t *ledger, size_t *expired,
                        florin_error_t *error)
{
    bool answered = false;
    *expired = 0;
    int result = florin_store_map(self, error);
    for (size_t i = 0; i < self->shards_count; i++) {
        size_t here;
        int code = florin_store_expire_on(
            self, ledger, i, FLORIN_EXPIRE_LOCAL | FLORIN_EXPIRE_CROSSING, &here, error);
        if (code == 0)
            answered = true;
        else
            result = code;
        *expired += here;
    }
    return answered ? 0 : result;
}
