#include "lib/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT ((size_t)16)

struct florin_arena {
    uint8_t *block; /* one private mapping: pages come into being when they are touched */
    size_t bytes_max;
    size_t bytes_used; /* <= bytes_max */
    ProtobufCAllocator protobuf;
};

static void *protobuf_alloc(void *self, size_t bytes)
{
    return florin_arena_alloc(self, bytes);
}

static void protobuf_free(void *self, void *bytes)
{
    (void)self;
    (void)bytes;
}

florin_arena_t *florin_arena_new(size_t bytes_max)
{
    if (bytes_max == 0 || bytes_max > SIZE_MAX / 2)
        return NULL;
    florin_arena_t *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->block = mmap(NULL, bytes_max, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (self->block == MAP_FAILED) {
        free(self);
        return NULL;
    }
    self->bytes_max = bytes_max;
    self->protobuf = (ProtobufCAllocator){
        .alloc = protobuf_alloc, .free = protobuf_free, .allocator_data = self};
    return self;
}

void florin_arena_destroy(florin_arena_t **self_p)
{
    florin_arena_t *self = *self_p;
    if (!self)
        return;
    (void)munmap(self->block, self->bytes_max);
    free(self);
    *self_p = NULL;
}

void florin_arena_reset(florin_arena_t *self)
{
    self->bytes_used = 0;
}

void *florin_arena_alloc(florin_arena_t *self, size_t bytes)
{
    /* The first free byte that is aligned; at most ALIGNMENT - 1 past the end of the block. */
    size_t start = (self->bytes_used + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    if (start > self->bytes_max || bytes > self->bytes_max - start)
        return NULL;
    self->bytes_used = start + bytes;
    return self->block + start;
}

void *florin_arena_calloc(florin_arena_t *self, size_t count, size_t bytes)
{
    size_t total = 0;
    if (__builtin_mul_overflow(count, bytes, &total))
        return NULL;
    void *memory = florin_arena_alloc(self, total);
    if (memory)
        memset(memory, 0, total);
    return memory;
}

char *florin_arena_printf(florin_arena_t *self, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        return NULL;
    char *text = florin_arena_alloc(self, (size_t)length + 1);
    if (!text)
        return NULL;
    va_start(args, format);
    (void)vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}

ProtobufCAllocator *florin_arena_protobuf(florin_arena_t *self)
{
    return &self->protobuf;
}
