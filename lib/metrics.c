#include "lib/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/limits.h"

#define LABELS_BYTES 1024
#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyz_"
#define NAME_DIGITS  "0123456789"

typedef enum { COUNTER, GAUGE, HISTOGRAM } type_t;

typedef struct family family_t;
TAILQ_HEAD(family_list, family);
TAILQ_HEAD(metric_list, florin_metric);

/* The series of one name. */
struct family {
    const char *name;
    const char *help;
    type_t type;
    const florin_buckets_t *buckets; /* of a histogram */
    unsigned digits;                 /* of a gauge's unit */
    struct metric_list series;
    TAILQ_ENTRY(family) place;
};

struct florin_metric {
    family_t *family;
    char *labels;           /* as they are printed, without the braces */
    _Atomic uint64_t value; /* of a gauge: in two's complement; of a histogram: the sum */
    TAILQ_ENTRY(florin_metric) place;
    _Atomic uint64_t buckets[]; /* values in each, not in those below; the last one has no bound */
};

struct florin_metrics {
    pthread_mutex_t lock; /* guards the lists, not the values */
    struct family_list families;
    size_t series_count;
};

florin_metrics_t *florin_metrics_new(void)
{
    florin_metrics_t *self = calloc(1, sizeof *self);
    if (self == NULL)
        return NULL;
    (void)pthread_mutex_init(&self->lock, NULL); /* cannot fail on Linux */
    TAILQ_INIT(&self->families);
    return self;
}

static void free_metric(florin_metric_t *metric)
{
    free(metric->labels);
    free(metric);
}

void florin_metrics_destroy(florin_metrics_t **self_p)
{
    florin_metrics_t *self = *self_p;
    if (self == NULL)
        return;
    family_t *family, *next_family;
    for (family = TAILQ_FIRST(&self->families); family != NULL; family = next_family) {
        florin_metric_t *metric, *next;
        for (metric = TAILQ_FIRST(&family->series); metric != NULL; metric = next) {
            next = TAILQ_NEXT(metric, place);
            free_metric(metric);
        }
        next_family = TAILQ_NEXT(family, place);
        free(family);
    }
    (void)pthread_mutex_destroy(&self->lock);
    free(self);
    *self_p = NULL;
}

/* --------------------------------------------------------------------------------- registering */

static bool is_name(const char *text)
{
    return *text != '\0' && strchr(NAME_DIGITS, *text) == NULL &&
           text[strspn(text, NAME_LETTERS NAME_DIGITS)] == '\0';
}

/* Writes a text with what would end it, or its line, escaped. */
static void print_escaped(FILE *out, const char *text, bool quotes)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' || (quotes && *text == '"'))
            (void)fputc('\\', out);
        if (*text == '\n')
            (void)fputs("\\n", out);
        else
            (void)fputc(*text, out);
    }
}

/* False when they are too long. */
static bool print_labels(char *buffer, size_t size, va_list pairs)
{
    FILE *out = fmemopen(buffer, size, "w");
    if (out == NULL)
        return false;
    const char *name;
    for (bool first = true; (name = va_arg(pairs, const char *)) != NULL; first = false) {
        assert(is_name(name));
        (void)fprintf(out, "%s%s=\"", first ? "" : ",", name);
        print_escaped(out, va_arg(pairs, const char *), true);
        (void)fputc('"', out);
    }
    (void)fputc('\0', out);
    bool printed = fflush(out) == 0 && !ferror(out);
    return fclose(out) == 0 && printed;
}

static family_t *family_of(florin_metrics_t *self, const family_t *wanted)
{
    family_t *family;
    TAILQ_FOREACH(family, &self->families, place)
    {
        if (strcmp(family->name, wanted->name) == 0) {
            assert(family->type == wanted->type && family->buckets == wanted->buckets);
            return family;
        }
    }
    family = malloc(sizeof *family);
    if (family == NULL)
        return NULL;
    *family = *wanted;
    TAILQ_INIT(&family->series);
    TAILQ_INSERT_TAIL(&self->families, family, place);
    return family;
}

static florin_metric_t *metric_of(florin_metrics_t *self, family_t *family, const char *labels)
{
    florin_metric_t *metric;
    TAILQ_FOREACH(metric, &family->series, place)
    {
        if (strcmp(metric->labels, labels) == 0)
            return metric;
    }
    size_t buckets = family->type == HISTOGRAM ? family->buckets->count + 1 : 0;
    if (self->series_count == FLORIN_METRICS_SERIES_MAX)
        return NULL;
    metric = calloc(1, sizeof *metric + buckets * sizeof metric->buckets[0]);
    char *copy = strdup(labels);
    if (metric == NULL || copy == NULL) {
        free(metric);
        free(copy);
        return NULL;
    }
    metric->family = family;
    metric->labels = copy;
    TAILQ_INSERT_TAIL(&family->series, metric, place);
    self->series_count++;
    return metric;
}

static florin_metric_t *add(florin_metrics_t *self, const family_t *wanted, va_list labels)
{
    char buffer[LABELS_BYTES];
    assert(is_name(wanted->name));
    if (self == NULL || !print_labels(buffer, sizeof buffer, labels))
        return NULL;
    (void)pthread_mutex_lock(&self->lock);
    family_t *family = family_of(self, wanted);
    florin_metric_t *metric = family != NULL ? metric_of(self, family, buffer) : NULL;
    (void)pthread_mutex_unlock(&self->lock);
    return metric;
}

florin_metric_t *florin_metrics_counter(florin_metrics_t *self, const char *name, const char *help,
                                        ...)
{
    const family_t wanted = {.name = name, .help = help, .type = COUNTER};
    va_list labels;
    va_start(labels, help);
    florin_metric_t *metric = add(self, &wanted, labels);
    va_end(labels);
    return metric;
}

