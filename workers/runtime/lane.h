/* The batch thread: takes the requests that wait, unpacks them, and hands them to the handler as
 * one batch after the other. Blocks where the handler does. */
#ifndef FLORIN_BATCH_H
#define FLORIN_BATCH_H

#include "workers/runtime/metrics.h"
#include "workers/runtime/worker.h"

typedef struct {
    const florin_handler_t *handler; /* borrowed, as all here */
    const florin_config_t *config;
    florin_metrics_t *registry; /* may be NULL */
    const florin_worker_metrics_t *metrics;
    void *pair;           /* to the dialog thread; closed by this one */
    florin_error_t error; /* out: why it did not start; code 0 when it did */
} florin_batch_options_t;

/* A thread's main function. First starts the handler and says so with a NULL over the pair; after a
 * start that failed it ends there. Else it ends when a NULL comes. */
void *florin_batch_run(void *options);

#endif
