/* A lane: requests that wait, and a thread with a handler's state of its own, which unpacks them
 * and hands them to the handler as one batch after the other. It blocks where the handler does, and
 * then nobody waits but who is in this lane.
 *
 * Life: new -> started -> (put | its thread answers)* -> end -> join -> destroy. */
#ifndef FLORIN_LANE_H
#define FLORIN_LANE_H

#include <stdatomic.h>

#include "workers/runtime/lanes/budget.h"
#include "workers/runtime/lanes/inbox.h"
#include "workers/runtime/metrics.h"
#include "workers/runtime/worker.h"

#define FLORIN_LANE_NAME_BYTES 32

typedef struct florin_lane florin_lane_t;

typedef struct {
    const florin_handler_t *handler;        /* borrowed, as all here */
    const florin_setup_t *setup;            /* copied, with what is the lane's own */
    const florin_worker_metrics_t *metrics; /* of the worker */
    florin_inbox_t *answered;               /* where its jobs go back to */
    size_t credit;                          /* of the worker with a broker */
    atomic_size_t *begun;                   /* requests that all lanes have begun */
    atomic_uint_least64_t *others_ms;       /* when one began that is not one by one */
    char name[FLORIN_LANE_NAME_BYTES];      /* "shard-0", for messages and metrics */
    size_t kind;                            /* in the handler's table */
    size_t index, of;                       /* as in florin_setup_t */
} florin_lane_options_t;

/* Starts the thread, which starts the handler. */
int florin_lane_new(const florin_lane_options_t *options, florin_lane_t **lane,
                    florin_error_t *error) FLORIN_MUST_USE;
/* Waits until the handler has started, or could not: then the error says why. */
int florin_lane_started(florin_lane_t *self, florin_error_t *error) FLORIN_MUST_USE;

/* From the dialog's thread: lends it a list of jobs. */
void florin_lane_put(florin_lane_t *self, florin_job_t *jobs);

/* From the dialog's thread: takes back what waits and may not, when the worker holds so much of a
 * broker's credit: what is past the lane's budget, the newest first, and in a lane that stands
 * still, what is too late. */
florin_jobs_t florin_lane_relieve(florin_lane_t *self, size_t held, uint64_t now_ms);

/* Tells it to end after the batch under way; what waits is not done any more. */
void florin_lane_end(florin_lane_t *self);
/* Waits for its end, until a moment of CLOCK_REALTIME; false when that came first. */
bool florin_lane_join(florin_lane_t *self, const struct timespec *until);
/* Of one that has been joined. */
void florin_lane_destroy(florin_lane_t **self_p);

#endif
