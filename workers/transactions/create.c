#include <string.h>

#include "workers/runtime/messages/convert.h"
#include "workers/transactions/transactions.h"

static bool creates(const Florin__V1__Request *request, bool dry_run)
{
    return request->operation_case == FLORIN__V1__REQUEST__OPERATION_CREATE_TRANSFERS &&
           request->create_transfers->dry_run == dry_run;
}

/* ------------------------------------------------------------------------------------- the booking
 */

/* Appends a call's transfers to the booking, if it has any, or answers what is wrong with them. */
static void add_call(florin_booking_t *self, florin_call_t *call, Florin__V1__Transfer **wires,
                     florin_arena_t *arena)
{
    const Florin__V1__CreateTransfersRequest *request = call->request->create_transfers;
    size_t first = self->events_count;
    florin_error_t error = {0};
    for (size_t i = 0; i < request->n_transfers; i++) {
        wires[first + i] = request->transfers[i];
        if (florin_convert_transfer(request->transfers[i], i, &self->events[first + i].transfer,
                                    &error)) {
            florin_call_fail_error(call, arena, &error);
            return;
        }
    }
    if (request->n_transfers == 0)
        return;
    self->calls[self->count] = call;
    self->requests[self->count++].events_count = request->n_transfers;
    self->events_count += request->n_transfers;
}

florin_booking_t *florin_booking_new(florin_risk_t *risk, florin_call_t *calls, size_t count,
                                     bool dry_run, florin_arena_t *arena)
{
    size_t events = 0;
    for (size_t i = 0; i < count; i++)
        if (creates(calls[i].request, dry_run))
            events += calls[i].request->create_transfers->n_transfers;
    florin_booking_t *self = florin_arena_calloc(arena, 1, sizeof(*self));
    Florin__V1__Transfer **wires = florin_arena_calloc(arena, events, sizeof(*wires));
    if (!self || !wires)
        return NULL;
    self->calls = florin_arena_calloc(arena, count, sizeof(self->calls[0]));
    self->requests = florin_arena_calloc(arena, count, sizeof(self->requests[0]));
    self->events = florin_arena_calloc(arena, events, sizeof(self->events[0]));
    if (!self->calls || !self->requests || !self->events)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (creates(calls[i].request, dry_run))
            add_call(self, &calls[i], wires, arena);
    bool asked =
        florin_verdicts_ask(&self->verdicts, risk, wires, self->events, self->events_count, arena);
    return asked ? self : NULL;
}

/* Time has passed since risk was asked: what nobody waits for any more leaves the booking. */
static void narrow(florin_booking_t *self, florin_arena_t *arena)
{
    size_t kept = 0, from = 0, to = 0;
    for (size_t i = 0; i < self->count; i++) {
        size_t events = self->requests[i].events_count;
        if (!florin_call_expired(self->calls[i], arena)) {
            if (to != from) {
                memmove(&self->events[to], &self->events[from], events * sizeof(self->events[0]));
                memmove(&self->verdicts.places[to], &self->verdicts.places[from],
                        events * sizeof(self->verdicts.places[0]));
            }
            self->calls[kept] = self->calls[i];
            self->requests[kept++].events_count = events;
            to += events;
        }
        from += events;
    }
    self->count = kept;
    self->events_count = to;
}

/* ------------------------------------------------------------------------------------- the replies
 */

static bool fill_result(const florin_transactions_t *self, const florin_booking_t *booking,
                        size_t event, Florin__V1__TransferResult *wire)
{
    const florin_transfer_outcome_t *outcome = &self->outcomes[event];
    florin__v1__transfer_result__init(wire);
    wire->result = (Florin__V1__CreateTransferResult)outcome->result;
    wire->timestamp = outcome->timestamp;
    wire->first_result = (Florin__V1__CreateTransferResult)outcome->first_result;
    wire->held_for_review = outcome->held_for_review;
    bool held = outcome->held_for_review && outcome->result == FLORIN_TRANSFER_CREATED;
    return (outcome->result != FLORIN_TRANSFER_RISK_DECLINED && !held) ||
           florin_verdicts_reasons(&booking->verdicts, event, &booking->events[event], outcome,
                                   &wire->reasons, &wire->n_reasons);
}

/* Answers with the outcomes of the events from `first` on. */
static bool fill(const florin_transactions_t *self, const florin_booking_t *booking,
                 Florin__V1__Reply *reply, size_t first, size_t count, florin_arena_t *arena)
{
    Florin__V1__CreateTransfersReply *created = florin_arena_alloc(arena, sizeof(*created));
    Florin__V1__TransferResult *results = florin_arena_calloc(arena, count, sizeof(*results));
    Florin__V1__TransferResult **list = florin_arena_calloc(arena, count, sizeof(*list));
    if (!created || !results || !list)
        return false;
    florin__v1__create_transfers_reply__init(created);
    for (size_t i = 0; i < count; i++) {
        if (!fill_result(self, booking, first + i, &results[i]))
            return false;
        list[i] = &results[i];
    }
    created->n_results = count;
    created->results = list;
    reply->result_case = FLORIN__V1__REPLY__RESULT_CREATE_TRANSFERS;
    reply->create_transfers = created;
    reply->status = FLORIN__V1__STATUS__STATUS_OK;
    return true;
}

