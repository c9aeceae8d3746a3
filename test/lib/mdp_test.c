#include "lib/mdp.h"

#include <stdlib.h>
#include <string.h>

#include "test/lib/support/test.h"

#define FRAMES_MAX (FLORIN_MDP_FRAMES_MAX + 8)

/* A message under test. Each frame is a block of exactly its size, so that ASan sees a parser that
 * reads past a slice, even by one byte, even of an empty one. */
typedef struct {
    florin_slice_t frames[FRAMES_MAX];
    size_t count;
} message_t;

static void add(message_t *self, const void *bytes, size_t size)
{
    uint8_t *block = malloc(size);
    assert_true(self->count < FRAMES_MAX && (block || size == 0));
    if (size > 0)
        memcpy(block, bytes, size);
    self->frames[self->count++] = (florin_slice_t){.data = block, .size = size};
}

static void add_text(message_t *self, const char *text)
{
    add(self, text, strlen(text));
}

static void clear(message_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        void *block;
        memcpy(&block, &self->frames[i].data, sizeof block);
        free(block);
    }
    self->count = 0;
}

/* A message from texts; "" is an empty frame, and NULL ends it. */
static message_t make(const char *const *texts)
{
    message_t message = {.count = 0};
    for (; *texts; texts++)
        add_text(&message, *texts);
    return message;
}
#define MAKE(...) make((const char *const[]){__VA_ARGS__, NULL})

static void assert_slice(florin_slice_t slice, const char *text)
{
    assert_int_equal(slice.size, strlen(text));
    assert_memory_equal(slice.data, text, slice.size);
}

/* ------------------------------------------------------------------------- from clients */

static int parse_client(message_t message, florin_mdp_client_request_t *request)
{
    int rc = florin_mdp_client_request_parse(message.frames, message.count, request);
    clear(&message);
    return rc;
}

static void a_dealer_request_is_read(void **state)
{
    (void)state;
    florin_mdp_client_request_t request;
    message_t message = MAKE("id", "", "MDPC01", "accounts", "body");
    assert_int_equal(florin_mdp_client_request_parse(message.frames, message.count, &request), 0);
    assert_int_equal(request.path_count, 0);
    assert_slice(request.service, "accounts");
    assert_int_equal(request.body, 4);
    assert_int_equal(request.body_count, 1);
    assert_int_equal(request.body_bytes, 4);
    clear(&message);
}

static void a_return_path_is_kept(void **state)
{
    (void)state;
    florin_mdp_client_request_t request;
    message_t message = MAKE("id", "a", "bb", "ccc", "dddd", "", "MDPC01", "x", "", "second");
    assert_int_equal(florin_mdp_client_request_parse(message.frames, message.count, &request), 0);
    assert_int_equal(request.path_count, 4);
    assert_slice(request.service, "x");
    assert_int_equal(request.body, 8);
    assert_int_equal(request.body_count, 2);
    assert_int_equal(request.body_bytes, 6);
    clear(&message);
}

