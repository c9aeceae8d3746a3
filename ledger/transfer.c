/* Booking transfers: moving balances, linked chains, and expiry. */
#include "ledger/state.h"

/* Puts a pending transfer on the list of those that changed, once. */
static void list_pending(florin_ledger_t *self, florin_ledger_entry_t *pending)
{
    if (!pending->pending_listed) {
        pending->pending_listed = true;
        self->pendings[self->pendings_count++] = (uint32_t)(pending - self->entries);
    }
}

/* Takes what a pending transfer holds off its accounts, and says what became of it. */
static void release(florin_ledger_t *self, florin_ledger_entry_t *pending,
                    florin_pending_status_t status, uint64_t timestamp, florin_account_t *debit,
                    florin_account_t *credit)
{
    const florin_transfer_t *p = &pending->entry.transfer;
    self->resolved[self->resolved_count++] = (uint32_t)(pending - self->entries);
    list_pending(self, pending);
    pending->entry.pending = status;
    pending->resolved_at = timestamp;
    debit->balances.debits_pending -= p->amount;
    credit->balances.credits_pending -= p->amount;
    /* One that closed an account is not posted: that account is closed. */
    if (p->flags & FLORIN_TRANSFER_FLAG_CLOSING_DEBIT) {
        debit->flags &= ~(uint32_t)FLORIN_ACCOUNT_FLAG_CLOSED;
    }
    if (p->flags & FLORIN_TRANSFER_FLAG_CLOSING_CREDIT) {
        credit->flags &= ~(uint32_t)FLORIN_ACCOUNT_FLAG_CLOSED;
    }
}

static void reserve(const florin_transfer_t *t, florin_account_t *debit, florin_account_t *credit)
{
    debit->balances.debits_pending += t->amount;
    credit->balances.credits_pending += t->amount;
    if (t->flags & FLORIN_TRANSFER_FLAG_CLOSING_DEBIT) {
        debit->flags |= FLORIN_ACCOUNT_FLAG_CLOSED;
    }
    if (t->flags & FLORIN_TRANSFER_FLAG_CLOSING_CREDIT) {
        credit->flags |= FLORIN_ACCOUNT_FLAG_CLOSED;
    }
}

static void post(const florin_transfer_t *t, florin_account_t *debit, florin_account_t *credit)
{
    debit->balances.debits_posted += t->amount;
    credit->balances.credits_posted += t->amount;
}

/* Posts and voids don't count: what they resolve has counted. */
static void count_in_window(florin_ledger_account_t *debit, uint64_t amount)
{
    if (debit->has_window) {
        uint64_t room = FLORIN_LEDGER_AMOUNT_MAX - debit->window.sum;
        debit->window.sum += amount < room ? amount : room;
        debit->window.count++;
    }
}

static void book(florin_ledger_t *self, const florin_ledger_plan_t *plan)
{
    const florin_transfer_t *t = &plan->transfer;
    florin_account_t *debit = &plan->debit->account;
    florin_account_t *credit = &plan->credit->account;
    bool posts = t->flags & FLORIN_TRANSFER_FLAG_POST_PENDING_TRANSFER;
    florin_ledger_touch(self, plan->debit, t->timestamp);
    florin_ledger_touch(self, plan->credit, t->timestamp);
    if (plan->pending) {
        release(self, plan->pending, posts ? FLORIN_PENDING_POSTED : FLORIN_PENDING_VOIDED,
                t->timestamp, debit, credit);
        if (posts) {
            post(t, debit, credit);
        }
    } else {
        count_in_window(plan->debit, t->amount);
        if (t->flags & FLORIN_TRANSFER_FLAG_PENDING) {
            reserve(t, debit, credit);
        } else {
            post(t, debit, credit);
        }
    }
    florin_ledger_entry_t *added = florin_ledger_add_entry(self, t, FLORIN_TRANSFER_CREATED);
    added->entry.debit_after = debit->balances;
    added->entry.credit_after = credit->balances;
    if (added->entry.pending != FLORIN_PENDING_NONE) {
        list_pending(self, added);
    }
}

/* How far the arrays and lists reached before a chain. */
typedef struct {
    size_t entries_count, changed_count, pendings_count;
} mark_t;

