#include "test/ledger/support/model.h"

#include <assert.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide_t;

#define ID_MAX (~(florin_id_t)0)

florin_account_t *model_find_account(model_books_t *books, florin_id_t id)
{
    for (size_t i = 0; i < books->accounts_count; i++) {
        if (books->accounts[i].id == id) {
            return &books->accounts[i];
        }
    }
    return NULL;
}

florin_entry_t *model_find_entry(model_books_t *books, florin_id_t id)
{
    for (size_t i = 0; i < books->entries_count; i++) {
        if (books->entries[i].transfer.id == id) {
            return &books->entries[i];
        }
    }
    return NULL;
}

static florin_window_t *find_window(model_t *self, florin_id_t account_id)
{
    for (size_t i = 0; i < self->windows_count; i++) {
        if (self->windows[i].account_id == account_id) {
            return &self->windows[i];
        }
    }
    return NULL;
}

void model_begin(model_t *self, uint64_t now, const florin_id_t *loaded, size_t loaded_count)
{
    self->windows_count = 0;
    self->timestamp_next = now;
    for (size_t i = 0; i < loaded_count; i++) {
        const florin_account_t *account = model_find_account(&self->books, loaded[i]);
        assert(account);
        if (account->timestamp_last + 1 > self->timestamp_next) {
            self->timestamp_next = account->timestamp_last + 1;
        }
    }
}

void model_set_window(model_t *self, const florin_window_t *window)
{
    assert(!find_window(self, window->account_id));
    self->windows[self->windows_count++] = *window;
}

/* ---------------------------------------------------------------------------------- accounts */

static florin_account_result_t open_one(model_t *self, const florin_account_t *a, uint64_t tick,
                                        uint64_t *timestamp)
{
    if (a->timestamp > 0)
        return FLORIN_ACCOUNT_TIMESTAMP_MUST_BE_ZERO;
    if (a->flags >= 16)
        return FLORIN_ACCOUNT_RESERVED_FLAG;
    if (a->id == 0)
        return FLORIN_ACCOUNT_ID_MUST_NOT_BE_ZERO;
    if (a->id == ID_MAX)
        return FLORIN_ACCOUNT_ID_MUST_NOT_BE_INT_MAX;
    const florin_account_t *old = model_find_account(&self->books, a->id);
    if (old) {
        if (old->flags != a->flags)
            return FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_FLAGS;
        if (old->user_data != a->user_data)
            return FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_USER_DATA;
        if (old->ledger != a->ledger)
            return FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_LEDGER;
        if (old->code != a->code)
            return FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_CODE;
        if (old->credit_limit != a->credit_limit)
            return FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_CREDIT_LIMIT;
        *timestamp = old->timestamp;
        return FLORIN_ACCOUNT_EXISTS;
    }
    if ((a->flags & 2) && (a->flags & 4))
        return FLORIN_ACCOUNT_FLAGS_ARE_MUTUALLY_EXCLUSIVE;
    if (a->balances.debits_pending > 0)
        return FLORIN_ACCOUNT_DEBITS_PENDING_MUST_BE_ZERO;
    if (a->balances.debits_posted > 0)
        return FLORIN_ACCOUNT_DEBITS_POSTED_MUST_BE_ZERO;
    if (a->balances.credits_pending > 0)
        return FLORIN_ACCOUNT_CREDITS_PENDING_MUST_BE_ZERO;
    if (a->balances.credits_posted > 0)
        return FLORIN_ACCOUNT_CREDITS_POSTED_MUST_BE_ZERO;
    if (a->ledger == 0)
        return FLORIN_ACCOUNT_LEDGER_MUST_NOT_BE_ZERO;
    if (a->code == 0)
        return FLORIN_ACCOUNT_CODE_MUST_NOT_BE_ZERO;

    assert(self->books.accounts_count < MODEL_ACCOUNTS_MAX);
    florin_account_t *account = &self->books.accounts[self->books.accounts_count++];
    *account = *a;
    account->timestamp = tick;
    account->timestamp_last = tick;
    *timestamp = tick;
    return FLORIN_ACCOUNT_CREATED;
}

