#include "broker/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/config.h"
#include "lib/metrics_http.h"

#define PATH_BYTES_MAX   320
#define MILLISECONDS_MAX (24u * 60 * 60 * 1000)

/* The broker's own settings. */
static const florin_setting_t settings_table[] = {
    {"broker/clients", FLORIN_SETTING_TEXT, NULL, 0, 0,
     "endpoint for clients, tcp:// or ipc://; may be repeated"},
    {"broker/workers", FLORIN_SETTING_TEXT, NULL, 0, 0,
     "endpoint for workers, tcp:// or ipc://; may be repeated"},
    {"broker/key", FLORIN_SETTING_TEXT, "", 0, 0, "the broker's NAME.key; needed on TCP"},
    {"broker/client_keys", FLORIN_SETTING_TEXT, "", 0, 0, "folder of the clients' NAME.pub files"},
    {"broker/worker_keys", FLORIN_SETTING_TEXT, "", 0, 0, "folder of the workers' NAME.pub files"},
    {"broker/instance", FLORIN_SETTING_TEXT, "broker", 0, 0, "this broker's name in logs"},
    {"broker/log", FLORIN_SETTING_TEXT, "info", 0, 0, "lowest level: debug, info, warn, error"},
    {"broker/metrics", FLORIN_SETTING_TEXT, "", 0, 0,
     "address:port of GET /metrics for Prometheus; none when not set"},
    {"broker/heartbeat_ms", FLORIN_SETTING_NUMBER, "250", 10, 60000,
     "between heartbeats; three missed is dead"},
    {"broker/plain_heartbeat_ms", FLORIN_SETTING_NUMBER, "2500", 10, 60000,
     "the same of workers that know only the RFC"},
    {"broker/no_worker_ms", FLORIN_SETTING_NUMBER, "1000", 0, MILLISECONDS_MAX,
     "how long a request waits where no worker is"},
};

/* What a pool may have of its own; below "broker" they are what all others have. */
static const florin_setting_t pool_table[] = {
    {"policy", FLORIN_SETTING_TEXT, "least-outstanding", 0, 0,
     "least-outstanding, most-outstanding, round-robin, random or weighted"},
    {"ttl_ms", FLORIN_SETTING_NUMBER, "10000", 1, MILLISECONDS_MAX, "a request's time to live"},
    {"lease_ms", FLORIN_SETTING_NUMBER, "5000", 1, MILLISECONDS_MAX,
     "how long a plain worker may keep a request"},
    {"wait_ms", FLORIN_SETTING_NUMBER, "500", 1, MILLISECONDS_MAX,
     "a pool that answers slowly holds only what it can answer in that time"},
    {"queue_requests", FLORIN_SETTING_NUMBER, "8192", 1, FLORIN_QUEUE_REQUESTS_MAX,
     "requests that a pool holds"},
    {"queue_bytes", FLORIN_SETTING_NUMBER, "134217728", FLORIN_BODY_BYTES_MAX,
     FLORIN_QUEUE_BYTES_MAX, "bytes of bodies that a pool holds"},
};

#define SETTINGS      (sizeof settings_table / sizeof settings_table[0])
#define POOL_SETTINGS (sizeof pool_table / sizeof pool_table[0])

/* The whole table: the broker's, the defaults of pools, and those of each pool in the file. */
typedef struct {
    size_t count;
    florin_setting_t rows[SETTINGS + POOL_SETTINGS * (1 + FLORIN_BROKER_SERVICES_MAX)];
    char paths[POOL_SETTINGS * (1 + FLORIN_BROKER_SERVICES_MAX)][PATH_BYTES_MAX];
} table_t;

static void table_add_section(table_t *table, const char *section)
{
    for (size_t i = 0; i < POOL_SETTINGS; i++) {
        char *path = table->paths[table->count - SETTINGS];
        (void)snprintf(path, PATH_BYTES_MAX, "%s/%s", section, pool_table[i].path);
        table->rows[table->count] = pool_table[i];
        table->rows[table->count].path = path;
        table->count++;
    }
}

