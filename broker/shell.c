#include "broker/shell.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "broker/answers.h"
#include "broker/listen.h"
#include "broker/metrics.h"
#include "broker/packs.h"
#include "broker/zap.h"
#include "lib/clock.h"

#define READS_MAX         256  /* messages from one socket in one turn of the loop */
#define CROWDED_PAUSE_MS  50   /* how long clients are not read at most when a pool is crowded */
#define CROWDED_REST_MS   1000 /* from one such pause to the next */
#define DROPS_LOG_REST_MS 1000
#define DRAIN_MS          5000 /* what was taken in may take so long when the broker is to end */
/* Lines a second about workers that come and go; one that does so in a loop must not fill a disk.
 */
#define LOG_LINES_MAX     100
#define LAST_LINGER_MS    500
#define CONTEXT_BYTES_MAX 256
#define RANDOM_BYTES      4096
#define WORKER_FRAMES_MAX 6
#define HEAD_BYTES_MAX    2048 /* a client's frames ahead of the body: ids and a service */
#define IO_THREADS        2    /* libzmq's: they encrypt, which costs more than all the rest */

struct florin_shell {
    void *context;
    void *clients;
    void *workers;
    florin_zap_t *zap;
    florin_core_t *core;
    florin_broker_metrics_t *metrics; /* NULL when nobody reads them */
    uint64_t now_ms;                  /* read once per turn */
    uint64_t crowded_since_ms;        /* when the last such pause began */
    uint64_t drain_ms;                /* when it ends at the latest; 0: it is not to end */
    uint64_t drops_logged_ms;
    florin_core_counters_t drops_logged;
    uint64_t log_second; /* of the core's lines that are counted */
    uint32_t log_lines;
    size_t random_left;
    uint8_t random[RANDOM_BYTES]; /* a stock, for the kernel is slow to ask */
    florin_message_t message;     /* the one that is being handled */
    florin_packs_t *packs;        /* requests that are sent at the end of the turn */
};

/* A worker's reply on its way to a client: frames to move on, or bytes out of a pack. */
typedef struct {
    zmq_msg_t *frames;
    size_t count;
    florin_slice_t bytes;
} reply_t;

/* ------------------------------------------------------------------ what the core asks for */

static void lose_worker(void *arg, florin_slice_t worker)
{
    florin_shell_t *self = arg;
    florin_core_worker_lost(self->core, worker, self->now_ms);
}

/* What is small enough goes into a pack. False for what has to go by itself. */
static bool pack_request(florin_shell_t *self, const florin_core_dispatch_t *dispatch)
{
    uint8_t packed[CONTEXT_BYTES_MAX];
    florin_envelope_t *envelope = dispatch->body;
    zmq_msg_t *frame = &envelope->frames[envelope->body];
    const florin_slice_t body = {zmq_msg_data(frame), zmq_msg_size(frame)};
    const florin_slice_t token = {(const uint8_t *)dispatch->token, strlen(dispatch->token)};
    if (!dispatch->packs || envelope->count != envelope->body + 1 ||
        body.size > FLORIN_PACK_BODY_BYTES_MAX)
        return false;
    const florin_slice_t context = {packed, florin_answer_context(dispatch, packed, sizeof packed)};
    return florin_packs_add(self->packs, dispatch->worker, token, context, body);
}

/* The token ahead of an empty frame, the context for a worker that said hello, the body. */
static florin_core_sent_t send_request(void *arg, const florin_core_dispatch_t *dispatch)
{
    florin_shell_t *self = arg;
    static const uint8_t command = FLORIN_MDP_REQUEST;
    if (pack_request(self, dispatch))
        return FLORIN_SENT;
    uint8_t packed[CONTEXT_BYTES_MAX];
    florin_frame_t frames[WORKER_FRAMES_MAX] = {
        {"", 0},
        {FLORIN_MDP_WORKER, FLORIN_MDP_HEADER_BYTES},
        {&command, sizeof command},
        {dispatch->token, strlen(dispatch->token)},
        {"", 0},
    };
    size_t count = 5;
    if (dispatch->hello)
        frames[count++] =
            (florin_frame_t){packed, florin_answer_context(dispatch, packed, sizeof packed)};
    florin_core_sent_t sent =
        florin_message_send(self->workers, dispatch->worker, frames, count, true);
    if (sent == FLORIN_SENT)
        florin_envelope_send_body(dispatch->body, self->workers);
    return sent;
}

