/* The life of a request: its state is the list it is on, and set_state alone moves it.
 *
 *     free -> waiting -> sent -> free          answered, or given up
 *               ^ |        |
 *               | |        +--> waiting        silence, or a lost connection
 *               | +-> held |                   the service would say BUSY
 *               |       v  v
 *               +------ paused                 a passing refusal: BUSY and the like
 */
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <unistd.h>

#include "client/connection.h"
#include "client/florin.h"
#include "client/throttle.h"
#include "lib/clock.h"
#include "lib/keys.h"
#include "lib/limits.h"
#include "lib/mdp.h"

#define TIMEOUT_MS     10000
#define TRY_TIMEOUT_MS 2500
#define IN_FLIGHT      1024
/* A request's index takes 16 bits of its correlation id. */
#define IN_FLIGHT_MAX 65536
/* The pause after the first passing refusal; each further one doubles it. */
#define PAUSE_MS     20
#define PAUSE_MS_MAX 500
/* Timers that are late by so much tell of a process that was stopped, or busy elsewhere; what came
 * meanwhile gets so long to be read. */
#define LATE_MS  250
#define GRACE_MS 50
/* What is held back is answered that soon: whoever asks again at once is not to be quicker. */
#define HELD_MS 1
/* So many services have throttles, the first ones asked; to others goes all there is. */
#define THROTTLES_MAX 8

typedef enum { FREE, WAITING, HELD, SENT, PAUSED, STATES } state_t;

typedef struct {
    char name[FLORIN_SERVICE_BYTES_MAX + 1];
    florin_throttle_t throttle;
} service_t;

/* Where florin_client_call finds how its request ended. */
typedef struct {
    bool done;
    Florin__V1__Reply *reply;
    florin_error_t *error;
    int rc;
} outcome_t;

typedef struct request {
    TAILQ_ENTRY(request) link;
    state_t state;
    uint32_t serial; /* another for each request */
    uint16_t tries;  /* times sent */
    uint16_t refusals;
    size_t broker;    /* SENT: to which */
    bool doubtful;    /* a try may have been carried out, and its answer lost */
    uint64_t sent_ms; /* SENT: when */
    uint64_t wake_ms; /* when its state has lasted too long */
    bool put_off;     /* wake_ms has been put off, for it was late */
    uint64_t deadline_ms;
    uint32_t patience_ms; /* silence that it bears in this try */
    char service[FLORIN_SERVICE_BYTES_MAX + 1];
    florin_throttle_t *throttle; /* the service's; may be NULL */
    zmq_msg_t body;
    Florin__V1__Reply *refusal; /* the latest passing one */
    outcome_t *outcome;         /* of a call; or else: */
    florin_client_reply_fn *fn;
    void *arg;
} request_t;

struct florin_client {
    void *context;
    bool context_shared; /* with others, and theirs to end */
    int epoll;
    florin_connection_t *connections[FLORIN_BROKERS_MAX];
    size_t connections_count;
    size_t current; /* the one in use */
    uint64_t current_since_ms;
    uint32_t timeout_ms;
    uint32_t try_timeout_ms;
    uint32_t in_flight_max;
    bool refusals_end;
    service_t services[THROTTLES_MAX];
    size_t services_count;
    request_t *requests; /* in_flight_max of them */
    TAILQ_HEAD(request_list, request) lists[STATES];
    size_t under_way;
    uint32_t serial;
    uint64_t wake_ms; /* no request has to be looked at before */
    bool closing;
};

static void set_state(florin_client_t *self, request_t *request, state_t state)
{
    TAILQ_REMOVE(&self->lists[request->state], request, link);
    request->state = state;
    TAILQ_INSERT_TAIL(&self->lists[state], request, link);
}

static void wake_by(florin_client_t *self, uint64_t at_ms)
{
    if (at_ms < self->wake_ms)
        self->wake_ms = at_ms;
}

