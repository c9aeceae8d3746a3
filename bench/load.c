#include "bench/load.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zmq.h>

#include "lib/clock.h"
#include "lib/limits.h"

#define SECOND_NS UINT64_C(1000000000)
#define HALF_NS   (SECOND_NS / 2)
/* florin.h: while requests are under way, process is called at least this often. */
#define TEND_NS    (SECOND_NS / 10)
#define TICK_NS    1000000
#define EVENTS_MAX 256
/* How long an open loop goes on sending what came due and found no client free. */
#define OVERTIME_NS (10 * SECOND_NS)
/* Descriptors that a client takes: its epoll, its sockets' mailboxes and its connection. */
#define CLIENT_FDS 8

/* A client's queue of things to do is whether it is on the list: a submit may have eaten the edge
 * of its descriptor, and then only process finds the answer. */
typedef struct client {
    TAILQ_ENTRY(client) link;
    bool listed;
    florin_client_t *florin;
} client_t;

/* One request of a client's in flight, or to be. */
typedef struct place {
    STAILQ_ENTRY(place) link; /* when it is free */
    struct load *load;
    client_t *client;
    uint64_t meant_ns; /* when the request was to be sent */
    florin_id_t first_id;
    florin_id_t sampled_id; /* one of its transfers, by lot */
    size_t sampled;
} place_t;

typedef struct load {
    const load_options_t *options;
    traffic_t *traffic;
    result_t *result;
    load_proof_t *proof;
    void *context;
    int epoll;
    client_t *clients;
    place_t *places;
    size_t places_count;
    size_t under_way;
    TAILQ_HEAD(client_list, client) listed;
    STAILQ_HEAD(place_list, place) free;  /* who was free first is first */
    uint64_t start_ns, from_ns, until_ns; /* of it all, and what is measured of it */
    uint64_t end_ns;                      /* of the tail, or of what is measured */
    uint64_t due;                         /* open loop: requests that have come due or will next */
    uint64_t tail_due;                    /* the first one of the tail */
    uint64_t samples;                     /* transfers that might be in the sample */
    uint64_t tended_ns;
    florin_error_t greeting; /* how it went */
    /* The request, made anew for each sending. */
    Florin__V1__Request request;
    Florin__V1__CreateTransfersRequest create;
    Florin__V1__Transfer *transfers;
    Florin__V1__Transfer **pointers;
    uint8_t (*ids)[3][FLORIN_ID_BYTES]; /* of a transfer, its debit and its credit account */
} load_t;

/* ------------------------------------------------------------------------------------- answers */

static bool measured(const load_t *self, uint64_t moment)
{
    return moment >= self->from_ns && moment < self->until_ns;
}

/* The half second of the tail that a moment is in; NULL for all other moments. */
static result_half_t *half_of(const load_t *self, uint64_t moment)
{
    size_t half = moment < self->until_ns ? SIZE_MAX : (moment - self->until_ns) / HALF_NS;
    return half < self->result->tail_count ? &self->result->tail[half] : NULL;
}

/* A latency counts when its request was meant to be sent in the time that is measured; in a closed
 * loop, when it ended then. */
static void record(load_t *self, uint64_t meant_ns, uint64_t now)
{
    result_half_t *half = half_of(self, meant_ns);
    if (measured(self, self->options->rate > 0 ? meant_ns : now))
        florin_histogram_record(self->result->latencies, now - meant_ns);
    else if (half)
        florin_histogram_record(half->latencies, now - meant_ns);
}

static void record_busy(load_t *self, uint64_t meant_ns, uint64_t now)
{
    result_half_t *half = half_of(self, meant_ns);
    self->result->busy += self->options->batch;
    if (measured(self, meant_ns))
        florin_histogram_record(self->result->busy_latencies, now - meant_ns);
    else if (half)
        half->busy += self->options->batch;
}