static florin_core_sent_t send_command(florin_shell_t *self, florin_slice_t worker, uint8_t command)
{
    const florin_frame_t frames[] = {
        {"", 0},
        {FLORIN_MDP_WORKER, FLORIN_MDP_HEADER_BYTES},
        {&command, sizeof command},
    };
    return florin_message_send(self->workers, worker, frames, sizeof frames / sizeof frames[0],
                               false);
}

static florin_core_sent_t send_heartbeat(void *arg, florin_slice_t worker)
{
    return send_command(arg, worker, FLORIN_MDP_HEARTBEAT);
}

static void send_disconnect(void *arg, florin_slice_t worker)
{
    (void)send_command(arg, worker, FLORIN_MDP_DISCONNECT);
}

/* Opens the reply to a client. One who is gone or does not read loses it, and is counted: it asks
 * again with the same ids, and the broker keeps nothing for those who may never come. */
static bool open_reply(florin_shell_t *self, florin_envelope_t *envelope)
{
    if (florin_envelope_open_reply(envelope, self->clients))
        return true;
    florin_core_counters(self->core)->replies_undelivered++;
    return false;
}

static void answer_bytes(florin_shell_t *self, florin_envelope_t *envelope, const uint8_t *bytes,
                         size_t count)
{
    if (open_reply(self, envelope))
        (void)zmq_send(self->clients, bytes != NULL ? bytes : (const uint8_t *)"",
                       bytes != NULL ? count : 0, ZMQ_DONTWAIT);
}

static void pass_reply(void *arg, void *body, void *reply_p)
{
    florin_shell_t *self = arg;
    const reply_t *reply = reply_p;
    if (reply->count == 0) /* clients expect a body, be it empty */
        answer_bytes(self, body, reply->bytes.data, reply->bytes.size);
    else if (open_reply(self, body))
        (void)florin_message_move(self->clients, reply->frames, reply->count, false);
}

static void refuse(void *arg, void *body, Florin__V1__Status status, const char *message)
{
    size_t bytes = 0;
    uint8_t *answer = florin_answer_refusal(status, message, &bytes);
    answer_bytes(arg, body, answer, bytes);
    free(answer);
}

static void release(void *arg, void *body)
{
    (void)arg;
    florin_envelope_t *envelope = body;
    florin_envelope_destroy(&envelope);
}

static void random_bytes(void *arg, void *bytes, size_t count)
{
    florin_shell_t *self = arg;
    if (self->random_left < count) {
        randombytes_buf(self->random, sizeof self->random);
        self->random_left = sizeof self->random;
    }
    self->random_left -= count;
    memcpy(bytes, self->random + self->random_left, count);
    sodium_memzero(self->random + self->random_left, count);
}

static void log_line(void *arg, florin_log_level_t level, const char *action, const char *message)
{
    florin_shell_t *self = arg;
    uint64_t second = self->now_ms / 1000;
    if (second != self->log_second) {
        if (self->log_lines > LOG_LINES_MAX)
            florin_log(FLORIN_LOG_WARN, "lines_left_out", "%u lines about workers were left out",
                       self->log_lines - LOG_LINES_MAX);
        self->log_second = second;
        self->log_lines = 0;
    }
    if (self->log_lines++ < LOG_LINES_MAX)
        florin_log(level, action, "%s", message);
}

/* ------------------------------------------------------------------- what comes from peers */

/* Who sent it; the routing id's frame is libzmq's own and does not know. */
static const char *user_id(zmq_msg_t *frame)
{
    const char *name = zmq_msg_gets(frame, "User-Id");
    return name != NULL ? name : "";
}

static void malformed(florin_shell_t *self)
{
    florin_core_counters(self->core)->malformed++;
}