/* A state that lasts to wake_ms is looked at again then, or at the deadline. */
static void set_wake(florin_client_t *self, request_t *request, uint64_t wake_ms)
{
    request->wake_ms = wake_ms < request->deadline_ms ? wake_ms : request->deadline_ms;
    request->put_off = false;
    wake_by(self, request->wake_ms);
}

/* ------------------------------------------------------------------------- how a request ends */

/* Frees the request's place first, so that the callback may submit again. Takes the reply. */
static void finish(florin_client_t *self, request_t *request, Florin__V1__Reply *reply,
                   const florin_error_t *error)
{
    outcome_t *outcome = request->outcome;
    florin_client_reply_fn *fn = request->fn;
    void *arg = request->arg;
    (void)zmq_msg_close(&request->body);
    if (request->refusal)
        florin__v1__reply__free_unpacked(request->refusal, NULL);
    request->refusal = NULL;
    self->under_way--;
    set_state(self, request, FREE);
    if (outcome) {
        outcome->done = true;
        outcome->reply = reply;
        outcome->rc = florin_error_set(outcome->error, error->code, "%s", error->message);
        return;
    }
    fn(arg, reply, error);
    if (reply)
        florin__v1__reply__free_unpacked(reply, NULL);
}

static void finish_reply(florin_client_t *self, request_t *request, Florin__V1__Reply *reply)
{
    florin_error_t none = {.code = FLORIN_OK};
    finish(self, request, reply, &none);
}

static void finish_timeout(florin_client_t *self, request_t *request)
{
    char brokers[FLORIN_ERROR_MESSAGE_BYTES] = "";
    size_t used = 0;
    for (size_t i = 0; i < self->connections_count && used + 2 < sizeof brokers; i++) {
        if (i > 0)
            used += (size_t)snprintf(brokers + used, sizeof brokers - used, "; ");
        florin_connection_describe(self->connections[i], brokers + used, sizeof brokers - used);
        used += strlen(brokers + used);
    }
    florin_error_t error;
    (void)florin_error_set(
        &error, FLORIN_ERROR_TIMEOUT, "no answer from service %s in %u ms (%s)%s%s%s",
        request->service, self->timeout_ms, brokers,
        request->refusal ? "; the last refusal was " : "",
        request->refusal ? florin_status_name(request->refusal->status) : "",
        request->doubtful ? "; it may have been done: ask again with the same ids"
                          : "; nothing was done");
    finish(self, request, NULL, &error);
}

/* The time is up. A passing refusal is the answer only if it is the whole truth: "not begun" is not
 * when another try may have been carried out. */
static void give_up(florin_client_t *self, request_t *request)
{
    Florin__V1__Reply *refusal = request->refusal;
    request->doubtful |= request->state == SENT;
    bool begun = refusal && (refusal->status == FLORIN__V1__STATUS__STATUS_EXPIRED ||
                             refusal->status == FLORIN__V1__STATUS__STATUS_UNAVAILABLE);
    if (refusal && request->state == PAUSED && (begun || !request->doubtful)) {
        request->refusal = NULL;
        finish_reply(self, request, refusal);
    } else {
        finish_timeout(self, request);
    }
}

/* ----------------------------------------------------------------------------- sending, failing
 * over */

/* Correlation id: serial (32 bits), index (16), try (16). The serial tells a late reply to an
 * earlier user of the same place; the try tells a late refusal from the answer still awaited. */
static uint64_t correlation(const florin_client_t *self, const request_t *request)
{
    size_t index = (size_t)(request - self->requests);
    return (uint64_t)request->serial << 32 | (uint64_t)index << 16 | request->tries;
}

