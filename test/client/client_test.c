/* libflorin: what it sends, hands back, refuses and bounds; nonsense, keys and options. */
#include <pthread.h>

#include "test/client/support/world.h"

static void gives_the_reply(void **state)
{
    world_t *world = *state;
    world_start(world);
    ending_t ending;
    world_submit(world, &ending);
    fake_request_t request;
    fake_broker_expect(&world->brokers[0], world->client, &request);
    assert_string_equal(request.service, "accounts");
    const uint8_t body[] = {13 << 3 | 2, 0}; /* field 13, an empty message */
    assert_int_equal(request.body_bytes, sizeof body);
    assert_memory_equal(request.body, body, sizeof body);
    fake_broker_answer(&world->brokers[0], &request, OK, "hello");
    world_wait(world, &ending);
    assert_int_equal(ending.code, 0);
    assert_int_equal(ending.status, OK);
    assert_string_equal(ending.text, "hello");
    assert_int_equal(florin_client_process(world->client, 0), 0);
}

#define FRAME(text) ((fake_frame_t){(text), sizeof(text) - 1})
static void drops_garbage(void **state)
{
    world_t *world = *state;
    world_start(world);
    ending_t ending;
    world_submit(world, &ending);
    fake_request_t request;
    fake_broker_expect(&world->brokers[0], world->client, &request);
    fake_broker_t *broker = &world->brokers[0];
    fake_frame_t path = {request.path, sizeof request.path};
    fake_frame_t vectors[][6] = {
        {FRAME("")},
        {FRAME("x")},
        {path},
        {path, FRAME("")},
        {path, FRAME(""), FRAME("MDPC01")},
        {path, FRAME(""), FRAME("MDPC01"), FRAME("accounts")},
        {path, FRAME(""), FRAME("MDPW01"), FRAME("accounts"), FRAME("")},
        {path, FRAME(""), FRAME("MDPC0"), FRAME("accounts"), FRAME("")},
        {path, FRAME(""), FRAME("MDPC01"), FRAME("account"), FRAME("")},
        {path, FRAME(""), FRAME("MDPC01"), FRAME("accounts2"), FRAME("")},
        {path, path, FRAME(""), FRAME("MDPC01"), FRAME("accounts"), FRAME("")},
        {path, FRAME(""), FRAME("MDPC01"), FRAME("accounts"), FRAME("a"), FRAME("b")},
        {FRAME("short"), FRAME(""), FRAME("MDPC01"), FRAME("accounts"), FRAME("")},
        {FRAME("\377\377\377\377\377\377\377\377"), FRAME(""), FRAME("MDPC01"), FRAME("accounts"),
         FRAME("")},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        size_t count = 0;
        while (count < 6 && vectors[i][count].bytes)
            count++;
        fake_broker_send(broker, &request, count, vectors[i]);
    }
    fake_frame_t many[100];
    for (size_t i = 0; i < 100; i++)
        many[i] = path;
    fake_broker_send(broker, &request, 100, many);
    fake_broker_answer(broker, &request, OK, "real");
    world_wait(world, &ending);
    assert_string_equal(ending.text, "real");
}

static void refuses_a_reply_that_is_no_protobuf(void **state)
{
    world_t *world = *state;
    world_start(world);
    ending_t ending;
    world_submit(world, &ending);
    fake_request_t request;
    fake_broker_expect(&world->brokers[0], world->client, &request);
    fake_frame_t frames[] = {
        {request.path, 8}, FRAME(""), FRAME("MDPC01"), FRAME("accounts"), FRAME("\377\377")};
    fake_broker_send(&world->brokers[0], &request, 5, frames);
    world_wait(world, &ending);
    assert_int_equal(ending.code, FLORIN_ERROR_INVALID);
}

