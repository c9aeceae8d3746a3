/* The end of a try: one commit, two phases, or neither. */
#ifndef FLORIN_STORE_COMMIT_H
#define FLORIN_STORE_COMMIT_H

#include "store/batch/plan.h"

/* Writes and commits, or ends all transactions when there is nothing to write. */
florin_step_t florin_batch_commit(florin_plan_t *self);
/* Ends what is open and what is prepared, undone. */
void florin_batch_roll_back(florin_plan_t *self);

#endif
