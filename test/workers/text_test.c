/* Strings that hold a NUL: vectors, and bytes that are no message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "florin/v1/florin.pb-c.h"
#include "workers/runtime/messages/text.h"

#define REQUEST (&florin__v1__request__descriptor)

typedef struct {
    const char *bytes;
    size_t size;
    const char *message; /* NULL: nothing is wrong */
} vector_t;

#define VECTOR(bytes, message)                                                                     \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, message                                                          \
    }

/* In a block of exactly their size, so that ASan sees a read past it. */
static int check(const void *bytes, size_t size, florin_error_t *error)
{
    uint8_t *block = malloc(size > 0 ? size : 1);
    assert_non_null(block);
    memcpy(block, bytes, size);
    int code = florin_text_check(REQUEST, block, size, error);
    free(block);
    return code;
}

static void test_vectors(void **state)
{
    static const vector_t vectors[] = {
        VECTOR("", NULL),
        VECTOR("\12\3a\0b", NULL),                          /* request_id: bytes, not a string */
        VECTOR("\242\1\0", NULL),                           /* create_transfers, of none */
        VECTOR("\242\1\6\12\4\132\2ab", NULL),              /* a reference */
        VECTOR("\242\1\4\12\2\132\0", NULL),                /* an empty one */
        VECTOR("\242\1\6\12\4\152\2a\0", NULL),             /* field 13 is none we know */
        VECTOR("\342\7\3\132\1\0", NULL),                   /* nor is 124, whatever it holds */
        VECTOR("\242\1\11\12\7\132\1a\40\200\200\0", NULL), /* amount: a long zero */
        VECTOR("\242\1\6\12\4\122\2\0\0", NULL),            /* user_data: bytes */
        VECTOR("\242\1\5\12\3\132\1\0", "transfers[0].reference: holds a NUL byte"),
        VECTOR("\242\1\6\12\4\132\2a\0", "transfers[0].reference: holds a NUL byte"),
        VECTOR("\242\1\11\12\7\132\2\0b\132\1c", "transfers[0].reference: holds a NUL byte"),
        VECTOR("\242\1\11\12\0\12\0\12\3\132\1\0", "transfers[2].reference: holds a NUL byte"),
        VECTOR("\362\1\5\12\3\132\1\0", "transfers[0].reference: holds a NUL byte"),
        VECTOR("\242\1\5\12\3\132\1\0\12\1r", "transfers[0].reference: holds a NUL byte"),
        /* A oneof that is there twice: the last is what counts, but both must be sound. */
        VECTOR("\242\1\5\12\3\132\1\0\152\0", "transfers[0].reference: holds a NUL byte"),
        VECTOR("\200", "not a florin.v1.Request"),      /* half a key */
        VECTOR("\10", "not a florin.v1.Request"),       /* a key, and no number */
        VECTOR("\11\1\1\1", "not a florin.v1.Request"), /* less than 64 bits */
        VECTOR("\15\1\1\1", "not a florin.v1.Request"), /* less than 32 bits */
        VECTOR("\13", "not a florin.v1.Request"),       /* a group */
        VECTOR("\12\2r", "not a florin.v1.Request"),    /* less than its length */
        VECTOR("\12\377\377\377\377\377\377\377\377\377\1r", "not a florin.v1.Request"),
        VECTOR("\10\377\377\377\377\377\377\377\377\377\377\1", "not a florin.v1.Request"),
        VECTOR("\242\1\3\12\2\132", "not a florin.v1.CreateTransfersRequest"),
        VECTOR("\242\1\4\12\2\132\1", "not a florin.v1.Transfer"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        florin_error_t error = {0};
        int code = check(vectors[i].bytes, vectors[i].size, &error);
        if (code != (vectors[i].message ? FLORIN_ERROR_INVALID : 0) ||
            strcmp(error.message, vectors[i].message ? vectors[i].message : "") != 0)
            fail_msg("vector %zu: %d, %s", i, code, error.message);
    }
}

/* Reads nothing past the end, comes to an end, and takes what protobuf-c takes, but for a NUL. */
static void test_garbage(void **state)
{
    static const char good[] = "\12\1r\242\1\26\12\12\40\201\1\132\5hello\12\10\132\2ab\122\2\0\0";
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    const unsigned first_seed = seed;
    unsigned whole = 0;
    for (int round = 0; round < 200000; round++) {
        char bytes[sizeof(good) - 1];
        florin_error_t error = {0};
        memcpy(bytes, good, sizeof(bytes));
        for (int changes = 1 + rand_r(&seed) % 4; changes > 0; changes--)
            bytes[(size_t)rand_r(&seed) % sizeof(bytes)] = (char)rand_r(&seed);
        int code = check(bytes, sizeof(bytes), &error);
        Florin__V1__Request *request =
            florin__v1__request__unpack(NULL, sizeof(bytes), (const uint8_t *)bytes);
        if (request && code && !strstr(error.message, "NUL"))
            fail_msg("seed %u, round %d: %s", first_seed, round, error.message);
        whole += request != NULL && code == 0;
        if (request)
            florin__v1__request__free_unpacked(request, NULL);
    }
    assert_true(whole > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors),
                                       cmocka_unit_test(test_garbage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
