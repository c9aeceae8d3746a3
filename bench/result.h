/* One measurement, as a line of JSON or for people. */
#ifndef FLORIN_BENCH_RESULT_H
#define FLORIN_BENCH_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/histogram.h"

#define RESULT_TAIL_MAX 64

/* Half a second of the tail. */
typedef struct {
    florin_histogram_t *latencies; /* of requests that were not refused, nanoseconds */
    uint64_t busy;                 /* transfers refused */
} result_half_t;

typedef struct {
    double seconds;                /* how long was measured */
    uint64_t measured;             /* transfers made in that time, or only sent there and back */
    uint64_t offered;              /* transfers that were sent in that time */
    florin_histogram_t *latencies; /* of requests, nanoseconds */
    /* With load_options_t's `once`: of requests answered BUSY, which are not in `latencies`. */
    florin_histogram_t *busy_latencies;
    result_half_t tail[RESULT_TAIL_MAX];
    size_t tail_count;
    /* Of the whole run: */
    uint64_t requests;
    uint64_t created, refused, errors, busy; /* transfers */
    uint64_t unsent;        /* transfers that came due and found no client free, with `once` */
    uint64_t lost, doubled; /* minor units: acknowledged and not moved; moved beyond that */
    bool verified;          /* the books hold what was acknowledged */
} result_t;

/* Makes and frees the histograms. */
bool result_init(result_t *self, size_t tail_count) FLORIN_MUST_USE;
void result_clear(result_t *self);

void result_print(const result_t *self, bool json);

#endif
