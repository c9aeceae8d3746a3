#include "test/workers/support/fake_broker.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#include "lib/clock.h"

#define FRAMES_MAX 8
#define POLL_MS    10

static void write_config(fake_t *self, unsigned credit)
{
    FILE *file = fopen(self->config_path, "w");
    assert_non_null(file);
    assert_true(fprintf(file,
                        "worker\n    broker = \"%s\"\n    credit = %u\n    weight = 7\n"
                        "    heartbeat_ms = %d\n    log = \"error\"\n",
                        self->endpoint, credit, FAKE_HEARTBEAT_MS) > 0);
    assert_int_equal(fclose(file), 0);
}

void fake_start(fake_t *self, const florin_handler_t *handler, unsigned credit, int *gate,
                int *begun)
{
    int gates[2], beginnings[2];
    *self = (fake_t){0};
    (void)snprintf(self->folder, sizeof(self->folder), "/tmp/florin-runtime-XXXXXX");
    assert_non_null(mkdtemp(self->folder));
    (void)snprintf(self->endpoint, sizeof(self->endpoint), "ipc://%s/broker", self->folder);
    (void)snprintf(self->config_path, sizeof(self->config_path), "%s/worker.zpl", self->folder);
    write_config(self, credit);
    assert_int_equal(pipe(gates), 0);
    assert_int_equal(pipe(beginnings), 0);
    *gate = gates[0];
    *begun = beginnings[1];
    self->gate = gates[1];
    self->begun = beginnings[0];
    self->pid = fork(); /* before this process has a ZeroMQ context */
    assert_true(self->pid >= 0);
    if (self->pid == 0) {
        char program[] = "worker", config[] = "--config", instance[] = "--instance=fake-1";
        char *argv[] = {program, config, self->config_path, instance, NULL};
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)close(gates[1]);
        _exit(florin_worker_main(4, argv, handler));
    }
    (void)close(gates[0]);
    (void)close(beginnings[1]);
    self->zmq = zmq_ctx_new();
    fake_open(self);
}

void fake_stop(fake_t *self)
{
    char command[128];
    if (self->pid > 0) {
        (void)kill(self->pid, SIGKILL);
        (void)waitpid(self->pid, NULL, 0);
    }
    if (self->reply)
        florin__v1__reply__free_unpacked(self->reply, NULL);
    fake_close(self);
    zmq_ctx_term(self->zmq);
    (void)close(self->gate);
    (void)close(self->begun);
    (void)snprintf(command, sizeof(command), "%s/broker", self->folder);
    (void)unlink(command);
    (void)unlink(self->config_path);
    assert_int_equal(rmdir(self->folder), 0);
}

void fake_open(fake_t *self)
{
    const int none = 0;
    self->router = zmq_socket(self->zmq, ZMQ_ROUTER);
    assert_int_equal(zmq_setsockopt(self->router, ZMQ_LINGER, &none, sizeof(none)), 0);
    assert_int_equal(zmq_bind(self->router, self->endpoint), 0);
    self->worker_bytes = 0;
}

void fake_close(fake_t *self)
{
    if (self->router)
        zmq_close(self->router);
    self->router = NULL;
}

void fake_send(fake_t *self, const florin_slice_t *frames)
{
    zmq_send(self->router, self->worker, self->worker_bytes, ZMQ_SNDMORE);
    for (; frames->data; frames++)
        assert_true(zmq_send(self->router, frames->data, frames->size,
                             frames[1].data ? ZMQ_SNDMORE : 0) >= 0);
}

#define TEXT(text) ((florin_slice_t){(const uint8_t *)(text), strlen(text)})

void fake_command(fake_t *self, florin_mdp_command_t command)
{
    const uint8_t byte = (uint8_t)command;
    const florin_slice_t frames[] = {TEXT(""), TEXT(FLORIN_MDP_WORKER), {&byte, 1}, {NULL, 0}};
    fake_send(self, frames);
}

static void send_request(fake_t *self, const char *token, uint32_t ttl_ms, const void *body,
                         size_t bytes)
{
    uint8_t context_bytes[64];
    Florin__V1__RequestContext context = FLORIN__V1__REQUEST_CONTEXT__INIT;
    context.ttl_ms = ttl_ms;
    context.attempt = 1 + self->attempts_before;
    size_t context_size = florin__v1__request_context__pack(&context, context_bytes);
    const florin_slice_t frames[] = {
        TEXT(""), TEXT(FLORIN_MDP_WORKER),       TEXT("\002"),  TEXT(token),
        TEXT(""), {context_bytes, context_size}, {body, bytes}, {NULL, 0}};
    fake_send(self, frames);
}

void fake_request_bytes(fake_t *self, const char *token, const void *body, size_t bytes)
{
    send_request(self, token, 60000, body, bytes);
}

void fake_request(fake_t *self, const char *token, uint32_t ttl_ms,
                  const Florin__V1__Request *request)
{
    size_t bytes = florin__v1__request__get_packed_size(request);
    uint8_t *body = malloc(bytes + 1);
    assert_non_null(body);
    florin__v1__request__pack(request, body);
    send_request(self, token, ttl_ms, body, bytes);
    free(body);
}

