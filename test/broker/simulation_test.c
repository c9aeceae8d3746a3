/* The core in a simulated world: clients, workers that crash, stall, drain, lie and lose messages,
 * under a clock of its own, a million seeded steps. What must always hold is checked at each step,
 * both from outside (what the core asked for) and inside (its lists and counts agree).
 *
 * FLORIN_SEED and FLORIN_SIMULATION_STEPS override the seed and the number of steps. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/state.h"

#define STEPS        1000000
#define CLIENTS      12
#define WORKERS      14
#define POOLS        3 /* the last is not configured */
#define MESSAGES_MAX 8192
#define CREDIT_MAX   8
#define JOBS_MAX     64
#define SILENCE_MS   200 /* of the broker, until a worker comes again */

static const char *const services[POOLS] = {"alpha", "beta", "gamma"};

/* A request as its client sees it. */
typedef struct body {
    uint64_t id;
    unsigned client;
    unsigned pool;
    uint64_t expires_ms;
    int answers;
    char token[TOKEN_BYTES + 1]; /* the last it was sent with */
    char client_name[16];
    TAILQ_ENTRY(body) open;
} body_t;

TAILQ_HEAD(body_list, body);

typedef enum { READY, REPLY, HEARTBEAT, DISCONNECT, BROKER_REQUEST, BROKER_DISCONNECT } kind_t;

/* A message under way between a worker and the broker. */
typedef struct {
    kind_t kind;
    uint64_t due_ms;
    unsigned worker;
    unsigned life; /* of the worker, when it was sent */
    uint64_t body_id;
    bool forged;
    char token[TOKEN_BYTES + 1];
} message_t;

typedef struct {
    uint64_t done_ms;
    uint64_t body_id;
    char token[TOKEN_BYTES + 1];
} job_t;

typedef struct {
    unsigned life; /* 0: not begun; each restart is a new routing id */
    bool connected;
    bool hello;
    bool draining;
    bool said_goodbye; /* and the broker heard it */
    unsigned pool;
    uint32_t credit;
    uint64_t stalled_until_ms;
    uint64_t heartbeat_at_ms;
    uint64_t heard_ms; /* the broker's last word */
    size_t jobs_count;
    job_t jobs[JOBS_MAX];
    size_t owed_count; /* what the broker counts on it for: never above its credit */
    char owed[CREDIT_MAX][TOKEN_BYTES + 1];
    char name[32];
} sim_worker_t;

typedef struct {
    uint64_t seed;
    uint64_t random_state;
    uint64_t now_ms;
    uint64_t step;
    florin_core_t *core;
    florin_pool_options_t options[POOLS];
    sim_worker_t workers[WORKERS];
    size_t messages_count;
    message_t messages[MESSAGES_MAX];
    struct body_list open[POOLS];
    uint64_t bodies_made;
    uint64_t bodies_live;
    uint64_t replies;
    uint64_t refusals[16]; /* by status */
    uint64_t redispatched[POOLS];
    unsigned served[POOLS][CLIENTS][CLIENTS]; /* of [c], while [b] waited, since [b] was served */
} world_t;

#define REQUIRE(condition) require(world, (condition), #condition, __LINE__)

static void require(const world_t *world, bool holds, const char *what, int line)
{
    if (!holds)
        fail_msg("line %d, seed %" PRIu64 ", step %" PRIu64 ": %s", line, world->seed, world->step,
                 what);
}

static uint64_t roll(world_t *world, uint64_t below)
{
    uint64_t z = (world->random_state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) % below;
}

static bool chance(world_t *world, unsigned per_thousand)
{
    return roll(world, 1000) < per_thousand;
}

static florin_slice_t slice(const char *text)
{
    return (florin_slice_t){(const uint8_t *)text, strlen(text)};
}

/* --------------------------------------------------------------------------------- the network */

/* Sends a message: it is late, sometimes lost, sometimes there twice. */
static void post(world_t *world, message_t message)
{
    sim_worker_t *worker = &world->workers[message.worker];
    message.life = worker->life;
    unsigned copies = chance(world, 5) ? 0 : chance(world, 10) ? 2 : 1;
    for (unsigned i = 0; i < copies && world->messages_count < MESSAGES_MAX; i++) {
        message.due_ms = world->now_ms + roll(world, 4) + (chance(world, 5) ? roll(world, 200) : 0);
        world->messages[world->messages_count++] = message;
    }
}