static void other_client_messages_are_refused(void **state)
{
    (void)state;
    florin_mdp_client_request_t request;
    message_t messages[] = {
        {.count = 0},
        MAKE("id"),
        MAKE("id", ""),
        MAKE("id", "", "MDPC01"),
        MAKE("id", "", "MDPC01", "accounts"),          /* no body */
        MAKE("", "", "MDPC01", "accounts", "body"),    /* no routing id */
        MAKE("id", "MDPC01", "accounts", "body", "x"), /* no empty frame */
        MAKE("id", "", "MDPC02", "accounts", "body"),  /* 18/MDP */
        MAKE("id", "", "MDPW01", "accounts", "body"),  /* a worker */
        MAKE("id", "", "MDPC010", "accounts", "body"), /* seven bytes */
        MAKE("id", "", "MDPC0", "accounts", "body"),   /* five */
        MAKE("id", "", "", "MDPC01", "accounts", "body"),
        MAKE("id", "", "MDPC01", "", "body"),            /* no service */
        MAKE("id", "", "MDPC01", "acc ounts", "body"),   /* a blank in it */
        MAKE("id", "", "MDPC01", "acc\xc3\xb6", "body"), /* no ASCII */
        MAKE("id", "1", "2", "3", "4", "5", "", "MDPC01", "accounts", "body"),
        MAKE("id", "", "MDPC01", "x", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12",
             "13", "14", "15", "16", "17"), /* a body of 17 frames */
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
        assert_int_equal(parse_client(messages[i], &request), FLORIN_ERROR_INVALID);
}

static message_t client_message_of(size_t id_bytes, size_t service_bytes, size_t body_bytes)
{
    message_t message = {.count = 0};
    size_t most = FLORIN_BODY_BYTES_MAX + 1;
    char *bytes = malloc(most);
    memset(bytes, 'x', most);
    add(&message, bytes, id_bytes);
    add_text(&message, "");
    add_text(&message, "MDPC01");
    add(&message, bytes, service_bytes);
    add(&message, bytes, body_bytes);
    free(bytes);
    return message;
}

static void client_bounds_hold_to_the_byte(void **state)
{
    (void)state;
    florin_mdp_client_request_t request;
    assert_int_equal(parse_client(client_message_of(255, 255, 0), &request), FLORIN_OK);
    assert_int_equal(parse_client(client_message_of(256, 1, 1), &request), FLORIN_ERROR_INVALID);
    assert_int_equal(parse_client(client_message_of(1, 256, 1), &request), FLORIN_ERROR_INVALID);
    assert_int_equal(parse_client(client_message_of(1, 1, FLORIN_BODY_BYTES_MAX), &request), 0);

    message_t large = client_message_of(1, 8, FLORIN_BODY_BYTES_MAX + 1);
    assert_int_equal(florin_mdp_client_request_parse(large.frames, large.count, &request),
                     FLORIN_ERROR_TOO_LARGE);
    assert_slice(request.service, "xxxxxxxx"); /* filled all the same: it has to be answered */
    assert_int_equal(request.body_bytes, FLORIN_BODY_BYTES_MAX + 1);
    clear(&large);

    assert_int_equal(
        parse_client(MAKE("id", "1", "2", "3", "4", "", "MDPC01", "x", "1", "2", "3", "4", "5", "6",
                          "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"),
                     &request),
        FLORIN_OK);
    assert_int_equal(request.body_count, FLORIN_BODY_FRAMES_MAX);
}

/* ------------------------------------------------------------------------- from workers */

static void worker_messages_are_read(void **state)
{
    (void)state;
    florin_mdp_worker_msg_t msg;

    message_t plain = MAKE("w", "", "MDPW01", "\1", "echo");
    assert_int_equal(florin_mdp_worker_msg_parse(plain.frames, plain.count, &msg), FLORIN_OK);
    assert_int_equal(msg.command, FLORIN_MDP_READY);
    assert_slice(msg.service, "echo");
    assert_null(msg.hello.data);
    clear(&plain);

    message_t hello = MAKE("w", "", "MDPW01", "\1", "accounts", "hello");
    assert_int_equal(florin_mdp_worker_msg_parse(hello.frames, hello.count, &msg), FLORIN_OK);
    assert_slice(msg.service, "accounts");
    assert_slice(msg.hello, "hello");
    clear(&hello);

    /* A hello with nothing but defaults has no bytes; it is a hello all the same. */
    message_t empty = MAKE("w", "", "MDPW01", "\1", "accounts");
    empty.frames[empty.count++] = (florin_slice_t){.data = NULL, .size = 0};
    assert_int_equal(florin_mdp_worker_msg_parse(empty.frames, empty.count, &msg), FLORIN_OK);
    assert_non_null(msg.hello.data);
    assert_int_equal(msg.hello.size, 0);
    clear(&empty);

    message_t beat = MAKE("w", "", "MDPW01", "\4");
    assert_int_equal(florin_mdp_worker_msg_parse(beat.frames, beat.count, &msg), FLORIN_OK);
    assert_int_equal(msg.command, FLORIN_MDP_HEARTBEAT);
    clear(&beat);

    message_t bye = MAKE("w", "", "MDPW01", "\5");
    assert_int_equal(florin_mdp_worker_msg_parse(bye.frames, bye.count, &msg), FLORIN_OK);
    assert_int_equal(msg.command, FLORIN_MDP_DISCONNECT);
    clear(&bye);
}

static void replies_are_read_with_and_without_the_empty_frame(void **state)
{
    (void)state;
    static const struct {
        const char *texts[8];
        size_t body, body_count, body_bytes;
    } vectors[] = {
        {{"w", "", "MDPW01", "\3", "token", "", "body"}, 6, 1, 4},
        {{"w", "", "MDPW01", "\3", "token", "body"}, 5, 1, 4},
        {{"w", "", "MDPW01", "\3", "token", "body", ""}, 5, 2, 4},
        {{"w", "", "MDPW01", "\3", "token", "", ""}, 6, 1, 0},
        {{"w", "", "MDPW01", "\3", "token", ""}, 6, 0, 0},
        {{"w", "", "MDPW01", "\3", "token"}, 5, 0, 0},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        florin_mdp_worker_msg_t msg;
        message_t message = make(vectors[i].texts);
        assert_int_equal(florin_mdp_worker_msg_parse(message.frames, message.count, &msg), 0);
        assert_int_equal(msg.command, FLORIN_MDP_REPLY);
        assert_slice(msg.token, "token");
        assert_int_equal(msg.body, vectors[i].body);
        assert_int_equal(msg.body_count, vectors[i].body_count);
        assert_int_equal(msg.body_bytes, vectors[i].body_bytes);
        clear(&message);
    }
}

static void other_worker_messages_are_refused(void **state)
{
    (void)state;
    florin_mdp_worker_msg_t msg;
    message_t messages[] = {
        {.count = 0},
        MAKE("w", "", "MDPW01"),
        MAKE("", "", "MDPW01", "\4"),
        MAKE("w", "x", "MDPW01", "\4"),
        MAKE("w", "", "MDPW02", "\4"),
        MAKE("w", "", "MDPC01", "\4"),
        MAKE("w", "", "MDPW01", ""),
        MAKE("w", "", "MDPW01", "01", "echo"), /* two digits: the C# and Haskell examples */
        MAKE("w", "", "MDPW01", "1", "echo"),  /* one digit is 0x31 */
        MAKE("w", "", "MDPW01", "\6"),
        MAKE("w", "", "MDPW01", "\2", "token", "", "body"), /* a broker says that */
        MAKE("w", "", "MDPW01", "\1"),
        MAKE("w", "", "MDPW01", "\1", ""),
        MAKE("w", "", "MDPW01", "\1", "ec ho"),
        MAKE("w", "", "MDPW01", "\1", "echo", "hello", "more"),
        MAKE("w", "", "MDPW01", "\3"),
        MAKE("w", "", "MDPW01", "\3", "", "", "body"),
        MAKE("w", "", "MDPW01", "\4", "more"),
        MAKE("w", "", "MDPW01", "\5", "more"),
        MAKE("w", "", "MDPW01", "\3", "t", "", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10",
             "11", "12", "13", "14", "15", "16", "17"),
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        assert_int_equal(florin_mdp_worker_msg_parse(messages[i].frames, messages[i].count, &msg),
                         FLORIN_ERROR_INVALID);
        clear(&messages[i]);
    }
}

/* ---------------------------------------------------------------- from the broker to a client */

static void client_replies_are_read(void **state)
{
    (void)state;
    florin_mdp_client_reply_t reply;
    message_t message = MAKE("correlat", "", "MDPC01", "accounts", "body");
    assert_int_equal(florin_mdp_client_reply_parse(message.frames, message.count, &reply), 0);
    assert_int_equal(reply.path_count, 1);
    assert_slice(reply.service, "accounts");
    assert_int_equal(reply.body, 4);
    assert_int_equal(reply.body_count, 1);
    clear(&message);

    message_t bare = MAKE("", "MDPC01", "mmi.service", "200");
    assert_int_equal(florin_mdp_client_reply_parse(bare.frames, bare.count, &reply), FLORIN_OK);
    assert_int_equal(reply.path_count, 0);
    assert_int_equal(reply.body, 3);
    clear(&bare);
}

static void other_client_replies_are_refused(void **state)
{
    (void)state;
    florin_mdp_client_reply_t reply;
    message_t messages[] = {
        {.count = 0},
        MAKE(""),
        MAKE("", "MDPC01", "accounts"),
        MAKE("MDPC01", "accounts", "body"),
        MAKE("", "MDPW01", "accounts", "body"),
        MAKE("", "MDPC01", "", "body"),
        MAKE("1", "2", "3", "4", "5", "", "MDPC01", "accounts", "body"),
        MAKE("", "MDPC01", "x", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13",
             "14", "15", "16", "17"),
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        assert_int_equal(
            florin_mdp_client_reply_parse(messages[i].frames, messages[i].count, &reply),
            FLORIN_ERROR_INVALID);
        clear(&messages[i]);
    }
}

/* ---------------------------------------------------------------- from the broker to a worker */

static void worker_requests_are_read(void **state)
{
    (void)state;
    florin_mdp_worker_request_t request;

    message_t plain = MAKE("", "MDPW01", "\2", "token", "", "body", "more");
    assert_int_equal(florin_mdp_worker_request_parse(plain.frames, plain.count, false, &request),
                     FLORIN_OK);
    assert_int_equal(request.command, FLORIN_MDP_REQUEST);
    assert_slice(request.token, "token");
    assert_null(request.context.data);
    assert_int_equal(request.body, 5);
    assert_int_equal(request.body_count, 2);
    clear(&plain);

    message_t hello = MAKE("", "MDPW01", "\2", "token", "", "context", "body");
    assert_int_equal(florin_mdp_worker_request_parse(hello.frames, hello.count, true, &request),
                     FLORIN_OK);
    assert_slice(request.context, "context");
    assert_int_equal(request.body, 6);
    assert_int_equal(request.body_count, 1);
    clear(&hello);

    message_t beat = MAKE("", "MDPW01", "\4");
    assert_int_equal(florin_mdp_worker_request_parse(beat.frames, beat.count, true, &request), 0);
    assert_int_equal(request.command, FLORIN_MDP_HEARTBEAT);
    clear(&beat);

    message_t bye = MAKE("", "MDPW01", "\5");
    assert_int_equal(florin_mdp_worker_request_parse(bye.frames, bye.count, false, &request), 0);
    assert_int_equal(request.command, FLORIN_MDP_DISCONNECT);
    clear(&bye);
}

static void other_worker_requests_are_refused(void **state)
{
    (void)state;
    florin_mdp_worker_request_t request;
    message_t messages[] = {
        {.count = 0},
        MAKE("", "MDPW01"),
        MAKE("x", "MDPW01", "\4"),
        MAKE("", "MDPC01", "\4"),
        MAKE("", "MDPW01", ""),
        MAKE("", "MDPW01", "\1", "echo"),
        MAKE("", "MDPW01", "\3", "token", "", "context", "body"),
        MAKE("", "MDPW01", "\4", "more"),
        MAKE("", "MDPW01", "\2"),
        MAKE("", "MDPW01", "\2", "token"),
        MAKE("", "MDPW01", "\2", "token", ""),
        MAKE("", "MDPW01", "\2", "token", "", "context"), /* no body after the context */
        MAKE("", "MDPW01", "\2", "", "", "context", "body"),
        MAKE("", "MDPW01", "\2", "token", "x", "context", "body"),
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        assert_int_equal(
            florin_mdp_worker_request_parse(messages[i].frames, messages[i].count, true, &request),
            FLORIN_ERROR_INVALID);
        clear(&messages[i]);
    }
}

/* ------------------------------------------------------------------------------------- packs */

static void packs_are_read(void **state)
{
    (void)state;
    florin_mdp_worker_msg_t msg;
    florin_mdp_worker_request_t request;

    message_t replies = MAKE("id", "", "MDPW01", "\7", "pack");
    assert_int_equal(florin_mdp_worker_msg_parse(replies.frames, replies.count, &msg), FLORIN_OK);
    assert_int_equal(msg.command, FLORIN_MDP_REPLIES);
    assert_slice(msg.pack, "pack");
    clear(&replies);

    message_t requests = MAKE("", "MDPW01", "\6", "pack");
    assert_int_equal(
        florin_mdp_worker_request_parse(requests.frames, requests.count, true, &request),
        FLORIN_OK);
    assert_int_equal(request.command, FLORIN_MDP_REQUESTS);
    assert_slice(request.pack, "pack");
    /* A plain worker is sent none. */
    assert_int_equal(
        florin_mdp_worker_request_parse(requests.frames, requests.count, false, &request),
        FLORIN_ERROR_INVALID);
    clear(&requests);
}

static void other_packs_are_refused(void **state)
{
    (void)state;
    florin_mdp_worker_msg_t msg;
    florin_mdp_worker_request_t request;
    message_t from_workers[] = {
        MAKE("id", "", "MDPW01", "\7"),
        MAKE("id", "", "MDPW01", "\7", ""),
        MAKE("id", "", "MDPW01", "\7", "pack", "more"),
        MAKE("id", "", "MDPW01", "\6", "pack"),
    };
    for (size_t i = 0; i < sizeof from_workers / sizeof from_workers[0]; i++) {
        assert_int_equal(
            florin_mdp_worker_msg_parse(from_workers[i].frames, from_workers[i].count, &msg),
            FLORIN_ERROR_INVALID);
        clear(&from_workers[i]);
    }
    message_t from_brokers[] = {
        MAKE("", "MDPW01", "\6"),
        MAKE("", "MDPW01", "\6", ""),
        MAKE("", "MDPW01", "\6", "pack", "more"),
        MAKE("", "MDPW01", "\7", "pack"),
    };
    for (size_t i = 0; i < sizeof from_brokers / sizeof from_brokers[0]; i++) {
        assert_int_equal(florin_mdp_worker_request_parse(from_brokers[i].frames,
                                                         from_brokers[i].count, true, &request),
                         FLORIN_ERROR_INVALID);
        clear(&from_brokers[i]);
    }
}

/* Two parts, byte for byte; and each place where a pack may be cut off. */
static void parts_are_put_and_taken(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0, 0, 0, 2, 'a', 'b', 0, 0, 0, 0};
    uint8_t bytes[FLORIN_MDP_PART_BYTES(2) + FLORIN_MDP_PART_BYTES(0)];
    size_t used = 0;
    florin_mdp_part_put(bytes, &used, (florin_slice_t){(const uint8_t *)"ab", 2});
    florin_mdp_part_put(bytes, &used, (florin_slice_t){NULL, 0});
    assert_int_equal(used, sizeof expected);
    assert_memory_equal(bytes, expected, sizeof expected);

    for (size_t size = 0; size <= sizeof expected; size++) {
        message_t message = {.count = 0};
        florin_slice_t part;
        add(&message, expected, size);
        florin_slice_t pack = message.frames[0];
        assert_int_equal(florin_mdp_part_take(&pack, &part), size >= 6);
        if (size >= 6)
            assert_slice(part, "ab");
        assert_int_equal(florin_mdp_part_take(&pack, &part), size == sizeof expected);
        assert_int_equal(pack.size, size == sizeof expected ? 0 : size % 6);
        clear(&message);
    }
    const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 'a'};
    florin_slice_t pack = {huge, sizeof huge}, part;
    assert_false(florin_mdp_part_take(&pack, &part));
}

