/* Whether a row of the books can be. What the ledger has never written, a hand has, or a fault.
 * Pure.
 */
#ifndef FLORIN_STORE_SOUND_H
#define FLORIN_STORE_SOUND_H

#include "ledger/ledger.h"

/* NULL when it can be; else why not, for a message. Static. */
const char *florin_sound_account(const florin_account_t *account);
const char *florin_sound_balances(const florin_balances_t *balances);
/* A transfer's row, created or refused, and what became of it when it was pending. */
const char *florin_sound_entry(const florin_entry_t *entry);
/* The same without what became of it. */
const char *florin_sound_transfer(const florin_transfer_t *transfer);
/* Whether two rows of one transfer, on two shards, say the same. */
const char *florin_sound_copies(const florin_transfer_t *one, const florin_transfer_t *other);

#endif
