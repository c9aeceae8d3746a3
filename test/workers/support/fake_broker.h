/* A broker of a page, and a worker in a process of its own that talks to it: what tests of the
 * runtime need. Every wait has a deadline and fails the test at its end. */
#ifndef FLORIN_TEST_FAKE_BROKER_H
#define FLORIN_TEST_FAKE_BROKER_H

#include <sys/types.h>

#include "lib/mdp.h"
#include "workers/runtime/worker.h"

#define FAKE_DEADLINE_MS 10000
/* Three of them missed end a session: longer than a busy machine makes a process wait. */
#define FAKE_HEARTBEAT_MS 250

typedef struct {
    char folder[64], endpoint[96], config_path[96];
    void *zmq, *router;
    uint8_t worker[255]; /* routing id of the last READY */
    size_t worker_bytes;
    bool mute;                /* sends no heartbeats */
    uint32_t attempts_before; /* of the requests that it sends, at other workers */
    pid_t pid;                /* of the worker; 0: ended */
    int gate;                 /* a byte written here lets the worker's handler do one batch */
    int begun;                /* the handler writes a byte here when it has one */

    /* The last message received. */
    florin_mdp_command_t command;
    uint8_t bytes[512]; /* READY: the hello; REPLY: the token; REPLIES: the pack */
    size_t bytes_count;
    char service[64];
    Florin__V1__Reply *reply;
} fake_t;

/* Starts a worker of the handler given, with a credit, and a broker for it. For each batch the
 * handler writes a byte to *begun and then reads one from *gate. */
void fake_start(fake_t *self, const florin_handler_t *handler, unsigned credit, int *gate,
                int *begun);
/* Ends what is still there. */
void fake_stop(fake_t *self);

/* The broker's end; open again, it is another broker. */
void fake_open(fake_t *self);
void fake_close(fake_t *self);

/* Waits for the next message with that command, over any heartbeats; any other fails the test.
 * A READY makes its sender the worker that is talked to. */
void fake_expect(fake_t *self, florin_mdp_command_t command);
/* Waits for the next reply, which must be that to `token`. Good until the next one. */
const Florin__V1__Reply *fake_expect_reply(fake_t *self, const char *token);

/* The same, and it has this status and message; or it is OK, or BUSY. */
void fake_expect_answer(fake_t *self, const char *token, Florin__V1__Status status,
                        const char *message);
void fake_expect_ok(fake_t *self, const char *token, const char *message);
void fake_expect_busy(fake_t *self, const char *token);

/* Sends frames after the routing id; the list ends with one whose data is NULL. */
void fake_send(fake_t *self, const florin_slice_t *frames);
void fake_command(fake_t *self, florin_mdp_command_t command);
void fake_request(fake_t *self, const char *token, uint32_t ttl_ms,
                  const Florin__V1__Request *request);
void fake_request_bytes(fake_t *self, const char *token, const void *body, size_t bytes);

/* Waits until the handler has its next batch, which then waits at the gate. */
void fake_await_batch(fake_t *self);
/* Lets the handler do so many batches. */
void fake_pass(fake_t *self, unsigned batches);

/* Waits for the worker's end and returns its exit code. */
int fake_wait_exit(fake_t *self);

#endif