static void bounds_what_is_under_way(void **state)
{
    world_t *world = *state;
    world->options.in_flight_max = 3;
    world_start(world);
    ending_t endings[3];
    for (size_t i = 0; i < 3; i++)
        world_submit(world, &endings[i]);
    Florin__V1__Request one_more = world_request();
    florin_error_t error;
    ending_t none = {0};
    assert_int_equal(
        florin_client_submit(world->client, "accounts", &one_more, world_on_reply, &none, &error),
        FLORIN_ERROR_UNAVAILABLE);
    fake_request_t requests[3];
    for (size_t i = 0; i < 3; i++)
        fake_broker_expect(&world->brokers[0], world->client, &requests[i]);
    for (size_t i = 3; i-- > 0;) { /* the last one first: replies come in any order */
        char text[24];
        (void)snprintf(text, sizeof text, "%zu", i);
        fake_broker_answer(&world->brokers[0], &requests[i], OK, text);
    }
    for (size_t i = 0; i < 3; i++) {
        char text[24];
        (void)snprintf(text, sizeof text, "%zu", i);
        world_wait(world, &endings[i]);
        assert_string_equal(endings[i].text, text);
    }
    world_submit(world, &none); /* there is room again */
    florin_client_destroy(&world->client);
    assert_int_equal(none.code, FLORIN_ERROR_UNAVAILABLE);
}

typedef struct {
    world_t *world;
    ending_t first, second;
    int rc;
} again_t;

static void submit_again(void *arg, const Florin__V1__Reply *reply, const florin_error_t *error)
{
    again_t *again = arg;
    world_on_reply(&again->first, reply, error);
    Florin__V1__Request request = world_request();
    again->rc = florin_client_submit(again->world->client, "accounts", &request, world_on_reply,
                                     &again->second, NULL);
}

static void lets_a_callback_submit(void **state)
{
    world_t *world = *state;
    world->options.in_flight_max = 1;
    world_start(world);
    again_t again = {.world = world};
    Florin__V1__Request message = world_request();
    assert_int_equal(
        florin_client_submit(world->client, "accounts", &message, submit_again, &again, NULL), 0);
    for (int i = 0; i < 2; i++) {
        fake_request_t request;
        fake_broker_expect(&world->brokers[0], world->client, &request);
        fake_broker_answer(&world->brokers[0], &request, OK, i ? "second" : "first");
    }
    world_wait(world, &again.second);
    assert_string_equal(again.first.text, "first");
    assert_string_equal(again.second.text, "second");
}

static void ends_everything_when_destroyed(void **state)
{
    world_t *world = *state;
    world_start(world);
    ending_t ending;
    world_submit(world, &ending);
    again_t again = {.world = world};
    Florin__V1__Request message = world_request();
    assert_int_equal(
        florin_client_submit(world->client, "accounts", &message, submit_again, &again, NULL), 0);
    florin_client_t *client = world->client; /* what the callback uses meanwhile */
    florin_client_destroy(&client);
    world->client = NULL;
    assert_int_equal(ending.code, FLORIN_ERROR_UNAVAILABLE);
    assert_int_equal(again.first.code, FLORIN_ERROR_UNAVAILABLE);
    assert_int_equal(again.rc, FLORIN_ERROR_UNAVAILABLE);
    assert_int_equal(again.second.calls, 0);
}

static void refuses_too_large_a_body(void **state)
{
    world_t *world = *state;
    world_start(world);
    Florin__V1__Request request = world_request();
    request.request_id.len = FLORIN_BODY_BYTES_MAX;
    request.request_id.data = calloc(1, FLORIN_BODY_BYTES_MAX);
    ending_t none = {0};
    florin_error_t error;
    assert_int_equal(
        florin_client_submit(world->client, "accounts", &request, world_on_reply, &none, &error),
        FLORIN_ERROR_TOO_LARGE);
    free(request.request_id.data);
    assert_int_equal(florin_client_process(world->client, 0), 0);
}

static void refuses_wrong_options(void **state)
{
    world_t *world = *state;
    const char *tcp[] = {"tcp://127.0.0.1:1"}, *nonsense[] = {"nonsense"};
    florin_client_options_t wrong[] = {
        {.brokers = tcp, .brokers_count = 0},
        {.brokers = tcp, .brokers_count = FLORIN_BROKERS_MAX + 1},
        {.brokers = tcp, .brokers_count = 1},
        {.brokers = tcp, .brokers_count = 1, .key_path = "x"},
        {.brokers = tcp, .brokers_count = 1, .key_path = "x", .broker_key_path = "/nowhere"},
        {.brokers = nonsense, .brokers_count = 1},
        {.brokers = world->endpoints, .brokers_count = 1, .in_flight_max = 65537},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        florin_error_t error = {0};
        assert_int_not_equal(florin_client_new(&wrong[i], &world->client, &error), 0);
        assert_null(world->client);
        assert_true(strlen(error.message) > 10);
    }
}

