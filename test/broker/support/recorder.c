#include "test/broker/support/recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void copy_slice(char *text, size_t size, florin_slice_t from)
{
    (void)snprintf(text, size, "%.*s", (int)from.size, (const char *)from.data);
}

static florin_core_sent_t result_for(const recorder_t *self, const char *worker)
{
    return strcmp(worker, self->awkward) == 0 ? self->awkwardness : FLORIN_SENT;
}

static florin_core_sent_t send_request(void *arg, const florin_core_dispatch_t *dispatch)
{
    recorder_t *self = arg;
    sent_t sent = {.body = dispatch->body,
                   .hello = dispatch->hello,
                   .ttl_ms = dispatch->ttl_ms,
                   .attempt = dispatch->attempt};
    copy_slice(sent.worker, sizeof sent.worker, dispatch->worker);
    (void)snprintf(sent.token, sizeof sent.token, "%s", dispatch->token);
    (void)snprintf(sent.principal, sizeof sent.principal, "%s", dispatch->principal);
    assert_int_equal(sent.body->answers, 0);
    assert_int_equal(sent.body->releases, 0);
    florin_core_sent_t result = result_for(self, sent.worker);
    if (result == FLORIN_SENT) {
        assert_true(self->sent_count < SENT_MAX);
        self->sent[self->sent_count++] = sent;
    }
    return result;
}

static florin_core_sent_t send_heartbeat(void *arg, florin_slice_t worker)
{
    recorder_t *self = arg;
    char name[64];
    copy_slice(name, sizeof name, worker);
    self->heartbeats++;
    return result_for(self, name);
}

static void send_disconnect(void *arg, florin_slice_t worker)
{
    recorder_t *self = arg;
    self->disconnects++;
    copy_slice(self->disconnected, sizeof self->disconnected, worker);
}

static void reply(void *arg, void *body_arg, void *reply_arg)
{
    body_t *body = body_arg;
    (void)arg;
    assert_int_equal(body->answers++, 0);
    assert_int_equal(body->releases, 0);
    body->reply = reply_arg;
}

static void refuse(void *arg, void *body_arg, Florin__V1__Status status, const char *message)
{
    body_t *body = body_arg;
    (void)arg;
    assert_int_equal(body->answers++, 0);
    assert_int_equal(body->releases, 0);
    assert_true(strlen(message) > 20);
    body->status = status;
    (void)snprintf(body->message, sizeof body->message, "%s", message);
}

static void release(void *arg, void *body_arg)
{
    body_t *body = body_arg;
    (void)arg;
    assert_int_equal(body->releases++, 0);
}

static void random_bytes(void *arg, void *bytes, size_t count)
{
    recorder_t *self = arg;
    for (size_t i = 0; i < count; i++)
        ((uint8_t *)bytes)[i] = self->random++;
}

static void log_line(void *arg, florin_log_level_t level, const char *action, const char *message)
{
    recorder_t *self = arg;
    (void)level;
    (void)snprintf(self->log, sizeof self->log, "%s: %s", action, message);
}

florin_slice_t slice(const char *text)
{
    return (florin_slice_t){(const uint8_t *)text, strlen(text)};
}

int recorder_setup(void **state)
{
    recorder_t *self = calloc(1, sizeof *self);
    assert_non_null(self);
    self->now_ms = 1000;
    self->options = (florin_core_options_t){
        .heartbeat_ms = 250,
        .plain_heartbeat_ms = 2500,
        .no_worker_ms = 1000,
        .seed = 7,
        .pool = {.ttl_ms = 10000,
                 .lease_ms = 5000,
                 .wait_ms = 1000,
                 .queue_requests = 64,
                 .queue_bytes = 8 * 1024 * 1024},
    };
    const florin_core_out_t out = {
        .arg = self,
        .send_request = send_request,
        .send_heartbeat = send_heartbeat,
        .send_disconnect = send_disconnect,
        .reply = reply,
        .refuse = refuse,
        .release = release,
        .random = random_bytes,
        .log = log_line,
    };
    self->core = florin_core_new(&self->options, &out, self->now_ms);
    assert_non_null(self->core);
    florin_error_t error;
    assert_int_equal(
        florin_core_pool_add(self->core, "pay", &self->options.pool, self->now_ms, &error), 0);
    *state = self;
    return 0;
}

