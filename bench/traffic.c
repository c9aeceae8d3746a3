#include "bench/traffic.h"

#include <math.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/limits.h"

#define SLOT_BITS 10
/* What all of the bench's accounts begin with: found by eye, and met by no UUID of another. */
#define ACCOUNTS ((florin_id_t)0xbec4000000007000 << 64)

static_assert(FLORIN_SLOTS == 1 << SLOT_BITS, "ids are counted above the slot");

struct traffic {
    traffic_options_t options;
    uint64_t random;
    double *shares; /* the sum of the shares up to an account's; NULL: all the same */
};

static uint64_t next(traffic_t *self)
{
    /* SplitMix64, by Sebastiano Vigna: any seed will do. */
    uint64_t z = self->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

traffic_t *traffic_new(const traffic_options_t *options)
{
    traffic_t *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->options = *options;
    self->random = florin_clock_unix_ns();
    if (options->zipf == 0)
        return self;
    self->shares = calloc(options->accounts, sizeof *self->shares);
    if (!self->shares)
        traffic_destroy(&self);
    double sum = 0;
    for (size_t i = 0; self && i < options->accounts; i++)
        self->shares[i] = sum += pow((double)(i + 1), -options->zipf);
    return self;
}

void traffic_destroy(traffic_t **self_p)
{
    traffic_t *self = *self_p;
    if (!self)
        return;
    free(self->shares);
    free(self);
    *self_p = NULL;
}

florin_id_t traffic_account(size_t index)
{
    return ACCOUNTS | index;
}

unsigned traffic_shard(const traffic_t *self, size_t index)
{
    return (unsigned)(index % FLORIN_SLOTS % self->options.shards);
}

size_t traffic_below(traffic_t *self, size_t bound)
{
    __extension__ typedef unsigned __int128 product_t;
    return (size_t)((product_t)next(self) * bound >> 64);
}

static size_t draw_any(traffic_t *self)
{
    size_t low = 0;
    size_t high = self->options.accounts - 1;
    if (!self->shares)
        return traffic_below(self, high + 1);
    double point = (double)(next(self) >> 11) * 0x1p-53 * self->shares[high];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (self->shares[middle] <= point)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t draw_account(traffic_t *self)
{
    size_t index = draw_any(self);
    while (self->options.on_shard != TRAFFIC_SHARD_ANY &&
           traffic_shard(self, index) != self->options.on_shard)
        index = draw_any(self);
    return index;
}

void traffic_draw(traffic_t *self, size_t *debit, size_t *credit)
{
    const traffic_options_t *options = &self->options;
    bool any = options->crossing == TRAFFIC_CROSSING_ANY;
    bool crossing = !any && traffic_below(self, 100) < options->crossing;
    size_t *other = options->hot ? debit : credit;
    *debit = draw_account(self);
    *credit = options->hot ? 0 : *debit;
    while (*debit == *credit ||
           (!any && (traffic_shard(self, *debit) != traffic_shard(self, *credit)) != crossing))
        *other = draw_account(self);
}

florin_id_t traffic_first_id(void)
{
    return florin_id_mint(florin_clock_unix_ns() / 1000000, 0);
}

florin_id_t traffic_id(florin_id_t first, size_t n, size_t debit)
{
    return (first + ((florin_id_t)n << SLOT_BITS)) | florin_id_slot(traffic_account(debit));
}

uint64_t traffic_amount(florin_id_t id)
{
    return 1 + (uint64_t)(id >> SLOT_BITS) % 1000;
}