/* Answers one request in a thread of its own, for florin_client_call, which waits. */
static void *answer_one(void *arg)
{
    fake_broker_t *broker = arg;
    zmq_pollitem_t item = {.socket = broker->socket, .events = ZMQ_POLLIN};
    fake_request_t request;
    if (zmq_poll(&item, 1, PATIENCE_MS) == 1 && fake_broker_receive(broker, &request))
        fake_broker_answer(broker, &request, FLORIN__V1__STATUS__STATUS_FORBIDDEN, "no");
    return NULL;
}

static void calls_with_curve_as_the_file_says(void **state)
{
    world_t *world = *state;
    florin_error_t error = {0};
    assert_int_equal(florin_keys_generate(world->folder, "broker", &error), 0);
    assert_int_equal(florin_keys_generate(world->folder, "alice", &error), 0);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/broker.key", world->folder);
    zcert_t *cert = NULL;
    assert_int_equal(florin_keys_load(path, &cert, &error), 0);
    fake_broker_t broker = {0};
    fake_broker_start(&broker, "tcp://127.0.0.1:*", cert);
    zcert_destroy(&cert);

    (void)snprintf(path, sizeof path, "%s/client.zpl", world->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fprintf(file,
                        "client\n    broker = \"%s\"\n    broker = \"%s\"\n"
                        "    broker_key = broker.pub\n    key = alice.key\n    timeout_ms = 4000\n",
                        broker.endpoint, world->endpoints[1]) > 0);
    assert_int_equal(fclose(file), 0);
    florin_client_options_t options;
    if (florin_client_options_load(path, &options, &error) != 0)
        fail_msg("%s", error.message);
    assert_int_equal(options.brokers_count, 2);
    assert_string_equal(options.brokers[0], broker.endpoint);
    assert_int_equal(options.timeout_ms, 4000);

    if (florin_client_new(&options, &world->client, &error) != 0)
        fail_msg("%s", error.message);
    florin_client_options_clear(&options);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, answer_one, &broker), 0);
    Florin__V1__Request request = world_request();
    Florin__V1__Reply *reply;
    assert_int_equal(florin_client_call(world->client, "accounts", &request, &reply, &error), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(florin_status_name(reply->status), "forbidden");
    florin__v1__reply__free_unpacked(reply, NULL);
    fake_broker_stop(&broker);
}

static void tells_a_wrong_broker_key(void **state)
{
    world_t *world = *state;
    assert_int_equal(florin_keys_generate(world->folder, "broker", NULL), 0);
    assert_int_equal(florin_keys_generate(world->folder, "other", NULL), 0);
    char key[128], wrong[128];
    (void)snprintf(key, sizeof key, "%s/broker.key", world->folder);
    (void)snprintf(wrong, sizeof wrong, "%s/other.pub", world->folder);
    zcert_t *cert = NULL;
    assert_int_equal(florin_keys_load(key, &cert, NULL), 0);
    fake_broker_t broker = {0};
    fake_broker_start(&broker, "tcp://127.0.0.1:*", cert);
    zcert_destroy(&cert);
    const char *endpoints[] = {broker.endpoint};
    world->options = (florin_client_options_t){.brokers = endpoints,
                                               .brokers_count = 1,
                                               .key_path = key,
                                               .broker_key_path = wrong,
                                               .timeout_ms = 300};
    world_start(world);
    ending_t ending;
    world_submit(world, &ending);
    world_wait(world, &ending);
    assert_int_equal(ending.code, FLORIN_ERROR_TIMEOUT);
    assert_non_null(strstr(ending.text, "client/broker_key"));
    fake_broker_stop(&broker);
}

