/* The broker on real sockets: keys, frames from the wild, sizes, and its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "test/broker/support/peer.h"

#define STATUS(name) FLORIN__V1__STATUS__STATUS_##name

/* Checks a message's frames against texts, NULL at the end, and frees it. */
static void expect(zmsg_t *msg, ...) __attribute__((sentinel));
static void expect(zmsg_t *msg, ...)
{
    va_list texts;
    va_start(texts, msg);
    zframe_t *frame = zmsg_first(msg);
    for (const char *text = va_arg(texts, const char *); text != NULL;
         text = va_arg(texts, const char *)) {
        assert_non_null(frame);
        assert_true(zframe_streq(frame, text));
        frame = zmsg_next(msg);
    }
    va_end(texts);
    assert_null(frame);
    zmsg_destroy(&msg);
}

static void expect_status(void *socket, Florin__V1__Status status)
{
    Florin__V1__Reply *reply = peer_hear_reply(socket);
    assert_int_equal(reply->status, status);
    assert_true(strlen(reply->message) > 10);
    florin__v1__reply__free_unpacked(reply, NULL);
}

/* A good client and a good worker still meet. */
static void expect_service(stage_t *stage)
{
    void *worker = peer_worker(stage, "still");
    void *client = peer_client(stage);
    peer_ask(client, "id", "still", "alive");
    peer_echo(worker);
    expect(peer_hear(client), "id", "", "MDPC01", "still", "alive", NULL);
}

static Florin__V1__Reply *broker_status(stage_t *stage)
{
    void *client = peer_client(stage);
    peer_ask(client, "id", "florin.broker", "");
    Florin__V1__Reply *reply = peer_hear_reply(client);
    assert_int_equal(reply->status, STATUS(OK));
    peer_close(stage, client);
    return reply;
}

static uint64_t malformed_count(stage_t *stage)
{
    Florin__V1__Reply *reply = broker_status(stage);
    uint64_t count = reply->broker_status->dropped_malformed;
    florin__v1__reply__free_unpacked(reply, NULL);
    return count;
}

/* Waits until so many malformed messages were counted. */
static void expect_malformed(stage_t *stage, uint64_t count)
{
    uint64_t until_ms = florin_clock_ms() + 5000, now = 0;
    while ((now = malformed_count(stage)) < count && florin_clock_ms() < until_ms)
        ;
    assert_int_equal(now, count);
}

/* ---------------------------------------------------------------------------------------- keys */

static zmsg_t *hello_message(const char *service, const void *hello, size_t bytes)
{
    zmsg_t *msg = zmsg_new();
    zmsg_addstr(msg, "");
    zmsg_addstr(msg, "MDPW01");
    zmsg_addstr(msg, "\x01");
    zmsg_addstr(msg, service);
    zmsg_addmem(msg, hello, bytes);
    return msg;
}

static void say_hello_of(void *socket, const char *service, uint32_t credit, bool packs)
{
    Florin__V1__WorkerHello hello = FLORIN__V1__WORKER_HELLO__INIT;
    char instance[] = "w1";
    uint8_t packed[64];
    hello.credit = credit;
    hello.instance = instance;
    hello.packs = packs;
    zmsg_t *msg = hello_message(service, packed, florin__v1__worker_hello__pack(&hello, packed));
    assert_int_equal(zmsg_send(&msg, socket), 0);
}

static void say_hello(void *socket, const char *service, uint32_t credit)
{
    say_hello_of(socket, service, credit, false);
}

