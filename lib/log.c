#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/utf8.h"

/* A line is at most PIPE_BUF on Linux, so that lines of several processes on one pipe never mix. */
#define LINE_BYTES_MAX    4096
#define MESSAGE_BYTES_MAX 2048
#define NAME_BYTES_MAX    128
/* What the line still needs when its message has been cut: the quote, the brace, the newline. */
#define TAIL_BYTES 8

static struct {
    char service[NAME_BYTES_MAX];
    char instance[NAME_BYTES_MAX];
    florin_log_level_t lowest;
} settings = {.lowest = FLORIN_LOG_INFO};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

typedef struct {
    char text[LINE_BYTES_MAX];
    size_t used;
} line_t;

/* Appends the piece whole, or not at all: false when it does not fit. */
static bool append(line_t *line, const char *piece, size_t bytes)
{
    if (bytes > LINE_BYTES_MAX - TAIL_BYTES - line->used)
        return false;
    memcpy(line->text + line->used, piece, bytes);
    line->used += bytes;
    return true;
}

/* Appends a JSON string's inside; cut where the line ends, never within a character. */
static void append_escaped(line_t *line, const char *text)
{
    bool fits = true;
    for (const char *at = text; *at && fits;) {
        size_t length = florin_utf8_length(at);
        if (*at == '"' || *at == '\\') {
            fits = append(line, (char[]){'\\', *at}, 2);
        } else if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            char escape[8];
            (void)snprintf(escape, sizeof escape, "\\u%04x", (unsigned)*at);
            fits = append(line, escape, 6);
        } else if (length == 0) {
            fits = append(line, "\\ufffd", 6);
        } else {
            fits = append(line, at, length);
        }
        at += length > 0 ? length : 1;
    }
}

static void append_field(line_t *line, const char *name, const char *value)
{
    (void)append(line, line->used == 0 ? "{\"" : ",\"", 2);
    (void)append(line, name, strlen(name));
    (void)append(line, "\":\"", 3);
    append_escaped(line, value);
    /* The quote always fits: that is part of the tail. */
    line->text[line->used++] = '"';
}

static void append_timestamp(line_t *line)
{
    uint64_t now_us = florin_clock_unix_ns() / 1000;
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm tm;
    char date[32] = "";
    char text[48];
    if (gmtime_r(&seconds, &tm))
        (void)strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text, sizeof text, "%s.%06" PRIu64 "Z", date, now_us % 1000000);
    append_field(line, "@timestamp", text);
}

void florin_log_open(const char *service, const char *instance, florin_log_level_t lowest)
{
    (void)snprintf(settings.service, sizeof settings.service, "%s", service);
    (void)snprintf(settings.instance, sizeof settings.instance, "%s", instance);
    settings.lowest = lowest;
}

int florin_log_level_parse(const char *text, florin_log_level_t *level)
{
    for (unsigned i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level = (florin_log_level_t)i;
            return FLORIN_OK;
        }
    }
    return FLORIN_ERROR_INVALID;
}

void florin_log(florin_log_level_t level, const char *action, const char *format, ...)
{
    if (level < settings.lowest)
        return;
    int saved_errno = errno;
    char message[MESSAGE_BYTES_MAX];
    char pid[40];
    line_t line;
    line.used = 0;

    va_list args;
    va_start(args, format);
    if (vsnprintf(message, sizeof message, format, args) < 0)
        message[0] = '\0';
    va_end(args);
    (void)snprintf(pid, sizeof pid, ",\"process.pid\":%ld", (long)getpid());

    /* The message last: it alone may be so long that it is cut. */
    append_timestamp(&line);
    append_field(&line, "log.level", level_names[level]);
    append_field(&line, "ecs.version", "8.11.0");
    append_field(&line, "event.action", action);
    append_field(&line, "service.name", settings.service);
    append_field(&line, "service.node.name", settings.instance);
    (void)append(&line, pid, strlen(pid));
    append_field(&line, "message", message);
    line.text[line.used++] = '}';
    line.text[line.used++] = '\n';
    /* Where a log can't be written there is nobody to tell. */
    ssize_t written = write(STDERR_FILENO, line.text, line.used);
    (void)written;
    errno = saved_errno;
}
