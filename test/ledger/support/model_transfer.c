/* One transfer at a time, as the page on semantics tells it. */
#include <assert.h>
#include <string.h>

#include "test/ledger/support/model.h"

__extension__ typedef unsigned __int128 wide_t;

#define ID_MAX     (~(florin_id_t)0)
#define AMOUNT_MAX FLORIN_LEDGER_AMOUNT_MAX

enum {
    LINKED = 1,
    PENDING = 2,
    POST = 4,
    VOID = 8,
    BALANCING_DEBIT = 16,
    BALANCING_CREDIT = 32,
    CLOSING_DEBIT = 64,
    CLOSING_CREDIT = 128,
    IMPORTED = 256,
    REVIEW = 512
};

static bool same_text(const florin_transfer_t *a, const florin_transfer_t *b)
{
    return a->reference_bytes == b->reference_bytes &&
           (a->reference_bytes == 0 || !memcmp(a->reference, b->reference, a->reference_bytes));
}

/* ------------------------------------------------------------------------- ids that are there */

/* The fields that a post or a void may leave out: then they are the pending transfer's. */
static florin_transfer_result_t compare_resolving(const florin_transfer_t *t,
                                                  const florin_transfer_t *old,
                                                  const florin_transfer_t *pending)
{
    bool all = (t->flags & POST) ? t->amount == AMOUNT_MAX : t->amount == 0;
    if (t->debit_account_id != 0 && t->debit_account_id != old->debit_account_id)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID;
    if (t->credit_account_id != 0 && t->credit_account_id != old->credit_account_id)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID;
    if (old->amount != (all ? pending->amount : t->amount))
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_AMOUNT;
    if (old->user_data != (t->user_data == 0 ? pending->user_data : t->user_data))
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA;
    if (!same_text(old, t->reference_bytes == 0 ? pending : t))
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_REFERENCE;
    if (t->ledger != 0 && t->ledger != old->ledger)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_LEDGER;
    if (t->code != 0 && t->code != old->code)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_CODE;
    return FLORIN_TRANSFER_EXISTS;
}

static florin_transfer_result_t compare(model_t *self, const florin_transfer_t *t,
                                        const florin_transfer_t *old)
{
    uint32_t asked = (old->flags & REVIEW) ? 0 : old->flags;
    if (t->flags != asked)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS;
    if (old->pending_id != t->pending_id)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_PENDING_ID;
    if (old->timeout_s != t->timeout_s)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_TIMEOUT;
    if (t->flags & (POST | VOID))
        return compare_resolving(t, old, &model_find_entry(&self->books, t->pending_id)->transfer);
    if (old->debit_account_id != t->debit_account_id)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID;
    if (old->credit_account_id != t->credit_account_id)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID;
    if ((t->flags & (BALANCING_DEBIT | BALANCING_CREDIT)) ? t->amount < old->amount
                                                          : t->amount != old->amount)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_AMOUNT;
    if (old->user_data != t->user_data)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA;
    if (!same_text(old, t))
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_REFERENCE;
    if (old->ledger != t->ledger)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_LEDGER;
    if (old->code != t->code)
        return FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_CODE;
    return FLORIN_TRANSFER_EXISTS;
}

/* --------------------------------------------------------------------------- what both kinds do */

static florin_transfer_result_t check_accounts(const florin_transfer_t *t,
                                               const florin_account_t *debit,
                                               const florin_account_t *credit)
{
    const florin_account_t *sides[] = {debit, credit};
    for (size_t i = 0; i < 2 && (t->flags & IMPORTED); i++) {
        bool moved = sides[i]->timestamp_last != sides[i]->timestamp;
        if (moved && t->timestamp <= sides[i]->timestamp_last)
            return FLORIN_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS;
    }
    if ((t->flags & IMPORTED) && t->timestamp <= debit->timestamp)
        return FLORIN_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT;
    if ((t->flags & IMPORTED) && t->timestamp <= credit->timestamp)
        return FLORIN_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT;
    if ((t->flags & IMPORTED) && t->timeout_s > 0)
        return FLORIN_TRANSFER_IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO;
    if ((debit->flags & FLORIN_ACCOUNT_FLAG_CLOSED) && !(t->flags & VOID))
        return FLORIN_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED;
    if ((credit->flags & FLORIN_ACCOUNT_FLAG_CLOSED) && !(t->flags & VOID))
        return FLORIN_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED;
    return FLORIN_TRANSFER_CREATED;
}

