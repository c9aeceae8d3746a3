/* A filter of the wire as a query of the books, and the cursor that one page gives to the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "workers/runtime/messages/page.h"

#define CURSOR_BYTES 24

static uint8_t bytes[CURSOR_BYTES + 1];

static ProtobufCBinaryData data(size_t length)
{
    return (ProtobufCBinaryData){.len = length, .data = length ? bytes : NULL};
}

static void test_no_filter_asks_for_all(void **state)
{
    (void)state;
    const Florin__V1__Filter empty = FLORIN__V1__FILTER__INIT;
    const Florin__V1__Filter *const filters[] = {NULL, &empty};
    for (size_t i = 0; i < 2; i++) {
        const florin_list_query_t all = {.limit = 100};
        florin_list_query_t query;
        florin_error_t error;
        memset(&query, 0xff, sizeof(query));
        assert_int_equal(florin_page_query(filters[i], &query, &error), 0);
        assert_int_equal(query.limit, all.limit);
        assert_true(query.ledger == 0 && query.code == 0 && query.user_data == 0);
        assert_true(query.from == 0 && query.until == 0 && !query.newest_first);
        assert_true(query.after_timestamp == 0 && query.after_id == 0);
        assert_int_equal(florin_page_limit(filters[i]), 100);
    }
}

/* Each field at its maximum, and each in its own place. */
static void test_each_field_is_taken(void **state)
{
    (void)state;
    Florin__V1__Filter filter = FLORIN__V1__FILTER__INIT;
    florin_list_query_t query;
    florin_error_t error;
    for (size_t i = 0; i < CURSOR_BYTES; i++)
        bytes[i] = (uint8_t)(i + 1);
    filter.ledger = UINT32_MAX;
    filter.code = UINT16_MAX;
    filter.user_data = data(16);
    filter.from_timestamp = INT64_MAX;
    filter.until_timestamp = INT64_MAX - 1;
    filter.limit = FLORIN_EVENTS_MAX;
    filter.cursor = data(CURSOR_BYTES);
    filter.newest_first = true;
    assert_int_equal(florin_page_query(&filter, &query, &error), 0);
    assert_int_equal(query.ledger, UINT32_MAX);
    assert_int_equal(query.code, UINT16_MAX);
    assert_int_equal((uint64_t)(query.user_data >> 64), UINT64_C(0x0102030405060708));
    assert_int_equal((uint64_t)query.user_data, UINT64_C(0x090a0b0c0d0e0f10));
    assert_int_equal(query.from, INT64_MAX);
    assert_int_equal(query.until, INT64_MAX - 1);
    assert_int_equal(query.limit, FLORIN_EVENTS_MAX);
    assert_int_equal(query.after_timestamp, UINT64_C(0x0102030405060708));
    assert_int_equal((uint64_t)(query.after_id >> 64), UINT64_C(0x090a0b0c0d0e0f10));
    assert_int_equal((uint64_t)query.after_id, UINT64_C(0x1112131415161718));
    assert_true(query.newest_first);
}

