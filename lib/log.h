/* Logs: one JSON object a line on stderr, fields named by the Elastic Common Schema. */
#ifndef FLORIN_LOG_H
#define FLORIN_LOG_H

#include "lib/error.h"

typedef enum {
    FLORIN_LOG_DEBUG,
    FLORIN_LOG_INFO,
    FLORIN_LOG_WARN,
    FLORIN_LOG_ERROR
} florin_log_level_t;

/* Sets service.name ("florin-broker"), service.node.name (the instance) and the lowest level that
 * is written. Call once, before any thread starts; both strings are copied. */
void florin_log_open(const char *service, const char *instance, florin_log_level_t lowest);

/* "debug", "info", "warn" or "error"; returns 0 or FLORIN_ERROR_INVALID. */
int florin_log_level_parse(const char *text, florin_log_level_t *level) FLORIN_MUST_USE;

/* Writes one line, whole, from any thread. `action` is the event.action: a fixed short name such
 * as "worker_expired"; the rest is the message for people. Never logs secrets or bodies. */
void florin_log(florin_log_level_t level, const char *action, const char *format, ...)
    FLORIN_PRINTF(3, 4);

#endif
