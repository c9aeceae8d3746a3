#include "store/batch/lock.h"

#include <string.h>

#include "lib/clock.h"
#include "store/batch/aside.h"
#include "store/batch/kept.h"
#include "store/sound.h"
#include "store/windows.h"

/* ------------------------------------------------------------------------------ what is left out
 *
 * A post or a void may leave its accounts to the pending transfer. That one never changes once it
 * is there, so it can be read ahead, without locks. */

/* The pending transfers to read, by shard. */
typedef struct {
    florin_arena_t *arena;
    size_t events_count; /* of the batch */
    bool no_memory;
    florin_shards_t shards;
    florin_id_t *ids[FLORIN_SHARDS_MAX];
    size_t counts[FLORIN_SHARDS_MAX];
} wanted_t;

static void add_wanted(florin_session_t *session, size_t shard, void *arg)
{
    const wanted_t *wanted = arg;
    florin_params_t params;
    florin_params_init(&params, wanted->arena);
    florin_params_ids(&params, wanted->ids[shard], wanted->counts[shard]);
    florin_session_call(session, FLORIN_SQL_PENDING_ACCOUNTS, &params);
}

static void want_one(florin_plan_t *self, florin_store_request_t *request, size_t event, void *arg)
{
    (void)request;
    wanted_t *wanted = arg;
    florin_id_t id = self->transfers[event].transfer.pending_id;
    size_t shard = florin_store_shard_of(self->store, id);
    if (!florin_plan_leaves_out(&self->transfers[event].transfer))
        return;
    if (!wanted->ids[shard])
        wanted->ids[shard] =
            florin_arena_calloc(wanted->arena, wanted->events_count, sizeof(florin_id_t));
    if (!wanted->ids[shard]) {
        wanted->no_memory = true;
        return;
    }
    wanted->ids[shard][wanted->counts[shard]++] = id;
    wanted->shards |= florin_shards_of(shard);
}

/* One that is not there yet may be made by this very batch: its own event names its accounts. */
static void read_sides(florin_plan_t *self, florin_shards_t shards, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        florin_id_t id = self->transfers[i].transfer.pending_id;
        size_t shard = florin_store_shard_of(self->store, id);
        if (!florin_plan_leaves_out(&self->transfers[i].transfer) ||
            !florin_shards_has(shards, shard))
            continue;
        const PGresult *rows = florin_session_result(&self->store->shards[shard], 0);
        int row = florin_row_find(rows, id);
        if (row >= 0)
            self->sides[i] = florin_row_overdue(rows, row).sides;
    }
}

/* One by one, to fail only the requests of those that do not answer. */
static void find_silent(florin_plan_t *self, wanted_t *wanted)
{
    for (size_t i = 0; i < self->store->shards_count; i++) {
        florin_error_t error;
        if (florin_shards_has(wanted->shards, i) &&
            florin_store_read(self->store, florin_shards_of(i), add_wanted, wanted, &error) != 0)
            florin_plan_fail(self, florin_shards_of(i), &error);
    }
}

/* False when a shard did not answer: its requests have their error. */
static bool read_ahead(florin_plan_t *self)
{
    wanted_t wanted = {.arena = self->store->arena, .events_count = florin_plan_events(self)};
    if (self->transfers)
        florin_plan_each(self, want_one, &wanted);
    if (!wanted.no_memory && !wanted.shards)
        return true;
    if (!wanted.no_memory)
        self->sides = florin_arena_calloc(wanted.arena, wanted.events_count, sizeof *self->sides);
    if (!self->sides) {
        florin_error_t error;
        florin_error_set(&error, FLORIN_ERROR_MEMORY, "no memory to read pending transfers");
        florin_plan_fail(self, ~(florin_shards_t)0, &error);
        return false;
    }
    if (florin_store_read(self->store, wanted.shards, add_wanted, &wanted, &self->conflict) != 0) {
        find_silent(self, &wanted);
        return false;
    }
    read_sides(self, wanted.shards, wanted.events_count);
    return true;
}

