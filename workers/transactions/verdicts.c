#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "workers/runtime/messages/convert.h"
#include "workers/transactions/transactions.h"

/* After a question that cost at least this long in vain, none is asked for as long. */
#define PAUSE_MS 250
/* The client is looked after at least so often while its answer is awaited. */
#define AWAIT_MS 1000
/* Reasons of one transfer; what goes back to the client has room for them. */
#define REASONS_MAX 16

static int compare_limits(const void *a_p, const void *b_p)
{
    const florin_window_limit_t *a = a_p, *b = b_p;
    return (a->account_id > b->account_id) - (a->account_id < b->account_id);
}

/* Of the asked_count that there is room for. */
static int read_limits(florin_verdicts_t *self, const Florin__V1__AssessTransfersReply *assessed,
                       florin_error_t *error)
{
    for (size_t i = 0; i < assessed->n_limits; i++) {
        const Florin__V1__WindowLimit *wire = assessed->limits[i];
        florin_window_limit_t *limit = &self->limits[i];
        *limit = (florin_window_limit_t){
            .window_s = wire->window, .count_max = wire->count_max, .sum_max = wire->sum_max};
        if (florin_convert_id(&wire->account_id, "limits", i, &limit->account_id, error))
            return error->code;
        if (limit->account_id == 0 || limit->window_s == 0 ||
            limit->count_max > FLORIN_WINDOW_COUNT_MAX || limit->sum_max > FLORIN_LEDGER_AMOUNT_MAX)
            return florin_error_set(error, FLORIN_ERROR_INVALID, "limits[%zu]: out of range", i);
    }
    qsort(self->limits, assessed->n_limits, sizeof(self->limits[0]), compare_limits);
    for (size_t i = 1; i < assessed->n_limits; i++)
        if (self->limits[i].account_id == self->limits[i - 1].account_id)
            return florin_error_set(error, FLORIN_ERROR_INVALID, "two limits for one account");
    self->limits_count = assessed->n_limits;
    return 0;
}

/* A decision that is none leaves the transfer unassessed. */
static florin_verdict_t verdict_of(Florin__V1__RiskDecision decision)
{
    switch (decision) {
    case FLORIN__V1__RISK_DECISION__RISK_DECISION_APPROVE:
        return FLORIN_VERDICT_APPROVED;
    case FLORIN__V1__RISK_DECISION__RISK_DECISION_REVIEW:
        return FLORIN_VERDICT_REVIEW;
    case FLORIN__V1__RISK_DECISION__RISK_DECISION_DECLINE:
        return FLORIN_VERDICT_DECLINED;
    default:
        return FLORIN_VERDICT_UNAVAILABLE;
    }
}

/* The reply goes when it has been read: what is needed of it is copied. */
static int read_assessment(florin_verdicts_t *self, size_t index,
                           const Florin__V1__Assessment *wire, florin_error_t *error)
{
    florin_assessed_t *assessed = &self->assessed[index];
    size_t count = wire->n_reasons;
    if (count > REASONS_MAX)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "assessments[%zu]: %zu reasons", index,
                                count);
    *assessed = (florin_assessed_t){.verdict = verdict_of(wire->decision), .reasons_count = count};
    if (count == 0)
        return 0;
    assessed->reasons = florin_arena_calloc(self->arena, count, sizeof(assessed->reasons[0]));
    if (!assessed->reasons)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for its reasons");
    memcpy(assessed->reasons, wire->reasons, count * sizeof(assessed->reasons[0]));
    return 0;
}

