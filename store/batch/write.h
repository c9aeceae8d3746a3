/* What the plan says is to be written, as statements. */
#ifndef FLORIN_STORE_WRITE_H
#define FLORIN_STORE_WRITE_H

#include "store/batch/plan.h"

/* Adds the writes of one shard to its round. */
void florin_batch_add_writes(florin_plan_t *self, size_t shard);

#endif
