/* Changing credit limits. */
#include "ledger/state.h"

static florin_limit_result_t check(const florin_limit_event_t *event,
                                   const florin_account_t *account)
{
    const florin_account_t none = {.flags = 0};
    const florin_account_t *a = account ? account : &none;
    const florin_balances_t *b = &a->balances;
    const florin_ledger_rule_t rules[] = {
        {event->account_id == 0, FLORIN_LIMIT_ACCOUNT_ID_MUST_NOT_BE_ZERO},
        {event->account_id == FLORIN_LEDGER_ID_INT_MAX,
         FLORIN_LIMIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX},
        {!account, FLORIN_LIMIT_ACCOUNT_NOT_FOUND},
        {a->flags & FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS &&
             florin_ledger_crosses(b->debits_pending + b->debits_posted, b->credits_posted,
                                   event->credit_limit),
         FLORIN_LIMIT_EXCEEDS_CREDITS},
        {a->flags & FLORIN_ACCOUNT_FLAG_CREDITS_MUST_NOT_EXCEED_DEBITS &&
             florin_ledger_crosses(b->credits_pending + b->credits_posted, b->debits_posted,
                                   event->credit_limit),
         FLORIN_LIMIT_EXCEEDS_DEBITS},
    };
    return FLORIN_LEDGER_FIRST_BROKEN(rules);
}

bool florin_ledger_set_credit_limits(florin_ledger_t *self, const florin_limit_event_t *events,
                                     size_t count, florin_limit_outcome_t *outcomes)
{
    if (!florin_ledger_has_room(self, count)) {
        return false;
    }
    self->undo_count = 0;
    for (size_t i = 0; i < count; i++) {
        florin_ledger_account_t *found = florin_ledger_find_account(self, events[i].account_id);
        outcomes[i] =
            (florin_limit_outcome_t){.result = check(&events[i], found ? &found->account : NULL)};
        if (outcomes[i].result == FLORIN_LIMIT_SET && found &&
            found->account.credit_limit != events[i].credit_limit) {
            outcomes[i].timestamp = self->timestamp_next + i;
            florin_ledger_touch(self, found, outcomes[i].timestamp);
            found->account.credit_limit = events[i].credit_limit;
        }
    }
    self->timestamp_next += count;
    self->events_count += count;
    return true;
}
