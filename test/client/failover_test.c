/* libflorin against brokers that fall silent, die and come back. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/client/support/world.h"

/* A program that was stopped beyond the deadline gets the answer that waits for it; and no other
 * reprieve. */
static void reads_before_it_judges_time(void **state)
{
    world_t *world = *state;
    world->options.timeout_ms = 1000;
    world_start(world);
    for (int answered = 1; answered >= 0; answered--) {
        ending_t ending;
        fake_request_t request;
        world_submit(world, &ending);
        fake_broker_expect(&world->brokers[0], world->client, &request);
        zclock_sleep(1500);
        (void)florin_client_process(world->client, 0);
        assert_int_equal(ending.calls, 0);
        if (answered)
            fake_broker_answer(&world->brokers[0], &request, OK, "");
        world_wait(world, &ending);
        assert_int_equal(ending.code, answered ? 0 : FLORIN_ERROR_TIMEOUT);
    }
}

static void fails_over_when_silent(void **state)
{
    world_t *world = *state;
    world->options.brokers_count = 2;
    world->options.try_timeout_ms = 50;
    world_start(world);
    ending_t ending;
    world_submit(world, &ending);
    fake_request_t first, second;
    fake_broker_expect(&world->brokers[0], world->client, &first);
    fake_broker_expect(&world->brokers[1], world->client, &second);
    assert_memory_equal(first.path, second.path, 6);
    /* The refusal of the try given up is nothing now; the answer to the second try counts. */
    fake_broker_answer(&world->brokers[0], &first, BUSY, "");
    fake_broker_answer(&world->brokers[1], &second, OK, "second");
    world_wait(world, &ending);
    assert_string_equal(ending.text, "second");
    /* It stays with the broker that answered; doubles of the old reply end nothing. */
    ending_t next;
    world_submit(world, &next);
    fake_broker_answer(&world->brokers[0], &first, OK, "late");
    fake_broker_answer(&world->brokers[1], &second, OK, "double");
    fake_broker_expect(&world->brokers[1], world->client, &second);
    fake_broker_answer(&world->brokers[1], &second, OK, "next");
    world_wait(world, &next);
    assert_string_equal(next.text, "next");
    assert_int_equal(ending.calls, 1);
}

/* Answers everything, in a process of its own that can be stopped, and ends with the test. It
 * listens when this returns. */