static sim_worker_t *worker_by_name(world_t *world, florin_slice_t name)
{
    for (size_t i = 0; i < WORKERS; i++) {
        sim_worker_t *worker = &world->workers[i];
        if (strlen(worker->name) == name.size && memcmp(worker->name, name.data, name.size) == 0)
            return worker->connected ? worker : NULL;
    }
    return NULL;
}

/* ---------------------------------------------------------------------- what the core asks for */

/* Between two turns of a client that waits, each other client has one at most; requests that go
 * to the front because their worker died are another matter. */
static void check_fairness(world_t *world, const body_t *body, uint32_t attempt)
{
    unsigned(*served)[CLIENTS] = world->served[body->pool];
    const pool_t *pool = pool_find(world->core, slice(services[body->pool]));
    if (attempt > 1 || pool->redispatched != world->redispatched[body->pool]) {
        world->redispatched[body->pool] = pool->redispatched;
        memset(served, 0, sizeof world->served[0]);
        return;
    }
    bool waits[CLIENTS] = {false};
    const lane_t *lane;
    TAILQ_FOREACH(lane, &pool->lanes, turn)
    {
        const body_t *first = TAILQ_FIRST(&lane->requests)->body;
        waits[first->client] = true;
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (!waits[i] || i == body->client)
            memset(served[i], 0, sizeof served[i]);
        else
            REQUIRE(++served[i][body->client] <= 1);
    }
}

static florin_core_sent_t send_request(void *arg, const florin_core_dispatch_t *dispatch)
{
    world_t *world = arg;
    body_t *body = dispatch->body;
    sim_worker_t *worker = worker_by_name(world, dispatch->worker);
    REQUIRE(body->answers == 0);
    REQUIRE(world->now_ms < body->expires_ms);
    REQUIRE(dispatch->ttl_ms == body->expires_ms - world->now_ms);
    REQUIRE(dispatch->attempt >= 1 && dispatch->attempt <= FLORIN_ATTEMPTS_MAX);
    if (worker == NULL)
        return FLORIN_SEND_GONE;
    if (chance(world, 5))
        return FLORIN_SEND_BLOCKED;
    REQUIRE(!worker->said_goodbye);
    REQUIRE(worker->hello == dispatch->hello && worker->pool == body->pool);
    REQUIRE(worker->owed_count < worker->credit);
    check_fairness(world, body, dispatch->attempt);
    memcpy(worker->owed[worker->owed_count++], dispatch->token, TOKEN_BYTES + 1);
    memcpy(body->token, dispatch->token, TOKEN_BYTES + 1);
    message_t message = {
        .kind = BROKER_REQUEST, .worker = (unsigned)(worker - world->workers), .body_id = body->id};
    memcpy(message.token, dispatch->token, TOKEN_BYTES + 1);
    post(world, message);
    return FLORIN_SENT;
}

static florin_core_sent_t send_heartbeat(void *arg, florin_slice_t name)
{
    world_t *world = arg;
    sim_worker_t *worker = worker_by_name(world, name);
    if (worker == NULL)
        return FLORIN_SEND_GONE;
    REQUIRE(!worker->said_goodbye);
    worker->heard_ms = world->now_ms;
    return FLORIN_SENT;
}

static void send_disconnect(void *arg, florin_slice_t name)
{
    world_t *world = arg;
    sim_worker_t *worker = worker_by_name(world, name);
    if (worker != NULL)
        post(world,
             (message_t){.kind = BROKER_DISCONNECT, .worker = (unsigned)(worker - world->workers)});
}

static void reply(void *arg, void *body_arg, void *reply_arg)
{
    world_t *world = arg;
    body_t *body = body_arg;
    const message_t *message = reply_arg;
    REQUIRE(body->answers++ == 0);
    REQUIRE(!message->forged);
    REQUIRE(message->body_id == body->id);
    REQUIRE(strcmp(message->token, body->token) == 0);
    world->replies++;
}

