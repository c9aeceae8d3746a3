/* florin-risk: assesses transfers before they are booked, by the rules in the control database. */
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "workers/risk/assess.h"
#include "workers/runtime/messages/convert.h"
#include "workers/runtime/storage.h"
#include "workers/runtime/worker.h"

/* After a reading of the rules that failed, the time to the next. */
#define RULES_RETRY_MS 1000

/* Who asks has a second at most: a database that is slow must not take it all. */
static const florin_setting_t settings[] = {FLORIN_STORAGE_SETTINGS(300, 300)};

typedef struct {
    florin_store_t *store;
    florin_rules_t rules; /* the last that could be read */
    bool rules_loaded;    /* once, at least */
    bool rules_stale;     /* they may have changed since */
    uint64_t rules_ms;    /* not read again before */
    bool rules_away;      /* as the log last said */
    bool windows_away;    /* as the log last said */

    /* Room for one batch. */
    florin_transfer_t transfers[FLORIN_BATCH_EVENTS_MAX]; /* of all calls, one after the other */
    florin_window_limit_t limits[FLORIN_BATCH_EVENTS_MAX];
    florin_window_t windows[FLORIN_BATCH_EVENTS_MAX];
    size_t windows_count;
    florin_call_t *merged[FLORIN_BATCH_REQUESTS_MAX];
} risk_t;

/* -------------------------------------------------------------------------------- the rules */

/* Reads the rules again when they may have changed. When they can't be read, the last good ones
 * stay in force. */
static void refresh_rules(risk_t *self)
{
    uint64_t now_ms = florin_clock_ms();
    if (now_ms < self->rules_ms)
        return;
    if (florin_store_rules_changed(self->store))
        self->rules_stale = true;
    if (!self->rules_stale && self->rules_loaded)
        return;
    florin_error_t error = {0};
    if (florin_store_rules_load(self->store, &self->rules, &error)) {
        if (!self->rules_away)
            florin_log(FLORIN_LOG_WARN, "rules_away", "can't read the risk rules, %s: %s",
                       self->rules_loaded ? "the last ones stay in force"
                                          : "all is answered unavailable until they can be read",
                       error.message);
        self->rules_away = true;
        self->rules_ms = florin_clock_ms() + RULES_RETRY_MS;
        return;
    }
    self->rules_away = false;
    self->rules_loaded = true;
    self->rules_stale = false;
    florin_log(FLORIN_LOG_INFO, "rules_loaded", "%zu currencies, %zu accounts",
               self->rules.ledgers_count, self->rules.accounts_count);
}

/* ------------------------------------------------------------------------------- assessing */

/* Reads what the debit accounts of the whole batch have debited so far. A shard that is away costs
 * early answers only: the books count the windows again, under their locks. */
static void read_windows(risk_t *self, size_t events)
{
    florin_error_t error = {0};
    size_t count = florin_assess_limits(&self->rules, self->transfers, events, self->limits);
    int code = count == 0
                   ? 0
                   : florin_store_windows(self->store, self->limits, count, self->windows, &error);
    self->windows_count = code ? 0 : count;
    if (code && !self->windows_away)
        florin_log(FLORIN_LOG_WARN, "windows_away",
                   "can't read what accounts have debited, the books will count alone: %s",
                   error.message);
    self->windows_away = code != 0;
}

static Florin__V1__WindowLimit **fill_limits(const florin_window_limit_t *limits, size_t count,
                                             florin_arena_t *arena)
{
    Florin__V1__WindowLimit *wires = florin_arena_calloc(arena, count, sizeof(*wires));
    Florin__V1__WindowLimit **list = florin_arena_calloc(arena, count, sizeof(*list));
    if (!wires || !list)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        florin__v1__window_limit__init(&wires[i]);
        if (!florin_convert_id_out(limits[i].account_id, arena, &wires[i].account_id))
            return NULL;
        wires[i].window = limits[i].window_s;
        wires[i].count_max = limits[i].count_max;
        wires[i].sum_max = limits[i].sum_max;
        list[i] = &wires[i];
    }
    return list;
}

static bool fill_assessment(const florin_assessment_t *assessment, Florin__V1__Assessment *wire,
                            florin_arena_t *arena)
{
    florin__v1__assessment__init(wire);
    wire->decision = (Florin__V1__RiskDecision)assessment->decision;
    wire->reasons = florin_arena_calloc(arena, assessment->reasons_count, sizeof(wire->reasons[0]));
    if (!wire->reasons)
        return false;
    wire->n_reasons = assessment->reasons_count;
    for (size_t i = 0; i < assessment->reasons_count; i++)
        wire->reasons[i] = (Florin__V1__RiskReason)assessment->reasons[i];
    return true;
}