/* Answers one ZAP request (RFC 27), if there is one: frames version, request id, ... */
static bool answer_zap(void *zap, const char *code)
{
    char frames[16][64];
    size_t count = 0;
    int more = 1;
    while (more && count < 16) {
        int size = zmq_recv(zap, frames[count], sizeof frames[count] - 1, ZMQ_DONTWAIT);
        if (size < 0)
            return false;
        assert_in_range(size, 0, sizeof frames[count] - 1);
        frames[count++][size] = '\0';
        size_t bytes = sizeof more;
        assert_int_equal(zmq_getsockopt(zap, ZMQ_RCVMORE, &more, &bytes), 0);
    }
    const char *reply[] = {"1.0", frames[1], code, "", "", ""};
    for (size_t i = 0; i < 6; i++)
        assert_true(zmq_send(zap, reply[i], strlen(reply[i]), i < 5 ? ZMQ_SNDMORE : 0) >= 0);
    return true;
}

/* A key that the broker does not know yet is let in once it does. */
static void knocks_again_until_the_key_is_known(void **state)
{
    world_t *world = *state;
    assert_int_equal(florin_keys_generate(world->folder, "broker", NULL), 0);
    char key[128], public[128];
    (void)snprintf(key, sizeof key, "%s/broker.key", world->folder);
    (void)snprintf(public, sizeof public, "%s/broker.pub", world->folder);
    zcert_t *cert = NULL;
    assert_int_equal(florin_keys_load(key, &cert, NULL), 0);
    fake_broker_t broker = {.context = zmq_ctx_new()};
    void *zap = zmq_socket(broker.context, ZMQ_REP);
    assert_int_equal(zmq_bind(zap, "inproc://zeromq.zap.01"), 0);
    fake_broker_start(&broker, "tcp://127.0.0.1:*", cert);
    zcert_destroy(&cert);
    const char *endpoints[] = {broker.endpoint};
    world->options.brokers = endpoints;
    world->options.key_path = key; /* as good as any other */
    world->options.broker_key_path = public;
    world_start(world);
    ending_t ending;
    world_submit(world, &ending);
    uint64_t deadline = florin_clock_ms() + PATIENCE_MS;
    int asked = 0;
    fake_request_t request;
    while (!fake_broker_receive(&broker, &request)) {
        asked += answer_zap(zap, asked == 0 ? "400" : "200");
        (void)florin_client_process(world->client, 2);
        if (florin_clock_ms() > deadline)
            fail_msg("the client gave up after %d tries", asked);
    }
    assert_int_equal(asked, 2);
    fake_broker_answer(&broker, &request, OK, "in");
    world_wait(world, &ending);
    assert_string_equal(ending.text, "in");
    assert_int_equal(zmq_close(zap), 0);
    fake_broker_stop(&broker);
}

/* Also one after the other: what a client leaves behind is in no other's way. */
static void shares_a_context(void **state)
{
    world_t *world = *state;
    world->options.zmq_context = zmq_ctx_new();
    world->options.in_flight_max = 1;
    florin_client_t *others[2] = {NULL, NULL};
    for (size_t round = 0; round < 2; round++) {
        assert_int_equal(florin_client_new(&world->options, &others[round], NULL), 0);
        world_start(world);
        ending_t ending;
        assert_int_equal(world_ask(world, &ending, OK), 1);
        assert_int_equal(ending.code, 0);
        florin_client_destroy(&world->client);
    }
    florin_client_destroy(&others[0]);
    florin_client_destroy(&others[1]);
    assert_int_equal(zmq_ctx_term(world->options.zmq_context), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(gives_the_reply),
        TEST(shares_a_context),
        TEST(drops_garbage),
        TEST(refuses_a_reply_that_is_no_protobuf),
        TEST(bounds_what_is_under_way),
        TEST(lets_a_callback_submit),
        TEST(ends_everything_when_destroyed),
        TEST(refuses_too_large_a_body),
        TEST(refuses_wrong_options),
        TEST(calls_with_curve_as_the_file_says),
        TEST(tells_a_wrong_broker_key),
        TEST(knocks_again_until_the_key_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
