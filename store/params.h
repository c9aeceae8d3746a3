/* Parameters and columns in PostgreSQL's binary format: numbers big-endian, arrays of them. */
#ifndef FLORIN_STORE_PARAMS_H
#define FLORIN_STORE_PARAMS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/id.h"

#define FLORIN_PARAMS_MAX 24

/* The parameters of one statement; their bytes live in the arena. When that is full, `failed` is
 * set and the statement must not be sent. */
typedef struct {
    florin_arena_t *arena;
    const char *values[FLORIN_PARAMS_MAX];
    int lengths[FLORIN_PARAMS_MAX];
    int count;
    bool failed;
} florin_params_t;

void florin_params_init(florin_params_t *self, florin_arena_t *arena);
void florin_params_id(florin_params_t *self, florin_id_t id);
void florin_params_u64(florin_params_t *self, uint64_t value);
void florin_params_u32(florin_params_t *self, uint32_t value);
/* 0 is NULL. */
void florin_params_u64_or_null(florin_params_t *self, uint64_t value);
void florin_params_u32_or_null(florin_params_t *self, uint32_t value);
void florin_params_bool(florin_params_t *self, bool value);
/* Borrowed. */
void florin_params_text(florin_params_t *self, const char *text);
void florin_params_bytes(florin_params_t *self, const uint8_t *bytes, size_t size);

/* What an array's elements are. */
typedef enum {
    FLORIN_COLUMN_ID,
    FLORIN_COLUMN_U64,
    FLORIN_COLUMN_U32,
    FLORIN_COLUMN_TEXT,
    FLORIN_COLUMN_TID /* where a row is: as florin_column_u64 reads it */
} florin_column_t;

/* An array parameter as it is filled. */
typedef struct {
    uint8_t *start, *at;
    uint32_t count, count_max;
    florin_column_t type;
    bool nulls;
} florin_array_t;

/* Adds `columns` arrays for at most `rows` elements each (a text of at most
 * FLORIN_REFERENCE_BYTES_MAX); false when the arena is full. After filling them, end gives them
 * their lengths. */
bool florin_params_arrays(florin_params_t *self, florin_array_t *arrays,
                          const florin_column_t *columns, size_t columns_count, size_t rows);
void florin_params_arrays_end(florin_params_t *self, florin_array_t *arrays, size_t columns_count);

/* One more element. An id of zero and an empty text are NULL. */
void florin_array_id(florin_array_t *self, florin_id_t id);
void florin_array_u64(florin_array_t *self, uint64_t value);
void florin_array_u32(florin_array_t *self, uint32_t value);
void florin_array_text(florin_array_t *self, const char *text, size_t bytes);
void florin_array_tid(florin_array_t *self, uint64_t tid);
void florin_array_null(florin_array_t *self);

/* Adds an array of ids. */
void florin_params_ids(florin_params_t *self, const florin_id_t *ids, size_t count);

/* A column of a result: uuid, bigint, integer and boolean alike are numbers, NULL is 0. */
florin_id_t florin_column_id(const PGresult *result, int row, int column);
uint64_t florin_column_u64(const PGresult *result, int row, int column);
uint32_t florin_column_u32(const PGresult *result, int row, int column);
bool florin_column_bool(const PGresult *result, int row, int column);

#endif