/* The sample is fair: the n-th that might be in it is, with probability LOAD_SAMPLE_MAX / n. */
static void sample(load_t *self, florin_id_t id)
{
    size_t at = traffic_below(self->traffic, ++self->samples);
    if (self->proof->sample_count < LOAD_SAMPLE_MAX)
        self->proof->sample[self->proof->sample_count++] = id;
    else if (at < LOAD_SAMPLE_MAX)
        self->proof->sample[at] = id;
}

static void take_results(load_t *self, const place_t *place,
                         const Florin__V1__CreateTransfersReply *reply, uint64_t now)
{
    uint64_t created = 0;
    for (size_t i = 0; i < reply->n_results; i++) {
        Florin__V1__CreateTransferResult result = reply->results[i]->result;
        /* What was sent twice and answered once exists; it was made by this run. */
        if (result != FLORIN__V1__CREATE_TRANSFER_RESULT__CREATE_TRANSFER_RESULT_CREATED &&
            result != FLORIN__V1__CREATE_TRANSFER_RESULT__CREATE_TRANSFER_RESULT_EXISTS)
            continue;
        created++;
        self->proof->acknowledged += traffic_amount(traffic_id(place->first_id, i, 0));
        if (i == place->sampled)
            sample(self, place->sampled_id);
    }
    self->result->created += created;
    self->result->refused += reply->n_results - created;
    if (measured(self, now))
        self->result->measured += created;
}

static void take_error(load_t *self, const place_t *place, const Florin__V1__Reply *reply,
                       const florin_error_t *error)
{
    self->result->errors += self->options->batch;
    for (size_t i = 0; i < self->options->batch; i++)
        self->proof->doubtful += traffic_amount(traffic_id(place->first_id, i, 0));
    if (self->proof->first_error.code != 0)
        return;
    if (reply)
        (void)florin_error_set(&self->proof->first_error, FLORIN_ERROR_REFUSED, "%s: %s",
                               florin_status_name(reply->status), reply->message);
    else
        self->proof->first_error = *error;
}

static void set_free(load_t *self, place_t *place)
{
    self->under_way--;
    STAILQ_INSERT_TAIL(&self->free, place, link);
}

static void on_reply(void *arg, const Florin__V1__Reply *reply, const florin_error_t *error)
{
    place_t *place = arg;
    load_t *self = place->load;
    uint64_t now = florin_clock_ns();
    set_free(self, place);
    if (self->options->once && reply && reply->status == FLORIN__V1__STATUS__STATUS_BUSY) {
        record_busy(self, place->meant_ns, now);
        return;
    }
    record(self, place->meant_ns, now);
    if (reply && reply->status == FLORIN__V1__STATUS__STATUS_OK &&
        reply->result_case == FLORIN__V1__REPLY__RESULT_CREATE_TRANSFERS &&
        reply->create_transfers->n_results == self->options->batch)
        take_results(self, place, reply->create_transfers, now);
    else
        take_error(self, place, reply, error);
}

/* Majordomo's own services answer with what is no florin.v1.Reply. */
static void on_pong(void *arg, const Florin__V1__Reply *reply, const florin_error_t *error)
{
    place_t *place = arg;
    load_t *self = place->load;
    uint64_t now = florin_clock_ns();
    record(self, place->meant_ns, now);
    if (error->code != FLORIN_ERROR_INVALID)
        take_error(self, place, reply, error);
    else if (measured(self, now))
        self->result->measured += self->options->batch;
    set_free(self, place);
}

/* ------------------------------------------------------------------------------------- sending */

