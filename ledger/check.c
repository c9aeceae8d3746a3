/* Whether a transfer may be booked. The rules stand in the order of their precedence. */
#include <assert.h>

#include "ledger/state.h"

#define FLAGS_ALLOWED                                                                              \
    (FLORIN_TRANSFER_FLAG_LINKED | FLORIN_TRANSFER_FLAG_PENDING |                                  \
     FLORIN_TRANSFER_FLAG_POST_PENDING_TRANSFER | FLORIN_TRANSFER_FLAG_VOID_PENDING_TRANSFER |     \
     FLORIN_TRANSFER_FLAG_BALANCING_DEBIT | FLORIN_TRANSFER_FLAG_BALANCING_CREDIT |                \
     FLORIN_TRANSFER_FLAG_CLOSING_DEBIT | FLORIN_TRANSFER_FLAG_CLOSING_CREDIT |                    \
     FLORIN_TRANSFER_FLAG_IMPORTED)
#define FLAGS_BALANCING                                                                            \
    (FLORIN_TRANSFER_FLAG_BALANCING_DEBIT | FLORIN_TRANSFER_FLAG_BALANCING_CREDIT)
#define FLAGS_CLOSING (FLORIN_TRANSFER_FLAG_CLOSING_DEBIT | FLORIN_TRANSFER_FLAG_CLOSING_CREDIT)
#define FLAGS_RESOLVING                                                                            \
    (FLORIN_TRANSFER_FLAG_POST_PENDING_TRANSFER | FLORIN_TRANSFER_FLAG_VOID_PENDING_TRANSFER)
/* What excludes posting and voiding. */
#define FLAGS_OF_NEW (FLORIN_TRANSFER_FLAG_PENDING | FLAGS_BALANCING | FLAGS_CLOSING)
/* What review adds to the flags of its event. */
#define FLAGS_HELD (FLORIN_TRANSFER_FLAG_PENDING | FLORIN_TRANSFER_FLAG_REVIEW)

static bool resolves(const florin_transfer_t *t)
{
    return t->flags & FLAGS_RESOLVING;
}

/* ------------------------------------------------------------------------------------- the plan */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* A balancing transfer moves what its amount allows and the accounts have. */
static uint64_t balanced(const florin_transfer_t *t, const florin_ledger_plan_t *plan)
{
    uint64_t amount = t->amount;
    if (t->flags & FLORIN_TRANSFER_FLAG_BALANCING_DEBIT && plan->debit) {
        const florin_balances_t *b = &plan->debit->account.balances;
        amount = least(amount, less(b->credits_posted, b->debits_posted + b->debits_pending));
    }
    if (t->flags & FLORIN_TRANSFER_FLAG_BALANCING_CREDIT && plan->credit) {
        const florin_balances_t *b = &plan->credit->account.balances;
        amount = least(amount, less(b->debits_posted, b->credits_posted + b->credits_pending));
    }
    return amount;
}

/* What a post or a void leaves open, it has from the pending transfer. */
static void inherit(florin_transfer_t *t, const florin_transfer_t *pending)
{
    bool posts = t->flags & FLORIN_TRANSFER_FLAG_POST_PENDING_TRANSFER;
    if (t->amount == (posts ? FLORIN_LEDGER_AMOUNT_MAX : 0)) {
        t->amount = pending->amount;
    }
    if (t->debit_account_id == 0) {
        t->debit_account_id = pending->debit_account_id;
    }
    if (t->credit_account_id == 0) {
        t->credit_account_id = pending->credit_account_id;
    }
    if (t->ledger == 0) {
        t->ledger = pending->ledger;
    }
    if (t->code == 0) {
        t->code = pending->code;
    }
    if (t->user_data == 0) {
        t->user_data = pending->user_data;
    }
    if (t->reference_bytes == 0) {
        t->reference_bytes = pending->reference_bytes;
        t->reference = pending->reference;
    }
}