void model_open_accounts(model_t *self, const florin_account_t *events, size_t count,
                         florin_account_outcome_t *outcomes)
{
    static model_t before;
    size_t chain_start = 0;
    bool in_chain = false;
    bool broken = false;

    for (size_t i = 0; i < count; i++) {
        bool linked = events[i].flags & 1;
        uint64_t tick = self->timestamp_next++;
        uint64_t timestamp = 0;
        florin_account_result_t result;
        if (linked && !in_chain) {
            in_chain = true;
            broken = false;
            chain_start = i;
            before = *self;
        }
        if (linked && i == count - 1) {
            result = FLORIN_ACCOUNT_LINKED_EVENT_CHAIN_OPEN;
        } else if (in_chain && broken) {
            result = FLORIN_ACCOUNT_LINKED_EVENT_FAILED;
        } else {
            result = open_one(self, &events[i], tick, &timestamp);
        }
        if (result != FLORIN_ACCOUNT_CREATED && in_chain && !broken) {
            broken = true;
            *self = before;
            self->timestamp_next = tick + 1;
            for (size_t j = chain_start; j < i; j++) {
                outcomes[j].result = FLORIN_ACCOUNT_LINKED_EVENT_FAILED;
                outcomes[j].timestamp = 0;
            }
            if (!model_find_account(&self->books, events[i].id)) {
                timestamp = 0;
            }
        }
        outcomes[i].result = result;
        outcomes[i].timestamp = timestamp;
        in_chain = linked;
    }
}

/* --------------------------------------------------------------------------------- transfers */

static florin_transfer_result_t compare(const florin_transfer_t *t, const florin_transfer_t *old)
{
    if (old->flags != t->flags)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS;
    if (old->pending_id != t->pending_id)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_PENDING_ID;
    if (old->timeout_s != t->timeout_s)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_TIMEOUT;
    if (old->debit_account_id != t->debit_account_id)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID;
    if (old->credit_account_id != t->credit_account_id)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID;
    if (old->amount != t->amount)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_AMOUNT;
    if (old->user_data != t->user_data)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA;
    if (old->reference_bytes != t->reference_bytes)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_REFERENCE;
    for (size_t i = 0; i < t->reference_bytes; i++) {
        if (old->reference[i] != t->reference[i])
            return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_REFERENCE;
    }
    if (old->ledger != t->ledger)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_LEDGER;
    if (old->code != t->code)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_CODE;
    return FLORIN_TRANSFER_EXISTS;
}

static florin_transfer_result_t check_fields(const florin_transfer_t *t)
{
    if (t->debit_account_id == 0)
        return FLORIN_TRANSFER_DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO;
    if (t->debit_account_id == ID_MAX)
        return FLORIN_TRANSFER_DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX;
    if (t->credit_account_id == 0)
        return FLORIN_TRANSFER_CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO;
    if (t->credit_account_id == ID_MAX)
        return FLORIN_TRANSFER_CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX;
    if (t->credit_account_id == t->debit_account_id)
        return FLORIN_TRANSFER_ACCOUNTS_MUST_BE_DIFFERENT;
    if (t->pending_id != 0)
        return FLORIN_TRANSFER_PENDING_ID_MUST_BE_ZERO;
    if (t->timeout_s > 0)
        return FLORIN_TRANSFER_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER;
    if (t->ledger == 0)
        return FLORIN_TRANSFER_LEDGER_MUST_NOT_BE_ZERO;
    if (t->code == 0)
        return FLORIN_TRANSFER_CODE_MUST_NOT_BE_ZERO;
    return FLORIN_TRANSFER_CREATED;
}

