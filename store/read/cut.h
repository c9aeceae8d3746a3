/* Do snapshots of several shards, taken one after the other, show each batch whole, or not at all?
 *
 * What decides, without a database: docs/decisions/moments.md has the proof. */
#ifndef FLORIN_STORE_CUT_H
#define FLORIN_STORE_CUT_H

#include "store/internal.h"
#include "store/read/snapshot.h"

/* A batch's transaction on a shard. */
typedef struct {
    florin_id_t batch;
    size_t shard;
    uint64_t transaction;
} florin_crossing_t;

/* A snapshot in the server's binary form; borrowed. */
typedef struct {
    const uint8_t *bytes;
    size_t size;
} florin_look_t;

/* A read of several shards, in one round on all of them or more, each of them: what is prepared,
 * then a snapshot, and in it what is wanted, and traces. */
typedef struct {
    florin_shards_t shards;
    /* Whether what was read on a shard may lack what this transaction wrote, given that it had
     * written by then. NULL: it may. */
    bool (*concerns)(const void *arg, size_t shard, uint64_t transaction);
    const void *arg;

    /* What the round asks for traces of: all that had not ended at these snapshots, which were
     * there on all shards before it; and, by name, some that were prepared after them. */
    florin_look_t before[FLORIN_SHARDS_MAX];
    florin_id_t *asked;
    size_t asked_count;

    /* What the round found. A trace is a line for each of its batch's shards. */
    florin_look_t looks[FLORIN_SHARDS_MAX];
    florin_snapshot_t snapshots[FLORIN_SHARDS_MAX]; /* the same, understood */
    florin_crossing_t *traces, *prepared;
    size_t traces_count, prepared_count;

    unsigned rounds; /* that were gone on from */
    florin_look_t previous[FLORIN_SHARDS_MAX];
} florin_cut_t;

typedef enum {
    FLORIN_CUT_WHOLE,
    FLORIN_CUT_SPLIT,  /* a batch is there on one shard and not on another */
    FLORIN_CUT_UNKNOWN /* it may be: ask for its trace by name */
} florin_cut_verdict_t;

/* Sorts both lists. Names the batch, and a shard that does not show it, unless all are whole. */
florin_cut_verdict_t florin_cut_check(florin_cut_t *self, florin_crossing_t *doubt) FLORIN_MUST_USE;
/* What the next round asks for; `asked` has room for prepared_count. Never twice UNKNOWN. */
void florin_cut_go_on(florin_cut_t *self, florin_id_t *asked);

#endif
