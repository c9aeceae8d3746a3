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

const florin_kind_t florin_kind_transfers = {florin_plan_sides, named_by_transfer, apply_transfers};

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

const florin_kind_t florin_kind_limits = {.accounts = limited_account, .apply = apply_limits};

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

const florin_kind_t florin_kind_overdue = {overdue_sides, named_by_overdue, apply_overdue};
