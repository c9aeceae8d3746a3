#include "workers/runtime/job.h"

#include <stdlib.h>

static void take(zmq_msg_t *target, zmq_msg_t *source)
{
    zmq_msg_init(target);
    zmq_msg_move(target, source);
}

florin_job_t *florin_job_new(zmq_msg_t *token, zmq_msg_t *context, zmq_msg_t *body)
{
    florin_job_t *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    take(&self->token, token);
    take(&self->context, context);
    take(&self->body, body);
    zmq_msg_init(&self->reply);
    return self;
}

void florin_job_destroy(florin_job_t **self_p)
{
    florin_job_t *self = *self_p;
    if (!self)
        return;
    zmq_msg_close(&self->token);
    zmq_msg_close(&self->context);
    zmq_msg_close(&self->body);
    zmq_msg_close(&self->reply);
    free(self);
    *self_p = NULL;
}

bool florin_job_send(void *pair, florin_job_t *job)
{
    return zmq_send(pair, &job, sizeof(job), ZMQ_DONTWAIT) == (int)sizeof(job);
}

bool florin_job_receive(void *pair, florin_job_t **job)
{
    return zmq_recv(pair, job, sizeof(*job), ZMQ_DONTWAIT) == (int)sizeof(*job);
}