/* What is in doubt is never held back: to hear that it was not sent would say nothing. */
static void send_waiting(florin_client_t *self, uint64_t now)
{
    request_t *request;
    while ((request = TAILQ_FIRST(&self->lists[WAITING]))) {
        if (request->throttle && !request->doubtful &&
            !florin_throttle_allows(request->throttle, now)) {
            set_state(self, request, HELD);
            continue;
        }
        request->tries++;
        if (!florin_connection_send(self->connections[self->current], correlation(self, request),
                                    request->service, &request->body)) {
            request->tries--;
            return;
        }
        if (request->throttle)
            florin_throttle_sent(request->throttle);
        request->broker = self->current;
        request->sent_ms = florin_clock_ms(); /* what was heard in this turn was heard before */
        set_state(self, request, SENT);
        set_wake(self, request, now + request->patience_ms);
    }
}

static void send_again(florin_client_t *self, request_t *request, uint64_t now)
{
    set_state(self, request, WAITING);
    set_wake(self, request, now + self->try_timeout_ms);
}

/* Moves on to the next broker that is up, or else just to the next. */
static void use_next(florin_client_t *self, uint64_t now)
{
    assert(self->connections_count > 0);
    size_t next = (self->current + 1) % self->connections_count;
    for (size_t i = 1; i < self->connections_count; i++) {
        size_t candidate = (self->current + i) % self->connections_count;
        if (florin_connection_up(self->connections[candidate])) {
            next = candidate;
            break;
        }
    }
    self->current = next;
    self->current_since_ms = now;
}

/* A broker was lost: what it held goes out again, at once if another broker is up. */
static void lose(florin_client_t *self, size_t broker, uint64_t now)
{
    for (size_t i = 0; i < self->in_flight_max; i++) {
        request_t *request = &self->requests[i];
        if (request->state == SENT && request->broker == broker) {
            request->doubtful = true;
            send_again(self, request, now);
        }
    }
    if (broker == self->current && !florin_connection_up(self->connections[broker]))
        use_next(self, now);
}

/* No answer in this try. A broker that has said nothing since is given up; one that talks is only
 * slow, and gets twice the time for the next try. What came in the millisecond of sending came
 * before, for it is an answer that lets a program ask the next. */
static void fall_silent(florin_client_t *self, request_t *request, uint64_t now)
{
    request->doubtful = true;
    if (florin_connection_heard_ms(self->connections[request->broker]) > request->sent_ms)
        request->patience_ms = request->patience_ms < self->timeout_ms / 2
                                   ? request->patience_ms * 2
                                   : self->timeout_ms;
    else if (request->broker == self->current)
        use_next(self, now);
    send_again(self, request, now);
}

/* What has arrived is read before time is judged, also when the process was away: true to let it
 * be read, once. A pause that is over judges nothing. */
static bool put_off(florin_client_t *self, request_t *request, uint64_t now)
{
    bool judges = request->state == SENT || now >= request->deadline_ms;
    if (!judges || request->put_off || now - request->wake_ms < LATE_MS)
        return false;
    request->put_off = true;
    request->wake_ms = now + GRACE_MS;
    wake_by(self, request->wake_ms);
    return true;
}

/* By index and not by list: what a callback submits may move requests between lists. */
static void run_timers(florin_client_t *self, uint64_t now)
{
    if (now < self->wake_ms)
        return;
    self->wake_ms = UINT64_MAX;
    for (size_t i = 0; i < self->in_flight_max; i++) {
        request_t *request = &self->requests[i];
        if (request->state == FREE)
            continue;
        if (now < request->wake_ms) {
            wake_by(self, request->wake_ms);
        } else if (put_off(self, request, now)) {
            continue;
        } else if (now >= request->deadline_ms) {
            give_up(self, request);
        } else if (request->state == SENT) {
            fall_silent(self, request, now);
        } else {
            if (request->state == WAITING && now - self->current_since_ms >= self->try_timeout_ms)
                use_next(self, now);
            send_again(self, request, now);
        }
    }
}

/* ----------------------------------------------------------------------------------- answers */

static bool passing(Florin__V1__Status status)
{
    return status == FLORIN__V1__STATUS__STATUS_BUSY ||
           status == FLORIN__V1__STATUS__STATUS_EXPIRED ||
           status == FLORIN__V1__STATUS__STATUS_UNAVAILABLE ||
           status == FLORIN__V1__STATUS__STATUS_NO_SERVICE;
}

