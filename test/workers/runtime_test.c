/* The worker runtime against a broker of a page: dialogs, batches, refusals, drain. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "test/workers/support/fake_broker.h"
#include "workers/runtime/lanes/budget.h"

#define CREDIT 6

/* ------------------------------------------------------- a handler that does a batch when told to
 * A reply's message says which batch it was in, with how many calls; or how often it was idle; or,
 * for a batch during which the next one is looked at, about how many was asked by its end. */

static int gate, begun;
static unsigned asks, batches, idles;

static int start(void **state, const florin_setup_t *setup, florin_error_t *error)
{
    (void)error;
    *state = &batches;
    return setup->config ? 0 : -1;
}

static size_t weigh(const Florin__V1__Request *request)
{
    bool lookup = request->operation_case == FLORIN__V1__REQUEST__OPERATION_LOOKUP_ACCOUNTS;
    bool open = request->operation_case == FLORIN__V1__REQUEST__OPERATION_OPEN_ACCOUNTS;
    size_t events =
        lookup ? request->lookup_accounts->n_ids : (open ? request->open_accounts->n_accounts : 1);
    return events > 0 ? events : 1;
}

static void *ask(void *state, florin_call_t *calls, size_t count, florin_arena_t *arena)
{
    unsigned *number = florin_arena_alloc(arena, sizeof(*number));
    if (state != &batches || !calls[count - 1].request)
        _exit(98);
    *number = ++asks;
    return number;
}

static void wait_at_the_gate(void)
{
    char byte;
    if (write(begun, "", 1) != 1 || read(gate, &byte, 1) != 1)
        _exit(99);
}

static void handle(void *state, florin_call_t *calls, size_t count, florin_arena_t *arena,
                   const florin_ahead_t *ahead)
{
    (void)state;
    batches++;
    if (*(unsigned *)ahead->asked != batches)
        _exit(97);
    wait_at_the_gate();
    if (calls[0].request->operation_case == FLORIN__V1__REQUEST__OPERATION_LIST_ACCOUNTS) {
        ahead->look(ahead->arg);
        ahead->look(ahead->arg);
        wait_at_the_gate();
    }
    for (size_t i = 0; i < count; i++) {
        Florin__V1__Reply *reply = calls[i].reply;
        if (calls[i].request->operation_case == FLORIN__V1__REQUEST__OPERATION_STATEMENT) {
            char *text = florin_arena_alloc(arena, FLORIN_BODY_BYTES_MAX + 1);
            memset(text, 'x', FLORIN_BODY_BYTES_MAX);
            text[FLORIN_BODY_BYTES_MAX] = '\0';
            reply->message = text;
        } else if (calls[i].request->operation_case ==
                   FLORIN__V1__REQUEST__OPERATION_ASSESS_TRANSFERS) {
            florin_call_fail_operation(&calls[i], arena, "fake");
            continue;
        } else if (calls[i].request->operation_case ==
                   FLORIN__V1__REQUEST__OPERATION_TRIAL_BALANCE) {
            reply->message = florin_arena_printf(arena, "idle %u", idles);
        } else if (calls[i].request->operation_case ==
                   FLORIN__V1__REQUEST__OPERATION_LIST_ACCOUNTS) {
            reply->message = florin_arena_printf(arena, "asked about %u", asks);
        } else {
            reply->message = florin_arena_printf(arena, "batch %u of %zu", batches, count);
        }
        reply->status = FLORIN__V1__STATUS__STATUS_OK;
    }
}

static void idle(void *state)
{
    (void)state;
    idles++;
}

static void stop(void **state)
{
    *state = NULL;
}

static const florin_lane_kind_t lane = {"fake", .by_shard = false};

static const florin_handler_t handler = {.service = "fake",
                                         .program = "florin-fake",
                                         .lanes = &lane,
                                         .lanes_count = 1,
                                         .start = start,
                                         .weigh = weigh,
                                         .ask = ask,
                                         .handle = handle,
                                         .idle = idle,
                                         .stop = stop};

