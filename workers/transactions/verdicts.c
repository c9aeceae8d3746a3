#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "workers/runtime/convert.h"
#include "workers/transactions/transactions.h"

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
    return read_limits(self, assessed, error);
}

/* Until pending transfers exist to hold what a person has to look at, review is a no. A decision
 * that is none leaves the transfer unassessed. */
static florin_verdict_t verdict_of(Florin__V1__RiskDecision decision)
{
    switch (decision) {
    case FLORIN__V1__RISK_DECISION__RISK_DECISION_APPROVE:
        return FLORIN_VERDICT_APPROVED;
    case FLORIN__V1__RISK_DECISION__RISK_DECISION_REVIEW:
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

void florin_verdicts_ask(florin_verdicts_t *self, Florin__V1__Transfer **wires,
                         florin_transfer_event_t *events, size_t count)
{
    Florin__V1__AssessTransfersRequest assess = FLORIN__V1__ASSESS_TRANSFERS_REQUEST__INIT;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    florin_error_t error = {0};
    assess.n_transfers = count;
    assess.transfers = wires;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_ASSESS_TRANSFERS;
    request.assess_transfers = &assess;

    florin_verdicts_clear(self);
    if (florin_client_call(self->client, "risk", &request, &self->reply, &error) ||
        read_reply(self, count, &error))
        florin_verdicts_clear(self);
    log_change(self, &error);
    for (size_t i = 0; i < count; i++)
        events[i].verdict =
            self->reply ? verdict_of(self->reply->assess_transfers->assessments[i]->decision)
                        : FLORIN_VERDICT_UNAVAILABLE;
}

/* The outcome does not tell whether it was the count or the sum: a sum that no window could hold is
 * told apart, else both limits are named. */
static bool window_reasons(const florin_window_limit_t *limit, const florin_transfer_t *transfer,
                           florin_arena_t *arena, Florin__V1__RiskReason **reasons, size_t *count)
{
    Florin__V1__RiskReason *list = florin_arena_calloc(arena, 2, sizeof(*list));
    if (!list)
        return false;
    if (transfer->amount <= limit->sum_max)
        list[(*count)++] = FLORIN__V1__RISK_REASON__RISK_REASON_WINDOW_COUNT_ABOVE_MAXIMUM;
    if (limit->sum_max < FLORIN_LEDGER_AMOUNT_MAX)
        list[(*count)++] = FLORIN__V1__RISK_REASON__RISK_REASON_WINDOW_SUM_ABOVE_MAXIMUM;
    *reasons = list;
    return true;
}

bool florin_verdicts_reasons(const florin_verdicts_t *self, size_t index,
                             const florin_transfer_t *transfer, florin_arena_t *arena,
                             Florin__V1__RiskReason **reasons, size_t *count)
{
    *reasons = NULL;
    *count = 0;
    if (!self->reply)
        return true;
    const Florin__V1__Assessment *assessment = self->reply->assess_transfers->assessments[index];
    if (assessment->n_reasons > 0) {
        *reasons = assessment->reasons;
        *count = assessment->n_reasons;
        return true;
    }
    const florin_window_limit_t key = {.account_id = transfer->debit_account_id};
    const florin_window_limit_t *limit =
        bsearch(&key, self->limits, self->limits_count, sizeof(self->limits[0]), compare_limits);
    return !limit || window_reasons(limit, transfer, arena, reasons, count);
}
