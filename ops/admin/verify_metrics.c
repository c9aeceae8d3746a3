#include "ops/admin/verify_metrics.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/metrics.h"

static void set(florin_metrics_t *metrics, const char *name, const char *help,
                const florin_verify_check_t *check, uint64_t value)
{
    florin_metric_set(florin_metrics_gauge(metrics, name, help, "check", check->name, NULL), value);
}

static void add_check(florin_metrics_t *metrics, const florin_verify_check_t *check)
{
    set(metrics, "florin_verify_done", "Whether a check came to its end: 1, or 0.", check,
        check->done);
    set(metrics, "florin_verify_findings", "What is wrong, by check.", check, check->findings);
    set(metrics, "florin_verify_notes", "What is only noted, by check.", check, check->notes);
    set(metrics, "florin_verify_checked", "What was looked at, by check.", check, check->checked);
    set(metrics, "florin_verify_duration_milliseconds", "How long it took, by check.", check,
        check->took_ms);
}

static int write_file(const char *path, const char *text, size_t bytes, florin_error_t *error)
{
    char beside[PATH_MAX];
    int length = snprintf(beside, sizeof beside, "%s.new", path);
    FILE *file = length > 0 && length < PATH_MAX ? fopen(beside, "we") : NULL;
    bool written = file && fwrite(text, 1, bytes, file) == bytes;
    if (file && fclose(file) != 0)
        written = false;
    if (written && rename(beside, path) == 0)
        return 0;
    florin_error_set(error, FLORIN_ERROR_SYSTEM, "can't write %s: %s", path, strerror(errno));
    if (file)
        (void)unlink(beside);
    return error->code;
}

int verify_metrics_write(const char *path, const florin_verify_check_t *checks, size_t count,
                         florin_error_t *error)
{
    florin_metrics_t *metrics = florin_metrics_new();
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        add_check(metrics, &checks[i]);
    florin_metric_set(florin_metrics_gauge(metrics, "florin_verify_timestamp_seconds",
                                           "When the verification ended.", NULL),
                      florin_clock_unix_ns() / 1000000000);
    char *text = florin_metrics_text(metrics, &bytes);
    int result = text ? write_file(path, text, bytes, error)
                      : florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for the metrics");
    free(text);
    florin_metrics_destroy(&metrics);
    return result;
}
