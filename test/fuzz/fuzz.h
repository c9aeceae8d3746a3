/* What the fuzz targets share. Each is a libFuzzer program of one file: it hands bytes that anyone
 * could have sent to one parser, and checks what has to hold of whatever comes back. */
#ifndef FLORIN_FUZZ_H
#define FLORIN_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mdp.h"

/* An assert that no build can switch off. */
#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                  \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* More than a message may have, so that the bound is met, too. */
#define FUZZ_FRAMES_MAX (FLORIN_MDP_FRAMES_MAX + 4)

/* The input as frames: a byte of length, then that many bytes, and so on. Each frame is a block of
 * exactly its size, so that ASan sees a read past it. Returns how many there are. */
static inline size_t fuzz_frames_new(const uint8_t *data, size_t size, florin_slice_t *frames)
{
    size_t count = 0;
    while (size > 0 && count < FUZZ_FRAMES_MAX) {
        size_t length = data[0] < size ? data[0] : size - 1;
        uint8_t *block = malloc(length);
        HOLDS(block || length == 0);
        if (length > 0)
            memcpy(block, data + 1, length);
        frames[count++] = (florin_slice_t){.data = block, .size = length};
        data += 1 + length;
        size -= 1 + length;
    }
    return count;
}

static inline void fuzz_frames_free(florin_slice_t *frames, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        void *block;
        memcpy(&block, &frames[i].data, sizeof block);
        free(block);
    }
}

/* The input as a text in a block of its own: NUL-terminated, and cut at its first NUL. */
static inline char *fuzz_text_new(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    HOLDS(text);
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

#endif
