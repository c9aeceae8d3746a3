/* The first half of a try: lock and read what the plan touches, load the ledger. */
#ifndef FLORIN_STORE_LOCK_H
#define FLORIN_STORE_LOCK_H

#include "store/batch/plan.h"

/* Begins, locks and reads shard by shard, ascending; then loads the ledger. With
 * FLORIN_STEP_SWEEP, what is overdue is in `overdue`, an array of FLORIN_OVERDUE_MAX. */
florin_step_t florin_batch_read(florin_plan_t *self, florin_overdue_t *overdue,
                                size_t *overdue_count);

#endif
