/* The clocks that a process knows: those of the servers it talks to, and its own. From them comes
 * the time it may write by (agreed.h), for all of its threads. */
#ifndef FLORIN_CLOCKS_H
#define FLORIN_CLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/metrics.h"

typedef struct florin_clocks florin_clocks_t;

#define FLORIN_CLOCK_BOUND_MS_DEFAULT 5000

/* The metrics outlive it. NULL when there is no memory. */
florin_clocks_t *florin_clocks_new(uint32_t bound_ms, florin_metrics_t *metrics);
void florin_clocks_destroy(florin_clocks_t **self_p);

/* A server's clock said `unix_ns` at some moment between two readings of florin_clock_boot_ns. */
void florin_clocks_take(florin_clocks_t *self, size_t server, uint64_t sent_ns,
                        uint64_t received_ns, uint64_t unix_ns);

/* Whether florin_clocks_now would have no error; tells nobody. */
bool florin_clocks_agree(florin_clocks_t *self);

/* The time by which to write, ns since 1970: this machine's own where most clocks agree with it,
 * else what they say. FLORIN_ERROR_ASIDE when they do not agree, or this machine's clock is further
 * from that than the bound; the log says so once, and once when that is over. */
int florin_clocks_now(florin_clocks_t *self, uint64_t *unix_ns,
                      florin_error_t *error) FLORIN_MUST_USE;

/* Whether the latest florin_clocks_now was an error: others should do this process's work. */
bool florin_clocks_aside(florin_clocks_t *self);

/* The time for those who do not write: without agreement it is this machine's own. */
uint64_t florin_clocks_time(florin_clocks_t *self);

/* How far each clock is ahead of agreed time, for a person. */
void florin_clocks_print(florin_clocks_t *self, char *text, size_t size);

/* No time of the books is further ahead. */
uint64_t florin_clocks_bound_ns(const florin_clocks_t *self);

#endif
