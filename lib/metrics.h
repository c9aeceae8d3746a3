/* What a process counts and measures, for Prometheus to read: a registry of time series, and its
 * text (exposition format 0.0.4). main makes the registry and hands it down.
 *
 * Updates are atomic operations without a lock, from any thread. Registering, removing and the text
 * take a lock, and may be called from any thread, too. There are FLORIN_METRICS_SERIES_MAX series
 * at most. NULL stands for a registry that has no room and for a series that counts nothing, so
 * what is measured needs no check of its own. */
#ifndef FLORIN_METRICS_H
#define FLORIN_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

typedef struct florin_metrics florin_metrics_t;
typedef struct florin_metric florin_metric_t; /* one series; the registry owns it */

/* NULL when there is no memory. */
florin_metrics_t *florin_metrics_new(void);
/* Nobody may use its series any more. */
void florin_metrics_destroy(florin_metrics_t **self_p);

/* The highest values of a histogram's buckets, ascending. Values are whole numbers of
 * 10^-digits of the base unit: 9 for nanoseconds that are shown as seconds. */
typedef struct {
    const uint64_t *bounds;
    size_t count;
    unsigned digits;
} florin_buckets_t;

/* Registers a series, or finds it again: `name`, then names and values of labels in pairs, then
 * NULL. Names are Prometheus' (counters end in "_total", units are seconds and bytes); values of
 * labels may be any UTF-8. The help of a name is that of its first series; all but the labels is
 * borrowed for the registry's life. NULL when there is no room. */
florin_metric_t *florin_metrics_counter(florin_metrics_t *self, const char *name, const char *help,
                                        ...) __attribute__((sentinel));
florin_metric_t *florin_metrics_gauge(florin_metrics_t *self, const char *name, const char *help,
                                      ...) __attribute__((sentinel));
/* A gauge whose values are whole numbers of 10^-digits of its unit. */
florin_metric_t *florin_metrics_gauge_of(florin_metrics_t *self, const char *name, const char *help,
                                         unsigned digits, ...) __attribute__((sentinel));
florin_metric_t *florin_metrics_histogram(florin_metrics_t *self, const char *name,
                                          const char *help, const florin_buckets_t *buckets, ...)
    __attribute__((sentinel));

/* For what is gone for good, such as a pool without workers. */
void florin_metrics_remove(florin_metrics_t *self, florin_metric_t **metric_p);

/* Counters only go up; a gauge may be given less than 0. */
void florin_metric_add(florin_metric_t *self, int64_t count);
/* A gauge, or a counter that copies what is counted elsewhere. */
void florin_metric_set(florin_metric_t *self, uint64_t value);
/* One value for a histogram. */
void florin_metric_observe(florin_metric_t *self, uint64_t value);

/* All series as text, which the caller frees with free; NULL when there is no memory. */
char *florin_metrics_text(florin_metrics_t *self, size_t *bytes);

#endif