static void collect_pool(void *arg, const char *name, const char *value)
{
    florin_broker_settings_t *self = arg;
    (void)value;
    if (self->pools_count < FLORIN_BROKER_SERVICES_MAX) {
        char *service = self->pools[self->pools_count++].service;
        (void)snprintf(service, sizeof self->pools[0].service, "%s", name);
    }
}

static int check(const florin_config_t *config, const florin_broker_settings_t *self,
                 florin_error_t *error)
{
    table_t *table = calloc(1, sizeof *table);
    if (table == NULL)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for the configuration");
    memcpy(table->rows, settings_table, sizeof settings_table);
    table->count = SETTINGS;
    table_add_section(table, "broker");
    for (size_t i = 0; i < self->pools_count; i++) {
        char section[PATH_BYTES_MAX - 32];
        (void)snprintf(section, sizeof section, "pools/%s", self->pools[i].service);
        table_add_section(table, section);
    }
    int rc = florin_config_check(config, table->rows, table->count, error);
    free(table);
    return rc;
}

static uint64_t number_of(const florin_config_t *config, const char *section, const char *name,
                          uint64_t fallback)
{
    char path[PATH_BYTES_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", section, name);
    return florin_config_number(config, path, fallback);
}

/* Reads a pool's options; what is not in the section stays as it is. */
static int read_pool(const florin_config_t *config, const char *section,
                     florin_pool_options_t *options, florin_error_t *error)
{
    char path[PATH_BYTES_MAX];
    (void)snprintf(path, sizeof path, "%s/policy", section);
    const char *policy = florin_config_text(config, path, NULL);
    if (policy != NULL && florin_policy_parse(policy, &options->policy) != 0)
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "%s: '%s' is none of least-outstanding, most-outstanding, "
                                "round-robin, random, weighted",
                                path, policy);
    options->ttl_ms = (uint32_t)number_of(config, section, "ttl_ms", options->ttl_ms);
    options->lease_ms = (uint32_t)number_of(config, section, "lease_ms", options->lease_ms);
    options->wait_ms = (uint32_t)number_of(config, section, "wait_ms", options->wait_ms);
    options->queue_requests =
        (uint32_t)number_of(config, section, "queue_requests", options->queue_requests);
    options->queue_bytes = number_of(config, section, "queue_bytes", options->queue_bytes);
    return 0;
}

static int read_pools(const florin_config_t *config, florin_broker_settings_t *self,
                      florin_error_t *error)
{
    florin_pool_options_t *all = &self->core.pool;
    *all = (florin_pool_options_t){
        .ttl_ms = (uint32_t)strtoul(pool_table[1].fallback, NULL, 10),
        .lease_ms = (uint32_t)strtoul(pool_table[2].fallback, NULL, 10),
        .wait_ms = (uint32_t)strtoul(pool_table[3].fallback, NULL, 10),
        .queue_requests = (uint32_t)strtoul(pool_table[4].fallback, NULL, 10),
        .queue_bytes = strtoull(pool_table[5].fallback, NULL, 10),
    };
    int rc = read_pool(config, "broker", all, error);
    for (size_t i = 0; i < self->pools_count && rc == 0; i++) {
        char section[PATH_BYTES_MAX - 32];
        (void)snprintf(section, sizeof section, "pools/%s", self->pools[i].service);
        self->pools[i].options = *all;
        rc = read_pool(config, section, &self->pools[i].options, error);
    }
    return rc;
}

bool florin_endpoint_is_tcp(const char *endpoint)
{
    return strncmp(endpoint, "tcp://", 6) == 0;
}

static void collect_endpoint(void *arg, const char *name, const char *value)
{
    florin_broker_settings_t *self = arg;
    florin_endpoints_t *endpoints = strcmp(name, "clients") == 0   ? &self->clients
                                    : strcmp(name, "workers") == 0 ? &self->workers
                                                                   : NULL;
    if (endpoints == NULL)
        return;
    if (endpoints->count < FLORIN_ENDPOINTS_MAX)
        (void)snprintf(endpoints->texts[endpoints->count], FLORIN_ENDPOINT_BYTES_MAX + 1, "%s",
                       value);
    endpoints->count++;
}

