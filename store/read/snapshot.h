/* A snapshot of one shard, as the server names it (pg_snapshot): which transactions it sees. */
#ifndef FLORIN_STORE_SNAPSHOT_H
#define FLORIN_STORE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sees what has committed among the transactions below `next`, but for the active ones. */
typedef struct {
    uint64_t next;
    size_t active_count;
    const uint8_t *active; /* ascending numbers of 8 bytes, big-endian; borrowed */
} florin_snapshot_t;

/* Reads the server's binary form, which has to stay; false when it is none. */
bool florin_snapshot_parse(const uint8_t *bytes, size_t size, florin_snapshot_t *self);
/* Of a transaction that has not rolled back: does the snapshot see what it wrote? */
bool florin_snapshot_sees(const florin_snapshot_t *self, uint64_t transaction);
/* The whole number of a transaction that had begun by then, from its lower half. */
uint64_t florin_snapshot_widen(const florin_snapshot_t *self, uint32_t half);

#endif
