#include "bench/result.h"

#include <stdio.h>

bool result_init(result_t *self, size_t tail_count)
{
    bool made = (self->latencies = florin_histogram_new()) &&
                (self->busy_latencies = florin_histogram_new());
    for (size_t i = 0; made && i < tail_count; i++, self->tail_count++)
        made = (self->tail[i].latencies = florin_histogram_new());
    return made;
}

void result_clear(result_t *self)
{
    florin_histogram_destroy(&self->latencies);
    florin_histogram_destroy(&self->busy_latencies);
    for (size_t i = 0; i < self->tail_count; i++)
        florin_histogram_destroy(&self->tail[i].latencies);
}

static double milliseconds(const florin_histogram_t *latencies, double quantile)
{
    return (double)florin_histogram_at(latencies, quantile) / 1e6;
}

static void print_tail(const result_t *self, bool json)
{
    for (size_t i = 0; i < self->tail_count; i++)
        (void)printf(json ? "%s{\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"busy\": %.0f}"
                          : "%safter the load       p50 %.3f ms, p99 %.3f ms, busy %.0f\n",
                     json && i ? ", " : "", milliseconds(self->tail[i].latencies, 0.5),
                     milliseconds(self->tail[i].latencies, 0.99), (double)self->tail[i].busy);
}

void result_print(const result_t *self, bool json)
{
    const struct {
        const char *name;
        const char *label;
        int digits;
        double value;
    } numbers[] = {
        {"per_second", "per second", 1, (double)self->measured / self->seconds},
        {"p50_ms", "p50, ms", 3, milliseconds(self->latencies, 0.5)},
        {"p99_ms", "p99, ms", 3, milliseconds(self->latencies, 0.99)},
        {"p999_ms", "p99.9, ms", 3, milliseconds(self->latencies, 0.999)},
        {"max_ms", "max, ms", 3, milliseconds(self->latencies, 1)},
        {"seconds", "seconds", 3, self->seconds},
        {"requests", "requests", 0, (double)self->requests},
        {"created", "created", 0, (double)self->created},
        {"refused", "refused", 0, (double)self->refused},
        {"errors", "errors", 0, (double)self->errors},
        {"lost", "minor units lost", 0, (double)self->lost},
        {"doubled", "and doubled", 0, (double)self->doubled},
        {"offered_per_second", "offered per second", 1, (double)self->offered / self->seconds},
        {"busy", "busy", 0, (double)self->busy},
        {"busy_p50_ms", "busy p50, ms", 3, milliseconds(self->busy_latencies, 0.5)},
        {"busy_p99_ms", "busy p99, ms", 3, milliseconds(self->busy_latencies, 0.99)},
        {"busy_max_ms", "busy max, ms", 3, milliseconds(self->busy_latencies, 1)},
        {"unsent", "unsent", 0, (double)self->unsent},
    };
    const char *verified = self->verified ? "true" : "false";
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (json)
            (void)printf("%s\"%s\": %.*f", i ? ", " : "{", numbers[i].name, numbers[i].digits,
                         numbers[i].value);
        else
            (void)printf("%-20s%.*f\n", numbers[i].label, numbers[i].digits, numbers[i].value);
    (void)printf(json ? ", \"tail\": [" : "");
    print_tail(self, json);
    (void)printf(json ? "], \"verified\": %s}\n" : "the books agree     %s\n", verified);
}
