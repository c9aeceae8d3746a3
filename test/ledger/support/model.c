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

model_pending_t *model_find_pending(model_books_t *books, florin_id_t id)
{
    florin_entry_t *entry = model_find_entry(books, id);
    return entry ? &books->pendings[entry - books->entries] : NULL;
}

florin_window_t *model_find_window(model_t *self, florin_id_t account_id)
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
    assert(!model_find_window(self, window->account_id));
    self->windows[self->windows_count++] = *window;
}

/* ---------------------------------------------------------------------------------- accounts */

uint16_t model_check_imported(const model_request_t *request, bool imported, uint64_t timestamp)
{
    if (request->imported && !imported)
        return FLORIN_ACCOUNT_IMPORTED_EVENT_EXPECTED;
    if (imported && !request->imported)
        return FLORIN_ACCOUNT_IMPORTED_EVENT_NOT_EXPECTED;
    if (!imported && timestamp > 0)
        return FLORIN_ACCOUNT_TIMESTAMP_MUST_BE_ZERO;
    if (imported && (timestamp < 1 || timestamp > FLORIN_LEDGER_TIMESTAMP_MAX))
        return FLORIN_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE;
    if (imported && timestamp >= request->now)
        return FLORIN_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE;
    return 0;
}

/* `last`: when the imported account opened before it in this request was opened. */
static florin_account_result_t open_one(model_t *self, const florin_account_t *a,
                                        const model_request_t *request, uint64_t last,
                                        uint64_t tick, uint64_t *timestamp)
{
    bool imported = a->flags & FLORIN_ACCOUNT_FLAG_IMPORTED;
    uint16_t wrong = model_check_imported(request, imported, a->timestamp);
    if (wrong)
        return wrong;
    if (a->flags >= 64)
        return FLORIN_ACCOUNT_RESERVED_FLAG;
    if (a->id == 0)
        return FLORIN_ACCOUNT_ID_MUST_NOT_BE_ZERO;
    if (a->id == ID_MAX)
        return FLORIN_ACCOUNT_ID_MUST_NOT_BE_INT_MAX;
    const florin_account_t *old = model_find_account(&self->books, a->id);
    if (old) {
        if (old->flags % 32 != a->flags % 32) /* closed or not */
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
    if (imported && a->timestamp <= last)
        return FLORIN_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS;

    assert(self->books.accounts_count < MODEL_ACCOUNTS_MAX);
    florin_account_t *account = &self->books.accounts[self->books.accounts_count++];
    *account = *a;
    account->timestamp = imported ? a->timestamp : tick;
    account->timestamp_last = account->timestamp;
    *timestamp = account->timestamp;
    return FLORIN_ACCOUNT_CREATED;
}

void model_open_accounts(model_t *self, const florin_account_t *events, size_t count,
                         florin_account_outcome_t *outcomes)
{
    static model_t before;
    const model_request_t request = {
        .imported = count > 0 && events[0].flags & FLORIN_ACCOUNT_FLAG_IMPORTED,
        .now = self->timestamp_next,
    };
    uint64_t last = 0, last_before = 0;
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
            last_before = last;
        }
        if (linked && i == count - 1) {
            result = FLORIN_ACCOUNT_LINKED_EVENT_CHAIN_OPEN;
        } else if (in_chain && broken) {
            result = FLORIN_ACCOUNT_LINKED_EVENT_FAILED;
        } else {
            result = open_one(self, &events[i], &request, last, tick, &timestamp);
        }
        if (result == FLORIN_ACCOUNT_CREATED) {
            last = timestamp;
        }
        if (result != FLORIN_ACCOUNT_CREATED && in_chain && !broken) {
            broken = true;
            *self = before;
            last = last_before;
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

/* ------------------------------------------------------------------------------------ limits */

static florin_limit_result_t set_one(florin_account_t *a, const florin_limit_event_t *event)
{
    if (event->account_id == 0)
        return FLORIN_LIMIT_ACCOUNT_ID_MUST_NOT_BE_ZERO;
    if (event->account_id == ID_MAX)
        return FLORIN_LIMIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX;
    if (!a)
        return FLORIN_LIMIT_ACCOUNT_NOT_FOUND;
    wide_t debits = (wide_t)a->balances.debits_pending + a->balances.debits_posted;
    wide_t credits = (wide_t)a->balances.credits_pending + a->balances.credits_posted;
    if (a->flags & FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS &&
        debits > (wide_t)a->balances.credits_posted + event->credit_limit)
        return FLORIN_LIMIT_EXCEEDS_CREDITS;
    if (a->flags & FLORIN_ACCOUNT_FLAG_CREDITS_MUST_NOT_EXCEED_DEBITS &&
        credits > (wide_t)a->balances.debits_posted + event->credit_limit)
        return FLORIN_LIMIT_EXCEEDS_DEBITS;
    return FLORIN_LIMIT_SET;
}

void model_set_credit_limits(model_t *self, const florin_limit_event_t *events, size_t count,
                             florin_limit_outcome_t *outcomes)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t tick = self->timestamp_next++;
        florin_account_t *a = model_find_account(&self->books, events[i].account_id);
        outcomes[i].result = set_one(a, &events[i]);
        outcomes[i].timestamp = 0;
        if (outcomes[i].result == FLORIN_LIMIT_SET && a->credit_limit != events[i].credit_limit) {
            a->credit_limit = events[i].credit_limit;
            a->timestamp_last = outcomes[i].timestamp = tick;
        }
    }
}

