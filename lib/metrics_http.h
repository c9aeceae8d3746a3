/* A process's metrics over HTTP: GET /metrics on an address of its own, in one thread of its own.
 * A reader that is slow takes one of FLORIN_METRICS_READERS_MAX places until it has been silent for
 * five seconds, and nothing else. There is no TLS and no key: whoever comes to the address may
 * read. */
#ifndef FLORIN_METRICS_HTTP_H
#define FLORIN_METRICS_HTTP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/metrics.h"

typedef struct florin_metrics_http florin_metrics_http_t;

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} florin_metrics_address_t;

/* Reads "127.0.0.1:9100" or "[::1]:9100"; names are not looked up. Port 0 is any that is free. An
 * error begins with `setting`. Returns 0 or FLORIN_ERROR_CONFIG. */
int florin_metrics_address_parse(const char *setting, const char *text,
                                 florin_metrics_address_t *address,
                                 florin_error_t *error) FLORIN_MUST_USE;

/* Listens on the address. `metrics` is borrowed. Start it after signals are blocked: its thread
 * inherits that. Returns 0, FLORIN_ERROR_CONFIG for a text that is no address, or
 * FLORIN_ERROR_SYSTEM when it cannot listen there. An error begins with `setting`. */
int florin_metrics_http_new(florin_metrics_t *metrics, const char *setting, const char *address,
                            florin_metrics_http_t **http, florin_error_t *error) FLORIN_MUST_USE;

/* Closes all connections, and waits for the thread. */
void florin_metrics_http_destroy(florin_metrics_http_t **self_p);

/* The port that it listens on. */
uint16_t florin_metrics_http_port(const florin_metrics_http_t *self);

#endif
