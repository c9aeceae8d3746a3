/* A broker on real sockets in a thread of its own, and the peers that talk to it. */
#ifndef FLORIN_TEST_BROKER_PEER_H
#define FLORIN_TEST_BROKER_PEER_H

#include <czmq.h>

#include "broker/shell.h"

typedef struct {
    char folder[64]; /* keys, configuration, Unix sockets */
    char clients[64];
    char workers[64];
    char local_clients[96];
    char local_workers[96];
    void *context; /* of the peers */
    florin_shell_t *shell;
    int stop_fd;
    pthread_t thread;
    bool running;
    size_t sockets_count;
    void *sockets[32]; /* closed at the end */
} stage_t;

/* cmocka's fixtures. Keys "broker", "alice" (a client), "worker" (a worker), "mallory" (nobody).
 * The pool "small" holds four requests. */
int stage_setup(void **state);
int stage_teardown(void **state);
/* Tells the broker to end, as SIGTERM does; stop waits for its end, too. */
void stage_end(stage_t *self);
void stage_stop(stage_t *self);

/* Connects a socket; `key` is a name, or NULL for none. */
void *peer_connect(stage_t *self, int type, const char *endpoint, const char *key);
void peer_close(stage_t *self, void *socket);

/* Sends frames of text, NULL at the end. */
void peer_say(void *socket, ...) __attribute__((sentinel));
/* The next message that is no heartbeat, within five seconds; fails the test when none comes. */
zmsg_t *peer_hear(void *socket);
/* True when nothing but heartbeats comes within `ms`. */
bool peer_hears_nothing(void *socket, int ms);

/* Says READY as a plain worker on the local endpoint, and waits until the broker knows it. */
void *peer_worker(stage_t *self, const char *service);
/* A DEALER client on the local endpoint that asks with the id as its return path. */
void *peer_client(stage_t *self);
void peer_ask(void *socket, const char *id, const char *service, const char *body);

/* Answers the next request that the worker hears with its own body. */
void peer_echo(void *worker);

/* The body of the next reply, unpacked. */
Florin__V1__Reply *peer_hear_reply(void *socket);

#endif
