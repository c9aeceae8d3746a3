#include "lib/clocks.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/agreed.h"
#include "lib/clock.h"
#include "lib/limits.h"
#include "lib/log.h"

#define OWN        0 /* among the sources; server n is n + 1 */
#define MILLI      INT64_C(1000000)
#define DIGITS     9
#define MEASURE_NS UINT64_C(250000000)

_Static_assert(FLORIN_SHARDS_MAX < FLORIN_AGREED_SOURCES_MAX, "each server and this machine");

struct florin_clocks {
    uint64_t bound_ns;
    pthread_mutex_t lock; /* over all below */
    florin_agreed_t agreed;
    bool aside;             /* as the log said last */
    size_t voters, told_of; /* clocks that are known, and were when the log said it */
    uint64_t measure_at_ns; /* on the boot-time clock */
    florin_metrics_t *metrics;
    florin_metric_t *agrees;
    florin_metric_t *ahead[FLORIN_AGREED_SOURCES_MAX]; /* made when a source is first known */
};

florin_clocks_t *florin_clocks_new(uint32_t bound_ms, florin_metrics_t *metrics)
{
    florin_clocks_t *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->bound_ns = bound_ms * UINT64_C(1000000);
    self->metrics = metrics;
    self->agrees = florin_metrics_gauge(
        metrics, "florin_clock_agreed",
        "1: this process writes; 0: the clocks disagree, or its own is beyond the bound.", NULL);
    florin_metric_set(self->agrees, 1);
    (void)pthread_mutex_init(&self->lock, NULL);
    return self;
}

void florin_clocks_destroy(florin_clocks_t **self_p)
{
    florin_clocks_t *self = *self_p;
    if (!self)
        return;
    (void)pthread_mutex_destroy(&self->lock);
    free(self);
    *self_p = NULL;
}

uint64_t florin_clocks_bound_ns(const florin_clocks_t *self)
{
    return self->bound_ns;
}

static const char *name_of(size_t source, char name[32])
{
    snprintf(name, 32, source == OWN ? "own" : "shard %zu", source - 1);
    return name;
}

/* This machine's own clock; returns what it says. */
static uint64_t take_own(florin_clocks_t *self, uint64_t *boot_ns)
{
    uint64_t sent_ns = florin_clock_boot_ns(), unix_ns = florin_clock_unix_ns();
    *boot_ns = florin_clock_boot_ns();
    /* It is at hand: what it said before does not count. */
    self->agreed.sources[OWN].known = false;
    florin_agreed_take(&self->agreed, OWN, sent_ns, *boot_ns, unix_ns);
    return unix_ns;
}

void florin_clocks_take(florin_clocks_t *self, size_t server, uint64_t sent_ns,
                        uint64_t received_ns, uint64_t unix_ns)
{
    (void)pthread_mutex_lock(&self->lock);
    florin_agreed_take(&self->agreed, server + 1, sent_ns, received_ns, unix_ns);
    (void)pthread_mutex_unlock(&self->lock);
}

/* How far each source is ahead of a time, as metrics. */
static void measure(florin_clocks_t *self, uint64_t boot_ns, uint64_t unix_ns)
{
    if (!self->metrics || boot_ns < self->measure_at_ns)
        return;
    self->measure_at_ns = boot_ns + MEASURE_NS;
    for (size_t i = 0; i < FLORIN_AGREED_SOURCES_MAX; i++) {
        char name[32];
        if (!self->agreed.sources[i].known)
            continue;
        if (!self->ahead[i])
            self->ahead[i] = florin_metrics_gauge_of(
                self->metrics, "florin_clock_ahead_seconds",
                "How far a clock is ahead of agreed time, or, without one, of this machine's.",
                DIGITS, "clock", name_of(i, name), NULL);
        florin_metric_set(self->ahead[i],
                          (uint64_t)florin_agreed_ahead(&self->agreed, i, boot_ns, unix_ns));
    }
}

/* All of them, for a person: "own 0.000 s, shard 0 -28800.001 s". */
static void list_clocks(const florin_clocks_t *self, uint64_t boot_ns, uint64_t unix_ns, char *text,
                        size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < FLORIN_AGREED_SOURCES_MAX && length < size; i++) {
        char name[32];
        if (!self->agreed.sources[i].known)
            continue;
        int64_t ms = florin_agreed_ahead(&self->agreed, i, boot_ns, unix_ns) / MILLI;
        int added = snprintf(text + length, size - length, "%s%s %s%" PRId64 ".%03d s",
                             length > 0 ? ", " : "", name_of(i, name), ms < 0 ? "-" : "",
                             (ms < 0 ? -ms : ms) / 1000, (int)((ms < 0 ? -ms : ms) % 1000));
        length += added > 0 ? (size_t)added : 0;
    }
}

