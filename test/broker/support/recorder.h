/* A world around the broker's core that writes down what the core asks of it, under a clock that
 * stands still until it is told. It checks that each body is answered at most once and given back
 * exactly once, after its answer. */
#ifndef FLORIN_TEST_BROKER_RECORDER_H
#define FLORIN_TEST_BROKER_RECORDER_H

#include "broker/core.h"

#define SENT_MAX 1024

/* One request's body, and what became of it. */
typedef struct body {
    int answers;
    int releases;
    const void *reply;         /* what a worker answered */
    Florin__V1__Status status; /* what the broker answered: 0 when it did not */
    char message[512];
    char client[64];
    char service[FLORIN_SERVICE_BYTES_MAX + 1];
    struct body *next;
} body_t;

/* A request that went to a worker. */
typedef struct {
    body_t *body;
    char worker[64];
    bool hello;
    char token[64];
    char principal[64];
    uint32_t ttl_ms;
    uint32_t attempt;
} sent_t;

typedef struct {
    florin_core_t *core;
    florin_core_options_t options;
    uint64_t now_ms;
    body_t *bodies;
    size_t sent_count;
    sent_t sent[SENT_MAX];
    size_t heartbeats;
    size_t disconnects;
    char disconnected[64]; /* the last one */
    char log[1024];        /* the last line */
    char awkward[64];      /* sends to this worker end so: */
    florin_core_sent_t awkwardness;
    uint8_t random; /* the next "random" byte */
} recorder_t;

/* cmocka's fixtures: a core with the defaults of the configuration, and one pool, "pay". */
int recorder_setup(void **state);
int recorder_teardown(void **state);

body_t *recorder_request(recorder_t *self, const char *client, const char *service, size_t bytes);
void recorder_plain(recorder_t *self, const char *worker, const char *service);
void recorder_hello(recorder_t *self, const char *worker, const char *service, uint32_t credit,
                    uint32_t weight);
void recorder_reply(recorder_t *self, const char *worker, const char *token, const void *reply);
void recorder_heartbeat(recorder_t *self, const char *worker);
void recorder_disconnect(recorder_t *self, const char *worker);
/* The worker that sent[index] went to replies to it. */
void recorder_reply_sent(recorder_t *self, size_t index);

/* Lets time pass, with a tick whenever one is due. */
void recorder_pass(recorder_t *self, uint64_t ms);
/* The same, while these workers (NULL at the end) heartbeat every 100 ms. */
void recorder_pass_alive(recorder_t *self, uint64_t ms, const char *const *workers);

/* The status that florin.broker answers, unpacked; the caller frees the reply. */
Florin__V1__Reply *recorder_status(recorder_t *self);

florin_slice_t slice(const char *text);

#endif