/* A broker that is going down, or that no worker reaches, says so of every request: another one
 * that is up may know better. */
static void move_on(florin_client_t *self, const request_t *request, Florin__V1__Status status,
                    uint64_t now)
{
    size_t before = self->current;
    if (request->broker != before || (status != FLORIN__V1__STATUS__STATUS_UNAVAILABLE &&
                                      status != FLORIN__V1__STATUS__STATUS_NO_SERVICE))
        return;
    use_next(self, now);
    if (!florin_connection_up(self->connections[self->current]))
        self->current = before;
}

/* NULL: no memory. */
static Florin__V1__Reply *busy_reply(void)
{
    Florin__V1__Reply *reply = malloc(sizeof *reply);
    if (!reply)
        return NULL;
    florin__v1__reply__init(reply);
    reply->status = FLORIN__V1__STATUS__STATUS_BUSY;
    reply->message = strdup("not sent: the service has just refused more than it takes; try again");
    if (!reply->message) {
        free(reply);
        return NULL;
    }
    return reply;
}

/* Keeps the refusal and pauses: half of the doubled step, and a random part of the other half. */
static void pause_after(florin_client_t *self, request_t *request, Florin__V1__Reply *refusal,
                        uint64_t now)
{
    uint32_t step = PAUSE_MS;
    for (unsigned i = 0; i < request->refusals && step < PAUSE_MS_MAX; i++)
        step *= 2;
    uint32_t pause_ms = step / 2 + randombytes_uniform(step / 2 + 1);
    if (request->refusals < UINT16_MAX)
        request->refusals++;
    if (request->refusal)
        florin__v1__reply__free_unpacked(request->refusal, NULL);
    request->refusal = refusal;
    request->doubtful |= refusal->status == FLORIN__V1__STATUS__STATUS_EXPIRED ||
                         refusal->status == FLORIN__V1__STATUS__STATUS_UNAVAILABLE;
    move_on(self, request, refusal->status, now);
    set_state(self, request, PAUSED);
    if (self->refusals_end || now + pause_ms >= request->deadline_ms)
        give_up(self, request);
    else
        set_wake(self, request, now + pause_ms);
}

/* What is held back has the answer that it would get. Later than submit, which calls nobody back;
 * what a callback submits and is held back again has it in the next turn. */
static void refuse_held(florin_client_t *self, uint64_t now)
{
    request_t *last = TAILQ_LAST(&self->lists[HELD], request_list);
    for (request_t *request = NULL; last && request != last;) {
        Florin__V1__Reply *refusal = busy_reply();
        if (!refusal) /* no memory: it stays for the next turn, or until its deadline */
            return;
        request = TAILQ_FIRST(&self->lists[HELD]);
        pause_after(self, request, refusal, now);
    }
}

/* The request that an answer belongs to; NULL for one that has ended, or never was. */
static request_t *find(florin_client_t *self, florin_answer_t *answer)
{
    size_t index = answer->correlation >> 16 & UINT16_MAX;
    if (index >= self->in_flight_max)
        return NULL;
    request_t *request = &self->requests[index];
    size_t service_bytes = zmq_msg_size(&answer->service);
    if (request->state == FREE || request->tries == 0 ||
        request->serial != answer->correlation >> 32 || service_bytes != strlen(request->service) ||
        memcmp(zmq_msg_data(&answer->service), request->service, service_bytes) != 0)
        return NULL;
    return request;
}

