/* Seals of rows, and the chains that they stand in: checked row by row while the books are walked
 * over, and drawn together at the end. Without a key nothing is checked. */
#ifndef FLORIN_STORE_VERIFY_SEALS_H
#define FLORIN_STORE_VERIFY_SEALS_H

#include "store/verify/run.h"
#include "store/verify/sealed_rows.h"

/* Reads the heads of the chains, and when sealing began. */
int florin_verify_seals_begin(florin_verify_run_t *self, florin_error_t *error) FLORIN_MUST_USE;
void florin_verify_seals_end(florin_verify_run_t *self);

/* Checks that a row can be, and its seal, and takes its place. */
void florin_verify_seal(florin_verify_run_t *self, size_t shard, const PGresult *page, int row,
                        const char *subject, florin_sealed_fn *read);

/* Checks the limits' seals, by that query, and the chains, of which all rows were seen. */
int florin_verify_seals(florin_verify_run_t *self, const char *limits, bool *gaps,
                        florin_error_t *error) FLORIN_MUST_USE;

#endif
