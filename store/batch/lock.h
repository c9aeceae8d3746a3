/* The first half of a try: lock and read what the plan touches, load the ledger. */
#ifndef FLORIN_STORE_LOCK_H
#define FLORIN_STORE_LOCK_H

#include "store/batch/plan.h"

/* Begins, locks and reads shard by shard, ascending; then loads the ledger. */
florin_step_t florin_batch_read(florin_plan_t *self);

#endif
