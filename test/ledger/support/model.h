/* The ledger once more: slow and obvious, to check the fast one against. It shares no code with the
 * core but its structs: it searches from the start, adds in 128 bits, and copies everything it has
 * before a chain. */
#ifndef FLORIN_TEST_LEDGER_MODEL_H
#define FLORIN_TEST_LEDGER_MODEL_H

#include "ledger/ledger.h"

#define MODEL_ACCOUNTS_MAX 32
#define MODEL_ENTRIES_MAX  320

/* What became of the pending transfer in the same place of the entries. */
typedef struct {
    florin_pending_status_t status;
    uint64_t resolved_at;
    florin_balances_t debit_after, credit_after; /* of an expired one */
} model_pending_t;

/* What a store would hold. */
typedef struct {
    florin_account_t accounts[MODEL_ACCOUNTS_MAX];
    size_t accounts_count;
    florin_entry_t entries[MODEL_ENTRIES_MAX];
    model_pending_t pendings[MODEL_ENTRIES_MAX];
    size_t entries_count;
} model_books_t;

typedef struct {
    model_books_t books;
    florin_window_t windows[MODEL_ACCOUNTS_MAX];
    size_t windows_count;
    uint64_t timestamp_next;
} model_t;

/* Begins a batch that may use the accounts of these ids; forgets the windows of the last one. */
void model_begin(model_t *self, uint64_t now, const florin_id_t *loaded, size_t loaded_count);
void model_set_window(model_t *self, const florin_window_t *window);

void model_open_accounts(model_t *self, const florin_account_t *events, size_t count,
                         florin_account_outcome_t *outcomes);
void model_create_transfers(model_t *self, const florin_transfer_event_t *events, size_t count,
                            florin_transfer_outcome_t *outcomes);
void model_set_credit_limits(model_t *self, const florin_limit_event_t *events, size_t count,
                             florin_limit_outcome_t *outcomes);
void model_settle_transfers(model_t *self, const florin_id_t *ids, size_t count,
                            florin_transfer_outcome_t *outcomes);
size_t model_expire(model_t *self, const florin_id_t *ids, size_t count);

florin_account_t *model_find_account(model_books_t *books, florin_id_t id);
florin_entry_t *model_find_entry(model_books_t *books, florin_id_t id);
model_pending_t *model_find_pending(model_books_t *books, florin_id_t id);
florin_window_t *model_find_window(model_t *self, florin_id_t account_id);

/* What a request's events have in common. */
typedef struct {
    bool imported; /* the first of them is */
    uint64_t now;  /* the timestamp of the first */
} model_request_t;

/* One transfer, in model_transfer.c. `tick`: its timestamp, unless it brings one; `alone`: it is in
 * no chain with others. */
florin_transfer_result_t model_create_one(model_t *self, const florin_transfer_event_t *event,
                                          const model_request_t *request, uint64_t tick, bool alone,
                                          florin_transfer_outcome_t *outcome);

/* The rules on imported events, which both kinds share; 0 when they hold. The numbers of the two
 * kinds' results are the same. */
uint16_t model_check_imported(const model_request_t *request, bool imported, uint64_t timestamp);

void model_append(model_t *self, const florin_transfer_t *transfer, florin_transfer_result_t result,
                  florin_balances_t debit_after, florin_balances_t credit_after);

#endif