static void finish(model_t *self, const florin_transfer_t *t, florin_account_t *debit,
                   florin_account_t *credit, florin_transfer_outcome_t *outcome)
{
    debit->timestamp_last = credit->timestamp_last = t->timestamp;
    model_append(self, t, FLORIN_TRANSFER_CREATED, debit->balances, credit->balances);
    outcome->timestamp = t->timestamp;
    outcome->held_for_review = t->flags & REVIEW;
}

/* ----------------------------------------------------------------------------- posts and voids */

static florin_transfer_result_t check_pending(const florin_transfer_t *t,
                                              const florin_transfer_t *p,
                                              const model_pending_t *pending, uint64_t amount)
{
    if (!(p->flags & PENDING))
        return FLORIN_TRANSFER_PENDING_TRANSFER_NOT_PENDING;
    if (t->debit_account_id != 0 && t->debit_account_id != p->debit_account_id)
        return FLORIN_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID;
    if (t->credit_account_id != 0 && t->credit_account_id != p->credit_account_id)
        return FLORIN_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID;
    if (t->ledger != 0 && t->ledger != p->ledger)
        return FLORIN_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_LEDGER;
    if (t->code != 0 && t->code != p->code)
        return FLORIN_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_CODE;
    if (amount > p->amount)
        return FLORIN_TRANSFER_EXCEEDS_PENDING_TRANSFER_AMOUNT;
    if ((t->flags & VOID) && amount < p->amount)
        return FLORIN_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT;
    if (pending->status == FLORIN_PENDING_POSTED)
        return FLORIN_TRANSFER_PENDING_TRANSFER_ALREADY_POSTED;
    if (pending->status == FLORIN_PENDING_VOIDED)
        return FLORIN_TRANSFER_PENDING_TRANSFER_ALREADY_VOIDED;
    if (pending->status == FLORIN_PENDING_EXPIRED)
        return FLORIN_TRANSFER_PENDING_TRANSFER_EXPIRED;
    if (p->timeout_s > 0 &&
        (wide_t)p->timestamp + (wide_t)p->timeout_s * 1000000000 <= t->timestamp)
        return FLORIN_TRANSFER_PENDING_TRANSFER_EXPIRED;
    return FLORIN_TRANSFER_CREATED;
}

static florin_transfer_result_t resolve_one(model_t *self, const florin_transfer_event_t *event,
                                            florin_transfer_t t, florin_transfer_outcome_t *outcome)
{
    if ((t.flags & POST) && (t.flags & VOID))
        return FLORIN_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE;
    if (t.flags & (PENDING | BALANCING_DEBIT | BALANCING_CREDIT | CLOSING_DEBIT | CLOSING_CREDIT))
        return FLORIN_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE;
    if (t.pending_id == 0)
        return FLORIN_TRANSFER_PENDING_ID_MUST_NOT_BE_ZERO;
    if (t.pending_id == ID_MAX)
        return FLORIN_TRANSFER_PENDING_ID_MUST_NOT_BE_INT_MAX;
    if (t.pending_id == t.id)
        return FLORIN_TRANSFER_PENDING_ID_MUST_BE_DIFFERENT;
    if (t.timeout_s > 0)
        return FLORIN_TRANSFER_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER;
    if (event->verdict == FLORIN_VERDICT_FORBIDDEN)
        return FLORIN_TRANSFER_NOT_AUTHORIZED;
    const florin_entry_t *entry = model_find_entry(&self->books, t.pending_id);
    if (!entry || entry->result != FLORIN_TRANSFER_CREATED)
        return FLORIN_TRANSFER_PENDING_TRANSFER_NOT_FOUND;

    florin_transfer_t p = entry->transfer;
    model_pending_t *pending = model_find_pending(&self->books, t.pending_id);
    uint64_t amount = t.amount;
    if ((t.flags & POST) && t.amount == AMOUNT_MAX)
        amount = p.amount;
    if ((t.flags & VOID) && t.amount == 0)
        amount = p.amount;
    florin_transfer_result_t result = check_pending(&t, &p, pending, amount);
    if (result != FLORIN_TRANSFER_CREATED)
        return result;
    florin_account_t *debit = model_find_account(&self->books, p.debit_account_id);
    florin_account_t *credit = model_find_account(&self->books, p.credit_account_id);
    result = check_accounts(&t, debit, credit);
    if (result != FLORIN_TRANSFER_CREATED)
        return result;

    debit->balances.debits_pending -= p.amount;
    credit->balances.credits_pending -= p.amount;
    if (t.flags & POST) {
        debit->balances.debits_posted += amount;
        credit->balances.credits_posted += amount;
    }
    if ((t.flags & VOID) && (p.flags & CLOSING_DEBIT))
        debit->flags &= ~(uint32_t)FLORIN_ACCOUNT_FLAG_CLOSED;
    if ((t.flags & VOID) && (p.flags & CLOSING_CREDIT))
        credit->flags &= ~(uint32_t)FLORIN_ACCOUNT_FLAG_CLOSED;
    pending->status = (t.flags & POST) ? FLORIN_PENDING_POSTED : FLORIN_PENDING_VOIDED;
    pending->resolved_at = t.timestamp;
    t.amount = amount;
    t.debit_account_id = p.debit_account_id;
    t.credit_account_id = p.credit_account_id;
    t.ledger = p.ledger;
    t.code = p.code;
    t.user_data = t.user_data ? t.user_data : p.user_data;
    if (t.reference_bytes == 0) {
        t.reference = p.reference;
        t.reference_bytes = p.reference_bytes;
    }
    finish(self, &t, debit, credit, outcome);
    return FLORIN_TRANSFER_CREATED;
}

