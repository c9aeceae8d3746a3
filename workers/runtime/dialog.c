#include "workers/runtime/dialog.h"

#include <string.h>

#include "florin/v1/florin.pb-c.h"
#include "lib/clock.h"
#include "lib/log.h"

/* Messages that are taken from one broker before the others, and the timers, have their turn. */
#define TURN_MESSAGES_MAX 256

typedef struct {
    const florin_dialog_options_t *options;
    florin_link_t links[FLORIN_BROKERS_MAX];
    size_t held[FLORIN_BROKERS_MAX]; /* requests that the lanes have, by broker */
    size_t held_count;               /* of all brokers */
    size_t held_bytes;
    uint64_t drain_ms; /* when the drain began; 0: not yet */
    bool away;         /* the brokers were left for the clock's sake */
    bool left;         /* so was a request that they don't know of yet */
} dialog_t;

static size_t job_bytes(const florin_job_t *job)
{
    return job->body.size + job->context.size + job->token.size;
}

/* What of a request's context the dialog needs. No worker can have begun a first attempt: not even
 * this one, in a session that was lost. */
static void read_context(florin_job_t *job)
{
    enum { TTL_MS = 2, ATTEMPT = 3 }; /* the fields' numbers (florin.proto) */
    florin_wire_t context = {job->context.data, job->context.data + job->context.size};
    florin_wire_field_t field;
    while (florin_wire_next(&context, &field)) {
        if (field.number == TTL_MS && (uint32_t)field.value > 0)
            job->deadline_ms = job->arrived_ms + (uint32_t)field.value;
        if (field.number == ATTEMPT)
            job->first = field.value == 1;
    }
}

/* Answers a request that this worker has not begun, and will not. */
static void refuse(dialog_t *self, florin_job_t *job, uint64_t now_ms)
{
    static char busy[] = "this worker holds as much as it takes; try again after a pause",
                begun[] = "this worker holds as much as it takes, and another may have begun this "
                          "request; ask again with the same ids",
                late[] = "not begun: it waited longer for its turn than it had to live";
    Florin__V1__Reply reply = FLORIN__V1__REPLY__INIT;
    bool expired = job->deadline_ms != 0 && now_ms >= job->deadline_ms;
    reply.status = expired      ? FLORIN__V1__STATUS__STATUS_EXPIRED
                   : job->first ? FLORIN__V1__STATUS__STATUS_BUSY
                                : FLORIN__V1__STATUS__STATUS_UNAVAILABLE;
    florin_metric_add(self->options->metrics->answers[reply.status], 1);
    reply.message = expired ? late : job->first ? busy : begun;
    size_t bytes = florin__v1__reply__get_packed_size(&reply);
    if (zmq_msg_init_size(&job->reply, bytes) == 0) {
        florin__v1__reply__pack(&reply, zmq_msg_data(&job->reply));
        florin_link_reply(&self->links[job->link], job, now_ms);
    }
    florin_job_destroy(&job);
}

static bool has_room(const dialog_t *self, const florin_job_t *job)
{
    return self->held[job->link] < self->options->link.credit &&
           self->held_bytes + job_bytes(job) <= FLORIN_WORKER_HELD_BYTES_MAX;
}

static void hold(dialog_t *self, const florin_job_t *job)
{
    self->held[job->link]++;
    self->held_count++;
    self->held_bytes += job_bytes(job);
}

static void let_go(dialog_t *self, const florin_job_t *job)
{
    self->held[job->link]--;
    self->held_count--;
    self->held_bytes -= job_bytes(job);
}

/* Hands the jobs over to their lanes, but for those that there is no room for. */
static void hand_over(dialog_t *self, florin_jobs_t *jobs, uint64_t now_ms)
{
    florin_lanes_t *lanes = self->options->lanes;
    florin_jobs_t taken[FLORIN_LANES_MAX] = {{NULL, NULL}}, refused = {NULL, NULL};
    florin_job_t *job;
    if (!jobs->first)
        return;
    while ((job = florin_jobs_take(jobs))) {
        read_context(job);
        if (!has_room(self, job)) {
            florin_jobs_add(&refused, job);
            continue;
        }
        hold(self, job);
        florin_jobs_add(&taken[florin_lanes_choose(lanes, job->body)], job);
    }
    for (size_t i = 0; i < lanes->count; i++)
        if (taken[i].first)
            florin_lane_put(lanes->lanes[i], taken[i].first);
    while ((job = florin_jobs_take(&refused)))
        refuse(self, job, now_ms);
}

static void receive_requests(dialog_t *self, florin_link_t *link, uint64_t now_ms)
{
    florin_jobs_t jobs = {NULL, NULL};
    for (unsigned i = 0; i < TURN_MESSAGES_MAX && florin_link_receive(link, now_ms, &jobs); i++)
        ;
    hand_over(self, &jobs, now_ms);
}

static void send_replies(dialog_t *self, uint64_t now_ms)
{
    florin_jobs_t jobs;
    while ((jobs = florin_inbox_take(self->options->answered)).first) {
        florin_job_t *job;
        while ((job = florin_jobs_take(&jobs))) {
            let_go(self, job);
            self->left = self->left || job->left;
            if (!job->left)
                florin_link_reply(&self->links[job->link], job, now_ms);
            florin_job_destroy(&job);
        }
    }
    for (size_t i = 0; i < self->options->endpoints_count; i++)
        florin_link_flush(&self->links[i], now_ms);
}

