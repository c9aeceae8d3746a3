#include "broker/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COPY_MS 250

/* A series, and where its value stands in a struct of the core's. `label` is NULL when the pool, or
 * nothing, tells its series apart. */
typedef struct {
    const char *name;
    const char *help;
    const char *label, *value;
    size_t offset;
} row_t;

#define POOL(field)    offsetof(florin_core_pool_t, field)
#define COUNTER(field) offsetof(florin_core_counters_t, field)

#define REQUESTS_HELP "Requests, by what became of them."
#define HELD_HELP     "Requests in the pool now."
#define BYTES_HELP    "Bytes of the bodies of the requests in the pool now."
#define WORKERS_HELP  "Workers of the pool now; draining ones get nothing more."
#define DROPPED_HELP  "Messages dropped, by why."

static const row_t pool_counters[] = {
    {"florin_pool_requests_total", REQUESTS_HELP, "outcome", "replied", POOL(answered)},
    {"florin_pool_requests_total", REQUESTS_HELP, "outcome", "busy", POOL(busy)},
    {"florin_pool_requests_total", REQUESTS_HELP, "outcome", "expired", POOL(expired)},
    {"florin_pool_requests_total", REQUESTS_HELP, "outcome", "no_service", POOL(no_service)},
    {"florin_pool_requests_total", REQUESTS_HELP, "outcome", "unavailable", POOL(unavailable)},
    {"florin_pool_redispatches_total", "Requests sent to another worker after one was lost.", NULL,
     NULL, POOL(redispatched)},
};

static const row_t pool_gauges[] = {
    {"florin_pool_requests", HELD_HELP, "state", "waiting", POOL(requests_waiting)},
    {"florin_pool_requests", HELD_HELP, "state", "at_worker", POOL(requests_held)},
    {"florin_pool_requests_max", "Requests that the pool may hold; then clients are told BUSY.",
     NULL, NULL, POOL(requests_max)},
    {"florin_pool_body_bytes", BYTES_HELP, "state", "waiting", POOL(bytes_waiting)},
    {"florin_pool_body_bytes", BYTES_HELP, "state", "at_worker", POOL(bytes_held)},
    {"florin_pool_body_bytes_max", "Bytes of bodies that the pool may hold; then BUSY.", NULL, NULL,
     POOL(bytes_max)},
    {"florin_pool_workers", WORKERS_HELP, "state", "serving", POOL(workers)},
    {"florin_pool_workers", WORKERS_HELP, "state", "draining", POOL(workers_draining)},
    {"florin_pool_clients", "Clients that have requests in the pool now.", NULL, NULL,
     POOL(clients)},
};

static const row_t broker_counters[] = {
    {"florin_broker_dropped_total", DROPPED_HELP, "reason", "malformed", COUNTER(malformed)},
    {"florin_broker_dropped_total", DROPPED_HELP, "reason", "reply_undelivered",
     COUNTER(replies_undelivered)},
    {"florin_broker_dropped_total", DROPPED_HELP, "reason", "reply_late_or_unknown",
     COUNTER(replies_dropped)},
    {"florin_broker_dropped_total", DROPPED_HELP, "reason", "unregistered_worker",
     COUNTER(strangers)},
    {"florin_broker_workers_refused_total", "READY messages of workers that were refused.", NULL,
     NULL, COUNTER(workers_refused)},
    {"florin_broker_disconnects_withheld_total",
     "DISCONNECT messages not sent, to slow down peers that provoke them.", NULL, NULL,
     COUNTER(disconnects_withheld)},
};

#define COUNT(rows)     (sizeof(rows) / sizeof(rows)[0])
#define POOL_COUNTERS   COUNT(pool_counters)
#define POOL_GAUGES     COUNT(pool_gauges)
#define POOL_ROWS       (POOL_COUNTERS + POOL_GAUGES)
#define BROKER_COUNTERS COUNT(broker_counters)

static_assert(FLORIN_BROKER_SERVICES_MAX * POOL_ROWS + BROKER_COUNTERS + 2 <=
                  FLORIN_METRICS_SERIES_MAX,
              "the series of all pools fit in a registry");

typedef struct {
    bool seen; /* by the copy that is being made */
    florin_metric_t *series[POOL_ROWS];
    char service[FLORIN_SERVICE_BYTES_MAX + 1];
} pool_series_t;