/* ---------------------------------------------------------------------------------- all others */

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
    if (t->timeout_s > 0 && !(t->flags & PENDING))
        return FLORIN_TRANSFER_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER;
    if ((t->flags & (CLOSING_DEBIT | CLOSING_CREDIT)) && !(t->flags & PENDING))
        return FLORIN_TRANSFER_CLOSING_TRANSFER_MUST_BE_PENDING;
    if (t->ledger == 0)
        return FLORIN_TRANSFER_LEDGER_MUST_NOT_BE_ZERO;
    if (t->code == 0)
        return FLORIN_TRANSFER_CODE_MUST_NOT_BE_ZERO;
    return FLORIN_TRANSFER_CREATED;
}

static uint64_t cap(uint64_t amount, wide_t has, wide_t uses)
{
    wide_t left = has > uses ? has - uses : 0;
    return amount > left ? (uint64_t)left : amount;
}

static florin_transfer_result_t check_balances(const florin_transfer_t *t,
                                               const florin_account_t *debit,
                                               const florin_account_t *credit)
{
    wide_t amount = t->amount;
    wide_t debits = (wide_t)debit->balances.debits_pending + debit->balances.debits_posted + amount;
    wide_t credits =
        (wide_t)credit->balances.credits_pending + credit->balances.credits_posted + amount;
    if ((t->flags & PENDING) && debit->balances.debits_pending + amount > AMOUNT_MAX)
        return FLORIN_TRANSFER_OVERFLOWS_DEBITS_PENDING;
    if ((t->flags & PENDING) && credit->balances.credits_pending + amount > AMOUNT_MAX)
        return FLORIN_TRANSFER_OVERFLOWS_CREDITS_PENDING;
    if (debit->balances.debits_posted + amount > AMOUNT_MAX)
        return FLORIN_TRANSFER_OVERFLOWS_DEBITS_POSTED;
    if (credit->balances.credits_posted + amount > AMOUNT_MAX)
        return FLORIN_TRANSFER_OVERFLOWS_CREDITS_POSTED;
    if (debits > AMOUNT_MAX)
        return FLORIN_TRANSFER_OVERFLOWS_DEBITS;
    if (credits > AMOUNT_MAX)
        return FLORIN_TRANSFER_OVERFLOWS_CREDITS;
    if ((wide_t)t->timestamp + (wide_t)t->timeout_s * 1000000000 > FLORIN_LEDGER_TIMESTAMP_MAX)
        return FLORIN_TRANSFER_OVERFLOWS_TIMEOUT;
    if ((debit->flags & FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS) &&
        debits > (wide_t)debit->balances.credits_posted + debit->credit_limit)
        return FLORIN_TRANSFER_EXCEEDS_CREDITS;
    if ((credit->flags & FLORIN_ACCOUNT_FLAG_CREDITS_MUST_NOT_EXCEED_DEBITS) &&
        credits > (wide_t)credit->balances.debits_posted + credit->credit_limit)
        return FLORIN_TRANSFER_EXCEEDS_DEBITS;
    return FLORIN_TRANSFER_CREATED;
}

