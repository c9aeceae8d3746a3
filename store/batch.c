/* The kinds of batches, and the tries of one. */
#include "store/batch.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/failpoint.h"
#include "lib/log.h"

/* ------------------------------------------------------------------------------------- the kinds
 */

florin_shards_t florin_batch_place(const florin_batch_t *self, florin_id_t id)
{
    return id == 0 ? 0 : florin_shards_of(florin_store_shard_of(self->store, id));
}

static florin_sides_t opened_account(const florin_batch_t *self, size_t index)
{
    return (florin_sides_t){.debit = self->accounts[index].id};
}

static bool apply_accounts(florin_batch_t *self, size_t first, size_t count)
{
    return florin_ledger_open_accounts(self->ledger, self->accounts + first, count,
                                       self->account_outcomes + first);
}

static const florin_batch_kind_t accounts_kind = {.accounts = opened_account,
                                                  .apply = apply_accounts};

static florin_shards_t transfer_shards(const florin_batch_t *self, size_t index)
{
    const florin_transfer_t *transfer = &self->transfers[index].transfer;
    return florin_batch_place(self, transfer->id) | florin_batch_place(self, transfer->pending_id);
}

/* A transfer is read where its id lives, and where its debit account is locked: there it is certain
 * whether it has been written, and what became of it. */
static void take_both(florin_batch_t *self, florin_id_t id, florin_id_t debit)
{
    size_t place = florin_store_shard_of(self->store, id);
    size_t debit_place = florin_store_shard_of(self->store, debit);
    florin_batch_take_transfer(self, place, id);
    if (debit != 0 && debit_place != place)
        florin_batch_take_transfer(self, debit_place, id);
}

/* A dry run locks nothing, and so reads a pending transfer where its credit account is, too. */
static void take_transfer(florin_batch_t *self, size_t index)
{
    const florin_transfer_t *transfer = &self->transfers[index].transfer;
    const florin_sides_t sides = florin_batch_sides(self, index);
    take_both(self, transfer->id, sides.debit);
    take_both(self, transfer->pending_id, sides.debit);
    if (self->dry && sides.credit != 0)
        florin_batch_take_transfer(self, florin_store_shard_of(self->store, sides.credit),
                                   transfer->pending_id);
}

static bool apply_transfers(florin_batch_t *self, size_t first, size_t count)
{
    bool room = florin_ledger_create_transfers(self->ledger, self->transfers + first, count,
                                               self->transfer_outcomes + first);
    florin_batch_learn_sides(self, first, count);
    return room;
}

static const florin_batch_kind_t transfers_kind = {florin_batch_sides, transfer_shards,
                                                   take_transfer, apply_transfers};

/* An id's own shard alone: whoever creates a transfer of that id writes there, too, and the primary
 * key lets one of the two do it. */
static florin_shards_t settled_shards(const florin_batch_t *self, size_t index)
{
    return florin_batch_place(self, self->settled_ids[index]);
}

static void take_settled(florin_batch_t *self, size_t index)
{
    florin_id_t id = self->settled_ids[index];
    florin_batch_take_transfer(self, florin_store_shard_of(self->store, id), id);
}

static bool apply_settled(florin_batch_t *self, size_t first, size_t count)
{
    return florin_ledger_settle_transfers(self->ledger, self->settled_ids + first, count,
                                          self->transfer_outcomes + first);
}

static const florin_batch_kind_t settled_kind = {
    .shards = settled_shards, .take = take_settled, .apply = apply_settled};

static florin_sides_t limited_account(const florin_batch_t *self, size_t index)
{
    return (florin_sides_t){.debit = self->credit_limits[index].account_id};
}

static bool apply_limits(florin_batch_t *self, size_t first, size_t count)
{
    return florin_ledger_set_credit_limits(self->ledger, self->credit_limits + first, count,
                                           self->credit_limit_outcomes + first);
}

static const florin_batch_kind_t limits_kind = {.accounts = limited_account, .apply = apply_limits};

static florin_sides_t overdue_sides(const florin_batch_t *self, size_t index)
{
    return self->overdue[index].sides;
}

static florin_shards_t overdue_shards(const florin_batch_t *self, size_t index)
{
    return florin_batch_place(self, self->overdue[index].id);
}

static void take_overdue(florin_batch_t *self, size_t index)
{
    const florin_overdue_t *overdue = &self->overdue[index];
    take_both(self, overdue->id, overdue->sides.debit);
}

