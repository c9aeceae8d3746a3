/* One measurement, as a line of JSON or for people. */
#ifndef FLORIN_BENCH_RESULT_H
#define FLORIN_BENCH_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/histogram.h"

typedef struct {
    double seconds;                /* how long was measured */
    uint64_t measured;             /* transfers made in that time, or only sent there and back */
    florin_histogram_t *latencies; /* of requests, nanoseconds; borrowed */
    /* Of the whole run: */
    uint64_t requests;
    uint64_t created, refused, errors; /* transfers */
    uint64_t lost, doubled; /* minor units: acknowledged and not moved; moved beyond that */
    bool verified;          /* the books hold what was acknowledged */
} result_t;

void result_print(const result_t *self, bool json);

#endif