/* ---------------------------------------------------------------------------------- the tests */

static int set_up(void **state)
{
    fake_t *broker = malloc(sizeof(*broker));
    if (!broker)
        return -1;
    fake_start(broker, &handler, CREDIT, &gate, &begun);
    fake_expect(broker, FLORIN_MDP_READY);
    *state = broker;
    return 0;
}

static int tear_down(void **state)
{
    fake_stop(*state);
    free(*state);
    return 0;
}

static Florin__V1__LookupAccountsRequest lookup;
static ProtobufCBinaryData ids[FLORIN_EVENTS_MAX + 1];

/* A request of so many events. */
static Florin__V1__Request lookup_of(size_t events)
{
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    florin__v1__lookup_accounts_request__init(&lookup);
    lookup.n_ids = events;
    lookup.ids = ids;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_LOOKUP_ACCOUNTS;
    request.lookup_accounts = &lookup;
    return request;
}

static void send_events(fake_t *broker, const char *token, size_t events)
{
    Florin__V1__Request request = lookup_of(events);
    fake_request(broker, token, 60000, &request);
}

static void test_hello_and_heartbeats(void **state)
{
    fake_t *broker = *state;
    Florin__V1__WorkerHello *hello =
        florin__v1__worker_hello__unpack(NULL, broker->bytes_count, broker->bytes);
    assert_non_null(hello);
    assert_string_equal(broker->service, "fake");
    assert_int_equal(hello->credit, CREDIT);
    assert_int_equal(hello->weight, 7);
    assert_string_equal(hello->instance, "fake-1");
    assert_string_equal(hello->version, FLORIN_VERSION);
    florin__v1__worker_hello__free_unpacked(hello, NULL);
    for (int i = 0; i < 4; i++)
        fake_expect(broker, FLORIN_MDP_HEARTBEAT);
}

static void test_request_id_comes_back(void **state)
{
    fake_t *broker = *state;
    uint8_t id[FLORIN_REQUEST_ID_BYTES_MAX + 1] = {1, 2, 3};
    Florin__V1__Request request = lookup_of(1);
    request.request_id = (ProtobufCBinaryData){.len = FLORIN_REQUEST_ID_BYTES_MAX, .data = id};
    fake_request(broker, "a", 60000, &request);
    fake_pass(broker, 1);
    fake_expect_ok(broker, "a", "batch 1 of 1");
    assert_int_equal(broker->reply->request_id.len, FLORIN_REQUEST_ID_BYTES_MAX);
    assert_memory_equal(broker->reply->request_id.data, id, FLORIN_REQUEST_ID_BYTES_MAX);
    request.request_id.len++;
    fake_request(broker, "b", 60000, &request);
    fake_expect_answer(broker, "b", FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                       "request_id: 65 bytes; it has at most 64");
}

/* A batch of one that waits at the gate: what comes now waits behind it. */
static void begin_batch(fake_t *broker)
{
    send_events(broker, "first", 1);
    fake_await_batch(broker);
}

/* What is past the credit is refused at once, which shows, too, that the others have arrived. */
static void test_what_waits_is_the_next_batch(void **state)
{
    fake_t *broker = *state;
    const char *waiting[] = {"b", "c", "d", "e", "f"};
    begin_batch(broker);
    for (size_t i = 0; i < 5; i++)
        send_events(broker, waiting[i], 1);
    send_events(broker, "g", 1);
    fake_expect_busy(broker, "g");
    fake_pass(broker, 2);
    fake_expect_ok(broker, "first", "batch 1 of 1");
    for (size_t i = 0; i < 5; i++)
        fake_expect_ok(broker, waiting[i], "batch 2 of 5");
}

