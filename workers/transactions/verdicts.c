#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "workers/runtime/convert.h"
#include "workers/transactions/transactions.h"

/* After a question that cost at least this long in vain, none is asked for as long. */
#define PAUSE_MS 250
/* Reasons of one transfer; what goes back to the client has room for them. */
#define REASONS_MAX 16

static int compare_limits(const void *a_p, const void *b_p)
{
    const florin_window_limit_t *a = a_p, *b = b_p;
    return (a->account_id > b->account_id) - (a->account_id < b->account_id);
}

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
    self->limits_count = assessed->n_limits;
    qsort(self->limits, self->limits_count, sizeof(self->limits[0]), compare_limits);
    for (size_t i = 1; i < self->limits_count; i++)
        if (self->limits[i].account_id == self->limits[i - 1].account_id)
            return florin_error_set(error, FLORIN_ERROR_INVALID, "two limits for one account");
    return 0;
}

/* Checks that the answer is one, for all transfers, and takes the limits from it. */
static int read_reply(florin_verdicts_t *self, size_t count, florin_error_t *error)
{
    const Florin__V1__Reply *reply = self->reply;
    if (reply->status != FLORIN__V1__STATUS__STATUS_OK)
        return florin_error_set(error, FLORIN_ERROR_REFUSED, "%s: %s",
                                florin_status_name(reply->status), reply->message);
    if (reply->result_case != FLORIN__V1__REPLY__RESULT_ASSESS_TRANSFERS)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "an answer to another question");
    const Florin__V1__AssessTransfersReply *assessed = reply->assess_transfers;
    if (assessed->n_assessments != count || assessed->n_limits > count)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "%zu assessments and %zu limits for %zu transfers",
                                assessed->n_assessments, assessed->n_limits, count);
    for (size_t i = 0; i < count; i++)
        if (assessed->assessments[i]->n_reasons > REASONS_MAX)
            return florin_error_set(error, FLORIN_ERROR_INVALID, "assessments[%zu]: %zu reasons", i,
                                    assessed->assessments[i]->n_reasons);
    return read_limits(self, assessed, error);
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

/* One line when risk goes away and one when it is back, not one a batch. */
static void log_change(florin_verdicts_t *self, const florin_error_t *error)
{
    bool away = error->code != 0;
    if (away && !self->away)
        florin_log(FLORIN_LOG_WARN, "risk_away",
                   "transfers are refused with risk_unavailable: no answer from risk: %s",
                   error->message);
    else if (!away && self->away)
        florin_log(FLORIN_LOG_INFO, "risk_back", "risk answers again");
    self->away = away;
}

void florin_verdicts_clear(florin_verdicts_t *self)
{
    if (self->reply)
        florin__v1__reply__free_unpacked(self->reply, NULL);
    self->reply = NULL;
    self->limits_count = 0;
}

/* Fields that this version does not know stay behind: they are in no bound, so one client's could
 * make the question of a whole batch too large to be asked. */
static void strip(Florin__V1__Transfer **wires, size_t count)
{
    for (size_t i = 0; i < count; i++)
        wires[i]->base.n_unknown_fields = 0;
}

static int ask_risk(florin_verdicts_t *self, Florin__V1__Transfer **wires, size_t count,
                    florin_error_t *error)
{
    Florin__V1__AssessTransfersRequest assess = FLORIN__V1__ASSESS_TRANSFERS_REQUEST__INIT;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    uint64_t asked_ms = florin_clock_ms();
    if (asked_ms < self->pause_ms)
        return florin_error_set(error, FLORIN_ERROR_UNAVAILABLE, "no answer just now");
    strip(wires, count);
    assess.n_transfers = count;
    assess.transfers = wires;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_ASSESS_TRANSFERS;
    request.assess_transfers = &assess;
    if (florin_client_call(self->client, "risk", &request, &self->reply, error) == 0 &&
        read_reply(self, count, error) == 0)
        return 0;
    uint64_t now_ms = florin_clock_ms();
    if (now_ms - asked_ms >= PAUSE_MS)
        self->pause_ms = now_ms + PAUSE_MS;
    return error->code;
}

/* It had its say on what is posted or voided. */
static bool has_a_say(const florin_transfer_t *transfer)
{
    return !(transfer->flags & (FLORIN_TRANSFER_FLAG_POST_PENDING_TRANSFER |
                                FLORIN_TRANSFER_FLAG_VOID_PENDING_TRANSFER));
}

static florin_verdict_t verdict_on(const florin_verdicts_t *self, size_t index,
                                   const florin_transfer_t *transfer)
{
    if (!has_a_say(transfer))
        return FLORIN_VERDICT_APPROVED;
    if (!self->reply)
        return FLORIN_VERDICT_UNAVAILABLE;
    return verdict_of(self->reply->assess_transfers->assessments[self->places[index]]->decision);
}

void florin_verdicts_ask(florin_verdicts_t *self, Florin__V1__Transfer **wires,
                         florin_transfer_event_t *events, size_t count)
{
    florin_error_t error = {0};
    size_t asked = 0;
    florin_verdicts_clear(self);
    for (size_t i = 0; i < count; i++) {
        self->places[i] = (uint16_t)asked;
        if (has_a_say(&events[i].transfer))
            self->asked[asked++] = wires[i];
    }
    if (asked > 0) {
        if (ask_risk(self, self->asked, asked, &error))
            florin_verdicts_clear(self);
        log_change(self, &error);
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
                             const florin_transfer_outcome_t *outcome, florin_arena_t *arena,
                             Florin__V1__RiskReason **reasons, size_t *count)
{
    *reasons = NULL;
    *count = 0;
    if (event->verdict != FLORIN_VERDICT_DECLINED && event->verdict != FLORIN_VERDICT_REVIEW)
        return window_reasons(outcome, arena, reasons, count);
    const Florin__V1__Assessment *assessment =
        self->reply->assess_transfers->assessments[self->places[index]];
    *reasons = assessment->reasons;
    *count = assessment->n_reasons;
    return true;
}