/* ------------------------------------------------------------------------------------- the reads
 */

/* The sessions come first: a shard that is away is found out before anything is locked. */
static bool open_sessions(florin_plan_t *self)
{
    bool all = true;
    for (size_t i = 0; i < self->store->shards_count; i++) {
        florin_error_t error;
        if (!florin_shards_has(self->touched, i) ||
            florin_store_open_shard(self->store, i, &error) == 0)
            continue;
        if (self->store->map_wrong)
            florin_plan_moved(self, i, &error);
        else
            florin_plan_fail(self, florin_shards_of(i), &error);
        all = false;
    }
    return all;
}

/* Whether the database is the shard that the map takes it for, and lets this program write. It
 * stays so until this transaction ends. */
static bool fence_holds(florin_plan_t *self, size_t shard)
{
    const PGresult *row = florin_session_result(&self->store->shards[shard], 1);
    uint32_t writes_from = florin_column_u32(row, 0, 4);
    florin_error_t error;
    if (!self->dry && writes_from > FLORIN_SCHEMA_SHARD) {
        (void)florin_store_too_old(self->store, shard, writes_from, &error);
        florin_plan_fail(self, florin_shards_of(shard), &error);
        return false;
    }
    if (!PQgetisnull(row, 0, 3) && florin_column_u64(row, 0, 3) == self->store->epochs[shard])
        return true;
    (void)florin_store_moved(self->store, shard, &error);
    florin_plan_moved(self, shard, &error);
    return false;
}

static florin_statement_t accounts_statement(const florin_plan_t *self)
{
    if (self->dry)
        return FLORIN_SQL_ACCOUNTS;
    return self->yields ? FLORIN_SQL_ACCOUNTS_LOCK_FREE : FLORIN_SQL_ACCOUNTS_LOCK;
}

/* A chain is of one connection, so that what a server lost with it is never followed by more; and
 * it has to have room for all that a batch may write. */
static bool begins_chain(const florin_plan_t *self, size_t shard)
{
    const florin_store_t *store = self->store;
    const florin_chain_t *chain = &store->chains[shard];
    return chain->key.known && !self->dry &&
           (chain->next == 0 || store->chain_since[shard] != store->shards[shard].openings ||
            florin_place_number(chain->next) > FLORIN_CHAIN_NUMBER_MAX);
}

/* One round: begin, hold, lock, and read what must be read under the locks. Each statement sees
 * all that was committed before it got its locks, and whoever asks for the hold later waits for
 * the end of this transaction. */
static void add_reads(florin_plan_t *self, size_t shard)
{
    florin_session_t *session = &self->store->shards[shard];
    florin_part_t *part = &self->parts[shard];
    florin_params_t params;
    part->sent_ns = florin_clock_boot_ns();
    florin_session_begin(session);
    florin_session_command(session, self->dry ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                                              : "BEGIN ISOLATION LEVEL READ COMMITTED");
    florin_params_init(&params, self->store->arena);
    florin_params_u64(&params, (uint64_t)self->id);
    florin_session_call(
        session, begins_chain(self, shard) ? FLORIN_SQL_HOLD_AND_BEGIN_CHAIN : FLORIN_SQL_HOLD,
        &params);
    if (part->account_ids_count > 0) {
        florin_params_init(&params, self->store->arena);
        florin_params_ids(&params, part->account_ids, part->account_ids_count);
        florin_session_call(session, accounts_statement(self), &params);
        if (self->yields)
            florin_session_call(session, FLORIN_SQL_ACCOUNTS, &params);
    }
    if (part->transfer_ids_count > 0) {
        florin_params_init(&params, self->store->arena);
        florin_params_ids(&params, part->transfer_ids, part->transfer_ids_count);
        florin_session_call(session, FLORIN_SQL_TRANSFERS, &params);
    }
    if (part->limits_count > 0) {
        florin_params_init(&params, self->store->arena);
        florin_windows_params(&params, part->limits, part->limits_count, self->now);
        florin_session_call(session, FLORIN_SQL_WINDOWS, &params);
    }
    florin_session_sync(session);
    part->state = FLORIN_PART_OPEN;
}

