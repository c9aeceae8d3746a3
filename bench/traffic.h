/* Who pays whom how much: accounts, pairs of them, and ids, drawn alike for Florin and its peers.
 *
 * Account i has the slot i modulo 1,024, and a slot is on the shard slot modulo shards, as
 * florin-admin deals them out. An id of a transfer tells its amount, so that nobody has to keep
 * it. */
#ifndef FLORIN_BENCH_TRAFFIC_H
#define FLORIN_BENCH_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/id.h"

#define TRAFFIC_LEDGER       978 /* EUR */
#define TRAFFIC_CODE         7077
#define TRAFFIC_CROSSING_ANY 101
#define TRAFFIC_SHARD_ANY    (~0u)

typedef struct {
    size_t accounts; /* at least 2 on each shard */
    unsigned shards;
    unsigned
        crossing; /* percent of transfers that cross shards; TRAFFIC_CROSSING_ANY: as it comes */
    unsigned on_shard; /* of all accounts that move money; TRAFFIC_SHARD_ANY: any */
    double zipf;       /* an account's share is 1 / rank ^ zipf; 0: all the same */
    bool hot;          /* every transfer credits account 0 */
} traffic_options_t;

typedef struct traffic traffic_t;

/* NULL when there is no memory. */
traffic_t *traffic_new(const traffic_options_t *options);
void traffic_destroy(traffic_t **self_p);

florin_id_t traffic_account(size_t index);
unsigned traffic_shard(const traffic_t *self, size_t index);

/* Two different accounts, by index. */
void traffic_draw(traffic_t *self, size_t *debit, size_t *credit);

/* The first of the ids of a batch, new and ordered by time; and the n-th, which carries its debit
 * account's slot. */
florin_id_t traffic_first_id(void);
florin_id_t traffic_id(florin_id_t first, size_t n, size_t debit);

/* 1 to 1,000 minor units. */
uint64_t traffic_amount(florin_id_t id);

/* A number below `bound`, which is not 0. */
size_t traffic_below(traffic_t *self, size_t bound);

#endif
