/* The state of one lane of a transactions worker, and its operations; main.c joins them. */
#ifndef FLORIN_TRANSACTIONS_H
#define FLORIN_TRANSACTIONS_H

#include "client/florin.h"
#include "lib/metrics.h"
#include "workers/runtime/messages/lookup.h"
#include "workers/runtime/worker.h"
#include "workers/transactions/resolver.h"

/* What came of asking risk about a batch. */
typedef enum {
    FLORIN_RISK_ANSWERED,
    FLORIN_RISK_TIMEOUT,
    FLORIN_RISK_UNAVAILABLE, /* no way there, or not asked in the pause after a wait in vain */
    FLORIN_RISK_REFUSED,     /* its reply was a refusal */
    FLORIN_RISK_UNSOUND,     /* its reply was no answer to the question */
    FLORIN_RISK_OUTCOMES
} florin_risk_outcome_t;

/* Whom to ask, and how it went lately. */
typedef struct {
    florin_client_t *client; /* NULL until this lane has something to ask */
    bool away;               /* as the log last said */
    uint64_t pause_ms;       /* not asked again before; florin_clock_ms */
    florin_metric_t *questions[FLORIN_RISK_OUTCOMES];
} florin_risk_t;

/* What risk said of one transfer. */
typedef struct {
    florin_verdict_t verdict;
    Florin__V1__RiskReason *reasons;
    size_t reasons_count;
} florin_assessed_t;

/* What risk says of a batch. Lives in the batch's arena, and must not go before the answer came. */
typedef struct {
    florin_risk_t *risk;
    florin_arena_t *arena;
    size_t asked_count;          /* transfers that risk was asked about */
    uint16_t *places;            /* of each event of the batch among them */
    bool awaited;                /* the answer is still to come */
    florin_error_t error;        /* code 0: it was sound, or nothing was asked */
    florin_assessed_t *assessed; /* asked_count of them */
    florin_window_limit_t *limits;
    size_t limits_count;
} florin_verdicts_t;

/* The calls of a batch that create transfers, as one request to the books each. In its arena. */
typedef struct {
    florin_call_t **calls;
    florin_store_request_t *requests; /* one a call */
    size_t count;
    florin_transfer_event_t *events; /* of all requests, one after the other */
    size_t events_count;
    florin_verdicts_t verdicts;
} florin_booking_t;

typedef struct {
    const florin_setup_t *setup;
    florin_store_t *store;
    florin_ledger_t *ledger;
    florin_risk_t risk;
    florin_resolver_t *resolver; /* of one lane alone; NULL in the others */
    florin_metric_t *results[FLORIN_TRANSFER_RESULTS_COUNT]; /* transfers, by result */
    /* Room for what one batch brings back; taken once. */
    florin_transfer_outcome_t outcomes[FLORIN_BATCH_EVENTS_MAX];
    florin_lookup_t lookup;
    florin_entry_t entries[FLORIN_BATCH_EVENTS_MAX];
    florin_transfer_t listed[FLORIN_BATCH_EVENTS_MAX];
} florin_transactions_t;

/* Registers what is counted of the questions. */
void florin_risk_measure(florin_risk_t *self, florin_metrics_t *metrics);

/* Asks risk about a whole batch in one message, and does not wait for the answer. What posts or
 * voids is approved without asking: risk had its say on the pending transfer. Takes fields that are
 * unknown out of the messages. False when the arena has no room. */
bool florin_verdicts_ask(florin_verdicts_t *self, florin_risk_t *risk, Florin__V1__Transfer **wires,
                         const florin_transfer_event_t *events, size_t count,
                         florin_arena_t *arena);

/* Waits for the answer and writes a verdict into each event. Anything but a sound answer in time
 * makes every verdict UNAVAILABLE, and after a long wait in vain risk is not asked for the next
 * quarter of a second: the batches that piled up meanwhile don't wait as long each. */
void florin_verdicts_await(florin_verdicts_t *self, florin_transfer_event_t *events, size_t count);

/* Why the event at `index` of the batch was declined or held for review: what risk said or, when
 * the books declined it by its window, which of the window's maxima it would have passed. In the
 * batch's arena; false when that is full. */
bool florin_verdicts_reasons(const florin_verdicts_t *self, size_t index,
                             const florin_transfer_event_t *event,
                             const florin_transfer_outcome_t *outcome,
                             Florin__V1__RiskReason **reasons, size_t *count);

/* Converts the calls that create transfers, and asks risk about them; those that can't be are
 * answered. NULL when the arena has no room. */
florin_booking_t *florin_booking_new(florin_risk_t *risk, florin_call_t *calls, size_t count,
                                     bool dry_run, florin_arena_t *arena);

/* A request's lane. */
florin_route_t florin_transactions_route(const florin_slots_t *slots, florin_wire_t body);

/* Registers what is counted of the transfers. */
void florin_transactions_measure(florin_transactions_t *self, florin_metrics_t *metrics);

/* Each answers those of the calls that ask for its operation, and leaves the others alone. Of those
 * that create transfers, what ahead->asked is the booking of; the next batch is looked at while
 * this one is written. */
void florin_transactions_create(florin_transactions_t *self, florin_call_t *calls, size_t count,
                                florin_arena_t *arena, const florin_ahead_t *ahead);
/* The dry runs among the calls that create transfers, each by itself. */
void florin_transactions_try(florin_transactions_t *self, florin_call_t *calls, size_t count,
                             florin_arena_t *arena);
/* Each call by itself: few ask for outcomes, and never in a hurry. */
void florin_transactions_outcomes(florin_transactions_t *self, florin_call_t *calls, size_t count,
                                  florin_arena_t *arena);
void florin_transactions_list(florin_transactions_t *self, florin_call_t *calls, size_t count,
                              florin_arena_t *arena);
void florin_transactions_lookup(florin_transactions_t *self, florin_call_t *calls, size_t count,
                                florin_arena_t *arena);

#endif