/* A field that is refused, and what is said of it. */
static const struct {
    uint32_t code, limit;
    uint64_t from, until;
    size_t user_data_bytes, cursor_bytes;
    uint8_t cursor_first;
    int result;
    const char *message;
} refused[] = {
    {.code = 65536,
     .result = FLORIN_ERROR_INVALID,
     .message = "filter.code: 65536; it is at most 65535"},
    {.code = UINT32_MAX,
     .result = FLORIN_ERROR_INVALID,
     .message = "filter.code: 4294967295; it is at most 65535"},
    {.limit = FLORIN_EVENTS_MAX + 1,
     .result = FLORIN_ERROR_TOO_LARGE,
     .message = "filter.limit: 8191; a page has at most 8190 rows: ask for the others with "
                "next_cursor"},
    {.limit = UINT32_MAX,
     .result = FLORIN_ERROR_TOO_LARGE,
     .message = "filter.limit: 4294967295; a page has at most 8190 rows: ask for the others with "
                "next_cursor"},
    {.from = (uint64_t)INT64_MAX + 1,
     .result = FLORIN_ERROR_INVALID,
     .message = "filter.from_timestamp: 9223372036854775808; it is at most 9223372036854775807"},
    {.until = UINT64_MAX,
     .result = FLORIN_ERROR_INVALID,
     .message = "filter.until_timestamp: 18446744073709551615; it is at most 9223372036854775807"},
    {.user_data_bytes = 15,
     .result = FLORIN_ERROR_INVALID,
     .message = "filter.user_data: 15 bytes; an id has 16"},
    {.user_data_bytes = 17,
     .result = FLORIN_ERROR_INVALID,
     .message = "filter.user_data: 17 bytes; an id has 16"},
    {.cursor_bytes = 1,
     .result = FLORIN_ERROR_INVALID,
     .message = "filter.cursor: 1 bytes; it is the next_cursor of a reply"},
    {.cursor_bytes = CURSOR_BYTES - 1,
     .result = FLORIN_ERROR_INVALID,
     .message = "filter.cursor: 23 bytes; it is the next_cursor of a reply"},
    {.cursor_bytes = CURSOR_BYTES + 1,
     .result = FLORIN_ERROR_INVALID,
     .message = "filter.cursor: 25 bytes; it is the next_cursor of a reply"},
    {.cursor_bytes = CURSOR_BYTES,
     .cursor_first = 0x80,
     .result = FLORIN_ERROR_INVALID,
     .message = "filter.cursor: 9223372036854775808; it is at most 9223372036854775807"},
};

static void test_what_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        Florin__V1__Filter filter = FLORIN__V1__FILTER__INIT;
        florin_list_query_t query;
        florin_error_t error = {0};
        memset(bytes, 0, sizeof(bytes));
        bytes[0] = refused[i].cursor_first;
        filter.code = refused[i].code;
        filter.limit = refused[i].limit;
        filter.from_timestamp = refused[i].from;
        filter.until_timestamp = refused[i].until;
        filter.user_data = data(refused[i].user_data_bytes);
        filter.cursor = data(refused[i].cursor_bytes);
        assert_int_equal(florin_page_query(&filter, &query, &error), refused[i].result);
        assert_string_equal(error.message, refused[i].message);
        assert_in_range(florin_page_limit(&filter), 1, FLORIN_EVENTS_MAX);
    }
}

static void test_a_cursor_comes_back_as_it_was(void **state)
{
    (void)state;
    const struct {
        uint64_t timestamp;
        florin_id_t id;
    } places[] = {{1, 1}, {INT64_MAX, ~(florin_id_t)0}, {258, (florin_id_t)3 << 64 | 4}};
    florin_arena_t *arena = florin_arena_new(4096);
    assert_non_null(arena);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        Florin__V1__Filter filter = FLORIN__V1__FILTER__INIT;
        florin_list_query_t query;
        florin_error_t error;
        assert_true(florin_page_cursor(places[i].timestamp, places[i].id, arena, &filter.cursor));
        assert_int_equal(filter.cursor.len, CURSOR_BYTES);
        assert_int_equal(florin_page_query(&filter, &query, &error), 0);
        assert_int_equal(query.after_timestamp, places[i].timestamp);
        assert_true(query.after_id == places[i].id);
    }
    florin_arena_destroy(&arena);
}

static void test_a_cursor_needs_room(void **state)
{
    (void)state;
    florin_arena_t *arena = florin_arena_new(16);
    ProtobufCBinaryData cursor = {0};
    assert_non_null(arena);
    assert_false(florin_page_cursor(1, 1, arena, &cursor));
    assert_int_equal(cursor.len, 0);
    florin_arena_destroy(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_filter_asks_for_all),
        cmocka_unit_test(test_each_field_is_taken),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_a_cursor_comes_back_as_it_was),
        cmocka_unit_test(test_a_cursor_needs_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
