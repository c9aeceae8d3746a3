/* A pack: taken apart, and put together again. */
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    uint8_t *again = malloc(size + 1);
    HOLDS(copy && again);
    if (size > 0)
        memcpy(copy, data, size);
    florin_slice_t pack = {copy, size};
    florin_slice_t part;
    size_t used = 0;
    while (florin_mdp_part_take(&pack, &part)) {
        HOLDS(part.data + part.size == pack.data);
        HOLDS(used + FLORIN_MDP_PART_BYTES(part.size) + pack.size == size);
        florin_mdp_part_put(again, &used, part);
        HOLDS(used + pack.size == size);
    }
    /* What is left is no part: cut off in its length, or in what follows. */
    HOLDS(pack.data + pack.size == copy + size);
    HOLDS(used == 0 || memcmp(copy, again, used) == 0);
    free(again);
    free(copy);
    return 0;
}
