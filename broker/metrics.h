/* What the core counts, as metrics: copied by the broker's thread a few times a second, so that
 * nothing is counted twice and a scrape never waits for the core, nor the core for a scrape. A pool
 * that is gone is not shown any more. */
#ifndef FLORIN_BROKER_METRICS_H
#define FLORIN_BROKER_METRICS_H

#include "broker/core.h"
#include "lib/metrics.h"

typedef struct florin_broker_metrics florin_broker_metrics_t;

/* The registry is borrowed until the destructor. */
int florin_broker_metrics_new(florin_metrics_t *registry, florin_broker_metrics_t **metrics,
                              florin_error_t *error) FLORIN_MUST_USE;
void florin_broker_metrics_destroy(florin_broker_metrics_t **self_p);

/* Copies what the core says now, unless it did so a moment ago. NULL does nothing. */
void florin_broker_metrics_turn(florin_broker_metrics_t *self, florin_core_t *core,
                                uint64_t now_ms);

/* When the next copy is due; UINT64_MAX for NULL. */
uint64_t florin_broker_metrics_wake_ms(const florin_broker_metrics_t *self);

#endif