/* Checks that the answer is one, for all transfers, and takes what it says. */
static int read_reply(florin_verdicts_t *self, const Florin__V1__Reply *reply,
                      florin_error_t *error)
{
    if (reply->status != FLORIN__V1__STATUS__STATUS_OK)
        return florin_error_set(error, FLORIN_ERROR_REFUSED, "%s: %s",
                                florin_status_name(reply->status), reply->message);
    if (reply->result_case != FLORIN__V1__REPLY__RESULT_ASSESS_TRANSFERS)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "an answer to another question");
    const Florin__V1__AssessTransfersReply *assessed = reply->assess_transfers;
    if (assessed->n_assessments != self->asked_count || assessed->n_limits > self->asked_count)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "%zu assessments and %zu limits for %zu transfers",
                                assessed->n_assessments, assessed->n_limits, self->asked_count);
    for (size_t i = 0; i < self->asked_count; i++)
        if (read_assessment(self, i, assessed->assessments[i], error))
            return error->code;
    return read_limits(self, assessed, error);
}

/* From florin_client_process. */
static void take_reply(void *self_p, const Florin__V1__Reply *reply, const florin_error_t *error)
{
    florin_verdicts_t *self = self_p;
    self->awaited = false;
    if (reply)
        (void)read_reply(self, reply, &self->error);
    else
        self->error = *error;
}

/* One line when risk goes away and one when it is back, not one a batch. */
static void log_change(florin_risk_t *risk, const florin_error_t *error)
{
    bool away = error->code != 0;
    if (away && !risk->away)
        florin_log(FLORIN_LOG_WARN, "risk_away",
                   "transfers are refused with risk_unavailable: no answer from risk: %s",
                   error->message);
    else if (!away && risk->away)
        florin_log(FLORIN_LOG_INFO, "risk_back", "risk answers again");
    risk->away = away;
}

/* Fields that this version does not know stay behind: they are in no bound, so one client's could
 * make the question of a whole batch too large to be asked. */
static void strip(Florin__V1__Transfer **wires, size_t count)
{
    for (size_t i = 0; i < count; i++)
        wires[i]->base.n_unknown_fields = 0;
}

void florin_risk_measure(florin_risk_t *self, florin_metrics_t *metrics)
{
    static const char *const outcomes[FLORIN_RISK_OUTCOMES] = {[FLORIN_RISK_ANSWERED] = "answered",
                                                               [FLORIN_RISK_TIMEOUT] = "timeout",
                                                               [FLORIN_RISK_UNAVAILABLE] =
                                                                   "unavailable",
                                                               [FLORIN_RISK_REFUSED] = "refused",
                                                               [FLORIN_RISK_UNSOUND] = "unsound"};
    for (size_t i = 0; i < FLORIN_RISK_OUTCOMES; i++)
        self->questions[i] =
            florin_metrics_counter(metrics, "florin_risk_questions_total",
                                   "Batches to ask risk about, by what came of the question.",
                                   "outcome", outcomes[i], NULL);
}

static florin_risk_outcome_t outcome_of(const florin_error_t *error)
{
    switch (error->code) {
    case FLORIN_OK:
        return FLORIN_RISK_ANSWERED;
    case FLORIN_ERROR_TIMEOUT:
        return FLORIN_RISK_TIMEOUT;
    case FLORIN_ERROR_UNAVAILABLE:
        return FLORIN_RISK_UNAVAILABLE;
    case FLORIN_ERROR_REFUSED:
        return FLORIN_RISK_REFUSED;
    default:
        return FLORIN_RISK_UNSOUND;
    }
}

static int send_question(florin_verdicts_t *self, Florin__V1__Transfer **wires)
{
    Florin__V1__AssessTransfersRequest assess = FLORIN__V1__ASSESS_TRANSFERS_REQUEST__INIT;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    if (!self->risk->client)
        return florin_error_set(&self->error, FLORIN_ERROR_UNAVAILABLE, "nobody to ask");
    if (florin_clock_ms() < self->risk->pause_ms)
        return florin_error_set(&self->error, FLORIN_ERROR_UNAVAILABLE, "no answer just now");
    strip(wires, self->asked_count);
    assess.n_transfers = self->asked_count;
    assess.transfers = wires;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_ASSESS_TRANSFERS;
    request.assess_transfers = &assess;
    return florin_client_submit(self->risk->client, "risk", &request, take_reply, self,
                                &self->error);
}

