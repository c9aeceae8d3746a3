/* A request on its way through a worker: made by the dialog thread, lent to the batch thread as a
 * pointer over the inproc pair, given back the same way with its reply, and freed by the dialog. */
#ifndef FLORIN_JOB_H
#define FLORIN_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

typedef struct florin_job {
    struct florin_job *next; /* in the batch thread's list */
    size_t link;             /* the broker it came from */
    uint64_t session;        /* which of the sessions with that broker */
    uint64_t arrived_ms;     /* florin_clock_ms */
    size_t body_frames;
    zmq_msg_t token, context, body;
    zmq_msg_t reply; /* empty until the batch thread packs it */
} florin_job_t;

/* Takes the content of the three messages. NULL when there is no memory. */
florin_job_t *florin_job_new(zmq_msg_t *token, zmq_msg_t *context, zmq_msg_t *body);
void florin_job_destroy(florin_job_t **self_p);

/* Passes a pointer over the pair; NULL is a message too. Sending never blocks: the pair has no high
 * water mark, and the dialog bounds how many jobs there are. Receiving does not wait: false when
 * there is nothing. */
bool florin_job_send(void *pair, florin_job_t *job);
bool florin_job_receive(void *pair, florin_job_t **job);

#endif
