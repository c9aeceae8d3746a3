#include "workers/runtime/worker.h"

#include <argp.h>
#include <limits.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/keys.h"
#include "lib/log.h"
#include "lib/metrics_http.h"
#include "workers/runtime/dialog.h"

#define INSTANCE_BYTES_MAX 64
#define SETTINGS_MAX       64
#define HELLO_BYTES_MAX    512
#define USAGE_EXIT_CODE    2
/* One for the brokers that this worker serves, one for those that its lanes ask. */
#define IO_THREADS 2

static const florin_setting_t runtime_settings[] = {
    {"worker/broker", FLORIN_SETTING_TEXT, NULL, 0, 0, "a broker's workers' endpoint; repeatable"},
    {"worker/broker_key", FLORIN_SETTING_TEXT, "", 0, 0, "the brokers' NAME.pub"},
    {"worker/key", FLORIN_SETTING_TEXT, "", 0, 0, "this worker's NAME.key"},
    {"worker/instance", FLORIN_SETTING_TEXT, "", 0, 0, "this worker's name in logs and status"},
    {"worker/credit", FLORIN_SETTING_NUMBER, "384", 1, FLORIN_WORKER_CREDIT_MAX,
     "requests that a broker may send before it has replies"},
    {"worker/weight", FLORIN_SETTING_NUMBER, "1", 1, FLORIN_WORKER_WEIGHT_MAX,
     "share of the work under the weighted policy"},
    {"worker/shard_lanes", FLORIN_SETTING_NUMBER, "4", 1, FLORIN_SHARD_LANES_MAX,
     "threads for what touches one shard alone"},
    {"worker/heartbeat_ms", FLORIN_SETTING_NUMBER, "250", 10, 10000, "time between heartbeats"},
    {"worker/metrics", FLORIN_SETTING_TEXT, "", 0, 0,
     "address:port of GET /metrics for Prometheus; none when not set"},
    {"worker/log", FLORIN_SETTING_TEXT, "info", 0, 0, "debug, info, warn or error"},
};
#define RUNTIME_SETTINGS (sizeof(runtime_settings) / sizeof(runtime_settings[0]))

typedef struct {
    const florin_handler_t *handler;
    const char *config_path; /* as given */
    bool check_only;
    char instance[INSTANCE_BYTES_MAX];
    const char *metrics_address; /* as given, or the configuration's; empty: none are served */
    florin_config_t *config;
    const char *endpoints[FLORIN_BROKERS_MAX]; /* owned by config */
    size_t endpoints_count;                    /* as many as the file names: may be too many */
    uint8_t hello[HELLO_BYTES_MAX];
    florin_link_options_t link;
    florin_metrics_t *registry; /* NULL when nobody reads it */
    florin_metrics_http_t *http;
    florin_worker_metrics_t metrics;
    florin_clocks_t *clocks;
    void *zmq;
    int signal_fd;
} worker_t;

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    worker_t *self = state->input;
    switch (key) {
    case 'c':
        self->config_path = argument;
        return 0;
    case 'i':
        if (*argument == '\0' || strlen(argument) >= INSTANCE_BYTES_MAX)
            argp_error(state, "--instance: 1 to %d characters", INSTANCE_BYTES_MAX - 1);
        (void)snprintf(self->instance, sizeof(self->instance), "%s", argument);
        return 0;
    case 'm':
        self->metrics_address = argument;
        return 0;
    case 'k':
        self->check_only = true;
        return 0;
    case ARGP_KEY_END:
        if (!self->config_path)
            argp_error(state, "--config FILE is needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void parse_options(worker_t *self, int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"config", 'c', "FILE", 0, "Configuration (ZPL)", 0},
        {"instance", 'i', "NAME", 0, "This worker's name, in place of worker/instance", 0},
        {"metrics", 'm', "ADDRESS", 0,
         "Where Prometheus may GET /metrics, in place of worker/metrics: 127.0.0.1:9100", 0},
        {"check", 'k', NULL, 0, "Check the configuration and keys, then end", 0},
        {0}};
    static char version[128];
    char doc[128];
    (void)snprintf(doc, sizeof(doc), "Serves %s: takes requests from Florin's brokers.",
                   self->handler->service);
    const struct argp parser = {options, parse_option, NULL, doc, NULL, NULL, NULL};
    (void)snprintf(version, sizeof(version), "%s %s", self->handler->program, FLORIN_VERSION);
    argp_program_version = version;
    argp_err_exit_status = USAGE_EXIT_CODE;
    argp_parse(&parser, argc, argv, 0, NULL, self);
}

/* ------------------------------------------------------------------------------ configuration */

