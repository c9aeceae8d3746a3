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

/* The requests of one batch, from when they are collected until they are answered. */
typedef struct {
    florin_arena_t *arena;
    ProtobufCAllocator allocator; /* the arena's, with a bound */
    size_t unpacked_bytes;
    size_t count, events;
    uint64_t begun_ns;
    void *asked; /* the handler's, while it asks others about the batch */
    florin_job_t *jobs[FLORIN_BATCH_REQUESTS_MAX];
    florin_call_t calls[FLORIN_BATCH_REQUESTS_MAX];
    Florin__V1__Reply replies[FLORIN_BATCH_REQUESTS_MAX];
} batch_t;

typedef struct {
    const florin_handler_t *handler;
    void *state; /* the handler's */
    const florin_worker_metrics_t *metrics;
    void *pair;
    florin_jobs_t waiting;  /* oldest first */
    florin_jobs_t answered; /* to be given back when the batch is done */
    uint64_t idle_ms;       /* when the handler is to be called for idle work */
    bool ended;             /* told so */
    batch_t batches[2];     /* one runs, the other may be collected meanwhile */
    size_t running;         /* which of them does, or will next */
    bool collected;         /* that one is collected */
} line_t;

static void *bounded_alloc(void *batch_p, size_t bytes)
{
    batch_t *batch = batch_p;
    batch->unpacked_bytes += bytes;
    return batch->unpacked_bytes > UNPACKED_BYTES_MAX ? NULL
                                                      : florin_arena_alloc(batch->arena, bytes);
}

static bool out_of_room(const batch_t *batch)
{
    return batch->unpacked_bytes > UNPACKED_BYTES_MAX;
}

static void bounded_free(void *batch_p, void *memory)
{
    (void)batch_p;
    (void)memory;
}

/* Packs a call's reply into its job. */
static void answer(line_t *self, const batch_t *batch, florin_job_t *job, florin_call_t *call)
{
    size_t bytes = florin__v1__reply__get_packed_size(call->reply);
    if (bytes > FLORIN_BODY_BYTES_MAX) {
        florin_call_fail(call, batch->arena, FLORIN__V1__STATUS__STATUS_TOO_LARGE,
                         "the reply has %zu bytes, more than the %u that one may have: ask for "
                         "fewer ids or a smaller page",
                         bytes, FLORIN_BODY_BYTES_MAX);
        bytes = florin__v1__reply__get_packed_size(call->reply);
    }
    if (zmq_msg_init_size(&job->reply, bytes) == 0)
        florin__v1__reply__pack(call->reply, zmq_msg_data(&job->reply));
    else
        zmq_msg_init(&job->reply); /* no memory: an empty body, a reply without a status */
    florin_metric_add(self->metrics->answers[call->reply->status], 1);
    florin_jobs_add(&self->answered, job);
}

/* Whether a request may join the batch. */
typedef enum {
    ADMITTED,
    REFUSED, /* the call's reply says why */
    LATER    /* it has more events than there is room for */
} admission_t;

static admission_t unpack_context(batch_t *batch, florin_job_t *job, florin_call_t *call)
{
    size_t bytes = job->context.size;
    call->context =
        bytes > CONTEXT_BYTES_MAX
            ? NULL
            : florin__v1__request_context__unpack(&batch->allocator, bytes, job->context.data);
    if (!call->context) {
        florin_call_fail(call, batch->arena, FLORIN__V1__STATUS__STATUS_INTERNAL,
                         "the broker sent a context that this worker can't read");
        return REFUSED;
    }
    if (call->context->ttl_ms > 0)
        call->deadline_ms = job->arrived_ms + call->context->ttl_ms;
    return florin_call_expired(call, batch->arena) ? REFUSED : ADMITTED;
}

static admission_t unpack_request(batch_t *batch, florin_job_t *job, florin_call_t *call)
{
    const uint8_t *body = job->body.data;
    size_t bytes = job->body.size;
    florin_error_t error = {0};
    call->request = florin__v1__request__unpack(&batch->allocator, bytes, body);
    if (!call->request && out_of_room(batch))
        florin_call_fail(call, batch->arena, FLORIN__V1__STATUS__STATUS_TOO_LARGE,
                         "the request unpacks to more than %u bytes: split it", UNPACKED_BYTES_MAX);
    else if (!call->request)
        florin_call_fail(call, batch->arena, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                         "body is not a florin.v1.Request");
    else if (call->request->request_id.len > FLORIN_REQUEST_ID_BYTES_MAX)
        florin_call_fail(call, batch->arena, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                         "request_id: %zu bytes; it has at most %d", call->request->request_id.len,
                         FLORIN_REQUEST_ID_BYTES_MAX);
    else {
        call->reply->request_id = call->request->request_id;
        if (florin_text_check(&florin__v1__request__descriptor, body, bytes, &error) == 0)
            return ADMITTED;
        florin_call_fail_error(call, batch->arena, &error);
    }
    return REFUSED;
}

static admission_t admit(const line_t *self, batch_t *batch, florin_job_t *job, florin_call_t *call)
{
    florin__v1__reply__init(call->reply);
    call->reply->status = FLORIN__V1__STATUS__STATUS_INTERNAL;
    if (job->body_frames != 1) {
        florin_call_fail(call, batch->arena, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                         "body of %zu frames; it is one", job->body_frames);
        return REFUSED;
    }
    admission_t admission = unpack_context(batch, job, call);
    if (admission == ADMITTED)
        admission = unpack_request(batch, job, call);
    if (admission != ADMITTED)
        return admission;
    size_t events = self->handler->weigh(call->request);
    if (events > FLORIN_EVENTS_MAX) {
        florin_call_fail(call, batch->arena, FLORIN__V1__STATUS__STATUS_TOO_LARGE,
                         "%zu events; a request has at most %d: split it", events,
                         FLORIN_EVENTS_MAX);
        return REFUSED;
    }
    if (batch->count > 0 && batch->events + events > FLORIN_BATCH_EVENTS_MAX)
        return LATER;
    batch->events += events;
    return ADMITTED;
}

