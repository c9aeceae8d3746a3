/* The queries of a verification; each runs on every shard. */
#ifndef FLORIN_STORE_VERIFY_SQL_H
#define FLORIN_STORE_VERIFY_SQL_H

/* Side by side over all shards, in the order of their first column. */

/* ledger; sums of debits and credits, pending and then posted, as text: they may pass 64 bits */
extern const char florin_verify_sql_ledgers[];
/* id, debit account, credit account, result, whether it has the debit account's and the credit
 * account's balances (NULL: it need not), and from there on what is the same on each shard, the
 * fourth of it a time. An account's has its id, and its times. */
extern const char florin_verify_sql_accounts[];
extern const char florin_verify_sql_transfers[];
extern const char florin_verify_sql_pendings[];

/* Each shard by itself: what is counted; then the rows that are wrong, as "account" or "transfer",
 * its id, and what is wrong with it. */
extern const char florin_verify_sql_outcomes_count[], florin_verify_sql_outcomes[];
extern const char florin_verify_sql_chains_count[], florin_verify_sql_chains[];
extern const char florin_verify_sql_balances_count[], florin_verify_sql_balances[];
extern const char florin_verify_sql_limits_count[], florin_verify_sql_limits[];
extern const char florin_verify_sql_bounds_count[], florin_verify_sql_bounds[];

/* Batches: what was decided about them, and those prepared, with their age in seconds. */
extern const char florin_verify_sql_decisions[];
extern const char florin_verify_sql_prepared[];

#endif
