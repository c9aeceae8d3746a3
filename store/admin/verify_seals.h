/* Seals of rows, and the chains that they stand in: checked row by row while the books are walked
 * over, and drawn together at the end. Without a key nothing is checked. */
#ifndef FLORIN_STORE_VERIFY_SEALS_H
#define FLORIN_STORE_VERIFY_SEALS_H

#include "store/admin/verify_run.h"
#include "store/rows.h"

/* Columns of florin_verify_sql_pendings. */
enum {
    FLORIN_VERIFY_PENDING_STATUS = 5,
    FLORIN_VERIFY_PENDING_RESOLVED,
    FLORIN_VERIFY_PENDING_BALANCES
};

/* Reads the heads of the chains, and when sealing began. */
int florin_verify_seals_begin(florin_verify_run_t *self, florin_error_t *error) FLORIN_MUST_USE;
void florin_verify_seals_end(florin_verify_run_t *self);

/* Checks a row's seal, and takes its place. */
typedef void(florin_verify_seal_fn)(florin_verify_run_t *self, size_t shard, const PGresult *page,
                                    int row, const char *subject);
florin_verify_seal_fn florin_verify_seal_account, florin_verify_seal_transfer,
    florin_verify_seal_pending;

/* Checks the limits' seals, by that query, and the chains, of which all rows were seen. */
int florin_verify_seals(florin_verify_run_t *self, const char *limits, bool *gaps,
                        florin_error_t *error) FLORIN_MUST_USE;

#endif