/* Each is a request of its own: one whose shards are away must not keep the others. */
static bool apply_overdue(florin_batch_t *self, size_t first, size_t count)
{
    size_t expired = 0;
    bool room = florin_ledger_expire(self->ledger, &self->overdue[first].id, count, &expired);
    *self->expired += expired;
    return room;
}

static const florin_batch_kind_t overdue_kind = {overdue_sides, overdue_shards, take_overdue,
                                                 apply_overdue};

/* ------------------------------------------------------------------------------------- the tries
 */

bool florin_request_lives(const florin_store_request_t *request)
{
    return request->error.code == 0;
}

florin_sides_t florin_batch_accounts(const florin_batch_t *self, size_t index)
{
    return self->kind->accounts ? self->kind->accounts(self, index) : (florin_sides_t){0};
}

static florin_shards_t shards_of_event(const florin_batch_t *self, size_t index)
{
    const florin_sides_t sides = florin_batch_accounts(self, index);
    florin_shards_t shards =
        florin_batch_place(self, sides.debit) | florin_batch_place(self, sides.credit);
    return self->kind->shards ? shards | self->kind->shards(self, index) : shards;
}

size_t florin_batch_living(const florin_batch_t *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->requests_count; i++)
        count += florin_request_lives(&self->requests[i]);
    return count;
}

void florin_batch_each(florin_batch_t *self, florin_visit_fn *visit, void *arg)
{
    for (size_t i = 0, event = 0; i < self->requests_count; i++) {
        florin_store_request_t *request = &self->requests[i];
        size_t end = event + request->events_count;
        for (; event < end && florin_request_lives(request); event++)
            visit(self, request, event, arg);
        event = end;
    }
}

typedef struct {
    florin_shards_t shards;
    const florin_error_t *error;
} failure_t;

static void fail_there(florin_batch_t *self, florin_store_request_t *request, size_t event,
                       void *arg)
{
    const failure_t *failure = arg;
    if (shards_of_event(self, event) & failure->shards)
        request->error = *failure->error;
}

void florin_batch_fail(florin_batch_t *self, florin_shards_t shards, const florin_error_t *error)
{
    florin_batch_each(self, fail_there, &(failure_t){shards, error});
}

/* Fails all that lives, wherever it lies. */
static void fail_all(florin_batch_t *self, const florin_error_t *error)
{
    for (size_t i = 0; i < self->requests_count; i++)
        if (florin_request_lives(&self->requests[i]))
            self->requests[i].error = *error;
}

bool florin_batch_faults(florin_batch_t *self, florin_shards_t shards, bool reading)
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
        } else {
            florin_log(FLORIN_LOG_WARN, "shard_fault", "%s", session->error.message);
            florin_batch_fail(self, florin_shards_of(i), &session->error);
        }
    }
    return any;
}

/* Lets the ledger decide, request by request. */
static void apply(florin_batch_t *self)
{
    size_t event = 0;
    if (self->expired)
        *self->expired = 0;
    for (size_t i = 0; i < self->requests_count; i++) {
        florin_store_request_t *request = &self->requests[i];
        if (florin_request_lives(request) && !self->kind->apply(self, event, request->events_count))
            florin_error_set(&request->error, FLORIN_ERROR_TOO_LARGE,
                             "more accounts than one batch can hold; split the request");
        event += request->events_count;
    }
}

static florin_step_t write(florin_batch_t *self)
{
    if (florin_batch_sort(self))
        return florin_batch_commit(self);
    florin_error_t error;
    florin_error_set(&error, FLORIN_ERROR_MEMORY, "no memory to write the batch");
    fail_all(self, &error);
    return FLORIN_STEP_AGAIN;
}

static florin_step_t try_once(florin_batch_t *self, florin_overdue_t *overdue,
                              size_t *overdue_count)
{
    florin_arena_reset(self->store->arena);
    memset(self->parts, 0, sizeof self->parts);
    self->touched = self->writers = 0;
    self->sides = NULL;
    randombytes_buf(&self->id, sizeof self->id);
    florin_step_t step = florin_batch_read(self, overdue, overdue_count);
    FLORIN_FAILPOINT("store_locked");
    if (step == FLORIN_STEP_DONE) {
        apply(self);
        FLORIN_FAILPOINT("store_applied");
        if (!self->dry)
            step = write(self);
    }
    if (step != FLORIN_STEP_DONE || self->dry)
        florin_batch_roll_back(self);
    return step;
}

