#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "test/client/support/fake_broker.h"

#define PATIENCE_MS 5000

void fake_broker_start(fake_broker_t *self, const char *endpoint, zcert_t *cert)
{
    if (!self->context)
        self->context = zmq_ctx_new();
    self->socket = zmq_socket(self->context, ZMQ_ROUTER);
    int zero = 0;
    assert_int_equal(zmq_setsockopt(self->socket, ZMQ_LINGER, &zero, sizeof zero), 0);
    if (cert) {
        int one = 1;
        assert_int_equal(zmq_setsockopt(self->socket, ZMQ_CURVE_SERVER, &one, sizeof one), 0);
        assert_int_equal(
            zmq_setsockopt(self->socket, ZMQ_CURVE_SECRETKEY, zcert_secret_key(cert), 32), 0);
    }
    assert_int_equal(zmq_bind(self->socket, endpoint), 0);
    size_t bytes = sizeof self->endpoint;
    assert_int_equal(zmq_getsockopt(self->socket, ZMQ_LAST_ENDPOINT, self->endpoint, &bytes), 0);
}

void fake_broker_stop(fake_broker_t *self)
{
    if (!self->context)
        return;
    (void)zmq_close(self->socket);
    (void)zmq_ctx_term(self->context);
    self->context = NULL;
}

/* One frame; its size, or -1 when there is none. */
static int receive(void *socket, void *buffer, size_t bytes, bool more)
{
    int size = zmq_recv(socket, buffer, bytes, ZMQ_DONTWAIT);
    if (size < 0)
        return -1;
    int has_more = 0;
    size_t option_bytes = sizeof has_more;
    assert_int_equal(zmq_getsockopt(socket, ZMQ_RCVMORE, &has_more, &option_bytes), 0);
    assert_int_equal(has_more, more);
    assert_in_range(size, 0, bytes);
    return size;
}

bool fake_broker_receive(fake_broker_t *self, fake_request_t *request)
{
    memset(request, 0, sizeof *request);
    int size = receive(self->socket, request->routing_id, sizeof request->routing_id, true);
    if (size < 0)
        return false;
    request->routing_id_bytes = (size_t)size;
    char header[16];
    assert_int_equal(receive(self->socket, request->path, sizeof request->path, true), 8);
    assert_int_equal(receive(self->socket, header, sizeof header, true), 0);
    assert_int_equal(receive(self->socket, header, sizeof header, true), 6);
    assert_memory_equal(header, "MDPC01", 6);
    assert_true(receive(self->socket, request->service, sizeof request->service - 1, true) > 0);
    size = receive(self->socket, request->body, sizeof request->body, false);
    assert_true(size >= 0);
    request->body_bytes = (size_t)size;
    return true;
}

static void send_bytes(void *socket, const void *bytes, size_t size, int flags)
{
    assert_int_equal(zmq_send(socket, bytes, size, flags), size);
}

void fake_broker_send(fake_broker_t *self, const fake_request_t *request, size_t count,
                      const fake_frame_t *frames)
{
    send_bytes(self->socket, request->routing_id, request->routing_id_bytes, ZMQ_SNDMORE);
    for (size_t i = 0; i < count; i++)
        send_bytes(self->socket, frames[i].bytes, frames[i].size, i + 1 < count ? ZMQ_SNDMORE : 0);
}

void fake_broker_answer(fake_broker_t *self, const fake_request_t *request,
                        Florin__V1__Status status, const char *message)
{
    Florin__V1__Reply reply = FLORIN__V1__REPLY__INIT;
    char text[256];
    (void)snprintf(text, sizeof text, "%s", message);
    reply.status = status;
    reply.message = text;
    uint8_t body[512];
    assert_in_range(florin__v1__reply__get_packed_size(&reply), 0, sizeof body);
    size_t bytes = florin__v1__reply__pack(&reply, body);
    send_bytes(self->socket, request->routing_id, request->routing_id_bytes, ZMQ_SNDMORE);
    send_bytes(self->socket, request->path, sizeof request->path, ZMQ_SNDMORE);
    send_bytes(self->socket, "", 0, ZMQ_SNDMORE);
    send_bytes(self->socket, "MDPC01", 6, ZMQ_SNDMORE);
    send_bytes(self->socket, request->service, strlen(request->service), ZMQ_SNDMORE);
    send_bytes(self->socket, body, bytes, 0);
}

void fake_broker_expect(fake_broker_t *self, florin_client_t *client, fake_request_t *request)
{
    uint64_t deadline = florin_clock_ms() + PATIENCE_MS;
    while (!fake_broker_receive(self, request)) {
        (void)florin_client_process(client, 2);
        if (florin_clock_ms() > deadline)
            fail_msg("no request came to %s", self->endpoint);
    }
}
