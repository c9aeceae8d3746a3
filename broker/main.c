#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "broker/shell.h"
#include "lib/keys.h"
#include "lib/metrics_http.h"

#define EXIT_USAGE 2

typedef struct {
    const char *config;
    bool check;
} arguments_t;

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    arguments_t *arguments = state->input;
    switch (key) {
    case 'c':
        arguments->config = value;
        return 0;
    case 'k':
        arguments->check = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_usage(state);
        return 0;
    case ARGP_KEY_END:
        if (arguments->config == NULL)
            argp_error(state, "--config FILE is needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Each connection takes a descriptor, and the usual soft limit is far below the broker's bound. The
 * reader of the log may go away; the broker stays. */
static void set_limits(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    (void)signal(SIGPIPE, SIG_IGN);
}

/* SIGTERM and SIGINT as a descriptor; every thread made later inherits that they are blocked. */
static int signals_open(void)
{
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0)
        return -1;
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

/* Metrics are there only for those who asked for them. */
static int start(const florin_broker_settings_t *settings, florin_metrics_t **metrics,
                 florin_metrics_http_t **http, florin_shell_t **shell, florin_error_t *error)
{
    int rc = FLORIN_OK;
    if (*settings->metrics) {
        *metrics = florin_metrics_new();
        rc = florin_metrics_http_new(*metrics, "broker/metrics", settings->metrics, http, error);
    }
    return rc == FLORIN_OK ? florin_shell_new(settings, *metrics, shell, error) : rc;
}

static int serve(const florin_broker_settings_t *settings, florin_error_t *error)
{
    florin_metrics_t *metrics = NULL;
    florin_metrics_http_t *http = NULL;
    florin_shell_t *shell = NULL;
    set_limits();
    int stop_fd = signals_open();
    if (stop_fd < 0)
        return florin_error_set(error, FLORIN_ERROR_SYSTEM, "no signalfd");
    florin_log_open("florin-broker", settings->instance, settings->log);
    int rc = start(settings, &metrics, &http, &shell, error);
    if (rc == FLORIN_OK) {
        florin_log(FLORIN_LOG_INFO, "broker_started", "version %s, clients on %s, workers on %s",
                   FLORIN_VERSION, settings->clients.texts[0], settings->workers.texts[0]);
        rc = florin_shell_run(shell, stop_fd, error);
    }
    florin_metrics_http_destroy(&http);
    florin_shell_destroy(&shell);
    florin_metrics_destroy(&metrics);
    (void)close(stop_fd);
    if (rc == FLORIN_OK)
        florin_log(FLORIN_LOG_INFO, "broker_stopped", "told to stop");
    else
        florin_log(FLORIN_LOG_ERROR, "broker_failed", "%s", error->message);
    return rc;
}

/* Whether the keys can be read, and only by those who should. */
static int check_keys(const florin_broker_settings_t *settings, florin_error_t *error)
{
    const char *const folders[] = {settings->client_keys, settings->worker_keys};
    zcert_t *cert = NULL;
    int rc = *settings->key ? florin_keys_load(settings->key, &cert, error) : FLORIN_OK;
    zcert_destroy(&cert);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0] && rc == FLORIN_OK; i++) {
        florin_keyring_t *keyring = NULL;
        if (*folders[i])
            rc = florin_keyring_new(folders[i], &keyring, error);
        florin_keyring_destroy(&keyring);
    }
    return rc;
}

int main(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"config", 'c', "FILE", 0, "the configuration", 0},
        {"check", 'k', NULL, 0, "check the configuration and keys, then end", 0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .doc = "Spreads the requests of Florin's clients over pools of workers.",
    };
    arguments_t arguments = {0};
    florin_error_t error = {0};
    florin_broker_settings_t *settings = NULL;
    /* Assigned, not defined: a hidden symbol of that name is not the one that glibc reads. */
    argp_program_version = "florin-broker " FLORIN_VERSION;
    argp_err_exit_status = EXIT_USAGE;
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return EXIT_FAILURE;
    int rc = florin_broker_settings_load(arguments.config, &settings, &error);
    if (rc == FLORIN_OK && arguments.check)
        rc = check_keys(settings, &error);
    if (rc != FLORIN_OK)
        (void)fprintf(stderr, "florin-broker: %s\n", error.message);
    else if (arguments.check)
        (void)printf("%s: configuration is good\n", arguments.config);
    else
        rc = serve(settings, &error);
    florin_broker_settings_destroy(&settings);
    return rc == FLORIN_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
