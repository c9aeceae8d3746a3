/* New seals for rows that somebody had good reason to mend by hand. */
#ifndef FLORIN_STORE_SEAL_AGAIN_H
#define FLORIN_STORE_SEAL_AGAIN_H

#include "store/store.h"

/* Seals all rows of an account (its own, and its limits') or of a transfer (on each of its shards,
 * and what became of it) as they are now, in the places that they have. The store has the key.
 * *count: how many rows got another seal. */
int florin_store_seal_again(florin_store_t *self, bool account, florin_id_t id, size_t *count,
                            florin_error_t *error) FLORIN_MUST_USE;

#endif
