/* Random books and random batches for them: what the core and the model are both put through. */
#ifndef FLORIN_TEST_LEDGER_WORLD_H
#define FLORIN_TEST_LEDGER_WORLD_H

#include "test/ledger/support/model.h"

#define WORLD_REQUESTS_MAX 4
#define WORLD_EVENTS_MAX   16 /* of one request */
#define WORLD_LEDGERS      2

typedef enum {
    WORLD_TRANSFERS,
    WORLD_ACCOUNTS,
    WORLD_LIMITS,
    WORLD_EXPIRIES,
    WORLD_OUTCOMES
} world_kind_t;

typedef struct {
    world_kind_t kind;
    size_t count;
    florin_account_t accounts[WORLD_EVENTS_MAX];
    florin_transfer_event_t transfers[WORLD_EVENTS_MAX];
    florin_limit_event_t limits[WORLD_EVENTS_MAX];
    florin_id_t expiries[WORLD_EVENTS_MAX];
    florin_id_t outcomes[WORLD_EVENTS_MAX]; /* ids of which they are asked */
} world_request_t;

typedef struct {
    uint64_t random; /* begins as the seed */
    uint64_t clock;
    model_books_t store;                         /* what the core had written */
    florin_balances_t begun[MODEL_ACCOUNTS_MAX]; /* what the accounts began with */
    world_request_t requests[WORLD_REQUESTS_MAX];
    size_t requests_count;
} world_t;

/* Accounts from nothing, some of them full, with pending amounts, or closed. */
void world_begin(world_t *self);
/* No room for another batch: begin again. */
bool world_is_full(const world_t *self);
/* Makes the next batch. */
void world_generate(world_t *self);

uint64_t world_below(world_t *self, uint64_t bound);
bool world_one_in(world_t *self, uint64_t bound);

#endif