/* Newest first, so that an account touched twice ends as it was before the first time. */
static void undo(florin_ledger_t *self, const mark_t *mark)
{
    while (self->undo_count > 0) {
        const florin_ledger_undo_t *undone = &self->undo[--self->undo_count];
        self->accounts[undone->index] = undone->before;
    }
    self->changed_count = mark->changed_count;
    while (self->resolved_count > 0) {
        florin_ledger_entry_t *pending = &self->entries[self->resolved[--self->resolved_count]];
        pending->entry.pending = FLORIN_PENDING_OPEN;
        pending->resolved_at = 0;
    }
    while (self->pendings_count > mark->pendings_count) {
        self->entries[self->pendings[--self->pendings_count]].pending_listed = false;
    }
    while (self->entries_count > mark->entries_count) {
        self->entries_count--;
        florin_table_remove_last(&self->entries_by_id,
                                 self->entries[self->entries_count].entry.transfer.id);
    }
}

/* What a refused event is told, but for what depends on the chain being undone. */
static florin_transfer_outcome_t refusal_of(const florin_ledger_plan_t *plan,
                                            florin_transfer_result_t result)
{
    florin_transfer_outcome_t outcome = {.result = result};
    if (result == FLORIN_TRANSFER_RISK_DECLINED) {
        outcome.passes_window_count = florin_ledger_passes_window_count(plan);
        outcome.passes_window_sum = florin_ledger_passes_window_sum(plan);
    }
    return outcome;
}

/* Adds what has to be said of an id that is there already. */
static void add_existing(florin_ledger_t *self, florin_id_t id, florin_transfer_outcome_t *outcome)
{
    const florin_entry_t *existing = florin_ledger_find_transfer(self, id);
    /* None, though it "exists": this very chain made it, and is undone. */
    if (existing && outcome->result == FLORIN_TRANSFER_EXISTS) {
        outcome->timestamp = existing->transfer.timestamp;
        outcome->held_for_review = existing->transfer.flags & FLORIN_TRANSFER_FLAG_REVIEW;
    }
    if (existing && outcome->result == FLORIN_TRANSFER_ID_ALREADY_FAILED) {
        outcome->first_result = existing->result;
    }
}

/* A chain: some events of a request, and what they have in common with it. */
typedef struct {
    const florin_transfer_event_t *events;
    size_t count;
    florin_transfer_outcome_t *outcomes;
    uint64_t timestamp; /* of the first; each next one is 1 later */
    uint64_t now;       /* that of the request's first event */
    bool imported;      /* the request's first event is */
} chain_t;

static bool is_open(const chain_t *chain)
{
    return chain->events[chain->count - 1].transfer.flags & FLORIN_TRANSFER_FLAG_LINKED;
}

/* Gives each event of a broken chain its outcome, and remembers for good the one that broke it when
 * time might change the reason. */
static void refuse_chain(florin_ledger_t *self, const chain_t *chain, size_t broken,
                         const florin_transfer_outcome_t *refusal)
{
    for (size_t i = 0; i < chain->count; i++) {
        chain->outcomes[i] =
            (florin_transfer_outcome_t){.result = FLORIN_TRANSFER_LINKED_EVENT_FAILED};
    }
    if (is_open(chain)) {
        chain->outcomes[chain->count - 1].result = FLORIN_TRANSFER_LINKED_EVENT_CHAIN_OPEN;
    }
    chain->outcomes[broken] = *refusal;
    add_existing(self, chain->events[broken].transfer.id, &chain->outcomes[broken]);
    if (florin_transfer_result_remembered(refusal->result)) {
        florin_transfer_t refused = chain->events[broken].transfer;
        refused.timestamp = chain->timestamp + broken;
        florin_ledger_add_entry(self, &refused, refusal->result);
    }
}

/* All of it or nothing. */
static void apply_chain(florin_ledger_t *self, const chain_t *chain)
{
    const mark_t mark = {self->entries_count, self->changed_count, self->pendings_count};
    self->undo_count = self->resolved_count = 0;
    for (size_t i = 0; i < chain->count; i++) {
        const florin_transfer_event_t *event = &chain->events[i];
        const florin_ledger_plan_t plan =
            florin_ledger_plan(self, event, chain->timestamp + i, chain->count == 1);
        florin_transfer_result_t result =
            is_open(chain) && i == chain->count - 1
                ? FLORIN_TRANSFER_LINKED_EVENT_CHAIN_OPEN
                : florin_ledger_check(self, event, &plan, chain->imported, chain->now);
        if (result != FLORIN_TRANSFER_CREATED) {
            const florin_transfer_outcome_t refusal = refusal_of(&plan, result);
            undo(self, &mark);
            refuse_chain(self, chain, i, &refusal);
            return;
        }
        book(self, &plan);
        chain->outcomes[i] = (florin_transfer_outcome_t){
            .timestamp = plan.transfer.timestamp,
            .result = FLORIN_TRANSFER_CREATED,
            .held_for_review = plan.transfer.flags & FLORIN_TRANSFER_FLAG_REVIEW,
        };
    }
}

