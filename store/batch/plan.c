/* A batch's plan: which requests live, what they touch where, and what is to be written where. */
#include "store/batch/plan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"

#define TELL_AGAIN_MS 1000

/* ----------------------------------------------------------------------------- the requests */

florin_shards_t florin_plan_place(const florin_plan_t *self, florin_id_t id)
{
    return id == 0 ? 0 : florin_shards_of(florin_store_shard_of(self->store, id));
}

bool florin_plan_lives(const florin_plan_t *self, const florin_store_request_t *request)
{
    size_t index = (size_t)(request - self->requests);
    return request->error.code == 0 && index >= self->first && index < self->end;
}

florin_sides_t florin_plan_accounts(const florin_plan_t *self, size_t index)
{
    return self->kind->accounts ? self->kind->accounts(self, index) : (florin_sides_t){0};
}

florin_named_t florin_plan_named(const florin_plan_t *self, size_t index)
{
    return self->kind->named ? self->kind->named(self, index) : (florin_named_t){0};
}

static florin_shards_t shards_of_event(const florin_plan_t *self, size_t index)
{
    const florin_sides_t sides = florin_plan_accounts(self, index);
    const florin_named_t named = florin_plan_named(self, index);
    return florin_plan_place(self, sides.debit) | florin_plan_place(self, sides.credit) |
           florin_plan_place(self, named.id) | florin_plan_place(self, named.pending_id);
}

size_t florin_plan_living(const florin_plan_t *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->requests_count; i++)
        count += florin_plan_lives(self, &self->requests[i]);
    return count;
}

void florin_plan_each(florin_plan_t *self, florin_visit_fn *visit, void *arg)
{
    for (size_t i = 0, event = 0; i < self->requests_count; i++) {
        florin_store_request_t *request = &self->requests[i];
        size_t end = event + request->events_count;
        for (; event < end && florin_plan_lives(self, request); event++)
            visit(self, request, event, arg);
        event = end;
    }
}

typedef struct {
    florin_shards_t shards;
    const florin_error_t *error;
} failure_t;

static void fail_there(florin_plan_t *self, florin_store_request_t *request, size_t event,
                       void *arg)
{
    const failure_t *failure = arg;
    if (shards_of_event(self, event) & failure->shards)
        request->error = *failure->error;
}

void florin_plan_fail(florin_plan_t *self, florin_shards_t shards, const florin_error_t *error)
{
    florin_plan_each(self, fail_there, &(failure_t){shards, error});
}

typedef struct {
    florin_shards_t shards;
    const florin_store_request_t *latest;
    size_t count;
} touching_t;

static void count_touching(florin_plan_t *self, florin_store_request_t *request, size_t event,
                           void *arg)
{
    touching_t *touching = arg;
    if (request == touching->latest || !(shards_of_event(self, event) & touching->shards))
        return;
    touching->latest = request;
    touching->count++;
}

/* A cause that stays is met many times a second. */
static void tell_refusal(florin_store_t *store, size_t shard)
{
    uint64_t now_ms = florin_clock_ms(), *told_ms = &store->told_refused_ms[shard];
    if (*told_ms != 0 && now_ms - *told_ms < TELL_AGAIN_MS)
        return;
    *told_ms = now_ms;
    florin_log(FLORIN_LOG_WARN, "shard_fault", "%s", store->shards[shard].error.message);
}

/* The server said no, and it does not pass: one of the requests there is to blame for it. */
static void take_refusal(florin_plan_t *self, size_t shard)
{
    const florin_session_t *session = &self->store->shards[shard];
    touching_t touching = {.shards = florin_shards_of(shard)};
    florin_plan_each(self, count_touching, &touching);
    if (touching.count > 1 && session->fault == FLORIN_FAULT_REFUSED &&
        session->error.code != FLORIN_ERROR_UNAVAILABLE) {
        self->refused = true;
        self->conflict = session->error;
    } else {
        tell_refusal(self->store, shard);
        florin_plan_fail(self, florin_shards_of(shard), &session->error);
    }
}

