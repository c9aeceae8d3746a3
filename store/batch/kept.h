/* Accounts that others keep locked. */
#ifndef FLORIN_STORE_KEPT_H
#define FLORIN_STORE_KEPT_H

#include "store/batch/plan.h"

/* Locks on a shard were waited for in vain. */
void florin_batch_lock_failed(florin_plan_t *self, size_t shard);
/* Where that was so of late, fails the requests that need accounts which are locked now. False
 * when there were some, or the look failed. */
bool florin_batch_avoid_kept(florin_plan_t *self);

#endif