static void refuse(void *arg, void *body_arg, Florin__V1__Status status, const char *text)
{
    world_t *world = arg;
    body_t *body = body_arg;
    REQUIRE(body->answers++ == 0);
    REQUIRE(text[0] != '\0');
    world->refusals[status]++;
    /* Its client may wait no more, and come back to wait again at the end. */
    if (body->pool < POOLS && status != FLORIN__V1__STATUS__STATUS_BUSY)
        memset(world->served[body->pool][body->client], 0, sizeof world->served[0][0]);
}

static void release(void *arg, void *body_arg)
{
    world_t *world = arg;
    body_t *body = body_arg;
    REQUIRE(body->answers == 1);
    if (body->pool < POOLS)
        TAILQ_REMOVE(&world->open[body->pool], body, open);
    world->bodies_live--;
    free(body); /* a second release, or a use after this, is for the sanitizer to find */
}

static void random_bytes(void *arg, void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)roll(arg, 256);
}

static void log_line(void *arg, florin_log_level_t level, const char *action, const char *text)
{
    (void)arg, (void)level, (void)action, (void)text;
}

/* ------------------------------------------------------------------------------------- clients */

static void client_asks(world_t *world, unsigned client)
{
    unsigned pool = chance(world, 10) ? POOLS : (unsigned)roll(world, POOLS);
    body_t *body = calloc(1, sizeof *body);
    assert_non_null(body);
    body->id = ++world->bodies_made;
    body->client = client;
    body->pool = pool;
    (void)snprintf(body->client_name, sizeof body->client_name, "client%u", client);
    world->bodies_live++;
    if (pool < POOLS) {
        body->expires_ms = world->now_ms + world->options[pool].ttl_ms;
        TAILQ_INSERT_TAIL(&world->open[pool], body, open);
    }
    const florin_core_request_t request = {
        .client = slice(body->client_name),
        .service = slice(pool < POOLS ? services[pool] : "nowhere"),
        .principal = "somebody",
        .body = body,
        .bytes = roll(world, 50) == 0 ? roll(world, 20000) : roll(world, 400),
    };
    florin_core_request(world->core, &request, world->now_ms);
}

static void clients_act(world_t *world)
{
    if (chance(world, 350))
        client_asks(world, (unsigned)roll(world, CLIENTS));
    if (chance(world, 10)) {
        unsigned greedy = (unsigned)roll(world, 2);
        for (uint64_t count = roll(world, 60); count > 0; count--)
            client_asks(world, greedy);
    }
}

/* ------------------------------------------------------------------------------------- workers */

static void say(world_t *world, sim_worker_t *worker, kind_t kind)
{
    post(world, (message_t){.kind = kind, .worker = (unsigned)(worker - world->workers)});
}

static void start_worker(world_t *world, sim_worker_t *worker)
{
    unsigned life = worker->life + 1;
    *worker = (sim_worker_t){.life = life,
                             .connected = true,
                             .hello = chance(world, 600),
                             .pool = (unsigned)roll(world, POOLS),
                             .credit = 1,
                             .heard_ms = world->now_ms};
    if (worker->hello)
        worker->credit = 1 + (uint32_t)roll(world, CREDIT_MAX);
    (void)snprintf(worker->name, sizeof worker->name, "w%u-%u", (unsigned)(worker - world->workers),
                   life);
    say(world, worker, READY);
}

/* A job's reply: it is forgotten at times. */
static void finish_jobs(world_t *world, sim_worker_t *worker)
{
    for (size_t i = 0; i < worker->jobs_count;) {
        job_t *job = &worker->jobs[i];
        if (job->done_ms > world->now_ms) {
            i++;
            continue;
        }
        message_t message = {
            .kind = REPLY, .worker = (unsigned)(worker - world->workers), .body_id = job->body_id};
        memcpy(message.token, job->token, TOKEN_BYTES + 1);
        post(world, message);
        *job = worker->jobs[--worker->jobs_count];
    }
    if (worker->draining && worker->jobs_count == 0 && chance(world, 50))
        worker->connected = false;
}

