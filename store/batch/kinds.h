/* The kinds of batches. */
#ifndef FLORIN_STORE_KINDS_H
#define FLORIN_STORE_KINDS_H

#include "store/batch/plan.h"

extern const florin_kind_t florin_kind_accounts, florin_kind_transfers, florin_kind_settled,
    florin_kind_limits, florin_kind_overdue;

#endif
