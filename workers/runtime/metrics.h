/* What every worker measures of itself; its threads share the series. */
#ifndef FLORIN_WORKER_METRICS_H
#define FLORIN_WORKER_METRICS_H

#include "florin/v1/florin.pb-c.h"
#include "lib/limits.h"
#include "lib/metrics.h"

typedef struct {
    florin_metric_t *answers[FLORIN__V1__STATUS__STATUS_INTERNAL + 1]; /* by status */
    florin_metric_t *batch_requests, *batch_events;
    florin_metric_t *held_requests, *held_bytes;
    florin_metric_t *broker_up[FLORIN_BROKERS_MAX]; /* in the order of the endpoints */
} florin_worker_metrics_t;

/* Of one lane. */
typedef struct {
    florin_metric_t *waiting, *stuck, *refused;
    florin_metric_t *batch_seconds; /* in nanoseconds */
} florin_lane_metrics_t;

void florin_lane_metrics_init(florin_lane_metrics_t *self, florin_metrics_t *registry,
                              const char *lane);

/* Registers them; without a registry they count nothing. */
void florin_worker_metrics_init(florin_worker_metrics_t *self, florin_metrics_t *registry,
                                const char *program, const char *const *endpoints,
                                size_t endpoints_count);

#endif
