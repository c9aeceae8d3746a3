/* What libflorin does about BUSY: asks again, gives it up, holds back what would be refused. */
#include "test/client/support/world.h"

static void tries_again_after_busy(void **state)
{
    world_t *world = *state;
    world_start(world);
    ending_t ending;
    world_submit(world, &ending);
    fake_request_t first, second;
    fake_broker_expect(&world->brokers[0], world->client, &first);
    fake_broker_answer(&world->brokers[0], &first, BUSY, "");
    fake_broker_expect(&world->brokers[0], world->client, &second);
    assert_memory_equal(first.path, second.path, 6);
    assert_memory_not_equal(first.path, second.path, 8);
    assert_memory_equal(first.body, second.body, sizeof first.body);
    fake_broker_answer(&world->brokers[0], &second, OK, "");
    world_wait(world, &ending);
    assert_int_equal(ending.status, OK);
}

static void gives_busy_when_the_time_is_up(void **state)
{
    world_t *world = *state;
    world->options.timeout_ms = 200;
    world_start(world);
    ending_t ending;
    unsigned tries = world_ask(world, &ending, BUSY);
    assert_int_equal(ending.code, 0);
    assert_int_equal(ending.status, BUSY);
    assert_in_range(tries, 2, 20);
}

static void busy_is_an_answer_where_refusals_end(void **state)
{
    world_t *world = *state;
    world->options.refusals_end = true;
    world_start(world);
    ending_t ending;
    fake_request_t request;
    assert_int_equal(world_ask(world, &ending, BUSY), 1);
    assert_int_equal(ending.code, 0);
    assert_int_equal(ending.status, BUSY);
    assert_false(fake_broker_receive(&world->brokers[0], &request));
}

/* In a window after one with a refusal, all but one; until the broker says something else. */
static void holds_back_what_would_be_refused(void **state)
{
    world_t *world = *state;
    world->options.refusals_end = true;
    world_start(world);
    ending_t ending;
    uint64_t deadline = florin_clock_ms() + PATIENCE_MS;
    while (world_ask(world, &ending, BUSY) == 1 && florin_clock_ms() < deadline)
        assert_string_equal(ending.text, "seen");
    assert_int_equal(ending.code, 0);
    assert_int_equal(ending.status, BUSY);
    assert_non_null(strstr(ending.text, "not sent"));
    while (world_ask(world, &ending, OK) == 0 && florin_clock_ms() < deadline)
        assert_int_equal(ending.status, BUSY);
    assert_int_equal(ending.status, OK);
}

/* What may have been done is asked about, however busy the service is. */
static void never_holds_back_what_is_in_doubt(void **state)
{
    world_t *world = *state;
    world->options.refusals_end = true;
    world->options.try_timeout_ms = 250; /* in the middle of a throttle's window */
    world_start(world);
    ending_t doubtful, other;
    fake_request_t request;
    world_submit(world, &doubtful);
    fake_broker_expect(&world->brokers[0], world->client, &request);
    uint64_t deadline = florin_clock_ms() + PATIENCE_MS;
    unsigned again = 0;
    while (doubtful.calls == 0 && florin_clock_ms() < deadline) {
        world_submit(world, &other);
        while (other.calls == 0 && doubtful.calls == 0) {
            (void)florin_client_process(world->client, 1);
            if (!fake_broker_receive(&world->brokers[0], &request))
                continue;
            bool first = memcmp(request.path + 4, (uint8_t[]){0, 0}, 2) == 0;
            fake_broker_answer(&world->brokers[0], &request, first ? OK : BUSY, "");
            again += first;
        }
    }
    assert_int_equal(again, 1);
    assert_int_equal(doubtful.code, 0);
    assert_int_equal(doubtful.status, OK);
    (void)world_answer(world, &other, BUSY);
}

/* A try that was never answered may have been carried out: "busy, not begun" would be a lie. */
static void never_says_not_begun_when_it_may_have(void **state)
{
    world_t *world = *state;
    world->options.timeout_ms = 400;
    world->options.try_timeout_ms = 50;
    world_start(world);
    ending_t ending;
    world_submit(world, &ending);
    fake_request_t request;
    fake_broker_expect(&world->brokers[0], world->client, &request);
    (void)world_answer(world, &ending, BUSY);
    assert_int_equal(ending.code, FLORIN_ERROR_TIMEOUT);
    assert_non_null(strstr(ending.text, "broker0: connected); the last refusal was busy; "));
    assert_non_null(strstr(ending.text, "it may have been done"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(tries_again_after_busy),
        TEST(gives_busy_when_the_time_is_up),
        TEST(busy_is_an_answer_where_refusals_end),
        TEST(holds_back_what_would_be_refused),
        TEST(never_holds_back_what_is_in_doubt),
        TEST(never_says_not_begun_when_it_may_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