static void forge(world_t *world, sim_worker_t *worker)
{
    message_t message = {
        .kind = REPLY, .worker = (unsigned)(worker - world->workers), .forged = true};
    const sim_worker_t *victim = &world->workers[roll(world, WORKERS)];
    if (victim != worker && victim->owed_count > 0)
        memcpy(message.token, victim->owed[roll(world, victim->owed_count)], TOKEN_BYTES + 1);
    else
        (void)snprintf(message.token, sizeof message.token, "%04x%032x", (unsigned)roll(world, 9),
                       (unsigned)roll(world, 1000));
    post(world, message);
}

static void worker_acts(world_t *world, sim_worker_t *worker)
{
    if (!worker->connected) {
        if (chance(world, 10))
            start_worker(world, worker);
        return;
    }
    if (worker->stalled_until_ms > world->now_ms)
        return;
    if (!worker->draining && world->now_ms - worker->heard_ms > SILENCE_MS) {
        start_worker(world, worker); /* it comes again, with a new routing id */
        return;
    }
    if (worker->heartbeat_at_ms <= world->now_ms && (worker->hello || worker->jobs_count == 0)) {
        say(world, worker, HEARTBEAT);
        worker->heartbeat_at_ms = world->now_ms + 20;
    }
    finish_jobs(world, worker);
    switch (roll(world, 2000)) {
    case 0:
        worker->connected = false; /* a crash */
        break;
    case 1:
        worker->stalled_until_ms = world->now_ms + roll(world, 600);
        break;
    case 2:
        worker->draining = worker->hello;
        say(world, worker, DISCONNECT);
        break;
    case 3:
        if (!worker->draining)
            say(world, worker, READY);
        break;
    case 4:
    case 5:
    case 6:
        forge(world, worker);
        break;
    default:
        break;
    }
}

static void worker_hears(world_t *world, sim_worker_t *worker, const message_t *message)
{
    if (message->kind == BROKER_DISCONNECT) {
        if (!worker->draining)
            say(world, worker, READY);
        return;
    }
    if (worker->jobs_count == JOBS_MAX)
        return;
    job_t *job = &worker->jobs[worker->jobs_count++];
    job->done_ms = world->now_ms + roll(world, 12) + (chance(world, 5) ? roll(world, 500) : 0);
    job->body_id = message->body_id;
    memcpy(job->token, message->token, TOKEN_BYTES + 1);
}

/* ---------------------------------------------------------------------------------- the broker */

static void settle_debt(sim_worker_t *worker, const char *token)
{
    for (size_t i = 0; i < worker->owed_count; i++) {
        if (strcmp(worker->owed[i], token) == 0) {
            worker->owed_count--;
            memmove(worker->owed[i], worker->owed[worker->owed_count], TOKEN_BYTES + 1);
            return;
        }
    }
}

static void broker_hears(world_t *world, sim_worker_t *worker, message_t *message)
{
    florin_slice_t name = slice(worker->name);
    const florin_core_hello_t hello = {.credit = worker->credit,
                                       .weight = 1 + worker->credit,
                                       .instance = worker->name,
                                       .version = "1"};
    switch (message->kind) {
    case READY:
        /* Whatever it was before, it begins anew, or is sent away and begins later. */
        worker->owed_count = 0;
        worker->said_goodbye = false;
        florin_core_worker_ready(world->core, name, slice(services[worker->pool]),
                                 worker->hello ? &hello : NULL, "key", world->now_ms);
        break;
    case REPLY:
        settle_debt(worker, message->token);
        florin_core_worker_reply(world->core, name, slice(message->token), message, world->now_ms);
        break;
    case HEARTBEAT:
        florin_core_worker_heartbeat(world->core, name, world->now_ms);
        break;
    case DISCONNECT:
        worker->said_goodbye = true;
        florin_core_worker_disconnect(world->core, name, world->now_ms);
        break;
    case BROKER_REQUEST:
    case BROKER_DISCONNECT:
        break;
    }
}

