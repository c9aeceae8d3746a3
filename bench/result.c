#include "bench/result.h"

#include <stdio.h>

static double milliseconds(const result_t *self, double quantile)
{
    return (double)florin_histogram_at(self->latencies, quantile) / 1e6;
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
        {"p50_ms", "p50, ms", 3, milliseconds(self, 0.5)},
        {"p99_ms", "p99, ms", 3, milliseconds(self, 0.99)},
        {"p999_ms", "p99.9, ms", 3, milliseconds(self, 0.999)},
        {"max_ms", "max, ms", 3, milliseconds(self, 1)},
        {"seconds", "seconds", 3, self->seconds},
        {"requests", "requests", 0, (double)self->requests},
        {"created", "created", 0, (double)self->created},
        {"refused", "refused", 0, (double)self->refused},
        {"errors", "errors", 0, (double)self->errors},
        {"lost", "minor units lost", 0, (double)self->lost},
        {"doubled", "and doubled", 0, (double)self->doubled},
    };
    const char *verified = self->verified ? "true" : "false";
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (json)
            (void)printf("%s\"%s\": %.*f", i ? ", " : "{", numbers[i].name, numbers[i].digits,
                         numbers[i].value);
        else
            (void)printf("%-20s%.*f\n", numbers[i].label, numbers[i].digits, numbers[i].value);
    (void)printf(json ? ", \"verified\": %s}\n" : "the books agree     %s\n", verified);
}
