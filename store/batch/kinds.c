/* What each kind of batch does in its own way. */
#include "store/batch/kinds.h"

static florin_sides_t opened_account(const florin_plan_t *self, size_t index)
{
    return (florin_sides_t){.debit = self->accounts[index].id};
}

static bool apply_accounts(florin_plan_t *self, size_t first, size_t count)
{
    return florin_ledger_open_accounts(self->ledger, self->accounts + first, count,
                                       self->account_outcomes + first);
}

const florin_kind_t florin_kind_accounts = {.accounts = opened_account, .apply = apply_accounts};

static florin_named_t named_by_transfer(const florin_plan_t *self, size_t index)
{
    const florin_transfer_t *transfer = &self->transfers[index].transfer;
    return (florin_named_t){transfer->id, transfer->pending_id};
}

static bool apply_transfers(florin_plan_t *self, size_t first, size_t count)
{
    bool room = florin_ledger_create_transfers(self->ledger, self->transfers + first, count,
                                               self->transfer_outcomes + first);
    florin_plan_learn_sides(self, first, count);
    return room;
}

static florin_id_t if_debits(const florin_plan_t *self, florin_id_t id)
{
    const florin_account_t *account = florin_ledger_account(self->ledger, id);
    return account && account->balances.debits_pending > 0 ? id : 0;
}

static florin_id_t if_credits(const florin_plan_t *self, florin_id_t id)
{
    const florin_account_t *account = florin_ledger_account(self->ledger, id);
    return account && account->balances.credits_pending > 0 ? id : 0;
}

/* A balancing transfer that moved less than it might have; one of a chain that failed may have. */
static bool moved_less(const florin_plan_t *self, const florin_transfer_t *transfer)
{
    const florin_entry_t *entry = florin_ledger_find_transfer(self->ledger, transfer->id);
    return !entry || entry->transfer.amount < transfer->amount;
}

static florin_sides_t transfer_obstacles(const florin_plan_t *self, size_t index)
{
    const florin_transfer_t *transfer = &self->transfers[index].transfer;
    const florin_sides_t sides = florin_plan_sides(self, index);
    switch (self->transfer_outcomes[index].result) {
    case FLORIN_TRANSFER_EXCEEDS_CREDITS:
    case FLORIN_TRANSFER_OVERFLOWS_DEBITS_PENDING:
    case FLORIN_TRANSFER_OVERFLOWS_DEBITS:
        return (florin_sides_t){.debit = if_debits(self, sides.debit)};
    case FLORIN_TRANSFER_EXCEEDS_DEBITS:
    case FLORIN_TRANSFER_OVERFLOWS_CREDITS_PENDING:
    case FLORIN_TRANSFER_OVERFLOWS_CREDITS:
        return (florin_sides_t){.credit = if_credits(self, sides.credit)};
    /* What closed it may be of amount 0. */
    case FLORIN_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED:
        return (florin_sides_t){sides.debit, sides.debit};
    case FLORIN_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED:
        return (florin_sides_t){sides.credit, sides.credit};
    case FLORIN_TRANSFER_CREATED:
    case FLORIN_TRANSFER_LINKED_EVENT_FAILED: {
        bool debit = transfer->flags & FLORIN_TRANSFER_FLAG_BALANCING_DEBIT;
        bool credit = transfer->flags & FLORIN_TRANSFER_FLAG_BALANCING_CREDIT;
        if ((!debit && !credit) || !moved_less(self, transfer))
            return (florin_sides_t){0};
        return (florin_sides_t){debit ? if_debits(self, sides.debit) : 0,
                                credit ? if_credits(self, sides.credit) : 0};
    }
    default:
        return (florin_sides_t){0};
    }
}

const florin_kind_t florin_kind_transfers = {florin_plan_sides, named_by_transfer, apply_transfers,
                                             transfer_obstacles};

/* An id's own shard alone: whoever creates a transfer of that id writes there, too, and the primary
 * key lets one of the two do it. */
static florin_named_t named_by_settled(const florin_plan_t *self, size_t index)
{
    return (florin_named_t){.id = self->settled_ids[index]};
}

static bool apply_settled(florin_plan_t *self, size_t first, size_t count)
{
    return florin_ledger_settle_transfers(self->ledger, self->settled_ids + first, count,
                                          self->transfer_outcomes + first);
}

const florin_kind_t florin_kind_settled = {.named = named_by_settled, .apply = apply_settled};

static florin_sides_t limited_account(const florin_plan_t *self, size_t index)
{
    return (florin_sides_t){.debit = self->credit_limits[index].account_id};
}

static bool apply_limits(florin_plan_t *self, size_t first, size_t count)
{
    return florin_ledger_set_credit_limits(self->ledger, self->credit_limits + first, count,
                                           self->credit_limit_outcomes + first);
}

static florin_sides_t limit_obstacles(const florin_plan_t *self, size_t index)
{
    florin_id_t id = self->credit_limits[index].account_id;
    switch (self->credit_limit_outcomes[index].result) {
    case FLORIN_LIMIT_EXCEEDS_CREDITS:
        return (florin_sides_t){.debit = if_debits(self, id)};
    case FLORIN_LIMIT_EXCEEDS_DEBITS:
        return (florin_sides_t){.credit = if_credits(self, id)};
    default:
        return (florin_sides_t){0};
    }
}

const florin_kind_t florin_kind_limits = {
    .accounts = limited_account, .apply = apply_limits, .obstacles = limit_obstacles};

static florin_sides_t overdue_sides(const florin_plan_t *self, size_t index)
{
    return self->overdue[index].sides;
}

static florin_named_t named_by_overdue(const florin_plan_t *self, size_t index)
{
    return (florin_named_t){.id = self->overdue[index].id};
}

/* Each is a request of its own: one whose shards are away must not keep the others. */
static bool apply_overdue(florin_plan_t *self, size_t first, size_t count)
{
    size_t expired = 0;
    bool room = florin_ledger_expire(self->ledger, &self->overdue[first].id, count, &expired);
    *self->expired += expired;
    return room;
}

const florin_kind_t florin_kind_overdue = {
    .accounts = overdue_sides, .named = named_by_overdue, .apply = apply_overdue};
