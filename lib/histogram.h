/* A log-linear histogram: any 64-bit value counted in constant time and memory, and read back with
 * an error under 1%. */
#ifndef FLORIN_HISTOGRAM_H
#define FLORIN_HISTOGRAM_H

#include <stdint.h>

typedef struct florin_histogram florin_histogram_t;

/* Some 60 kB; NULL when there is no memory. */
florin_histogram_t *florin_histogram_new(void);
void florin_histogram_destroy(florin_histogram_t **self_p);

void florin_histogram_record(florin_histogram_t *self, uint64_t value);

/* Counts in `self` what `other` has counted, too. */
void florin_histogram_add(florin_histogram_t *self, const florin_histogram_t *other);

uint64_t florin_histogram_count(const florin_histogram_t *self);

/* The value that the share `quantile` (0 to 1; 0.99) of all values recorded does not exceed: never
 * below the true one, less than 1% above it, and never above the largest, which 1 gives exactly. 0
 * when nothing was recorded. */
uint64_t florin_histogram_at(const florin_histogram_t *self, double quantile);

#endif
