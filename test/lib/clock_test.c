#include "lib/clock.h"

#include <time.h>

#include "test/lib/support/test.h"

static void monotonic_time_never_goes_back(void **state)
{
    (void)state;
    uint64_t last_ns = florin_clock_ns();
    for (int i = 0; i < 100000; i++) {
        uint64_t now_ns = florin_clock_ns();
        assert_true(now_ns >= last_ns);
        last_ns = now_ns;
    }
    assert_in_range(florin_clock_ms(), last_ns / 1000000, last_ns / 1000000 + 1000);
}

static void real_time_is_that_of_the_system(void **state)
{
    (void)state;
    uint64_t before_s = (uint64_t)time(NULL);
    uint64_t now_ns = florin_clock_unix_ns();
    assert_in_range(now_ns / UINT64_C(1000000000), before_s, before_s + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(monotonic_time_never_goes_back),
        cmocka_unit_test(real_time_is_that_of_the_system),
    };
    return cmocka_run_group_tests_name("lib/clock", tests, NULL, NULL);
}
