/* A client of libflorin and the brokers that it may have, in a folder of their own; and how its
 * requests end. One test's state: cmocka's set-up makes it and its tear-down ends it. */
#ifndef FLORIN_TEST_WORLD_H
#define FLORIN_TEST_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/keys.h"
#include "lib/limits.h"
#include "test/client/support/fake_broker.h"

#define OK          FLORIN__V1__STATUS__STATUS_OK
#define BUSY        FLORIN__V1__STATUS__STATUS_BUSY
#define PATIENCE_MS 5000

typedef struct {
    char folder[64];
    fake_broker_t brokers[2];
    const char *endpoints[2];
    florin_client_options_t options; /* the first broker alone, unless a test says otherwise */
    florin_client_t *client;         /* NULL until world_start */
} world_t;

/* How a request ended. */
typedef struct {
    int calls;
    int code;
    Florin__V1__Status status;
    char text[FLORIN_ERROR_MESSAGE_BYTES]; /* the error's message, or the reply's */
} ending_t;

int world_set_up(void **state);
int world_tear_down(void **state);

/* Makes the client, as the options say by now. */
void world_start(world_t *world);

/* The request that all tests send. */
Florin__V1__Request world_request(void);

/* Says in the ending_t that is its argument how a request ended. */
void world_on_reply(void *arg, const Florin__V1__Reply *reply, const florin_error_t *error);

/* Sends it; waits until it has ended. Both fail the test where that does not happen. */
void world_submit(world_t *world, ending_t *ending);
void world_wait(world_t *world, const ending_t *ending);

/* Answers with that status until the request has ended; how often the first broker was asked. */
unsigned world_answer(world_t *world, const ending_t *ending, Florin__V1__Status status);

/* Sends it, and answers so. */
unsigned world_ask(world_t *world, ending_t *ending, Florin__V1__Status status);

#endif
