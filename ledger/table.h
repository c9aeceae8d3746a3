/* A hash table from ids to places in an array: open addressing, a fixed number of cells.
 *
 * Emptying it costs nothing, however many cells there are: a cell counts only if it carries the
 * table's present generation. Its owner keeps it at most half full. */
#ifndef FLORIN_LEDGER_TABLE_H
#define FLORIN_LEDGER_TABLE_H

#include "ledger/ledger.h"

typedef struct {
    florin_id_t id;
    uint64_t generation; /* of the table when this was put in */
    uint32_t index;
} florin_table_cell_t;

typedef struct {
    florin_table_cell_t *cells; /* the owner's */
    size_t cells_count;         /* a power of two */
    size_t used;
    uint64_t generation;
    uint64_t keys[2]; /* of the hash */
} florin_table_t;

/* `cells` are zeroed, and live as long as the table. Reset it before its first use. */
void florin_table_init(florin_table_t *self, florin_table_cell_t *cells, size_t cells_count);

/* Empties the table. The seed changes which ids share a cell, never what is found: with one that
 * strangers can't foresee, nobody can choose ids that all collide. */
void florin_table_reset(florin_table_t *self, uint64_t seed);

/* The index kept for the id, or FLORIN_TABLE_NONE. */
#define FLORIN_TABLE_NONE UINT32_MAX
uint32_t florin_table_find(const florin_table_t *self, florin_id_t id);

/* The id is not in the table. */
void florin_table_insert(florin_table_t *self, florin_id_t id, uint32_t index);

/* Takes out the id that was put in last. Only that one: so no other's probe ever passed its cell,
 * and the cell can be empty again without a tombstone. */
void florin_table_remove_last(florin_table_t *self, florin_id_t id);

#endif