/* Moves requests from the list into the batch until either is at its end. */
static void collect(line_t *self, batch_t *batch)
{
    florin_arena_reset(batch->arena);
    batch->unpacked_bytes = batch->count = batch->events = 0;
    batch->begun_ns = florin_clock_ns();
    while (self->waiting.first && batch->count < FLORIN_BATCH_REQUESTS_MAX) {
        florin_job_t *job = self->waiting.first;
        florin_call_t *call = &batch->calls[batch->count];
        size_t others_bytes = batch->unpacked_bytes; /* also of those that were refused */
        *call = (florin_call_t){.reply = &batch->replies[batch->count]};
        admission_t admission = admit(self, batch, job, call);
        if (admission == LATER || (out_of_room(batch) && others_bytes > 0))
            return; /* it is unpacked again for the next batch */
        (void)florin_jobs_take(&self->waiting);
        if (admission == ADMITTED)
            batch->jobs[batch->count++] = job;
        else
            answer(self, batch, job, call);
        if (out_of_room(batch))
            return; /* of one refused request's making */
    }
}

static void receive(line_t *self, long wait_ms)
{
    zmq_pollitem_t item = {.socket = self->pair, .events = ZMQ_POLLIN};
    zmq_poll(&item, 1, wait_ms);
    florin_job_t *jobs;
    while (!self->ended && florin_jobs_receive(self->pair, &jobs)) {
        if (jobs)
            florin_jobs_add(&self->waiting, jobs);
        else
            self->ended = true;
    }
}

static void begin(line_t *self, batch_t *batch)
{
    collect(self, batch);
    batch->asked = NULL;
    if (batch->count > 0 && self->handler->ask)
        batch->asked = self->handler->ask(self->state, batch->calls, batch->count, batch->arena);
}

/* Begins the batch that follows the running one. */
static void look_ahead(void *self_p)
{
    line_t *self = self_p;
    if (self->collected)
        return;
    receive(self, 0);
    begin(self, &self->batches[!self->running]);
    self->collected = self->batches[!self->running].count > 0;
}

static void measure(const line_t *self, const batch_t *batch)
{
    if (batch->count == 0)
        return;
    florin_metric_observe(self->metrics->batch_seconds, florin_clock_ns() - batch->begun_ns);
    florin_metric_observe(self->metrics->batch_requests, batch->count);
    florin_metric_observe(self->metrics->batch_events, batch->events);
}

static void run_batch(line_t *self)
{
    batch_t *batch = &self->batches[self->running];
    if (!self->collected)
        begin(self, batch);
    self->collected = false;
    const florin_ahead_t ahead = {batch->asked, look_ahead, self};
    if (batch->count > 0)
        self->handler->handle(self->state, batch->calls, batch->count, batch->arena, &ahead);
    for (size_t i = 0; i < batch->count; i++)
        answer(self, batch, batch->jobs[i], &batch->calls[i]);
    if (self->answered.first)
        florin_jobs_send(self->pair, self->answered.first);
    self->answered = (florin_jobs_t){NULL, NULL};
    measure(self, batch);
    if (self->collected)
        self->running = !self->running;
}

/* Waits for a request, unless there are some. */
static void await_requests(line_t *self)
{
    uint64_t now_ms = florin_clock_ms();
    bool none = !self->waiting.first && !self->collected && now_ms < self->idle_ms;
    receive(self, none ? (long)(self->idle_ms - now_ms) : 0);
}

static void serve(line_t *self)
{
    for (await_requests(self); !self->ended; await_requests(self)) {
        uint64_t now_ms = florin_clock_ms();
        if (now_ms >= self->idle_ms) {
            if (self->handler->idle)
                self->handler->idle(self->state);
            self->idle_ms = now_ms + IDLE_MS;
        }
        run_batch(self);
    }
}

static bool make_arenas(line_t *self)
{
    for (size_t i = 0; i < 2; i++) {
        batch_t *batch = &self->batches[i];
        batch->arena = florin_arena_new(ARENA_BYTES_MAX);
        batch->allocator = (ProtobufCAllocator){bounded_alloc, bounded_free, batch};
        if (!batch->arena)
            return false;
    }
    return true;
}

void *florin_batch_run(void *options_p)
{
    florin_batch_options_t *options = options_p;
    line_t *self = calloc(1, sizeof(*self));
    if (!self || !make_arenas(self))
        florin_error_set(&options->error, FLORIN_ERROR_MEMORY, "no memory for the first batch");
    else
        options->error.code = options->handler->start(&self->state, options->config,
                                                      options->registry, &options->error);
    bool started = self && options->error.code == 0;
    florin_jobs_send(options->pair, NULL);
    if (started) {
        self->handler = options->handler;
        self->metrics = options->metrics;
        self->pair = options->pair;
        serve(self);
        options->handler->stop(&self->state);
    }
    for (size_t i = 0; self && i < 2; i++)
        florin_arena_destroy(&self->batches[i].arena);
    free(self);
    zmq_close(options->pair);
    return NULL;
}
