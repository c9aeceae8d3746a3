/* The ledger's state, for the files of this folder only.
 *
 * Accounts and entries lie in two arrays: first those loaded, in the order they came, then those
 * that events made, in the order of the events. What a chain did is undone by taking the newest off
 * the arrays' ends and putting touched accounts back as they were. */
#ifndef FLORIN_LEDGER_STATE_H
#define FLORIN_LEDGER_STATE_H

#include <assert.h>
#include <string.h>

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

typedef struct {
    florin_entry_t entry;
    bool pending_listed; /* is on the list of pending transfers that changed */
    uint64_t resolved_at;
} florin_ledger_entry_t;

/* A touched account as it was before. */
typedef struct {
    uint32_t index;
    florin_ledger_account_t before;
} florin_ledger_undo_t;

/* How an event would be booked: what it leaves open is filled in. */
typedef struct {
    florin_transfer_t transfer;              /* its timestamp, amount and flags are those booked */
    florin_ledger_account_t *debit, *credit; /* NULL where there is none */
    florin_ledger_entry_t *pending;          /* what it posts or voids; NULL: nothing, or none */
} florin_ledger_plan_t;

struct florin_ledger {
    uint64_t timestamp_next;
    size_t events_count;    /* since the reset */
    florin_id_t impossible; /* an account that the latest events met; 0: none */

    florin_table_t accounts_by_id;
    size_t accounts_loaded;
    size_t accounts_count; /* loaded and opened */
    size_t changed_count;

    florin_table_t entries_by_id;
    size_t entries_loaded;
    size_t entries_count; /* loaded and new */

    size_t undo_count, resolved_count; /* of the chain that is being applied */
    size_t pendings_count;

    florin_ledger_account_t accounts[FLORIN_LEDGER_ACCOUNTS_MAX];
    uint32_t changed[FLORIN_LEDGER_ACCOUNTS_MAX]; /* indexes of loaded accounts */
    florin_ledger_entry_t entries[FLORIN_LEDGER_TRANSFERS_MAX];
    uint32_t pendings[FLORIN_LEDGER_TRANSFERS_MAX]; /* indexes of entries that are listed */
    florin_ledger_undo_t undo[2 * FLORIN_LEDGER_EVENTS_MAX];
    uint32_t resolved[FLORIN_LEDGER_EVENTS_MAX]; /* indexes of entries that were open before */
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
florin_ledger_entry_t *florin_ledger_find_entry(florin_ledger_t *self, florin_id_t id);

/* Puts one that is not there yet at the array's end; there is room. */
void florin_ledger_add_account(florin_ledger_t *self, const florin_account_t *account);
florin_ledger_entry_t *florin_ledger_add_entry(florin_ledger_t *self,
                                               const florin_transfer_t *transfer,
                                               florin_transfer_result_t result);

/* Whether the rules that an imported event's form must keep are broken, in their order. `expected`:
 * the first event of the request is imported; `now`: what an imported timestamp must lie before. */
#define FLORIN_LEDGER_IMPORTED_RULES(prefix, is, expected, at, now)                                \
    {(expected) && !(is), prefix##_IMPORTED_EVENT_EXPECTED},                                       \
        {!(expected) && (is), prefix##_IMPORTED_EVENT_NOT_EXPECTED},                               \
        {!(is) && (at) != 0, prefix##_TIMESTAMP_MUST_BE_ZERO},                                     \
        {(is) && ((at) == 0 || (at) > FLORIN_LEDGER_TIMESTAMP_MAX),                                \
         prefix##_IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE},                                          \
    {                                                                                              \
        (is) && (at) >= (now), prefix##_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE                  \
    }

/* When a pending transfer expires; 0: never. */
static inline uint64_t florin_ledger_expires_at(const florin_transfer_t *pending)
{
    return pending->timeout_s == 0
               ? 0
               : pending->timestamp + (uint64_t)pending->timeout_s * UINT64_C(1000000000);
}

/* Whether `taken` is past `given` by more than the account may cross its bound; without a sum that
 * could overflow, as a limit may be any number. */
static inline bool florin_ledger_crosses(uint64_t taken, uint64_t given, uint64_t credit_limit)
{
    return taken > given && taken - given > credit_limit;
}

/* Keeps an account as it is, so that a chain can be undone, and notes that it changes. */
void florin_ledger_touch(florin_ledger_t *self, florin_ledger_account_t *account,
                         uint64_t timestamp);

/* Whether an open pending transfer can be taken off its accounts; NULL: not loaded. If not, one of
 * them is noted as impossible. */
bool florin_ledger_can_release(florin_ledger_t *self, const florin_transfer_t *pending,
                               const florin_ledger_account_t *debit,
                               const florin_ledger_account_t *credit);

/* What an event would be booked as, at `timestamp`; `alone`: it is in no chain of several. */
florin_ledger_plan_t florin_ledger_plan(florin_ledger_t *self, const florin_transfer_event_t *event,
                                        uint64_t timestamp, bool alone);

/* The result of the first rule that the event breaks; 0, created, when it may be booked as planned.
 * The next two say which maximum of the debit account's window it would pass. */
florin_transfer_result_t florin_ledger_check(florin_ledger_t *self,
                                             const florin_transfer_event_t *event,
                                             const florin_ledger_plan_t *plan, bool imported,
                                             uint64_t now);
bool florin_ledger_passes_window_count(const florin_ledger_plan_t *plan);
bool florin_ledger_passes_window_sum(const florin_ledger_plan_t *plan);

#endif