static florin_transfer_result_t check_balances(const florin_account_t *debit,
                                               const florin_account_t *credit, wide_t amount)
{
    wide_t debits = (wide_t)debit->balances.debits_pending + debit->balances.debits_posted + amount;
    wide_t credits =
        (wide_t)credit->balances.credits_pending + credit->balances.credits_posted + amount;
    if (debit->balances.debits_posted + amount > FLORIN_LEDGER_AMOUNT_MAX)
        return FLORIN_TRANSFER_OVERFLOWS_DEBITS_POSTED;
    if (credit->balances.credits_posted + amount > FLORIN_LEDGER_AMOUNT_MAX)
        return FLORIN_TRANSFER_OVERFLOWS_CREDITS_POSTED;
    if (debits > FLORIN_LEDGER_AMOUNT_MAX)
        return FLORIN_TRANSFER_OVERFLOWS_DEBITS;
    if (credits > FLORIN_LEDGER_AMOUNT_MAX)
        return FLORIN_TRANSFER_OVERFLOWS_CREDITS;
    if ((debit->flags & FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS) &&
        debits > (wide_t)debit->balances.credits_posted + debit->credit_limit)
        return FLORIN_TRANSFER_EXCEEDS_CREDITS;
    if ((credit->flags & FLORIN_ACCOUNT_FLAG_CREDITS_MUST_NOT_EXCEED_DEBITS) &&
        credits > (wide_t)credit->balances.debits_posted + credit->credit_limit)
        return FLORIN_TRANSFER_EXCEEDS_DEBITS;
    return FLORIN_TRANSFER_CREATED;
}

static florin_transfer_result_t check_accounts(const florin_transfer_t *t,
                                               const florin_account_t *debit,
                                               const florin_account_t *credit)
{
    if (!debit)
        return FLORIN_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND;
    if (!credit)
        return FLORIN_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND;
    if (debit->ledger != credit->ledger)
        return FLORIN_TRANSFER_ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER;
    if (t->ledger != debit->ledger)
        return FLORIN_TRANSFER_TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS;
    if (debit->flags & FLORIN_ACCOUNT_FLAG_CLOSED)
        return FLORIN_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED;
    if (credit->flags & FLORIN_ACCOUNT_FLAG_CLOSED)
        return FLORIN_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED;
    return check_balances(debit, credit, t->amount);
}

static void append(model_t *self, const florin_transfer_t *t, uint64_t tick,
                   florin_transfer_result_t result, florin_balances_t debit_after,
                   florin_balances_t credit_after)
{
    assert(self->books.entries_count < MODEL_ENTRIES_MAX);
    florin_entry_t *entry = &self->books.entries[self->books.entries_count++];
    *entry = (florin_entry_t){*t, result, debit_after, credit_after};
    entry->transfer.timestamp = tick;
}

