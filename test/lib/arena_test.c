#include "lib/arena.h"

#include <string.h>

#include "test/lib/support/test.h"

static void pieces_are_aligned_and_apart(void **state)
{
    (void)state;
    florin_arena_t *arena = florin_arena_new(4096);
    assert_non_null(arena);
    char *first = florin_arena_alloc(arena, 1);
    char *second = florin_arena_alloc(arena, 17);
    char *third = florin_arena_alloc(arena, 16);
    assert_int_equal((uintptr_t)first % 16, 0);
    assert_ptr_equal(second, first + 16);
    assert_ptr_equal(third, second + 32);
    florin_arena_destroy(&arena);
    assert_null(arena);
}

static void the_bound_holds_to_the_byte(void **state)
{
    (void)state;
    florin_arena_t *arena = florin_arena_new(100);
    assert_null(florin_arena_alloc(arena, 101));
    char *all = florin_arena_alloc(arena, 100);
    assert_non_null(all);
    memset(all, 0xff, 100);
    assert_null(florin_arena_alloc(arena, 1));
    assert_null(florin_arena_alloc(arena, SIZE_MAX));
    assert_null(florin_arena_printf(arena, "x"));
    florin_arena_reset(arena);
    assert_ptr_equal(florin_arena_alloc(arena, 1), all);
    assert_non_null(florin_arena_alloc(arena, 84));
    assert_null(florin_arena_alloc(arena, 1));
    florin_arena_destroy(&arena);
}

static void no_arena_of_impossible_sizes(void **state)
{
    (void)state;
    assert_null(florin_arena_new(0));
    assert_null(florin_arena_new(SIZE_MAX));
}

static void calloc_zeroes_used_memory(void **state)
{
    (void)state;
    static const uint8_t zeroes[96];
    florin_arena_t *arena = florin_arena_new(128);
    memset(florin_arena_alloc(arena, 128), 0xff, 128);
    florin_arena_reset(arena);
    assert_memory_equal(florin_arena_calloc(arena, 12, 8), zeroes, 96);
    florin_arena_destroy(&arena);
}

static void calloc_sees_overflow(void **state)
{
    (void)state;
    florin_arena_t *arena = florin_arena_new(128);
    assert_null(florin_arena_calloc(arena, SIZE_MAX / 2 + 2, 2));
    florin_arena_destroy(&arena);
}

static void texts_are_terminated(void **state)
{
    (void)state;
    florin_arena_t *arena = florin_arena_new(48);
    assert_string_equal(florin_arena_printf(arena, "%s[%d]", "transfers", 3), "transfers[3]");
    assert_string_equal(florin_arena_printf(arena, "%s", ""), "");
    assert_null(florin_arena_printf(arena, "%s", "one byte too long"));
    florin_arena_destroy(&arena);
}

static void protobuf_allocates_here(void **state)
{
    (void)state;
    florin_arena_t *arena = florin_arena_new(64);
    ProtobufCAllocator *allocator = florin_arena_protobuf(arena);
    void *piece = allocator->alloc(allocator->allocator_data, 64);
    assert_non_null(piece);
    assert_null(allocator->alloc(allocator->allocator_data, 1));
    allocator->free(allocator->allocator_data, piece);
    assert_null(allocator->alloc(allocator->allocator_data, 1));
    florin_arena_destroy(&arena);
}

/* Whatever is asked for, what comes back lies inside and overlaps nothing given out before. */
static void garbage_requests_stay_inside(void **state)
{
    (void)state;
    enum { BYTES = 1 << 16 };
    test_random_t random = test_random_new();
    florin_arena_t *arena = florin_arena_new(BYTES);
    for (int round = 0; round < 200; round++) {
        florin_arena_reset(arena);
        char *base = florin_arena_alloc(arena, 0);
        char *end = base;
        for (int i = 0; i < 1000; i++) {
            size_t bytes = test_random_below(&random, 100) == 0 ? (size_t)test_random_next(&random)
                                                                : test_random_below(&random, 1000);
            char *piece = florin_arena_alloc(arena, bytes);
            if (!piece)
                continue;
            assert_true(piece >= end && bytes <= (size_t)(base + BYTES - piece));
            memset(piece, i, bytes);
            end = piece + bytes;
        }
    }
    florin_arena_destroy(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart),
        cmocka_unit_test(the_bound_holds_to_the_byte),
        cmocka_unit_test(no_arena_of_impossible_sizes),
        cmocka_unit_test(calloc_zeroes_used_memory),
        cmocka_unit_test(calloc_sees_overflow),
        cmocka_unit_test(texts_are_terminated),
        cmocka_unit_test(protobuf_allocates_here),
        cmocka_unit_test(garbage_requests_stay_inside),
    };
    return cmocka_run_group_tests_name("lib/arena", tests, NULL, NULL);
}
