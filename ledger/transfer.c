/* Creating transfers. The rules stand in the order of their precedence. */
#include <string.h>

#include "ledger/state.h"

/* Two-phase, balancing, closing and imported transfers are refused by their flags. The rules that
 * are theirs alone belong where the list in ledger/results.h has them. */
#define FLAGS_ALLOWED FLORIN_TRANSFER_FLAG_LINKED

/* The accounts of a transfer; NULL where there is none. */
typedef struct {
    florin_ledger_account_t *debit, *credit;
} sides_t;

static florin_transfer_result_t check_form(const florin_transfer_t *t)
{
    const florin_ledger_rule_t rules[] = {
        {t->timestamp != 0, FLORIN_TRANSFER_TIMESTAMP_MUST_BE_ZERO},
        {t->flags & ~(uint32_t)FLAGS_ALLOWED, FLORIN_TRANSFER_RESERVED_FLAG},
        {t->id == 0, FLORIN_TRANSFER_ID_MUST_NOT_BE_ZERO},
        {t->id == FLORIN_LEDGER_ID_INT_MAX, FLORIN_TRANSFER_ID_MUST_NOT_BE_INT_MAX},
    };
    return FLORIN_LEDGER_FIRST_BROKEN(rules);
}

static bool same_reference(const florin_transfer_t *a, const florin_transfer_t *b)
{
    return a->reference_bytes == b->reference_bytes &&
           (a->reference_bytes == 0 || memcmp(a->reference, b->reference, a->reference_bytes) == 0);
}

static florin_transfer_result_t check_existing(const florin_transfer_t *t,
                                               const florin_entry_t *entry)
{
    if (entry->result != FLORIN_TRANSFER_CREATED) {
        return FLORIN_TRANSFER_ID_ALREADY_FAILED;
    }
    const florin_transfer_t *e = &entry->transfer;
    const florin_ledger_rule_t rules[] = {
        {t->flags != e->flags, FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS},
        {t->pending_id != e->pending_id, FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_PENDING_ID},
        {t->timeout_s != e->timeout_s, FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_TIMEOUT},
        {t->debit_account_id != e->debit_account_id,
         FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID},
        {t->credit_account_id != e->credit_account_id,
         FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID},
        {t->amount != e->amount, FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_AMOUNT},
        {t->user_data != e->user_data, FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA},
        {!same_reference(t, e), FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_REFERENCE},
        {t->ledger != e->ledger, FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_LEDGER},
        {t->code != e->code, FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_CODE},
        {true, FLORIN_TRANSFER_EXISTS},
    };
    return FLORIN_LEDGER_FIRST_BROKEN(rules);
}

static florin_transfer_result_t check_fields(const florin_transfer_t *t, florin_verdict_t verdict)
{
    const florin_ledger_rule_t rules[] = {
        {t->debit_account_id == 0, FLORIN_TRANSFER_DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO},
        {t->debit_account_id == FLORIN_LEDGER_ID_INT_MAX,
         FLORIN_TRANSFER_DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX},
        {t->credit_account_id == 0, FLORIN_TRANSFER_CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO},
        {t->credit_account_id == FLORIN_LEDGER_ID_INT_MAX,
         FLORIN_TRANSFER_CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX},
        {t->debit_account_id == t->credit_account_id, FLORIN_TRANSFER_ACCOUNTS_MUST_BE_DIFFERENT},
        {t->pending_id != 0, FLORIN_TRANSFER_PENDING_ID_MUST_BE_ZERO},
        {t->timeout_s != 0, FLORIN_TRANSFER_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER},
        {t->ledger == 0, FLORIN_TRANSFER_LEDGER_MUST_NOT_BE_ZERO},
        {t->code == 0, FLORIN_TRANSFER_CODE_MUST_NOT_BE_ZERO},
        {verdict == FLORIN_VERDICT_FORBIDDEN, FLORIN_TRANSFER_NOT_AUTHORIZED},
    };
    return FLORIN_LEDGER_FIRST_BROKEN(rules);
}

static bool overflows(uint64_t balance, uint64_t amount)
{
    return amount > FLORIN_LEDGER_AMOUNT_MAX || balance > FLORIN_LEDGER_AMOUNT_MAX - amount;
}

/* Whether `taken` is past `given` by more than the account may cross its bound; without a sum that
 * could overflow, as a limit may be any number. */
static bool crosses(uint64_t taken, uint64_t given, uint64_t credit_limit)
{
    return taken > given && taken - given > credit_limit;
}

static bool exceeds_credits(const florin_account_t *debit, uint64_t amount)
{
    const florin_balances_t *b = &debit->balances;
    return (debit->flags & FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS) &&
           crosses(b->debits_pending + b->debits_posted + amount, b->credits_posted,
                   debit->credit_limit);
}