static void take_request(florin_shell_t *self, const florin_mdp_client_request_t *request,
                         bool too_large)
{
    florin_slice_t service = request->service;
    florin_slice_t body = self->message.slices[request->body];
    /* The slices point into the frames, and small frames hold their bytes themselves: take them
     * again from where the frames have gone. */
    florin_envelope_t *envelope = florin_envelope_new(&self->message, request->body);
    if (envelope == NULL) { /* no memory, not even to say so */
        florin_core_counters(self->core)->replies_undelivered++;
        return;
    }
    service.data = zmq_msg_data(&envelope->frames[request->body - 1]);
    body.data = zmq_msg_data(&envelope->frames[request->body]);
    uint8_t *answer = NULL;
    size_t bytes = 0;
    if (too_large) {
        refuse(self, envelope, FLORIN__V1__STATUS__STATUS_TOO_LARGE,
               "the request is larger than the 4 MiB that one may have: split it");
    } else if (florin_answer_own(self->core, service, body, self->now_ms, &answer, &bytes)) {
        answer_bytes(self, envelope, answer, bytes);
        free(answer);
    } else {
        const florin_core_request_t taken = {
            .client = {zmq_msg_data(&envelope->frames[0]), zmq_msg_size(&envelope->frames[0])},
            .service = service,
            .principal = user_id(&envelope->frames[request->body]),
            .body = envelope,
            .bytes = request->body_bytes,
        };
        florin_core_request(self->core, &taken, self->now_ms);
        return;
    }
    florin_envelope_destroy(&envelope);
}

/* The head is kept with the body, and pools count only bodies: so it must be small. */
static bool head_is_small(const florin_message_t *message, size_t body)
{
    size_t bytes = 0;
    for (size_t i = 0; i < body; i++)
        bytes += message->slices[i].size;
    return bytes <= HEAD_BYTES_MAX;
}

static void read_client(florin_shell_t *self)
{
    florin_mdp_client_request_t request;
    int rc =
        self->message.too_long
            ? FLORIN_ERROR_INVALID
            : florin_mdp_client_request_parse(self->message.slices, self->message.count, &request);
    if ((rc == FLORIN_OK || rc == FLORIN_ERROR_TOO_LARGE) &&
        head_is_small(&self->message, request.body))
        take_request(self, &request, rc == FLORIN_ERROR_TOO_LARGE);
    else
        malformed(self);
}

static void worker_ready(florin_shell_t *self, florin_slice_t worker,
                         const florin_mdp_worker_msg_t *msg)
{
    const char *principal = user_id(&self->message.frames[self->message.count - 1]);
    if (msg->hello.data == NULL) {
        florin_core_worker_ready(self->core, worker, msg->service, NULL, principal, self->now_ms);
        return;
    }
    Florin__V1__WorkerHello *hello =
        florin__v1__worker_hello__unpack(NULL, msg->hello.size, msg->hello.data);
    if (hello == NULL) {
        malformed(self);
        florin_core_worker_refuse(self->core, worker, "said a hello that is none", self->now_ms);
        return;
    }
    const florin_core_hello_t said = {.credit = hello->credit,
                                      .weight = hello->weight,
                                      .packs = hello->packs,
                                      .instance = hello->instance,
                                      .version = hello->version};
    florin_core_worker_ready(self->core, worker, msg->service, &said, principal, self->now_ms);
    florin__v1__worker_hello__free_unpacked(hello, NULL);
}

static void worker_reply(florin_shell_t *self, florin_slice_t worker,
                         const florin_mdp_worker_msg_t *msg)
{
    reply_t reply = {.frames = &self->message.frames[msg->body], .count = msg->body_count};
    florin_core_worker_reply(self->core, worker, msg->token, &reply, self->now_ms);
}

/* A pack that is cut off somewhere counts as malformed; what came before that is taken. */
static void worker_replies(florin_shell_t *self, florin_slice_t worker, florin_slice_t pack)
{
    florin_slice_t token;
    reply_t reply = {.count = 0};
    while (pack.size > 0) {
        if (!florin_mdp_part_take(&pack, &token) || !florin_mdp_part_take(&pack, &reply.bytes)) {
            malformed(self);
            return;
        }
        florin_core_worker_reply(self->core, worker, token, &reply, self->now_ms);
    }
}