/* Another worker may have begun it, or this one, for a broker that lost it since. */
static void test_what_may_have_begun_is_not_called_busy(void **state)
{
    fake_t *broker = *state;
    begin_batch(broker);
    for (size_t i = 0; i < CREDIT - 1; i++)
        send_events(broker, "b", 1);
    broker->attempts_before = 1;
    send_events(broker, "c", 1);
    fake_expect_answer(
        broker, "c", FLORIN__V1__STATUS__STATUS_UNAVAILABLE,
        "this worker holds as much as it takes, and another may have begun this request; ask "
        "again with the same ids");
    fake_pass(broker, 2);
    fake_expect_ok(broker, "first", "batch 1 of 1");
}

/* A request whose batch looks at the next one. */
static Florin__V1__Request looking(void)
{
    static Florin__V1__ListAccountsRequest list = FLORIN__V1__LIST_ACCOUNTS_REQUEST__INIT;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_LIST_ACCOUNTS;
    request.list_accounts = &list;
    return request;
}

/* A batch that looks at the next one: what has come is asked about while it runs, and what comes
 * then waits for the one after that. */
static void test_the_next_batch_is_asked_about_ahead(void **state)
{
    fake_t *broker = *state;
    const char *waiting[] = {"b", "c", "d", "e", "f"};
    const Florin__V1__Request request = looking();
    fake_request(broker, "first", 60000, &request);
    fake_await_batch(broker);
    for (size_t i = 0; i < 5; i++)
        send_events(broker, waiting[i], 1);
    send_events(broker, "g", 1);
    fake_expect_busy(broker, "g");
    fake_pass(broker, 1);
    fake_await_batch(broker);
    fake_pass(broker, 1);
    fake_expect_ok(broker, "first", "asked about 2");
    fake_await_batch(broker);
    send_events(broker, "h", 1);
    fake_pass(broker, 2);
    for (size_t i = 0; i < 5; i++)
        fake_expect_ok(broker, waiting[i], "batch 2 of 5");
    fake_expect_ok(broker, "h", "batch 3 of 1");
}

/* Nothing has come: there is nothing to ask about, and the next batch is what comes later. */
static void test_looking_ahead_in_vain(void **state)
{
    fake_t *broker = *state;
    const Florin__V1__Request request = looking();
    for (unsigned i = 0; i < 2; i++) {
        fake_request(broker, "a", 60000, &request);
        fake_pass(broker, 2);
        fake_expect_ok(broker, "a", i == 0 ? "asked about 1" : "asked about 2");
    }
}

static void test_batches_are_cut_by_events(void **state)
{
    fake_t *broker = *state;
    begin_batch(broker);
    send_events(broker, "b", 5000);
    send_events(broker, "c", FLORIN_BATCH_EVENTS_MAX - 5000);
    send_events(broker, "d", 1);
    send_events(broker, "e", FLORIN_EVENTS_MAX);
    send_events(broker, "f", FLORIN_EVENTS_MAX + 1);
    send_events(broker, "g", 1);
    fake_expect_busy(broker, "g");
    fake_pass(broker, 4);
    fake_expect_ok(broker, "first", "batch 1 of 1");
    fake_expect_ok(broker, "b", "batch 2 of 2");
    fake_expect_ok(broker, "c", "batch 2 of 2");
    fake_expect_ok(broker, "d", "batch 3 of 1");
    /* What is refused is answered while the batch is made up, ahead of what it holds. */
    const Florin__V1__Reply *reply = fake_expect_reply(broker, "f");
    assert_int_equal(reply->status, FLORIN__V1__STATUS__STATUS_TOO_LARGE);
    assert_string_equal(reply->message, "8191 events; a request has at most 8190: split it");
    fake_expect_ok(broker, "e", "batch 4 of 1");
}

/* One request after the other, without a pause: the handler's idle work is done all the same. */
static void test_idle_work_between_batches(void **state)
{
    fake_t *broker = *state;
    Florin__V1__TrialBalanceRequest trial = FLORIN__V1__TRIAL_BALANCE_REQUEST__INIT;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_TRIAL_BALANCE;
    request.trial_balance = &trial;
    unsigned long times = 0;
    uint64_t end_ms = florin_clock_ms() + FAKE_DEADLINE_MS;
    fake_request(broker, "a", 60000, &request);
    while (times < 3 && florin_clock_ms() < end_ms) {
        fake_request(broker, "a", 60000, &request);
        fake_pass(broker, 1);
        const Florin__V1__Reply *reply = fake_expect_reply(broker, "a");
        assert_memory_equal(reply->message, "idle ", 5);
        times = strtoul(reply->message + 5, NULL, 10);
    }
    assert_in_range(times, 3, 100);
}

