#include "workers/runtime/lanes/inbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

bool florin_inbox_init(florin_inbox_t *self)
{
    *self = (florin_inbox_t){.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    return self->bell >= 0 && pthread_mutex_init(&self->lock, NULL) == 0;
}

void florin_inbox_clear(florin_inbox_t *self)
{
    florin_job_t *job;
    while ((job = florin_jobs_take(&self->jobs)))
        florin_job_destroy(&job);
    (void)pthread_mutex_destroy(&self->lock);
    if (self->bell >= 0)
        close(self->bell);
    self->bell = -1;
}

/* Under the lock: whether the bell is to be rung, which is then done without it, so that the thread
 * that wakes up finds it free. */
static bool has_to_ring(florin_inbox_t *self)
{
    bool silent = !self->rung;
    self->rung = true;
    self->wanted = false;
    return silent;
}

void florin_inbox_put(florin_inbox_t *self, florin_job_t *jobs)
{
    (void)pthread_mutex_lock(&self->lock);
    self->count += florin_jobs_add(&self->jobs, jobs);
    bool ring = self->wanted && has_to_ring(self);
    (void)pthread_mutex_unlock(&self->lock);
    if (ring)
        (void)eventfd_write(self->bell, 1);
}

void florin_inbox_close(florin_inbox_t *self)
{
    (void)pthread_mutex_lock(&self->lock);
    self->closed = true;
    bool ring = has_to_ring(self);
    (void)pthread_mutex_unlock(&self->lock);
    if (ring)
        (void)eventfd_write(self->bell, 1);
}

size_t florin_inbox_count(florin_inbox_t *self)
{
    (void)pthread_mutex_lock(&self->lock);
    size_t count = self->count;
    (void)pthread_mutex_unlock(&self->lock);
    return count;
}

florin_jobs_t florin_inbox_withdraw(florin_inbox_t *self, size_t most, uint64_t now_ms)
{
    florin_jobs_t kept = {NULL, NULL}, withdrawn = {NULL, NULL};
    florin_job_t *job;
    size_t count = 0;
    (void)pthread_mutex_lock(&self->lock);
    while ((job = florin_jobs_take(&self->jobs))) {
        bool late = job->deadline_ms != 0 && now_ms >= job->deadline_ms;
        bool stays = !late && count < most;
        (void)florin_jobs_add(stays ? &kept : &withdrawn, job);
        count += stays;
    }
    self->jobs = kept;
    self->count = count;
    (void)pthread_mutex_unlock(&self->lock);
    return withdrawn;
}

florin_jobs_t florin_inbox_take(florin_inbox_t *self)
{
    eventfd_t rings;
    (void)pthread_mutex_lock(&self->lock);
    florin_jobs_t jobs = self->jobs;
    self->jobs = (florin_jobs_t){NULL, NULL};
    self->count = 0;
    if (self->rung && eventfd_read(self->bell, &rings) == 0)
        self->rung = false; /* else it is about to be */
    self->wanted = jobs.first == NULL;
    (void)pthread_mutex_unlock(&self->lock);
    return jobs;
}

void florin_inbox_give_back(florin_inbox_t *self, florin_jobs_t jobs)
{
    if (!jobs.first)
        return;
    (void)pthread_mutex_lock(&self->lock);
    florin_job_t *since = self->jobs.first;
    self->jobs = (florin_jobs_t){NULL, NULL};
    self->count += florin_jobs_add(&self->jobs, jobs.first);
    (void)florin_jobs_add(&self->jobs, since);
    (void)pthread_mutex_unlock(&self->lock);
}

bool florin_inbox_closed(florin_inbox_t *self)
{
    (void)pthread_mutex_lock(&self->lock);
    bool closed = self->closed;
    (void)pthread_mutex_unlock(&self->lock);
    return closed;
}
