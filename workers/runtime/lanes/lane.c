#include "workers/runtime/lanes/lane.h"

#include <poll.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/limits.h"
#include "workers/runtime/messages/text.h"

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

struct florin_lane {
    florin_lane_options_t options;
    florin_setup_t setup;
    const florin_handler_t *handler;
    pthread_t thread;
    sem_t started;
    florin_error_t error; /* why it did not start; code 0 when it did */
    florin_lane_metrics_t metrics;
    florin_inbox_t waiting;
    atomic_size_t begun;            /* by the thread, as the next; the rest is its own */
    atomic_uint_least64_t since_ms; /* florin_load_t */
    void *state;                    /* the handler's */
    florin_jobs_t answered;         /* to be given back when the batch is done */
    uint64_t idle_ms;               /* when the handler is to be called for idle work */
    batch_t batches[2];             /* one runs, the other may be collected meanwhile */
    size_t running;                 /* which of them does, or will next */
    bool collected;                 /* that one is collected */
};

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

/* It was refused because of this worker's clock: another one will have it. */
static bool is_left(const florin_lane_t *self, const florin_call_t *call)
{
    return self->handler->leaves_aside &&
           call->reply->status == FLORIN__V1__STATUS__STATUS_UNAVAILABLE &&
           florin_clocks_aside(self->setup.clocks);
}