florin_ledger_plan_t florin_ledger_plan(florin_ledger_t *self, const florin_transfer_event_t *event,
                                        uint64_t timestamp, bool alone)
{
    florin_ledger_plan_t plan = {.transfer = event->transfer};
    florin_transfer_t *t = &plan.transfer;
    if (!(t->flags & FLORIN_TRANSFER_FLAG_IMPORTED)) {
        t->timestamp = timestamp;
    }
    if (event->verdict == FLORIN_VERDICT_REVIEW && t->flags == 0 && alone) {
        t->flags = FLAGS_HELD;
    }
    if (resolves(t) && t->pending_id != 0) {
        plan.pending = florin_ledger_find_entry(self, t->pending_id);
        if (plan.pending && plan.pending->entry.result != FLORIN_TRANSFER_CREATED) {
            plan.pending = NULL; /* it was refused: there is no such transfer */
        }
        if (plan.pending) {
            inherit(t, &plan.pending->entry.transfer);
        }
    }
    plan.debit = florin_ledger_find_account(self, t->debit_account_id);
    plan.credit = florin_ledger_find_account(self, t->credit_account_id);
    if (t->flags & FLAGS_BALANCING) {
        t->amount = balanced(t, &plan);
    }
    return plan;
}

/* ------------------------------------------------------------------------------------ the rules */