static void expect_expired(fake_t *broker, const char *message)
{
    assert_int_equal(broker->reply->status, FLORIN__V1__STATUS__STATUS_EXPIRED);
    assert_string_equal(broker->reply->message, message);
}

/* In a lane that stands still nobody waits longer than it lives. */
static void test_expired_is_told_in_time(void **state)
{
    fake_t *broker = *state;
    Florin__V1__Request request = lookup_of(1);
    begin_batch(broker);
    fake_request(broker, "late", 1, &request);
    fake_request(broker, "patient", 0, &request); /* without a bound */
    (void)fake_expect_reply(broker, "late");
    expect_expired(broker, "not begun: it waited longer for its turn than it had to live");
    fake_pass(broker, 2);
    fake_expect_ok(broker, "first", "batch 1 of 1");
    fake_expect_ok(broker, "patient", "batch 2 of 1");
}

/* In one that does not, it is found out when its turn comes. */
static void test_expired_is_not_begun(void **state)
{
    fake_t *broker = *state;
    Florin__V1__Request request = lookup_of(1);
    begin_batch(broker);
    uint64_t begun_ms = florin_clock_ms();
    fake_request(broker, "late", 1, &request);
    fake_expect(broker, FLORIN_MDP_HEARTBEAT);
    fake_pass(broker, 1);
    if (florin_clock_ms() - begun_ms > FLORIN_LANE_STUCK_MS - 100)
        return; /* the machine is too busy to tell: the dialog may have been first */
    fake_expect_ok(broker, "first", "batch 1 of 1");
    (void)fake_expect_reply(broker, "late");
    expect_expired(broker, "not begun: it had 1 ms to live, and waited longer for its turn");
}

static void test_bad_bodies(void **state)
{
    fake_t *broker = *state;
    fake_request_bytes(broker, "a", "\377\377\377", 3);
    fake_expect_answer(broker, "a", FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                       "body is not a florin.v1.Request");
    fake_request_bytes(broker, "b", "\122\177",
                       2); /* open_accounts of 127 bytes that aren't there */
    fake_expect_answer(broker, "b", FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                       "body is not a florin.v1.Request");
    const florin_slice_t two[] = {{(const uint8_t *)"", 0},
                                  {(const uint8_t *)FLORIN_MDP_WORKER, 6},
                                  {(const uint8_t *)"\002", 1},
                                  {(const uint8_t *)"c", 1},
                                  {(const uint8_t *)"", 0},
                                  {(const uint8_t *)"", 0},
                                  {(const uint8_t *)"", 0},
                                  {(const uint8_t *)"", 0},
                                  {NULL, 0}};
    fake_send(broker, two);
    fake_expect_answer(broker, "c", FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                       "body of 2 frames; it is one");
    fake_request_bytes(broker, "d", "", 0); /* a Request without operation is one */
    fake_pass(broker, 1);
    fake_expect_ok(broker, "d", "batch 1 of 1");
}

/* protobuf-c would hand on "a" for the reference "a\0b". */
static void test_text_with_a_nul(void **state)
{
    static const uint8_t body[] = {0x0a, 1, 'r',  0xa2, 0x01, 9,       /* r; create_transfers */
                                   0x0a, 0,                            /* a transfer of zeros */
                                   0x0a, 5, 0x5a, 3,    'a',  0, 'b'}; /* another, its reference */
    fake_t *broker = *state;
    fake_request_bytes(broker, "a", body, sizeof(body));
    fake_expect_answer(broker, "a", FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                       "transfers[1].reference: holds a NUL byte");
    assert_int_equal(broker->reply->request_id.len, 1);
    assert_memory_equal(broker->reply->request_id.data, "r", 1);
    send_events(broker, "b", 1);
    fake_pass(broker, 1);
    fake_expect_ok(broker, "b", "batch 1 of 1");
}

