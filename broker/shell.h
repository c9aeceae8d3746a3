/* The broker's body: two ROUTER sockets, one thread, one loop. It reads frames, hands the core what
 * they say, and sends what the core asks for; it decides nothing. No call in it blocks but the
 * wait at the top of the loop. */
#ifndef FLORIN_BROKER_SHELL_H
#define FLORIN_BROKER_SHELL_H

#include "broker/settings.h"
#include "lib/metrics.h"

typedef struct florin_shell florin_shell_t;

/* Loads keys, starts the key check and listens. An error names the endpoint or the file. `metrics`
 * is borrowed until the shell is destroyed; NULL when nobody reads them. */
int florin_shell_new(const florin_broker_settings_t *settings, florin_metrics_t *metrics,
                     florin_shell_t **shell, florin_error_t *error) FLORIN_MUST_USE;

/* Serves until `stop_fd` becomes readable; then clients that wait are told UNAVAILABLE. */
int florin_shell_run(florin_shell_t *self, int stop_fd, florin_error_t *error) FLORIN_MUST_USE;

/* Closes the sockets; the last replies have half a second to leave. */
void florin_shell_destroy(florin_shell_t **self_p);

#endif
