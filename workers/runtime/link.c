#include "workers/runtime/link.h"

#include <sodium.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mdp.h"

/* Heartbeats missed before a broker counts as gone; and the least time that a broker which was not
 * heard yet gets to shake hands. */
#define MISSES_MAX       3
#define FIRST_SIGN_MS    2000u
#define BACKOFF_FIRST_MS 100u
#define BACKOFF_MAX_MS   3000u
#define LINGER_MS        1000
#define SPARE_MESSAGES   64

void florin_link_init(florin_link_t *self, const florin_link_options_t *options,
                      const char *endpoint, size_t index)
{
    *self = (florin_link_t){
        .options = options, .endpoint = endpoint, .index = index, .backoff_ms = BACKOFF_FIRST_MS};
}

static void drop_socket(florin_link_t *self, int linger_ms)
{
    zmq_setsockopt(self->socket, ZMQ_LINGER, &linger_ms, sizeof(linger_ms));
    zmq_close(self->socket);
    self->socket = NULL;
}

void florin_link_close(florin_link_t *self)
{
    if (self->socket)
        drop_socket(self, LINGER_MS);
}

/* Gives the session up: a later one starts after a pause of half to whole back-off, so that the
 * workers of a broker that restarts don't come back all at once. */
static void give_up(florin_link_t *self, uint64_t now_ms, const char *why)
{
    florin_log_level_t level = FLORIN_LOG_DEBUG;
    if (self->confirmed || self->session == 1)
        level = FLORIN_LOG_WARN;
    if (self->socket)
        drop_socket(self, 0);
    unsigned pause_ms = self->backoff_ms / 2 + randombytes_uniform(self->backoff_ms / 2 + 1);
    florin_log(level, "broker_lost",
               "broker %s: %s; session %llu is over after %llu ms, next try in %u ms",
               self->endpoint, why, (unsigned long long)self->session,
               (unsigned long long)(now_ms - self->opened_ms), pause_ms);
    self->confirmed = false;
    self->retry_ms = now_ms + pause_ms;
    self->backoff_ms =
        self->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : self->backoff_ms * 2;
}

static bool send_bytes(florin_link_t *self, const void *data, size_t size, int flags)
{
    return zmq_send(self->socket, data, size, flags | ZMQ_DONTWAIT) >= 0;
}

/* The frames that every message of a worker begins with. */
static bool send_header(florin_link_t *self, florin_mdp_command_t command, int flags)
{
    const uint8_t byte = (uint8_t)command;
    return send_bytes(self, "", 0, ZMQ_SNDMORE) &&
           send_bytes(self, FLORIN_MDP_WORKER, FLORIN_MDP_HEADER_BYTES, ZMQ_SNDMORE) &&
           send_bytes(self, &byte, 1, flags);
}

static bool set_options(const florin_link_options_t *options, void *socket)
{
    const int64_t frame_bytes_max = FLORIN_FRAME_BYTES_MAX;
    const int messages_max = (int)options->credit * 2 + SPARE_MESSAGES;
    if (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_bytes_max, sizeof(frame_bytes_max)) ||
        zmq_setsockopt(socket, ZMQ_SNDHWM, &messages_max, sizeof(messages_max)) ||
        zmq_setsockopt(socket, ZMQ_RCVHWM, &messages_max, sizeof(messages_max)))
        return false;
    if (!options->cert)
        return true;
    return zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, zcert_public_key(options->cert), 32) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, zcert_secret_key(options->cert), 32) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, options->broker_key, 41) == 0;
}

static void open_session(florin_link_t *self, uint64_t now_ms)
{
    const florin_link_options_t *options = self->options;
    self->session++;
    self->packs = false;
    self->pack_bytes = 0;
    self->opened_ms = self->heard_ms = self->beat_ms = now_ms;
    self->socket = zmq_socket(options->zmq, ZMQ_DEALER);
    if (!self->socket || !set_options(options, self->socket) ||
        zmq_connect(self->socket, self->endpoint) ||
        !send_header(self, FLORIN_MDP_READY, ZMQ_SNDMORE) ||
        !send_bytes(self, options->service, strlen(options->service), ZMQ_SNDMORE) ||
        !send_bytes(self, options->hello, options->hello_bytes, 0))
        give_up(self, now_ms, zmq_strerror(zmq_errno()));
}

