#include "store/verify/slots.h"

#include <stdio.h>
#include <string.h>

const char florin_verify_sql_slots[] = "SELECT slot FROM shard_slots ORDER BY slot";

_Static_assert(FLORIN_SLOTS <= FLORIN_VERIFY_SEEN_MAX, "each slot has a place");

static void see_slot(florin_verify_run_t *self, florin_shards_t shards)
{
    const PGresult *page;
    int row = florin_verify_row(self, florin_shards_lowest(shards), &page);
    uint32_t slot = florin_column_u32(page, row, 0);
    self->check->checked++;
    if (slot < FLORIN_SLOTS)
        self->seen[slot] = shards;
}

static void compare(florin_verify_run_t *self, size_t slot)
{
    char subject[FLORIN_VERIFY_SUBJECT_BYTES];
    size_t mapped = self->store->slots[slot];
    (void)snprintf(subject, sizeof subject, "slot %zu", slot);
    for (size_t i = 0; i < self->store->shards_count; i++) {
        bool claimed = florin_shards_has(self->seen[slot], i);
        if (claimed && i != mapped)
            florin_verify_tell(self, false, (int)i, subject,
                               "is claimed here, and the map has it on shard %zu", mapped);
        if (!claimed && i == mapped)
            florin_verify_tell(self, false, (int)i, subject,
                               "is here by the map, and not claimed here");
    }
}

int florin_verify_slots(florin_verify_run_t *self, const char *const *sql, florin_error_t *error)
{
    memset(self->seen, 0, sizeof self->seen);
    int result = florin_verify_walk(self, sql[0], see_slot, error);
    for (size_t slot = 0; slot < FLORIN_SLOTS && result == 0; slot++)
        compare(self, slot);
    return result;
}
