#include "client/connection.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/limits.h"
#include "lib/mdp.h"

#define CORRELATION_BYTES 8
#define RECONNECT_MS      100
#define RECONNECT_MS_MAX  1000
/* ZMTP's own heartbeats find a broker that was stopped, or whose machine went without a word. */
#define HEARTBEAT_MS 400
#define SILENCE_MS   500
/* Messages that one call of receive or watch looks at before it goes back to its caller. */
#define LOOKS_MAX 1024

struct florin_connection {
    void *socket;
    void *monitor;
    char *endpoint;
    const char *trouble; /* why it is not up; static */
    bool up;
    uint64_t heard_ms;
    uint64_t refused_ms; /* when the broker last did not know the key; 0: it has not said so */
};

static int set_number(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

static int set_options(void *socket, uint32_t silence_ms, const florin_connection_keys_t *keys)
{
    int64_t frame_bytes_max = FLORIN_FRAME_BYTES_MAX;
    /* With ZMQ_IMMEDIATE nothing queues up for a broker that is away: the request stays with the
     * client, which may then try another one. The caller bounds what is under way. */
    int rc = set_number(socket, ZMQ_IMMEDIATE, 1) || set_number(socket, ZMQ_LINGER, 0) ||
             set_number(socket, ZMQ_SNDHWM, 0) || set_number(socket, ZMQ_RCVHWM, 0) ||
             set_number(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) ||
             set_number(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MS_MAX) ||
             set_number(socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS) ||
             set_number(socket, ZMQ_HEARTBEAT_TIMEOUT, silence_ms ? (int)silence_ms : SILENCE_MS) ||
             zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_bytes_max, sizeof frame_bytes_max);
    if (rc == 0 && keys)
        rc = zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, keys->broker_key_z85, 41) ||
             zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, zcert_public_key(keys->cert), 32) ||
             zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, zcert_secret_key(keys->cert), 32);
    return rc;
}

/* Made so far. A monitor's address is no other's in the context, which may be shared. */
static _Atomic uint64_t monitors;

/* The monitor comes before the connection, so that it misses nothing. */
static int start_monitor(florin_connection_t *self, void *context)
{
    char address[64];
    int length = snprintf(address, sizeof address, "inproc://florin-monitor-%" PRIu64,
                          atomic_fetch_add(&monitors, 1));
    if (length < 0 || (size_t)length >= sizeof address)
        return -1;
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                 ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED;
    self->monitor = zmq_socket(context, ZMQ_PAIR);
    if (!self->monitor || zmq_socket_monitor(self->socket, address, events) != 0)
        return -1;
    return set_number(self->monitor, ZMQ_LINGER, 0) || zmq_connect(self->monitor, address);
}

int florin_connection_new(void *context, const char *endpoint, uint32_t silence_ms,
                          const florin_connection_keys_t *keys, florin_connection_t **connection,
                          florin_error_t *error)
{
    if (!keys && strncmp(endpoint, "tcp://", 6) == 0)
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "broker %s: TCP needs keys: set client/broker_key and client/key "
                                "(`florin keygen` makes a pair), or use ipc://",
                                endpoint);
    florin_connection_t *self = calloc(1, sizeof *self);
    if (!self)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for a connection");
    self->trouble = "not connected yet";
    self->endpoint = strdup(endpoint);
    self->socket = zmq_socket(context, ZMQ_DEALER);
    int rc = 0;
    if (!self->endpoint || !self->socket || set_options(self->socket, silence_ms, keys) != 0 ||
        start_monitor(self, context) != 0)
        rc = florin_error_set(error, FLORIN_ERROR_SYSTEM, "broker %s: cannot make a socket: %s",
                              endpoint, zmq_strerror(errno));
    else if (zmq_connect(self->socket, endpoint) != 0)
        rc = florin_error_set(error, FLORIN_ERROR_CONFIG,
                              "broker %s: %s; an endpoint looks like tcp://HOST:PORT or ipc://PATH",
                              endpoint, zmq_strerror(errno));
    if (rc != 0)
        florin_connection_destroy(&self);
    *connection = self;
    return rc;
}

void florin_connection_destroy(florin_connection_t **self_p)
{
    florin_connection_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    if (self->socket) {
        (void)zmq_socket_monitor(self->socket, NULL, 0);
        (void)zmq_close(self->socket);
    }
    if (self->monitor)
        (void)zmq_close(self->monitor);
    free(self->endpoint);
    free(self);
}

static bool send_bytes(void *socket, const void *bytes, size_t size)
{
    return zmq_send(socket, bytes, size, ZMQ_DONTWAIT | ZMQ_SNDMORE) >= 0;
}

bool florin_connection_send(florin_connection_t *self, uint64_t correlation, const char *service,
                            zmq_msg_t *body)
{
    /* libzmq's monitor tells of a loss a moment before the socket knows, which would take the
     * request and drop it. */
    if (!self->up)
        return false;
    uint8_t path[CORRELATION_BYTES];
    for (size_t i = 0; i < sizeof path; i++)
        path[i] = (uint8_t)(correlation >> (8 * (sizeof path - 1 - i)));
    zmq_msg_t frame;
    (void)zmq_msg_init(&frame);
    if (zmq_msg_copy(&frame, body) != 0 || !send_bytes(self->socket, path, sizeof path)) {
        (void)zmq_msg_close(&frame);
        return false;
    }
    /* When the connection goes in the middle of a message, libzmq drops the rest of it: it has to
     * be given the rest all the same. */
    bool sent = send_bytes(self->socket, "", 0);
    sent &= send_bytes(self->socket, FLORIN_MDP_CLIENT, FLORIN_MDP_HEADER_BYTES);
    sent &= send_bytes(self->socket, service, strlen(service));
    if (zmq_msg_send(&frame, self->socket, ZMQ_DONTWAIT) < 0) {
        (void)zmq_msg_close(&frame);
        sent = false;
    }
    return sent;
}