/* What the hold says: our transaction, and the chain if one begins. */
static void load_hold(florin_plan_t *self, size_t shard, const PGresult *hold)
{
    enum { CHAIN = 5 };
    self->parts[shard].transaction = florin_column_u64(hold, 0, 1);
    if (PQnfields(hold) <= CHAIN)
        return;
    self->store->chains[shard].next = florin_place_first(florin_column_u64(hold, 0, CHAIN));
    self->store->chain_since[shard] = self->store->shards[shard].openings;
}

/* Rows come in the order of their ids, as they were asked for. The ledger has room for them all:
 * see limits.h. False when there is no memory for what must be set aside. */
static bool load_accounts(florin_plan_t *self, florin_part_t *part, const PGresult *rows)
{
    size_t count = (size_t)PQntuples(rows);
    uint64_t latest = self->now + florin_clocks_bound_ns(self->store->clocks);
    size_t asked = 0;
    for (int i = 0; i < PQntuples(rows); i++) {
        florin_account_t account;
        const char *why = florin_row_account(rows, i, &account);
        if (!why && account.timestamp_last > latest)
            why = "its timestamp_last is in the future";
        if (why && !florin_batch_set_aside(self, &part->odd_accounts, count, account.id, why))
            return false;
        if (why)
            continue;
        while (asked < part->account_ids_count && part->account_ids[asked] < account.id)
            asked++;
        if (asked == part->account_ids_count || part->account_ids[asked] != account.id)
            continue; /* nobody asked for it: an index is broken */
        if (!self->dry)
            part->places[asked] = florin_column_u64(rows, i, FLORIN_ACCOUNT_PLACE_COLUMN);
        if (!self->dry)
            account.place = florin_column_u64(rows, i, FLORIN_ACCOUNT_CHAIN_COLUMN);
        florin_aside_clear(self->store, account.id);
        (void)florin_ledger_load_account(self->ledger, &account);
    }
    return true;
}

/* What posts or voids a pending transfer may inherit its reference. It is written in another round,
 * which begins with freeing these rows. */
static bool keep_reference(florin_plan_t *self, florin_transfer_t *transfer)
{
    if (!(transfer->flags & FLORIN_TRANSFER_FLAG_PENDING) || transfer->reference_bytes == 0)
        return true;
    char *kept = florin_arena_alloc(self->store->arena, transfer->reference_bytes);
    if (!kept)
        return false;
    memcpy(kept, transfer->reference, transfer->reference_bytes);
    transfer->reference = kept;
    return true;
}

/* What became of a pending transfer counts as its debit account's shard tells it: that account is
 * locked. One that two shards have is loaded once, and must be the same on both. */
static bool load_transfers(florin_plan_t *self, size_t shard, const PGresult *rows)
{
    florin_odd_rows_t *odd = &self->parts[shard].odd_transfers;
    size_t count = (size_t)PQntuples(rows);
    for (int i = 0; i < PQntuples(rows); i++) {
        florin_entry_t entry;
        const char *why = florin_row_entry(rows, i, &entry);
        const florin_entry_t *copy =
            why ? NULL : florin_ledger_find_transfer(self->ledger, entry.transfer.id);
        if (copy)
            why = florin_sound_copies(&copy->transfer, &entry.transfer);
        if (why && !florin_batch_set_aside(self, odd, count, entry.transfer.id, why))
            return false;
        if (why)
            continue;
        if (!keep_reference(self, &entry.transfer))
            return false;
        (void)florin_ledger_load_entry(self->ledger, &entry.transfer, entry.result);
        if (entry.pending != FLORIN_PENDING_NONE &&
            florin_store_shard_of(self->store, entry.transfer.debit_account_id) == shard)
            (void)florin_ledger_load_pending(self->ledger, entry.transfer.id, entry.pending);
    }
    return true;
}

