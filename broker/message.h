/* Multi-part messages as raw frames: read whole, and moved on without a copy of a body. */
#ifndef FLORIN_BROKER_MESSAGE_H
#define FLORIN_BROKER_MESSAGE_H

#include <zmq.h>

#include "broker/core.h"

typedef struct {
    size_t count;
    bool too_long; /* had more frames than any message may have: they were read and dropped */
    zmq_msg_t frames[FLORIN_MDP_FRAMES_MAX];
    florin_slice_t slices[FLORIN_MDP_FRAMES_MAX]; /* what the frames hold */
} florin_message_t;

/* Reads one message if there is one; false when there is none. Close it in any case but that. */
bool florin_message_receive(void *socket, florin_message_t *message) FLORIN_MUST_USE;
void florin_message_close(florin_message_t *message);

/* A frame to send: borrowed bytes. */
typedef struct {
    const void *data;
    size_t size;
} florin_frame_t;

/* Sends the routing id, then the `count` frames of bytes, with more to follow when `more` is set.
 * Never blocks. Only the routing id can be refused; after it, the rest goes through. */
florin_core_sent_t florin_message_send(void *socket, florin_slice_t routing_id,
                                       const florin_frame_t *frames, size_t count, bool more);

/* Sends frames on, which are empty then. The last one ends the message unless `more` is set.
 * The first may be refused when it is a routing id: then all stay as they are. */
florin_core_sent_t florin_message_move(void *socket, zmq_msg_t *frames, size_t count, bool more);

/* What the broker keeps of a client's request: its frames as they came. Those ahead of the body
 * are, word for word, those of the reply. */
typedef struct {
    size_t count;
    size_t body; /* index of the body's first frame */
    zmq_msg_t frames[];
} florin_envelope_t;

/* Moves the message's frames into an envelope; NULL when there is no memory. */
florin_envelope_t *florin_envelope_new(florin_message_t *message, size_t body);
void florin_envelope_destroy(florin_envelope_t **self_p);

/* Sends the body to a worker, as the end of a message that has begun; the envelope keeps it. */
void florin_envelope_send_body(florin_envelope_t *self, void *socket);

/* Sends what goes ahead of the client's reply, once; a body must follow when it returns true. False
 * when the client is not there or does not read. */
bool florin_envelope_open_reply(florin_envelope_t *self, void *socket) FLORIN_MUST_USE;

#endif