static bool exceeds_debits(const florin_account_t *credit, uint64_t amount)
{
    const florin_balances_t *b = &credit->balances;
    return (credit->flags & FLORIN_ACCOUNT_FLAG_CREDITS_MUST_NOT_EXCEED_DEBITS) &&
           crosses(b->credits_pending + b->credits_posted + amount, b->debits_posted,
                   credit->credit_limit);
}

static bool passes_window_count(const florin_ledger_account_t *debit)
{
    return debit->has_window && debit->window.count >= debit->window.count_max;
}

static bool passes_window_sum(const florin_ledger_account_t *debit, uint64_t amount)
{
    const florin_window_t *w = &debit->window;
    return debit->has_window && (w->sum > w->sum_max || amount > w->sum_max - w->sum);
}

static florin_transfer_result_t check_books(const florin_transfer_t *t, florin_verdict_t verdict,
                                            const sides_t *sides)
{
    const florin_account_t *debit = &sides->debit->account;
    const florin_account_t *credit = &sides->credit->account;
    const florin_balances_t *d = &debit->balances;
    const florin_balances_t *c = &credit->balances;
    const florin_ledger_rule_t rules[] = {
        {debit->ledger != credit->ledger, FLORIN_TRANSFER_ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER},
        {t->ledger != debit->ledger,
         FLORIN_TRANSFER_TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS},
        {debit->flags & FLORIN_ACCOUNT_FLAG_CLOSED, FLORIN_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED},
        {credit->flags & FLORIN_ACCOUNT_FLAG_CLOSED, FLORIN_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED},
        {overflows(d->debits_posted, t->amount), FLORIN_TRANSFER_OVERFLOWS_DEBITS_POSTED},
        {overflows(c->credits_posted, t->amount), FLORIN_TRANSFER_OVERFLOWS_CREDITS_POSTED},
        {overflows(d->debits_pending + d->debits_posted, t->amount),
         FLORIN_TRANSFER_OVERFLOWS_DEBITS},
        {overflows(c->credits_pending + c->credits_posted, t->amount),
         FLORIN_TRANSFER_OVERFLOWS_CREDITS},
        {exceeds_credits(debit, t->amount), FLORIN_TRANSFER_EXCEEDS_CREDITS},
        {exceeds_debits(credit, t->amount), FLORIN_TRANSFER_EXCEEDS_DEBITS},
        {verdict == FLORIN_VERDICT_DECLINED || passes_window_count(sides->debit) ||
             passes_window_sum(sides->debit, t->amount),
         FLORIN_TRANSFER_RISK_DECLINED},
        {verdict != FLORIN_VERDICT_APPROVED, FLORIN_TRANSFER_RISK_UNAVAILABLE},
    };
    return FLORIN_LEDGER_FIRST_BROKEN(rules);
}

static florin_transfer_result_t check(florin_ledger_t *self, const florin_transfer_event_t *event,
                                      const sides_t *sides)
{
    const florin_transfer_t *t = &event->transfer;
    florin_transfer_result_t result = check_form(t);
    if (result != FLORIN_TRANSFER_CREATED) {
        return result;
    }
    const florin_entry_t *existing = florin_ledger_find_entry(self, t->id);
    if (existing) {
        return check_existing(t, existing);
    }
    result = check_fields(t, event->verdict);
    if (result != FLORIN_TRANSFER_CREATED) {
        return result;
    }
    if (!sides->debit) {
        return FLORIN_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND;
    }
    if (!sides->credit) {
        return FLORIN_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND;
    }
    return check_books(t, event->verdict, sides);
}

/* Keeps an account as it is, so that the chain can be undone, and notes that it changes. */
static void touch(florin_ledger_t *self, florin_ledger_account_t *account, uint64_t timestamp)
{
    uint32_t index = (uint32_t)(account - self->accounts);
    self->undo[self->undo_count++] = (florin_ledger_undo_t){.index = index, .before = *account};
    if (index < self->accounts_loaded && !account->changed) {
        account->changed = true;
        self->changed[self->changed_count++] = index;
    }
    account->account.timestamp_last = timestamp;
}

static void create(florin_ledger_t *self, const florin_transfer_t *event, uint64_t timestamp,
                   const sides_t *sides)
{
    florin_transfer_t transfer = *event;
    transfer.timestamp = timestamp;
    touch(self, sides->debit, timestamp);
    touch(self, sides->credit, timestamp);
    sides->debit->account.balances.debits_posted += transfer.amount;
    sides->credit->account.balances.credits_posted += transfer.amount;
    if (sides->debit->has_window) {
        sides->debit->window.sum += transfer.amount;
        sides->debit->window.count++;
    }
    florin_entry_t *entry = florin_ledger_add_entry(self, &transfer, FLORIN_TRANSFER_CREATED);
    entry->debit_after = sides->debit->account.balances;
    entry->credit_after = sides->credit->account.balances;
}

