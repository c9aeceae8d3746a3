#include "lib/id.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/limits.h"
#include "test/lib/support/test.h"

static const uint8_t sample_bytes[FLORIN_ID_BYTES] = {
    0x01, 0x8f, 0x4e, 0x2a, 0x00, 0x7b, 0x7c, 0x3d, 0x9a, 0xbc, 0xde, 0xf0, 0x12, 0x34, 0x56, 0x78};
static const char sample_text[] = "018f4e2a-007b-7c3d-9abc-def012345678";

static void bytes_are_big_endian(void **state)
{
    (void)state;
    uint8_t bytes[FLORIN_ID_BYTES];
    florin_id_t id = florin_id_from_bytes(sample_bytes);
    assert_int_equal((uint64_t)(id >> 64), UINT64_C(0x018f4e2a007b7c3d));
    assert_int_equal((uint64_t)id, UINT64_C(0x9abcdef012345678));
    florin_id_to_bytes(id, bytes);
    assert_memory_equal(bytes, sample_bytes, sizeof bytes);
}

static void texts_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t high, low;
    } vectors[] = {
        {"0", 0, 0},
        {"7", 0, 7},
        {"0042", 0, 42},
        {"18446744073709551615", 0, UINT64_MAX},
        {"018f4e2a-007b-7c3d-9abc-def012345678", 0x018f4e2a007b7c3d, 0x9abcdef012345678},
        {"018F4E2A-007B-7C3D-9ABC-DEF012345678", 0x018f4e2a007b7c3d, 0x9abcdef012345678},
        {"00000000-0000-0000-0000-000000000000", 0, 0},
        {"ffffffff-ffff-ffff-ffff-ffffffffffff", UINT64_MAX, UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        florin_id_t id = 1;
        assert_int_equal(florin_id_parse(vectors[i].text, "id", &id, NULL), FLORIN_OK);
        assert_int_equal((uint64_t)(id >> 64), vectors[i].high);
        assert_int_equal((uint64_t)id, vectors[i].low);
    }
}

static void other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " 1",
        "1 ",
        "+1",
        "-1",
        "0x10",
        "1.0",
        "18446744073709551616",
        "99999999999999999999",
        "000000000000000000001",
        "018f4e2a007b7c3d9abcdef012345678",
        "{18f4e2a-007b-7c3d-9abc-def01234567}",
        "018f4e2a-007b-7c3d-9abc-def01234567",
        "018f4e2a-007b-7c3d-9abc-def0123456789",
        "018f4e2a-007b-7c3d-9abc-def01234567g",
        "018f4e2a-007b-7c3d-9abcd-ef012345678",
        "018f4e2a-007b-7c3d--abc-def012345678",
        "018f4e2a 007b 7c3d 9abc def012345678",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        florin_error_t error = {0};
        florin_id_t id = 0;
        assert_int_equal(florin_id_parse(texts[i], "--debit", &id, &error), FLORIN_ERROR_INVALID);
        assert_ptr_equal(strstr(error.message, "--debit: "), error.message);
    }
}

static void numbers_and_uuids_are_written(void **state)
{
    (void)state;
    char text[FLORIN_ID_TEXT_BYTES];
    florin_id_t two_to_64 = (florin_id_t)1 << 64;
    assert_string_equal(florin_id_format(0, text), "0");
    assert_string_equal(florin_id_format(two_to_64 - 1, text), "18446744073709551615");
    assert_string_equal(florin_id_format(two_to_64, text), "00000000-0000-0001-0000-000000000000");
    assert_string_equal(florin_id_format(florin_id_from_bytes(sample_bytes), text), sample_text);
    assert_string_equal(florin_id_format_uuid(0, text), "00000000-0000-0000-0000-000000000000");
    assert_string_equal(florin_id_format_uuid(1023, text), "00000000-0000-0000-0000-0000000003ff");
}

static void minted_ids_are_uuids_of_their_time_and_slot(void **state)
{
    (void)state;
    const uint64_t unix_ms = UINT64_C(0x018f4e2a007b);
    for (unsigned slot = 0; slot < FLORIN_SLOTS; slot++) {
        uint8_t bytes[FLORIN_ID_BYTES];
        florin_id_t id = florin_id_mint(unix_ms, slot);
        florin_id_to_bytes(id, bytes);
        assert_memory_equal(bytes, sample_bytes, 6);
        assert_int_equal(bytes[6] >> 4, 7);
        assert_int_equal(bytes[8] >> 6, 2);
        assert_int_equal(florin_id_slot(id), slot);
        assert_true(florin_id_mint(unix_ms + 1, slot) > id);
        assert_true(florin_id_mint(unix_ms, slot) != id);
    }
}

/* What is written is read back the same; what is garbage is refused or read, never overrun. */
static void garbage_is_survived(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789abcdefABCDEF---- xg.\xff";
    test_random_t random = test_random_new();
    for (int i = 0; i < 20000; i++) {
        size_t length = test_random_below(&random, 2) ? 36 : test_random_below(&random, 50);
        char *text = malloc(length + 1); /* its own block: an overrun is seen by ASan */
        for (size_t j = 0; j < length; j++)
            text[j] = alphabet[test_random_below(&random, sizeof alphabet - 1)];
        text[length] = '\0';
        florin_id_t id = 0;
        florin_error_t error;
        if (florin_id_parse(text, "id", &id, &error) == FLORIN_OK)
            assert_true(length == 36 || (length <= 20 && id <= UINT64_MAX));
        free(text);

        char written[FLORIN_ID_TEXT_BYTES];
        florin_id_t made = (florin_id_t)test_random_next(&random) << 64 | test_random_next(&random);
        made >>= test_random_below(&random, 128);
        assert_int_equal(florin_id_parse(florin_id_format(made, written), "", &id, NULL), 0);
        assert_true(id == made);
        assert_int_equal(florin_id_parse(florin_id_format_uuid(made, written), "", &id, NULL), 0);
        assert_true(id == made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_big_endian),
        cmocka_unit_test(texts_are_read),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(numbers_and_uuids_are_written),
        cmocka_unit_test(minted_ids_are_uuids_of_their_time_and_slot),
        cmocka_unit_test(garbage_is_survived),
    };
    return cmocka_run_group_tests_name("lib/id", tests, NULL, NULL);
}
