/* Every bound of Florin in one place, and the relations between them that must hold. */
#ifndef FLORIN_LIMITS_H
#define FLORIN_LIMITS_H

#include <assert.h>

/* The wire. A body above the first bound is answered TOO_LARGE; a frame above the second ends the
 * connection inside libzmq, before it is read into memory. */
#define FLORIN_BODY_BYTES_MAX         (4u * 1024 * 1024)
#define FLORIN_FRAME_BYTES_MAX        (16u * 1024 * 1024)
#define FLORIN_BODY_FRAMES_MAX        16
#define FLORIN_RETURN_PATH_FRAMES_MAX 4
#define FLORIN_SERVICE_BYTES_MAX      255
#define FLORIN_REQUEST_ID_BYTES_MAX   64
/* Several requests or replies in one message, and a body that may be among them. */
#define FLORIN_PACK_BYTES_MAX      (64u * 1024)
#define FLORIN_PACK_BODY_BYTES_MAX (4u * 1024)

/* Events (accounts, transfers, ids) of one request, and of one batch made of several requests. */
#define FLORIN_EVENTS_MAX          8190
#define FLORIN_BATCH_EVENTS_MAX    FLORIN_EVENTS_MAX
#define FLORIN_BATCH_REQUESTS_MAX  1024
#define FLORIN_REFERENCE_BYTES_MAX 140
#define FLORIN_EVENT_BYTES_MAX     400 /* of the longest transfer on the wire */

/* The broker. */
#define FLORIN_BROKER_SERVICES_MAX 256
#define FLORIN_BROKER_WORKERS_MAX  1024
#define FLORIN_BROKER_CLIENTS_MAX  65536
#define FLORIN_QUEUE_REQUESTS_MAX  65536
#define FLORIN_QUEUE_BYTES_MAX     (256u * 1024 * 1024)
#define FLORIN_ATTEMPTS_MAX        3
#define FLORIN_WORKER_CREDIT_MAX   FLORIN_BATCH_REQUESTS_MAX
#define FLORIN_WORKER_WEIGHT_MAX   1000
#define FLORIN_BROKERS_MAX         8 /* that one client or worker talks to */

/* A worker's lanes. */
#define FLORIN_LANE_KINDS_MAX      8
#define FLORIN_SHARD_LANES_MAX     64
#define FLORIN_SHARD_LANES_DEFAULT 4
#define FLORIN_LANES_MAX           (FLORIN_SHARD_LANES_MAX * FLORIN_LANE_KINDS_MAX)

/* The books. */
#define FLORIN_SLOTS                 1024
#define FLORIN_SHARDS_MAX            64
#define FLORIN_STATEMENT_ENTRIES_MAX FLORIN_EVENTS_MAX
#define FLORIN_TRIAL_ROWS_MAX        4096  /* of a page of the trial balance */
#define FLORIN_BATCH_TRIES_MAX       8     /* of one batch whose transaction met a conflict */
#define FLORIN_WINDOW_COUNT_MAX      10000 /* debits that a risk window may count */

/* What a process measures, and those who read it at once. */
#define FLORIN_METRICS_SERIES_MAX  4096
#define FLORIN_METRICS_READERS_MAX 16

static_assert(FLORIN_EVENTS_MAX * FLORIN_EVENT_BYTES_MAX < FLORIN_BODY_BYTES_MAX,
              "a full request fits in one body");
static_assert(FLORIN_BODY_BYTES_MAX < FLORIN_FRAME_BYTES_MAX,
              "a body a little too large is answered, not cut off");
static_assert(2 * FLORIN_PACK_BODY_BYTES_MAX < FLORIN_PACK_BYTES_MAX,
              "a pack has room for a body, what goes with it, and more");
static_assert(FLORIN_BATCH_EVENTS_MAX >= FLORIN_EVENTS_MAX, "a full request fits in one batch");
static_assert(FLORIN_BODY_BYTES_MAX < FLORIN_QUEUE_BYTES_MAX, "one body never fills a queue");
static_assert((FLORIN_SLOTS & (FLORIN_SLOTS - 1)) == 0, "a slot is some low bits of an id");

#endif
