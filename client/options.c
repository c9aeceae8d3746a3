#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/florin.h"
#include "lib/config.h"
#include "lib/limits.h"

static const florin_setting_t settings[] = {
    {"client/broker", FLORIN_SETTING_TEXT, NULL, 0, 0,
     "where a broker listens, tcp://HOST:PORT or ipc://PATH; repeat it for each, preferred first"},
    {"client/broker_key", FLORIN_SETTING_TEXT, "", 0, 0, "the brokers' public key file, NAME.pub"},
    {"client/key", FLORIN_SETTING_TEXT, "", 0, 0, "this client's secret key file, NAME.key"},
    {"client/silence_ms", FLORIN_SETTING_NUMBER, "500", 100, 60000,
     "how long a broker may leave a ping unanswered, in ms; a message of 4 MiB has to fit into it"},
    {"client/timeout_ms", FLORIN_SETTING_NUMBER, "10000", 1, 3600000,
     "time for one request, retries included"},
};

/* What the options point into. */
typedef struct {
    florin_config_t *config;
    const char *brokers[FLORIN_BROKERS_MAX];
    size_t brokers_count;
    bool too_many;
    char broker_key_path[PATH_MAX];
    char key_path[PATH_MAX];
} texts_t;

static void visit_broker(void *arg, const char *name, const char *value)
{
    texts_t *texts = arg;
    if (strcmp(name, "broker") != 0)
        return;
    if (texts->brokers_count < FLORIN_BROKERS_MAX)
        texts->brokers[texts->brokers_count++] = value;
    else
        texts->too_many = true;
}

static int read_options(const char *path, texts_t *texts, florin_client_options_t *options,
                        florin_error_t *error)
{
    int rc = florin_config_load(path, &texts->config, error);
    if (rc != 0)
        return rc;
    rc = florin_config_check(texts->config, settings, sizeof settings / sizeof *settings, error);
    if (rc != 0)
        return rc;
    (void)florin_config_each(texts->config, "client", visit_broker, texts);
    if (texts->too_many)
        return florin_error_set(error, FLORIN_ERROR_CONFIG, "%s: client/broker: at most %d may be",
                                path, FLORIN_BROKERS_MAX);
    options->brokers = texts->brokers;
    options->brokers_count = texts->brokers_count;
    options->silence_ms = (uint32_t)florin_config_number(texts->config, "client/silence_ms", 500);
    options->timeout_ms = (uint32_t)florin_config_number(texts->config, "client/timeout_ms", 10000);
    rc = florin_config_path(texts->config, "client/broker_key", texts->broker_key_path, error);
    if (rc == 0)
        rc = florin_config_path(texts->config, "client/key", texts->key_path, error);
    options->broker_key_path = *texts->broker_key_path ? texts->broker_key_path : NULL;
    options->key_path = *texts->key_path ? texts->key_path : NULL;
    return rc;
}

int florin_client_options_load(const char *path, florin_client_options_t *options,
                               florin_error_t *error)
{
    *options = (florin_client_options_t){0};
    texts_t *texts = calloc(1, sizeof *texts);
    if (!texts)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for %s", path);
    options->texts = texts;
    int rc = read_options(path, texts, options, error);
    if (rc != 0)
        florin_client_options_clear(options);
    return rc;
}

void florin_client_options_clear(florin_client_options_t *options)
{
    texts_t *texts = options->texts;
    if (texts) {
        florin_config_destroy(&texts->config);
        free(texts);
    }
    *options = (florin_client_options_t){0};
}
