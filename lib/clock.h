/* The clocks: monotonic for durations, boot time for those that sleep counts in, real time. */
#ifndef FLORIN_CLOCK_H
#define FLORIN_CLOCK_H

#include <stdint.h>

/* Milliseconds and nanoseconds of a clock that never goes back; its zero means nothing. */
uint64_t florin_clock_ms(void);
uint64_t florin_clock_ns(void);

/* The same, and it goes on while the machine sleeps. */
uint64_t florin_clock_boot_ns(void);

/* Nanoseconds since 1970-01-01 UTC. */
uint64_t florin_clock_unix_ns(void);

#endif