void florin_plan_moved(florin_plan_t *self, size_t shard, const florin_error_t *error)
{
    if (florin_shards_has(self->moved, shard))
        florin_plan_fail(self, florin_shards_of(shard), error);
    self->moved |= florin_shards_of(shard);
    self->conflict = *error;
}

bool florin_plan_faults(florin_plan_t *self, florin_shards_t shards, bool reading)
{
    bool any = false;
    for (size_t i = 0; i < self->store->shards_count; i++) {
        const florin_session_t *session = &self->store->shards[i];
        if (!florin_shards_has(shards, i) || session->fault == FLORIN_FAULT_NONE)
            continue;
        any = true;
        if (session->fault == FLORIN_FAULT_LOST)
            self->parts[i].state = FLORIN_PART_IDLE;
        bool forgiven = reading && session->fault == FLORIN_FAULT_LOST &&
                        session->error.code == FLORIN_ERROR_UNAVAILABLE &&
                        !florin_shards_has(self->reopened, i);
        if (forgiven)
            self->reopened |= florin_shards_of(i);
        if (forgiven || session->fault == FLORIN_FAULT_CONFLICT) {
            self->conflict = session->error;
            self->collided = strcmp(session->sqlstate, FLORIN_SQLSTATE_UNIQUE) == 0;
        } else {
            take_refusal(self, i);
        }
    }
    return any;
}

/* ----------------------------------------------------------------------------- what is touched */

/* A post or a void may leave its accounts to the pending transfer. */
bool florin_plan_leaves_out(const florin_transfer_t *transfer)
{
    return transfer->pending_id != 0 &&
           (transfer->debit_account_id == 0 || transfer->credit_account_id == 0);
}

florin_sides_t florin_plan_sides(const florin_plan_t *self, size_t index)
{
    const florin_transfer_t *transfer = &self->transfers[index].transfer;
    florin_sides_t sides = {transfer->debit_account_id, transfer->credit_account_id};
    if (self->sides && sides.debit == 0)
        sides.debit = self->sides[index].debit;
    if (self->sides && sides.credit == 0)
        sides.credit = self->sides[index].credit;
    return sides;
}

size_t florin_plan_events(const florin_plan_t *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->requests_count; i++)
        count += self->requests[i].events_count;
    return count;
}

void florin_plan_learn_sides(florin_plan_t *self, size_t first, size_t count)
{
    for (size_t i = first; self->sides && i < first + count; i++) {
        const florin_transfer_t *transfer = &self->transfers[i].transfer;
        const florin_entry_t *pending =
            florin_plan_leaves_out(transfer)
                ? florin_ledger_find_transfer(self->ledger, transfer->pending_id)
                : NULL;
        if (pending)
            self->sides[i] = (florin_sides_t){pending->transfer.debit_account_id,
                                              pending->transfer.credit_account_id};
    }
}

/* Counts an id, and once there is an array for it, keeps it. Ids that no row can have are for the
 * ledger to refuse. */
static void take_id(florin_id_t *ids, size_t *count, florin_id_t id)
{
    if (ids)
        ids[*count] = id;
    ++*count;
}

static void take_account(florin_plan_t *self, florin_id_t id)
{
    if (id == 0)
        return;
    size_t shard = florin_store_shard_of(self->store, id);
    florin_part_t *part = &self->parts[shard];
    self->touched |= florin_shards_of(shard);
    take_id(part->account_ids, &part->account_ids_count, id);
}

static void take_transfer(florin_plan_t *self, size_t shard, florin_id_t id)
{
    florin_part_t *part = &self->parts[shard];
    if (id == 0)
        return;
    self->touched |= florin_shards_of(shard);
    take_id(part->transfer_ids, &part->transfer_ids_count, id);
}

/* A transfer is read where its id lives, and where its debit account is locked: there it is certain
 * whether it has been written, and what became of it. */
static void take_both(florin_plan_t *self, florin_id_t id, florin_id_t debit)
{
    size_t place = florin_store_shard_of(self->store, id);
    size_t debit_place = florin_store_shard_of(self->store, debit);
    take_transfer(self, place, id);
    if (debit != 0 && debit_place != place)
        take_transfer(self, debit_place, id);
}