static void take_answer(florin_client_t *self, florin_answer_t *answer, uint64_t now)
{
    request_t *request = find(self, answer);
    if (!request)
        return;
    Florin__V1__Reply *reply =
        florin__v1__reply__unpack(NULL, zmq_msg_size(&answer->body), zmq_msg_data(&answer->body));
    if (!reply) {
        florin_error_t error;
        (void)florin_error_set(&error, FLORIN_ERROR_INVALID,
                               "service %s answered with what is no florin.v1.Reply: is another "
                               "program registered under that name?",
                               request->service);
        finish(self, request, NULL, &error);
        return;
    }
    if (request->throttle)
        florin_throttle_answered(request->throttle,
                                 reply->status == FLORIN__V1__STATUS__STATUS_BUSY, now);
    if (!passing(reply->status)) {
        finish_reply(self, request, reply);
    } else if (request->state == SENT && request->tries == (answer->correlation & UINT16_MAX)) {
        pause_after(self, request, reply, now);
    } else {
        florin__v1__reply__free_unpacked(reply, NULL); /* the refusal of a try given up before */
    }
}

/* ----------------------------------------------------------------------------- making and ending
 */

static int watch_descriptor(florin_client_t *self, void *socket)
{
    struct epoll_event event = {.events = EPOLLIN};
    size_t bytes = sizeof event.data.fd;
    if (zmq_getsockopt(socket, ZMQ_FD, &event.data.fd, &bytes) != 0)
        return -1;
    return epoll_ctl(self->epoll, EPOLL_CTL_ADD, event.data.fd, &event);
}

static int connect_brokers(florin_client_t *self, const florin_client_options_t *options,
                           const florin_connection_keys_t *keys, florin_error_t *error)
{
    for (size_t i = 0; i < options->brokers_count; i++) {
        int rc = florin_connection_new(self->context, options->brokers[i], options->silence_ms,
                                       keys, &self->connections[i], error);
        if (rc != 0)
            return rc;
        self->connections_count++;
        if (watch_descriptor(self, florin_connection_socket(self->connections[i])) != 0 ||
            watch_descriptor(self, florin_connection_monitor(self->connections[i])) != 0)
            return florin_error_set(error, FLORIN_ERROR_SYSTEM, "broker %s: cannot watch it: %s",
                                    options->brokers[i], strerror(errno));
    }
    return 0;
}

static int connect_with_keys(florin_client_t *self, const florin_client_options_t *options,
                             florin_error_t *error)
{
    if (!options->broker_key_path && !options->key_path)
        return connect_brokers(self, options, NULL, error);
    if (!options->broker_key_path || !options->key_path)
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "broker_key and key go together: one is set, the other is not");
    char broker_key[41];
    int rc = florin_keys_load_public(options->broker_key_path, broker_key, error);
    if (rc != 0)
        return rc;
    zcert_t *cert = NULL;
    rc = florin_keys_load(options->key_path, &cert, error);
    if (rc != 0)
        return rc;
    florin_connection_keys_t keys = {cert, broker_key};
    rc = connect_brokers(self, options, &keys, error);
    zcert_destroy(&cert);
    return rc;
}

static int set_up(florin_client_t *self, florin_error_t *error)
{
    for (size_t i = 0; i < STATES; i++)
        TAILQ_INIT(&self->lists[i]);
    self->requests = calloc(self->in_flight_max, sizeof *self->requests);
    if (!self->requests)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for %u requests",
                                self->in_flight_max);
    for (size_t i = 0; i < self->in_flight_max; i++)
        TAILQ_INSERT_TAIL(&self->lists[FREE], &self->requests[i], link);
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!self->context_shared)
        self->context = zmq_ctx_new();
    if (self->epoll < 0 || !self->context || sodium_init() < 0)
        return florin_error_set(error, FLORIN_ERROR_SYSTEM, "cannot set up a client: %s",
                                strerror(errno));
    return 0;
}

static int check_options(const florin_client_options_t *options, florin_error_t *error)
{
    if (options->brokers_count == 0 || options->brokers_count > FLORIN_BROKERS_MAX)
        return florin_error_set(error, FLORIN_ERROR_CONFIG, "%zu brokers are set: 1 to %d may be",
                                options->brokers_count, FLORIN_BROKERS_MAX);
    if (options->in_flight_max > IN_FLIGHT_MAX)
        return florin_error_set(error, FLORIN_ERROR_CONFIG, "in_flight_max: at most %d",
                                IN_FLIGHT_MAX);
    if (options->silence_ms > INT32_MAX)
        return florin_error_set(error, FLORIN_ERROR_CONFIG, "silence_ms: at most %d", INT32_MAX);
    return 0;
}