static void visit_setting(void *self_p, const char *name, const char *value)
{
    worker_t *self = self_p;
    if (strcmp(name, "broker") != 0)
        return;
    if (self->endpoints_count < FLORIN_BROKERS_MAX)
        self->endpoints[self->endpoints_count] = value;
    self->endpoints_count++;
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int read_endpoints(worker_t *self, bool curve, florin_error_t *error)
{
    florin_config_each(self->config, "worker", visit_setting, self);
    if (self->endpoints_count > FLORIN_BROKERS_MAX)
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "%s: %zu times worker/broker; at most %d", self->config_path,
                                self->endpoints_count, FLORIN_BROKERS_MAX);
    for (size_t i = 0; i < self->endpoints_count; i++) {
        const char *endpoint = self->endpoints[i];
        bool tcp = starts_with(endpoint, "tcp://");
        if (!tcp && !starts_with(endpoint, "ipc://"))
            return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                    "%s: worker/broker %s begins with neither tcp:// nor ipc://",
                                    self->config_path, endpoint);
        if (tcp && !curve)
            return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                    "%s: worker/broker %s is TCP and needs worker/key and "
                                    "worker/broker_key",
                                    self->config_path, endpoint);
    }
    return 0;
}

static int read_keys(worker_t *self, bool *curve, florin_error_t *error)
{
    const char *key = florin_config_text(self->config, "worker/key", "");
    const char *broker_key = florin_config_text(self->config, "worker/broker_key", "");
    char path[PATH_MAX];
    *curve = *key && *broker_key;
    if (!*curve && !*key && !*broker_key)
        return 0;
    if (!*curve)
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "%s: worker/key and worker/broker_key go together",
                                self->config_path);
    if (florin_config_path(self->config, "worker/key", path, error) ||
        florin_keys_load(path, &self->link.cert, error) ||
        florin_config_path(self->config, "worker/broker_key", path, error))
        return error->code;
    return florin_keys_load_public(path, self->link.broker_key, error);
}

static int check_settings(const worker_t *self, florin_error_t *error)
{
    florin_setting_t settings[SETTINGS_MAX];
    size_t count = RUNTIME_SETTINGS + self->handler->settings_count;
    if (count > SETTINGS_MAX)
        return florin_error_set(error, FLORIN_ERROR_INTERNAL, "%zu settings", count);
    memcpy(settings, runtime_settings, sizeof(runtime_settings));
    if (self->handler->settings_count > 0)
        memcpy(settings + RUNTIME_SETTINGS, self->handler->settings,
               self->handler->settings_count * sizeof(settings[0]));
    return florin_config_check(self->config, settings, count, error);
}

static int name_instance(worker_t *self, florin_error_t *error)
{
    const char *instance = florin_config_text(self->config, "worker/instance", "");
    if (*self->instance)
        return 0; /* the option goes first */
    int length = *instance ? snprintf(self->instance, sizeof(self->instance), "%s", instance)
                           : snprintf(self->instance, sizeof(self->instance), "%s-%ld",
                                      self->handler->service, (long)getpid());
    if (length >= (int)sizeof(self->instance))
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "%s: worker/instance has more than %d characters",
                                self->config_path, INSTANCE_BYTES_MAX - 1);
    return 0;
}

static int read_metrics(worker_t *self, florin_error_t *error)
{
    florin_metrics_address_t address;
    const char *setting = self->metrics_address ? "--metrics" : "worker/metrics";
    if (!self->metrics_address)
        self->metrics_address = florin_config_text(self->config, "worker/metrics", "");
    return *self->metrics_address
               ? florin_metrics_address_parse(setting, self->metrics_address, &address, error)
               : 0;
}

static int pack_hello(worker_t *self, florin_error_t *error)
{
    static char version[] = FLORIN_VERSION;
    Florin__V1__WorkerHello hello = FLORIN__V1__WORKER_HELLO__INIT;
    hello.credit = (uint32_t)florin_config_number(self->config, "worker/credit", 384);
    hello.weight = (uint32_t)florin_config_number(self->config, "worker/weight", 1);
    hello.packs = true;
    hello.instance = self->instance;
    hello.version = version;
    if (florin__v1__worker_hello__get_packed_size(&hello) > sizeof(self->hello))
        return florin_error_set(error, FLORIN_ERROR_INTERNAL, "the hello is too long");
    self->link.service = self->handler->service;
    self->link.hello = self->hello;
    self->link.hello_bytes = florin__v1__worker_hello__pack(&hello, self->hello);
    self->link.credit = hello.credit;
    self->link.heartbeat_ms =
        (unsigned)florin_config_number(self->config, "worker/heartbeat_ms", 250);
    return 0;
}

static int configure(worker_t *self, florin_error_t *error)
{
    florin_log_level_t level;
    bool curve = false;
    if (florin_config_load(self->config_path, &self->config, error) ||
        check_settings(self, error) || name_instance(self, error) || read_metrics(self, error))
        return error->code;
    const char *log = florin_config_text(self->config, "worker/log", "info");
    if (florin_log_level_parse(log, &level))
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "%s: worker/log is %s; it is debug, info, warn or error",
                                self->config_path, log);
    florin_log_open(self->handler->program, self->instance, level);
    if (read_keys(self, &curve, error) || read_endpoints(self, curve, error))
        return error->code;
    return pack_hello(self, error);
}

