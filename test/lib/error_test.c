#include "lib/error.h"

#include <string.h>

#include "test/lib/support/test.h"

static void code_and_message_are_set(void **state)
{
    (void)state;
    florin_error_t error = {0};
    int rc = florin_error_set(&error, FLORIN_ERROR_TIMEOUT, "no answer in %d ms", 250);
    assert_int_equal(rc, FLORIN_ERROR_TIMEOUT);
    assert_int_equal(error.code, FLORIN_ERROR_TIMEOUT);
    assert_string_equal(error.message, "no answer in 250 ms");
    assert_int_equal(florin_error_set(NULL, FLORIN_ERROR_INVALID, "%d", 1), FLORIN_ERROR_INVALID);
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    florin_error_t error = {0};
    (void)florin_error_set(&error, FLORIN_ERROR_INVALID, "%0600d", 7);
    assert_int_equal(strlen(error.message), FLORIN_ERROR_MESSAGE_BYTES - 1);
}

static void codes_have_names(void **state)
{
    (void)state;
    assert_string_equal(florin_error_name(FLORIN_OK), "ok");
    assert_string_equal(florin_error_name(FLORIN_ERROR_MEMORY), "memory");
    assert_string_equal(florin_error_name(FLORIN_ERROR_TIMEOUT), "timeout");
    assert_string_equal(florin_error_name(FLORIN_ERROR_INTERNAL), "internal");
    assert_string_equal(florin_error_name(FLORIN_ERROR_ASIDE), "aside");
    assert_string_equal(florin_error_name(FLORIN_ERROR_ASIDE - 1), "unknown");
    assert_string_equal(florin_error_name(1), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_and_message_are_set),
        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(codes_have_names),
    };
    return cmocka_run_group_tests_name("lib/error", tests, NULL, NULL);
}
