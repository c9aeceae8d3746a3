#include "ledger/ledger.h"

#include <stdlib.h>

#include "ledger/state.h"

florin_ledger_t *florin_ledger_new(void)
{
    florin_ledger_t *self = calloc(1, sizeof *self);
    if (!self) {
        return NULL;
    }
    florin_table_init(&self->accounts_by_id, self->account_cells, FLORIN_LEDGER_ACCOUNT_CELLS);
    florin_table_init(&self->entries_by_id, self->entry_cells, FLORIN_LEDGER_ENTRY_CELLS);
    florin_ledger_reset(self, 0);
    return self;
}

void florin_ledger_destroy(florin_ledger_t **self_p)
{
    free(*self_p);
    *self_p = NULL;
}

void florin_ledger_reset(florin_ledger_t *self, uint64_t now)
{
    self->timestamp_next = now;
    self->events_count = 0;
    self->impossible = 0;
    self->accounts_loaded = self->accounts_count = self->changed_count = 0;
    self->entries_loaded = self->entries_count = 0;
    self->undo_count = self->resolved_count = self->pendings_count = 0;
    florin_table_reset(&self->accounts_by_id, now);
    florin_table_reset(&self->entries_by_id, now);
}

bool florin_ledger_load_account(florin_ledger_t *self, const florin_account_t *account)
{
    assert(self->events_count == 0);
    if (self->accounts_count == FLORIN_LEDGER_ACCOUNTS_MAX ||
        florin_ledger_find_account(self, account->id)) {
        return false;
    }
    florin_ledger_add_account(self, account);
    self->accounts_loaded = self->accounts_count;
    if (self->timestamp_next <= account->timestamp_last) {
        self->timestamp_next = account->timestamp_last + 1;
    }
    return true;
}

bool florin_ledger_load_entry(florin_ledger_t *self, const florin_transfer_t *transfer,
                              florin_transfer_result_t result)
{
    assert(self->events_count == 0);
    if (self->entries_count == FLORIN_LEDGER_TRANSFERS_MAX ||
        florin_ledger_find_entry(self, transfer->id)) {
        return false;
    }
    florin_ledger_add_entry(self, transfer, result);
    self->entries_loaded = self->entries_count;
    return true;
}

bool florin_ledger_load_pending(florin_ledger_t *self, florin_id_t id,
                                florin_pending_status_t status)
{
    assert(self->events_count == 0);
    florin_ledger_entry_t *loaded = florin_ledger_find_entry(self, id);
    if (!loaded || loaded->entry.pending == FLORIN_PENDING_NONE) {
        return false;
    }
    loaded->entry.pending = status;
    return true;
}

bool florin_ledger_load_window(florin_ledger_t *self, const florin_window_t *window)
{
    assert(self->events_count == 0);
    florin_ledger_account_t *account = florin_ledger_find_account(self, window->account_id);
    if (!account) {
        return false;
    }
    account->window = *window;
    account->has_window = true;
    return true;
}

florin_id_t florin_ledger_impossible(const florin_ledger_t *self)
{
    return self->impossible;
}

size_t florin_ledger_opened_count(const florin_ledger_t *self)
{
    return self->accounts_count - self->accounts_loaded;
}

const florin_account_t *florin_ledger_opened(const florin_ledger_t *self, size_t index)
{
    assert(index < florin_ledger_opened_count(self));
    return &self->accounts[self->accounts_loaded + index].account;
}

size_t florin_ledger_changed_count(const florin_ledger_t *self)
{
    return self->changed_count;
}

const florin_account_t *florin_ledger_changed(const florin_ledger_t *self, size_t index)
{
    assert(index < self->changed_count);
    return &self->accounts[self->changed[index]].account;
}

size_t florin_ledger_entries_count(const florin_ledger_t *self)
{
    return self->entries_count - self->entries_loaded;
}

const florin_entry_t *florin_ledger_entry(const florin_ledger_t *self, size_t index)
{
    assert(index < florin_ledger_entries_count(self));
    return &self->entries[self->entries_loaded + index].entry;
}

size_t florin_ledger_pendings_count(const florin_ledger_t *self)
{
    return self->pendings_count;
}

