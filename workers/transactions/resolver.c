#include "workers/transactions/resolver.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "workers/runtime/storage.h"

#define PASS_MS   250
#define FORGET_MS 10000
/* Short: what a shard does not answer now, the next pass asks again. */
#define CONNECT_MS_MAX   500
#define STATEMENT_MS_MAX 1000

struct florin_resolver {
    florin_store_t *store; /* the thread's alone while it runs */
    int end_fd;            /* an eventfd: to be read when the thread has to end */
    pthread_t thread;
    bool runs;
    florin_metric_t *committed, *rolled_back, *waiting;
    uint64_t forget_ms; /* when to forget decisions next; florin_clock_ms */
    bool sees_all;      /* the last pass looked at all shards */
    size_t waits;       /* as the metric says */
};

static void count(florin_resolver_t *self, florin_metrics_t *metrics)
{
    static const char *const name = "florin_in_doubt_ended_total",
                             *const help =
                                 "Prepared transactions left in doubt that were ended, by how.";
    self->committed = florin_metrics_counter(metrics, name, help, "ruling", "commit", NULL);
    self->rolled_back = florin_metrics_counter(metrics, name, help, "ruling", "abort", NULL);
    self->waiting =
        florin_metrics_gauge(metrics, "florin_in_doubt_waiting",
                             "Prepared transactions in doubt whose home shard is away.", NULL);
}

/* What is not known in full is said once. */
static void tell(florin_resolver_t *self, bool known, const char *why)
{
    if (!known && self->sees_all)
        florin_log(FLORIN_LOG_WARN, "resolve_incomplete",
                   "prepared transactions in doubt cannot be looked for everywhere: %s", why);
    self->sees_all = known;
}

/* While some shards cannot be looked at, what is known to wait there waits on. */
static void set_waiting(florin_resolver_t *self, const florin_resolved_t *resolved)
{
    if (!resolved->partial || resolved->waiting > self->waits)
        self->waits = resolved->waiting;
    florin_metric_set(self->waiting, self->waits);
}

static bool resolve(florin_resolver_t *self)
{
    florin_resolved_t resolved;
    florin_error_t error = {0};
    if (florin_store_resolve(self->store, &resolved, &error)) {
        tell(self, false, error.message);
        return false;
    }
    tell(self, !resolved.partial, "not all shards answer");
    if (resolved.committed + resolved.rolled_back > 0)
        florin_log(
            FLORIN_LOG_WARN, "resolved",
            "of prepared transactions left in doubt, %zu are committed, %zu rolled back, and "
            "%zu wait for a home shard",
            resolved.committed, resolved.rolled_back, resolved.waiting);
    florin_metric_add(self->committed, (int64_t)resolved.committed);
    florin_metric_add(self->rolled_back, (int64_t)resolved.rolled_back);
    set_waiting(self, &resolved);
    return true;
}

static void pass(florin_resolver_t *self)
{
    florin_error_t error = {0};
    if (!resolve(self) || florin_clock_ms() < self->forget_ms)
        return;
    if (florin_store_forget(self->store, &error))
        florin_log(FLORIN_LOG_DEBUG, "forget_failed", "%s", error.message);
    self->forget_ms = florin_clock_ms() + FORGET_MS;
}

static void *run(void *arg)
{
    florin_resolver_t *self = arg;
    struct pollfd end = {.fd = self->end_fd, .events = POLLIN};
    while (poll(&end, 1, PASS_MS) != 1)
        pass(self);
    return NULL;
}

int florin_resolver_new(const florin_setup_t *setup, florin_resolver_t **resolver,
                        florin_error_t *error)
{
    florin_resolver_t *self = calloc(1, sizeof *self);
    *resolver = self;
    if (!self)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for a resolver");
    self->sees_all = true;
    self->end_fd = eventfd(0, EFD_CLOEXEC);
    count(self, setup->metrics);
    int code = florin_storage_beside(setup, CONNECT_MS_MAX, STATEMENT_MS_MAX, &self->store, error);
    if (code == 0) {
        self->runs = self->end_fd >= 0 && pthread_create(&self->thread, NULL, run, self) == 0;
        if (!self->runs)
            code = florin_error_set(error, FLORIN_ERROR_SYSTEM, "can't start the resolver: %m");
    }
    if (code)
        florin_resolver_destroy(resolver);
    return code;
}

void florin_resolver_destroy(florin_resolver_t **self_p)
{
    florin_resolver_t *self = *self_p;
    if (!self)
        return;
    if (self->runs) {
        (void)eventfd_write(self->end_fd, 1);
        (void)pthread_join(self->thread, NULL);
    }
    if (self->end_fd >= 0)
        close(self->end_fd);
    florin_store_destroy(&self->store);
    free(self);
    *self_p = NULL;
}
