/* A bounded arena: memory that is given out piece by piece and taken back all at once.
 *
 * It holds one block of its full size from the start (untouched pages cost nothing), so nothing on
 * the hot path calls malloc, and pointers stay good until florin_arena_reset. */
#ifndef FLORIN_ARENA_H
#define FLORIN_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#include "lib/error.h"

typedef struct florin_arena florin_arena_t;

/* NULL when there is no memory. */
florin_arena_t *florin_arena_new(size_t bytes_max);
void florin_arena_destroy(florin_arena_t **self_p);

/* Takes everything back. */
void florin_arena_reset(florin_arena_t *self);

/* `bytes` of memory, aligned to 16; NULL past the bound. The second is zeroed, and checks
 * count * bytes for overflow. */
void *florin_arena_alloc(florin_arena_t *self, size_t bytes) FLORIN_MUST_USE;
void *florin_arena_calloc(florin_arena_t *self, size_t count, size_t bytes) FLORIN_MUST_USE;

/* A NUL-terminated text in the arena; NULL past the bound. */
char *florin_arena_printf(florin_arena_t *self, const char *format, ...) FLORIN_PRINTF(2, 3);

/* What protobuf-c unpacks into this arena with; its free does nothing. Owned by the arena. */
ProtobufCAllocator *florin_arena_protobuf(florin_arena_t *self);

#endif
