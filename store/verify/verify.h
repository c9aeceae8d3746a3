/* Whether the books of a whole cluster are whole: what florin_store_* promise, read back with SQL
 * that shares nothing with what wrote it. Changes nothing, and makes no writer wait.
 *
 * Memory is bounded whatever the books hold: servers sort and sum on their disks, and rows come in
 * pages. What is broken is told by callbacks as it is found. */
#ifndef FLORIN_STORE_VERIFY_H
#define FLORIN_STORE_VERIFY_H

#include "store/store.h"
#include "store/verify/report.h"

/* Runs all checks, each once, in the order of `checks` (FLORIN_VERIFY_CHECKS_MAX, *count used).
 * The store's statement_timeout_ms is the time for it all. Returns 0 when all are done, whatever
 * they found; else those not done say so. FLORIN_ERROR_CONFLICT: a batch stays half done, or
 * somebody keeps a lock that lets nobody read, and only what is in doubt was looked at. */
int florin_store_verify(florin_store_t *self, const florin_verify_options_t *options,
                        florin_verify_check_t *checks, size_t *count,
                        florin_error_t *error) FLORIN_MUST_USE;

#endif