static void services_are_printable(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t name[2] = {'a', (uint8_t)byte};
        assert_int_equal(florin_mdp_service_valid((florin_slice_t){.data = name, .size = 2}),
                         byte >= 0x21 && byte <= 0x7e);
    }
    assert_false(florin_mdp_service_valid((florin_slice_t){.data = NULL, .size = 0}));
}

/* Messages that are nearly right: frames taken from a box of likely ones, in any order. What is
 * accepted lies within the message; ASan watches the reads. */
static void garbage_is_survived(void **state)
{
    (void)state;
    static const char *const box[] = {"",   "",         "MDPC01", "MDPW01", "MDPC0", "\1",
                                      "\2", "\3",       "\4",     "\5",     "\6",    "\7",
                                      "01", "accounts", "id",     "b\xffy", "token"};
    test_random_t random = test_random_new();
    size_t accepted = 0;
    for (int i = 0; i < 200000; i++) {
        message_t message = {.count = 0};
        size_t count = test_random_below(&random, FLORIN_MDP_FRAMES_MAX + 4);
        if (test_random_below(&random, 4) > 0)
            count %= 8;
        for (size_t j = 0; j < count; j++)
            add_text(&message, box[test_random_below(&random, sizeof box / sizeof box[0])]);

        florin_mdp_client_request_t request = {0};
        florin_mdp_worker_msg_t msg = {0};
        florin_mdp_client_reply_t reply = {0};
        florin_mdp_worker_request_t task = {0};
        if (florin_mdp_client_request_parse(message.frames, count, &request) == FLORIN_OK) {
            accepted++;
            assert_int_equal(request.body + request.body_count, count);
            assert_int_equal(message.frames[request.path_count + 1].size, 0);
        }
        if (florin_mdp_worker_msg_parse(message.frames, count, &msg) == FLORIN_OK &&
            msg.command == FLORIN_MDP_REPLY) {
            accepted++;
            assert_int_equal(msg.body + msg.body_count, count);
        }
        if (florin_mdp_client_reply_parse(message.frames, count, &reply) == FLORIN_OK) {
            accepted++;
            assert_int_equal(reply.body + reply.body_count, count);
        }
        if (florin_mdp_worker_request_parse(message.frames, count, i % 2 == 0, &task) ==
                FLORIN_OK &&
            task.command == FLORIN_MDP_REQUEST) {
            accepted++;
            assert_int_equal(task.body + task.body_count, count);
        }
        clear(&message);
    }
    assert_true(accepted > 0); /* or this test shows nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dealer_request_is_read),
        cmocka_unit_test(a_return_path_is_kept),
        cmocka_unit_test(other_client_messages_are_refused),
        cmocka_unit_test(client_bounds_hold_to_the_byte),
        cmocka_unit_test(worker_messages_are_read),
        cmocka_unit_test(replies_are_read_with_and_without_the_empty_frame),
        cmocka_unit_test(other_worker_messages_are_refused),
        cmocka_unit_test(client_replies_are_read),
        cmocka_unit_test(other_client_replies_are_refused),
        cmocka_unit_test(worker_requests_are_read),
        cmocka_unit_test(other_worker_requests_are_refused),
        cmocka_unit_test(packs_are_read),
        cmocka_unit_test(other_packs_are_refused),
        cmocka_unit_test(parts_are_put_and_taken),
        cmocka_unit_test(services_are_printable),
        cmocka_unit_test(garbage_is_survived),
    };
    return cmocka_run_group_tests_name("lib/mdp", tests, NULL, NULL);
}
