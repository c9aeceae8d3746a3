/* One moment on all shards.
 *
 * Shard by shard, ascending as batches do, the accounts are locked against writing: a batch that
 * has committed at home but not yet elsewhere is waited for, one that comes later waits. With all
 * of them locked, each session's snapshot is the same moment for all that lies beside an account.
 * The row of a transfer on the shard of its id alone is written without a lock on accounts: who
 * reads those rows locks the transfers, too, once nobody new can begin.
 *
 * The locks go with the savepoint that they were taken in, while the snapshots stay: nobody waits
 * while the books are read. */
#include "lib/clock.h"
#include "store/internal.h"

#define FREEZE_TRIES_MAX 5
#define FREEZE_MS        5000

static uint64_t freeze_deadline(const florin_store_t *self)
{
    uint64_t soon = florin_clock_ms() + FREEZE_MS, latest = florin_store_deadline(self);
    return soon < latest ? soon : latest;
}

/* Waiting writers queue behind us, so we do not wait long: but longer than PostgreSQL needs to see
 * that an autovacuum stands in the way (deadlock_timeout). Should we stall ourselves, the server
 * takes our locks away. */
static int lock_accounts(florin_store_t *self, size_t shard, florin_error_t *error)
{
    florin_session_t *session = &self->shards[shard];
    florin_session_begin(session);
    florin_session_command(session, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    florin_session_command(session, "SET LOCAL enable_seqscan = on");
    florin_session_command(session, "SAVEPOINT locked");
    florin_session_command(session, "SET LOCAL lock_timeout = '1500ms'");
    florin_session_command(session, "SET LOCAL idle_in_transaction_session_timeout = '5s'");
    florin_session_command(session, "LOCK TABLE accounts IN EXCLUSIVE MODE");
    florin_session_sync(session);
    return florin_session_finish(session, freeze_deadline(self), error);
}

static void add_snapshot(florin_session_t *session, size_t shard, void *arg)
{
    (void)shard;
    const bool *transfers = arg;
    if (*transfers)
        florin_session_command(session, "LOCK TABLE transfers IN EXCLUSIVE MODE");
    florin_session_command(session, "SELECT FROM accounts LIMIT 0");
}

static int freeze(florin_store_t *self, bool transfers, florin_error_t *error)
{
    int result = 0;
    for (size_t i = 0; i < self->shards_count && result == 0; i++)
        result = florin_store_open_shard(self, i, error);
    for (size_t i = 0; i < self->shards_count && result == 0; i++)
        result = lock_accounts(self, i, error);
    if (result != 0)
        return result;
    return florin_store_round_all(self, add_snapshot, &transfers, freeze_deadline(self), error);
}

int florin_store_freeze(florin_store_t *self, bool transfers, florin_error_t *error)
{
    int result = florin_store_map(self, error);
    if (result != 0)
        return result;
    for (unsigned tries = 1;; tries++) {
        result = freeze(self, transfers, error);
        if (result == 0)
            return 0;
        florin_store_unfreeze(self);
        /* A lock that did not come, or a connection that had died: once more. */
        bool passing = result == FLORIN_ERROR_CONFLICT || result == FLORIN_ERROR_UNAVAILABLE;
        if (!passing || tries == FREEZE_TRIES_MAX)
            return result;
    }
}

static void add_rollback(florin_session_t *session, size_t shard, void *arg)
{
    (void)shard, (void)arg;
    florin_session_command(session, "ROLLBACK");
}

void florin_store_unfreeze(florin_store_t *self)
{
    florin_shards_t all = florin_store_all_shards(self);
    florin_shards_t done = florin_store_round(self, all, add_rollback, NULL, freeze_deadline(self));
    for (size_t i = 0; i < self->shards_count; i++)
        if (!florin_shards_has(done, i))
            florin_session_close(&self->shards[i]);
}