/* Refuses what waits in lanes that may not keep it. */
static void relieve_lanes(dialog_t *self, uint64_t now_ms)
{
    const florin_lanes_t *lanes = self->options->lanes;
    size_t held = 0; /* of the credit of one broker */
    for (size_t i = 0; i < self->options->endpoints_count; i++)
        held = self->held[i] > held ? self->held[i] : held;
    for (size_t i = 0; i < lanes->count; i++) {
        florin_jobs_t back = florin_lane_relieve(lanes->lanes[i], held, now_ms);
        florin_job_t *job;
        while ((job = florin_jobs_take(&back))) {
            let_go(self, job);
            refuse(self, job, now_ms);
        }
    }
}

static void begin_drain(dialog_t *self, uint64_t now_ms)
{
    florin_log(FLORIN_LOG_INFO, "drain", "told to end: %zu requests are under way",
               self->held_count);
    self->drain_ms = now_ms;
    for (size_t i = 0; i < self->options->endpoints_count; i++)
        florin_link_drain(&self->links[i]);
}

/* What this worker would refuse because of its clock, others do: when all that can be answered is,
 * it falls silent, and the brokers hand on what was not. */
static void follow_clocks(dialog_t *self, uint64_t now_ms)
{
    const florin_dialog_options_t *options = self->options;
    bool aside = self->left || (options->clocks && florin_clocks_aside(options->clocks));
    bool before = self->away;
    if (self->drain_ms || !(before || aside))
        return;
    self->away = aside;
    for (size_t i = 0; i < options->endpoints_count; i++) {
        if (!aside)
            florin_link_return(&self->links[i], now_ms);
        else if (!before)
            florin_link_drain(&self->links[i]);
        else if (self->held_count == 0)
            florin_link_close(&self->links[i]);
    }
    if (before && self->held_count == 0)
        self->left = false;
}

/* Requests that were on the way when DISCONNECT went out are still taken for one heartbeat's time:
 * the broker need not wait for this worker's death to send them to another. */
static bool drained(const dialog_t *self, uint64_t now_ms)
{
    return self->drain_ms && self->held_count == 0 &&
           now_ms - self->drain_ms >= self->options->link.heartbeat_ms;
}

static bool overdue(const dialog_t *self, uint64_t now_ms)
{
    return self->drain_ms && now_ms - self->drain_ms >= FLORIN_WORKER_DRAIN_MS;
}

/* Waits until something can be read or a timer is due. Returns true when told to end. */
static bool wait_for_work(dialog_t *self, uint64_t due_ms)
{
    zmq_pollitem_t items[FLORIN_BROKERS_MAX + 2] = {
        {.fd = self->options->signal_fd, .events = self->drain_ms ? 0 : ZMQ_POLLIN},
        {.fd = self->options->answered->bell, .events = ZMQ_POLLIN}};
    int count = 2;
    for (size_t i = 0; i < self->options->endpoints_count; i++)
        if (self->links[i].socket)
            items[count++] =
                (zmq_pollitem_t){.socket = self->links[i].socket, .events = ZMQ_POLLIN};
    uint64_t now_ms = florin_clock_ms();
    zmq_poll(items, count, due_ms > now_ms ? (long)(due_ms - now_ms) : 0);
    return items[0].revents != 0;
}

static void measure(const dialog_t *self)
{
    const florin_worker_metrics_t *metrics = self->options->metrics;
    florin_metric_set(metrics->held_requests, self->held_count);
    florin_metric_set(metrics->held_bytes, self->held_bytes);
    for (size_t i = 0; i < self->options->endpoints_count; i++)
        florin_metric_set(metrics->broker_up[i], self->links[i].confirmed);
}

/* One turn of the links: first what has arrived, then what time asks for, so that a process that
 * was stopped for a while doesn't take brokers for silent whose heartbeats it has not read yet. */
static uint64_t turn(dialog_t *self)
{
    uint64_t now_ms = florin_clock_ms(), due_ms = now_ms + self->options->link.heartbeat_ms;
    for (size_t i = 0; i < self->options->endpoints_count; i++)
        receive_requests(self, &self->links[i], now_ms);
    relieve_lanes(self, now_ms);
    send_replies(self, now_ms);
    follow_clocks(self, now_ms);
    for (size_t i = 0; i < self->options->endpoints_count; i++) {
        uint64_t link_ms = florin_link_turn(&self->links[i], now_ms);
        due_ms = link_ms < due_ms ? link_ms : due_ms;
    }
    measure(self);
    return due_ms;
}

bool florin_dialog_run(const florin_dialog_options_t *options)
{
    dialog_t self = {.options = options};
    for (size_t i = 0; i < options->endpoints_count; i++)
        florin_link_init(&self.links[i], &options->link, options->endpoints[i], i);

    uint64_t due_ms = turn(&self);
    while (!drained(&self, florin_clock_ms()) && !overdue(&self, florin_clock_ms())) {
        if (wait_for_work(&self, due_ms) && !self.drain_ms)
            begin_drain(&self, florin_clock_ms());
        due_ms = turn(&self);
    }
    for (size_t i = 0; i < options->endpoints_count; i++)
        florin_link_close(&self.links[i]);
    return self.held_count == 0;
}