bool florin_ledger_create_transfers(florin_ledger_t *self, const florin_transfer_event_t *events,
                                    size_t count, florin_transfer_outcome_t *outcomes)
{
    if (!florin_ledger_has_room(self, count) ||
        count > FLORIN_LEDGER_TRANSFERS_MAX - self->entries_count) {
        return false;
    }
    self->impossible = 0;
    bool imported = count > 0 && events[0].transfer.flags & FLORIN_TRANSFER_FLAG_IMPORTED;
    for (size_t start = 0, end; start < count; start = end) {
        end = start + 1;
        while (end < count && (events[end - 1].transfer.flags & FLORIN_TRANSFER_FLAG_LINKED)) {
            end++;
        }
        const chain_t chain = {.events = events + start,
                               .count = end - start,
                               .outcomes = outcomes + start,
                               .timestamp = self->timestamp_next + start,
                               .now = self->timestamp_next,
                               .imported = imported};
        apply_chain(self, &chain);
    }
    self->timestamp_next += count;
    self->events_count += count;
    return true;
}

static florin_transfer_outcome_t settle(florin_ledger_t *self, florin_id_t id, uint64_t timestamp)
{
    const florin_ledger_rule_t rules[] = {
        {id == 0, FLORIN_TRANSFER_ID_MUST_NOT_BE_ZERO},
        {id == FLORIN_LEDGER_ID_INT_MAX, FLORIN_TRANSFER_ID_MUST_NOT_BE_INT_MAX},
    };
    florin_transfer_result_t result = FLORIN_LEDGER_FIRST_BROKEN(rules);
    if (result != 0) {
        return (florin_transfer_outcome_t){.result = result};
    }
    const florin_ledger_entry_t *known = florin_ledger_find_entry(self, id);
    if (!known) {
        const florin_transfer_t given_up = {.id = id, .timestamp = timestamp};
        known = florin_ledger_add_entry(self, &given_up, FLORIN_TRANSFER_ID_GIVEN_UP);
    }
    const florin_transfer_t *t = &known->entry.transfer;
    return (florin_transfer_outcome_t){.timestamp = t->timestamp,
                                       .result = known->entry.result,
                                       .held_for_review =
                                           known->entry.result == FLORIN_TRANSFER_CREATED &&
                                           t->flags & FLORIN_TRANSFER_FLAG_REVIEW};
}

bool florin_ledger_settle_transfers(florin_ledger_t *self, const florin_id_t *ids, size_t count,
                                    florin_transfer_outcome_t *outcomes)
{
    if (!florin_ledger_has_room(self, count) ||
        count > FLORIN_LEDGER_TRANSFERS_MAX - self->entries_count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        outcomes[i] = settle(self, ids[i], self->timestamp_next + i);
    }
    self->timestamp_next += count;
    self->events_count += count;
    return true;
}

/* Whether a loaded pending transfer is open and its time is up. */
static bool is_overdue(const florin_ledger_entry_t *pending, uint64_t now)
{
    if (!pending || pending->entry.pending != FLORIN_PENDING_OPEN) {
        return false;
    }
    uint64_t expires_at = florin_ledger_expires_at(&pending->entry.transfer);
    return expires_at != 0 && expires_at <= now;
}

bool florin_ledger_expire(florin_ledger_t *self, const florin_id_t *ids, size_t count,
                          size_t *expired)
{
    *expired = 0;
    self->impossible = 0;
    if (!florin_ledger_has_room(self, count)) {
        return false;
    }
    self->undo_count = self->resolved_count = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t timestamp = self->timestamp_next + i;
        florin_ledger_entry_t *pending = florin_ledger_find_entry(self, ids[i]);
        if (!is_overdue(pending, timestamp)) {
            continue;
        }
        const florin_transfer_t *p = &pending->entry.transfer;
        florin_ledger_account_t *debit = florin_ledger_find_account(self, p->debit_account_id);
        florin_ledger_account_t *credit = florin_ledger_find_account(self, p->credit_account_id);
        if (!florin_ledger_can_release(self, p, debit, credit)) {
            continue;
        }
        florin_ledger_touch(self, debit, timestamp);
        florin_ledger_touch(self, credit, timestamp);
        release(self, pending, FLORIN_PENDING_EXPIRED, timestamp, &debit->account,
                &credit->account);
        pending->entry.debit_after = debit->account.balances;
        pending->entry.credit_after = credit->account.balances;
        ++*expired;
    }
    self->timestamp_next += count;
    self->events_count += count;
    return true;
}