static void a_known_key_comes_in_and_is_the_principal(void **state)
{
    stage_t *stage = *state;
    void *worker = peer_connect(stage, ZMQ_DEALER, stage->workers, "worker");
    say_hello(worker, "small", 2);
    void *client = peer_connect(stage, ZMQ_DEALER, stage->clients, "alice");
    peer_ask(client, "id", "small", "body");
    zmsg_t *msg = peer_hear(worker);
    assert_int_equal(zmsg_size(msg), 7); /* empty, MDPW01, 2, token, empty, context, body */
    for (int i = 0; i < 5; i++) {
        zframe_t *frame = zmsg_pop(msg);
        zframe_destroy(&frame);
    }
    zframe_t *frame = zmsg_first(msg);
    Florin__V1__RequestContext *context =
        florin__v1__request_context__unpack(NULL, zframe_size(frame), zframe_data(frame));
    assert_non_null(context);
    assert_string_equal(context->principal, "alice");
    assert_int_equal(context->attempt, 1);
    assert_in_range(context->ttl_ms, 1, 4000);
    assert_int_equal(context->trace_id.len, 16);
    assert_true(zframe_streq(zmsg_next(msg), "body"));
    florin__v1__request_context__free_unpacked(context, NULL);
    zmsg_destroy(&msg);
}

/* Waits for libzmq to say how a connection's handshake ended. */
static int handshake_event(stage_t *stage, const char *endpoint, const char *key)
{
    const int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                       ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
    void *socket = peer_connect(stage, ZMQ_DEALER, "inproc://nobody", key);
    char name[64];
    (void)snprintf(name, sizeof name, "inproc://monitor-%zu", stage->sockets_count);
    assert_int_equal(zmq_socket_monitor(socket, name, events), 0);
    void *monitor = peer_connect(stage, ZMQ_PAIR, name, NULL);
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    zmsg_t *msg = peer_hear(monitor);
    uint16_t event;
    memcpy(&event, zframe_data(zmsg_first(msg)), sizeof event);
    zmsg_destroy(&msg);
    assert_int_equal(zmq_socket_monitor(socket, NULL, 0), 0);
    peer_close(stage, monitor);
    return event;
}