static void deliver(world_t *world)
{
    for (size_t i = 0; i < world->messages_count;) {
        if (world->messages[i].due_ms > world->now_ms) {
            i++;
            continue;
        }
        message_t message = world->messages[i];
        world->messages[i] = world->messages[--world->messages_count];
        sim_worker_t *worker = &world->workers[message.worker];
        if (message.life != worker->life || !worker->connected)
            continue;
        if (message.kind >= BROKER_REQUEST)
            worker_hears(world, worker, &message);
        else
            broker_hears(world, worker, &message);
    }
}

/* -------------------------------------------------------------------------- what must hold */

static size_t check_workers(const world_t *world, const struct worker_list *list, bool ready)
{
    size_t count = 0;
    const worker_t *worker;
    TAILQ_FOREACH(worker, list, in_pool)
    {
        size_t held = 0;
        const request_t *request;
        TAILQ_FOREACH(request, &worker->held, place)
        {
            REQUIRE(request->worker == worker && !request->waiting);
            held++;
        }
        REQUIRE(held == worker->outstanding && held <= worker->credit);
        REQUIRE((worker->state == WORKER_READY) == ready);
        REQUIRE(worker->state != WORKER_READY || held < worker->credit);
        REQUIRE(worker->state != WORKER_FULL || held == worker->credit);
        count++;
    }
    return count;
}

static size_t check_pool(const world_t *world, const pool_t *pool)
{
    uint64_t requests = 0, bytes = 0, waiting = 0, turns = 0, in_turns = 0, in_lanes = 0;
    const request_t *request;
    TAILQ_FOREACH(request, &pool->requests, age)
    {
        requests++;
        bytes += request->bytes;
        waiting += request->waiting;
        REQUIRE(request->body != NULL && request->lane != NULL);
        REQUIRE(request->waiting == (request->worker == NULL));
    }
    const lane_t *lane;
    TAILQ_FOREACH(lane, &pool->lanes, turn)
    {
        turns++;
        REQUIRE(!TAILQ_EMPTY(&lane->requests));
    }
    for (lane = zhashx_first(pool->lanes_by_client); lane != NULL;
         lane = zhashx_next(pool->lanes_by_client)) {
        in_lanes += lane->count;
        turns -= !TAILQ_EMPTY(&lane->requests);
        TAILQ_FOREACH(request, &lane->requests, place)
        {
            in_turns++;
            REQUIRE(request->waiting && request->lane == lane);
        }
        REQUIRE(lane->count > 0);
    }
    REQUIRE(turns == 0 && in_turns == waiting && in_lanes == requests);
    REQUIRE(requests == pool->requests_count && requests <= pool->options.queue_requests);
    REQUIRE(pool->room > 0 && pool->room <= pool->options.queue_requests);
    REQUIRE(requests > 0 || pool->room == pool->options.queue_requests);
    REQUIRE(bytes == pool->requests_bytes && bytes <= pool->options.queue_bytes);
    REQUIRE(waiting == pool->waiting_count);
    REQUIRE(check_workers(world, &pool->ready, true) == pool->ready_count);
    REQUIRE(pool->ready_count + check_workers(world, &pool->others, false) ==
            pool->serving + pool->draining);
    /* Nothing waits while somebody could take it. */
    REQUIRE(waiting == 0 || pool->ready_count == 0);
    return requests;
}

static void check_world(const world_t *world)
{
    size_t requests = 0;
    const pool_t *pool;
    TAILQ_FOREACH(pool, &world->core->pools, in_core)
    {
        requests += check_pool(world, pool);
    }
    REQUIRE(requests == world->bodies_live);
    REQUIRE(florin_core_wake_ms(world->core) > world->now_ms);
    for (size_t i = 0; i < POOLS; i++) {
        const body_t *oldest = TAILQ_FIRST(&world->open[i]);
        REQUIRE(oldest == NULL || oldest->expires_ms > world->now_ms);
    }
}

/* ------------------------------------------------------------------------------------- the run */

static void advance(world_t *world, uint64_t ms)
{
    world->now_ms += ms;
    deliver(world);
    if (florin_core_wake_ms(world->core) <= world->now_ms)
        florin_core_tick(world->core, world->now_ms);
}