/* Says once that this process steps aside, once more for each clock that is heard meanwhile, for it
 * may tell which one is wrong, and once that it is back. */
static void tell(florin_clocks_t *self, bool aside, const char *why)
{
    florin_metric_set(self->agrees, !aside);
    if (aside && (!self->aside || self->voters > self->told_of))
        florin_log(FLORIN_LOG_ERROR, "clock_aside", "%s", why);
    if (!aside && self->aside)
        florin_log(FLORIN_LOG_WARN, "clock_back",
                   "the clocks agree again, and this machine's with them: it writes");
    self->aside = aside;
    self->told_of = self->voters;
}

/* This machine's own time where that may be the agreed one; else the middle of what may be. */
static uint64_t choose(uint64_t own_ns, const florin_agreed_time_t *time)
{
    bool may_be = own_ns >= time->earliest && own_ns <= time->latest;
    return may_be ? own_ns : time->earliest + (time->latest - time->earliest) / 2;
}

/* Under the lock. The time is set in any case: without agreement it is this machine's. */
static int decide(florin_clocks_t *self, uint64_t *unix_ns, florin_error_t *error)
{
    florin_agreed_time_t time;
    char clocks[256];
    uint64_t boot_ns, own_ns = take_own(self, &boot_ns);
    bool agreed = florin_agreed_at(&self->agreed, boot_ns, self->bound_ns, &time);
    self->voters = time.voters;
    uint64_t now_ns = agreed ? choose(own_ns, &time) : own_ns;
    uint64_t off_ns = own_ns > now_ns ? own_ns - now_ns : now_ns - own_ns;
    measure(self, boot_ns, now_ns);
    *unix_ns = now_ns;
    if (agreed && off_ns <= self->bound_ns)
        return 0;
    list_clocks(self, boot_ns, now_ns, clocks, sizeof clocks);
    if (!agreed)
        return florin_error_set(
            error, FLORIN_ERROR_ASIDE,
            "the clocks do not agree, and so nothing is written: of %zu, %zu are"
            " within half of %" PRIu64 " ms (%s); set those that are wrong",
            time.voters, time.agree, self->bound_ns / MILLI, clocks);
    return florin_error_set(error, FLORIN_ERROR_ASIDE,
                            "this worker's clock is %" PRIu64 " s %s agreed time (%s), and so it "
                            "writes nothing until it is within %" PRIu64 " ms; set it",
                            off_ns / (1000 * MILLI), own_ns > now_ns ? "ahead of" : "behind",
                            clocks, self->bound_ns / MILLI);
}

static int decide_quietly(florin_clocks_t *self, uint64_t *unix_ns)
{
    (void)pthread_mutex_lock(&self->lock);
    int result = decide(self, unix_ns, NULL);
    (void)pthread_mutex_unlock(&self->lock);
    return result;
}

bool florin_clocks_agree(florin_clocks_t *self)
{
    uint64_t unix_ns;
    return decide_quietly(self, &unix_ns) == 0;
}

bool florin_clocks_aside(florin_clocks_t *self)
{
    (void)pthread_mutex_lock(&self->lock);
    bool aside = self->aside;
    (void)pthread_mutex_unlock(&self->lock);
    return aside;
}

uint64_t florin_clocks_time(florin_clocks_t *self)
{
    uint64_t unix_ns;
    (void)decide_quietly(self, &unix_ns);
    return unix_ns;
}

static bool knows_a_server(const florin_clocks_t *self)
{
    bool known = false;
    for (size_t i = OWN + 1; i < FLORIN_AGREED_SOURCES_MAX; i++)
        known = known || self->agreed.sources[i].known;
    return known;
}

void florin_clocks_print(florin_clocks_t *self, char *text, size_t size)
{
    uint64_t unix_ns;
    (void)pthread_mutex_lock(&self->lock);
    (void)decide(self, &unix_ns, NULL);
    list_clocks(self, florin_clock_boot_ns(), unix_ns, text, size);
    (void)pthread_mutex_unlock(&self->lock);
}

int florin_clocks_now(florin_clocks_t *self, uint64_t *unix_ns, florin_error_t *error)
{
    florin_error_t why = {0};
    (void)pthread_mutex_lock(&self->lock);
    int result = decide(self, unix_ns, &why);
    if (result == 0 || knows_a_server(self)) /* else it is too early to tell */
        tell(self, result != 0, why.message);
    (void)pthread_mutex_unlock(&self->lock);
    return result == 0 ? 0 : florin_error_set(error, result, "%s", why.message);
}