/* Two bytes on the wire become an account's hundred and more in memory: two million of them. */
static void test_submessage_bomb(void **state)
{
    fake_t *broker = *state;
    const size_t inside = 4000000, bytes = inside + 5;
    uint8_t *body = calloc(1, bytes);
    assert_non_null(body);
    const uint8_t head[] = {0x52, 0x80 | (inside & 0x7f), 0x80 | (inside >> 7 & 0x7f),
                            0x80 | (inside >> 14 & 0x7f), inside >> 21};
    memcpy(body, head, sizeof(head));
    for (size_t i = 0; i < inside; i += 2)
        body[sizeof(head) + i] = 0x0a;
    for (int i = 0; i < 3; i++) {
        fake_request_bytes(broker, "bomb", body, bytes);
        const Florin__V1__Reply *reply = fake_expect_reply(broker, "bomb");
        assert_int_equal(reply->status, FLORIN__V1__STATUS__STATUS_TOO_LARGE);
    }
    free(body);
    send_events(broker, "a", FLORIN_EVENTS_MAX);
    fake_pass(broker, 1);
    fake_expect_ok(broker, "a", "batch 1 of 1");
}

/* Two that unpack to more than half of what a batch has room for: that the first is refused is no
 * fault of the second. */
static void test_what_is_refused_takes_no_room_from_others(void **state)
{
    fake_t *broker = *state;
    const size_t count = 16u * 1024 * 1024 / (sizeof(Florin__V1__Transfer) + sizeof(void *));
    static Florin__V1__Transfer transfer = FLORIN__V1__TRANSFER__INIT;
    static uint8_t long_id[FLORIN_REQUEST_ID_BYTES_MAX + 1];
    Florin__V1__AssessTransfersRequest assess = FLORIN__V1__ASSESS_TRANSFERS_REQUEST__INIT;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_ASSESS_TRANSFERS;
    request.assess_transfers = &assess;
    assess.n_transfers = count;
    assess.transfers = calloc(count, sizeof *assess.transfers);
    assert_non_null(assess.transfers);
    for (size_t i = 0; i < count; i++)
        assess.transfers[i] = &transfer;
    begin_batch(broker);
    request.request_id = (ProtobufCBinaryData){.len = sizeof long_id, .data = long_id};
    fake_request(broker, "a", 60000, &request);
    request.request_id.len = 1;
    fake_request(broker, "b", 60000, &request);
    free(assess.transfers);
    for (size_t i = 0; i < CREDIT - 3; i++)
        send_events(broker, "c", 1);
    send_events(broker, "d", 1);
    fake_expect_busy(broker, "d"); /* so the others have arrived */
    fake_pass(broker, 2);
    fake_expect_ok(broker, "first", "batch 1 of 1");
    fake_expect_answer(broker, "a", FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                       "request_id: 65 bytes; it has at most 64");
    fake_expect_answer(broker, "b", FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                       "operation assess_transfers is not one of service fake");
}

static void test_reply_too_large(void **state)
{
    fake_t *broker = *state;
    Florin__V1__StatementRequest statement = FLORIN__V1__STATEMENT_REQUEST__INIT;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_STATEMENT;
    request.statement = &statement;
    fake_request(broker, "a", 60000, &request);
    fake_pass(broker, 1);
    const Florin__V1__Reply *reply = fake_expect_reply(broker, "a");
    assert_int_equal(reply->status, FLORIN__V1__STATUS__STATUS_TOO_LARGE);
    assert_non_null(strstr(reply->message, "smaller page"));
}