struct florin_broker_metrics {
    florin_metrics_t *registry;
    uint64_t copy_at_ms;
    florin_metric_t *unserved;
    florin_metric_t *counters[BROKER_COUNTERS];
    size_t pools_count;
    pool_series_t pools[FLORIN_BROKER_SERVICES_MAX];
};

static uint64_t value_at(const void *base, const row_t *row)
{
    uint64_t value;
    memcpy(&value, (const uint8_t *)base + row->offset, sizeof value);
    return value;
}

int florin_broker_metrics_new(florin_metrics_t *registry, florin_broker_metrics_t **metrics,
                              florin_error_t *error)
{
    florin_broker_metrics_t *self = *metrics = calloc(1, sizeof *self);
    if (self == NULL)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for metrics");
    self->registry = registry;
    self->unserved =
        florin_metrics_counter(registry, "florin_broker_requests_unserved_total",
                               "Requests for services that no pool was there for.", NULL);
    for (size_t i = 0; i < BROKER_COUNTERS; i++) {
        const row_t *row = &broker_counters[i];
        self->counters[i] =
            florin_metrics_counter(registry, row->name, row->help, row->label, row->value, NULL);
    }
    florin_metric_set(florin_metrics_gauge(registry, "florin_build_info",
                                           "Which program and version this is.", "program",
                                           "florin-broker", "version", FLORIN_VERSION, NULL),
                      1);
    return FLORIN_OK;
}

void florin_broker_metrics_destroy(florin_broker_metrics_t **self_p)
{
    free(*self_p);
    *self_p = NULL;
}

static void forget_pool(florin_broker_metrics_t *self, pool_series_t *pool)
{
    for (size_t i = 0; i < POOL_ROWS; i++)
        florin_metrics_remove(self->registry, &pool->series[i]);
    *pool = self->pools[--self->pools_count];
}

/* The series of a pool, made when it is new. NULL while those of others that went have to go first.
 */
static pool_series_t *series_of(florin_broker_metrics_t *self, const char *service)
{
    for (size_t i = 0; i < self->pools_count; i++)
        if (strcmp(self->pools[i].service, service) == 0)
            return &self->pools[i];
    if (self->pools_count == FLORIN_BROKER_SERVICES_MAX)
        return NULL;
    pool_series_t *pool = &self->pools[self->pools_count++];
    (void)snprintf(pool->service, sizeof pool->service, "%s", service);
    for (size_t i = 0; i < POOL_COUNTERS; i++) {
        const row_t *row = &pool_counters[i];
        pool->series[i] = florin_metrics_counter(self->registry, row->name, row->help, "pool",
                                                 service, row->label, row->value, NULL);
    }
    for (size_t i = 0; i < POOL_GAUGES; i++) {
        const row_t *row = &pool_gauges[i];
        pool->series[POOL_COUNTERS + i] = florin_metrics_gauge(
            self->registry, row->name, row->help, "pool", service, row->label, row->value, NULL);
    }
    return pool;
}

static void copy_pool(void *self_p, const char *service, const florin_core_pool_t *now)
{
    pool_series_t *pool = series_of(self_p, service);
    if (pool == NULL)
        return;
    pool->seen = true;
    for (size_t i = 0; i < POOL_COUNTERS; i++)
        florin_metric_set(pool->series[i], value_at(now, &pool_counters[i]));
    for (size_t i = 0; i < POOL_GAUGES; i++)
        florin_metric_set(pool->series[POOL_COUNTERS + i], value_at(now, &pool_gauges[i]));
}

void florin_broker_metrics_turn(florin_broker_metrics_t *self, florin_core_t *core, uint64_t now_ms)
{
    if (self == NULL || now_ms < self->copy_at_ms)
        return;
    self->copy_at_ms = now_ms + COPY_MS;
    florin_metric_set(self->unserved, florin_core_unserved(core));
    for (size_t i = 0; i < BROKER_COUNTERS; i++)
        florin_metric_set(self->counters[i],
                          value_at(florin_core_counters(core), &broker_counters[i]));
    for (size_t i = 0; i < self->pools_count; i++)
        self->pools[i].seen = false;
    florin_core_pools(core, copy_pool, self);
    for (size_t i = self->pools_count; i-- > 0;)
        if (!self->pools[i].seen)
            forget_pool(self, &self->pools[i]);
}

uint64_t florin_broker_metrics_wake_ms(const florin_broker_metrics_t *self)
{
    return self != NULL ? self->copy_at_ms : UINT64_MAX;
}
