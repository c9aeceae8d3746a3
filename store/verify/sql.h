/* The queries of a verification; each runs on every shard. Those with "since" look at what was
 * booked from the setting florin.since on, a timestamp. */
#ifndef FLORIN_STORE_VERIFY_SQL_H
#define FLORIN_STORE_VERIFY_SQL_H

/* Side by side over all shards, in the order of their first column. */

/* ledger; sums of debits and credits, pending and then posted, as text: they may pass 64 bits */
extern const char florin_verify_sql_ledgers[];
/* id; the rest of it, in the order of florin_row_account, of florin_row_transfer; the balances
 * after it; place and seal. */
extern const char florin_verify_sql_accounts[];
extern const char florin_verify_sql_transfers[], florin_verify_sql_transfers_since[];
extern const char florin_verify_sql_pendings[], florin_verify_sql_pendings_since[];

/* Each shard by itself: what is counted; then the rows that are wrong, as "account" or "transfer",
 * its id, and what is wrong with it. */
extern const char florin_verify_sql_outcomes_count[], florin_verify_sql_outcomes[];
extern const char florin_verify_sql_chains_count[], florin_verify_sql_chains[];
extern const char florin_verify_sql_chains_since_count[], florin_verify_sql_chains_since[];
extern const char florin_verify_sql_balances_count[], florin_verify_sql_balances[];
extern const char florin_verify_sql_limits_count[], florin_verify_sql_limits[];
extern const char florin_verify_sql_bounds_count[], florin_verify_sql_bounds[];

/* The heads of chains; limits as they were sealed; and where a chain has gaps, as rows that are
 * wrong. */
extern const char florin_verify_sql_heads[], florin_verify_sql_sealed_limits[],
    florin_verify_sql_gaps[];

/* Batches: what was decided about them, and those prepared, with their age in seconds. */
extern const char florin_verify_sql_decisions[];
extern const char florin_verify_sql_prepared[];

#endif
