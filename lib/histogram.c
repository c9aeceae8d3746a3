#include "lib/histogram.h"

#include <stddef.h>
#include <stdlib.h>

/* Each power of two is divided into this many buckets, so that a bucket's highest value is less
 * than 1/128 above its lowest. Values below twice as much have buckets of their own. */
#define STEPS_BITS 7
#define STEPS      (UINT64_C(1) << STEPS_BITS)
#define BUCKETS    ((64 - STEPS_BITS + 1) * STEPS)

struct florin_histogram {
    uint64_t count;
    uint64_t max;
    uint64_t buckets[BUCKETS];
};

florin_histogram_t *florin_histogram_new(void)
{
    return calloc(1, sizeof(florin_histogram_t));
}

void florin_histogram_destroy(florin_histogram_t **self_p)
{
    free(*self_p);
    *self_p = NULL;
}

/* How far a value is shifted to leave its leading STEPS_BITS + 1 bits. */
static unsigned shift_of(uint64_t value)
{
    unsigned bits = value ? 64 - (unsigned)__builtin_clzll(value) : 0;
    return bits > STEPS_BITS + 1 ? bits - (STEPS_BITS + 1) : 0;
}

static size_t bucket_of(uint64_t value)
{
    unsigned shift = shift_of(value);
    return (size_t)(shift * STEPS + (value >> shift));
}

static uint64_t highest_in(size_t bucket)
{
    if (bucket < 2 * STEPS)
        return bucket;
    unsigned shift = (unsigned)(bucket / STEPS) - 1;
    uint64_t lowest = (bucket - shift * STEPS) << shift;
    return lowest + ((UINT64_C(1) << shift) - 1);
}

void florin_histogram_record(florin_histogram_t *self, uint64_t value)
{
    self->buckets[bucket_of(value)]++;
    self->count++;
    if (value > self->max)
        self->max = value;
}

void florin_histogram_add(florin_histogram_t *self, const florin_histogram_t *other)
{
    for (size_t i = 0; i < BUCKETS; i++)
        self->buckets[i] += other->buckets[i];
    self->count += other->count;
    if (other->max > self->max)
        self->max = other->max;
}

uint64_t florin_histogram_count(const florin_histogram_t *self)
{
    return self->count;
}

uint64_t florin_histogram_at(const florin_histogram_t *self, double quantile)
{
    double exact = quantile * (double)self->count;
    uint64_t wanted = (uint64_t)exact;
    if ((double)wanted < exact || wanted == 0)
        wanted++;
    uint64_t seen = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += self->buckets[i];
        if (seen >= wanted)
            return highest_in(i) < self->max ? highest_in(i) : self->max;
    }
    return self->max;
}
