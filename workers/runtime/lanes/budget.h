/* How much of a worker's credit a lane may hold: so that one which stands still, or is asked for
 * more than it can do, never takes what requests for the others come in by. Pure. */
#ifndef FLORIN_BUDGET_H
#define FLORIN_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A lane whose batch takes longer stands still, until it is done. */
#define FLORIN_LANE_STUCK_MS 500

/* What a lane has. */
typedef struct {
    size_t waiting;    /* requests not begun, which can be taken back */
    size_t begun;      /* of the batch under way, and of the next if it is made up */
    uint64_t since_ms; /* when it began what it is doing; 0: nothing */
} florin_load_t;

bool florin_budget_stuck(const florin_load_t *load, uint64_t now_ms);

/* How many requests a lane may take into a batch while all lanes together have begun so many; at
 * least one. What is begun cannot be taken back: it never is more than two thirds of the credit,
 * but for a few of each lane, and a third of it in one batch. */
size_t florin_budget_batch(size_t credit, size_t begun);

/* How many may wait in a lane. `part`: a bound that holds always, as this part of the credit; 0:
 * there is none. `held`: what the worker has of the credit. A lane that stands still keeps the
 * oldest few when credit grows scarce. */
size_t florin_budget_waiting(const florin_load_t *load, size_t credit, size_t part, size_t held,
                             uint64_t now_ms);

/* How long a lane of long reads rests after one that took so long, for the cores and the disks that
 * it shares with the others; 0 when those had nothing to do lately. */
uint32_t florin_budget_rest_ms(uint64_t took_ms, uint64_t others_ms, uint64_t now_ms);

#endif