static void keep(fake_t *self, const florin_slice_t *frame)
{
    assert_in_range(frame->size, 0, sizeof(self->bytes));
    memcpy(self->bytes, frame->data, frame->size);
    self->bytes_count = frame->size;
}

/* Takes a message apart as a broker does. */
static void take(fake_t *self, const florin_slice_t *frames, size_t count)
{
    florin_mdp_worker_msg_t msg;
    assert_int_equal(florin_mdp_worker_msg_parse(frames, count, &msg), 0);
    self->command = msg.command;
    if (msg.command == FLORIN_MDP_READY) {
        self->worker_bytes = frames[0].size;
        memcpy(self->worker, frames[0].data, frames[0].size);
        keep(self, &msg.hello);
        (void)snprintf(self->service, sizeof(self->service), "%.*s", (int)msg.service.size,
                       (const char *)msg.service.data);
    } else if (msg.command == FLORIN_MDP_REPLIES) {
        keep(self, &msg.pack);
    } else if (msg.command == FLORIN_MDP_REPLY) {
        keep(self, &msg.token);
        assert_int_equal(msg.body_count, 1);
        if (self->reply)
            florin__v1__reply__free_unpacked(self->reply, NULL);
        self->reply = florin__v1__reply__unpack(NULL, frames[msg.body].size, frames[msg.body].data);
        assert_non_null(self->reply);
    }
}

/* Receives one message, if there is one within some milliseconds. */
static bool receive(fake_t *self)
{
    zmq_pollitem_t item = {.socket = self->router, .events = ZMQ_POLLIN};
    if (zmq_poll(&item, 1, POLL_MS) <= 0)
        return false;
    zmq_msg_t messages[FRAMES_MAX];
    florin_slice_t frames[FRAMES_MAX];
    size_t count = 0;
    do {
        assert_in_range(count, 0, FRAMES_MAX - 1);
        zmq_msg_init(&messages[count]);
        assert_true(zmq_msg_recv(&messages[count], self->router, 0) >= 0);
        frames[count].data = zmq_msg_data(&messages[count]);
        frames[count].size = zmq_msg_size(&messages[count]);
    } while (zmq_msg_more(&messages[count++]));
    take(self, frames, count);
    for (size_t i = 0; i < count; i++)
        zmq_msg_close(&messages[i]);
    return true;
}

void fake_expect(fake_t *self, florin_mdp_command_t command)
{
    uint64_t end_ms = florin_clock_ms() + FAKE_DEADLINE_MS;
    while (florin_clock_ms() < end_ms) {
        if (self->worker_bytes > 0 && !self->mute)
            fake_command(self, FLORIN_MDP_HEARTBEAT);
        if (!receive(self))
            continue;
        if (self->command == command)
            return;
        if (self->command != FLORIN_MDP_HEARTBEAT)
            fail_msg("expected command %d, got %d", command, self->command);
    }
    fail_msg("no command %d within %d ms", command, FAKE_DEADLINE_MS);
}

const Florin__V1__Reply *fake_expect_reply(fake_t *self, const char *token)
{
    fake_expect(self, FLORIN_MDP_REPLY);
    assert_int_equal(self->bytes_count, strlen(token));
    assert_memory_equal(self->bytes, token, self->bytes_count);
    return self->reply;
}

void fake_expect_answer(fake_t *self, const char *token, Florin__V1__Status status,
                        const char *message)
{
    const Florin__V1__Reply *reply = fake_expect_reply(self, token);
    assert_string_equal(reply->message, message);
    assert_int_equal(reply->status, status);
}

void fake_expect_ok(fake_t *self, const char *token, const char *message)
{
    fake_expect_answer(self, token, FLORIN__V1__STATUS__STATUS_OK, message);
}

void fake_expect_busy(fake_t *self, const char *token)
{
    fake_expect_answer(self, token, FLORIN__V1__STATUS__STATUS_BUSY,
                       "this worker holds as much as it takes; try again after a pause");
}

void fake_await_batch(fake_t *self)
{
    char byte;
    struct pollfd item = {.fd = self->begun, .events = POLLIN};
    uint64_t end_ms = florin_clock_ms() + FAKE_DEADLINE_MS;
    while (poll(&item, 1, POLL_MS) == 0) {
        if (florin_clock_ms() >= end_ms)
            fail_msg("no batch within %d ms", FAKE_DEADLINE_MS);
        fake_command(self, FLORIN_MDP_HEARTBEAT);
    }
    assert_int_equal(read(self->begun, &byte, 1), 1);
}

void fake_pass(fake_t *self, unsigned batches)
{
    for (unsigned i = 0; i < batches; i++)
        assert_int_equal(write(self->gate, "", 1), 1);
}

int fake_wait_exit(fake_t *self)
{
    int status = 0;
    uint64_t end_ms = florin_clock_ms() + FAKE_DEADLINE_MS + 5000;
    while (waitpid(self->pid, &status, WNOHANG) == 0) {
        if (florin_clock_ms() >= end_ms)
            fail_msg("the worker has not ended");
        (void)receive(self); /* its last words, and a pause */
    }
    self->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
