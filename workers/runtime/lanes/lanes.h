/* A worker's lanes, and which of them a request goes to. */
#ifndef FLORIN_LANES_H
#define FLORIN_LANES_H

#include "workers/runtime/lanes/lane.h"

typedef struct {
    const florin_handler_t *handler;
    florin_lane_t *lanes[FLORIN_LANES_MAX];
    size_t count;
    size_t first[FLORIN_LANE_KINDS_MAX]; /* of each kind */
    size_t by_shard;                     /* lanes of a kind that has some by shard */
    florin_slot_map_t slot_map;
    florin_slots_t slots; /* the dialog's copy of it */
    unsigned slots_version;
    atomic_size_t begun;             /* requests, of all lanes */
    atomic_uint_least64_t others_ms; /* florin_lane_options_t */
} florin_lanes_t;

/* Starts all lanes, and waits until their handlers have started. After an error, too,
 * florin_lanes_end is to be called. */
int florin_lanes_start(florin_lanes_t *self, const florin_handler_t *handler,
                       const florin_setup_t *setup, size_t credit,
                       const florin_worker_metrics_t *metrics, florin_inbox_t *answered,
                       florin_error_t *error) FLORIN_MUST_USE;

/* The lane of a request. */
size_t florin_lanes_choose(florin_lanes_t *self, florin_slice_t body);

/* Ends them, after their batches under way; false when one is still at work after so long. */
bool florin_lanes_end(florin_lanes_t *self, uint32_t wait_ms) FLORIN_MUST_USE;

#endif
