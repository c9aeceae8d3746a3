#include "workers/runtime/batch.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/limits.h"
#include "lib/log.h"
#include "workers/runtime/job.h"
#include "workers/runtime/text.h"

/* The arena holds a batch's requests and its replies. Requests get a part of it only, so that a
 * batch of costly ones always leaves room to answer. A full request takes some 6 MiB unpacked. */
#define ARENA_BYTES_MAX    (64u * 1024 * 1024)
#define UNPACKED_BYTES_MAX (32u * 1024 * 1024)
#define CONTEXT_BYTES_MAX  4096
#define IDLE_MS            250

typedef struct {
    const florin_handler_t *handler;
    void *state; /* the handler's */
    void *pair;
    florin_jobs_t waiting;  /* oldest first */
    florin_jobs_t answered; /* to be given back when the batch is done */
    uint64_t idle_ms;       /* when the handler is to be called for idle work */

    /* The batch in the making. */
    florin_arena_t *arena;
    ProtobufCAllocator allocator; /* the arena's, with a bound */
    size_t unpacked_bytes;
    size_t count, events;
    florin_job_t *jobs[FLORIN_BATCH_REQUESTS_MAX];
    florin_call_t calls[FLORIN_BATCH_REQUESTS_MAX];
    Florin__V1__Reply replies[FLORIN_BATCH_REQUESTS_MAX];
} batch_t;

static void *bounded_alloc(void *self_p, size_t bytes)
{
    batch_t *self = self_p;
    self->unpacked_bytes += bytes;
    return self->unpacked_bytes > UNPACKED_BYTES_MAX ? NULL
                                                     : florin_arena_alloc(self->arena, bytes);
}

static bool out_of_room(const batch_t *self)
{
    return self->unpacked_bytes > UNPACKED_BYTES_MAX;
}

static void bounded_free(void *self_p, void *memory)
{
    (void)self_p;
    (void)memory;
}

/* Packs a call's reply into its job. */
static void answer(batch_t *self, florin_job_t *job, florin_call_t *call)
{
    size_t bytes = florin__v1__reply__get_packed_size(call->reply);
    if (bytes > FLORIN_BODY_BYTES_MAX) {
        florin_call_fail(call, self->arena, FLORIN__V1__STATUS__STATUS_TOO_LARGE,
                         "the reply has %zu bytes, more than the %u that one may have: ask for "
                         "fewer ids or a smaller page",
                         bytes, FLORIN_BODY_BYTES_MAX);
        bytes = florin__v1__reply__get_packed_size(call->reply);
    }
    if (zmq_msg_init_size(&job->reply, bytes) == 0)
        florin__v1__reply__pack(call->reply, zmq_msg_data(&job->reply));
    else
        zmq_msg_init(&job->reply); /* no memory: an empty body, a reply without a status */
    florin_jobs_add(&self->answered, job);
}

/* Whether a request may join the batch. */
typedef enum {
    ADMITTED,
    REFUSED, /* the call's reply says why */
    LATER    /* it has more events than there is room for */
} admission_t;

static admission_t unpack_context(batch_t *self, florin_job_t *job, florin_call_t *call)
{
    size_t bytes = job->context.size;
    call->context =
        bytes > CONTEXT_BYTES_MAX
            ? NULL
            : florin__v1__request_context__unpack(&self->allocator, bytes, job->context.data);
    if (!call->context) {
        florin_call_fail(call, self->arena, FLORIN__V1__STATUS__STATUS_INTERNAL,
                         "the broker sent a context that this worker can't read");
        return REFUSED;
    }
    if (call->context->ttl_ms > 0)
        call->deadline_ms = job->arrived_ms + call->context->ttl_ms;
    return florin_call_expired(call, self->arena) ? REFUSED : ADMITTED;
}

static admission_t unpack_request(batch_t *self, florin_job_t *job, florin_call_t *call)
{
    const uint8_t *body = job->body.data;
    size_t bytes = job->body.size;
    florin_error_t error = {0};
    call->request = florin__v1__request__unpack(&self->allocator, bytes, body);
    if (!call->request && out_of_room(self))
        florin_call_fail(call, self->arena, FLORIN__V1__STATUS__STATUS_TOO_LARGE,
                         "the request unpacks to more than %u bytes: split it", UNPACKED_BYTES_MAX);
    else if (!call->request)
        florin_call_fail(call, self->arena, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                         "body is not a florin.v1.Request");
    else if (call->request->request_id.len > FLORIN_REQUEST_ID_BYTES_MAX)
        florin_call_fail(call, self->arena, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                         "request_id: %zu bytes; it has at most %d", call->request->request_id.len,
                         FLORIN_REQUEST_ID_BYTES_MAX);
    else {
        call->reply->request_id = call->request->request_id;
        if (florin_text_check(&florin__v1__request__descriptor, body, bytes, &error) == 0)
            return ADMITTED;
        florin_call_fail_error(call, self->arena, &error);
    }
    return REFUSED;
}

