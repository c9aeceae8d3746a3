/* The rows of the books on all shards side by side: each where it belongs, the same on all of its
 * shards, not from the future, and as it was sealed. */
#ifndef FLORIN_STORE_VERIFY_COPIES_H
#define FLORIN_STORE_VERIFY_COPIES_H

#include "store/verify/run.h"

int florin_verify_accounts(florin_verify_run_t *self, const char *const *sql,
                           florin_error_t *error) FLORIN_MUST_USE;
int florin_verify_transfers(florin_verify_run_t *self, const char *const *sql,
                            florin_error_t *error) FLORIN_MUST_USE;
int florin_verify_pendings(florin_verify_run_t *self, const char *const *sql,
                           florin_error_t *error) FLORIN_MUST_USE;

#endif
