/* A request on its way through a worker: made by the dialog thread, lent to a lane, given back with
 * its reply, and freed by the dialog. */
#ifndef FLORIN_JOB_H
#define FLORIN_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

#include "lib/mdp.h"

typedef struct florin_job {
    struct florin_job *next; /* in a list */
    size_t link;             /* the broker it came from */
    uint64_t session;        /* which of the sessions with that broker */
    uint64_t arrived_ms;     /* florin_clock_ms */
    uint64_t deadline_ms;    /* when nobody waits for its reply any more; 0: never */
    bool first;              /* no other worker may have begun it, nor this one before */
    size_t body_frames;
    bool left;                           /* not to be answered by this worker */
    florin_slice_t token, context, body; /* in what is held */
    zmq_msg_t held[3];                   /* their frames; or the first is the pack they came in */
    zmq_msg_t reply;                     /* empty until the lane packs it */
} florin_job_t;

/* Takes the content of the three messages; or shares that of a pack, which the slices point into.
 * NULL when there is no memory. */
florin_job_t *florin_job_new(zmq_msg_t *token, zmq_msg_t *context, zmq_msg_t *body);
florin_job_t *florin_job_new_packed(zmq_msg_t *pack, florin_slice_t token, florin_slice_t context,
                                    florin_slice_t body);
void florin_job_destroy(florin_job_t **self_p);

/* Jobs in the order they came. Zeroed is empty. */
typedef struct {
    florin_job_t *first, *last;
} florin_jobs_t;

/* Appends a job, or a list of them; returns how many. */
size_t florin_jobs_add(florin_jobs_t *self, florin_job_t *jobs);
/* Takes the first one off; NULL when there is none. */
florin_job_t *florin_jobs_take(florin_jobs_t *self);

#endif