static void read_worker(florin_shell_t *self)
{
    florin_mdp_worker_msg_t msg;
    florin_slice_t worker = self->message.slices[0];
    if (self->message.too_long ||
        florin_mdp_worker_msg_parse(self->message.slices, self->message.count, &msg) != 0) {
        malformed(self);
        return;
    }
    switch (msg.command) {
    case FLORIN_MDP_READY:
        worker_ready(self, worker, &msg);
        break;
    case FLORIN_MDP_REPLY:
        worker_reply(self, worker, &msg);
        break;
    case FLORIN_MDP_REPLIES:
        worker_replies(self, worker, msg.pack);
        break;
    case FLORIN_MDP_HEARTBEAT:
        florin_core_worker_heartbeat(self->core, worker, self->now_ms);
        break;
    case FLORIN_MDP_DISCONNECT:
        florin_core_worker_disconnect(self->core, worker, self->now_ms);
        break;
    case FLORIN_MDP_REQUEST: /* a broker's words, not a worker's */
    case FLORIN_MDP_REQUESTS:
        malformed(self);
        break;
    }
}

static void read_socket(florin_shell_t *self, void *socket, void (*handle)(florin_shell_t *self))
{
    for (int i = 0; i < READS_MAX && florin_message_receive(socket, &self->message); i++) {
        handle(self);
        florin_message_close(&self->message);
    }
}

/* --------------------------------------------------------------------------------- the loop */

/* Says what was dropped, once a second at most. */
static void log_drops(florin_shell_t *self)
{
    const florin_core_counters_t *now = florin_core_counters(self->core);
    const florin_core_counters_t *then = &self->drops_logged;
    if (self->now_ms - self->drops_logged_ms < DROPS_LOG_REST_MS ||
        memcmp(now, then, sizeof *now) == 0)
        return;
    florin_log(FLORIN_LOG_WARN, "messages_dropped",
               "dropped: %" PRIu64 " malformed messages, %" PRIu64 " late, doubled or forged "
               "replies, %" PRIu64 " replies to clients that are gone or do not read, %" PRIu64
               " words of unregistered workers; refused %" PRIu64 " workers",
               now->malformed - then->malformed, now->replies_dropped - then->replies_dropped,
               now->replies_undelivered - then->replies_undelivered,
               now->strangers - then->strangers, now->workers_refused - then->workers_refused);
    self->drops_logged = *now;
    self->drops_logged_ms = self->now_ms;
}

/* Whether to read clients now. When a pool gets crowded, better let them wait in their sockets a
 * little than refuse them: until there is room again, and not longer than the pause. But not again
 * and again: under lasting overload refusals would wait for the sum of all pauses. */
static bool may_read_clients(florin_shell_t *self)
{
    if (!florin_core_crowded(self->core))
        return true;
    if (self->now_ms - self->crowded_since_ms >= CROWDED_REST_MS)
        self->crowded_since_ms = self->now_ms;
    return self->now_ms - self->crowded_since_ms >= CROWDED_PAUSE_MS;
}

static long wait_ms(florin_shell_t *self, bool paused)
{
    uint64_t until_ms = florin_core_wake_ms(self->core);
    if (florin_broker_metrics_wake_ms(self->metrics) < until_ms)
        until_ms = florin_broker_metrics_wake_ms(self->metrics);
    if (paused && self->crowded_since_ms + CROWDED_PAUSE_MS < until_ms)
        until_ms = self->crowded_since_ms + CROWDED_PAUSE_MS;
    return until_ms > self->now_ms ? (long)(until_ms - self->now_ms) : 0;
}

int florin_shell_run(florin_shell_t *self, int stop_fd, florin_error_t *error)
{
    zmq_pollitem_t items[] = {
        {.fd = stop_fd, .events = ZMQ_POLLIN},
        {.socket = self->workers, .events = ZMQ_POLLIN},
        {.socket = self->clients, .events = ZMQ_POLLIN},
    };
    while (self->drain_ms == 0 ||
           (!florin_core_idle(self->core) && self->now_ms < self->drain_ms)) {
        bool paused = !may_read_clients(self);
        items[2].revents = 0;
        if (zmq_poll(items, paused ? 2 : 3, wait_ms(self, paused)) < 0 && errno != EINTR)
            return florin_error_set(error, FLORIN_ERROR_SYSTEM, "the broker's wait failed: %s",
                                    zmq_strerror(errno));
        self->now_ms = florin_clock_ms();
        if (items[0].revents != 0) {
            items[0] = (zmq_pollitem_t){.fd = stop_fd};
            self->drain_ms = self->now_ms + DRAIN_MS;
            florin_log(FLORIN_LOG_INFO, "drain", "told to end: what was taken in is finished");
            florin_core_drain(self->core);
        }
        /* Workers first: their replies make room for what clients ask. */
        if (items[1].revents != 0)
            read_socket(self, self->workers, read_worker);
        if (items[2].revents != 0)
            read_socket(self, self->clients, read_client);
        if (self->now_ms >= florin_core_wake_ms(self->core))
            florin_core_tick(self->core, self->now_ms);
        florin_packs_send(self->packs, self->workers, lose_worker, self);
        log_drops(self);
        florin_broker_metrics_turn(self->metrics, self->core, self->now_ms);
    }
    florin_core_stop(self->core);
    return FLORIN_OK;
}

