/* The tries of a batch. */
#include "store/batch.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/failpoint.h"
#include "lib/log.h"

bool florin_request_lives(const florin_store_request_t *request)
{
    return request->error.code == 0;
}

/* The shards that hold event `index`: its account, or its transfer and both accounts. */
static florin_shards_t event_shards(const florin_batch_t *self, size_t index)
{
    const florin_store_t *store = self->store;
    if (self->accounts)
        return florin_shards_of(florin_store_shard_of(store, self->accounts[index].id));
    const florin_transfer_t *transfer = &self->transfers[index].transfer;
    return florin_shards_of(florin_store_shard_of(store, transfer->id)) |
           florin_shards_of(florin_store_shard_of(store, transfer->debit_account_id)) |
           florin_shards_of(florin_store_shard_of(store, transfer->credit_account_id));
}

void florin_batch_fail(florin_batch_t *self, florin_shards_t shards, const florin_error_t *error)
{
    size_t event = 0;
    for (size_t i = 0; i < self->requests_count; i++) {
        florin_store_request_t *request = &self->requests[i];
        size_t end = event + request->events_count;
        for (; event < end && florin_request_lives(request); event++)
            if (event_shards(self, event) & shards)
                request->error = *error;
        event = end;
    }
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
    for (size_t i = 0; i < self->requests_count; i++) {
        florin_store_request_t *request = &self->requests[i];
        size_t count = request->events_count;
        if (florin_request_lives(request)) {
            bool room =
                self->accounts
                    ? florin_ledger_open_accounts(self->ledger, &self->accounts[event], count,
                                                  &self->account_outcomes[event])
                    : florin_ledger_create_transfers(self->ledger, &self->transfers[event], count,
                                                     &self->transfer_outcomes[event]);
            if (!room)
                florin_error_set(&request->error, FLORIN_ERROR_TOO_LARGE,
                                 "more accounts than one batch can hold; split the request");
        }
        event += count;
    }
}

static florin_step_t try_once(florin_batch_t *self)
{
    florin_arena_reset(self->store->arena);
    memset(self->parts, 0, sizeof self->parts);
    self->touched = self->writers = 0;
    randombytes_buf(&self->id, sizeof self->id);
    florin_step_t step = florin_batch_read(self);
    FLORIN_FAILPOINT("store_locked");
    if (step == FLORIN_STEP_DONE) {
        apply(self);
        FLORIN_FAILPOINT("store_applied");
        if (!florin_batch_sort(self)) {
            florin_error_t error;
            florin_error_set(&error, FLORIN_ERROR_MEMORY, "no memory to write the batch");
            florin_batch_fail(self, ~(florin_shards_t)0, &error);
            step = FLORIN_STEP_AGAIN;
        } else {
            step = florin_batch_commit(self);
        }
    }
    if (step == FLORIN_STEP_AGAIN)
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

static size_t living(const florin_batch_t *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->requests_count; i++)
        count += florin_request_lives(&self->requests[i]);
    return count;
}

/* What was in the way may be the locks of a batch whose worker died: nobody but us might end it. */
static void clear_the_way(florin_batch_t *self)
{
    florin_error_t error;
    size_t resolved;
    if (florin_store_resolve(self->store, &resolved, &error) != 0)
        florin_log(FLORIN_LOG_WARN, "resolve_failed", "%s", error.message);
}

/* Each turn of the loop ends it, counts a try, or leaves fewer requests. */
static void run(florin_batch_t *self)
{
    uint64_t deadline_ms = florin_store_deadline(self->store);
    unsigned tries = 0;
    while (living(self) > 0) {
        size_t before = living(self);
        if (try_once(self) == FLORIN_STEP_DONE)
            return;
        if (living(self) < before)
            continue;
        tries++;
        if (tries == FLORIN_BATCH_TRIES_MAX || florin_clock_ms() >= deadline_ms) {
            florin_error_t error;
            florin_error_set(&error, FLORIN_ERROR_CONFLICT,
                             "gave way to other transactions %u times; try again (%.300s)", tries,
                             self->conflict.message);
            florin_batch_fail(self, ~(florin_shards_t)0, &error);
            return;
        }
        clear_the_way(self);
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

int florin_store_open_accounts(florin_store_t *self, florin_ledger_t *ledger,
                               const florin_account_t *events, florin_account_outcome_t *outcomes,
                               florin_store_request_t *requests, size_t requests_count,
                               florin_error_t *error)
{
    florin_batch_t batch = {.store = self,
                            .ledger = ledger,
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
                            .transfers = events,
                            .transfer_outcomes = outcomes,
                            .requests = requests,
                            .requests_count = requests_count,
                            .limits = limits,
                            .limits_count = limits_count};
    return start(&batch, error);
}