static unsigned silence_max_ms(const florin_link_t *self)
{
    unsigned silence_ms = self->options->heartbeat_ms * MISSES_MAX;
    return !self->confirmed && silence_ms < FIRST_SIGN_MS ? FIRST_SIGN_MS : silence_ms;
}

/* Sends a heartbeat when it is time (one that finds no room is one too many); returns when the next
 * is due. */
static uint64_t beat(florin_link_t *self, uint64_t now_ms)
{
    if (now_ms - self->beat_ms >= self->options->heartbeat_ms) {
        send_header(self, FLORIN_MDP_HEARTBEAT, 0);
        self->beat_ms = now_ms;
    }
    return self->beat_ms + self->options->heartbeat_ms;
}

/* A broker may fall silent to a worker that leaves: the socket stays for the last replies. */
static uint64_t turn_draining(florin_link_t *self, uint64_t now_ms)
{
    return self->socket ? beat(self, now_ms) : UINT64_MAX;
}

uint64_t florin_link_turn(florin_link_t *self, uint64_t now_ms)
{
    if (self->draining)
        return turn_draining(self, now_ms);
    if (!self->socket && now_ms >= self->retry_ms)
        open_session(self, now_ms);
    if (self->socket && now_ms - self->heard_ms >= silence_max_ms(self))
        give_up(self, now_ms,
                self->confirmed ? "fell silent" : "no answer: is it up, and does it know our key?");
    if (!self->socket)
        return self->retry_ms;
    uint64_t beat_ms = beat(self, now_ms);
    uint64_t silent_ms = self->heard_ms + silence_max_ms(self);
    return beat_ms < silent_ms ? beat_ms : silent_ms;
}

/* Any sign of life but DISCONNECT: a broker that answers each READY so must not make us hurry. */
static void confirm(florin_link_t *self)
{
    if (self->confirmed)
        return;
    self->confirmed = true;
    self->backoff_ms = BACKOFF_FIRST_MS;
    florin_log(FLORIN_LOG_INFO, "broker_connected", "broker %s: session %llu, credit %u",
               self->endpoint, (unsigned long long)self->session, self->options->credit);
}

/* Receives all frames of one message; those past the bound are thrown away, and count too. `frames`
 * has one place more than the bound, for those. */
static size_t receive_frames(void *socket, zmq_msg_t *frames)
{
    size_t count = 0;
    bool more = true;
    for (; more; count++) {
        size_t place = count < FLORIN_MDP_FRAMES_MAX ? count : FLORIN_MDP_FRAMES_MAX;
        zmq_msg_t *frame = &frames[place];
        zmq_msg_init(frame);
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(frame);
            break;
        }
        more = zmq_msg_more(frame);
        if (place == FLORIN_MDP_FRAMES_MAX)
            zmq_msg_close(frame);
    }
    return count;
}

/* Without memory there is no job: the broker asks another worker when this one's time is up. */
static void add_job(const florin_link_t *self, florin_job_t *job, size_t body_frames,
                    uint64_t now_ms, florin_jobs_t *jobs)
{
    if (!job)
        return;
    job->link = self->index;
    job->session = self->session;
    job->arrived_ms = now_ms;
    job->body_frames = body_frames;
    florin_jobs_add(jobs, job);
}

/* What follows a part that is cut off is not read. */
static void add_packed(const florin_link_t *self, zmq_msg_t *frame, florin_slice_t pack,
                       uint64_t now_ms, florin_jobs_t *jobs)
{
    florin_slice_t token, context, body;
    while (florin_mdp_part_take(&pack, &token) && florin_mdp_part_take(&pack, &context) &&
           florin_mdp_part_take(&pack, &body))
        add_job(self, florin_job_new_packed(frame, token, context, body), 1, now_ms, jobs);
}