/* Packs a call's reply into its job. */
static void answer(florin_lane_t *self, const batch_t *batch, florin_job_t *job,
                   florin_call_t *call)
{
    size_t bytes = florin__v1__reply__get_packed_size(call->reply);
    job->left = is_left(self, call);
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
    florin_metric_add(self->options.metrics->answers[call->reply->status], 1);
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
    call->deadline_ms = job->deadline_ms;
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

static admission_t admit(const florin_lane_t *self, batch_t *batch, florin_job_t *job,
                         florin_call_t *call)
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

static bool is_one_by_one(const florin_lane_t *self)
{
    return self->handler->lanes[self->options.kind].one_by_one;
}

/* Requests that the next batch may have. */
static size_t batch_most(const florin_lane_t *self)
{
    if (is_one_by_one(self))
        return 1;
    size_t most = florin_budget_batch(self->options.credit, atomic_load(self->options.begun));
    return most < FLORIN_BATCH_REQUESTS_MAX ? most : FLORIN_BATCH_REQUESTS_MAX;
}

static void count_begun(florin_lane_t *self, size_t more, size_t less)
{
    atomic_fetch_add(&self->begun, more - less); /* wraps around as it should */
    atomic_fetch_add(self->options.begun, more - less);
}

/* Moves requests from the list into the batch until either is at its end. */
static void fill(florin_lane_t *self, batch_t *batch, florin_jobs_t *jobs)
{
    const size_t most = batch_most(self);
    while (jobs->first && batch->count < most) {
        florin_job_t *job = jobs->first;
        florin_call_t *call = &batch->calls[batch->count];
        size_t others_bytes = batch->unpacked_bytes; /* also of those that were refused */
        *call = (florin_call_t){.reply = &batch->replies[batch->count]};
        admission_t admission = admit(self, batch, job, call);
        if (admission == LATER || (out_of_room(batch) && others_bytes > 0))
            return; /* it is unpacked again for the next batch */
        (void)florin_jobs_take(jobs);
        if (admission == ADMITTED)
            batch->jobs[batch->count++] = job;
        else
            answer(self, batch, job, call);
        if (out_of_room(batch))
            return; /* of one refused request's making */
    }
}

/* Makes a batch of what waits, and asks about it; what it has no room for waits on. */
static void begin(florin_lane_t *self, batch_t *batch)
{
    florin_arena_reset(batch->arena);
    batch->unpacked_bytes = batch->count = batch->events = 0;
    batch->begun_ns = florin_clock_ns();
    florin_jobs_t jobs = florin_inbox_take(&self->waiting);
    fill(self, batch, &jobs);
    count_begun(self, batch->count, 0);
    florin_inbox_give_back(&self->waiting, jobs);
    batch->asked = NULL;
    if (batch->count > 0 && self->handler->ask)
        batch->asked = self->handler->ask(self->state, batch->calls, batch->count, batch->arena);
}

/* Begins the batch that follows the running one. */
static void look_ahead(void *self_p)
{
    florin_lane_t *self = self_p;
    if (self->collected)
        return;
    begin(self, &self->batches[!self->running]);
    self->collected = self->batches[!self->running].count > 0;
}

static void measure(const florin_lane_t *self, const batch_t *batch)
{
    if (batch->count == 0)
        return;
    florin_metric_observe(self->metrics.batch_seconds, florin_clock_ns() - batch->begun_ns);
    florin_metric_observe(self->options.metrics->batch_requests, batch->count);
    florin_metric_observe(self->options.metrics->batch_events, batch->events);
}

/* Runs the next batch, if there is one; returns whether anything was done. */
static bool run_batch(florin_lane_t *self)
{
    batch_t *batch = &self->batches[self->running];
    if (!self->collected)
        begin(self, batch);
    self->collected = false;
    const florin_ahead_t ahead = {batch->asked, look_ahead, self};
    if (batch->count > 0) {
        atomic_store(&self->since_ms, florin_clock_ms());
        if (!is_one_by_one(self))
            atomic_store(self->options.others_ms, florin_clock_ms());
        self->handler->handle(self->state, batch->calls, batch->count, batch->arena, &ahead);
        atomic_store(&self->since_ms, 0);
    }
    for (size_t i = 0; i < batch->count; i++)
        answer(self, batch, batch->jobs[i], &batch->calls[i]);
    count_begun(self, 0, batch->count);
    bool any = self->answered.first != NULL;
    if (any)
        florin_inbox_put(self->options.answered, self->answered.first);
    self->answered = (florin_jobs_t){NULL, NULL};
    measure(self, batch);
    if (self->collected)
        self->running = !self->running;
    return any;
}

/* Gives way to the other lanes after a long read. */
static void rest(const florin_lane_t *self, uint64_t began_ms)
{
    uint64_t now_ms = florin_clock_ms();
    uint32_t rest_ms =
        florin_budget_rest_ms(now_ms - began_ms, atomic_load(self->options.others_ms), now_ms);
    if (is_one_by_one(self) && rest_ms > 0)
        (void)poll(NULL, 0, (int)rest_ms);
}

/* Sleeps until a request comes, or there is idle work to do. */
static void sleep_on(const florin_lane_t *self)
{
    struct pollfd bell = {.fd = self->waiting.bell, .events = POLLIN};
    uint64_t now_ms = florin_clock_ms();
    (void)poll(&bell, 1, now_ms < self->idle_ms ? (int)(self->idle_ms - now_ms) : 0);
}

static void serve(florin_lane_t *self)
{
    while (!florin_inbox_closed(&self->waiting)) {
        uint64_t now_ms = florin_clock_ms();
        if (now_ms >= self->idle_ms) {
            atomic_store(&self->since_ms, now_ms);
            if (self->handler->idle)
                self->handler->idle(self->state);
            atomic_store(&self->since_ms, 0);
            self->idle_ms = now_ms + IDLE_MS;
        }
        if (run_batch(self))
            rest(self, now_ms);
        else
            sleep_on(self);
    }
}

static void *run(void *self_p)
{
    florin_lane_t *self = self_p;
    self->error.code = self->handler->start(&self->state, &self->setup, &self->error);
    bool started = self->error.code == 0;
    (void)sem_post(&self->started);
    if (started) {
        serve(self);
        self->handler->stop(&self->state);
    }
    return NULL;
}

/* ------------------------------------------------------------------------------ from outside */

static bool make_arenas(florin_lane_t *self)
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

int florin_lane_new(const florin_lane_options_t *options, florin_lane_t **lane,
                    florin_error_t *error)
{
    florin_lane_t *self = calloc(1, sizeof *self);
    *lane = NULL;
    if (!self)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for a lane");
    self->options = *options;
    self->setup = *options->setup;
    self->setup.kind = options->kind;
    self->setup.index = options->index;
    self->setup.count = options->of;
    self->handler = options->handler;
    florin_lane_metrics_init(&self->metrics, self->setup.metrics, self->options.name);
    (void)sem_init(&self->started, 0, 0);
    if (florin_inbox_init(&self->waiting) && make_arenas(self) &&
        pthread_create(&self->thread, NULL, run, self) == 0) {
        *lane = self;
        return 0;
    }
    florin_lane_destroy(&self);
    return florin_error_set(error, FLORIN_ERROR_SYSTEM, "can't start the lane %s: %m",
                            options->name);
}

int florin_lane_started(florin_lane_t *self, florin_error_t *error)
{
    while (sem_wait(&self->started)) /* start has bounds of its own */
        ;
    if (self->error.code)
        *error = self->error;
    return self->error.code;
}

void florin_lane_put(florin_lane_t *self, florin_job_t *jobs)
{
    florin_inbox_put(&self->waiting, jobs);
}

florin_jobs_t florin_lane_relieve(florin_lane_t *self, size_t held, uint64_t now_ms)
{
    const florin_load_t load = {.waiting = florin_inbox_count(&self->waiting),
                                .begun = atomic_load(&self->begun),
                                .since_ms = atomic_load(&self->since_ms)};
    bool stuck = florin_budget_stuck(&load, now_ms);
    size_t most = florin_budget_waiting(
        &load, self->options.credit, self->handler->lanes[self->options.kind].part, held, now_ms);
    florin_metric_set(self->metrics.waiting, load.waiting);
    florin_metric_set(self->metrics.stuck, stuck);
    if (load.waiting <= most && !stuck)
        return (florin_jobs_t){NULL, NULL};
    florin_jobs_t back = florin_inbox_withdraw(&self->waiting, most, now_ms);
    for (const florin_job_t *job = back.first; job; job = job->next)
        florin_metric_add(self->metrics.refused, 1);
    return back;
}

void florin_lane_end(florin_lane_t *self)
{
    florin_inbox_close(&self->waiting);
}

bool florin_lane_join(florin_lane_t *self, const struct timespec *until)
{
    return pthread_timedjoin_np(self->thread, NULL, until) == 0;
}

void florin_lane_destroy(florin_lane_t **self_p)
{
    florin_lane_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < 2; i++)
        florin_arena_destroy(&self->batches[i].arena);
    florin_inbox_clear(&self->waiting);
    (void)sem_destroy(&self->started);
    free(self);
    *self_p = NULL;
}
