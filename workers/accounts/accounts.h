/* The state of one lane of an accounts worker, and its operations, one function each; main.c joins
 * them. */
#ifndef FLORIN_ACCOUNTS_H
#define FLORIN_ACCOUNTS_H

#include "workers/runtime/messages/lookup.h"

#define FLORIN_STATEMENT_LIMIT_DEFAULT 100

/* Room for one batch; taken once. */
typedef struct {
    size_t kind; /* of its lane */
    florin_store_t *store;
    florin_ledger_t *ledger;
    florin_account_t accounts[FLORIN_BATCH_EVENTS_MAX]; /* to open, or found */
    florin_account_outcome_t outcomes[FLORIN_BATCH_EVENTS_MAX];
    florin_limit_event_t limits[FLORIN_BATCH_EVENTS_MAX];
    florin_limit_outcome_t limit_outcomes[FLORIN_BATCH_EVENTS_MAX];
    florin_store_request_t requests[FLORIN_BATCH_REQUESTS_MAX];
    florin_call_t *merged[FLORIN_BATCH_REQUESTS_MAX]; /* the calls behind `requests` */
    florin_lookup_t lookup;
    florin_statement_entry_t entries[FLORIN_STATEMENT_ENTRIES_MAX];
    florin_trial_row_t rows[FLORIN_TRIAL_ROWS_MAX];
} florin_accounts_t;

/* A request's lane. */
florin_route_t florin_accounts_route(const florin_slots_t *slots, florin_wire_t body);

/* Each answers those of the calls that ask for its operation, and leaves the others alone. */

/* All calls' accounts as one batch of the books. */
void florin_accounts_open(florin_accounts_t *self, florin_call_t *calls, size_t count,
                          florin_arena_t *arena);
/* All calls' limits as one batch of the books. */
void florin_accounts_set_limits(florin_accounts_t *self, florin_call_t *calls, size_t count,
                                florin_arena_t *arena);
void florin_accounts_balance_at(florin_accounts_t *self, florin_call_t *calls, size_t count,
                                florin_arena_t *arena);
void florin_accounts_list(florin_accounts_t *self, florin_call_t *calls, size_t count,
                          florin_arena_t *arena);
/* All calls' ids with one read. */
void florin_accounts_lookup(florin_accounts_t *self, florin_call_t *calls, size_t count,
                            florin_arena_t *arena);
void florin_accounts_statement(florin_accounts_t *self, florin_call_t *calls, size_t count,
                               florin_arena_t *arena);
/* One page for all that ask for the same, one after the other. */
void florin_accounts_trial_balance(florin_accounts_t *self, florin_call_t *calls, size_t count,
                                   florin_arena_t *arena);

/* The entries that a statement's page may have; 0 in the request means the default. */
size_t florin_accounts_statement_limit(const Florin__V1__StatementRequest *request);

#endif