/* Those who met pause for different times, so that they do not meet again. */
static void pause_between(unsigned tries)
{
    uint32_t most_ms = 2u << tries;
    uint32_t pause_us = 1000 + randombytes_uniform(most_ms * 1000);
    nanosleep(&(struct timespec){.tv_nsec = (long)pause_us * 1000}, NULL);
}

static size_t release_overdue(florin_store_t *store, florin_ledger_t *ledger,
                              const florin_overdue_t *overdue, size_t count);

/* Each turn of the loop ends it, sweeps for the only time, counts a try, or leaves fewer requests.
 */
static void run(florin_batch_t *self)
{
    florin_overdue_t overdue[FLORIN_OVERDUE_MAX];
    size_t overdue_count = 0;
    uint64_t deadline_ms = florin_store_deadline(self->store);
    unsigned tries = 0;
    while (florin_batch_living(self) > 0) {
        size_t before = florin_batch_living(self);
        florin_step_t step = try_once(self, overdue, &overdue_count);
        if (step == FLORIN_STEP_DONE)
            return;
        if (step == FLORIN_STEP_SWEEP) {
            self->swept = true;
            (void)release_overdue(self->store, self->ledger, overdue, overdue_count);
            continue;
        }
        if (florin_batch_living(self) < before)
            continue;
        tries++;
        if (tries == FLORIN_BATCH_TRIES_MAX || florin_clock_ms() >= deadline_ms) {
            florin_error_t error;
            florin_error_set(&error, FLORIN_ERROR_CONFLICT,
                             "gave way to other transactions %u times; try again (%.300s)", tries,
                             self->conflict.message);
            fail_all(self, &error);
            return;
        }
        pause_between(tries);
    }
}

/* Checks what the caller brings, reads the map, and runs the batch. */
static int start(florin_batch_t *self, florin_error_t *error)
{
    size_t events = 0;
    for (size_t i = 0; i < self->requests_count; i++) {
        florin_store_request_t *request = &self->requests[i];
        request->error.code = 0;
        if (request->events_count == 0 || request->events_count > FLORIN_BATCH_EVENTS_MAX - events)
            return florin_error_set(error, FLORIN_ERROR_TOO_LARGE,
                                    "a batch has 1 to %d events, and each request at least one",
                                    FLORIN_BATCH_EVENTS_MAX);
        events += request->events_count;
    }
    for (size_t i = 0; i < self->limits_count; i++)
        if (self->limits[i].count_max > FLORIN_WINDOW_COUNT_MAX)
            return florin_error_set(error, FLORIN_ERROR_INVALID,
                                    "limits[%zu].count_max: %u is more than %d", i,
                                    self->limits[i].count_max, FLORIN_WINDOW_COUNT_MAX);
    int result = florin_store_map(self->store, error);
    if (result == 0)
        run(self);
    return result;
}

/* ------------------------------------------------------------------------------------- the calls
 */

int florin_store_open_accounts(florin_store_t *self, florin_ledger_t *ledger,
                               const florin_account_t *events, florin_account_outcome_t *outcomes,
                               florin_store_request_t *requests, size_t requests_count,
                               florin_error_t *error)
{
    florin_batch_t batch = {.store = self,
                            .ledger = ledger,
                            .kind = &accounts_kind,
                            .accounts = events,
                            .account_outcomes = outcomes,
                            .requests = requests,
                            .requests_count = requests_count};
    return start(&batch, error);
}

int florin_store_create_transfers(florin_store_t *self, florin_ledger_t *ledger,
                                  const florin_transfer_event_t *events,
                                  florin_transfer_outcome_t *outcomes,
                                  florin_store_request_t *requests, size_t requests_count,
                                  const florin_window_limit_t *limits, size_t limits_count,
                                  florin_error_t *error)
{
    florin_batch_t batch = {.store = self,
                            .ledger = ledger,
                            .kind = &transfers_kind,
                            .transfers = events,
                            .transfer_outcomes = outcomes,
                            .requests = requests,
                            .requests_count = requests_count,
                            .limits = limits,
                            .limits_count = limits_count};
    return start(&batch, error);
}

int florin_store_try_transfers(florin_store_t *self, florin_ledger_t *ledger,
                               const florin_transfer_event_t *events,
                               florin_transfer_outcome_t *outcomes, size_t count,
                               const florin_window_limit_t *limits, size_t limits_count,
                               florin_error_t *error)
{
    florin_store_request_t request = {.events_count = count};
    florin_batch_t batch = {.store = self,
                            .ledger = ledger,
                            .kind = &transfers_kind,
                            .transfers = events,
                            .transfer_outcomes = outcomes,
                            .requests = &request,
                            .requests_count = 1,
                            .limits = limits,
                            .limits_count = limits_count,
                            .dry = true};
    int result = start(&batch, error);
    if (result != 0 || request.error.code == 0)
        return result;
    return florin_error_set(error, request.error.code, "%s", request.error.message);
}

