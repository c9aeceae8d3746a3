#include "client/cli/cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOCAL_CONFIG  "./run/client.zpl"
#define SYSTEM_CONFIG "/etc/florin/client.zpl"

static const struct argp_option common_options[] = {
    {"config", 'c', "FILE", 0,
     "Settings: brokers and keys (otherwise $FLORIN_CONFIG, " LOCAL_CONFIG " or " SYSTEM_CONFIG ")",
     100},
    {"json", 'j', 0, 0, "Print JSON, one object a line", 100},
    {0}};

static error_t parse_common(int key, char *value, struct argp_state *state)
{
    cli_t *self = state->input;
    switch (key) {
    case 'c':
        self->config = value;
        return 0;
    case 'j':
        self->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cli_common_argp = {.options = common_options, .parser = parse_common};

void cli_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    /* All errors of argp itself end the program. */
    (void)argp_parse(argp, argc, argv, 0, NULL, input);
}

static const char *config_path(const cli_t *self)
{
    if (self->config)
        return self->config;
    const char *path = getenv("FLORIN_CONFIG");
    if (path && *path)
        return path;
    return access(LOCAL_CONFIG, R_OK) == 0 ? LOCAL_CONFIG : SYSTEM_CONFIG;
}

int cli_connect(cli_t *self)
{
    if (self->client)
        return CLI_DONE;
    const char *path = config_path(self);
    florin_error_t error = {0};
    if (access(path, F_OK) != 0) {
        (void)florin_error_set(&error, FLORIN_ERROR_CONFIG,
                               "no configuration: %s is not there; give --config FILE, set "
                               "FLORIN_CONFIG, or start a cluster here with `make run`",
                               path);
        return cli_tell_usage(self, &error);
    }
    if (florin_client_options_load(path, &self->options, &error) != 0 ||
        florin_client_new(&self->options, &self->client, &error) != 0)
        return cli_tell_usage(self, &error);
    return CLI_DONE;
}

static bool unreachable(Florin__V1__Status status)
{
    return status == FLORIN__V1__STATUS__STATUS_NO_SERVICE ||
           status == FLORIN__V1__STATUS__STATUS_BUSY ||
           status == FLORIN__V1__STATUS__STATUS_EXPIRED ||
           status == FLORIN__V1__STATUS__STATUS_UNAVAILABLE;
}

/* What to do about a status, where the reply says nothing itself. */
static const char *status_advice(Florin__V1__Status status)
{
    switch (status) {
    case FLORIN__V1__STATUS__STATUS_NO_SERVICE:
        return "no worker serves this now; see `florin status`";
    case FLORIN__V1__STATUS__STATUS_BUSY:
        return "all queues are full and nothing was begun; try again later";
    case FLORIN__V1__STATUS__STATUS_EXPIRED:
    case FLORIN__V1__STATUS__STATUS_UNAVAILABLE:
        return "the outcome is not known yet; ask again with the same ids";
    case FLORIN__V1__STATUS__STATUS_FORBIDDEN:
        return "this key may not do that";
    default:
        return "no more is known; the worker's log may tell";
    }
}

int cli_judge(cli_t *self, const char *what, const Florin__V1__Reply *reply,
              const florin_error_t *error)
{
    if (error->code != 0) {
        cli_tell(self, what, florin_error_name(error->code), "%s", error->message);
        return error->code == FLORIN_ERROR_TIMEOUT || error->code == FLORIN_ERROR_UNAVAILABLE
                   ? CLI_UNREACHABLE
                   : CLI_REFUSED;
    }
    if (reply->status == FLORIN__V1__STATUS__STATUS_OK)
        return CLI_DONE;
    cli_tell(self, what, florin_status_name(reply->status), "%s",
             *reply->message ? reply->message : status_advice(reply->status));
    return unreachable(reply->status) ? CLI_UNREACHABLE : CLI_REFUSED;
}

/* A result has the number of the operation that it answers. No operation asks for the broker's
 * status. */
static bool fits(const Florin__V1__Request *request, const Florin__V1__Reply *reply)
{
    int operation = (int)request->operation_case;
    return (int)reply->result_case ==
           (operation ? operation : (int)FLORIN__V1__REPLY__RESULT_BROKER_STATUS);
}

int cli_call(cli_t *self, const char *service, const Florin__V1__Request *request, const char *what,
             Florin__V1__Reply **reply)
{
    *reply = NULL;
    int code = cli_connect(self);
    if (code != CLI_DONE)
        return code;
    florin_error_t error = {0};
    (void)!florin_client_call(self->client, service, request, reply, &error);
    if (what)
        code = cli_judge(self, what, *reply, &error);
    else if (error.code != 0 || (*reply)->status != FLORIN__V1__STATUS__STATUS_OK)
        code = CLI_REFUSED;
    if (code == CLI_DONE && !fits(request, *reply))
        code = what ? cli_tell_nonsense(self, what) : CLI_REFUSED;
    if (code != CLI_DONE && *reply) {
        florin__v1__reply__free_unpacked(*reply, NULL);
        *reply = NULL;
    }
    return code;
}

void cli_tell(const cli_t *self, const char *what, const char *code, const char *format, ...)
{
    char message[2 * FLORIN_ERROR_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "florin: %s%s%s: %s\n", what ? what : "", what ? ": " : "", code,
                  message);
    if (!self->json)
        return;
    json_t *body = json_object();
    if (what)
        (void)json_object_set_new(body, "what", json_string(what));
    (void)json_object_set_new(body, "code", json_string(code));
    (void)json_object_set_new(body, "message", json_string(message));
    json_t *object = json_object();
    (void)json_object_set_new(object, "error", body);
    cli_print_json(object);
}

int cli_tell_usage(const cli_t *self, const florin_error_t *error)
{
    cli_tell(self, NULL, florin_error_name(error->code), "%s", error->message);
    return CLI_USAGE;
}

int cli_tell_nonsense(const cli_t *self, const char *what)
{
    cli_tell(self, what, "invalid",
             "the reply does not fit the request: is another program registered as a worker?");
    return CLI_REFUSED;
}

void cli_print_json(json_t *object)
{
    (void)json_dumpf(object, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(object);
}
