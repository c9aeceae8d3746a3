/* The transactions worker's state and its operations; main.c joins them. */
#ifndef FLORIN_TRANSACTIONS_H
#define FLORIN_TRANSACTIONS_H

#include "client/florin.h"
#include "workers/runtime/lookup.h"

/* What risk said of a batch: one answer, held until the next batch. */
typedef struct {
    florin_client_t *client;
    Florin__V1__Reply *reply; /* NULL: it could not be asked */
    bool away;                /* as the log last said */
    uint64_t pause_ms;        /* not asked again before; florin_clock_ms */
    florin_window_limit_t limits[FLORIN_BATCH_EVENTS_MAX];
    size_t limits_count;
    Florin__V1__Transfer *asked[FLORIN_BATCH_EVENTS_MAX]; /* those that risk has a say on */
    uint16_t places[FLORIN_BATCH_EVENTS_MAX]; /* of each event of the batch among them */
} florin_verdicts_t;

/* Room for one batch; taken once. */
typedef struct {
    florin_store_t *store;
    florin_ledger_t *ledger;
    florin_verdicts_t verdicts;
    uint64_t resolve_ms; /* when to look for prepared transactions next */
    florin_transfer_event_t events[FLORIN_BATCH_EVENTS_MAX];
    Florin__V1__Transfer *wires[FLORIN_BATCH_EVENTS_MAX]; /* the messages behind `events` */
    florin_transfer_outcome_t outcomes[FLORIN_BATCH_EVENTS_MAX];
    florin_store_request_t requests[FLORIN_BATCH_REQUESTS_MAX];
    florin_call_t *merged[FLORIN_BATCH_REQUESTS_MAX]; /* the calls behind `requests` */
    florin_lookup_t lookup;
    florin_entry_t entries[FLORIN_BATCH_EVENTS_MAX];
    florin_transfer_t listed[FLORIN_BATCH_EVENTS_MAX];
} florin_transactions_t;

/* Asks risk about a whole batch in one message and writes a verdict into each event. What posts or
 * voids is approved without asking: risk had its say on the pending transfer. Anything but a
 * sound answer in time makes every verdict UNAVAILABLE, and after a long wait in vain those of the
 * next quarter of a second too: the batches that piled up meanwhile don't wait as long each. Takes
 * fields that are unknown out of the messages. */
void florin_verdicts_ask(florin_verdicts_t *self, Florin__V1__Transfer **wires,
                         florin_transfer_event_t *events, size_t count);

/* Why the event at `index` of the batch was declined or held for review: what risk said or, when
 * the books declined it by its window, which of the window's maxima it would have passed. Borrowed
 * until the next batch, or in the arena; false when that is full. */
bool florin_verdicts_reasons(const florin_verdicts_t *self, size_t index,
                             const florin_transfer_event_t *event,
                             const florin_transfer_outcome_t *outcome, florin_arena_t *arena,
                             Florin__V1__RiskReason **reasons, size_t *count);

void florin_verdicts_clear(florin_verdicts_t *self);

/* Each answers those of the calls that ask for its operation, and leaves the others alone. */
void florin_transactions_create(florin_transactions_t *self, florin_call_t *calls, size_t count,
                                florin_arena_t *arena);
/* The dry runs among the calls that create transfers, each by itself. */
void florin_transactions_try(florin_transactions_t *self, florin_call_t *calls, size_t count,
                             florin_arena_t *arena);
void florin_transactions_list(florin_transactions_t *self, florin_call_t *calls, size_t count,
                              florin_arena_t *arena);
void florin_transactions_lookup(florin_transactions_t *self, florin_call_t *calls, size_t count,
                                florin_arena_t *arena);

#endif
