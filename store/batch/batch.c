/* The tries of a batch, and the calls that make one. */
#include "store/batch/batch.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/failpoint.h"
#include "store/batch/aside.h"
#include "store/batch/commit.h"
#include "store/batch/kinds.h"
#include "store/batch/lock.h"
#include "store/batch/overdue.h"

/* ------------------------------------------------------------------------------------- the tries
 */

/* Fails all that lives, wherever it lies. */
static void fail_all(florin_plan_t *self, const florin_error_t *error)
{
    for (size_t i = 0; i < self->requests_count; i++)
        if (florin_plan_lives(self, &self->requests[i]))
            self->requests[i].error = *error;
}

/* Lets the ledger decide, request by request. False when it met what cannot be: nothing of it may
 * be written, and the next try goes without the requests that brought it there. */
static bool apply(florin_plan_t *self)
{
    size_t event = 0;
    bool possible = true;
    if (self->expired)
        *self->expired = 0;
    for (size_t i = 0; i < self->requests_count; i++) {
        florin_store_request_t *request = &self->requests[i];
        size_t first = event;
        event += request->events_count;
        if (!florin_plan_lives(self, request))
            continue;
        if (!self->kind->apply(self, first, request->events_count)) {
            florin_error_set(&request->error, FLORIN_ERROR_TOO_LARGE,
                             "more accounts than one batch can hold; split the request");
            continue;
        }
        florin_id_t impossible = florin_ledger_impossible(self->ledger);
        if (impossible != 0) {
            possible = false;
            florin_batch_fail_impossible(self, request, impossible);
        }
    }
    return possible;
}

static florin_step_t write(florin_plan_t *self)
{
    if (florin_plan_sort(self))
        return florin_batch_commit(self);
    florin_error_t error;
    florin_error_set(&error, FLORIN_ERROR_MEMORY, "no memory to write the batch");
    fail_all(self, &error);
    return FLORIN_STEP_AGAIN;
}

static florin_step_t try_once(florin_plan_t *self, florin_held_t *held)
{
    florin_arena_reset(self->store->arena);
    memset(self->parts, 0, sizeof self->parts);
    self->touched = self->writers = 0;
    self->sides = NULL;
    randombytes_buf(&self->id, sizeof self->id);
    florin_store_follow_map(self->store);
    florin_step_t step = florin_batch_read(self);
    FLORIN_FAILPOINT("store_locked");
    if (step == FLORIN_STEP_DONE) {
        bool possible = apply(self);
        FLORIN_FAILPOINT("store_applied");
        step = possible ? florin_overdue_look(self, held) : FLORIN_STEP_AGAIN;
    }
    if (step == FLORIN_STEP_DONE && !self->dry)
        step = write(self);
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

/* Releases what is in the way, as a batch of its own. The rest of this one waits for it no longer
 * than for a lock. A dry run releases nothing. */
static void make_way(florin_plan_t *self, florin_held_t *held)
{
    florin_error_t error;
    if (self->sweep_until_ms == 0)
        self->sweep_until_ms = florin_clock_ms() + self->store->timeouts.lock_timeout_ms;
    florin_store_request_t *releases =
        self->dry || florin_clock_ms() >= self->sweep_until_ms
            ? NULL
            : florin_arena_calloc(self->store->arena, held->overdue_count, sizeof *releases);
    if (!releases) {
        florin_overdue_give_up(held);
        return;
    }
    (void)florin_batch_release(self->store, self->ledger, held->overdue, releases,
                               held->overdue_count, false, &error);
    florin_overdue_judge(held, releases);
}

/* What conflicts told last; whoever needs more tries than these is told it. */
static void give_way(florin_plan_t *self, unsigned tries)
{
    florin_error_t error;
    florin_error_set(&error, FLORIN_ERROR_CONFLICT,
                     "gave way to other transactions %u times; try again (%.300s)", tries,
                     self->conflict.message);
    fail_all(self, &error);
}

/* Tries this part until it is done, or a server has refused several requests for what may be the
 * fault of one: then nothing of it is done, and it is false. Each turn of the loop ends it, counts
 * a try, leaves fewer requests, or makes way for them, which ends with its time. */
static bool run_part(florin_plan_t *self, uint64_t deadline_ms)
{
    florin_held_t held = {0};
    unsigned tries = 0;
    while (florin_plan_living(self) > 0) {
        size_t before = florin_plan_living(self);
        self->refused = self->collided = false;
        florin_step_t step = try_once(self, &held);
        if (step == FLORIN_STEP_DONE)
            return true;
        if (step == FLORIN_STEP_SWEEP) {
            make_way(self, &held);
            continue;
        }
        if (self->refused)
            return false;
        if (florin_plan_living(self) < before)
            continue;
        tries++;
        if (tries == FLORIN_BATCH_TRIES_MAX || florin_clock_ms() >= deadline_ms) {
            if (self->collided && before > 1)
                return false;
            give_way(self, tries);
            return true;
        }
        pause_between(tries);
    }
    return true;
}

/* All requests in one part; after a refusal its first half, and so on, until the one to blame is
 * alone with its error. What follows a part that is done is the next part, as a whole. */
static void run(florin_plan_t *self)
{
    uint64_t deadline_ms = florin_store_deadline(self->store);
    self->first = 0;
    self->end = self->requests_count;
    while (self->first < self->end) {
        if (!run_part(self, deadline_ms) && florin_clock_ms() < deadline_ms) {
            self->end = self->first + (self->end - self->first) / 2;
            continue;
        }
        if (self->refused || self->collided)
            fail_all(self, &self->conflict);
        self->first = self->end;
        self->end = self->requests_count;
    }
}

/* Checks what the caller brings, reads the map, and runs the batch. */
static int start(florin_plan_t *self, florin_error_t *error)
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
    florin_plan_t batch = {.store = self,
                           .ledger = ledger,
                           .kind = &florin_kind_accounts,
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
    florin_plan_t batch = {.store = self,
                           .ledger = ledger,
                           .kind = &florin_kind_transfers,
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
    florin_plan_t batch = {.store = self,
                           .ledger = ledger,
                           .kind = &florin_kind_transfers,
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
    florin_plan_t batch = {.store = self,
                           .ledger = ledger,
                           .kind = &florin_kind_settled,
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
    florin_plan_t batch = {.store = self,
                           .ledger = ledger,
                           .kind = &florin_kind_limits,
                           .credit_limits = events,
                           .credit_limit_outcomes = outcomes,
                           .requests = requests,
                           .requests_count = requests_count};
    return start(&batch, error);
}

size_t florin_batch_release(florin_store_t *store, florin_ledger_t *ledger,
                            const florin_overdue_t *overdue, florin_store_request_t *requests,
                            size_t count, bool yields, florin_error_t *error)
{
    florin_arena_t *arena = store->arena;
    size_t expired = 0;
    for (size_t i = 0; i < count; i++)
        requests[i] = (florin_store_request_t){.events_count = 1};
    florin_plan_t batch = {.store = store,
                           .ledger = ledger,
                           .kind = &florin_kind_overdue,
                           .overdue = overdue,
                           .expired = &expired,
                           .requests = requests,
                           .requests_count = count,
                           .yields = yields};
    store->arena = store->release_arena;
    error->code = 0;
    if (start(&batch, error) != 0)
        fail_all(&batch, error);
    store->arena = arena;
    return expired;
}