static void make_request(load_t *self, place_t *place)
{
    place->first_id = traffic_first_id();
    place->sampled = traffic_below(self->traffic, self->options->batch);
    for (size_t i = 0; i < self->options->batch; i++) {
        size_t debit, credit;
        traffic_draw(self->traffic, &debit, &credit);
        florin_id_t id = traffic_id(place->first_id, i, debit);
        if (i == place->sampled)
            place->sampled_id = id;
        florin_id_to_bytes(id, self->ids[i][0]);
        florin_id_to_bytes(traffic_account(debit), self->ids[i][1]);
        florin_id_to_bytes(traffic_account(credit), self->ids[i][2]);
        self->transfers[i].amount = traffic_amount(id);
    }
}

static void list_client(load_t *self, client_t *client)
{
    if (client->listed)
        return;
    client->listed = true;
    TAILQ_INSERT_TAIL(&self->listed, client, link);
}

static void send_one(load_t *self, uint64_t meant_ns)
{
    place_t *place = STAILQ_FIRST(&self->free);
    STAILQ_REMOVE_HEAD(&self->free, link);
    place->meant_ns = meant_ns;
    self->under_way++;
    self->result->requests++;
    if (measured(self, florin_clock_ns()))
        self->result->offered += self->options->batch;
    make_request(self, place);
    florin_error_t error;
    florin_client_reply_fn *fn = self->options->ping ? on_pong : on_reply;
    if (florin_client_submit(place->client->florin,
                             self->options->ping ? "mmi.service" : "transactions", &self->request,
                             fn, place, &error) != 0)
        fn(place, NULL, &error);
    list_client(self, place->client);
}

/* How far apart requests are, so many transfers a second. */
static double apart_ns(const load_t *self, double rate)
{
    return 1e9 * (double)self->options->batch / rate;
}

/* When the next request of an open loop comes due. */
static uint64_t due_ns(const load_t *self)
{
    const load_options_t *options = self->options;
    if (self->due < self->tail_due)
        return self->start_ns + (uint64_t)((double)self->due * apart_ns(self, options->rate));
    if (self->end_ns == self->until_ns)
        return self->end_ns;
    return self->until_ns +
           (uint64_t)((double)(self->due - self->tail_due) * apart_ns(self, options->tail_rate));
}

/* Sends what is to be sent by now, as far as clients are free. Overload that could not be offered
 * in its time is not offered afterwards: that would be no tail. */
static void send_due(load_t *self, uint64_t now)
{
    if (self->options->once && now >= self->until_ns && self->due < self->tail_due) {
        self->result->unsent += (self->tail_due - self->due) * self->options->batch;
        self->due = self->tail_due;
    }
    if (self->options->rate > 0) {
        for (; due_ns(self) <= now && due_ns(self) < self->end_ns; self->due++) {
            if (STAILQ_EMPTY(&self->free))
                return;
            send_one(self, due_ns(self));
        }
    } else if (now < self->until_ns) {
        for (size_t i = 0; i < self->places_count && !STAILQ_EMPTY(&self->free); i++)
            send_one(self, florin_clock_ns());
    }
}

/* Nobody was free for them, and now the time is up: nothing was sent, and they took this long. */
static void count_unsent(load_t *self, uint64_t now)
{
    for (; self->options->rate > 0 && due_ns(self) < self->end_ns; self->due++) {
        record(self, due_ns(self), now);
        self->result->errors += self->options->batch;
        (void)florin_error_set(&self->proof->first_error, FLORIN_ERROR_UNAVAILABLE,
                               "the rate is more than all clients could send");
    }
}

static void process_listed(load_t *self)
{
    client_t *client;
    while ((client = TAILQ_FIRST(&self->listed))) {
        TAILQ_REMOVE(&self->listed, client, link);
        client->listed = false;
        (void)florin_client_process(client->florin, 0);
    }
}

/* How long to wait for answers: until the next request may be sent, but never for long. In an open
 * loop, what comes due within a tick goes out together: to wake up for each costs more than to send
 * it. */