static pid_t answer_in_a_process(const char *endpoint)
{
    int listens[2];
    char byte = 0;
    assert_int_equal(pipe(listens), 0);
    pid_t pid = fork();
    if (pid != 0) {
        (void)close(listens[1]);
        assert_int_equal(read(listens[0], &byte, 1), 1);
        (void)close(listens[0]);
        return pid;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    fake_broker_t broker = {0};
    fake_broker_start(&broker, endpoint, NULL);
    if (write(listens[1], &byte, 1) != 1)
        _exit(1);
    zmq_pollitem_t item = {.socket = broker.socket, .events = ZMQ_POLLIN};
    for (fake_request_t request; zmq_poll(&item, 1, -1) == 1;)
        if (fake_broker_receive(&broker, &request))
            fake_broker_answer(&broker, &request, OK, "from the process");
    _exit(1);
}

/* Its connection stays, and no try ends soon: only its silence tells. */
static void leaves_a_broker_that_was_stopped(void **state)
{
    world_t *world = *state;
    world->options.brokers_count = 2;
    world->options.timeout_ms = 60000;
    world->options.try_timeout_ms = 60000;
    char endpoint[128];
    (void)snprintf(endpoint, sizeof endpoint, "%s", world->endpoints[0]);
    fake_broker_stop(&world->brokers[0]);
    pid_t pid = answer_in_a_process(endpoint);
    assert_true(pid > 0);
    world_start(world);
    ending_t ending;
    world_submit(world, &ending);
    world_wait(world, &ending);
    assert_string_equal(ending.text, "from the process");
    assert_int_equal(kill(pid, SIGSTOP), 0);
    world_submit(world, &ending);
    fake_request_t request;
    fake_broker_expect(&world->brokers[1], world->client, &request);
    fake_broker_answer(&world->brokers[1], &request, OK, "from the other");
    world_wait(world, &ending);
    assert_string_equal(ending.text, "from the other");
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* One request right after the answer to another: that answer is no sign of life since. */
static void fails_over_when_silent_from_now_on(void **state)
{
    world_t *world = *state;
    world->options.brokers_count = 2;
    world->options.try_timeout_ms = 400;
    world_start(world);
    ending_t ending;
    fake_request_t request;
    assert_int_equal(world_ask(world, &ending, OK), 1);
    world_submit(world, &ending);
    fake_broker_expect(&world->brokers[1], world->client, &request);
    assert_true(fake_broker_receive(&world->brokers[0], &request));
    assert_false(fake_broker_receive(&world->brokers[0], &request)); /* asked only once */
}

static void takes_the_late_answer_of_an_earlier_try(void **state)
{
    world_t *world = *state;
    world->options.brokers_count = 2;
    world->options.try_timeout_ms = 50;
    world_start(world);
    ending_t ending;
    world_submit(world, &ending);
    fake_request_t first, second;
    fake_broker_expect(&world->brokers[0], world->client, &first);
    fake_broker_expect(&world->brokers[1], world->client, &second);
    fake_broker_answer(&world->brokers[0], &first, OK, "first");
    world_wait(world, &ending);
    assert_string_equal(ending.text, "first");
    fake_broker_answer(&world->brokers[1], &second, OK, "second");
    for (int i = 0; i < 20; i++)
        (void)florin_client_process(world->client, 1);
    assert_int_equal(ending.calls, 1);
}

/* Until the other one is asked, which must be up before. */
static void refuse_until_left(world_t *world, size_t broker, Florin__V1__Status status,
                              fake_request_t *request)
{
    uint64_t deadline = florin_clock_ms() + PATIENCE_MS;
    while (!fake_broker_receive(&world->brokers[1 - broker], request)) {
        assert_true(florin_clock_ms() < deadline);
        (void)florin_client_process(world->client, 2);
        if (fake_broker_receive(&world->brokers[broker], request))
            fake_broker_answer(&world->brokers[broker], request, status, "");
    }
}

static void asks_another_broker_when_one_is_of_no_use(void **state)
{
    world_t *world = *state;
    world->options.brokers_count = 2;
    world->options.timeout_ms = 60000;
    world->options.try_timeout_ms = 60000;
    world_start(world);
    ending_t ending;
    world_submit(world, &ending);
    fake_request_t request;
    refuse_until_left(world, 0, FLORIN__V1__STATUS__STATUS_UNAVAILABLE, &request);
    fake_broker_answer(&world->brokers[1], &request, FLORIN__V1__STATUS__STATUS_NO_SERVICE, "");
    refuse_until_left(world, 1, FLORIN__V1__STATUS__STATUS_NO_SERVICE, &request);
    fake_broker_answer(&world->brokers[0], &request, OK, "");
    world_wait(world, &ending);
    assert_int_equal(ending.status, OK);
}

static void fails_over_at_once_when_the_broker_dies(void **state)
{
    world_t *world = *state;
    world->options.brokers_count = 2;
    world->options.timeout_ms = 60000;
    world->options.try_timeout_ms = 60000;
    world_start(world);
    ending_t ending;
    world_submit(world, &ending);
    fake_request_t request;
    fake_broker_expect(&world->brokers[0], world->client, &request);
    fake_broker_stop(&world->brokers[0]);
    fake_broker_expect(&world->brokers[1], world->client, &request);
    fake_broker_answer(&world->brokers[1], &request, OK, "");
    world_wait(world, &ending);
    assert_int_equal(ending.status, OK);
}

static void sends_again_when_the_only_broker_comes_back(void **state)
{
    world_t *world = *state;
    world->options.try_timeout_ms = 10000;
    char endpoint[128];
    (void)snprintf(endpoint, sizeof endpoint, "%s", world->endpoints[0]);
    world_start(world);
    ending_t ending;
    world_submit(world, &ending);
    fake_request_t request;
    fake_broker_expect(&world->brokers[0], world->client, &request);
    fake_broker_stop(&world->brokers[0]);
    fake_broker_start(&world->brokers[0], endpoint, NULL);
    fake_broker_expect(&world->brokers[0], world->client, &request);
    fake_broker_answer(&world->brokers[0], &request, OK, "");
    world_wait(world, &ending);
    assert_int_equal(ending.status, OK);
}

static void says_that_nothing_listens(void **state)
{
    world_t *world = *state;
    world->options.timeout_ms = 150;
    fake_broker_stop(&world->brokers[0]);
    world_start(world);
    ending_t ending;
    world_submit(world, &ending);
    world_wait(world, &ending);
    assert_int_equal(ending.code, FLORIN_ERROR_TIMEOUT);
    assert_non_null(strstr(ending.text, "nothing listens there"));
    assert_non_null(strstr(ending.text, "nothing was done"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(reads_before_it_judges_time),
        TEST(fails_over_when_silent),
        TEST(leaves_a_broker_that_was_stopped),
        TEST(fails_over_when_silent_from_now_on),
        TEST(takes_the_late_answer_of_an_earlier_try),
        TEST(asks_another_broker_when_one_is_of_no_use),
        TEST(fails_over_at_once_when_the_broker_dies),
        TEST(sends_again_when_the_only_broker_comes_back),
        TEST(says_that_nothing_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