/* Reads one message whole, keeps what fits, and returns the number of frames kept; 0 when there is
 * no message. *whole says that nothing was left out. */
static size_t receive_frames(void *socket, zmq_msg_t *frames, size_t frames_max, bool *whole)
{
    size_t count = 0;
    *whole = true;
    for (bool more = true; more;) {
        zmq_msg_t frame;
        (void)zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) < 0) {
            (void)zmq_msg_close(&frame);
            *whole = false;
            return count;
        }
        more = zmq_msg_more(&frame) != 0;
        if (count < frames_max) {
            (void)zmq_msg_init(&frames[count]);
            (void)zmq_msg_move(&frames[count++], &frame);
        } else {
            *whole = false;
        }
        (void)zmq_msg_close(&frame);
    }
    return count;
}

static bool read_answer(zmq_msg_t *frames, size_t count, florin_answer_t *answer)
{
    florin_slice_t slices[FLORIN_MDP_FRAMES_MAX];
    for (size_t i = 0; i < count; i++)
        slices[i] = (florin_slice_t){zmq_msg_data(&frames[i]), zmq_msg_size(&frames[i])};
    florin_mdp_client_reply_t reply;
    if (florin_mdp_client_reply_parse(slices, count, &reply) != 0 || reply.path_count != 1 ||
        slices[0].size != CORRELATION_BYTES || reply.body_count != 1)
        return false;
    answer->correlation = 0;
    for (size_t i = 0; i < CORRELATION_BYTES; i++)
        answer->correlation = answer->correlation << 8 | slices[0].data[i];
    (void)zmq_msg_init(&answer->service);
    (void)zmq_msg_init(&answer->body);
    (void)zmq_msg_move(&answer->service, &frames[reply.body - 1]);
    (void)zmq_msg_move(&answer->body, &frames[reply.body]);
    return true;
}

bool florin_connection_receive(florin_connection_t *self, florin_answer_t *answer)
{
    for (size_t looks = 0; looks < LOOKS_MAX; looks++) {
        zmq_msg_t frames[FLORIN_MDP_FRAMES_MAX];
        bool whole;
        size_t count = receive_frames(self->socket, frames, FLORIN_MDP_FRAMES_MAX, &whole);
        if (count == 0)
            return false;
        bool good = whole && read_answer(frames, count, answer);
        for (size_t i = 0; i < count; i++)
            (void)zmq_msg_close(&frames[i]);
        self->heard_ms = florin_clock_ms();
        if (good)
            return true;
    }
    return false;
}

void florin_answer_close(florin_answer_t *answer)
{
    (void)zmq_msg_close(&answer->service);
    (void)zmq_msg_close(&answer->body);
}

/* Takes one monitor event; true when it tells of a loss. */
static bool take_event(florin_connection_t *self, uint16_t event)
{
    switch (event) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        self->up = true;
        self->trouble = "connected";
        self->heard_ms = florin_clock_ms();
        return false;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        self->trouble = "the broker does not know this key (its .pub file belongs in the broker's "
                        "folder of clients)";
        self->refused_ms = florin_clock_ms();
        break;
    case ZMQ_EVENT_CLOSED: /* an attempt to connect */
        self->trouble = "nothing listens there";
        break;
    case ZMQ_EVENT_DISCONNECTED: /* comes after a failed handshake, too */
        if (self->up)
            self->trouble = "the connection was lost";
        break;
    default: /* the handshake failed in another way */
        self->trouble = "the broker broke off the handshake (is client/broker_key its public key?)";
        break;
    }
    self->up = false;
    return true;
}

/* After such a refusal libzmq does not try again by itself; but the key may be made known. */
static void knock_again(florin_connection_t *self)
{
    if (self->refused_ms == 0 || florin_clock_ms() - self->refused_ms < RECONNECT_MS_MAX)
        return;
    self->refused_ms = 0;
    (void)zmq_disconnect(self->socket, self->endpoint);
    (void)zmq_connect(self->socket, self->endpoint);
}

bool florin_connection_watch(florin_connection_t *self)
{
    bool lost = false;
    knock_again(self);
    for (size_t looks = 0; looks < LOOKS_MAX; looks++) {
        zmq_msg_t frames[2]; /* event (16 bits) and value (32), then the endpoint */
        bool whole;
        size_t count = receive_frames(self->monitor, frames, 2, &whole);
        if (count == 0)
            break;
        uint16_t event = 0;
        if (zmq_msg_size(&frames[0]) >= sizeof event)
            memcpy(&event, zmq_msg_data(&frames[0]), sizeof event);
        for (size_t i = 0; i < count; i++)
            (void)zmq_msg_close(&frames[i]);
        lost |= take_event(self, event);
    }
    return lost;
}

bool florin_connection_up(const florin_connection_t *self)
{
    return self->up;
}

uint64_t florin_connection_heard_ms(const florin_connection_t *self)
{
    return self->heard_ms;
}

void florin_connection_describe(const florin_connection_t *self, char *text, size_t bytes)
{
    (void)snprintf(text, bytes, "%s: %s", self->endpoint, self->up ? "connected" : self->trouble);
}

void *florin_connection_socket(const florin_connection_t *self)
{
    return self->socket;
}

void *florin_connection_monitor(const florin_connection_t *self)
{
    return self->monitor;
}