static florin_transfer_result_t create_new(model_t *self, const florin_transfer_event_t *event,
                                           florin_transfer_t t, bool alone,
                                           florin_transfer_outcome_t *outcome)
{
    bool held = event->verdict == FLORIN_VERDICT_REVIEW && alone && t.flags == 0;
    if (held)
        t.flags = PENDING | REVIEW;
    florin_transfer_result_t result = check_fields(&t);
    if (result != FLORIN_TRANSFER_CREATED)
        return result;
    if (event->verdict == FLORIN_VERDICT_FORBIDDEN)
        return FLORIN_TRANSFER_NOT_AUTHORIZED;
    florin_account_t *debit = model_find_account(&self->books, t.debit_account_id);
    florin_account_t *credit = model_find_account(&self->books, t.credit_account_id);
    if (!debit)
        return FLORIN_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND;
    if (!credit)
        return FLORIN_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND;
    if (debit->ledger != credit->ledger)
        return FLORIN_TRANSFER_ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER;
    if (t.ledger != debit->ledger)
        return FLORIN_TRANSFER_TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS;
    result = check_accounts(&t, debit, credit);
    if (result != FLORIN_TRANSFER_CREATED)
        return result;
    if (t.flags & BALANCING_DEBIT)
        t.amount = cap(t.amount, debit->balances.credits_posted,
                       (wide_t)debit->balances.debits_posted + debit->balances.debits_pending);
    if (t.flags & BALANCING_CREDIT)
        t.amount = cap(t.amount, credit->balances.debits_posted,
                       (wide_t)credit->balances.credits_posted + credit->balances.credits_pending);
    result = check_balances(&t, debit, credit);
    if (result != FLORIN_TRANSFER_CREATED)
        return result;
    florin_window_t *window = model_find_window(self, t.debit_account_id);
    bool passes_count = window && (wide_t)window->count + 1 > window->count_max;
    bool passes_sum = window && (wide_t)window->sum + t.amount > window->sum_max;
    bool declined = event->verdict == FLORIN_VERDICT_DECLINED ||
                    (event->verdict == FLORIN_VERDICT_REVIEW && !held);
    if (declined || passes_count || passes_sum) {
        outcome->passes_window_count = passes_count;
        outcome->passes_window_sum = passes_sum;
        return FLORIN_TRANSFER_RISK_DECLINED;
    }
    if (event->verdict == FLORIN_VERDICT_UNAVAILABLE)
        return FLORIN_TRANSFER_RISK_UNAVAILABLE;

    if (t.flags & PENDING) {
        debit->balances.debits_pending += t.amount;
        credit->balances.credits_pending += t.amount;
    } else {
        debit->balances.debits_posted += t.amount;
        credit->balances.credits_posted += t.amount;
    }
    if (t.flags & CLOSING_DEBIT)
        debit->flags |= FLORIN_ACCOUNT_FLAG_CLOSED;
    if (t.flags & CLOSING_CREDIT)
        credit->flags |= FLORIN_ACCOUNT_FLAG_CLOSED;
    if (window) {
        window->sum += t.amount;
        window->count += 1;
    }
    finish(self, &t, debit, credit, outcome);
    return FLORIN_TRANSFER_CREATED;
}

florin_transfer_result_t model_create_one(model_t *self, const florin_transfer_event_t *event,
                                          const model_request_t *request, uint64_t tick, bool alone,
                                          florin_transfer_outcome_t *outcome)
{
    florin_transfer_t t = event->transfer;
    uint16_t wrong = model_check_imported(request, t.flags & IMPORTED, t.timestamp);
    if (wrong)
        return wrong;
    if (t.flags >= 512)
        return FLORIN_TRANSFER_RESERVED_FLAG;
    if (t.id == 0)
        return FLORIN_TRANSFER_ID_MUST_NOT_BE_ZERO;
    if (t.id == ID_MAX)
        return FLORIN_TRANSFER_ID_MUST_NOT_BE_INT_MAX;
    const florin_entry_t *old = model_find_entry(&self->books, t.id);
    if (old && old->result != FLORIN_TRANSFER_CREATED) {
        outcome->first_result = old->result;
        return FLORIN_TRANSFER_ID_ALREADY_FAILED;
    }
    if (old) {
        florin_transfer_result_t result = compare(self, &t, &old->transfer);
        if (result == FLORIN_TRANSFER_EXISTS) {
            outcome->timestamp = old->transfer.timestamp;
            outcome->held_for_review = old->transfer.flags & REVIEW;
        }
        return result;
    }
    if (!(t.flags & IMPORTED))
        t.timestamp = tick;
    if (t.flags & (POST | VOID))
        return resolve_one(self, event, t, outcome);
    return create_new(self, event, t, alone, outcome);
}
