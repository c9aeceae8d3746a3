/* A broker for tests: a ROUTER that answers what the test tells it to. It runs in the test's own
 * thread, turn and turn about with the client, so every order of events is the test's choice. */
#ifndef FLORIN_FAKE_BROKER_H
#define FLORIN_FAKE_BROKER_H

#include <czmq.h>

#include "client/florin.h"

typedef struct {
    void *context;
    void *socket;
    char endpoint[128];
} fake_broker_t;

/* One request as it came. */
typedef struct {
    uint8_t routing_id[256];
    size_t routing_id_bytes;
    uint8_t path[8]; /* the correlation id */
    char service[256];
    uint8_t body[4096];
    size_t body_bytes;
} fake_request_t;

typedef struct {
    const void *bytes;
    size_t size;
} fake_frame_t;

/* Listens at the endpoint, in a context of its own if there is none yet; `cert` may be NULL. Aborts
 * on failure, as all here. */
void fake_broker_start(fake_broker_t *self, const char *endpoint, zcert_t *cert);
void fake_broker_stop(fake_broker_t *self);

/* True when a request had come. */
bool fake_broker_receive(fake_broker_t *self, fake_request_t *request);

/* Answers with that status and message, or with any frames. */
void fake_broker_answer(fake_broker_t *self, const fake_request_t *request,
                        Florin__V1__Status status, const char *message);
void fake_broker_send(fake_broker_t *self, const fake_request_t *request, size_t count,
                      const fake_frame_t *frames);

/* Lets client and broker run until a request came; fails the test after five seconds. */
void fake_broker_expect(fake_broker_t *self, florin_client_t *client, fake_request_t *request);

#endif