static void test_wrong_operation_is_named(void **state)
{
    fake_t *broker = *state;
    Florin__V1__AssessTransfersRequest assess = FLORIN__V1__ASSESS_TRANSFERS_REQUEST__INIT;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_ASSESS_TRANSFERS;
    request.assess_transfers = &assess;
    fake_request(broker, "a", 60000, &request);
    fake_pass(broker, 1);
    fake_expect_answer(broker, "a", FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                       "operation assess_transfers is not one of service fake");
}

static void test_garbage_from_the_broker(void **state)
{
    fake_t *broker = *state;
    uint32_t seed = (uint32_t)florin_clock_ns();
    print_message("seed %u\n", seed);
    srandom(seed);
    for (int i = 0; i < 500; i++) {
        uint8_t noise[40];
        florin_slice_t frames[FLORIN_MDP_FRAMES_MAX + 3] = {{NULL, 0}};
        size_t count = 1 + (size_t)random() % (FLORIN_MDP_FRAMES_MAX + 2);
        for (size_t k = 0; k < sizeof(noise); k++)
            noise[k] = (uint8_t)random();
        for (size_t k = 0; k < count; k++)
            frames[k] = (florin_slice_t){noise, (size_t)random() % sizeof(noise)};
        if (random() % 2) { /* nearly right */
            frames[0].size = 0;
            if (count > 1)
                frames[1] = (florin_slice_t){(const uint8_t *)FLORIN_MDP_WORKER, 6};
        }
        fake_send(broker, frames);
    }
    send_events(broker, "a", 1);
    fake_pass(broker, 1);
    fake_expect_ok(broker, "a", "batch 1 of 1");
}

static void test_a_broker_that_comes_back(void **state)
{
    fake_t *broker = *state;
    begin_batch(broker);
    fake_close(broker);
    fake_open(broker);
    fake_expect(broker, FLORIN_MDP_READY);
    fake_pass(broker, 2);
    send_events(broker, "b", 1); /* the reply to the other session's request is not sent */
    const Florin__V1__Reply *reply = fake_expect_reply(broker, "b");
    assert_int_equal(reply->status, FLORIN__V1__STATUS__STATUS_OK);
}

static void test_a_broker_that_falls_silent(void **state)
{
    fake_t *broker = *state;
    fake_expect(broker, FLORIN_MDP_HEARTBEAT);
    broker->mute = true;
    fake_expect(broker, FLORIN_MDP_READY);
}

static void test_a_broker_that_says_disconnect(void **state)
{
    fake_t *broker = *state;
    for (int i = 0; i < 3; i++) {
        fake_command(broker, FLORIN_MDP_DISCONNECT);
        broker->worker_bytes = 0; /* no heartbeats to one that is gone */
        fake_expect(broker, FLORIN_MDP_READY);
    }
    send_events(broker, "a", 1);
    fake_pass(broker, 1);
    fake_expect_ok(broker, "a", "batch 1 of 1");
}

static void test_sigterm_drains(void **state)
{
    fake_t *broker = *state;
    begin_batch(broker);
    send_events(broker, "waiting", 1);
    send_events(broker, "waiting too", 1);
    assert_int_equal(kill(broker->pid, SIGTERM), 0);
    fake_expect(broker, FLORIN_MDP_DISCONNECT);
    broker->mute = true; /* as a broker that has no more to say to one that leaves */
    fake_pass(broker, 2);
    fake_expect_ok(broker, "first", "batch 1 of 1");
    fake_expect_ok(broker, "waiting", "batch 2 of 2");
    fake_expect_ok(broker, "waiting too", "batch 2 of 2");
    assert_int_equal(fake_wait_exit(broker), 0);
}

static void test_sigterm_when_idle(void **state)
{
    fake_t *broker = *state;
    uint64_t begun_ms = florin_clock_ms();
    assert_int_equal(kill(broker->pid, SIGTERM), 0);
    fake_expect(broker, FLORIN_MDP_DISCONNECT);
    assert_int_equal(fake_wait_exit(broker), 0);
    assert_in_range(florin_clock_ms() - begun_ms, 0, 3000);
}

