#include "store/params.h"

#include <assert.h>
#include <string.h>

#include "lib/limits.h"

/* OIDs of PostgreSQL's built-in types (pg_type.dat); they never change. */
enum { OID_INT8 = 20, OID_INT4 = 23, OID_TEXT = 25, OID_TID = 27, OID_UUID = 2950 };

#define ARRAY_HEADER_BYTES 20
#define TID_BYTES          6 /* a page's number and, in the last two, a place on it */

static const struct {
    uint32_t oid;
    size_t bytes_max;
} column_types[] = {
    [FLORIN_COLUMN_ID] = {OID_UUID, FLORIN_ID_BYTES},
    [FLORIN_COLUMN_U64] = {OID_INT8, 8},
    [FLORIN_COLUMN_U32] = {OID_INT4, 4},
    [FLORIN_COLUMN_TEXT] = {OID_TEXT, FLORIN_REFERENCE_BYTES_MAX},
    [FLORIN_COLUMN_TID] = {OID_TID, TID_BYTES},
};

static uint8_t *put_u32(uint8_t *at, uint32_t value)
{
    for (size_t i = 4; i-- > 0; value >>= 8)
        at[i] = (uint8_t)value;
    return at + 4;
}

static uint8_t *put_u64(uint8_t *at, uint64_t value)
{
    return put_u32(put_u32(at, (uint32_t)(value >> 32)), (uint32_t)value);
}

void florin_params_init(florin_params_t *self, florin_arena_t *arena)
{
    *self = (florin_params_t){.arena = arena};
}

static void add(florin_params_t *self, const void *value, size_t length)
{
    assert(self->count < FLORIN_PARAMS_MAX);
    self->values[self->count] = value;
    self->lengths[self->count] = (int)length;
    self->count++;
}

/* Room for one more parameter; NULL, and failed, when the arena is full. */
static uint8_t *add_room(florin_params_t *self, size_t bytes)
{
    uint8_t *room = florin_arena_alloc(self->arena, bytes);
    if (!room)
        self->failed = true;
    add(self, room, bytes);
    return room;
}

void florin_params_id(florin_params_t *self, florin_id_t id)
{
    uint8_t *room = add_room(self, FLORIN_ID_BYTES);
    if (room)
        florin_id_to_bytes(id, room);
}

void florin_params_u64(florin_params_t *self, uint64_t value)
{
    uint8_t *room = add_room(self, 8);
    if (room)
        put_u64(room, value);
}

void florin_params_u32(florin_params_t *self, uint32_t value)
{
    uint8_t *room = add_room(self, 4);
    if (room)
        put_u32(room, value);
}

void florin_params_u64_or_null(florin_params_t *self, uint64_t value)
{
    if (value)
        florin_params_u64(self, value);
    else
        add(self, NULL, 0);
}

void florin_params_u32_or_null(florin_params_t *self, uint32_t value)
{
    if (value)
        florin_params_u32(self, value);
    else
        add(self, NULL, 0);
}

void florin_params_bool(florin_params_t *self, bool value)
{
    uint8_t *room = add_room(self, 1);
    if (room)
        *room = value;
}

void florin_params_text(florin_params_t *self, const char *text)
{
    add(self, text, strlen(text));
}

void florin_params_bytes(florin_params_t *self, const uint8_t *bytes, size_t size)
{
    add(self, bytes, size);
}

bool florin_params_arrays(florin_params_t *self, florin_array_t *arrays,
                          const florin_column_t *columns, size_t columns_count, size_t rows)
{
    for (size_t i = 0; i < columns_count; i++) {
        size_t bytes = ARRAY_HEADER_BYTES + rows * (4 + column_types[columns[i]].bytes_max);
        uint8_t *start = add_room(self, bytes);
        if (!start)
            return false;
        arrays[i] = (florin_array_t){.start = start,
                                     .at = start + ARRAY_HEADER_BYTES,
                                     .count_max = (uint32_t)rows,
                                     .type = columns[i]};
    }
    return true;
}

void florin_params_arrays_end(florin_params_t *self, florin_array_t *arrays, size_t columns_count)
{
    int first = self->count - (int)columns_count;
    for (size_t i = 0; i < columns_count; i++) {
        florin_array_t *array = &arrays[i];
        /* Dimensions, has-nulls, element type, elements, lower bound. No elements: no dimension. */
        uint8_t *at = put_u32(array->start, array->count ? 1 : 0);
        at = put_u32(at, array->nulls);
        at = put_u32(at, column_types[array->type].oid);
        at = put_u32(at, array->count);
        put_u32(at, 1);
        size_t length = array->count ? (size_t)(array->at - array->start) : 12;
        self->lengths[first + (int)i] = (int)length;
    }
}

static uint8_t *element(florin_array_t *self, florin_column_t type, size_t bytes)
{
    assert(self->type == type && self->count < self->count_max);
    assert(bytes <= column_types[type].bytes_max);
    self->count++;
    uint8_t *room = put_u32(self->at, (uint32_t)bytes);
    self->at = room + bytes;
    return room;
}

void florin_array_id(florin_array_t *self, florin_id_t id)
{
    if (id)
        florin_id_to_bytes(id, element(self, FLORIN_COLUMN_ID, FLORIN_ID_BYTES));
    else
        florin_array_null(self);
}

void florin_array_u64(florin_array_t *self, uint64_t value)
{
    put_u64(element(self, FLORIN_COLUMN_U64, 8), value);
}

void florin_array_u32(florin_array_t *self, uint32_t value)
{
    put_u32(element(self, FLORIN_COLUMN_U32, 4), value);
}

void florin_array_text(florin_array_t *self, const char *text, size_t bytes)
{
    if (bytes)
        memcpy(element(self, FLORIN_COLUMN_TEXT, bytes), text, bytes);
    else
        florin_array_null(self);
}

void florin_array_tid(florin_array_t *self, uint64_t tid)
{
    uint8_t *at = put_u32(element(self, FLORIN_COLUMN_TID, TID_BYTES), (uint32_t)(tid >> 16));
    at[0] = (uint8_t)(tid >> 8);
    at[1] = (uint8_t)tid;
}

void florin_array_null(florin_array_t *self)
{
    assert(self->count < self->count_max);
    self->count++;
    self->nulls = true;
    self->at = put_u32(self->at, UINT32_MAX);
}

void florin_params_ids(florin_params_t *self, const florin_id_t *ids, size_t count)
{
    florin_array_t array;
    if (!florin_params_arrays(self, &array, (florin_column_t[]){FLORIN_COLUMN_ID}, 1, count))
        return;
    for (size_t i = 0; i < count; i++)
        florin_array_id(&array, ids[i]);
    florin_params_arrays_end(self, &array, 1);
}

florin_id_t florin_column_id(const PGresult *result, int row, int column)
{
    const char *bytes = PQgetvalue(result, row, column);
    int length = PQgetlength(result, row, column);
    florin_id_t value = 0;
    for (int i = 0; i < length && i < FLORIN_ID_BYTES; i++)
        value = value << 8 | (uint8_t)bytes[i];
    return value;
}

uint64_t florin_column_u64(const PGresult *result, int row, int column)
{
    return (uint64_t)florin_column_id(result, row, column);
}

uint32_t florin_column_u32(const PGresult *result, int row, int column)
{
    return (uint32_t)florin_column_id(result, row, column);
}

bool florin_column_bool(const PGresult *result, int row, int column)
{
    return florin_column_id(result, row, column) != 0;
}
