/* Batches that are not asked for from outside. */
#ifndef FLORIN_STORE_BATCH_H
#define FLORIN_STORE_BATCH_H

#include "store/batch/plan.h"

/* Releases what is overdue, each as a request of its own, which has its error when that could not
 * be. Keeps the store's arena as it is. Returns how many were released; *error: code 0, or why none
 * could be. */
size_t florin_batch_release(florin_store_t *store, florin_ledger_t *ledger,
                            const florin_overdue_t *overdue, florin_store_request_t *requests,
                            size_t count, bool yields, florin_error_t *error);

#endif
