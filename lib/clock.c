#include "lib/clock.h"

#include <time.h>

static uint64_t read_ns(clockid_t id)
{
    struct timespec now = {0};
    /* Neither clock can fail with a valid pointer. */
    (void)clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t florin_clock_ms(void)
{
    return read_ns(CLOCK_MONOTONIC) / UINT64_C(1000000);
}

uint64_t florin_clock_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t florin_clock_boot_ns(void)
{
    return read_ns(CLOCK_BOOTTIME);
}

uint64_t florin_clock_unix_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}