static florin_transfer_result_t create_one(model_t *self, const florin_transfer_event_t *event,
                                           uint64_t tick, florin_transfer_outcome_t *outcome)
{
    const florin_transfer_t *t = &event->transfer;
    if (t->timestamp > 0)
        return FLORIN_TRANSFER_TIMESTAMP_MUST_BE_ZERO;
    if (t->flags > 1)
        return FLORIN_TRANSFER_RESERVED_FLAG;
    if (t->id == 0)
        return FLORIN_TRANSFER_ID_MUST_NOT_BE_ZERO;
    if (t->id == ID_MAX)
        return FLORIN_TRANSFER_ID_MUST_NOT_BE_INT_MAX;
    const florin_entry_t *old = model_find_entry(&self->books, t->id);
    if (old && old->result != FLORIN_TRANSFER_CREATED) {
        outcome->first_result = old->result;
        return FLORIN_TRANSFER_ID_ALREADY_FAILED;
    }
    if (old) {
        florin_transfer_result_t result = compare(t, &old->transfer);
        outcome->timestamp = result == FLORIN_TRANSFER_EXISTS ? old->transfer.timestamp : 0;
        return result;
    }
    florin_transfer_result_t result = check_fields(t);
    if (result != FLORIN_TRANSFER_CREATED)
        return result;
    if (event->verdict == FLORIN_VERDICT_FORBIDDEN)
        return FLORIN_TRANSFER_NOT_AUTHORIZED;
    florin_account_t *debit = model_find_account(&self->books, t->debit_account_id);
    florin_account_t *credit = model_find_account(&self->books, t->credit_account_id);
    result = check_accounts(t, debit, credit);
    if (result != FLORIN_TRANSFER_CREATED)
        return result;
    florin_window_t *window = find_window(self, t->debit_account_id);
    bool passes_count = window && (wide_t)window->count + 1 > window->count_max;
    bool passes_sum = window && (wide_t)window->sum + t->amount > window->sum_max;
    if (event->verdict == FLORIN_VERDICT_DECLINED || passes_count || passes_sum) {
        outcome->passes_window_count = passes_count;
        outcome->passes_window_sum = passes_sum;
        return FLORIN_TRANSFER_RISK_DECLINED;
    }
    if (event->verdict == FLORIN_VERDICT_UNAVAILABLE)
        return FLORIN_TRANSFER_RISK_UNAVAILABLE;

    debit->balances.debits_posted += t->amount;
    credit->balances.credits_posted += t->amount;
    debit->timestamp_last = credit->timestamp_last = tick;
    if (window) {
        window->sum += t->amount;
        window->count += 1;
    }
    append(self, t, tick, FLORIN_TRANSFER_CREATED, debit->balances, credit->balances);
    outcome->timestamp = tick;
    return FLORIN_TRANSFER_CREATED;
}

static bool is_for_good(florin_transfer_result_t result)
{
    static const florin_transfer_result_t for_good[] = {
        FLORIN_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND,
        FLORIN_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND,
        FLORIN_TRANSFER_EXCEEDS_CREDITS,
        FLORIN_TRANSFER_EXCEEDS_DEBITS,
        FLORIN_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED,
        FLORIN_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED,
        FLORIN_TRANSFER_RISK_DECLINED,
    };
    for (size_t i = 0; i < sizeof for_good / sizeof for_good[0]; i++) {
        if (for_good[i] == result) {
            return true;
        }
    }
    return false;
}

void model_create_transfers(model_t *self, const florin_transfer_event_t *events, size_t count,
                            florin_transfer_outcome_t *outcomes)
{
    static model_t before;
    const florin_balances_t none = {0};
    size_t chain_start = 0;
    bool in_chain = false;
    bool broken = false;

    for (size_t i = 0; i < count; i++) {
        const florin_transfer_t *t = &events[i].transfer;
        bool linked = t->flags & 1;
        uint64_t tick = self->timestamp_next++;
        florin_transfer_outcome_t outcome = {0};
        if (linked && !in_chain) {
            in_chain = true;
            broken = false;
            chain_start = i;
            before = *self;
        }
        if (linked && i == count - 1) {
            outcome.result = FLORIN_TRANSFER_LINKED_EVENT_CHAIN_OPEN;
        } else if (in_chain && broken) {
            outcome.result = FLORIN_TRANSFER_LINKED_EVENT_FAILED;
        } else {
            outcome.result = create_one(self, &events[i], tick, &outcome);
        }
        if (outcome.result != FLORIN_TRANSFER_CREATED && in_chain && !broken) {
            broken = true;
            *self = before;
            self->timestamp_next = tick + 1;
            for (size_t j = chain_start; j < i; j++) {
                memset(&outcomes[j], 0, sizeof outcomes[j]);
                outcomes[j].result = FLORIN_TRANSFER_LINKED_EVENT_FAILED;
            }
            if (!model_find_entry(&self->books, t->id)) {
                outcome.timestamp = 0;
            }
        }
        if (is_for_good(outcome.result)) {
            append(self, t, tick, outcome.result, none, none);
        }
        outcomes[i] = outcome;
        in_chain = linked;
    }
}