static void an_unknown_key_stays_out(void **state)
{
    stage_t *stage = *state;
    assert_int_equal(handshake_event(stage, stage->clients, "alice"),
                     ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    assert_int_equal(handshake_event(stage, stage->clients, "mallory"),
                     ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
}

static void a_clients_key_is_no_workers_key(void **state)
{
    stage_t *stage = *state;
    assert_int_equal(handshake_event(stage, stage->workers, "worker"),
                     ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    assert_int_equal(handshake_event(stage, stage->workers, "alice"),
                     ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
}

static void tcp_without_a_key_stays_out(void **state)
{
    stage_t *stage = *state;
    assert_int_not_equal(handshake_event(stage, stage->clients, NULL),
                         ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    void *client = peer_connect(stage, ZMQ_DEALER, stage->clients, NULL);
    peer_ask(client, "id", "mmi.service", "small");
    assert_true(peer_hears_nothing(client, 200));
}

/* -------------------------------------------------------------------------------------- frames */

static void a_req_client_is_answered(void **state)
{
    stage_t *stage = *state;
    const int on = 1;
    void *worker = peer_worker(stage, "echo");
    void *client = peer_connect(stage, ZMQ_REQ, stage->local_clients, NULL);
    peer_say(client, "MDPC01", "echo", "one", NULL);
    peer_echo(worker);
    expect(peer_hear(client), "MDPC01", "echo", "one", NULL);

    void *correlated = peer_connect(stage, ZMQ_REQ, "inproc://nobody", NULL);
    assert_int_equal(zmq_setsockopt(correlated, ZMQ_REQ_CORRELATE, &on, sizeof on), 0);
    assert_int_equal(zmq_disconnect(correlated, "inproc://nobody"), 0);
    assert_int_equal(zmq_connect(correlated, stage->local_clients), 0);
    peer_say(correlated, "MDPC01", "echo", "two", NULL);
    peer_echo(worker);
    expect(peer_hear(correlated), "MDPC01", "echo", "two", NULL);
}

static void all_frames_pass_both_ways(void **state)
{
    stage_t *stage = *state;
    void *worker = peer_worker(stage, "echo");
    void *client = peer_client(stage);
    peer_say(client, "a", "b", "c", "d", "", "MDPC01", "echo", "x", "", "z", NULL);
    peer_echo(worker);
    expect(peer_hear(client), "a", "b", "c", "d", "", "MDPC01", "echo", "x", "", "z", NULL);
}

static void dialects_of_reply_are_understood(void **state)
{
    stage_t *stage = *state;
    void *worker = peer_worker(stage, "echo");
    void *client = peer_client(stage);
    for (int dialect = 0; dialect < 2; dialect++) {
        peer_ask(client, "id", "echo", "x");
        zmsg_t *msg = peer_hear(worker);
        for (int i = 0; i < 3; i++) {
            zframe_t *frame = zmsg_pop(msg);
            zframe_destroy(&frame);
        }
        char *token = zmsg_popstr(msg);
        zmsg_destroy(&msg);
        if (dialect == 0) /* no empty frame after the token, as PHP's */
            peer_say(worker, "", "MDPW01", "\x03", token, "answer", NULL);
        else /* no body: the client gets an empty one */
            peer_say(worker, "", "MDPW01", "\x03", token, "", NULL);
        expect(peer_hear(client), "id", "", "MDPC01", "echo", dialect == 0 ? "answer" : "", NULL);
        free(token);
    }
}

static void mmi_is_about_the_service_not_the_sender(void **state)
{
    stage_t *stage = *state;
    peer_worker(stage, "echo");
    void *client = peer_client(stage);
    static const char *const asked[][3] = {{"mmi.service", "echo", "200"},
                                           {"mmi.service", "other", "404"},
                                           {"mmi.service", "", "404"},
                                           {"mmi.other", "echo", "501"}};
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        peer_ask(client, "mmi.service", asked[i][0], asked[i][1]);
        expect(peer_hear(client), "mmi.service", "", "MDPC01", asked[i][0], asked[i][2], NULL);
    }
}

static void garbage_from_clients_is_counted(void **state)
{
    stage_t *stage = *state;
    void *client = peer_client(stage);
    peer_say(client, "", NULL);
    peer_say(client, "", "MDPC01", NULL);
    peer_say(client, "", "MDPC01", "echo", NULL);
    peer_say(client, "", "MDPC02", "echo", "x", NULL);
    peer_say(client, "", "MDPW01", "\x01", "echo", NULL);
    peer_say(client, "", "MDPC01", "", "x", NULL);
    peer_say(client, "", "MDPC01", "a b", "x", NULL);
    peer_say(client, "MDPC01", "echo", "x", NULL);
    peer_say(client, "1", "2", "3", "4", "5", "", "MDPC01", "echo", "x", NULL);
    zmsg_t *endless = zmsg_new();
    zmsg_addstr(endless, "");
    zmsg_addstr(endless, "MDPC01");
    for (int i = 0; i < 1000; i++)
        zmsg_addstr(endless, "echo");
    assert_int_equal(zmsg_send(&endless, client), 0);
    expect_malformed(stage, 10);
    assert_true(peer_hears_nothing(client, 1));
    expect_service(stage);
}

/* The broker keeps it with the request, where only bodies are counted. */
static void a_return_path_is_small(void **state)
{
    stage_t *stage = *state;
    char *long_id = calloc(1, 4001);
    assert_non_null(long_id);
    memset(long_id, 'x', 4000);
    void *client = peer_client(stage);
    peer_ask(client, long_id, "small", "x");
    free(long_id);
    expect_malformed(stage, 1);
    expect_service(stage);
}

static void garbage_from_workers_is_counted(void **state)
{
    stage_t *stage = *state;
    void *worker = peer_worker(stage, "echo");
    peer_say(worker, "", NULL);
    peer_say(worker, "", "MDPW01", NULL);
    peer_say(worker, "", "MDPW01", "", NULL);
    peer_say(worker, "", "MDPW01", "01", "echo", NULL); /* C# and Haskell say READY so */
    peer_say(worker, "", "MDPW01", "\x09", NULL);
    peer_say(worker, "", "MDPW01", "\x02", "token", "", "body", NULL);
    peer_say(worker, "", "MDPW02", "\x01", "echo", NULL);
    peer_say(worker, "", "MDPW01", "\x01", NULL);
    expect_malformed(stage, 8);
    void *client = peer_client(stage); /* and it is still the worker it was */
    peer_ask(client, "id", "echo", "x");
    peer_echo(worker);
    expect(peer_hear(client), "id", "", "MDPC01", "echo", "x", NULL);
}

static void random_frames_stop_nothing(void **state)
{
    stage_t *stage = *state;
    static const char *const parts[] = {"",     "MDPC01", "MDPW01", "\x01", "\x02", "\x03", "\x04",
                                        "echo", "small",  "mmi.x",  "\xff", "\x05", "x"};
    const size_t parts_count = sizeof parts / sizeof parts[0];
    void *peers[] = {peer_client(stage),
                     peer_connect(stage, ZMQ_DEALER, stage->local_workers, NULL)};
    unsigned seed = 4711;
    for (int i = 0; i < 20000; i++) {
        zmsg_t *msg = zmsg_new();
        for (int frames = 1 + rand_r(&seed) % 8; frames > 0; frames--)
            zmsg_addstr(msg, parts[(size_t)rand_r(&seed) % parts_count]);
        void *socket = peers[i % 2];
        assert_int_equal(zmsg_send(&msg, socket), 0);
        while (zmq_recv(socket, NULL, 0, ZMQ_DONTWAIT) >= 0)
            ;
    }
    expect_service(stage);
}

static void a_garbage_hello_is_told_to_go(void **state)
{
    stage_t *stage = *state;
    void *worker = peer_connect(stage, ZMQ_DEALER, stage->local_workers, NULL);
    zmsg_t *msg = hello_message("echo", "\xff\xff\xff", 3);
    assert_int_equal(zmsg_send(&msg, worker), 0);
    expect(peer_hear(worker), "", "MDPW01", "\x05", NULL);
}

/* A test of its own: two peers of one broker may share a cell of DISCONNECTs. */
static void a_reserved_service_is_told_to_go(void **state)
{
    stage_t *stage = *state;
    void *worker = peer_connect(stage, ZMQ_DEALER, stage->local_workers, NULL);
    peer_say(worker, "", "MDPW01", "\x01", "mmi.service", NULL);
    expect(peer_hear(worker), "", "MDPW01", "\x05", NULL);
}

/* --------------------------------------------------------------------------------------- packs */

/* A worker that takes packs, known to the broker. */
static void *packing_worker(stage_t *stage, const char *service)
{
    void *worker = peer_connect(stage, ZMQ_DEALER, stage->local_workers, NULL);
    say_hello_of(worker, service, 8, true);
    void *client = peer_client(stage);
    zmsg_t *msg = NULL;
    do {
        zmsg_destroy(&msg);
        peer_ask(client, "id", "mmi.service", service);
        msg = peer_hear(client);
    } while (!zframe_streq(zmsg_last(msg), "200"));
    zmsg_destroy(&msg);
    peer_close(stage, client);
    return worker;
}

/* What packs brought: tokens and bodies, as parts for an answer. */
typedef struct {
    size_t count;
    size_t used;
    uint8_t answer[4096];
} packed_t;

/* Hears packs until so many requests have come; answers would echo them. */
static void hear_packed(void *worker, size_t count, packed_t *packed)
{
    *packed = (packed_t){.count = 0};
    while (packed->count < count) {
        zmsg_t *msg = peer_hear(worker);
        assert_int_equal(zmsg_size(msg), 4); /* empty, MDPW01, 6, pack */
        zframe_t *last = zmsg_last(msg);
        florin_slice_t pack = {zframe_data(last), zframe_size(last)};
        florin_slice_t token, context, body;
        while (florin_mdp_part_take(&pack, &token)) {
            assert_true(florin_mdp_part_take(&pack, &context));
            assert_true(florin_mdp_part_take(&pack, &body));
            Florin__V1__RequestContext *read =
                florin__v1__request_context__unpack(NULL, context.size, context.data);
            assert_int_equal(read->attempt, 1);
            florin__v1__request_context__free_unpacked(read, NULL);
            florin_mdp_part_put(packed->answer, &packed->used, token);
            florin_mdp_part_put(packed->answer, &packed->used, body);
            packed->count++;
        }
        assert_int_equal(pack.size, 0);
        zmsg_destroy(&msg);
    }
}

static void answer_packed(void *worker, const packed_t *packed, size_t bytes)
{
    zmsg_t *msg = zmsg_new();
    zmsg_addstr(msg, "");
    zmsg_addstr(msg, "MDPW01");
    zmsg_addstr(msg, "\x07");
    zmsg_addmem(msg, packed->answer, bytes);
    assert_int_equal(zmsg_send(&msg, worker), 0);
}

static void small_requests_go_in_packs(void **state)
{
    stage_t *stage = *state;
    packed_t packed;
    void *worker = packing_worker(stage, "echo");
    void *client = peer_client(stage);
    peer_ask(client, "a", "echo", "one");
    peer_ask(client, "b", "echo", "");
    peer_ask(client, "c", "echo", "three");
    hear_packed(worker, 3, &packed);
    answer_packed(worker, &packed, packed.used);
    expect(peer_hear(client), "a", "", "MDPC01", "echo", "one", NULL);
    expect(peer_hear(client), "b", "", "MDPC01", "echo", "", NULL);
    expect(peer_hear(client), "c", "", "MDPC01", "echo", "three", NULL);
}

/* The one in the first part is answered; the rest of the pack is dropped, and counted. */
static void a_pack_may_be_cut_off(void **state)
{
    stage_t *stage = *state;
    packed_t packed;
    void *worker = packing_worker(stage, "echo");
    void *client = peer_client(stage);
    peer_ask(client, "a", "echo", "one");
    peer_ask(client, "b", "echo", "two");
    hear_packed(worker, 2, &packed);
    answer_packed(worker, &packed, packed.used - 1);
    expect(peer_hear(client), "a", "", "MDPC01", "echo", "one", NULL);
    expect_malformed(stage, 1);
    answer_packed(worker, &packed, packed.used); /* the first one is late now */
    expect(peer_hear(client), "b", "", "MDPC01", "echo", "two", NULL);
}

static void what_cant_be_packed_goes_by_itself(void **state)
{
    stage_t *stage = *state;
    char body[FLORIN_PACK_BODY_BYTES_MAX + 2];
    memset(body, 'x', sizeof body - 1);
    body[sizeof body - 1] = '\0';
    void *worker = packing_worker(stage, "echo");
    void *client = peer_client(stage);
    peer_ask(client, "a", "echo", body);
    zmsg_t *msg = peer_hear(worker);
    assert_int_equal(zmsg_size(msg), 7); /* empty, MDPW01, 2, token, empty, context, body */
    assert_true(zframe_streq(zmsg_last(msg), body));
    zmsg_destroy(&msg);
    peer_say(client, "b", "", "MDPC01", "echo", "two", "frames", NULL);
    msg = peer_hear(worker);
    assert_int_equal(zmsg_size(msg), 8);
    zmsg_destroy(&msg);
}

/* The pack finds nobody when it is sent: its requests go to another worker, in a new attempt. */
static void a_pack_for_one_who_vanished_is_not_lost(void **state)
{
    stage_t *stage = *state;
    void *worker = packing_worker(stage, "echo");
    void *other = peer_worker(stage, "echo");
    void *client = peer_client(stage);
    peer_close(stage, worker);
    for (int i = 0; i < 3; i++) { /* at least one of them for the first worker */
        peer_ask(client, "a", "echo", "one");
        peer_ask(client, "a", "echo", "one");
        peer_echo(other);
        peer_echo(other);
        expect(peer_hear(client), "a", "", "MDPC01", "echo", "one", NULL);
        expect(peer_hear(client), "a", "", "MDPC01", "echo", "one", NULL);
    }
}

/* --------------------------------------------------------------------------------------- sizes */

static void ask_with_bytes(void *client, const char *service, size_t bytes)
{
    uint8_t *body = calloc(1, bytes);
    assert_non_null(body);
    zmsg_t *msg = zmsg_new();
    zmsg_addstr(msg, "id");
    zmsg_addstr(msg, "");
    zmsg_addstr(msg, "MDPC01");
    zmsg_addstr(msg, service);
    zmsg_addmem(msg, body, bytes);
    free(body);
    assert_int_equal(zmsg_send(&msg, client), 0);
}

static void a_body_past_4_mib_is_too_large(void **state)
{
    stage_t *stage = *state;
    void *worker = peer_worker(stage, "echo");
    void *client = peer_client(stage);
    ask_with_bytes(client, "echo", FLORIN_BODY_BYTES_MAX + 1);
    expect_status(client, STATUS(TOO_LARGE));
    ask_with_bytes(client, "echo", FLORIN_BODY_BYTES_MAX);
    peer_echo(worker);
    zmsg_t *msg = peer_hear(client);
    assert_int_equal(zframe_size(zmsg_last(msg)), FLORIN_BODY_BYTES_MAX);
    zmsg_destroy(&msg);
}

static void a_frame_of_20_mb_costs_only_its_sender(void **state)
{
    stage_t *stage = *state;
    void *worker = peer_worker(stage, "echo");
    void *good = peer_client(stage);
    peer_ask(good, "id", "echo", "before");
    void *bad = peer_client(stage);
    ask_with_bytes(bad, "echo", 20u * 1000 * 1000);
    peer_echo(worker);
    expect(peer_hear(good), "id", "", "MDPC01", "echo", "before", NULL);
    assert_true(peer_hears_nothing(bad, 200));
    peer_ask(good, "id", "echo", "after");
    peer_echo(worker);
    expect(peer_hear(good), "id", "", "MDPC01", "echo", "after", NULL);
}

static void a_full_pool_answers_busy(void **state)
{
    stage_t *stage = *state;
    void *worker = peer_worker(stage, "small");
    void *client = peer_client(stage);
    uint64_t begun_ms = florin_clock_ms();
    for (int i = 0; i < 5; i++)
        peer_ask(client, "id", "small", "x");
    expect_status(client, STATUS(BUSY));
    assert_true(florin_clock_ms() - begun_ms < 1000);
    for (int i = 0; i < 4; i++) {
        peer_echo(worker);
        expect(peer_hear(client), "id", "", "MDPC01", "small", "x", NULL);
    }
}

/* --------------------------------------------------------------------------- comings and goings */

static void what_a_vanished_worker_held_goes_to_another(void **state)
{
    stage_t *stage = *state;
    void *worker = peer_worker(stage, "small");
    void *client = peer_client(stage);
    peer_ask(client, "id", "small", "x");
    zmsg_t *msg = peer_hear(worker);
    zmsg_destroy(&msg);
    peer_close(stage, worker);
    void *other = peer_connect(stage, ZMQ_DEALER, stage->local_workers, NULL);
    peer_say(other, "", "MDPW01", "\x01", "small", NULL);
    peer_echo(other);
    expect(peer_hear(client), "id", "", "MDPC01", "small", "x", NULL);
}

static void a_client_that_vanished_costs_nothing(void **state)
{
    stage_t *stage = *state;
    void *worker = peer_worker(stage, "echo");
    void *client = peer_client(stage);
    peer_ask(client, "id", "echo", "x");
    zmsg_t *msg = peer_hear(worker);
    peer_close(stage, client);
    zframe_t *token = zmsg_first(msg);
    for (int i = 0; i < 3; i++)
        token = zmsg_next(msg);
    char *text = zframe_strdup(token);
    peer_say(worker, "", "MDPW01", "\x03", text, "", "y", NULL);
    free(text);
    zmsg_destroy(&msg);
    client = peer_client(stage);
    peer_ask(client, "id", "echo", "z");
    peer_echo(worker);
    expect(peer_hear(client), "id", "", "MDPC01", "echo", "z", NULL);
}

static void no_worker_is_no_service(void **state)
{
    stage_t *stage = *state;
    void *client = peer_client(stage);
    peer_ask(client, "id", "nowhere", "x");
    expect_status(client, STATUS(NO_SERVICE));
    peer_ask(client, "id", "small", "x"); /* waits for a worker for a second first */
    expect_status(client, STATUS(NO_SERVICE));
}

static void the_end_waits_for_what_was_taken_in(void **state)
{
    stage_t *stage = *state;
    void *worker = peer_worker(stage, "small");
    void *client = peer_client(stage);
    peer_ask(client, "held", "small", "x");
    peer_ask(client, "waits", "small", "y");
    peer_ask(client, "last", "mmi.service", "small");
    expect(peer_hear(client), "last", "", "MDPC01", "mmi.service", "200", NULL);
    stage_end(stage);
    peer_ask(client, "late", "small", "x");
    expect_status(client, STATUS(UNAVAILABLE));
    peer_echo(worker);
    expect(peer_hear(client), "held", "", "MDPC01", "small", "x", NULL);
    peer_echo(worker);
    expect(peer_hear(client), "waits", "", "MDPC01", "small", "y", NULL);
    stage_stop(stage);
    expect(peer_hear(worker), "", "MDPW01", "\x05", NULL);
}

/* --------------------------------------------------------------------------------- configuration
 */

static void expect_refused(const char *text, const char *expected)
{
    char path[] = "/tmp/florin-settings-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
    florin_error_t error = {0};
    florin_broker_settings_t *settings = NULL;
    assert_int_not_equal(florin_broker_settings_load(path, &settings, &error), 0);
    assert_null(settings);
    if (strstr(error.message, expected) == NULL)
        fail_msg("'%s' does not name %s", error.message, expected);
    (void)unlink(path);
}

static void bad_settings_are_refused(void **state)
{
    (void)state;
#define IPC "broker\n    clients = ipc:///tmp/c\n    workers = ipc:///tmp/w\n"
    expect_refused("broker\n    clients = tcp://127.0.0.1:1\n    workers = ipc:///tmp/w\n",
                   "broker/client_keys");
    expect_refused("broker\n    clients = ipc:///tmp/c\n    workers = tcp://*:1\n    key = k\n",
                   "broker/worker_keys");
    expect_refused("broker\n    clients = udp://x:1\n    workers = ipc:///tmp/w\n", "udp://x:1");
    expect_refused("broker\n    clients = ipc:///tmp/c\n", "broker/workers");
    expect_refused(IPC "    queue_requests = 0\n", "broker/queue_requests");
    expect_refused(IPC "    no_such = 0\n", "no_such");
    expect_refused(IPC "    log = loud\n", "loud");
    expect_refused(IPC "    metrics = *:9100\n", "broker/metrics: '*:9100' is no");
    expect_refused(IPC "    policy = fastest\n", "fastest");
    expect_refused(IPC "pools\n    pay\n        policy = fastest\n", "pools/pay/policy");
    expect_refused(IPC "pools\n    pay\n        ttl_ms = soon\n", "pools/pay/ttl_ms");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_known_key_comes_in_and_is_the_principal),
        TEST(an_unknown_key_stays_out),
        TEST(a_clients_key_is_no_workers_key),
        TEST(tcp_without_a_key_stays_out),
        TEST(a_req_client_is_answered),
        TEST(all_frames_pass_both_ways),
        TEST(dialects_of_reply_are_understood),
        TEST(mmi_is_about_the_service_not_the_sender),
        TEST(garbage_from_clients_is_counted),
        TEST(a_return_path_is_small),
        TEST(garbage_from_workers_is_counted),
        TEST(random_frames_stop_nothing),
        TEST(a_garbage_hello_is_told_to_go),
        TEST(a_reserved_service_is_told_to_go),
        TEST(small_requests_go_in_packs),
        TEST(a_pack_may_be_cut_off),
        TEST(what_cant_be_packed_goes_by_itself),
        TEST(a_pack_for_one_who_vanished_is_not_lost),
        TEST(a_body_past_4_mib_is_too_large),
        TEST(a_frame_of_20_mb_costs_only_its_sender),
        TEST(a_full_pool_answers_busy),
        TEST(what_a_vanished_worker_held_goes_to_another),
        TEST(a_client_that_vanished_costs_nothing),
        TEST(no_worker_is_no_service),
        TEST(the_end_waits_for_what_was_taken_in),
        cmocka_unit_test(bad_settings_are_refused),
    };
    florin_log_open("florin-broker", "test", FLORIN_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