int florin_client_new(const florin_client_options_t *options, florin_client_t **client,
                      florin_error_t *error)
{
    *client = NULL;
    int rc = check_options(options, error);
    if (rc != 0)
        return rc;
    florin_client_t *self = calloc(1, sizeof *self);
    if (!self)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for a client");
    self->epoll = -1;
    self->wake_ms = UINT64_MAX;
    self->current_since_ms = florin_clock_ms();
    self->timeout_ms = options->timeout_ms ? options->timeout_ms : TIMEOUT_MS;
    self->try_timeout_ms = options->try_timeout_ms ? options->try_timeout_ms : TRY_TIMEOUT_MS;
    self->in_flight_max = options->in_flight_max ? options->in_flight_max : IN_FLIGHT;
    self->refusals_end = options->refusals_end;
    self->context = options->zmq_context;
    self->context_shared = options->zmq_context != NULL;
    rc = set_up(self, error);
    if (rc == 0)
        rc = connect_with_keys(self, options, error);
    if (rc != 0)
        florin_client_destroy(&self);
    *client = self;
    return rc;
}

void florin_client_destroy(florin_client_t **self_p)
{
    florin_client_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    self->closing = true;
    for (size_t i = 0; self->requests && i < self->in_flight_max; i++) {
        if (self->requests[i].state == FREE)
            continue;
        florin_error_t error;
        (void)florin_error_set(&error, FLORIN_ERROR_UNAVAILABLE,
                               "the client was closed before service %s answered",
                               self->requests[i].service);
        finish(self, &self->requests[i], NULL, &error);
    }
    for (size_t i = 0; i < FLORIN_BROKERS_MAX; i++)
        florin_connection_destroy(&self->connections[i]);
    if (self->epoll >= 0)
        (void)close(self->epoll);
    if (self->context && !self->context_shared)
        (void)zmq_ctx_term(self->context);
    free(self->requests);
    free(self);
}

/* ------------------------------------------------------------------------------------- using it */

/* Packs into a ZeroMQ message, whose content every try shares. */
static int pack(const Florin__V1__Request *request, zmq_msg_t *body, florin_error_t *error)
{
    size_t bytes = florin__v1__request__get_packed_size(request);
    if (bytes > FLORIN_BODY_BYTES_MAX)
        return florin_error_set(error, FLORIN_ERROR_TOO_LARGE,
                                "the request has %zu bytes, at most %u may be sent: split it",
                                bytes, FLORIN_BODY_BYTES_MAX);
    if (zmq_msg_init_size(body, bytes) != 0)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for a request of %zu bytes",
                                bytes);
    (void)florin__v1__request__pack(request, zmq_msg_data(body));
    return 0;
}

/* The first services that are asked have one each; NULL for the others. */
static florin_throttle_t *throttle_of(florin_client_t *self, const char *service)
{
    for (size_t i = 0; i < self->services_count; i++)
        if (strcmp(self->services[i].name, service) == 0)
            return &self->services[i].throttle;
    if (self->services_count == THROTTLES_MAX)
        return NULL;
    service_t *added = &self->services[self->services_count++];
    (void)snprintf(added->name, sizeof added->name, "%s", service);
    return &added->throttle;
}