florin_metric_t *florin_metrics_gauge(florin_metrics_t *self, const char *name, const char *help,
                                      ...)
{
    const family_t wanted = {.name = name, .help = help, .type = GAUGE};
    va_list labels;
    va_start(labels, help);
    florin_metric_t *metric = add(self, &wanted, labels);
    va_end(labels);
    return metric;
}

florin_metric_t *florin_metrics_gauge_of(florin_metrics_t *self, const char *name, const char *help,
                                         unsigned digits, ...)
{
    const family_t wanted = {.name = name, .help = help, .type = GAUGE, .digits = digits};
    va_list labels;
    va_start(labels, digits);
    florin_metric_t *metric = add(self, &wanted, labels);
    va_end(labels);
    return metric;
}

florin_metric_t *florin_metrics_histogram(florin_metrics_t *self, const char *name,
                                          const char *help, const florin_buckets_t *buckets, ...)
{
    const family_t wanted = {.name = name, .help = help, .type = HISTOGRAM, .buckets = buckets};
    va_list labels;
    va_start(labels, buckets);
    florin_metric_t *metric = add(self, &wanted, labels);
    va_end(labels);
    return metric;
}

void florin_metrics_remove(florin_metrics_t *self, florin_metric_t **metric_p)
{
    florin_metric_t *metric = *metric_p;
    if (metric == NULL)
        return;
    (void)pthread_mutex_lock(&self->lock);
    TAILQ_REMOVE(&metric->family->series, metric, place);
    self->series_count--;
    (void)pthread_mutex_unlock(&self->lock);
    free_metric(metric);
    *metric_p = NULL;
}

/* ------------------------------------------------------------------------------------- updates */

void florin_metric_add(florin_metric_t *self, int64_t count)
{
    if (self != NULL)
        atomic_fetch_add_explicit(&self->value, (uint64_t)count, memory_order_relaxed);
}

void florin_metric_set(florin_metric_t *self, uint64_t value)
{
    if (self != NULL)
        atomic_store_explicit(&self->value, value, memory_order_relaxed);
}

void florin_metric_observe(florin_metric_t *self, uint64_t value)
{
    if (self == NULL)
        return;
    const florin_buckets_t *buckets = self->family->buckets;
    size_t bucket = 0;
    while (bucket < buckets->count && value > buckets->bounds[bucket])
        bucket++;
    atomic_fetch_add_explicit(&self->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&self->value, value, memory_order_relaxed);
}

/* ------------------------------------------------------------------------------------ the text */

/* A value of 10^-digits in units, exactly: 2500000 of nine digits as 0.0025. */
static void print_units(FILE *out, uint64_t value, unsigned digits)
{
    uint64_t unit = 1;
    for (unsigned i = 0; i < digits; i++)
        unit *= 10;
    (void)fprintf(out, "%" PRIu64, value / unit);
    uint64_t rest = value % unit;
    if (rest == 0)
        return;
    for (; rest % 10 == 0; rest /= 10)
        digits--;
    (void)fprintf(out, ".%0*" PRIu64, (int)digits, rest);
}

/* The count is that of the buckets just read: they agree whatever is counted meanwhile. */
static void print_histogram(FILE *out, const florin_metric_t *metric)
{
    const family_t *family = metric->family;
    const florin_buckets_t *buckets = family->buckets;
    const char *comma = *metric->labels != '\0' ? "," : "";
    const char *open = *metric->labels != '\0' ? "{" : "", *close = *open != '\0' ? "}" : "";
    uint64_t count = 0;
    for (size_t i = 0; i <= buckets->count; i++) {
        count += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
        (void)fprintf(out, "%s_bucket{%s%sle=\"", family->name, metric->labels, comma);
        if (i < buckets->count)
            print_units(out, buckets->bounds[i], buckets->digits);
        else
            (void)fputs("+Inf", out);
        (void)fprintf(out, "\"} %" PRIu64 "\n", count);
    }
    (void)fprintf(out, "%s_sum%s%s%s ", family->name, open, metric->labels, close);
    print_units(out, atomic_load_explicit(&metric->value, memory_order_relaxed), buckets->digits);
    (void)fprintf(out, "\n%s_count%s%s%s %" PRIu64 "\n", family->name, open, metric->labels, close,
                  count);
}

static void print_metric(FILE *out, const florin_metric_t *metric)
{
    const family_t *family = metric->family;
    uint64_t value = atomic_load_explicit(&metric->value, memory_order_relaxed);
    (void)fputs(family->name, out);
    if (*metric->labels != '\0')
        (void)fprintf(out, "{%s}", metric->labels);
    bool negative = family->type == GAUGE && (int64_t)value < 0;
    (void)fputs(negative ? " -" : " ", out);
    print_units(out, negative ? 0 - value : value, family->digits);
    (void)fputc('\n', out);
}

static void print_family(FILE *out, const family_t *family)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    const florin_metric_t *metric;
    if (TAILQ_EMPTY(&family->series))
        return;
    (void)fprintf(out, "# HELP %s ", family->name);
    print_escaped(out, family->help, false);
    (void)fprintf(out, "\n# TYPE %s %s\n", family->name, types[family->type]);
    TAILQ_FOREACH(metric, &family->series, place)
    {
        if (family->type == HISTOGRAM)
            print_histogram(out, metric);
        else
            print_metric(out, metric);
    }
}

char *florin_metrics_text(florin_metrics_t *self, size_t *bytes)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, bytes);
    if (out == NULL)
        return NULL;
    (void)pthread_mutex_lock(&self->lock);
    const family_t *family;
    TAILQ_FOREACH(family, &self->families, place)
    {
        print_family(out, family);
    }
    (void)pthread_mutex_unlock(&self->lock);
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}