/* --------------------------------------------------------------------------------- transfers */

void model_append(model_t *self, const florin_transfer_t *transfer, florin_transfer_result_t result,
                  florin_balances_t debit_after, florin_balances_t credit_after)
{
    assert(self->books.entries_count < MODEL_ENTRIES_MAX);
    bool pending =
        result == FLORIN_TRANSFER_CREATED && transfer->flags & FLORIN_TRANSFER_FLAG_PENDING;
    self->books.pendings[self->books.entries_count] =
        (model_pending_t){.status = pending ? FLORIN_PENDING_OPEN : FLORIN_PENDING_NONE};
    self->books.entries[self->books.entries_count++] =
        (florin_entry_t){.transfer = *transfer,
                         .result = result,
                         .debit_after = debit_after,
                         .credit_after = credit_after};
}

static bool is_for_good(florin_transfer_result_t result)
{
    static const florin_transfer_result_t for_good[] = {
        FLORIN_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND,
        FLORIN_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND,
        FLORIN_TRANSFER_PENDING_TRANSFER_NOT_FOUND,
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
    const model_request_t request = {
        .imported = count > 0 && events[0].transfer.flags & FLORIN_TRANSFER_FLAG_IMPORTED,
        .now = self->timestamp_next,
    };
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
            outcome.result =
                model_create_one(self, &events[i], &request, tick, !in_chain, &outcome);
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
                outcome.held_for_review = false;
            }
        }
        if (is_for_good(outcome.result)) {
            florin_transfer_t refused = *t;
            refused.timestamp = tick;
            model_append(self, &refused, outcome.result, none, none);
        }
        outcomes[i] = outcome;
        in_chain = linked;
    }
}

void model_settle_transfers(model_t *self, const florin_id_t *ids, size_t count,
                            florin_transfer_outcome_t *outcomes)
{
    for (size_t i = 0; i < count; i++) {
        const florin_balances_t none = {0};
        florin_transfer_t given_up = {.id = ids[i], .timestamp = self->timestamp_next++};
        const florin_entry_t *entry = model_find_entry(&self->books, ids[i]);
        outcomes[i] = (florin_transfer_outcome_t){0};
        if (ids[i] == 0) {
            outcomes[i].result = FLORIN_TRANSFER_ID_MUST_NOT_BE_ZERO;
        } else if (ids[i] == ID_MAX) {
            outcomes[i].result = FLORIN_TRANSFER_ID_MUST_NOT_BE_INT_MAX;
        } else if (entry) {
            outcomes[i].result = entry->result;
            outcomes[i].timestamp = entry->transfer.timestamp;
            outcomes[i].held_for_review = entry->result == FLORIN_TRANSFER_CREATED &&
                                          entry->transfer.flags & FLORIN_TRANSFER_FLAG_REVIEW;
        } else {
            model_append(self, &given_up, FLORIN_TRANSFER_ID_GIVEN_UP, none, none);
            outcomes[i].result = FLORIN_TRANSFER_ID_GIVEN_UP;
            outcomes[i].timestamp = given_up.timestamp;
        }
    }
}

size_t model_expire(model_t *self, const florin_id_t *ids, size_t count)
{
    size_t expired = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t tick = self->timestamp_next++;
        const florin_entry_t *entry = model_find_entry(&self->books, ids[i]);
        model_pending_t *pending = model_find_pending(&self->books, ids[i]);
        if (!entry || pending->status != FLORIN_PENDING_OPEN || entry->transfer.timeout_s == 0 ||
            (wide_t)entry->transfer.timestamp + (wide_t)entry->transfer.timeout_s * 1000000000 >
                tick) {
            continue;
        }
        const florin_transfer_t *t = &entry->transfer;
        florin_account_t *debit = model_find_account(&self->books, t->debit_account_id);
        florin_account_t *credit = model_find_account(&self->books, t->credit_account_id);
        debit->balances.debits_pending -= t->amount;
        credit->balances.credits_pending -= t->amount;
        if (t->flags & FLORIN_TRANSFER_FLAG_CLOSING_DEBIT)
            debit->flags &= ~(uint32_t)FLORIN_ACCOUNT_FLAG_CLOSED;
        if (t->flags & FLORIN_TRANSFER_FLAG_CLOSING_CREDIT)
            credit->flags &= ~(uint32_t)FLORIN_ACCOUNT_FLAG_CLOSED;
        debit->timestamp_last = credit->timestamp_last = tick;
        *pending =
            (model_pending_t){FLORIN_PENDING_EXPIRED, tick, debit->balances, credit->balances};
        expired++;
    }
    return expired;
}
