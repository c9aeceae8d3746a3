/* The two clocks: monotonic for durations, real time for what goes on the wire. */
#ifndef FLORIN_CLOCK_H
#define FLORIN_CLOCK_H

#include <stdint.h>

/* Milliseconds and nanoseconds of a clock that never goes back; its zero means nothing. */
uint64_t florin_clock_ms(void);
uint64_t florin_clock_ns(void);

/* Nanoseconds since 1970-01-01 UTC. */
uint64_t florin_clock_unix_ns(void);

#endif