/* The handler hangs: the process ends all the same, and says that it left something undone. */
static void test_drain_has_an_end(void **state)
{
    fake_t *broker = *state;
    begin_batch(broker);
    assert_int_equal(kill(broker->pid, SIGTERM), 0);
    fake_expect(broker, FLORIN_MDP_DISCONNECT);
    assert_int_equal(fake_wait_exit(broker), EXIT_FAILURE);
}

/* Requests that come in a pack are answered in one; the one that follows, which comes by itself, is
 * too, for this broker takes packs. */
static void test_packs(void **state)
{
    fake_t *broker = *state;
    uint8_t bytes[256], body[64];
    size_t used = 0;
    Florin__V1__Request request = lookup_of(1);
    const florin_slice_t packed = {body, florin__v1__request__pack(&request, body)};
    const florin_slice_t tokens[] = {{(const uint8_t *)"one", 3}, {(const uint8_t *)"two", 3}};
    for (size_t i = 0; i < 2; i++) {
        florin_mdp_part_put(bytes, &used, tokens[i]);
        florin_mdp_part_put(bytes, &used, (florin_slice_t){NULL, 0}); /* an empty context is one */
        florin_mdp_part_put(bytes, &used, packed);
    }
    const uint8_t command = FLORIN_MDP_REQUESTS;
    const florin_slice_t frames[] = {{(const uint8_t *)"", 0},
                                     {(const uint8_t *)FLORIN_MDP_WORKER, FLORIN_MDP_HEADER_BYTES},
                                     {&command, 1},
                                     {bytes, used - 1}}; /* the second one is cut off */
    const florin_slice_t whole[] = {frames[0], frames[1], frames[2], {bytes, used}, {NULL, 0}};
    const florin_slice_t cut[] = {frames[0], frames[1], frames[2], frames[3], {NULL, 0}};
    fake_send(broker, whole);
    fake_pass(broker, 1);
    fake_expect(broker, FLORIN_MDP_REPLIES);
    florin_slice_t pack = {broker->bytes, broker->bytes_count}, part;
    for (size_t i = 0; i < 2; i++) {
        assert_true(florin_mdp_part_take(&pack, &part));
        assert_memory_equal(part.data, tokens[i].data, part.size);
        assert_true(florin_mdp_part_take(&pack, &part));
        Florin__V1__Reply *reply = florin__v1__reply__unpack(NULL, part.size, part.data);
        assert_string_equal(reply->message, "batch 1 of 2");
        florin__v1__reply__free_unpacked(reply, NULL);
    }
    fake_send(broker, cut);
    fake_pass(broker, 1);
    fake_expect(broker, FLORIN_MDP_REPLIES);
    assert_in_range(broker->bytes_count, 1, 64); /* one reply */
    send_events(broker, "three", 1);
    fake_pass(broker, 1);
    fake_expect(broker, FLORIN_MDP_REPLIES);
}

#define GATED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GATED(test_hello_and_heartbeats),
        GATED(test_request_id_comes_back),
        GATED(test_what_waits_is_the_next_batch),
        GATED(test_what_may_have_begun_is_not_called_busy),
        GATED(test_the_next_batch_is_asked_about_ahead),
        GATED(test_looking_ahead_in_vain),
        GATED(test_batches_are_cut_by_events),
        GATED(test_idle_work_between_batches),
        GATED(test_expired_is_told_in_time),
        GATED(test_expired_is_not_begun),
        GATED(test_bad_bodies),
        GATED(test_text_with_a_nul),
        GATED(test_submessage_bomb),
        GATED(test_what_is_refused_takes_no_room_from_others),
        GATED(test_reply_too_large),
        GATED(test_wrong_operation_is_named),
        GATED(test_garbage_from_the_broker),
        GATED(test_packs),
        GATED(test_a_broker_that_comes_back),
        GATED(test_a_broker_that_falls_silent),
        GATED(test_a_broker_that_says_disconnect),
        GATED(test_sigterm_drains),
        GATED(test_sigterm_when_idle),
        GATED(test_drain_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