florin_pending_t florin_ledger_pending(const florin_ledger_t *self, size_t index)
{
    assert(index < self->pendings_count);
    const florin_ledger_entry_t *pending = &self->entries[self->pendings[index]];
    return (florin_pending_t){.transfer = &pending->entry.transfer,
                              .status = pending->entry.pending,
                              .expires_at = florin_ledger_expires_at(&pending->entry.transfer),
                              .resolved_at = pending->resolved_at,
                              .debit_after = pending->entry.debit_after,
                              .credit_after = pending->entry.credit_after};
}

const florin_account_t *florin_ledger_account(const florin_ledger_t *self, florin_id_t id)
{
    uint32_t index = florin_table_find(&self->accounts_by_id, id);
    return index == FLORIN_TABLE_NONE ? NULL : &self->accounts[index].account;
}

const florin_entry_t *florin_ledger_find_transfer(const florin_ledger_t *self, florin_id_t id)
{
    uint32_t index = florin_table_find(&self->entries_by_id, id);
    return index == FLORIN_TABLE_NONE ? NULL : &self->entries[index].entry;
}

/* ------------------------------------------------------------------ for the files of this folder
 */

uint16_t florin_ledger_first_broken(const florin_ledger_rule_t *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (rules[i].broken) {
            return rules[i].result;
        }
    }
    return 0;
}

bool florin_ledger_has_room(const florin_ledger_t *self, size_t events_count)
{
    return events_count <= FLORIN_LEDGER_EVENTS_MAX - self->events_count;
}

florin_ledger_account_t *florin_ledger_find_account(florin_ledger_t *self, florin_id_t id)
{
    uint32_t index = florin_table_find(&self->accounts_by_id, id);
    return index == FLORIN_TABLE_NONE ? NULL : &self->accounts[index];
}

florin_ledger_entry_t *florin_ledger_find_entry(florin_ledger_t *self, florin_id_t id)
{
    uint32_t index = florin_table_find(&self->entries_by_id, id);
    return index == FLORIN_TABLE_NONE ? NULL : &self->entries[index];
}

void florin_ledger_touch(florin_ledger_t *self, florin_ledger_account_t *account,
                         uint64_t timestamp)
{
    uint32_t index = (uint32_t)(account - self->accounts);
    self->undo[self->undo_count++] = (florin_ledger_undo_t){.index = index, .before = *account};
    if (index < self->accounts_loaded && !account->changed) {
        account->changed = true;
        self->changed[self->changed_count++] = index;
    }
    account->account.timestamp_last = timestamp;
}

bool florin_ledger_can_release(florin_ledger_t *self, const florin_transfer_t *pending,
                               const florin_ledger_account_t *debit,
                               const florin_ledger_account_t *credit)
{
    if (!debit || debit->account.balances.debits_pending < pending->amount) {
        self->impossible = pending->debit_account_id;
    } else if (!credit || credit->account.balances.credits_pending < pending->amount) {
        self->impossible = pending->credit_account_id;
    } else {
        return true;
    }
    return false;
}

void florin_ledger_add_account(florin_ledger_t *self, const florin_account_t *account)
{
    assert(self->accounts_count < FLORIN_LEDGER_ACCOUNTS_MAX);
    florin_table_insert(&self->accounts_by_id, account->id, (uint32_t)self->accounts_count);
    self->accounts[self->accounts_count++] = (florin_ledger_account_t){.account = *account};
}

florin_ledger_entry_t *florin_ledger_add_entry(florin_ledger_t *self,
                                               const florin_transfer_t *transfer,
                                               florin_transfer_result_t result)
{
    bool pending =
        result == FLORIN_TRANSFER_CREATED && transfer->flags & FLORIN_TRANSFER_FLAG_PENDING;
    assert(self->entries_count < FLORIN_LEDGER_TRANSFERS_MAX);
    florin_table_insert(&self->entries_by_id, transfer->id, (uint32_t)self->entries_count);
    florin_ledger_entry_t *added = &self->entries[self->entries_count++];
    *added = (florin_ledger_entry_t){
        .entry = {.transfer = *transfer,
                  .result = result,
                  .pending = pending ? FLORIN_PENDING_OPEN : FLORIN_PENDING_NONE}};
    return added;
}
