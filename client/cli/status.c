/* florin status. */
#include <inttypes.h>

#include "client/cli/cli.h"
#include "client/cli/table.h"
#include "client/cli/wire.h"

static error_t parse(int key, char *value, struct argp_state *state)
{
    (void)value;
    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = state->input;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

/* "3d 4h", "5m 6s", "7s": the two largest units. */
static void add_age(table_t *table, uint64_t ms)
{
    uint64_t s = ms / 1000;
    if (s >= 86400)
        table_cell(table, "%" PRIu64 "d %" PRIu64 "h", s / 86400, s % 86400 / 3600);
    else if (s >= 3600)
        table_cell(table, "%" PRIu64 "h %" PRIu64 "m", s / 3600, s % 3600 / 60);
    else if (s >= 60)
        table_cell(table, "%" PRIu64 "m %" PRIu64 "s", s / 60, s % 60);
    else
        table_cell(table, "%" PRIu64 "s", s);
}

static void print_pools(const Florin__V1__BrokerStatus *broker)
{
    table_t *table = table_new(
        stdout, (const char *const[]){"SERVICE", "POLICY", ">WORKERS", ">QUEUED", ">QUEUED KIB",
                                      ">ANSWERED", ">BUSY", ">EXPIRED", ">SENT AGAIN", NULL});
    for (size_t i = 0; i < broker->n_pools; i++) {
        const Florin__V1__PoolStatus *pool = broker->pools[i];
        table_cell(table, "%s", pool->service);
        table_cell(table, "%s", pool->policy);
        table_cell(table, "%zu", pool->n_workers);
        table_cell(table, "%" PRIu32 "/%" PRIu32, pool->queued_requests, pool->queue_requests_max);
        table_cell(table, "%" PRIu64 "/%" PRIu64, pool->queued_bytes / 1024,
                   pool->queue_bytes_max / 1024);
        table_cell(table, "%" PRIu64, pool->answered);
        table_cell(table, "%" PRIu64, pool->busy);
        table_cell(table, "%" PRIu64, pool->expired);
        table_cell(table, "%" PRIu64, pool->redispatched);
    }
    table_print(table);
    table_destroy(&table);
}

static void print_workers(const Florin__V1__BrokerStatus *broker)
{
    table_t *table = table_new(stdout, (const char *const[]){"SERVICE", "WORKER", "VERSION",
                                                             ">UNDER WAY", ">CREDIT", ">WEIGHT",
                                                             ">ANSWERED", ">AGE", "STATE", NULL});
    for (size_t i = 0; i < broker->n_pools; i++)
        for (size_t j = 0; j < broker->pools[i]->n_workers; j++) {
            const Florin__V1__WorkerStatus *worker = broker->pools[i]->workers[j];
            table_cell(table, "%s", broker->pools[i]->service);
            table_cell(table, "%s", *worker->instance ? worker->instance : "(plain)");
            table_cell(table, "%s", *worker->version ? worker->version : "-");
            table_cell(table, "%" PRIu32, worker->outstanding);
            table_cell(table, "%" PRIu32, worker->credit);
            table_cell(table, "%" PRIu32, worker->weight);
            table_cell(table, "%" PRIu64, worker->answered);
            add_age(table, worker->age_ms);
            table_cell(table, "%s", worker->draining ? "draining" : "ready");
        }
    table_print(table);
    table_destroy(&table);
}

static void print_status(const Florin__V1__BrokerStatus *broker)
{
    table_t *table = table_new(stdout, (const char *const[]){"BROKER", ">UP", ">DROPPED MALFORMED",
                                                             ">DROPPED REPLIES", NULL});
    table_cell(table, "florin-broker %s", broker->version);
    add_age(table, broker->uptime_ms);
    table_cell(table, "%" PRIu64, broker->dropped_malformed);
    table_cell(table, "%" PRIu64, broker->dropped_replies);
    table_print(table);
    table_destroy(&table);
    (void)printf("\n");
    print_pools(broker);
    (void)printf("\n");
    print_workers(broker);
}

int status(cli_t *cli, int argc, char **argv)
{
    const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        .parser = parse,
        .doc = "Show pools, queues and workers as the broker that answers sees them.",
        .children = children};
    cli_parse(&argp, argc, argv, cli);
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    Florin__V1__Reply *reply;
    int code = cli_call(cli, "florin.broker", &request, "status", &reply);
    if (code != CLI_DONE)
        return code;
    if (cli->json)
        cli_print_json(wire_json(&reply->broker_status->base));
    else
        print_status(reply->broker_status);
    florin__v1__reply__free_unpacked(reply, NULL);
    return code;
}
