/* One broker as a client sees it: a DEALER socket, and a monitor that tells at once when the
 * connection is lost or the broker refuses the key. Nothing here waits. */
#ifndef FLORIN_CONNECTION_H
#define FLORIN_CONNECTION_H

#include <czmq.h>

#include "lib/error.h"

typedef struct florin_connection florin_connection_t;

/* What CurveZMQ needs: borrowed. */
typedef struct {
    zcert_t *cert;              /* the client's own pair */
    const char *broker_key_z85; /* 40 characters */
} florin_connection_keys_t;

/* Begins to connect. A broker that leaves a ping unanswered for silence_ms (0: 500) is gone. `keys`
 * is NULL for no Curve; TCP without Curve is refused. */
int florin_connection_new(void *context, const char *endpoint, uint32_t silence_ms,
                          const florin_connection_keys_t *keys, florin_connection_t **connection,
                          florin_error_t *error) FLORIN_MUST_USE;
void florin_connection_destroy(florin_connection_t **self_p);

/* Sends one request; the body's content is shared, not copied or taken. False when no broker is
 * connected there just now: nothing was sent. */
bool florin_connection_send(florin_connection_t *self, uint64_t correlation, const char *service,
                            zmq_msg_t *body);

/* One reply. The caller closes it. */
typedef struct {
    uint64_t correlation;
    zmq_msg_t service;
    zmq_msg_t body;
} florin_answer_t;

/* The next reply that has come; false when there is none. What is no reply is dropped. */
bool florin_connection_receive(florin_connection_t *self, florin_answer_t *answer);
void florin_answer_close(florin_answer_t *answer);

/* Reads what the monitor saw. True when the connection was lost, or could not be made, since the
 * last call. */
bool florin_connection_watch(florin_connection_t *self);

/* True while the broker is connected and has let us in. */
bool florin_connection_up(const florin_connection_t *self);

/* When the broker was last heard, by florin_clock_ms. */
uint64_t florin_connection_heard_ms(const florin_connection_t *self);

/* Writes the endpoint and how it stands: "tcp://10.0.0.1:5555: nothing listens there". */
void florin_connection_describe(const florin_connection_t *self, char *text, size_t bytes);

/* What to poll: the DEALER, and the monitor. */
void *florin_connection_socket(const florin_connection_t *self);
void *florin_connection_monitor(const florin_connection_t *self);

#endif
