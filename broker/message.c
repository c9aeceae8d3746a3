#include "broker/message.h"

#include <errno.h>
#include <stdlib.h>

bool florin_message_receive(void *socket, florin_message_t *message)
{
    message->count = 0;
    message->too_long = false;
    for (bool more = true; more;) {
        zmq_msg_t frame;
        (void)zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) < 0) {
            (void)zmq_msg_close(&frame);
            return message->count > 0; /* a message comes whole or not at all */
        }
        more = zmq_msg_more(&frame);
        if (message->count == FLORIN_MDP_FRAMES_MAX) {
            message->too_long = true;
            (void)zmq_msg_close(&frame);
            continue;
        }
        zmq_msg_t *kept = &message->frames[message->count];
        (void)zmq_msg_init(kept);
        (void)zmq_msg_move(kept, &frame);
        message->slices[message->count++] =
            (florin_slice_t){zmq_msg_data(kept), zmq_msg_size(kept)};
    }
    return true;
}

void florin_message_close(florin_message_t *message)
{
    for (size_t i = 0; i < message->count; i++)
        (void)zmq_msg_close(&message->frames[i]);
    message->count = 0;
}

static florin_core_sent_t refusal(void)
{
    return errno == EAGAIN ? FLORIN_SEND_BLOCKED : FLORIN_SEND_GONE;
}

florin_core_sent_t florin_message_send(void *socket, florin_slice_t routing_id,
                                       const florin_frame_t *frames, size_t count, bool more)
{
    if (zmq_send(socket, routing_id.data, routing_id.size, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
        return refusal();
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count && !more;
        (void)zmq_send(socket, frames[i].data, frames[i].size,
                       ZMQ_DONTWAIT | (last ? 0 : ZMQ_SNDMORE));
    }
    return FLORIN_SENT;
}

florin_core_sent_t florin_message_move(void *socket, zmq_msg_t *frames, size_t count, bool more)
{
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count && !more;
        if (zmq_msg_send(&frames[i], socket, ZMQ_DONTWAIT | (last ? 0 : ZMQ_SNDMORE)) < 0 && i == 0)
            return refusal();
    }
    return FLORIN_SENT;
}

florin_envelope_t *florin_envelope_new(florin_message_t *message, size_t body)
{
    florin_envelope_t *self = malloc(sizeof *self + message->count * sizeof(zmq_msg_t));
    if (self == NULL)
        return NULL;
    self->count = message->count;
    self->body = body;
    for (size_t i = 0; i < self->count; i++) {
        (void)zmq_msg_init(&self->frames[i]);
        (void)zmq_msg_move(&self->frames[i], &message->frames[i]);
    }
    return self;
}

void florin_envelope_destroy(florin_envelope_t **self_p)
{
    florin_envelope_t *self = *self_p;
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->count; i++)
        (void)zmq_msg_close(&self->frames[i]);
    free(self);
    *self_p = NULL;
}

void florin_envelope_send_body(florin_envelope_t *self, void *socket)
{
    for (size_t i = self->body; i < self->count; i++) {
        zmq_msg_t copy; /* of the reference: the bytes are shared */
        (void)zmq_msg_init(&copy);
        (void)zmq_msg_copy(&copy, &self->frames[i]);
        if (zmq_msg_send(&copy, socket, ZMQ_DONTWAIT | (i + 1 < self->count ? ZMQ_SNDMORE : 0)) < 0)
            (void)zmq_msg_close(&copy);
    }
}

bool florin_envelope_open_reply(florin_envelope_t *self, void *socket)
{
    return florin_message_move(socket, self->frames, self->body, true) == FLORIN_SENT;
}
