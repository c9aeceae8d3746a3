/* Expired transfers that still hold something which a batch needs.
 *
 * No batch looks for them ahead. Only when the ledger has decided, and something pending on an
 * account may have changed what it said, the account's shard is asked whether some of that is
 * overdue. The account is locked: the answer holds until the batch ends. */
#ifndef FLORIN_STORE_OVERDUE_H
#define FLORIN_STORE_OVERDUE_H

#include "store/batch/plan.h"

/* One side of an account, where something pending was in the way. */
typedef struct {
    florin_id_t account_id;
    bool credits;                   /* its pending credits; else its pending debits */
    bool held;                      /* by some that are overdue */
    bool released;                  /* one of these at least */
    florin_store_request_t *failed; /* the release of one that could not be; NULL: none */
} florin_obstacle_t;

/* What is in the way of one try; arrays live in the store's arena. */
typedef struct {
    florin_obstacle_t *obstacles; /* sorted, each once */
    size_t obstacles_count;
    florin_overdue_t *overdue; /* found there */
    size_t overdue_count;
    struct florin_stopped *stopped; /* who was stopped by what */
    size_t stopped_count;
} florin_held_t;

/* After the ledger has decided. FLORIN_STEP_SWEEP: what is in *held has to be released first. */
florin_step_t florin_overdue_look(florin_plan_t *self, florin_held_t *held);

/* After a release, with one request for each of held->overdue: fails those who were stopped where
 * none of it could be released. */
void florin_overdue_judge(florin_held_t *held, florin_store_request_t *releases);
/* Fails all who were stopped by what is overdue: it can not be waited for. */
void florin_overdue_give_up(florin_held_t *held);

#endif
