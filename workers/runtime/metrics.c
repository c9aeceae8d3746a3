#include "workers/runtime/metrics.h"

#include "client/florin.h"

/* From half a millisecond, which one commit takes on a good disk, to what a client waits for. */
static const uint64_t batch_ns[] = {500000,     1000000,    2500000,    5000000,    10000000,
                                    25000000,   50000000,   100000000,  250000000,  500000000,
                                    1000000000, 2500000000, 5000000000, 10000000000};
static const florin_buckets_t batch_seconds = {batch_ns, sizeof(batch_ns) / sizeof(batch_ns[0]), 9};

static const uint64_t sizes[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8190};
#define REQUESTS_BUCKETS 11
static const florin_buckets_t batch_events = {sizes, sizeof(sizes) / sizeof(sizes[0]), 0};
static const florin_buckets_t batch_requests = {sizes, REQUESTS_BUCKETS, 0};

static_assert(FLORIN_BATCH_EVENTS_MAX == 8190 && FLORIN_BATCH_REQUESTS_MAX == 1024,
              "the last bucket is a full batch");

void florin_worker_metrics_init(florin_worker_metrics_t *self, florin_metrics_t *registry,
                                const char *program, const char *const *endpoints,
                                size_t endpoints_count)
{
    *self = (florin_worker_metrics_t){.answers = {NULL}};
    for (size_t i = FLORIN__V1__STATUS__STATUS_OK;
         i < sizeof(self->answers) / sizeof(self->answers[0]); i++)
        self->answers[i] = florin_metrics_counter(
            registry, "florin_worker_requests_total", "Requests answered, by the reply's status.",
            "status", florin_status_name((Florin__V1__Status)i), NULL);
    self->batch_requests = florin_metrics_histogram(registry, "florin_worker_batch_requests",
                                                    "Requests in a batch.", &batch_requests, NULL);
    self->batch_events = florin_metrics_histogram(
        registry, "florin_worker_batch_events",
        "Events (transfers, accounts, ids) in a batch, of all its requests.", &batch_events, NULL);
    self->held_requests = florin_metrics_gauge(registry, "florin_worker_requests_held",
                                               "Requests taken and not answered yet.", NULL);
    self->held_bytes =
        florin_metrics_gauge(registry, "florin_worker_requests_held_bytes",
                             "Bytes of the requests taken and not answered yet.", NULL);
    for (size_t i = 0; i < endpoints_count; i++)
        self->broker_up[i] = florin_metrics_gauge(registry, "florin_worker_broker_up",
                                                  "1 while the broker answers, else 0.", "broker",
                                                  endpoints[i], NULL);
    florin_metric_set(florin_metrics_gauge(registry, "florin_build_info",
                                           "Which program and version this is.", "program", program,
                                           "version", FLORIN_VERSION, NULL),
                      1);
}

void florin_lane_metrics_init(florin_lane_metrics_t *self, florin_metrics_t *registry,
                              const char *lane)
{
    *self = (florin_lane_metrics_t){
        .waiting = florin_metrics_gauge(registry, "florin_lane_requests_waiting",
                                        "Requests that wait in a lane, and are not begun.", "lane",
                                        lane, NULL),
        .stuck = florin_metrics_gauge(registry, "florin_lane_stuck",
                                      "1 while a lane has given nothing back for half a second of "
                                      "work, else 0.",
                                      "lane", lane, NULL),
        .refused = florin_metrics_counter(
            registry, "florin_lane_requests_refused_total",
            "Requests that waited in a lane and were taken back: more than its share, or too late.",
            "lane", lane, NULL),
        .batch_seconds =
            florin_metrics_histogram(registry, "florin_worker_batch_seconds",
                                     "Time that a batch took, from its collection to its replies.",
                                     &batch_seconds, "lane", lane, NULL),
    };
}