static admission_t admit(batch_t *self, florin_job_t *job, florin_call_t *call)
{
    florin__v1__reply__init(call->reply);
    call->reply->status = FLORIN__V1__STATUS__STATUS_INTERNAL;
    if (job->body_frames != 1) {
        florin_call_fail(call, self->arena, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                         "body of %zu frames; it is one", job->body_frames);
        return REFUSED;
    }
    admission_t admission = unpack_context(self, job, call);
    if (admission == ADMITTED)
        admission = unpack_request(self, job, call);
    if (admission != ADMITTED)
        return admission;
    size_t events = self->handler->weigh(call->request);
    if (events > FLORIN_EVENTS_MAX) {
        florin_call_fail(call, self->arena, FLORIN__V1__STATUS__STATUS_TOO_LARGE,
                         "%zu events; a request has at most %d: split it", events,
                         FLORIN_EVENTS_MAX);
        return REFUSED;
    }
    if (self->count > 0 && self->events + events > FLORIN_BATCH_EVENTS_MAX)
        return LATER;
    self->events += events;
    return ADMITTED;
}

/* Moves requests from the list into the batch until either is at its end. */
static void collect(batch_t *self)
{
    florin_arena_reset(self->arena);
    self->unpacked_bytes = self->count = self->events = 0;
    while (self->waiting.first && self->count < FLORIN_BATCH_REQUESTS_MAX) {
        florin_job_t *job = self->waiting.first;
        florin_call_t *call = &self->calls[self->count];
        *call = (florin_call_t){.reply = &self->replies[self->count]};
        admission_t admission = admit(self, job, call);
        if (admission == LATER || (out_of_room(self) && self->count > 0))
            return; /* it is unpacked again for the next batch */
        (void)florin_jobs_take(&self->waiting);
        if (admission == ADMITTED)
            self->jobs[self->count++] = job;
        else
            answer(self, job, call);
        if (out_of_room(self))
            return; /* of one refused request's making */
    }
}

static void run_batch(batch_t *self)
{
    collect(self);
    if (self->count > 0)
        self->handler->handle(self->state, self->calls, self->count, self->arena);
    for (size_t i = 0; i < self->count; i++)
        answer(self, self->jobs[i], &self->calls[i]);
    if (self->answered.first)
        florin_jobs_send(self->pair, self->answered.first);
    self->answered = (florin_jobs_t){NULL, NULL};
}

/* Waits for a request, unless there are some, and takes all that have come. False: told to end. */
static bool receive(batch_t *self)
{
    uint64_t now_ms = florin_clock_ms();
    long wait_ms =
        self->waiting.first || now_ms >= self->idle_ms ? 0 : (long)(self->idle_ms - now_ms);
    zmq_pollitem_t item = {.socket = self->pair, .events = ZMQ_POLLIN};
    zmq_poll(&item, 1, wait_ms);
    florin_job_t *jobs;
    while (florin_jobs_receive(self->pair, &jobs)) {
        if (!jobs)
            return false;
        florin_jobs_add(&self->waiting, jobs);
    }
    return true;
}

static void serve(batch_t *self)
{
    while (receive(self)) {
        uint64_t now_ms = florin_clock_ms();
        if (now_ms >= self->idle_ms) {
            if (self->handler->idle)
                self->handler->idle(self->state);
            self->idle_ms = now_ms + IDLE_MS;
        }
        run_batch(self);
    }
}

void *florin_batch_run(void *options_p)
{
    florin_batch_options_t *options = options_p;
    batch_t *self = calloc(1, sizeof(*self));
    florin_arena_t *arena = florin_arena_new(ARENA_BYTES_MAX);
    void *state = NULL;
    if (!self || !arena)
        florin_error_set(&options->error, FLORIN_ERROR_MEMORY, "no memory for the first batch");
    else
        options->error.code = options->handler->start(&state, options->config, &options->error);
    bool started = self && options->error.code == 0;
    florin_jobs_send(options->pair, NULL);
    if (started) {
        self->handler = options->handler;
        self->state = state;
        self->pair = options->pair;
        self->arena = arena;
        self->allocator = (ProtobufCAllocator){bounded_alloc, bounded_free, self};
        serve(self);
        options->handler->stop(&self->state);
    }
    florin_arena_destroy(&arena);
    free(self);
    zmq_close(options->pair);
    return NULL;
}
