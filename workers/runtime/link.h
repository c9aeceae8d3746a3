/* One worker's link to one broker: a DEALER that says READY with its hello, sends and expects
 * heartbeats, and is made anew, after a pause, when the broker falls silent or says DISCONNECT.
 *
 *     waiting --connect, READY--> open --silence or DISCONNECT--> waiting (capped back-off)
 *
 * Each time it opens is a session of its own: a broker that comes back knows nothing of the
 * requests it sent before, so a reply of an older session is dropped (its requests are sent again,
 * and the handlers are idempotent). Never blocks. */
#ifndef FLORIN_LINK_H
#define FLORIN_LINK_H

#include <czmq.h>

#include "workers/runtime/lanes/job.h"

/* What all links of a worker have in common; borrowed. */
typedef struct {
    void *zmq; /* context */
    const char *service;
    const uint8_t *hello; /* a packed WorkerHello */
    size_t hello_bytes;
    unsigned credit;
    unsigned heartbeat_ms;
    zcert_t *cert; /* NULL: no Curve */
    char broker_key[41];
} florin_link_options_t;

typedef struct {
    const florin_link_options_t *options;
    const char *endpoint; /* borrowed */
    size_t index;         /* its place in the worker's list: what jobs carry */
    void *socket;         /* NULL while waiting */
    uint64_t session;     /* counts how often it opened */
    uint64_t opened_ms, heard_ms, beat_ms;
    uint64_t retry_ms;   /* while waiting: when to open */
    unsigned backoff_ms; /* the next pause, before jitter */
    bool confirmed;      /* the broker has answered in this session */
    bool draining; /* DISCONNECT was sent: the socket stays for replies, and is not reopened */
    bool packs;    /* the broker sends packs in this session: it takes them, too */
    size_t pack_bytes;
    uint8_t pack[FLORIN_PACK_BYTES_MAX]; /* replies that wait for florin_link_flush */
} florin_link_t;

void florin_link_init(florin_link_t *self, const florin_link_options_t *options,
                      const char *endpoint, size_t index);
void florin_link_close(florin_link_t *self);

/* What time asks for: opening, a heartbeat, giving up on a silent broker. Call after what has
 * arrived was received. Returns when to call again. */
uint64_t florin_link_turn(florin_link_t *self, uint64_t now_ms);

/* Takes one message off the socket; false when there was none. Its requests are added to the jobs.
 */
bool florin_link_receive(florin_link_t *self, uint64_t now_ms, florin_jobs_t *jobs);

/* Sends the job's reply, or keeps it for the next flush, if the session that it came in is still
 * the one. */
void florin_link_reply(florin_link_t *self, florin_job_t *job, uint64_t now_ms);
void florin_link_flush(florin_link_t *self, uint64_t now_ms);

/* Says DISCONNECT: no new requests, please; replies still come. */
void florin_link_drain(florin_link_t *self);
/* After that: a new session. */
void florin_link_return(florin_link_t *self, uint64_t now_ms);

#endif
