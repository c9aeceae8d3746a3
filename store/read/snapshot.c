#include "store/read/snapshot.h"

#define NUMBER_BYTES 8
#define HEADER_BYTES (4 + 2 * NUMBER_BYTES) /* how many are active, the least of them, the next */

static uint64_t number_at(const uint8_t *at, size_t bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | at[i];
    return number;
}

bool florin_snapshot_parse(const uint8_t *bytes, size_t size, florin_snapshot_t *self)
{
    if (size < HEADER_BYTES || (size - HEADER_BYTES) % NUMBER_BYTES != 0 ||
        (size - HEADER_BYTES) / NUMBER_BYTES != number_at(bytes, 4))
        return false;
    *self = (florin_snapshot_t){.next = number_at(bytes + 4 + NUMBER_BYTES, NUMBER_BYTES),
                                .active_count = (size - HEADER_BYTES) / NUMBER_BYTES,
                                .active = bytes + HEADER_BYTES};
    return true;
}

bool florin_snapshot_sees(const florin_snapshot_t *self, uint64_t transaction)
{
    if (transaction >= self->next)
        return false;
    size_t low = 0, high = self->active_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t active = number_at(self->active + middle * NUMBER_BYTES, NUMBER_BYTES);
        if (active == transaction)
            return false;
        if (active < transaction)
            low = middle + 1;
        else
            high = middle;
    }
    return true;
}

uint64_t florin_snapshot_widen(const florin_snapshot_t *self, uint32_t half)
{
    uint64_t epoch = self->next >> 32, number = epoch << 32 | half;
    return number >= self->next && epoch > 0 ? number - (UINT64_C(1) << 32) : number;
}
