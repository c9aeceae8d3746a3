/* The ledger's state, for the files of this folder only.
 *
 * Accounts and entries lie in two arrays: first those loaded, in the order they came, then those
 * that events made, in the order of the events. What a chain did is undone by taking the newest off
 * the arrays' ends and putting touched accounts back as they were. */
#ifndef FLORIN_LEDGER_STATE_H
#define FLORIN_LEDGER_STATE_H

#include <assert.h>

#include "ledger/table.h"

#define FLORIN_LEDGER_ACCOUNT_CELLS 32768
#define FLORIN_LEDGER_ENTRY_CELLS   65536

static_assert(FLORIN_LEDGER_ACCOUNTS_MAX <= FLORIN_LEDGER_ACCOUNT_CELLS / 2, "half full at most");
static_assert(FLORIN_LEDGER_TRANSFERS_MAX <= FLORIN_LEDGER_ENTRY_CELLS / 2, "half full at most");

#define FLORIN_LEDGER_ID_INT_MAX (~(florin_id_t)0)

typedef struct {
    florin_account_t account;
    florin_window_t window;
    bool has_window;
    bool changed; /* is on the list of changed accounts */
} florin_ledger_account_t;

/* A touched account as it was before. */
typedef struct {
    uint32_t index;
    florin_ledger_account_t before;
} florin_ledger_undo_t;

struct florin_ledger {
    uint64_t timestamp_next;
    size_t events_count; /* since the reset */

    florin_table_t accounts_by_id;
    size_t accounts_loaded;
    size_t accounts_count; /* loaded and opened */
    size_t changed_count;

    florin_table_t entries_by_id;
    size_t entries_loaded;
    size_t entries_count; /* loaded and new */

    size_t undo_count; /* of the chain that is being applied */

    florin_ledger_account_t accounts[FLORIN_LEDGER_ACCOUNTS_MAX];
    uint32_t changed[FLORIN_LEDGER_ACCOUNTS_MAX]; /* indexes of loaded accounts */
    florin_entry_t entries[FLORIN_LEDGER_TRANSFERS_MAX];
    florin_ledger_undo_t undo[2 * FLORIN_LEDGER_EVENTS_MAX];
    florin_table_cell_t account_cells[FLORIN_LEDGER_ACCOUNT_CELLS];
    florin_table_cell_t entry_cells[FLORIN_LEDGER_ENTRY_CELLS];
};

/* One rule: if it is broken, the event has this result. */
typedef struct {
    bool broken;
    uint16_t result;
} florin_ledger_rule_t;

/* The result of the first broken rule; 0, created, when all hold. */
#define FLORIN_LEDGER_FIRST_BROKEN(rules)                                                          \
    florin_ledger_first_broken((rules), sizeof(rules) / sizeof((rules)[0]))
uint16_t florin_ledger_first_broken(const florin_ledger_rule_t *rules, size_t count);

/* True when there is room for as many more events. */
bool florin_ledger_has_room(const florin_ledger_t *self, size_t events_count);

florin_ledger_account_t *florin_ledger_find_account(florin_ledger_t *self, florin_id_t id);
florin_entry_t *florin_ledger_find_entry(florin_ledger_t *self, florin_id_t id);

/* Puts one that is not there yet at the array's end; there is room. */
void florin_ledger_add_account(florin_ledger_t *self, const florin_account_t *account);
florin_entry_t *florin_ledger_add_entry(florin_ledger_t *self, const florin_transfer_t *transfer,
                                        florin_transfer_result_t result);

#endif