/* It had its say on what is posted or voided. */
static bool has_a_say(const florin_transfer_t *transfer)
{
    return !(transfer->flags & (FLORIN_TRANSFER_FLAG_POST_PENDING_TRANSFER |
                                FLORIN_TRANSFER_FLAG_VOID_PENDING_TRANSFER));
}

bool florin_verdicts_ask(florin_verdicts_t *self, florin_risk_t *risk, Florin__V1__Transfer **wires,
                         const florin_transfer_event_t *events, size_t count, florin_arena_t *arena)
{
    *self = (florin_verdicts_t){.risk = risk, .arena = arena};
    Florin__V1__Transfer **asked = florin_arena_calloc(arena, count, sizeof(*asked));
    self->places = florin_arena_calloc(arena, count, sizeof(self->places[0]));
    self->assessed = florin_arena_calloc(arena, count, sizeof(self->assessed[0]));
    self->limits = florin_arena_calloc(arena, count, sizeof(self->limits[0]));
    if (!asked || !self->places || !self->assessed || !self->limits)
        return false;
    for (size_t i = 0; i < count; i++) {
        self->places[i] = (uint16_t)self->asked_count;
        if (has_a_say(&events[i].transfer))
            asked[self->asked_count++] = wires[i];
    }
    self->awaited = self->asked_count > 0 && send_question(self, asked) == 0;
    return true;
}

static florin_verdict_t verdict_on(const florin_verdicts_t *self, size_t index,
                                   const florin_transfer_t *transfer)
{
    if (!has_a_say(transfer))
        return FLORIN_VERDICT_APPROVED;
    if (self->error.code)
        return FLORIN_VERDICT_UNAVAILABLE;
    return self->assessed[self->places[index]].verdict;
}

void florin_verdicts_await(florin_verdicts_t *self, florin_transfer_event_t *events, size_t count)
{
    uint64_t from_ms = florin_clock_ms();
    while (self->awaited) /* ends: the question has a deadline */
        (void)florin_client_process(self->risk->client, AWAIT_MS);
    uint64_t now_ms = florin_clock_ms();
    if (self->error.code && now_ms - from_ms >= PAUSE_MS)
        self->risk->pause_ms = now_ms + PAUSE_MS;
    if (self->asked_count > 0) {
        log_change(self->risk, &self->error);
        florin_metric_add(self->risk->questions[outcome_of(&self->error)], 1);
    }
    for (size_t i = 0; i < count; i++)
        events[i].verdict = verdict_on(self, i, &events[i].transfer);
}

/* The maxima that the books counted, under their locks. */
static bool window_reasons(const florin_transfer_outcome_t *outcome, florin_arena_t *arena,
                           Florin__V1__RiskReason **reasons, size_t *count)
{
    Florin__V1__RiskReason *list = florin_arena_calloc(arena, 2, sizeof(*list));
    if (!list)
        return false;
    if (outcome->passes_window_count)
        list[(*count)++] = FLORIN__V1__RISK_REASON__RISK_REASON_WINDOW_COUNT_ABOVE_MAXIMUM;
    if (outcome->passes_window_sum)
        list[(*count)++] = FLORIN__V1__RISK_REASON__RISK_REASON_WINDOW_SUM_ABOVE_MAXIMUM;
    *reasons = list;
    return true;
}

bool florin_verdicts_reasons(const florin_verdicts_t *self, size_t index,
                             const florin_transfer_event_t *event,
                             const florin_transfer_outcome_t *outcome,
                             Florin__V1__RiskReason **reasons, size_t *count)
{
    *reasons = NULL;
    *count = 0;
    if (event->verdict != FLORIN_VERDICT_DECLINED && event->verdict != FLORIN_VERDICT_REVIEW)
        return window_reasons(outcome, self->arena, reasons, count);
    const florin_assessed_t *assessed = &self->assessed[self->places[index]];
    *reasons = assessed->reasons;
    *count = assessed->reasons_count;
    return true;
}
