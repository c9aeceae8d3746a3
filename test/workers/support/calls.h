/* The calls of one batch, each with a request, a reply and a context of its own. */
#ifndef FLORIN_TEST_WORKERS_CALLS_H
#define FLORIN_TEST_WORKERS_CALLS_H

#include "workers/runtime/worker.h"

#define CALLS_MAX 5

#define SHARD_AWAY "a database is away or did not confirm in time; ask again with the same ids"

typedef struct {
    Florin__V1__Request requests[CALLS_MAX]; /* none asks for anything yet */
    Florin__V1__Reply replies[CALLS_MAX];    /* INTERNAL: not answered */
    florin_call_t calls[CALLS_MAX];          /* in time */
} calls_t;

void calls_init(calls_t *self);
/* Its time was up before it was begun. */
void calls_expire(calls_t *self, size_t call);

/* Fails the test unless the call has this status and this message ("" when all is well). */
void calls_expect(const calls_t *self, size_t call, Florin__V1__Status status, const char *message);
void calls_expect_ok(const calls_t *self, size_t call);
void calls_expect_expired(const calls_t *self, size_t call);
/* Whether it was refused because its reply had no room in the arena, be it with that said or, in an
 * arena smaller still, with less; fails the test unless it was that or is answered. */
bool calls_refused_for_room(const calls_t *self, size_t call);
/* Nobody has looked at it. */
void calls_expect_left_alone(const calls_t *self, size_t call);

#endif