int florin_store_settle_transfers(florin_store_t *self, florin_ledger_t *ledger,
                                  const florin_id_t *ids, florin_transfer_outcome_t *outcomes,
                                  florin_store_request_t *requests, size_t requests_count,
                                  florin_error_t *error)
{
    florin_batch_t batch = {.store = self,
                            .ledger = ledger,
                            .kind = &settled_kind,
                            .settled_ids = ids,
                            .transfer_outcomes = outcomes,
                            .requests = requests,
                            .requests_count = requests_count};
    return start(&batch, error);
}

int florin_store_set_credit_limits(florin_store_t *self, florin_ledger_t *ledger,
                                   const florin_limit_event_t *events,
                                   florin_limit_outcome_t *outcomes,
                                   florin_store_request_t *requests, size_t requests_count,
                                   florin_error_t *error)
{
    florin_batch_t batch = {.store = self,
                            .ledger = ledger,
                            .kind = &limits_kind,
                            .credit_limits = events,
                            .credit_limit_outcomes = outcomes,
                            .requests = requests,
                            .requests_count = requests_count};
    return start(&batch, error);
}

/* Returns how many were released; those that could not be are tried again by the next one who
 * looks. */
static size_t release_overdue(florin_store_t *store, florin_ledger_t *ledger,
                              const florin_overdue_t *overdue, size_t count)
{
    florin_store_request_t requests[FLORIN_OVERDUE_MAX];
    florin_error_t error;
    size_t expired = 0;
    for (size_t i = 0; i < count; i++)
        requests[i] = (florin_store_request_t){.events_count = 1};
    florin_batch_t batch = {.store = store,
                            .ledger = ledger,
                            .kind = &overdue_kind,
                            .overdue = overdue,
                            .expired = &expired,
                            .requests = requests,
                            .requests_count = count,
                            .swept = true};
    if (start(&batch, &error) != 0) {
        florin_log(FLORIN_LOG_WARN, "expiry_failed", "%s", error.message);
        return 0;
    }
    return expired;
}

/* What one shard has that is overdue. */
static void add_overdue(florin_session_t *session, size_t shard, void *arg)
{
    florin_params_t params;
    (void)shard;
    florin_params_init(&params, arg);
    florin_params_u64(&params, florin_clock_unix_ns());
    florin_params_u64(&params, FLORIN_OVERDUE_LOOK);
    florin_session_call(session, FLORIN_SQL_OVERDUE, &params);
}

/* Takes what a shard has found that can be released now: what lies on these shards alone. Each is
 * found on its other shards, too; the one of its debit account counts. */
static size_t take_found(const florin_store_t *self, size_t shard, florin_shards_t shards,
                         florin_overdue_t *overdue, size_t count)
{
    const PGresult *rows = florin_session_result(&self->shards[shard], 0);
    for (int i = 0; i < PQntuples(rows) && count < FLORIN_OVERDUE_MAX; i++) {
        const florin_overdue_t found = florin_row_overdue(rows, i);
        if (florin_store_shard_of(self, found.sides.debit) == shard &&
            florin_shards_has(shards, florin_store_shard_of(self, found.sides.credit)) &&
            florin_shards_has(shards, florin_store_shard_of(self, found.id)))
            overdue[count++] = found;
    }
    return count;
}

int florin_store_expire(florin_store_t *self, florin_ledger_t *ledger, size_t *expired,
                        florin_error_t *error)
{
    florin_overdue_t overdue[FLORIN_OVERDUE_MAX];
    florin_shards_t answered = 0;
    size_t count = 0;
    *expired = 0;
    int result = florin_store_map(self, error);
    if (result != 0)
        return result;
    florin_arena_reset(self->arena);
    for (size_t i = 0; i < self->shards_count; i++) {
        int code = florin_store_read(self, florin_shards_of(i), add_overdue, self->arena, error);
        if (code == 0)
            answered |= florin_shards_of(i);
        else
            result = code;
    }
    for (size_t i = 0; i < self->shards_count; i++)
        if (florin_shards_has(answered, i))
            count = take_found(self, i, answered, overdue, count);
    if (count > 0)
        *expired = release_overdue(self, ledger, overdue, count);
    return answered ? 0 : result;
}
