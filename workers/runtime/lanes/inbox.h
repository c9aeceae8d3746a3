/* Jobs that wait for a thread, which sleeps on a file descriptor, the bell, while there are none.
 * The bell is rung for the first that comes after the thread found nothing: a thread that is at
 * work is never disturbed, and costs those who bring it more no system call. */
#ifndef FLORIN_INBOX_H
#define FLORIN_INBOX_H

#include <pthread.h>

#include "workers/runtime/lanes/job.h"

typedef struct {
    pthread_mutex_t lock;
    florin_jobs_t jobs; /* oldest first */
    size_t count;
    bool wanted; /* its thread found nothing: ring for the next */
    bool rung;
    bool closed; /* nothing comes any more */
    int bell;    /* an eventfd: readable once it was rung, until the next take; -1: there is none */
} florin_inbox_t;

/* False when there is no file descriptor to be had. */
bool florin_inbox_init(florin_inbox_t *self);
/* Nobody may use it any more. What is in it is freed. */
void florin_inbox_clear(florin_inbox_t *self);

/* From any thread: appends a job, or a list of them. */
void florin_inbox_put(florin_inbox_t *self, florin_job_t *jobs);
/* From any thread: wakes its own, which then sees that it is closed. */
void florin_inbox_close(florin_inbox_t *self);

/* From any thread: how many are in it. */
size_t florin_inbox_count(florin_inbox_t *self);
/* From any thread: takes back what nobody waits for any more, and of the others the newest, so that
 * `most` are left. */
florin_jobs_t florin_inbox_withdraw(florin_inbox_t *self, size_t most, uint64_t now_ms);

/* From its own thread: takes all that is in it. Only when that is nothing, the bell rings again. */
florin_jobs_t florin_inbox_take(florin_inbox_t *self);
/* Gives back some of what it took, ahead of what has come since. */
void florin_inbox_give_back(florin_inbox_t *self, florin_jobs_t jobs);
bool florin_inbox_closed(florin_inbox_t *self);

#endif
