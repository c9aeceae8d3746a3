/* A request's body: looked through for NUL bytes, unpacked into an arena, packed, unpacked again.
 */
#include "florin/v1/florin.pb-c.h"
#include "lib/arena.h"
#include "test/fuzz/fuzz.h"
#include "workers/runtime/messages/text.h"

#define ARENA_BYTES       (64u * 1024 * 1024)
#define SMALL_ARENA_BYTES 1024

/* Packs the message into a block that the caller frees. */
static uint8_t *pack(const Florin__V1__Request *request, size_t *size)
{
    *size = florin__v1__request__get_packed_size(request);
    uint8_t *packed = malloc(*size + 1);
    HOLDS(packed);
    HOLDS(florin__v1__request__pack(request, packed) == *size);
    return packed;
}

/* What was packed once is packed the same for ever. (The first packing may differ from the input:
 * there, fields may come in any order, and twice.) */
static void check_packing(ProtobufCAllocator *allocator, const Florin__V1__Request *request)
{
    size_t packed_size = 0;
    size_t again_size = 0;
    uint8_t *packed = pack(request, &packed_size);
    Florin__V1__Request *again = florin__v1__request__unpack(allocator, packed_size, packed);
    /* protobuf-c lets a field of number 0 pass when its tag is written in two bytes, and refuses it
     * in one, as it is packed; so not all that was unpacked comes back. */
    if (again) {
        uint8_t *packed_again = pack(again, &again_size);
        HOLDS(again_size == packed_size && memcmp(packed, packed_again, packed_size) == 0);
        HOLDS(again->operation_case == request->operation_case);
        free(packed_again);
    }
    free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static florin_arena_t *arena;
    static florin_arena_t *small_arena;
    if (!arena) {
        arena = florin_arena_new(ARENA_BYTES);
        small_arena = florin_arena_new(SMALL_ARENA_BYTES);
    }
    HOLDS(arena && small_arena);
    florin_arena_reset(arena);
    florin_arena_reset(small_arena);

    /* An arena that is used up in the middle of a message is no message. */
    (void)florin__v1__request__unpack(florin_arena_protobuf(small_arena), size, data);

    ProtobufCAllocator *allocator = florin_arena_protobuf(arena);
    Florin__V1__Request *request = florin__v1__request__unpack(allocator, size, data);
    if (request) {
        florin_error_t error = {0};
        check_packing(allocator, request);
        /* What can be unpacked can be looked through: the one reason to refuse it is a NUL. */
        HOLDS(florin_text_check(&florin__v1__request__descriptor, data, size, &error) == 0 ||
              strstr(error.message, "NUL byte"));
    }
    return 0;
}