static uint64_t wait_ns(const load_t *self, uint64_t now)
{
    bool open = self->options->rate > 0;
    uint64_t next = open ? due_ns(self) : now;
    if (STAILQ_EMPTY(&self->free) || next >= self->end_ns)
        return TEND_NS;
    uint64_t least = open ? TICK_NS : 0;
    uint64_t wait = next > now + least ? next - now : least;
    return wait < TEND_NS ? wait : TEND_NS;
}

static void wait_for_answers(load_t *self)
{
    struct epoll_event events[EVENTS_MAX];
    struct timespec wait = {.tv_nsec = (long)wait_ns(self, florin_clock_ns())};
    int count = epoll_pwait2(self->epoll, events, EVENTS_MAX, &wait, NULL);
    for (int i = 0; i < count; i++)
        list_client(self, events[i].data.ptr);
    if (florin_clock_ns() - self->tended_ns < TEND_NS)
        return;
    self->tended_ns = florin_clock_ns();
    for (size_t i = 0; i < self->options->clients; i++)
        list_client(self, &self->clients[i]);
}

static bool over(const load_t *self, uint64_t now)
{
    if (now < self->end_ns || self->under_way > 0)
        return false;
    return self->options->rate == 0 || due_ns(self) >= self->end_ns;
}

static void run(load_t *self)
{
    self->start_ns = self->tended_ns = florin_clock_ns();
    self->from_ns = self->start_ns + (uint64_t)(self->options->warm_up * 1e9);
    self->until_ns = self->from_ns + (uint64_t)(self->options->seconds * 1e9);
    self->end_ns = self->until_ns + (uint64_t)(self->options->tail * 1e9);
    if (self->options->rate > 0)
        self->tail_due = (uint64_t)ceil((double)(self->until_ns - self->start_ns) /
                                        apart_ns(self, self->options->rate));
    for (uint64_t now = self->start_ns; !over(self, now); now = florin_clock_ns()) {
        if (now >= self->end_ns + OVERTIME_NS)
            count_unsent(self, now);
        send_due(self, now);
        process_listed(self);
        wait_for_answers(self);
        process_listed(self);
    }
}

/* ---------------------------------------------------------------------------------- setting up */

static void on_greeting(void *arg, const Florin__V1__Reply *reply, const florin_error_t *error)
{
    load_t *self = arg;
    (void)reply;
    self->under_way--;
    if (error->code != 0)
        self->greeting = *error;
}

/* Every client is connected before the clock starts: each has heard from the broker. */
static int greet(load_t *self, florin_error_t *error)
{
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    for (size_t i = 0; i < self->options->clients; i++) {
        int rc = florin_client_submit(self->clients[i].florin, "florin.broker", &request,
                                      on_greeting, self, error);
        if (rc != 0)
            return rc;
        self->under_way++;
        list_client(self, &self->clients[i]);
    }
    while (self->under_way > 0) { /* ends: a request has a deadline */
        process_listed(self);
        wait_for_answers(self);
    }
    *error = self->greeting;
    return error->code;
}

static int start_client(load_t *self, size_t index, const florin_client_options_t *options,
                        florin_error_t *error)
{
    client_t *client = &self->clients[index];
    int rc = florin_client_new(options, &client->florin, error);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < self->options->in_flight; i++) {
        place_t *place = &self->places[i * self->options->clients + index];
        *place = (place_t){.load = self, .client = client};
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (epoll_ctl(self->epoll, EPOLL_CTL_ADD, florin_client_fd(client->florin), &event) != 0)
        return florin_error_set(error, FLORIN_ERROR_SYSTEM, "cannot watch a client: %s",
                                strerror(errno));
    return 0;
}

static int start_clients(load_t *self, const florin_client_options_t *options,
                         florin_error_t *error)
{
    florin_client_options_t one = *options;
    one.zmq_context = self->context;
    one.in_flight_max = (uint32_t)self->options->in_flight;
    one.refusals_end = self->options->once;
    for (size_t i = 0; i < self->options->clients; i++) {
        int rc = start_client(self, i, &one, error);
        if (rc != 0)
            return rc;
    }
    for (size_t i = 0; i < self->places_count; i++)
        STAILQ_INSERT_TAIL(&self->free, &self->places[i], link);
    return 0;
}

