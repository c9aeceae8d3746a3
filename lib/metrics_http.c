#include "lib/metrics_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "lib/limits.h"
#include "lib/log.h"

#define SILENT_S          5u
#define REQUEST_BYTES_MAX ((size_t)16 * 1024)
#define PORT_DIGITS_MAX   5
#define CONTENT_TYPE      "text/plain; version=0.0.4; charset=utf-8"

struct florin_metrics_http {
    florin_metrics_t *metrics;
    struct MHD_Daemon *daemon;
};

static bool parse_port(const char *text, in_port_t *port)
{
    size_t digits = strspn(text, "0123456789");
    unsigned long number = strtoul(text, NULL, 10);
    if (digits == 0 || digits > PORT_DIGITS_MAX || text[digits] != '\0' || number > UINT16_MAX)
        return false;
    *port = htons((uint16_t)number);
    return true;
}

int florin_metrics_address_parse(const char *setting, const char *text,
                                 florin_metrics_address_t *address, florin_error_t *error)
{
    char host[INET6_ADDRSTRLEN];
    const char *colon = strrchr(text, ':');
    const char *from = *text == '[' ? text + 1 : text;
    const char *until = colon != NULL && from > text ? colon - 1 : colon;
    bool v6 = from > text, good = false;
    *address = (florin_metrics_address_t){0};
    if (colon != NULL && until > from && (size_t)(until - from) < sizeof host &&
        (!v6 || *until == ']')) {
        memcpy(host, from, (size_t)(until - from));
        host[until - from] = '\0';
        address->any.sa_family = v6 ? AF_INET6 : AF_INET;
        void *bytes = v6 ? (void *)&address->v6.sin6_addr : (void *)&address->v4.sin_addr;
        in_port_t *port = v6 ? &address->v6.sin6_port : &address->v4.sin_port;
        good = inet_pton(address->any.sa_family, host, bytes) == 1 && parse_port(colon + 1, port);
    }
    if (good)
        return FLORIN_OK;
    return florin_error_set(error, FLORIN_ERROR_CONFIG,
                            "%s: '%s' is no IPv4 or [IPv6] address with a port, such as "
                            "127.0.0.1:9100",
                            setting, text);
}

/* Queues an answer; `text` is freed when it has been sent. The connection ends with it, so that its
 * place is free for the next reader. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, char *text,
                              size_t bytes)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(bytes, text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(text);
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, CONTENT_TYPE);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *why)
{
    char *text = strdup(why);
    return text != NULL ? answer(connection, status, text, strlen(text)) : MHD_NO;
}

/* Called by libmicrohttpd when the head of a request was read. A body, if there is one, is not. */
static enum MHD_Result handle(void *self_p, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_bytes, void **request)
{
    florin_metrics_http_t *self = self_p;
    (void)version, (void)upload, (void)upload_bytes, (void)request;
    if (strcmp(url, "/metrics") != 0)
        return refuse(connection, MHD_HTTP_NOT_FOUND, "there is /metrics and nothing else\n");
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "metrics are read with GET\n");
    size_t bytes = 0;
    char *text = florin_metrics_text(self->metrics, &bytes);
    return text != NULL ? answer(connection, MHD_HTTP_OK, text, bytes) : MHD_NO;
}

int florin_metrics_http_new(florin_metrics_t *metrics, const char *setting, const char *address,
                            florin_metrics_http_t **http, florin_error_t *error)
{
    florin_metrics_address_t parsed;
    *http = NULL;
    if (florin_metrics_address_parse(setting, address, &parsed, error) != 0)
        return error->code;
    florin_metrics_http_t *self = calloc(1, sizeof *self);
    if (self == NULL || metrics == NULL) {
        free(self);
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "%s: no memory", setting);
    }
    self->metrics = metrics;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO;
    if (parsed.any.sa_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    errno = 0;
    self->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, handle, self, MHD_OPTION_SOCK_ADDR, &parsed.any,
        MHD_OPTION_CONNECTION_LIMIT, FLORIN_METRICS_READERS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        SILENT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, REQUEST_BYTES_MAX, MHD_OPTION_END);
    if (self->daemon == NULL) {
        int reason = errno;
        free(self);
        return florin_error_set(error, FLORIN_ERROR_SYSTEM, "%s: can't listen on %s: %s", setting,
                                address, reason != 0 ? strerror(reason) : "libmicrohttpd failed");
    }
    florin_log(FLORIN_LOG_INFO, "metrics_started", "metrics at %s, port %u: GET /metrics", address,
               florin_metrics_http_port(self));
    *http = self;
    return FLORIN_OK;
}

void florin_metrics_http_destroy(florin_metrics_http_t **self_p)
{
    florin_metrics_http_t *self = *self_p;
    if (self == NULL)
        return;
    MHD_stop_daemon(self->daemon);
    free(self);
    *self_p = NULL;
}

uint16_t florin_metrics_http_port(const florin_metrics_http_t *self)
{
    return MHD_get_daemon_info(self->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}