int recorder_teardown(void **state)
{
    recorder_t *self = *state;
    florin_core_destroy(&self->core);
    while (self->bodies != NULL) {
        body_t *body = self->bodies;
        self->bodies = body->next;
        assert_int_equal(body->releases, 1);
        free(body);
    }
    free(self);
    return 0;
}

body_t *recorder_request(recorder_t *self, const char *client, const char *service, size_t bytes)
{
    body_t *body = calloc(1, sizeof *body);
    assert_non_null(body);
    (void)snprintf(body->client, sizeof body->client, "%s", client);
    (void)snprintf(body->service, sizeof body->service, "%s", service);
    body->next = self->bodies;
    self->bodies = body;
    const florin_core_request_t request = {.client = slice(body->client),
                                           .service = slice(body->service),
                                           .principal = "alice",
                                           .body = body,
                                           .bytes = bytes};
    florin_core_request(self->core, &request, self->now_ms);
    return body;
}

void recorder_plain(recorder_t *self, const char *worker, const char *service)
{
    florin_core_worker_ready(self->core, slice(worker), slice(service), NULL, "key", self->now_ms);
}

void recorder_hello(recorder_t *self, const char *worker, const char *service, uint32_t credit,
                    uint32_t weight)
{
    const florin_core_hello_t hello = {
        .credit = credit, .weight = weight, .instance = worker, .version = "1"};
    florin_core_worker_ready(self->core, slice(worker), slice(service), &hello, "key",
                             self->now_ms);
}

void recorder_reply(recorder_t *self, const char *worker, const char *token, const void *answer)
{
    florin_core_worker_reply(self->core, slice(worker), slice(token), (void *)(uintptr_t)answer,
                             self->now_ms);
}

void recorder_heartbeat(recorder_t *self, const char *worker)
{
    florin_core_worker_heartbeat(self->core, slice(worker), self->now_ms);
}

void recorder_disconnect(recorder_t *self, const char *worker)
{
    florin_core_worker_disconnect(self->core, slice(worker), self->now_ms);
}

void recorder_reply_sent(recorder_t *self, size_t index)
{
    assert_true(index < self->sent_count);
    const sent_t *sent = &self->sent[index];
    recorder_reply(self, sent->worker, sent->token, sent);
}

void recorder_pass(recorder_t *self, uint64_t ms)
{
    uint64_t until_ms = self->now_ms + ms;
    while (florin_core_wake_ms(self->core) <= until_ms) {
        uint64_t wake_ms = florin_core_wake_ms(self->core);
        self->now_ms = wake_ms > self->now_ms ? wake_ms : self->now_ms;
        florin_core_tick(self->core, self->now_ms);
        assert_true(florin_core_wake_ms(self->core) > self->now_ms);
    }
    self->now_ms = until_ms;
}

void recorder_pass_alive(recorder_t *self, uint64_t ms, const char *const *workers)
{
    for (uint64_t passed = 0; passed < ms; passed += 100) {
        for (const char *const *worker = workers; *worker != NULL; worker++)
            recorder_heartbeat(self, *worker);
        recorder_pass(self, ms - passed < 100 ? ms - passed : 100);
    }
}

Florin__V1__Reply *recorder_status(recorder_t *self)
{
    size_t bytes = 0;
    uint8_t *packed = florin_core_status(self->core, slice("id"), self->now_ms, &bytes);
    assert_non_null(packed);
    Florin__V1__Reply *unpacked = florin__v1__reply__unpack(NULL, bytes, packed);
    assert_non_null(unpacked);
    free(packed);
    return unpacked;
}