static void make_transfers(load_t *self)
{
    for (size_t i = 0; i < self->options->batch; i++) {
        Florin__V1__Transfer *transfer = self->pointers[i] = &self->transfers[i];
        florin__v1__transfer__init(transfer);
        transfer->id = (ProtobufCBinaryData){FLORIN_ID_BYTES, self->ids[i][0]};
        transfer->debit_account_id = (ProtobufCBinaryData){FLORIN_ID_BYTES, self->ids[i][1]};
        transfer->credit_account_id = (ProtobufCBinaryData){FLORIN_ID_BYTES, self->ids[i][2]};
        transfer->ledger = TRAFFIC_LEDGER;
        transfer->code = TRAFFIC_CODE;
    }
    florin__v1__create_transfers_request__init(&self->create);
    self->create.transfers = self->pointers;
    self->create.n_transfers = self->options->batch;
    florin__v1__request__init(&self->request);
    self->request.operation_case = FLORIN__V1__REQUEST__OPERATION_CREATE_TRANSFERS;
    self->request.create_transfers = &self->create;
}

/* Many clients take more descriptors and sockets than a program is given unasked. */
static bool raise_limits(const load_t *self, const florin_client_options_t *options)
{
    size_t sockets = self->options->clients * options->brokers_count * 3 + 16;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur >= self->options->clients * options->brokers_count * CLIENT_FDS &&
           zmq_ctx_set(self->context, ZMQ_MAX_SOCKETS, (int)sockets) == 0;
}

static int set_up(load_t *self, const florin_client_options_t *options, florin_error_t *error)
{
    size_t batch = self->options->batch;
    TAILQ_INIT(&self->listed);
    STAILQ_INIT(&self->free);
    self->places_count = self->options->clients * self->options->in_flight;
    self->clients = calloc(self->options->clients, sizeof *self->clients);
    self->places = calloc(self->places_count, sizeof *self->places);
    self->transfers = calloc(batch, sizeof *self->transfers);
    self->pointers = calloc(batch, sizeof *self->pointers);
    self->ids = calloc(batch, sizeof *self->ids);
    if (!self->clients || !self->places || !self->transfers || !self->pointers || !self->ids ||
        !result_init(self->result, (size_t)(self->options->tail * 2)))
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for the load");
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    self->context = zmq_ctx_new();
    if (self->epoll < 0 || !self->context || !raise_limits(self, options))
        return florin_error_set(error, FLORIN_ERROR_SYSTEM,
                                "cannot have %zu clients: %s (ulimit -n says how many descriptors "
                                "may be open)",
                                self->options->clients, strerror(errno));
    make_transfers(self);
    return start_clients(self, options, error);
}

static void tear_down(load_t *self)
{
    for (size_t i = 0; self->clients && i < self->options->clients; i++)
        florin_client_destroy(&self->clients[i].florin);
    if (self->context)
        (void)zmq_ctx_term(self->context);
    if (self->epoll >= 0)
        (void)close(self->epoll);
    free(self->clients);
    free(self->places);
    free(self->transfers);
    free(self->pointers);
    free(self->ids);
}

int load_run(const load_options_t *options, const florin_client_options_t *client_options,
             traffic_t *traffic, result_t *result, load_proof_t *proof, florin_error_t *error)
{
    load_t self = {
        .options = options, .traffic = traffic, .result = result, .proof = proof, .epoll = -1};
    *proof = (load_proof_t){0};
    *result = (result_t){.seconds = options->seconds};
    int rc = set_up(&self, client_options, error);
    if (rc == 0)
        rc = greet(&self, error);
    if (rc == 0)
        run(&self);
    tear_down(&self);
    return rc;
}
