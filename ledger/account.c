/* Opening accounts. The rules stand in the order of their precedence. */
#include "ledger/state.h"

/* `imported` and `closed` belong to imported events. */
#define FLAGS_ALLOWED                                                                              \
    (FLORIN_ACCOUNT_FLAG_LINKED | FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS |             \
     FLORIN_ACCOUNT_FLAG_CREDITS_MUST_NOT_EXCEED_DEBITS | FLORIN_ACCOUNT_FLAG_HISTORY)
#define FLAGS_EXCLUSIVE                                                                            \
    (FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS |                                          \
     FLORIN_ACCOUNT_FLAG_CREDITS_MUST_NOT_EXCEED_DEBITS)

static florin_account_result_t check_form(const florin_account_t *a)
{
    const florin_ledger_rule_t rules[] = {
        {a->timestamp != 0, FLORIN_ACCOUNT_TIMESTAMP_MUST_BE_ZERO},
        {a->flags & ~(uint32_t)FLAGS_ALLOWED, FLORIN_ACCOUNT_RESERVED_FLAG},
        {a->id == 0, FLORIN_ACCOUNT_ID_MUST_NOT_BE_ZERO},
        {a->id == FLORIN_LEDGER_ID_INT_MAX, FLORIN_ACCOUNT_ID_MUST_NOT_BE_INT_MAX},
    };
    return FLORIN_LEDGER_FIRST_BROKEN(rules);
}

static florin_account_result_t check_existing(const florin_account_t *a, const florin_account_t *e)
{
    const florin_ledger_rule_t rules[] = {
        {a->flags != e->flags, FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_FLAGS},
        {a->user_data != e->user_data, FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_USER_DATA},
        {a->ledger != e->ledger, FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_LEDGER},
        {a->code != e->code, FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_CODE},
        {a->credit_limit != e->credit_limit, FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_CREDIT_LIMIT},
        {true, FLORIN_ACCOUNT_EXISTS},
    };
    return FLORIN_LEDGER_FIRST_BROKEN(rules);
}

static florin_account_result_t check_fields(const florin_account_t *a)
{
    const florin_balances_t *balances = &a->balances;
    const florin_ledger_rule_t rules[] = {
        {(a->flags & FLAGS_EXCLUSIVE) == FLAGS_EXCLUSIVE,
         FLORIN_ACCOUNT_FLAGS_ARE_MUTUALLY_EXCLUSIVE},
        {balances->debits_pending != 0, FLORIN_ACCOUNT_DEBITS_PENDING_MUST_BE_ZERO},
        {balances->debits_posted != 0, FLORIN_ACCOUNT_DEBITS_POSTED_MUST_BE_ZERO},
        {balances->credits_pending != 0, FLORIN_ACCOUNT_CREDITS_PENDING_MUST_BE_ZERO},
        {balances->credits_posted != 0, FLORIN_ACCOUNT_CREDITS_POSTED_MUST_BE_ZERO},
        {a->ledger == 0, FLORIN_ACCOUNT_LEDGER_MUST_NOT_BE_ZERO},
        {a->code == 0, FLORIN_ACCOUNT_CODE_MUST_NOT_BE_ZERO},
    };
    return FLORIN_LEDGER_FIRST_BROKEN(rules);
}

static florin_account_result_t check(florin_ledger_t *self, const florin_account_t *event)
{
    florin_account_result_t result = check_form(event);
    if (result != FLORIN_ACCOUNT_CREATED) {
        return result;
    }
    const florin_account_t *existing = florin_ledger_account(self, event->id);
    return existing ? check_existing(event, existing) : check_fields(event);
}

static void open_account(florin_ledger_t *self, const florin_account_t *event, uint64_t timestamp)
{
    florin_account_t account = *event;
    account.timestamp = account.timestamp_last = timestamp;
    florin_ledger_add_account(self, &account);
}

static void undo(florin_ledger_t *self, size_t accounts_count)
{
    while (self->accounts_count > accounts_count) {
        self->accounts_count--;
        florin_table_remove_last(&self->accounts_by_id,
                                 self->accounts[self->accounts_count].account.id);
    }
}

/* Gives each event of a broken chain its outcome. */
static void refuse_chain(const florin_ledger_t *self, const florin_account_t *events, size_t count,
                         size_t broken, florin_account_result_t result,
                         florin_account_outcome_t *outcomes)
{
    for (size_t i = 0; i < count; i++) {
        outcomes[i] = (florin_account_outcome_t){.result = FLORIN_ACCOUNT_LINKED_EVENT_FAILED};
    }
    if (events[count - 1].flags & FLORIN_ACCOUNT_FLAG_LINKED) {
        outcomes[count - 1].result = FLORIN_ACCOUNT_LINKED_EVENT_CHAIN_OPEN;
    }
    outcomes[broken].result = result;
    if (result == FLORIN_ACCOUNT_EXISTS) {
        /* Unless it was this very chain that opened it. */
        const florin_account_t *existing = florin_ledger_account(self, events[broken].id);
        outcomes[broken].timestamp = existing ? existing->timestamp : 0;
    }
}

/* A chain, be it of one: all of it or nothing. Event i has the timestamp `timestamp` + i. */
static void apply_chain(florin_ledger_t *self, const florin_account_t *events, size_t count,
                        uint64_t timestamp, florin_account_outcome_t *outcomes)
{
    size_t accounts_before = self->accounts_count;
    bool open = events[count - 1].flags & FLORIN_ACCOUNT_FLAG_LINKED;
    for (size_t i = 0; i < count; i++) {
        florin_account_result_t result = open && i == count - 1
                                             ? FLORIN_ACCOUNT_LINKED_EVENT_CHAIN_OPEN
                                             : check(self, &events[i]);
        if (result != FLORIN_ACCOUNT_CREATED) {
            undo(self, accounts_before);
            refuse_chain(self, events, count, i, result, outcomes);
            return;
        }
        open_account(self, &events[i], timestamp + i);
        outcomes[i] = (florin_account_outcome_t){.timestamp = timestamp + i,
                                                 .result = FLORIN_ACCOUNT_CREATED};
    }
}

bool florin_ledger_open_accounts(florin_ledger_t *self, const florin_account_t *events,
                                 size_t count, florin_account_outcome_t *outcomes)
{
    if (!florin_ledger_has_room(self, count) ||
        count > FLORIN_LEDGER_ACCOUNTS_MAX - self->accounts_count) {
        return false;
    }
    for (size_t start = 0, end; start < count; start = end) {
        end = start + 1;
        while (end < count && (events[end - 1].flags & FLORIN_ACCOUNT_FLAG_LINKED)) {
            end++;
        }
        apply_chain(self, events + start, end - start, self->timestamp_next + start,
                    outcomes + start);
    }
    self->timestamp_next += count;
    self->events_count += count;
    return true;
}