static int check_endpoints(const florin_broker_settings_t *self, const char *which,
                           const florin_endpoints_t *endpoints, const char *keys,
                           florin_error_t *error)
{
    if (endpoints->count > FLORIN_ENDPOINTS_MAX)
        return florin_error_set(error, FLORIN_ERROR_CONFIG, "broker/%s: at most %d endpoints",
                                which, FLORIN_ENDPOINTS_MAX);
    for (size_t i = 0; i < endpoints->count; i++) {
        const char *endpoint = endpoints->texts[i];
        if (strncmp(endpoint, "ipc://", 6) == 0)
            continue;
        if (!florin_endpoint_is_tcp(endpoint))
            return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                    "broker/%s: '%s' is no tcp:// or ipc:// endpoint", which,
                                    endpoint);
        if (self->key[0] == '\0' || keys[0] == '\0')
            return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                    "broker/%s: %s is TCP, and TCP is served only with keys: set "
                                    "broker/key and broker/%.6s_keys, or listen on ipc://",
                                    which, endpoint, which);
    }
    return 0;
}

static int read_metrics(const florin_config_t *config, florin_broker_settings_t *self,
                        florin_error_t *error)
{
    florin_metrics_address_t address;
    const char *text = florin_config_text(config, "broker/metrics", "");
    (void)snprintf(self->metrics, sizeof self->metrics, "%s", text);
    return *text != '\0' ? florin_metrics_address_parse("broker/metrics", text, &address, error)
                         : FLORIN_OK;
}

static int read_all(const florin_config_t *config, florin_broker_settings_t *self,
                    florin_error_t *error)
{
    (void)florin_config_each(config, "pools", collect_pool, self);
    int rc = check(config, self, error);
    if (rc == 0)
        rc = read_pools(config, self, error);
    if (rc == 0)
        rc = read_metrics(config, self, error);
    if (rc == 0)
        rc = florin_config_path(config, "broker/key", self->key, error);
    if (rc == 0)
        rc = florin_config_path(config, "broker/client_keys", self->client_keys, error);
    if (rc == 0)
        rc = florin_config_path(config, "broker/worker_keys", self->worker_keys, error);
    if (rc != 0)
        return rc;
    (void)florin_config_each(config, "broker", collect_endpoint, self);
    rc = check_endpoints(self, "clients", &self->clients, self->client_keys, error);
    if (rc == 0)
        rc = check_endpoints(self, "workers", &self->workers, self->worker_keys, error);
    if (rc != 0)
        return rc;
    const char *level = florin_config_text(config, "broker/log", "info");
    if (florin_log_level_parse(level, &self->log) != 0)
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "broker/log: '%s' is none of debug, info, warn, error", level);
    (void)snprintf(self->instance, sizeof self->instance, "%s",
                   florin_config_text(config, "broker/instance", "broker"));
    self->core.heartbeat_ms = (uint32_t)florin_config_number(config, "broker/heartbeat_ms", 250);
    self->core.plain_heartbeat_ms =
        (uint32_t)florin_config_number(config, "broker/plain_heartbeat_ms", 2500);
    self->core.no_worker_ms = (uint32_t)florin_config_number(config, "broker/no_worker_ms", 1000);
    return 0;
}

int florin_broker_settings_load(const char *path, florin_broker_settings_t **settings,
                                florin_error_t *error)
{
    *settings = NULL;
    florin_config_t *config = NULL;
    int rc = florin_config_load(path, &config, error);
    if (rc != 0)
        return rc;
    florin_broker_settings_t *self = calloc(1, sizeof *self);
    if (self == NULL)
        rc = florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for the configuration");
    else
        rc = read_all(config, self, error);
    florin_config_destroy(&config);
    if (rc == 0)
        *settings = self;
    else
        florin_broker_settings_destroy(&self);
    return rc;
}

void florin_broker_settings_destroy(florin_broker_settings_t **self_p)
{
    free(*self_p);
    *self_p = NULL;
}