static void take_requests(florin_link_t *self, zmq_msg_t *frames,
                          const florin_mdp_worker_request_t *request, uint64_t now_ms,
                          florin_jobs_t *jobs)
{
    size_t body = request->body;
    self->heard_ms = now_ms;
    confirm(self);
    if (request->command == FLORIN_MDP_REQUESTS) {
        self->packs = true;
        add_packed(self, &frames[3], request->pack, now_ms, jobs);
    } else if (request->command == FLORIN_MDP_REQUEST) {
        /* The token is two frames, an empty one and the context ahead of the body. */
        add_job(self, florin_job_new(&frames[body - 3], &frames[body - 1], &frames[body]),
                request->body_count, now_ms, jobs);
    }
}

bool florin_link_receive(florin_link_t *self, uint64_t now_ms, florin_jobs_t *jobs)
{
    zmq_msg_t frames[FLORIN_MDP_FRAMES_MAX + 1];
    florin_slice_t slices[FLORIN_MDP_FRAMES_MAX];
    size_t count = self->socket ? receive_frames(self->socket, frames) : 0;
    if (count == 0)
        return false;
    size_t kept = count < FLORIN_MDP_FRAMES_MAX ? count : FLORIN_MDP_FRAMES_MAX;
    for (size_t i = 0; i < kept; i++)
        slices[i] = (florin_slice_t){zmq_msg_data(&frames[i]), zmq_msg_size(&frames[i])};

    florin_mdp_worker_request_t request;
    if (count > kept || florin_mdp_worker_request_parse(slices, kept, true, &request)) {
        florin_log(FLORIN_LOG_DEBUG, "malformed", "broker %s: %zu frames that are no message",
                   self->endpoint, count);
    } else if (request.command == FLORIN_MDP_DISCONNECT) {
        if (!self->draining)
            give_up(self, now_ms, "said DISCONNECT");
    } else {
        take_requests(self, frames, &request, now_ms, jobs);
    }
    for (size_t i = 0; i < kept; i++)
        zmq_msg_close(&frames[i]);
    return true;
}

static void send_reply(florin_link_t *self, florin_job_t *job, uint64_t now_ms)
{
    if (!send_header(self, FLORIN_MDP_REPLY, ZMQ_SNDMORE) ||
        !send_bytes(self, job->token.data, job->token.size, ZMQ_SNDMORE) ||
        !send_bytes(self, "", 0, ZMQ_SNDMORE) ||
        zmq_msg_send(&job->reply, self->socket, ZMQ_DONTWAIT) < 0)
        give_up(self, now_ms, zmq_strerror(zmq_errno()));
}

void florin_link_reply(florin_link_t *self, florin_job_t *job, uint64_t now_ms)
{
    if (!self->socket || self->session != job->session)
        return;
    const florin_slice_t body = {zmq_msg_data(&job->reply), zmq_msg_size(&job->reply)};
    size_t bytes = FLORIN_MDP_PART_BYTES(job->token.size) + FLORIN_MDP_PART_BYTES(body.size);
    if (!self->packs || body.size > FLORIN_PACK_BODY_BYTES_MAX) {
        send_reply(self, job, now_ms);
        return;
    }
    if (bytes > sizeof(self->pack) - self->pack_bytes)
        florin_link_flush(self, now_ms);
    florin_mdp_part_put(self->pack, &self->pack_bytes, job->token);
    florin_mdp_part_put(self->pack, &self->pack_bytes, body);
}

void florin_link_flush(florin_link_t *self, uint64_t now_ms)
{
    size_t bytes = self->pack_bytes;
    self->pack_bytes = 0;
    if (bytes > 0 && self->socket &&
        (!send_header(self, FLORIN_MDP_REPLIES, ZMQ_SNDMORE) ||
         !send_bytes(self, self->pack, bytes, 0)))
        give_up(self, now_ms, zmq_strerror(zmq_errno()));
}

void florin_link_drain(florin_link_t *self)
{
    self->draining = true;
    if (self->socket)
        send_header(self, FLORIN_MDP_DISCONNECT, 0);
}

void florin_link_return(florin_link_t *self, uint64_t now_ms)
{
    florin_link_close(self);
    self->draining = self->confirmed = false;
    self->retry_ms = now_ms;
}
