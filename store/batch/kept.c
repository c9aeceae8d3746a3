/* Accounts that others keep locked, for a transaction in doubt or a worker that stands still: who
 * needs them is told so at once, and the rest of a batch goes on.
 *
 * Only when a lock did not come in time is it looked which ones are kept, by transactions older
 * than anyone waits for a lock; and then before each batch on that shard, until none were for a
 * second. What another worker has locked just now is waited for as ever. */
#include "store/batch/kept.h"

#include "lib/clock.h"

#define LOOK_MS 1000

static void add_look(florin_session_t *session, size_t shard, void *arg)
{
    const florin_plan_t *self = arg;
    florin_params_t params;
    florin_params_init(&params, self->store->arena);
    florin_params_ids(&params, self->parts[shard].account_ids,
                      self->parts[shard].account_ids_count);
    florin_params_u64(&params, self->store->timeouts.lock_timeout_ms);
    florin_session_call(session, FLORIN_SQL_ACCOUNTS_KEPT, &params);
}

static const PGresult *seen(const florin_plan_t *self, size_t shard)
{
    return florin_session_result(&self->store->shards[shard], 0);
}

static bool is_locked(const florin_plan_t *self, florin_shards_t looked, florin_id_t id)
{
    if ((florin_plan_place(self, id) & looked) == 0)
        return false;
    return florin_row_find(seen(self, florin_store_shard_of(self->store, id)), id) >= 0;
}

static void fail_if_locked(florin_plan_t *self, florin_store_request_t *request, size_t event,
                           void *arg)
{
    const florin_shards_t *looked = arg;
    const florin_sides_t sides = florin_plan_accounts(self, event);
    bool debit = is_locked(self, *looked, sides.debit);
    if (!debit && !is_locked(self, *looked, sides.credit))
        return;
    char text[FLORIN_ID_TEXT_BYTES];
    florin_error_set(&request->error, FLORIN_ERROR_CONFLICT,
                     "account %s is kept locked by a transaction that may be in doubt",
                     florin_id_format_uuid(debit ? sides.debit : sides.credit, text));
}

void florin_batch_lock_failed(florin_plan_t *self, size_t shard)
{
    self->store->look_locked_until_ms[shard] = florin_clock_ms() + LOOK_MS;
}

/* Those of this batch's shards where it has to be looked. */
static florin_shards_t suspects(const florin_plan_t *self)
{
    florin_shards_t shards = 0;
    uint64_t now_ms = florin_clock_ms();
    for (size_t i = 0; i < self->store->shards_count; i++)
        if (florin_shards_has(self->touched, i) && self->parts[i].account_ids_count > 0 &&
            now_ms < self->store->look_locked_until_ms[i])
            shards |= florin_shards_of(i);
    return shards;
}

bool florin_batch_avoid_kept(florin_plan_t *self)
{
    florin_shards_t looked = suspects(self);
    size_t before = florin_plan_living(self);
    if (!looked)
        return true;
    (void)florin_store_round(self->store, looked, add_look, self,
                             florin_store_deadline(self->store));
    if (florin_plan_faults(self, looked, true))
        return false;
    for (size_t i = 0; i < self->store->shards_count; i++)
        if (florin_shards_has(looked, i) && PQntuples(seen(self, i)) > 0)
            florin_batch_lock_failed(self, i);
    florin_plan_each(self, fail_if_locked, &looked);
    return florin_plan_living(self) == before;
}