/* ------------------------------------------------------------------------------ the threads */

/* SIGTERM and SIGINT come as bytes to read; blocked before any thread is there, so in all. */
static int catch_signals(worker_t *self, florin_error_t *error)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    (void)signal(SIGPIPE, SIG_IGN);
    if (pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0)
        self->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (self->signal_fd < 0)
        return florin_error_set(error, FLORIN_ERROR_SYSTEM, "can't catch signals: %m");
    return 0;
}

/* A lane is in the database still: nothing may be freed. */
static void abandon(const char *why)
{
    florin_log(FLORIN_LOG_ERROR, "drain_failed", "after %u ms: %s", FLORIN_WORKER_DRAIN_MS, why);
    _exit(EXIT_FAILURE);
}

/* Runs the dialog in this thread, beside the lanes, until told to end. */
static void serve(worker_t *self, florin_lanes_t *lanes, florin_inbox_t *answered)
{
    florin_log(FLORIN_LOG_INFO, "worker_started", "%s %s serves %s", self->handler->program,
               FLORIN_VERSION, self->handler->service);
    const florin_dialog_options_t dialog = {.link = self->link,
                                            .endpoints = self->endpoints,
                                            .endpoints_count = self->endpoints_count,
                                            .metrics = &self->metrics,
                                            .lanes = lanes,
                                            .answered = answered,
                                            .clocks =
                                                self->handler->leaves_aside ? self->clocks : NULL,
                                            .signal_fd = self->signal_fd};
    if (!florin_dialog_run(&dialog) || !florin_lanes_end(lanes, FLORIN_WORKER_DRAIN_MS))
        abandon("a batch was still running; the brokers will ask other workers");
    florin_log(FLORIN_LOG_INFO, "worker_stopped", "all that was under way is answered");
}

/* Metrics are there only for those who asked for them. */
static int start_metrics(worker_t *self, florin_error_t *error)
{
    int code = 0;
    if (*self->metrics_address) {
        self->registry = florin_metrics_new();
        code = florin_metrics_http_new(self->registry, "worker/metrics", self->metrics_address,
                                       &self->http, error);
    }
    florin_worker_metrics_init(&self->metrics, self->registry, self->handler->program,
                               self->endpoints, self->endpoints_count);
    return code;
}

static int run(worker_t *self, florin_error_t *error)
{
    florin_lanes_t lanes;
    florin_inbox_t answered;
    self->zmq = self->link.zmq = zmq_ctx_new();
    self->clocks =
        florin_clocks_new((uint32_t)florin_config_number(self->config, "store/clock_bound_ms",
                                                         FLORIN_CLOCK_BOUND_MS_DEFAULT),
                          self->registry);
    if (!self->zmq || zmq_ctx_set(self->zmq, ZMQ_IO_THREADS, IO_THREADS) != 0 || !self->clocks ||
        !florin_inbox_init(&answered))
        return florin_error_set(error, FLORIN_ERROR_SYSTEM, "can't set up the threads: %m");
    const florin_setup_t setup = {.config = self->config,
                                  .metrics = self->registry,
                                  .clocks = self->clocks,
                                  .zmq = self->zmq};
    int code = florin_lanes_start(&lanes, self->handler, &setup, self->link.credit, &self->metrics,
                                  &answered, error);
    if (code == 0)
        serve(self, &lanes, &answered);
    else if (!florin_lanes_end(&lanes, FLORIN_WORKER_DRAIN_MS))
        abandon(error->message);
    florin_inbox_clear(&answered);
    zmq_ctx_term(self->zmq);
    return code;
}

int florin_worker_main(int argc, char **argv, const florin_handler_t *handler)
{
    worker_t self = {.handler = handler, .signal_fd = -1};
    florin_error_t error = {0};
    parse_options(&self, argc, argv);
    int code = sodium_init() < 0 ? florin_error_set(&error, FLORIN_ERROR_SYSTEM, "no randomness")
                                 : configure(&self, &error);
    if (code == 0 && !self.check_only && (code = catch_signals(&self, &error)) == 0 &&
        (code = start_metrics(&self, &error)) == 0)
        code = run(&self, &error);
    if (code)
        (void)fprintf(stderr, "%s: %s\n", handler->program, error.message);
    else if (self.check_only)
        (void)printf("%s: configuration is good\n", self.config_path);
    if (self.signal_fd >= 0)
        close(self.signal_fd);
    florin_clocks_destroy(&self.clocks);
    florin_metrics_http_destroy(&self.http);
    florin_metrics_destroy(&self.registry);
    zcert_destroy(&self.link.cert);
    florin_config_destroy(&self.config);
    return code ? EXIT_FAILURE : EXIT_SUCCESS;
}
