#include "broker/listen.h"

#include <string.h>
#include <zmq.h>

#include "broker/zap.h"
#include "lib/keys.h"

/* Messages that may wait for one peer, and from one peer, inside libzmq. */
#define SEND_MESSAGES_MAX    4096
#define RECEIVE_MESSAGES_MAX 256
/* A peer that is gone without a word is noticed by TCP's side of libzmq, too. */
#define PING_MS         2000
#define PING_TIMEOUT_MS 6000

static bool set_number(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool set_options(void *socket)
{
    const int64_t message_bytes = FLORIN_FRAME_BYTES_MAX;
    return set_number(socket, ZMQ_ROUTER_MANDATORY, 1) && set_number(socket, ZMQ_LINGER, 0) &&
           set_number(socket, ZMQ_SNDHWM, SEND_MESSAGES_MAX) &&
           set_number(socket, ZMQ_RCVHWM, RECEIVE_MESSAGES_MAX) &&
           set_number(socket, ZMQ_IPV6, 1) && set_number(socket, ZMQ_HEARTBEAT_IVL, PING_MS) &&
           set_number(socket, ZMQ_HEARTBEAT_TIMEOUT, PING_TIMEOUT_MS) &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &message_bytes, sizeof message_bytes) == 0;
}

/* libzmq takes the socket's options as they are when it begins to listen on an endpoint. */
static bool set_security(void *socket, bool curve, const char *domain, zcert_t *cert)
{
    if (!curve)
        return set_number(socket, ZMQ_CURVE_SERVER, 0) &&
               zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, FLORIN_ZAP_LOCAL, strlen(FLORIN_ZAP_LOCAL)) ==
                   0;
    return cert != NULL && set_number(socket, ZMQ_CURVE_SERVER, 1) &&
           zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, zcert_secret_key(cert), 32) == 0 &&
           zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, domain, strlen(domain)) == 0;
}

int florin_listen(void *context, const florin_endpoints_t *endpoints, const char *domain,
                  const char *key_path, void **socket, florin_error_t *error)
{
    zcert_t *cert = NULL;
    *socket = NULL;
    int rc = key_path[0] != '\0' ? florin_keys_load(key_path, &cert, error) : FLORIN_OK;
    if (rc != FLORIN_OK)
        return rc;
    *socket = zmq_socket(context, ZMQ_ROUTER);
    if (*socket == NULL || !set_options(*socket))
        rc = florin_error_set(error, FLORIN_ERROR_SYSTEM, "no socket for %s: %s", domain,
                              zmq_strerror(zmq_errno()));
    for (size_t i = 0; i < endpoints->count && rc == FLORIN_OK; i++) {
        const char *endpoint = endpoints->texts[i];
        if (!set_security(*socket, florin_endpoint_is_tcp(endpoint), domain, cert) ||
            zmq_bind(*socket, endpoint) != 0)
            rc = florin_error_set(error, FLORIN_ERROR_SYSTEM,
                                  "the broker can't listen on %s for %s: %s", endpoint, domain,
                                  zmq_strerror(zmq_errno()));
    }
    zcert_destroy(&cert);
    return rc;
}