/* An account that is not there needs no window. */
static void load_windows(florin_plan_t *self, const florin_part_t *part, const PGresult *rows)
{
    for (int i = 0; i < PQntuples(rows); i++) {
        florin_window_t window;
        florin_windows_row(rows, i, part->limits, part->limits_count, &window);
        (void)florin_ledger_load_window(self->ledger, &window);
    }
}

/* What add_reads asked for, in the same order. False when there is no memory. */
static bool load(florin_plan_t *self, size_t shard)
{
    const florin_session_t *session = &self->store->shards[shard];
    florin_part_t *part = &self->parts[shard];
    const PGresult *held = florin_session_result(session, 1);
    load_hold(self, shard, held);
    florin_store_take_clock(self->store, shard, held, 2, part->sent_ns, part->received_ns);
    size_t index = 2; /* after BEGIN and the hold */
    if (part->account_ids_count > 0 &&
        !load_accounts(self, part, florin_session_result(session, index++)))
        return false;
    if (part->account_ids_count > 0 && self->yields)
        part->seen = florin_session_result(session, index++);
    if (part->transfer_ids_count > 0) {
        part->transfers = florin_session_result(session, index++);
        if (!load_transfers(self, shard, part->transfers))
            return false;
    }
    if (part->limits_count > 0)
        load_windows(self, part, florin_session_result(session, index));
    return true;
}

/* Whether an account is there, and was left out when those that are free were locked. */
static bool is_locked(const florin_plan_t *self, florin_id_t id)
{
    return !florin_ledger_account(self->ledger, id) &&
           florin_row_find(self->parts[florin_store_shard_of(self->store, id)].seen, id) >= 0;
}

static void leave_locked(florin_plan_t *self, florin_store_request_t *request, size_t event,
                         void *arg)
{
    (void)arg;
    const florin_sides_t sides = florin_plan_accounts(self, event);
    bool debit = is_locked(self, sides.debit);
    char id[FLORIN_ID_TEXT_BYTES];
    if (debit || is_locked(self, sides.credit))
        florin_error_set(&request->error, FLORIN_ERROR_CONFLICT, "account %s is locked",
                         florin_id_format_uuid(debit ? sides.debit : sides.credit, id));
}

/* A pending transfer that came between reading ahead and locking. Its accounts are not locked but
 * by chance, and what became of it was not read where they are. */
static bool came_late(florin_plan_t *self)
{
    size_t count = self->sides ? florin_plan_events(self) : 0;
    for (size_t i = 0; i < count; i++) {
        const florin_transfer_t *transfer = &self->transfers[i].transfer;
        const florin_sides_t sides = florin_plan_sides(self, i);
        const florin_entry_t *pending =
            florin_plan_leaves_out(transfer) && (sides.debit == 0 || sides.credit == 0)
                ? florin_ledger_find_transfer(self->ledger, transfer->pending_id)
                : NULL;
        if (pending && pending->pending != FLORIN_PENDING_NONE) {
            florin_error_set(&self->conflict, FLORIN_ERROR_CONFLICT,
                             "a pending transfer came at the same moment");
            return true;
        }
    }
    return false;
}

/* A batch that is being committed may be seen on one shard and not yet on another. A transfer that
 * is not there yet where its id lives is waited for: else it would be decided once more. */
static bool came_in_part(florin_plan_t *self)
{
    for (size_t i = 0; i < self->store->shards_count; i++) {
        const PGresult *rows = self->parts[i].transfers;
        for (int row = 0; row < PQntuples(rows); row++) {
            florin_id_t id = florin_column_id(rows, row, 0);
            size_t place = florin_store_shard_of(self->store, id);
            if (place != i && florin_row_find(self->parts[place].transfers, id) < 0) {
                florin_error_set(&self->conflict, FLORIN_ERROR_CONFLICT,
                                 "a transfer is being committed at the same moment");
                return true;
            }
        }
    }
    return false;
}