static int submit(florin_client_t *self, const char *service, const Florin__V1__Request *message,
                  const request_t *ending, florin_error_t *error)
{
    size_t service_bytes = strlen(service);
    if (!florin_mdp_service_valid((florin_slice_t){(const uint8_t *)service, service_bytes}))
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "a service's name is 1 to 255 printable characters");
    if (self->closing)
        return florin_error_set(error, FLORIN_ERROR_UNAVAILABLE, "the client is being closed");
    request_t *request = TAILQ_FIRST(&self->lists[FREE]);
    if (!request)
        return florin_error_set(error, FLORIN_ERROR_UNAVAILABLE,
                                "%u requests are under way, as many as may be: wait for one",
                                self->in_flight_max);
    int rc = pack(message, &request->body, error);
    if (rc != 0)
        return rc;
    uint64_t now = florin_clock_ms();
    memcpy(request->service, service, service_bytes + 1);
    request->throttle = throttle_of(self, service);
    request->serial = self->serial++;
    request->tries = 0;
    request->refusals = 0;
    request->doubtful = false;
    request->patience_ms = self->try_timeout_ms;
    request->deadline_ms = now + self->timeout_ms;
    request->outcome = ending->outcome;
    request->fn = ending->fn;
    request->arg = ending->arg;
    self->under_way++;
    send_again(self, request, now);
    send_waiting(self, now);
    return 0;
}

int florin_client_submit(florin_client_t *self, const char *service,
                         const Florin__V1__Request *request, florin_client_reply_fn *fn, void *arg,
                         florin_error_t *error)
{
    request_t ending = {.fn = fn, .arg = arg};
    return submit(self, service, request, &ending, error);
}

int florin_client_call(florin_client_t *self, const char *service,
                       const Florin__V1__Request *request, Florin__V1__Reply **reply,
                       florin_error_t *error)
{
    *reply = NULL;
    outcome_t outcome = {.error = error};
    request_t ending = {.outcome = &outcome};
    int rc = submit(self, service, request, &ending, error);
    if (rc != 0)
        return rc;
    while (!outcome.done) /* ends: the request has a deadline */
        (void)florin_client_process(self, self->timeout_ms);
    *reply = outcome.reply;
    return outcome.rc;
}

static void wait_for_events(florin_client_t *self, uint32_t timeout_ms)
{
    if (timeout_ms == 0) /* receiving finds out by itself, with fewer system calls */
        return;
    if (!TAILQ_EMPTY(&self->lists[HELD]))
        timeout_ms = HELD_MS;
    zmq_pollitem_t items[2 * FLORIN_BROKERS_MAX];
    for (size_t i = 0; i < self->connections_count; i++) {
        items[2 * i] = (zmq_pollitem_t){.socket = florin_connection_socket(self->connections[i]),
                                        .events = ZMQ_POLLIN};
        items[2 * i + 1] = (zmq_pollitem_t){
            .socket = florin_connection_monitor(self->connections[i]), .events = ZMQ_POLLIN};
    }
    if (!TAILQ_EMPTY(&self->lists[WAITING]))
        items[2 * self->current].events |= ZMQ_POLLOUT;
    uint64_t now = florin_clock_ms();
    uint64_t wait_ms = self->wake_ms > now ? self->wake_ms - now : 0;
    if (wait_ms > timeout_ms)
        wait_ms = timeout_ms;
    /* An interrupted wait is as good as one that ended. */
    (void)zmq_poll(items, (int)(2 * self->connections_count), (long)wait_ms);
}

size_t florin_client_process(florin_client_t *self, uint32_t timeout_ms)
{
    wait_for_events(self, timeout_ms);
    uint64_t now = florin_clock_ms();
    for (size_t i = 0; i < self->connections_count; i++) {
        florin_answer_t answer;
        /* Bounded, so that a broker that never stops talking holds nobody here. */
        for (size_t n = 0; n < self->in_flight_max; n++) {
            if (!florin_connection_receive(self->connections[i], &answer))
                break;
            take_answer(self, &answer, now);
            florin_answer_close(&answer);
        }
        if (florin_connection_watch(self->connections[i]))
            lose(self, i, now);
    }
    refuse_held(self, now);
    run_timers(self, now);
    send_waiting(self, now);
    return self->under_way;
}

int florin_client_fd(const florin_client_t *self)
{
    return self->epoll;
}
