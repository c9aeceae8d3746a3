#include "test/client/support/world.h"

void world_on_reply(void *arg, const Florin__V1__Reply *reply, const florin_error_t *error)
{
    ending_t *ending = arg;
    ending->calls++;
    ending->code = error->code;
    assert_true((reply == NULL) == (error->code != 0));
    if (reply)
        ending->status = reply->status;
    (void)snprintf(ending->text, sizeof ending->text, "%s",
                   reply ? reply->message : error->message);
}

Florin__V1__Request world_request(void)
{
    static Florin__V1__TrialBalanceRequest empty = FLORIN__V1__TRIAL_BALANCE_REQUEST__INIT;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_TRIAL_BALANCE;
    request.trial_balance = &empty;
    return request;
}

void world_submit(world_t *world, ending_t *ending)
{
    Florin__V1__Request request = world_request();
    memset(ending, 0, sizeof *ending);
    assert_int_equal(
        florin_client_submit(world->client, "accounts", &request, world_on_reply, ending, NULL), 0);
}

void world_wait(world_t *world, const ending_t *ending)
{
    uint64_t deadline = florin_clock_ms() + PATIENCE_MS;
    while (ending->calls == 0) {
        (void)florin_client_process(world->client, 2);
        if (florin_clock_ms() > deadline)
            fail_msg("the request did not end");
    }
}

void world_start(world_t *world)
{
    florin_error_t error = {0};
    if (florin_client_new(&world->options, &world->client, &error) != 0)
        fail_msg("%s", error.message);
}

int world_set_up(void **state)
{
    world_t *world = calloc(1, sizeof *world);
    (void)snprintf(world->folder, sizeof world->folder, "/tmp/florin-client-test-XXXXXX");
    if (!mkdtemp(world->folder))
        return -1;
    for (size_t i = 0; i < 2; i++) {
        char endpoint[128];
        (void)snprintf(endpoint, sizeof endpoint, "ipc://%s/broker%zu", world->folder, i);
        fake_broker_start(&world->brokers[i], endpoint, NULL);
        world->endpoints[i] = world->brokers[i].endpoint;
    }
    world->options = (florin_client_options_t){.brokers = world->endpoints, .brokers_count = 1};
    *state = world;
    return 0;
}

int world_tear_down(void **state)
{
    world_t *world = *state;
    florin_client_destroy(&world->client);
    for (size_t i = 0; i < 2; i++)
        fake_broker_stop(&world->brokers[i]);
    zdir_t *folder = zdir_new(world->folder, NULL);
    zdir_remove(folder, true);
    zdir_destroy(&folder);
    free(world);
    return 0;
}

unsigned world_answer(world_t *world, const ending_t *ending, Florin__V1__Status status)
{
    unsigned seen = 0;
    fake_request_t request;
    uint64_t deadline = florin_clock_ms() + PATIENCE_MS;
    while (ending->calls == 0 && florin_clock_ms() < deadline) {
        (void)florin_client_process(world->client, 2);
        if (!fake_broker_receive(&world->brokers[0], &request))
            continue;
        fake_broker_answer(&world->brokers[0], &request, status, "seen");
        seen++;
    }
    assert_int_equal(ending->calls, 1);
    return seen;
}

unsigned world_ask(world_t *world, ending_t *ending, Florin__V1__Status status)
{
    world_submit(world, ending);
    assert_int_equal(ending->calls, 0); /* never from within submit */
    return world_answer(world, ending, status);
}
