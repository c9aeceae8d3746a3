/* The ledger once more: slow and obvious, to check the fast one against. It shares no code with the
 * core but its structs: it searches from the start, adds in 128 bits, and copies everything it has
 * before a chain. */
#ifndef FLORIN_TEST_LEDGER_MODEL_H
#define FLORIN_TEST_LEDGER_MODEL_H

#include "ledger/ledger.h"

#define MODEL_ACCOUNTS_MAX 32
#define MODEL_ENTRIES_MAX  320

/* What a store would hold. */
typedef struct {
    florin_account_t accounts[MODEL_ACCOUNTS_MAX];
    size_t accounts_count;
    florin_entry_t entries[MODEL_ENTRIES_MAX];
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

florin_account_t *model_find_account(model_books_t *books, florin_id_t id);
florin_entry_t *model_find_entry(model_books_t *books, florin_id_t id);

#endif
