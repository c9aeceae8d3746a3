/* One moment on several shards: snapshots that show each batch whole, or not at all. Takes no lock
 * on any table and makes no writer wait (docs/decisions/moments.md). */
#ifndef FLORIN_STORE_MOMENT_H
#define FLORIN_STORE_MOMENT_H

#include "store/internal.h"

/* The first result of what `add` has added. */
#define FLORIN_MOMENT_RESULTS 5

typedef struct {
    florin_shards_t shards;
    uint32_t patience_ms; /* how long a batch that is seen in part is waited for */
    /* What to read at once, in the same round, after which the transactions end; NULL: nothing, and
     * they stay open, read-only, for later rounds. */
    florin_store_add_fn *add;
    /* Of what was read on a shard: may it lack what this transaction of that shard wrote, given
     * that it had written by then? NULL: yes. */
    bool (*concerns)(const void *arg, size_t shard, uint64_t transaction);
    void *arg; /* of both */
} florin_moment_t;

/* Allocates in the store's arena. After an error no transaction is open. FLORIN_ERROR_CONFLICT: a
 * batch stayed half done for all the time, or somebody keeps a lock that lets nobody read. */
int florin_store_moment(florin_store_t *self, const florin_moment_t *moment,
                        florin_error_t *error) FLORIN_MUST_USE;
/* Ends the transactions of these shards. */
void florin_store_moment_end(florin_store_t *self, florin_shards_t shards);

#endif