static florin_transfer_result_t check_form(const florin_transfer_t *t, bool imported, uint64_t now)
{
    bool is = t->flags & FLORIN_TRANSFER_FLAG_IMPORTED;
    const florin_ledger_rule_t rules[] = {
        FLORIN_LEDGER_IMPORTED_RULES(FLORIN_TRANSFER, is, imported, t->timestamp, now),
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

/* `t` is the event with what it inherits, so that it can be held against what was booked. */
static florin_transfer_result_t check_existing(const florin_transfer_event_t *event,
                                               const florin_transfer_t *t,
                                               const florin_entry_t *entry)
{
    if (entry->result != FLORIN_TRANSFER_CREATED) {
        return FLORIN_TRANSFER_ID_ALREADY_FAILED;
    }
    const florin_transfer_t *e = &entry->transfer;
    uint32_t flags =
        e->flags & FLORIN_TRANSFER_FLAG_REVIEW ? e->flags & ~(uint32_t)FLAGS_HELD : e->flags;
    /* The event of a balancing transfer gives the most that may be moved. */
    bool amount_differs =
        t->flags & FLAGS_BALANCING ? event->transfer.amount < e->amount : t->amount != e->amount;
    const florin_ledger_rule_t rules[] = {
        {event->transfer.flags != flags, FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS},
        {t->pending_id != e->pending_id, FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_PENDING_ID},
        {t->timeout_s != e->timeout_s, FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_TIMEOUT},
        {t->debit_account_id != e->debit_account_id,
         FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID},
        {t->credit_account_id != e->credit_account_id,
         FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID},
        {amount_differs, FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_AMOUNT},
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
    bool pending = t->flags & FLORIN_TRANSFER_FLAG_PENDING;
    const florin_ledger_rule_t rules[] = {
        {t->debit_account_id == 0, FLORIN_TRANSFER_DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO},
        {t->debit_account_id == FLORIN_LEDGER_ID_INT_MAX,
         FLORIN_TRANSFER_DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX},
        {t->credit_account_id == 0, FLORIN_TRANSFER_CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO},
        {t->credit_account_id == FLORIN_LEDGER_ID_INT_MAX,
         FLORIN_TRANSFER_CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX},
        {t->debit_account_id == t->credit_account_id, FLORIN_TRANSFER_ACCOUNTS_MUST_BE_DIFFERENT},
        {t->pending_id != 0, FLORIN_TRANSFER_PENDING_ID_MUST_BE_ZERO},
        {t->timeout_s != 0 && !pending, FLORIN_TRANSFER_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER},
        {t->flags & FLAGS_CLOSING && !pending, FLORIN_TRANSFER_CLOSING_TRANSFER_MUST_BE_PENDING},
        {t->ledger == 0, FLORIN_TRANSFER_LEDGER_MUST_NOT_BE_ZERO},
        {t->code == 0, FLORIN_TRANSFER_CODE_MUST_NOT_BE_ZERO},
        {verdict == FLORIN_VERDICT_FORBIDDEN, FLORIN_TRANSFER_NOT_AUTHORIZED},
    };
    return FLORIN_LEDGER_FIRST_BROKEN(rules);
}

/* The same of one that posts or voids: it leaves to the pending transfer what it likes. */
static florin_transfer_result_t check_resolving_fields(const florin_transfer_t *t,
                                                       florin_verdict_t verdict)
{
    const florin_ledger_rule_t rules[] = {
        {(t->flags & FLAGS_RESOLVING) == FLAGS_RESOLVING || t->flags & FLAGS_OF_NEW,
         FLORIN_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE},
        {t->pending_id == 0, FLORIN_TRANSFER_PENDING_ID_MUST_NOT_BE_ZERO},
        {t->pending_id == FLORIN_LEDGER_ID_INT_MAX, FLORIN_TRANSFER_PENDING_ID_MUST_NOT_BE_INT_MAX},
        {t->pending_id == t->id, FLORIN_TRANSFER_PENDING_ID_MUST_BE_DIFFERENT},
        {t->timeout_s != 0, FLORIN_TRANSFER_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER},
        {verdict == FLORIN_VERDICT_FORBIDDEN, FLORIN_TRANSFER_NOT_AUTHORIZED},
    };
    return FLORIN_LEDGER_FIRST_BROKEN(rules);
}

/* Something happened to the account after its opening that is not before this moment. */
static bool regresses(const florin_account_t *account, uint64_t timestamp)
{
    return account->timestamp_last > account->timestamp && timestamp <= account->timestamp_last;
}

/* What an imported transfer must keep, and that the accounts are open. A void is let in. */
static florin_transfer_result_t check_accounts(const florin_ledger_plan_t *plan)
{
    assert(plan->debit && plan->credit); /* or a rule before this one was broken */
    const florin_transfer_t *t = &plan->transfer;
    const florin_account_t *debit = &plan->debit->account;
    const florin_account_t *credit = &plan->credit->account;
    bool imported = t->flags & FLORIN_TRANSFER_FLAG_IMPORTED;
    bool voids = t->flags & FLORIN_TRANSFER_FLAG_VOID_PENDING_TRANSFER;
    const florin_ledger_rule_t rules[] = {
        {imported && (regresses(debit, t->timestamp) || regresses(credit, t->timestamp)),
         FLORIN_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS},
        {imported && t->timestamp <= debit->timestamp,
         FLORIN_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT},
        {imported && t->timestamp <= credit->timestamp,
         FLORIN_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT},
        {imported && t->timeout_s != 0, FLORIN_TRANSFER_IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO},
        {debit->flags & FLORIN_ACCOUNT_FLAG_CLOSED && !voids,
         FLORIN_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED},
        {credit->flags & FLORIN_ACCOUNT_FLAG_CLOSED && !voids,
         FLORIN_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED},
    };
    return FLORIN_LEDGER_FIRST_BROKEN(rules);
}

static bool overflows(uint64_t balance, uint64_t amount)
{
    return amount > FLORIN_LEDGER_AMOUNT_MAX || balance > FLORIN_LEDGER_AMOUNT_MAX - amount;
}

static bool overflows_timeout(const florin_transfer_t *t)
{
    return t->timeout_s * UINT64_C(1000000000) > FLORIN_LEDGER_TIMESTAMP_MAX - t->timestamp;
}

static bool exceeds_credits(const florin_account_t *debit, uint64_t amount)
{
    const florin_balances_t *b = &debit->balances;
    return debit->flags & FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS &&
           florin_ledger_crosses(b->debits_pending + b->debits_posted + amount, b->credits_posted,
                                 debit->credit_limit);
}

static bool exceeds_debits(const florin_account_t *credit, uint64_t amount)
{
    const florin_balances_t *b = &credit->balances;
    return credit->flags & FLORIN_ACCOUNT_FLAG_CREDITS_MUST_NOT_EXCEED_DEBITS &&
           florin_ledger_crosses(b->credits_pending + b->credits_posted + amount, b->debits_posted,
                                 credit->credit_limit);
}

bool florin_window_passes_sum(const florin_window_t *window, uint64_t amount)
{
    return window->sum_max < FLORIN_LEDGER_AMOUNT_MAX &&
           (window->sum > window->sum_max || amount > window->sum_max - window->sum);
}

bool florin_ledger_passes_window_count(const florin_ledger_plan_t *plan)
{
    const florin_window_t *w = &plan->debit->window;
    return plan->debit->has_window && w->count >= w->count_max;
}

bool florin_ledger_passes_window_sum(const florin_ledger_plan_t *plan)
{
    return plan->debit->has_window &&
           florin_window_passes_sum(&plan->debit->window, plan->transfer.amount);
}

/* Risk has its say last. What can't be held for review is declined. */
static florin_transfer_result_t check_verdict(florin_verdict_t verdict,
                                              const florin_ledger_plan_t *plan)
{
    bool held = plan->transfer.flags & FLORIN_TRANSFER_FLAG_REVIEW;
    const florin_ledger_rule_t rules[] = {
        {verdict == FLORIN_VERDICT_DECLINED || (verdict == FLORIN_VERDICT_REVIEW && !held) ||
             florin_ledger_passes_window_count(plan) || florin_ledger_passes_window_sum(plan),
         FLORIN_TRANSFER_RISK_DECLINED},
        {verdict == FLORIN_VERDICT_UNAVAILABLE, FLORIN_TRANSFER_RISK_UNAVAILABLE},
    };
    return FLORIN_LEDGER_FIRST_BROKEN(rules);
}

static florin_transfer_result_t check_balances(const florin_ledger_plan_t *plan)
{
    const florin_transfer_t *t = &plan->transfer;
    const florin_balances_t *d = &plan->debit->account.balances;
    const florin_balances_t *c = &plan->credit->account.balances;
    bool pending = t->flags & FLORIN_TRANSFER_FLAG_PENDING;
    const florin_ledger_rule_t rules[] = {
        {pending && overflows(d->debits_pending, t->amount),
         FLORIN_TRANSFER_OVERFLOWS_DEBITS_PENDING},
        {pending && overflows(c->credits_pending, t->amount),
         FLORIN_TRANSFER_OVERFLOWS_CREDITS_PENDING},
        {overflows(d->debits_posted, t->amount), FLORIN_TRANSFER_OVERFLOWS_DEBITS_POSTED},
        {overflows(c->credits_posted, t->amount), FLORIN_TRANSFER_OVERFLOWS_CREDITS_POSTED},
        {overflows(d->debits_pending + d->debits_posted, t->amount),
         FLORIN_TRANSFER_OVERFLOWS_DEBITS},
        {overflows(c->credits_pending + c->credits_posted, t->amount),
         FLORIN_TRANSFER_OVERFLOWS_CREDITS},
        {overflows_timeout(t), FLORIN_TRANSFER_OVERFLOWS_TIMEOUT},
        {exceeds_credits(&plan->debit->account, t->amount), FLORIN_TRANSFER_EXCEEDS_CREDITS},
        {exceeds_debits(&plan->credit->account, t->amount), FLORIN_TRANSFER_EXCEEDS_DEBITS},
    };
    return FLORIN_LEDGER_FIRST_BROKEN(rules);
}

static florin_transfer_result_t check_new(const florin_transfer_event_t *event,
                                          const florin_ledger_plan_t *plan)
{
    florin_transfer_result_t result = check_fields(&plan->transfer, event->verdict);
    if (result != FLORIN_TRANSFER_CREATED) {
        return result;
    }
    const florin_ledger_rule_t rules[] = {
        {!plan->debit, FLORIN_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND},
        {!plan->credit, FLORIN_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND},
        {plan->debit && plan->credit && plan->debit->account.ledger != plan->credit->account.ledger,
         FLORIN_TRANSFER_ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER},
        {plan->debit && plan->transfer.ledger != plan->debit->account.ledger,
         FLORIN_TRANSFER_TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS},
    };
    result = FLORIN_LEDGER_FIRST_BROKEN(rules);
    result = result != FLORIN_TRANSFER_CREATED ? result : check_accounts(plan);
    result = result != FLORIN_TRANSFER_CREATED ? result : check_balances(plan);
    return result != FLORIN_TRANSFER_CREATED ? result : check_verdict(event->verdict, plan);
}

/* The pending transfer is there; what the event says of it must be so. */
static florin_transfer_result_t check_pending(const florin_ledger_plan_t *plan)
{
    const florin_transfer_t *t = &plan->transfer;
    const florin_transfer_t *p = &plan->pending->entry.transfer;
    florin_pending_status_t status = plan->pending->entry.pending;
    bool voids = t->flags & FLORIN_TRANSFER_FLAG_VOID_PENDING_TRANSFER;
    uint64_t expires_at = florin_ledger_expires_at(p);
    const florin_ledger_rule_t rules[] = {
        {status == FLORIN_PENDING_NONE, FLORIN_TRANSFER_PENDING_TRANSFER_NOT_PENDING},
        {t->debit_account_id != p->debit_account_id,
         FLORIN_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID},
        {t->credit_account_id != p->credit_account_id,
         FLORIN_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID},
        {t->ledger != p->ledger, FLORIN_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_LEDGER},
        {t->code != p->code, FLORIN_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_CODE},
        {t->amount > p->amount, FLORIN_TRANSFER_EXCEEDS_PENDING_TRANSFER_AMOUNT},
        {voids && t->amount < p->amount, FLORIN_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT},
        {status == FLORIN_PENDING_POSTED, FLORIN_TRANSFER_PENDING_TRANSFER_ALREADY_POSTED},
        {status == FLORIN_PENDING_VOIDED, FLORIN_TRANSFER_PENDING_TRANSFER_ALREADY_VOIDED},
        {status == FLORIN_PENDING_EXPIRED || (expires_at != 0 && t->timestamp >= expires_at),
         FLORIN_TRANSFER_PENDING_TRANSFER_EXPIRED},
    };
    return FLORIN_LEDGER_FIRST_BROKEN(rules);
}

static florin_transfer_result_t check_resolving(florin_ledger_t *self,
                                                const florin_transfer_event_t *event,
                                                const florin_ledger_plan_t *plan)
{
    florin_transfer_result_t result = check_resolving_fields(&plan->transfer, event->verdict);
    if (result != FLORIN_TRANSFER_CREATED) {
        return result;
    }
    if (!plan->pending) {
        return FLORIN_TRANSFER_PENDING_TRANSFER_NOT_FOUND;
    }
    result = check_pending(plan);
    if (result != FLORIN_TRANSFER_CREATED) {
        return result;
    }
    /* The result is nobody's: whoever loaded these accounts must not write. */
    return florin_ledger_can_release(self, &plan->pending->entry.transfer, plan->debit,
                                     plan->credit)
               ? check_accounts(plan)
               : FLORIN_TRANSFER_PENDING_TRANSFER_NOT_FOUND;
}

florin_transfer_result_t florin_ledger_check(florin_ledger_t *self,
                                             const florin_transfer_event_t *event,
                                             const florin_ledger_plan_t *plan, bool imported,
                                             uint64_t now)
{
    florin_transfer_result_t result = check_form(&event->transfer, imported, now);
    if (result != FLORIN_TRANSFER_CREATED) {
        return result;
    }
    const florin_ledger_entry_t *existing = florin_ledger_find_entry(self, event->transfer.id);
    if (existing) {
        return check_existing(event, &plan->transfer, &existing->entry);
    }
    return resolves(&event->transfer) ? check_resolving(self, event, plan) : check_new(event, plan);
}