/* A dry run locks nothing, and so reads a pending transfer where its credit account is, too. */
static void take_event(florin_plan_t *self, florin_store_request_t *request, size_t index,
                       void *arg)
{
    (void)request, (void)arg;
    const florin_sides_t sides = florin_plan_accounts(self, index);
    const florin_named_t named = florin_plan_named(self, index);
    take_account(self, sides.debit);
    take_account(self, sides.credit);
    take_both(self, named.id, sides.debit);
    take_both(self, named.pending_id, sides.debit);
    if (self->dry && sides.credit != 0)
        take_transfer(self, florin_store_shard_of(self->store, sides.credit), named.pending_id);
}

static void take_limit(florin_plan_t *self, const florin_window_limit_t *limit)
{
    size_t shard = florin_store_shard_of(self->store, limit->account_id);
    florin_part_t *part = &self->parts[shard];
    if (!florin_shards_has(self->touched, shard))
        return; /* its request is out of this try */
    if (part->limits)
        part->limits[part->limits_count] = limit;
    part->limits_count++;
}

/* One pass over all that lives. */
static void take_all(florin_plan_t *self)
{
    florin_plan_each(self, take_event, NULL);
    for (size_t i = 0; i < self->limits_count; i++)
        take_limit(self, &self->limits[i]);
}

static int compare_ids(const void *one, const void *other)
{
    florin_id_t a = *(const florin_id_t *)one, b = *(const florin_id_t *)other;
    return (a > b) - (a < b);
}

/* Ascending, each once; returns how many are left. */
static size_t sort_ids(florin_id_t *ids, size_t count)
{
    size_t kept = 0;
    qsort(ids, count, sizeof *ids, compare_ids);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || ids[kept - 1] != ids[i])
            ids[kept++] = ids[i];
    return kept;
}

/* Counts, makes the arrays, fills and sorts them. */
bool florin_plan_touch(florin_plan_t *self)
{
    florin_arena_t *arena = self->store->arena;
    take_all(self);
    for (size_t i = 0; i < self->store->shards_count; i++) {
        florin_part_t *part = &self->parts[i];
        if (!florin_shards_has(self->touched, i))
            continue;
        part->account_ids =
            florin_arena_calloc(arena, part->account_ids_count + 1, sizeof *part->account_ids);
        part->transfer_ids =
            florin_arena_calloc(arena, part->transfer_ids_count + 1, sizeof *part->transfer_ids);
        part->places =
            florin_arena_calloc(arena, part->account_ids_count + 1, sizeof *part->places);
        part->limits = florin_arena_calloc(arena, part->limits_count + 1, sizeof *part->limits);
        if (!part->account_ids || !part->transfer_ids || !part->places || !part->limits)
            return false;
        part->account_ids_count = part->transfer_ids_count = part->limits_count = 0;
    }
    take_all(self);
    for (size_t i = 0; i < self->store->shards_count; i++) {
        florin_part_t *part = &self->parts[i];
        if (!florin_shards_has(self->touched, i))
            continue;
        part->account_ids_count = sort_ids(part->account_ids, part->account_ids_count);
        part->transfer_ids_count = sort_ids(part->transfer_ids, part->transfer_ids_count);
    }
    return true;
}

uint64_t florin_plan_row_place(const florin_part_t *part, florin_id_t account_id)
{
    const florin_id_t *found = bsearch(&account_id, part->account_ids, part->account_ids_count,
                                       sizeof account_id, compare_ids);
    assert(found); /* no other could have been loaded */
    return part->places[found - part->account_ids];
}

/* ----------------------------------------------------------------------------- what is to be
 * written */

static florin_shards_t shards_of_entry(const florin_plan_t *self, const florin_entry_t *entry)
{
    const florin_transfer_t *transfer = &entry->transfer;
    florin_shards_t shards = florin_plan_place(self, transfer->id);
    if (entry->result != FLORIN_TRANSFER_CREATED)
        return shards; /* refused for good: only its id is spent */
    return shards | florin_plan_place(self, transfer->debit_account_id) |
           florin_plan_place(self, transfer->credit_account_id);
}

