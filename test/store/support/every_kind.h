/* Books with every kind of account and transfer on three shards, to be damaged and mended. */
#ifndef FLORIN_TEST_STORE_EVERY_KIND_H
#define FLORIN_TEST_STORE_EVERY_KIND_H

#include "store/store.h"

#define EVERY_KIND_SHARDS 3

/* The books' accounts and some of their transfers; the last digit names the shard. */
extern struct every_kind {
    florin_store_t *store, *verifier;
    florin_ledger_t *ledger;
    florin_id_t bank0, ada1, bob2, bounded0, closed1;
    florin_id_t local, crossing, foreign, posted, post, voided, expired, closing, refused, given_up;
    florin_id_t last_refused;
} every;

/* Starts the servers and writes the books, and opens a store to verify them, with the key of their
 * seals or without; takes them down. */
void every_kind_make(bool key);
void every_kind_end(void);

/* Runs SQL on a shard; each "$" in it stands for the id, as a literal. */
void every_kind_damage(size_t shard, florin_id_t id, const char *sql);
/* Puts back all rows as they were when the books were made. */
void every_kind_mend(void);

#endif
