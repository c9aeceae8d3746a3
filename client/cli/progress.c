#include "client/cli/progress.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"

#define BAR_CELLS        30
#define TERMINAL_STEP_MS 100
#define LINE_STEP_MS     5000

void progress_start(progress_t *self, FILE *file)
{
    struct stat info;
    *self = (progress_t){.terminal = isatty(STDERR_FILENO) == 1, .started_ms = florin_clock_ms()};
    self->shown_ms = self->started_ms;
    if (fstat(fileno(file), &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0)
        self->bytes_total = (uint64_t)info.st_size;
}

char *progress_number(uint64_t number, char *text)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, number);
    size_t used = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = '\0';
    return text;
}

char *progress_format(const progress_t *self, uint64_t rows, uint64_t bytes, uint64_t elapsed_ms,
                      char *text, size_t text_bytes)
{
    char bar[BAR_CELLS + 12] = "";
    if (self->bytes_total > 0) {
        uint64_t read = bytes < self->bytes_total ? bytes : self->bytes_total;
        double share = (double)read / (double)self->bytes_total;
        size_t full = (size_t)(share * BAR_CELLS);
        bar[0] = '[';
        for (size_t i = 0; i < BAR_CELLS; i++)
            bar[1 + i] = i < full ? '#' : '.';
        (void)snprintf(bar + 1 + BAR_CELLS, sizeof bar - 1 - BAR_CELLS, "] %3d%%  ",
                       (int)(share * 100));
    }
    char count[PROGRESS_NUMBER_BYTES], rate[PROGRESS_NUMBER_BYTES];
    (void)snprintf(text, text_bytes, "%s%s rows  %s/s", bar, progress_number(rows, count),
                   progress_number(elapsed_ms ? rows * 1000 / elapsed_ms : 0, rate));
    return text;
}

void progress_show(progress_t *self, uint64_t rows, uint64_t bytes)
{
    uint64_t now = florin_clock_ms();
    if (now - self->shown_ms < (self->terminal ? TERMINAL_STEP_MS : LINE_STEP_MS))
        return;
    self->shown_ms = now;
    char text[160];
    (void)progress_format(self, rows, bytes, now - self->started_ms, text, sizeof text);
    if (self->terminal)
        (void)fprintf(stderr, "\r\033[K%s", text);
    else
        (void)fprintf(stderr, "%s\n", text);
    self->drawn = self->terminal;
}

void progress_clear(progress_t *self)
{
    if (self->drawn)
        (void)fputs("\r\033[K", stderr);
    self->drawn = false;
}