static bool is_here(const florin_plan_t *self, florin_id_t id, size_t shard)
{
    return florin_store_shard_of(self->store, id) == shard;
}

static void take_written(florin_plan_t *self, const florin_account_t *account, bool opened)
{
    size_t shard = florin_store_shard_of(self->store, account->id);
    florin_part_t *part = &self->parts[shard];
    const florin_account_t **list = opened ? part->opened : part->changed;
    size_t *count = opened ? &part->opened_count : &part->changed_count;
    if (list)
        list[*count] = account;
    ++*count;
    self->writers |= florin_shards_of(shard);
}

static void take_entry(florin_plan_t *self, const florin_entry_t *entry)
{
    florin_shards_t shards = shards_of_entry(self, entry);
    bool created = entry->result == FLORIN_TRANSFER_CREATED;
    self->writers |= shards;
    for (size_t i = 0; i < self->store->shards_count; i++) {
        florin_part_t *part = &self->parts[i];
        if (!florin_shards_has(shards, i))
            continue;
        if (part->rows)
            part->rows[part->rows_count] = (florin_row_t){
                .entry = entry,
                .debit_here = created && is_here(self, entry->transfer.debit_account_id, i),
                .credit_here = created && is_here(self, entry->transfer.credit_account_id, i),
            };
        part->rows_count++;
    }
}

/* What became of a pending transfer stands wherever its row does. */
static void take_pending(florin_plan_t *self, const florin_pending_t *pending)
{
    const florin_transfer_t *transfer = pending->transfer;
    florin_shards_t shards = florin_plan_place(self, transfer->id) |
                             florin_plan_place(self, transfer->debit_account_id) |
                             florin_plan_place(self, transfer->credit_account_id);
    self->writers |= shards;
    for (size_t i = 0; i < self->store->shards_count; i++) {
        florin_part_t *part = &self->parts[i];
        if (!florin_shards_has(shards, i))
            continue;
        if (part->pendings)
            part->pendings[part->pendings_count] = (florin_pending_row_t){
                .pending = *pending,
                .debit_here = is_here(self, transfer->debit_account_id, i),
                .credit_here = is_here(self, transfer->credit_account_id, i),
            };
        part->pendings_count++;
    }
}

static void take_changes(florin_plan_t *self)
{
    for (size_t i = 0; i < florin_ledger_opened_count(self->ledger); i++)
        take_written(self, florin_ledger_opened(self->ledger, i), true);
    for (size_t i = 0; i < florin_ledger_changed_count(self->ledger); i++)
        take_written(self, florin_ledger_changed(self->ledger, i), false);
    for (size_t i = 0; i < florin_ledger_entries_count(self->ledger); i++)
        take_entry(self, florin_ledger_entry(self->ledger, i));
    for (size_t i = 0; i < florin_ledger_pendings_count(self->ledger); i++) {
        const florin_pending_t pending = florin_ledger_pending(self->ledger, i);
        take_pending(self, &pending);
    }
}

bool florin_plan_sort(florin_plan_t *self)
{
    florin_arena_t *arena = self->store->arena;
    take_changes(self);
    for (size_t i = 0; i < self->store->shards_count; i++) {
        florin_part_t *part = &self->parts[i];
        if (!florin_shards_has(self->writers, i))
            continue;
        part->opened = florin_arena_calloc(arena, part->opened_count + 1, sizeof *part->opened);
        part->changed = florin_arena_calloc(arena, part->changed_count + 1, sizeof *part->changed);
        part->rows = florin_arena_calloc(arena, part->rows_count + 1, sizeof *part->rows);
        part->pendings =
            florin_arena_calloc(arena, part->pendings_count + 1, sizeof *part->pendings);
        if (!part->opened || !part->changed || !part->rows || !part->pendings)
            return false;
        part->opened_count = part->changed_count = part->rows_count = part->pendings_count = 0;
    }
    take_changes(self);
    return true;
}
