/* A ROUTER socket as the broker wants it. */
#ifndef FLORIN_BROKER_LISTEN_H
#define FLORIN_BROKER_LISTEN_H

#include "broker/settings.h"

/* Makes the socket and listens on all endpoints: on TCP with Curve and the key at `key_path`, in
 * the ZAP domain given; on ipc without. The caller closes *socket, also after an error. */
int florin_listen(void *context, const florin_endpoints_t *endpoints, const char *domain,
                  const char *key_path, void **socket, florin_error_t *error) FLORIN_MUST_USE;

#endif
