#include "ledger/table.h"

#include <assert.h>

/* The finaliser of splitmix64: each bit of the seed changes half of the result's. */
static uint64_t mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

void florin_table_init(florin_table_t *self, florin_table_cell_t *cells, size_t cells_count)
{
    assert((cells_count & (cells_count - 1)) == 0);
    *self = (florin_table_t){.cells = cells, .cells_count = cells_count};
}

void florin_table_reset(florin_table_t *self, uint64_t seed)
{
    self->used = 0;
    self->generation++;
    self->keys[0] = mix(seed);
    self->keys[1] = mix(~seed);
}

/* The id's cell, or the empty one where it would go. There is one: the table is half empty. */
static size_t find_cell(const florin_table_t *self, florin_id_t id)
{
    florin_id_t product =
        (florin_id_t)((uint64_t)id ^ self->keys[0]) * ((uint64_t)(id >> 64) ^ self->keys[1]);
    size_t mask = self->cells_count - 1;
    size_t at = (size_t)((uint64_t)product ^ (uint64_t)(product >> 64)) & mask;
    while (self->cells[at].generation == self->generation && self->cells[at].id != id) {
        at = (at + 1) & mask;
    }
    return at;
}

uint32_t florin_table_find(const florin_table_t *self, florin_id_t id)
{
    const florin_table_cell_t *cell = &self->cells[find_cell(self, id)];
    return cell->generation == self->generation ? cell->index : FLORIN_TABLE_NONE;
}

void florin_table_insert(florin_table_t *self, florin_id_t id, uint32_t index)
{
    assert(self->used < self->cells_count / 2);
    self->used++;
    self->cells[find_cell(self, id)] =
        (florin_table_cell_t){.id = id, .generation = self->generation, .index = index};
}

void florin_table_remove_last(florin_table_t *self, florin_id_t id)
{
    assert(self->used > 0);
    self->used--;
    self->cells[find_cell(self, id)].generation = 0;
}
