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

static florin_shards_t transfer_shards(const florin_plan_t *self, size_t index)
{
    const florin_transfer_t *transfer = &self->transfers[index].transfer;
    return florin_plan_place(self, transfer->id) | florin_plan_place(self, transfer->pending_id);
}

/* A transfer is read where its id lives, and where its debit account is locked: there it is certain
 * whether it has been written, and what became of it. */
static void take_both(florin_plan_t *self, florin_id_t id, florin_id_t debit)
{
    size_t place = florin_store_shard_of(self->store, id);
    size_t debit_place = florin_store_shard_of(self->store, debit);
    florin_plan_take_transfer(self, place, id);
    if (debit != 0 && debit_place != place)
        florin_plan_take_transfer(self, debit_place, id);
}

/* A dry run locks nothing, and so reads a pending transfer where its credit account is, too. */
static void take_transfer(florin_plan_t *self, size_t index)
{
    const florin_transfer_t *transfer = &self->transfers[index].transfer;
    const florin_sides_t sides = florin_plan_sides(self, index);
    take_both(self, transfer->id, sides.debit);
    take_both(self, transfer->pending_id, sides.debit);
    if (self->dry && sides.credit != 0)
        florin_plan_take_transfer(self, florin_store_shard_of(self->store, sides.credit),
                                  transfer->pending_id);
}

static bool apply_transfers(florin_plan_t *self, size_t first, size_t count)
{
    bool room = florin_ledger_create_transfers(self->ledger, self->transfers + first, count,
                                               self->transfer_outcomes + first);
    florin_plan_learn_sides(self, first, count);
    return room;
}

const florin_kind_t florin_kind_transfers = {florin_plan_sides, transfer_shards, take_transfer,
                                             apply_transfers};

/* An id's own shard alone: whoever creates a transfer of that id writes there, too, and the primary
 * key lets one of the two do it. */
static florin_shards_t settled_shards(const florin_plan_t *self, size_t index)
{
    return florin_plan_place(self, self->settled_ids[index]);
}

static void take_settled(florin_plan_t *self, size_t index)
{
    florin_id_t id = self->settled_ids[index];
    florin_plan_take_transfer(self, florin_store_shard_of(self->store, id), id);
}

static bool apply_settled(florin_plan_t *self, size_t first, size_t count)
{
    return florin_ledger_settle_transfers(self->ledger, self->settled_ids + first, count,
                                          self->transfer_outcomes + first);
}

const florin_kind_t florin_kind_settled = {
    .shards = settled_shards, .take = take_settled, .apply = apply_settled};

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

static florin_shards_t overdue_shards(const florin_plan_t *self, size_t index)
{
    return florin_plan_place(self, self->overdue[index].id);
}

static void take_overdue(florin_plan_t *self, size_t index)
{
    const florin_overdue_t *overdue = &self->overdue[index];
    take_both(self, overdue->id, overdue->sides.debit);
}

/* Each is a request of its own: one whose shards are away must not keep the others. */
static bool apply_overdue(florin_plan_t *self, size_t first, size_t count)
{
    size_t expired = 0;
    bool room = florin_ledger_expire(self->ledger, &self->overdue[first].id, count, &expired);
    *self->expired += expired;
    return room;
}

const florin_kind_t florin_kind_overdue = {overdue_sides, overdue_shards, take_overdue,
                                           apply_overdue};