/* Newest first, so that an account touched twice ends as it was before the first time. */
static void undo(florin_ledger_t *self, size_t entries_count, size_t changed_count)
{
    while (self->undo_count > 0) {
        const florin_ledger_undo_t *undone = &self->undo[--self->undo_count];
        self->accounts[undone->index] = undone->before;
    }
    self->changed_count = changed_count;
    while (self->entries_count > entries_count) {
        self->entries_count--;
        florin_table_remove_last(&self->entries_by_id,
                                 self->entries[self->entries_count].transfer.id);
    }
}

/* What a refused event is told, but for what depends on the chain being undone. */
static florin_transfer_outcome_t refusal_of(const florin_transfer_t *transfer, const sides_t *sides,
                                            florin_transfer_result_t result)
{
    florin_transfer_outcome_t outcome = {.result = result};
    if (result == FLORIN_TRANSFER_RISK_DECLINED) {
        outcome.passes_window_count = passes_window_count(sides->debit);
        outcome.passes_window_sum = passes_window_sum(sides->debit, transfer->amount);
    }
    return outcome;
}

/* Adds what has to be said of an id that is there already. */
static void add_existing(florin_ledger_t *self, florin_id_t id, florin_transfer_outcome_t *outcome)
{
    const florin_entry_t *existing = florin_ledger_find_entry(self, id);
    /* None, though it "exists": this very chain made it, and is undone. */
    if (existing && outcome->result == FLORIN_TRANSFER_EXISTS) {
        outcome->timestamp = existing->transfer.timestamp;
    }
    if (existing && outcome->result == FLORIN_TRANSFER_ID_ALREADY_FAILED) {
        outcome->first_result = existing->result;
    }
}

/* Gives each event of a broken chain its outcome, and remembers for good the one that broke it when
 * time might change the reason. */
static void refuse_chain(florin_ledger_t *self, const florin_transfer_event_t *events, size_t count,
                         size_t broken, const florin_transfer_outcome_t *refusal,
                         uint64_t timestamp, florin_transfer_outcome_t *outcomes)
{
    for (size_t i = 0; i < count; i++) {
        outcomes[i] = (florin_transfer_outcome_t){.result = FLORIN_TRANSFER_LINKED_EVENT_FAILED};
    }
    if (events[count - 1].transfer.flags & FLORIN_TRANSFER_FLAG_LINKED) {
        outcomes[count - 1].result = FLORIN_TRANSFER_LINKED_EVENT_CHAIN_OPEN;
    }
    outcomes[broken] = *refusal;
    add_existing(self, events[broken].transfer.id, &outcomes[broken]);
    if (florin_transfer_result_remembered(refusal->result)) {
        florin_transfer_t refused = events[broken].transfer;
        refused.timestamp = timestamp;
        florin_ledger_add_entry(self, &refused, refusal->result);
    }
}

/* A chain, be it of one: all of it or nothing. Event i has the timestamp `timestamp` + i. */
static void apply_chain(florin_ledger_t *self, const florin_transfer_event_t *events, size_t count,
                        uint64_t timestamp, florin_transfer_outcome_t *outcomes)
{
    size_t entries_before = self->entries_count;
    size_t changed_before = self->changed_count;
    bool open = events[count - 1].transfer.flags & FLORIN_TRANSFER_FLAG_LINKED;
    self->undo_count = 0;
    for (size_t i = 0; i < count; i++) {
        const florin_transfer_t *transfer = &events[i].transfer;
        const sides_t sides = {
            .debit = florin_ledger_find_account(self, transfer->debit_account_id),
            .credit = florin_ledger_find_account(self, transfer->credit_account_id),
        };
        florin_transfer_result_t result = open && i == count - 1
                                              ? FLORIN_TRANSFER_LINKED_EVENT_CHAIN_OPEN
                                              : check(self, &events[i], &sides);
        if (result != FLORIN_TRANSFER_CREATED) {
            const florin_transfer_outcome_t refusal = refusal_of(transfer, &sides, result);
            undo(self, entries_before, changed_before);
            refuse_chain(self, events, count, i, &refusal, timestamp + i, outcomes);
            return;
        }
        create(self, transfer, timestamp + i, &sides);
        outcomes[i] = (florin_transfer_outcome_t){.timestamp = timestamp + i,
                                                  .result = FLORIN_TRANSFER_CREATED};
    }
}

bool florin_ledger_create_transfers(florin_ledger_t *self, const florin_transfer_event_t *events,
                                    size_t count, florin_transfer_outcome_t *outcomes)
{
    if (!florin_ledger_has_room(self, count) ||
        count > FLORIN_LEDGER_TRANSFERS_MAX - self->entries_count) {
        return false;
    }
    for (size_t start = 0, end; start < count; start = end) {
        end = start + 1;
        while (end < count && (events[end - 1].transfer.flags & FLORIN_TRANSFER_FLAG_LINKED)) {
            end++;
        }
        apply_chain(self, events + start, end - start, self->timestamp_next + start,
                    outcomes + start);
    }
    self->timestamp_next += count;
    self->events_count += count;
    return true;
}
