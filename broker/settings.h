/* The broker's configuration file, checked. */
#ifndef FLORIN_BROKER_SETTINGS_H
#define FLORIN_BROKER_SETTINGS_H

#include <limits.h>

#include "broker/core.h"

#define FLORIN_ENDPOINTS_MAX      16
#define FLORIN_ENDPOINT_BYTES_MAX 255

typedef struct {
    size_t count;
    char texts[FLORIN_ENDPOINTS_MAX][FLORIN_ENDPOINT_BYTES_MAX + 1];
} florin_endpoints_t;

typedef struct {
    char service[FLORIN_SERVICE_BYTES_MAX + 1];
    florin_pool_options_t options;
} florin_pool_settings_t;

typedef struct {
    florin_endpoints_t clients;
    florin_endpoints_t workers;
    char key[PATH_MAX]; /* paths are empty when not set */
    char client_keys[PATH_MAX];
    char worker_keys[PATH_MAX];
    char metrics[FLORIN_ENDPOINT_BYTES_MAX + 1]; /* address; empty: none are served */
    char instance[64];
    florin_log_level_t log;
    florin_core_options_t core;
    size_t pools_count;
    florin_pool_settings_t pools[FLORIN_BROKER_SERVICES_MAX];
} florin_broker_settings_t;

/* Reads and checks a file. Its paths are relative to its folder. Refused: TCP without keys. */
int florin_broker_settings_load(const char *path, florin_broker_settings_t **settings,
                                florin_error_t *error) FLORIN_MUST_USE;
void florin_broker_settings_destroy(florin_broker_settings_t **self_p);

/* True for "tcp://...". */
bool florin_endpoint_is_tcp(const char *endpoint);

#endif
