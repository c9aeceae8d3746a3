/* Seals: a keyed digest of a row, kept beside it, so that an edit of it shows; and places in a
 * chain, sealed with the row, so that a row taken away shows, too. Whoever has the databases and
 * not the key can make neither.
 *
 * A chain is what one session writes to one shard: the places of its rows are numbers without a
 * gap. A transaction that rolls back gives its places to the next one; after one whose end is not
 * known, a new chain begins. A place is the chain's number, and the row's in it. */
#ifndef FLORIN_STORE_SEAL_H
#define FLORIN_STORE_SEAL_H

#include "ledger/ledger.h"
#include "lib/error.h"

/* The key of one shard, made of the cluster's. */
typedef struct {
    bool known; /* without a key rows have no seals */
    uint8_t bytes[16];
} florin_seal_key_t;

#define FLORIN_SEAL_FILE_KEY_BYTES 32

/* Reads the cluster's key: 64 hexadecimal digits, in a file of mode 0600. */
int florin_seal_key_read(const char *path, uint8_t key[FLORIN_SEAL_FILE_KEY_BYTES],
                         florin_error_t *error) FLORIN_MUST_USE;
/* Makes such a file, with a new key. Refuses to overwrite. */
int florin_seal_key_generate(const char *path, florin_error_t *error) FLORIN_MUST_USE;
/* A row taken to another shard, or to another cluster with the same key, has no seal there. */
florin_seal_key_t florin_seal_key_of(const uint8_t key[FLORIN_SEAL_FILE_KEY_BYTES],
                                     florin_id_t cluster, size_t shard);

/* Where a session stands in its chain on a shard. */
typedef struct {
    florin_seal_key_t key;
    uint64_t next; /* place; 0: no chain has begun */
} florin_chain_t;

#define FLORIN_PLACE_NUMBER_BITS 32
/* No batch begins beyond it: what it may write fits behind. */
#define FLORIN_CHAIN_NUMBER_MAX UINT32_C(0xfff00000)
static inline uint64_t florin_place_first(uint64_t chain)
{
    return chain << FLORIN_PLACE_NUMBER_BITS | 1;
}
static inline uint64_t florin_place_chain(uint64_t place)
{
    return place >> FLORIN_PLACE_NUMBER_BITS;
}
static inline uint32_t florin_place_number(uint64_t place)
{
    return (uint32_t)place;
}

/* In the head of chain 0, in place of a time: there were no rows when sealing began. */
#define FLORIN_SEALED_FROM_FIRST 1

/* Seals of all that a row says but the seal itself. `debit_here`, `credit_here`: whether the row
 * has that account's balances. */
uint64_t florin_seal_account(const florin_seal_key_t *key, const florin_account_t *account);
uint64_t florin_seal_transfer(const florin_seal_key_t *key, const florin_entry_t *entry,
                              bool debit_here, bool credit_here, uint64_t place);
uint64_t florin_seal_pending(const florin_seal_key_t *key, const florin_pending_t *pending,
                             bool debit_here, bool credit_here);
uint64_t florin_seal_limit(const florin_seal_key_t *key, florin_id_t account_id, uint64_t timestamp,
                           uint64_t credit_limit, uint64_t place);
/* The last place of a chain that must not be missing. */
uint64_t florin_seal_head(const florin_seal_key_t *key, uint64_t chain, uint64_t place);

#endif
