#include "workers/runtime/lanes/job.h"

#include <stdlib.h>

static florin_job_t *new_job(void)
{
    florin_job_t *self = calloc(1, sizeof(*self));
    for (size_t i = 0; self && i < sizeof(self->held) / sizeof(self->held[0]); i++)
        zmq_msg_init(&self->held[i]);
    if (self)
        zmq_msg_init(&self->reply);
    return self;
}

static florin_slice_t take(zmq_msg_t *target, zmq_msg_t *source)
{
    zmq_msg_move(target, source);
    return (florin_slice_t){zmq_msg_data(target), zmq_msg_size(target)};
}

florin_job_t *florin_job_new(zmq_msg_t *token, zmq_msg_t *context, zmq_msg_t *body)
{
    florin_job_t *self = new_job();
    if (!self)
        return NULL;
    self->token = take(&self->held[0], token);
    self->context = take(&self->held[1], context);
    self->body = take(&self->held[2], body);
    return self;
}

/* The same part of a copy, which lies elsewhere when the pack is very small. */
static florin_slice_t moved(florin_slice_t slice, zmq_msg_t *from, zmq_msg_t *to)
{
    size_t offset = (size_t)(slice.data - (const uint8_t *)zmq_msg_data(from));
    return (florin_slice_t){(const uint8_t *)zmq_msg_data(to) + offset, slice.size};
}

florin_job_t *florin_job_new_packed(zmq_msg_t *pack, florin_slice_t token, florin_slice_t context,
                                    florin_slice_t body)
{
    florin_job_t *self = new_job();
    if (!self)
        return NULL;
    zmq_msg_copy(&self->held[0], pack);
    self->token = moved(token, pack, &self->held[0]);
    self->context = moved(context, pack, &self->held[0]);
    self->body = moved(body, pack, &self->held[0]);
    return self;
}

void florin_job_destroy(florin_job_t **self_p)
{
    florin_job_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < sizeof(self->held) / sizeof(self->held[0]); i++)
        zmq_msg_close(&self->held[i]);
    zmq_msg_close(&self->reply);
    free(self);
    *self_p = NULL;
}

size_t florin_jobs_add(florin_jobs_t *self, florin_job_t *jobs)
{
    size_t count = 0;
    if (self->last)
        self->last->next = jobs;
    else
        self->first = jobs;
    for (; jobs; jobs = jobs->next, count++)
        self->last = jobs;
    return count;
}

florin_job_t *florin_jobs_take(florin_jobs_t *self)
{
    florin_job_t *job = self->first;
    if (!job)
        return NULL;
    self->first = job->next;
    if (!self->first)
        self->last = NULL;
    job->next = NULL;
    return job;
}