static uint64_t number_from(const char *variable, uint64_t fallback)
{
    const char *text = getenv(variable);
    return text != NULL ? strtoull(text, NULL, 10) : fallback;
}

static void create(world_t *world)
{
    const florin_core_out_t out = {
        .arg = world,
        .send_request = send_request,
        .send_heartbeat = send_heartbeat,
        .send_disconnect = send_disconnect,
        .reply = reply,
        .refuse = refuse,
        .release = release,
        .random = random_bytes,
        .log = log_line,
    };
    florin_core_options_t options = {
        .heartbeat_ms = 50, .plain_heartbeat_ms = 100, .no_worker_ms = 60, .seed = world->seed};
    for (unsigned i = 0; i < POOLS; i++)
        world->options[i] =
            (florin_pool_options_t){.policy = (florin_policy_t)roll(world, FLORIN_POLICIES),
                                    .ttl_ms = 200 + 200 * i,
                                    .lease_ms = 120,
                                    .wait_ms = 60,
                                    .queue_requests = 20 + 40 * i,
                                    .queue_bytes = 50000};
    options.pool = world->options[POOLS - 1];
    world->core = florin_core_new(&options, &out, world->now_ms);
    assert_non_null(world->core);
    for (unsigned i = 0; i < POOLS; i++)
        TAILQ_INIT(&world->open[i]);
    for (unsigned i = 0; i + 1 < POOLS; i++) {
        florin_error_t error;
        assert_int_equal(florin_core_pool_add(world->core, services[i], &world->options[i],
                                              world->now_ms, &error),
                         0);
    }
}

/* Nobody asks any more: all that is open is answered within its time, by itself. */
static void drain(world_t *world)
{
    for (int i = 0; i < 1000; i++) {
        advance(world, 1);
        check_world(world);
    }
    REQUIRE(world->bodies_live == 0);
    REQUIRE(world->core->lanes_count == 0 && world->core->crowded_count == 0);
}

static void report(const world_t *world)
{
    const florin_core_counters_t *dropped = florin_core_counters(world->core);
    print_message("seed %" PRIu64 ": %" PRIu64 " requests, %" PRIu64 " replies, %" PRIu64
                  " busy, %" PRIu64 " expired, %" PRIu64 " unavailable, %" PRIu64
                  " without service; %" PRIu64 " replies dropped, %" PRIu64 " strangers\n",
                  world->seed, world->bodies_made, world->replies,
                  world->refusals[FLORIN__V1__STATUS__STATUS_BUSY],
                  world->refusals[FLORIN__V1__STATUS__STATUS_EXPIRED],
                  world->refusals[FLORIN__V1__STATUS__STATUS_UNAVAILABLE],
                  world->refusals[FLORIN__V1__STATUS__STATUS_NO_SERVICE], dropped->replies_dropped,
                  dropped->strangers);
}

static void a_million_steps(void **state)
{
    (void)state;
    world_t *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->seed = world->random_state = number_from("FLORIN_SEED", 20260101);
    world->now_ms = 1000;
    create(world);
    uint64_t steps = number_from("FLORIN_SIMULATION_STEPS", STEPS);
    for (world->step = 0; world->step < steps; world->step++) {
        clients_act(world);
        for (size_t i = 0; i < WORKERS; i++)
            worker_acts(world, &world->workers[i]);
        check_world(world);
        advance(world, roll(world, 50000) == 0 ? 2000 : roll(world, 4));
        check_world(world);
    }
    uint64_t refused = 0;
    drain(world);
    for (size_t i = 0; i < 16; i++)
        refused += world->refusals[i];
    report(world);
    REQUIRE(world->replies + refused == world->bodies_made);
    /* A world in which nothing goes wrong, or nothing right, shows nothing. */
    REQUIRE(steps < STEPS || world->replies > world->bodies_made / 2);
    for (size_t status = FLORIN__V1__STATUS__STATUS_NO_SERVICE;
         status <= FLORIN__V1__STATUS__STATUS_UNAVAILABLE; status++)
        REQUIRE(steps < STEPS || world->refusals[status] > 100);
    florin_core_stop(world->core);
    florin_core_destroy(&world->core);
    free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_million_steps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