/* ------------------------------------------------------------------------- birth and death */

static int start_core(florin_shell_t *self, const florin_broker_settings_t *settings,
                      florin_error_t *error)
{
    const florin_core_out_t out = {
        .arg = self,
        .send_request = send_request,
        .send_heartbeat = send_heartbeat,
        .send_disconnect = send_disconnect,
        .reply = pass_reply,
        .refuse = refuse,
        .release = release,
        .random = random_bytes,
        .log = log_line,
    };
    florin_core_options_t options = settings->core;
    random_bytes(self, &options.seed, sizeof options.seed);
    self->core = florin_core_new(&options, &out, self->now_ms);
    if (self->core == NULL)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for the broker");
    int rc = FLORIN_OK;
    for (size_t i = 0; i < settings->pools_count && rc == FLORIN_OK; i++)
        rc = florin_core_pool_add(self->core, settings->pools[i].service,
                                  &settings->pools[i].options, self->now_ms, error);
    return rc;
}

int florin_shell_new(const florin_broker_settings_t *settings, florin_metrics_t *metrics,
                     florin_shell_t **shell, florin_error_t *error)
{
    *shell = NULL;
    florin_shell_t *self = calloc(1, sizeof *self);
    if (self == NULL || sodium_init() < 0) {
        free(self);
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for the broker");
    }
    self->now_ms = florin_clock_ms();
    self->packs = florin_packs_new();
    self->context = zmq_ctx_new();
    if (self->context != NULL)
        (void)zmq_ctx_set(self->context, ZMQ_IO_THREADS, IO_THREADS);
    int rc = self->context != NULL && self->packs != NULL
                 ? start_core(self, settings, error)
                 : florin_error_set(error, FLORIN_ERROR_MEMORY, "libzmq does not start");
    if (rc == FLORIN_OK && metrics != NULL)
        rc = florin_broker_metrics_new(metrics, &self->metrics, error);
    if (rc == FLORIN_OK)
        rc = florin_zap_new(self->context, settings->client_keys, settings->worker_keys, &self->zap,
                            error);
    if (rc == FLORIN_OK)
        rc = florin_listen(self->context, &settings->clients, FLORIN_ZAP_CLIENTS, settings->key,
                           &self->clients, error);
    if (rc == FLORIN_OK)
        rc = florin_listen(self->context, &settings->workers, FLORIN_ZAP_WORKERS, settings->key,
                           &self->workers, error);
    if (rc == FLORIN_OK)
        *shell = self;
    else
        florin_shell_destroy(&self);
    return rc;
}

static void close_socket(void *socket)
{
    const int linger = LAST_LINGER_MS;
    if (socket == NULL)
        return;
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    (void)zmq_close(socket);
}

void florin_shell_destroy(florin_shell_t **self_p)
{
    florin_shell_t *self = *self_p;
    if (self == NULL)
        return;
    florin_core_destroy(&self->core);
    close_socket(self->clients);
    close_socket(self->workers);
    if (self->context != NULL) {
        (void)zmq_ctx_shutdown(self->context);
        florin_zap_destroy(&self->zap);
        (void)zmq_ctx_term(self->context);
    }
    florin_packs_destroy(&self->packs);
    florin_broker_metrics_destroy(&self->metrics);
    sodium_memzero(self->random, sizeof self->random);
    free(self);
    *self_p = NULL;
}