/* What is asked to create nothing; and all that is, when there is no booking. */
static void answer_others(const florin_transactions_t *self, const florin_booking_t *booking,
                          florin_call_t *calls, size_t count, florin_arena_t *arena)
{
    for (size_t i = 0; i < count; i++) {
        if (!creates(calls[i].request, false))
            continue;
        bool empty = calls[i].request->create_transfers->n_transfers == 0;
        if (!booking || (empty && !fill(self, booking, calls[i].reply, 0, 0, arena)))
            florin_call_fail_memory(&calls[i], arena);
    }
}

/* Books what is left, and looks at the next batch while this one is written. */
static int book(florin_transactions_t *self, florin_booking_t *booking, const florin_ahead_t *ahead,
                florin_error_t *error)
{
    const florin_verdicts_t *verdicts = &booking->verdicts;
    florin_store_set_meanwhile(self->store, ahead->look, ahead->arg);
    int code = florin_store_create_transfers(self->store, self->ledger, booking->events,
                                             self->outcomes, booking->requests, booking->count,
                                             verdicts->limits, verdicts->limits_count, error);
    florin_store_set_meanwhile(self->store, NULL, NULL);
    return code;
}

void florin_transactions_measure(florin_transactions_t *self, florin_metrics_t *metrics)
{
    for (unsigned i = 0; i < FLORIN_TRANSFER_RESULTS_COUNT; i++)
        self->results[i] = florin_metrics_counter(
            metrics, "florin_transfers_total", "Transfers answered, by result; dry runs are none.",
            "result", florin_transfer_result_name(i), NULL);
}

static void count_results(const florin_transactions_t *self, size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        florin_metric_add(self->results[self->outcomes[first + i].result], 1);
}

void florin_transactions_create(florin_transactions_t *self, florin_call_t *calls, size_t count,
                                florin_arena_t *arena, const florin_ahead_t *ahead)
{
    florin_booking_t *booking = ahead->asked;
    florin_error_t error = {0};
    answer_others(self, booking, calls, count, arena);
    if (!booking)
        return;
    florin_verdicts_await(&booking->verdicts, booking->events, booking->events_count);
    narrow(booking, arena);
    int code = booking->count > 0 ? book(self, booking, ahead, &error) : 0;
    for (size_t i = 0, first = 0; i < booking->count; i++) {
        const florin_store_request_t *request = &booking->requests[i];
        florin_call_t *call = booking->calls[i];
        if (code || request->error.code)
            florin_call_fail_error(call, arena, code ? &error : &request->error);
        else if (!fill(self, booking, call->reply, first, request->events_count, arena))
            florin_call_fail_memory(call, arena);
        else
            count_results(self, first, request->events_count);
        first += request->events_count;
    }
}

/* ------------------------------------------------------------------------------------- dry runs */

/* Adds the accounts as they would be. */
static bool fill_accounts(const florin_transactions_t *self,
                          Florin__V1__CreateTransfersReply *reply, florin_arena_t *arena)
{
    size_t count = florin_ledger_changed_count(self->ledger);
    reply->accounts = florin_arena_calloc(arena, count, sizeof(*reply->accounts));
    if (!reply->accounts)
        return false;
    for (; reply->n_accounts < count; reply->n_accounts++) {
        const florin_account_t *account = florin_ledger_changed(self->ledger, reply->n_accounts);
        reply->accounts[reply->n_accounts] = florin_convert_account_out(account, arena);
        if (!reply->accounts[reply->n_accounts])
            return false;
    }
    return true;
}

/* Its error, if any, is the call's answer. */
static int try_booking(florin_transactions_t *self, florin_booking_t *booking,
                       florin_error_t *error)
{
    const florin_verdicts_t *verdicts = &booking->verdicts;
    florin_verdicts_await(&booking->verdicts, booking->events, booking->events_count);
    return florin_store_try_transfers(self->store, self->ledger, booking->events, self->outcomes,
                                      booking->events_count, verdicts->limits,
                                      verdicts->limits_count, error);
}

static void try_call(florin_transactions_t *self, florin_call_t *call, florin_arena_t *arena)
{
    bool empty = call->request->create_transfers->n_transfers == 0;
    florin_booking_t *booking = florin_booking_new(&self->risk, call, 1, true, arena);
    florin_error_t error = {0};
    if (!booking) {
        florin_call_fail_memory(call, arena);
        return;
    }
    if (booking->count == 0 && !empty)
        return; /* it is answered */
    if (!empty && try_booking(self, booking, &error))
        florin_call_fail_error(call, arena, &error);
    else if (!fill(self, booking, call->reply, 0, booking->events_count, arena) ||
             (!empty && !fill_accounts(self, call->reply->create_transfers, arena)))
        florin_call_fail_memory(call, arena);
}

void florin_transactions_try(florin_transactions_t *self, florin_call_t *calls, size_t count,
                             florin_arena_t *arena)
{
    for (size_t i = 0; i < count; i++)
        if (creates(calls[i].request, true) && !florin_call_expired(&calls[i], arena))
            try_call(self, &calls[i], arena);
}