/* Answers one call with the assessments of its transfers, and the limits of their accounts. */
static bool fill(risk_t *self, Florin__V1__Reply *reply, const florin_transfer_t *transfers,
                 size_t count, florin_arena_t *arena)
{
    Florin__V1__AssessTransfersReply *assessed = florin_arena_alloc(arena, sizeof(*assessed));
    Florin__V1__Assessment *wires = florin_arena_calloc(arena, count, sizeof(*wires));
    Florin__V1__Assessment **list = florin_arena_calloc(arena, count, sizeof(*list));
    if (!assessed || !wires || !list)
        return false;
    florin__v1__assess_transfers_reply__init(assessed);
    for (size_t i = 0; i < count; i++) {
        florin_assessment_t assessment;
        florin_assess(&self->rules, self->windows, self->windows_count, &transfers[i], &assessment);
        if (!fill_assessment(&assessment, &wires[i], arena))
            return false;
        list[i] = &wires[i];
    }
    assessed->n_assessments = count;
    assessed->assessments = list;
    assessed->n_limits = florin_assess_limits(&self->rules, transfers, count, self->limits);
    assessed->limits = fill_limits(self->limits, assessed->n_limits, arena);
    if (!assessed->limits)
        return false;
    reply->result_case = FLORIN__V1__REPLY__RESULT_ASSESS_TRANSFERS;
    reply->assess_transfers = assessed;
    reply->status = FLORIN__V1__STATUS__STATUS_OK;
    return true;
}

/* Converts the calls' transfers into one array; calls that can't be are answered. */
static size_t merge(risk_t *self, florin_call_t *calls, size_t count, size_t *merged,
                    florin_arena_t *arena)
{
    size_t events = 0;
    florin_error_t error = {0};
    for (size_t i = 0; i < count; i++) {
        const Florin__V1__Request *request = calls[i].request;
        int code = 0;
        if (request->operation_case != FLORIN__V1__REQUEST__OPERATION_ASSESS_TRANSFERS) {
            florin_call_fail_operation(&calls[i], arena, "risk");
            continue;
        }
        const Florin__V1__AssessTransfersRequest *assess = request->assess_transfers;
        for (size_t k = 0; k < assess->n_transfers && code == 0; k++)
            code = florin_convert_transfer(assess->transfers[k], k, &self->transfers[events + k],
                                           &error);
        if (code) {
            florin_call_fail_error(&calls[i], arena, &error);
            continue;
        }
        self->merged[(*merged)++] = &calls[i];
        events += assess->n_transfers;
    }
    return events;
}

static void handle(void *state, florin_call_t *calls, size_t count, florin_arena_t *arena,
                   const florin_ahead_t *ahead)
{
    (void)ahead;
    risk_t *self = state;
    size_t merged = 0;
    refresh_rules(self);
    size_t events = merge(self, calls, count, &merged, arena);
    if (self->rules_loaded)
        read_windows(self, events);
    const florin_transfer_t *transfers = self->transfers;
    for (size_t i = 0; i < merged; i++) {
        florin_call_t *call = self->merged[i];
        size_t transfers_count = call->request->assess_transfers->n_transfers;
        if (!self->rules_loaded)
            florin_call_fail(call, arena, FLORIN__V1__STATUS__STATUS_UNAVAILABLE,
                             "the risk rules can't be read: is the control database up?");
        else if (!fill(self, call->reply, transfers, transfers_count, arena))
            florin_call_fail_memory(call, arena);
        transfers += transfers_count;
    }
}

/* ---------------------------------------------------------------------------- the program */

static void idle(void *state)
{
    refresh_rules(state);
}

static size_t weigh(const Florin__V1__Request *request)
{
    bool assess = request->operation_case == FLORIN__V1__REQUEST__OPERATION_ASSESS_TRANSFERS;
    size_t events = assess ? request->assess_transfers->n_transfers : 1;
    return events > 0 ? events : 1;
}

static void stop(void **state)
{
    risk_t *self = *state;
    florin_rules_clear(&self->rules);
    florin_store_destroy(&self->store);
    free(self);
    *state = NULL;
}

static int start(void **state, const florin_setup_t *setup, florin_error_t *error)
{
    risk_t *self = calloc(1, sizeof(*self));
    if (!self)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for a batch of transfers");
    *state = self;
    int code = florin_storage_open(setup, 300, 300, true, &self->store, error);
    if (code)
        stop(state);
    return code;
}

int main(int argc, char **argv)
{
    /* All who ask wait for the same rules and the same shards. */
    static const florin_lane_kind_t lane = {"risk", .by_shard = false};
    const florin_handler_t handler = {.service = "risk",
                                      .program = "florin-risk",
                                      .settings = settings,
                                      .settings_count = sizeof(settings) / sizeof(settings[0]),
                                      .lanes = &lane,
                                      .lanes_count = 1,
                                      .start = start,
                                      .weigh = weigh,
                                      .handle = handle,
                                      .idle = idle,
                                      .stop = stop};
    return florin_worker_main(argc, argv, &handler);
}
