/* The dialog thread: keeps the links to all brokers alive whatever the lanes do, hands requests to
 * them and replies back. Never blocks but in its one poll, never touches a database. */
#ifndef FLORIN_DIALOG_H
#define FLORIN_DIALOG_H

#include "lib/limits.h"
#include "workers/runtime/lanes/lanes.h"
#include "workers/runtime/link.h"
#include "workers/runtime/metrics.h"

/* What a worker holds at once, over all brokers; a request past it is answered BUSY. The number is
 * bounded by the credit each broker has. */
#define FLORIN_WORKER_HELD_BYTES_MAX (256u * 1024 * 1024)
/* The longest that a worker which was told to end works on. */
#define FLORIN_WORKER_DRAIN_MS 10000u

typedef struct {
    florin_link_options_t link;
    const char *const *endpoints; /* 1 to FLORIN_BROKERS_MAX */
    size_t endpoints_count;
    const florin_worker_metrics_t *metrics;
    florin_lanes_t *lanes;
    florin_inbox_t *answered; /* what the lanes give back */
    florin_clocks_t *clocks;  /* while aside, the brokers are left; NULL: never */
    int signal_fd;            /* readable: drain */
} florin_dialog_options_t;

/* Serves until the descriptor says to end and all that was under way is answered, or the drain's
 * time is up. Returns true when nothing was left. */
bool florin_dialog_run(const florin_dialog_options_t *options);

#endif
