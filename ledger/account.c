/* Opening accounts. The rules stand in the order of their precedence. */
#include "ledger/state.h"

#define FLAGS_ALLOWED                                                                              \
    (FLORIN_ACCOUNT_FLAG_LINKED | FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS |             \
     FLORIN_ACCOUNT_FLAG_CREDITS_MUST_NOT_EXCEED_DEBITS | FLORIN_ACCOUNT_FLAG_HISTORY |            \
     FLORIN_ACCOUNT_FLAG_IMPORTED | FLORIN_ACCOUNT_FLAG_CLOSED)
/* Closing and reopening change it later on: a retry must not meet its own account as another. */
#define FLAGS_COMPARED (~(uint32_t)FLORIN_ACCOUNT_FLAG_CLOSED)
#define FLAGS_EXCLUSIVE                                                                            \
    (FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS |                                          \
     FLORIN_ACCOUNT_FLAG_CREDITS_MUST_NOT_EXCEED_DEBITS)

/* A request with accounts, as far as it has come. */
typedef struct {
    const florin_account_t *events;
    florin_account_outcome_t *outcomes;
    uint64_t now;           /* the timestamp of its first event; each next one is 1 later */
    bool imported;          /* its first event is */
    uint64_t imported_last; /* timestamp of the imported account opened last; 0: none */
} request_t;

static florin_account_result_t check_form(const florin_account_t *a, const request_t *request)
{
    bool is = a->flags & FLORIN_ACCOUNT_FLAG_IMPORTED;
    const florin_ledger_rule_t rules[] = {
        FLORIN_LEDGER_IMPORTED_RULES(FLORIN_ACCOUNT, is, request->imported, a->timestamp,
                                     request->now),
        {a->flags & ~(uint32_t)FLAGS_ALLOWED, FLORIN_ACCOUNT_RESERVED_FLAG},
        {a->id == 0, FLORIN_ACCOUNT_ID_MUST_NOT_BE_ZERO},
        {a->id == FLORIN_LEDGER_ID_INT_MAX, FLORIN_ACCOUNT_ID_MUST_NOT_BE_INT_MAX},
    };
    return FLORIN_LEDGER_FIRST_BROKEN(rules);
}

static florin_account_result_t check_existing(const florin_account_t *a, const florin_account_t *e)
{
    const florin_ledger_rule_t rules[] = {
        {(a->flags ^ e->flags) & FLAGS_COMPARED, FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_FLAGS},
        {a->user_data != e->user_data, FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_USER_DATA},
        {a->ledger != e->ledger, FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_LEDGER},
        {a->code != e->code, FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_CODE},
        {a->credit_limit != e->credit_limit, FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_CREDIT_LIMIT},
        {true, FLORIN_ACCOUNT_EXISTS},
    };
    return FLORIN_LEDGER_FIRST_BROKEN(rules);
}

static florin_account_result_t check_fields(const florin_account_t *a, const request_t *request)
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
        {a->flags & FLORIN_ACCOUNT_FLAG_IMPORTED && a->timestamp <= request->imported_last,
         FLORIN_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS},
    };
    return FLORIN_LEDGER_FIRST_BROKEN(rules);
}

static florin_account_result_t check(florin_ledger_t *self, const florin_account_t *event,
                                     const request_t *request)
{
    florin_account_result_t result = check_form(event, request);
    if (result != FLORIN_ACCOUNT_CREATED) {
        return result;
    }
    const florin_account_t *existing = florin_ledger_account(self, event->id);
    return existing ? check_existing(event, existing) : check_fields(event, request);
}

/* Returns when it was opened: when the event says, or else `timestamp`. */
static uint64_t open_account(florin_ledger_t *self, const florin_account_t *event,
                             uint64_t timestamp)
{
    florin_account_t account = *event;
    if (!(event->flags & FLORIN_ACCOUNT_FLAG_IMPORTED)) {
        account.timestamp = timestamp;
    }
    account.timestamp_last = account.timestamp;
    florin_ledger_add_account(self, &account);
    return account.timestamp;
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

/* A chain, be it of one, from event `start` up to `end`: all of it or nothing. */
static void apply_chain(florin_ledger_t *self, request_t *request, size_t start, size_t end)
{
    size_t accounts_before = self->accounts_count;
    uint64_t imported_before = request->imported_last;
    bool open = request->events[end - 1].flags & FLORIN_ACCOUNT_FLAG_LINKED;
    for (size_t i = start; i < end; i++) {
        const florin_account_t *event = &request->events[i];
        florin_account_result_t result = open && i == end - 1
                                             ? FLORIN_ACCOUNT_LINKED_EVENT_CHAIN_OPEN
                                             : check(self, event, request);
        if (result != FLORIN_ACCOUNT_CREATED) {
            undo(self, accounts_before);
            request->imported_last = imported_before;
            refuse_chain(self, request->events + start, end - start, i - start, result,
                         request->outcomes + start);
            return;
        }
        uint64_t timestamp = open_account(self, event, request->now + i);
        if (request->imported) {
            request->imported_last = timestamp;
        }
        request->outcomes[i] =
            (florin_account_outcome_t){.timestamp = timestamp, .result = FLORIN_ACCOUNT_CREATED};
    }
}

bool florin_ledger_open_accounts(florin_ledger_t *self, const florin_account_t *events,
                                 size_t count, florin_account_outcome_t *outcomes)
{
    if (!florin_ledger_has_room(self, count) ||
        count > FLORIN_LEDGER_ACCOUNTS_MAX - self->accounts_count) {
        return false;
    }
    request_t request = {.events = events,
                         .outcomes = outcomes,
                         .now = self->timestamp_next,
                         .imported = count > 0 && events[0].flags & FLORIN_ACCOUNT_FLAG_IMPORTED};
    for (size_t start = 0, end; start < count; start = end) {
        end = start + 1;
        while (end < count && (events[end - 1].flags & FLORIN_ACCOUNT_FLAG_LINKED)) {
            end++;
        }
        apply_chain(self, &request, start, end);
    }
    self->timestamp_next += count;
    self->events_count += count;
    return true;
}
