/* A worker with lanes, against a broker of a page: who waits for whom, and who gives way. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/workers/support/fake_broker.h"

#define CREDIT 6

static int gate, begun;

/* ------------------------------------- a handler whose first lane goes on while the others wait
 * A reply's message names the kind of lane. A lookup's first id is the shard that it goes to; what
 * gets there waits at the gate. */

enum { FREE_LANE, GATED_LANE, KINDS };
static const florin_lane_kind_t lanes[KINDS] = {{"free", .by_shard = false},
                                                {"gated", .by_shard = true}};
static __thread unsigned done; /* batches of this lane */

static size_t weigh(const Florin__V1__Request *request)
{
    (void)request;
    return 1;
}

static void wait_at_the_gate(void)
{
    char byte;
    if (write(begun, "", 1) != 1 || read(gate, &byte, 1) != 1)
        _exit(99);
}

static void stop(void **state)
{
    *state = NULL;
}

static int start_lane(void **state, const florin_setup_t *setup, florin_error_t *error)
{
    (void)error;
    *state = setup->kind == GATED_LANE ? &gate : &begun;
    return 0;
}

static florin_route_t route(const florin_slots_t *slots, florin_wire_t body)
{
    florin_wire_t contents;
    florin_wire_field_t id;
    if (slots->shards_count != 0)
        _exit(96);
    if (florin_route_operation(body, &contents) == FLORIN__V1__REQUEST__OPERATION_LOOKUP_ACCOUNTS &&
        florin_wire_next(&contents, &id) && id.contents.end > id.contents.at)
        return (florin_route_t){.kind = GATED_LANE, .shard = id.contents.at[0]};
    return (florin_route_t){.kind = FREE_LANE};
}

static void handle_lane(void *state, florin_call_t *calls, size_t count, florin_arena_t *arena,
                        const florin_ahead_t *ahead)
{
    (void)ahead;
    done++;
    if (state == &gate)
        wait_at_the_gate();
    for (size_t i = 0; i < count; i++) {
        calls[i].reply->status = FLORIN__V1__STATUS__STATUS_OK;
        calls[i].reply->message =
            florin_arena_printf(arena, "%s, its batch %u", state == &gate ? "gated" : "free", done);
    }
}

static const florin_handler_t laned = {.service = "fake",
                                       .program = "florin-fake",
                                       .lanes = lanes,
                                       .lanes_count = KINDS,
                                       .route = route,
                                       .start = start_lane,
                                       .weigh = weigh,
                                       .handle = handle_lane,
                                       .stop = stop};

/* ---------------------------------------------------------------------------------- the tests */

static int set_up(void **state)
{
    fake_t *broker = malloc(sizeof(*broker));
    if (!broker)
        return -1;
    fake_start(broker, &laned, CREDIT, &gate, &begun);
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

/* A request for the lane of a shard. */
static void send_gated(fake_t *broker, const char *token, uint8_t shard)
{
    Florin__V1__LookupAccountsRequest lookup = FLORIN__V1__LOOKUP_ACCOUNTS_REQUEST__INIT;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    ProtobufCBinaryData id = {.len = 1, .data = &shard};
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_LOOKUP_ACCOUNTS;
    request.lookup_accounts = &lookup;
    lookup.n_ids = 1;
    lookup.ids = &id;
    fake_request(broker, token, 60000, &request);
}

static void send_free(fake_t *broker, const char *token)
{
    fake_request_bytes(broker, token, "", 0);
}

/* Two lanes of four wait at the gate; what goes to another is answered, however often. */
static void test_a_lane_that_waits_holds_up_no_other(void **state)
{
    fake_t *broker = *state;
    send_gated(broker, "a", 1);
    send_gated(broker, "b", 6); /* 6 modulo 4 */
    fake_await_batch(broker);
    fake_await_batch(broker);
    for (unsigned i = 1; i <= 20; i++) {
        char message[32];
        (void)snprintf(message, sizeof message, "free, its batch %u", i);
        send_free(broker, "c");
        fake_expect_ok(broker, "c", message);
    }
    fake_pass(broker, 2);
    for (unsigned i = 0; i < 2; i++) {
        fake_expect(broker, FLORIN_MDP_REPLY);
        assert_string_equal(broker->reply->message, "gated, its batch 1");
    }
}

/* Shards 2 and 6 are of one lane: the second waits for the first. */
static void test_shards_share_lanes(void **state)
{
    fake_t *broker = *state;
    send_gated(broker, "a", 2);
    fake_await_batch(broker);
    send_gated(broker, "b", 6);
    send_free(broker, "c");
    fake_expect_ok(broker, "c", "free, its batch 1"); /* so "b" has arrived */
    fake_pass(broker, 1);
    fake_expect_ok(broker, "a", "gated, its batch 1");
    fake_pass(broker, 1);
    fake_expect_ok(broker, "b", "gated, its batch 2");
}

/* When credit grows scarce, a lane that stands still keeps what it has begun; what waits for it is
 * refused, the newest too, until there is credit again: the other lane has never less. */
static void test_a_lane_that_stands_still_gives_way(void **state)
{
    fake_t *broker = *state;
    send_gated(broker, "a", 1);
    fake_await_batch(broker);
    for (unsigned i = 0; i < CREDIT - 2; i++)
        send_gated(broker, "b", 1);
    for (unsigned i = 0; i < CREDIT - 2; i++)
        fake_expect_busy(broker, "b");
    for (unsigned i = 0; i < 3; i++) {
        send_free(broker, "c");
        (void)fake_expect_reply(broker, "c");
        assert_int_equal(broker->reply->status, FLORIN__V1__STATUS__STATUS_OK);
    }
    fake_pass(broker, 1);
    fake_expect_ok(broker, "a", "gated, its batch 1");
}

/* All lanes finish what they have. */
static void test_sigterm_drains_all_lanes(void **state)
{
    fake_t *broker = *state;
    send_gated(broker, "a", 0);
    send_gated(broker, "b", 1);
    send_gated(broker, "c", 2);
    for (unsigned i = 0; i < 3; i++)
        fake_await_batch(broker);
    assert_int_equal(kill(broker->pid, SIGTERM), 0);
    fake_expect(broker, FLORIN_MDP_DISCONNECT);
    broker->mute = true;
    fake_pass(broker, 3);
    for (unsigned i = 0; i < 3; i++)
        fake_expect(broker, FLORIN_MDP_REPLY);
    assert_int_equal(fake_wait_exit(broker), 0);
}

#define LANED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LANED(test_a_lane_that_waits_holds_up_no_other),
        LANED(test_shards_share_lanes),
        LANED(test_a_lane_that_stands_still_gives_way),
        LANED(test_sigterm_drains_all_lanes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