/* What became of a pending transfer, as the shard of one of its accounts tells it. */
static uint32_t status_at(const florin_plan_t *self, florin_id_t id, florin_id_t account)
{
    const PGresult *rows = self->parts[florin_store_shard_of(self->store, account)].transfers;
    int row = florin_row_find(rows, id);
    return row < 0 ? FLORIN_PENDING_NONE : florin_column_u32(rows, row, FLORIN_TRANSFER_COLUMNS);
}

/* A dry run may see a pending transfer made or resolved on one of its shards and not yet on those
 * of its accounts. What it would leave there can't be told from such balances. */
static bool resolved_in_part(florin_plan_t *self)
{
    size_t count = self->dry ? florin_plan_events(self) : 0;
    for (size_t i = 0; i < count; i++) {
        florin_id_t id = self->transfers[i].transfer.pending_id;
        const florin_sides_t sides = florin_plan_sides(self, i);
        const florin_entry_t *pending = florin_ledger_find_transfer(self->ledger, id);
        if (!pending || pending->pending == FLORIN_PENDING_NONE ||
            pending->transfer.debit_account_id != sides.debit ||
            pending->transfer.credit_account_id != sides.credit)
            continue; /* the ledger says what is wrong */
        uint32_t debit = status_at(self, id, sides.debit);
        uint32_t credit = status_at(self, id, sides.credit);
        if (debit != credit || debit == FLORIN_PENDING_NONE) {
            florin_error_set(&self->conflict, FLORIN_ERROR_CONFLICT,
                             "a pending transfer is being resolved at the same moment");
            return true;
        }
    }
    return false;
}

static florin_step_t no_memory(florin_plan_t *self)
{
    florin_error_t error;
    florin_error_set(&error, FLORIN_ERROR_MEMORY, "no memory to read the batch");
    florin_plan_fail(self, ~(florin_shards_t)0, &error);
    return FLORIN_STEP_AGAIN;
}

florin_step_t florin_batch_read(florin_plan_t *self)
{
    if (!read_ahead(self))
        return FLORIN_STEP_AGAIN;
    if (!florin_plan_touch(self))
        return no_memory(self);
    bool waits = !self->dry && !self->yields;
    if (!open_sessions(self) || (waits && !florin_batch_avoid_kept(self)))
        return FLORIN_STEP_AGAIN;
    florin_error_t aside;
    if (florin_store_now(self->store, &self->now, &aside) != 0) {
        florin_plan_fail(self, ~(florin_shards_t)0, &aside);
        return FLORIN_STEP_AGAIN;
    }
    uint64_t from_ms = florin_clock_ms();
    for (size_t i = 0; i < self->store->shards_count; i++) {
        if (!florin_shards_has(self->touched, i))
            continue;
        if (florin_clock_ms() - from_ms > self->store->timeouts.lock_timeout_ms) {
            florin_error_set(&self->conflict, FLORIN_ERROR_CONFLICT,
                             "the locks of several shards took too long");
            return FLORIN_STEP_AGAIN;
        }
        add_reads(self, i);
        florin_store_wait(self->store, florin_shards_of(i), florin_store_deadline(self->store));
        self->parts[i].received_ns = florin_clock_boot_ns();
        if (self->store->shards[i].fault == FLORIN_FAULT_CONFLICT)
            florin_batch_lock_failed(self, i);
        if (florin_plan_faults(self, florin_shards_of(i), true) || !fence_holds(self, i))
            return FLORIN_STEP_AGAIN;
    }
    florin_ledger_reset(self->ledger, self->now);
    for (size_t i = 0; i < self->store->shards_count; i++)
        if (florin_shards_has(self->touched, i) && !load(self, i))
            return no_memory(self);
    if (!florin_batch_avoid_odd(self))
        return FLORIN_STEP_AGAIN;
    if (self->yields)
        florin_plan_each(self, leave_locked, NULL);
    bool again = came_late(self) || came_in_part(self) || resolved_in_part(self);
    return again ? FLORIN_STEP_AGAIN : FLORIN_STEP_DONE;
}
