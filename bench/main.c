/* florin-bench: load as clients make it, how it was served, and whether the books hold it. */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/books.h"
#include "bench/load.h"
#include "lib/limits.h"

enum { DONE, FAILED, USAGE };

enum {
    OPTION_IN_FLIGHT = 256,
    OPTION_ACCOUNTS,
    OPTION_ZIPF,
    OPTION_SHARDS,
    OPTION_CROSSING,
    OPTION_ON_SHARD,
    OPTION_HOT,
    OPTION_PING,
    OPTION_RATE,
    OPTION_ONCE,
    OPTION_TAIL,
    OPTION_TAIL_RATE,
    OPTION_WARM_UP,
    OPTION_JSON
};

static const struct argp_option options[] = {
    {"config", 'f', "FILE", 0, "the client's configuration [run/client.zpl]", 1},
    {"clients", 'c', "N", 0, "clients, each with a connection of its own [1]", 2},
    {"batch", 'b', "N", 0, "transfers a request, at most 8190 [1]", 2},
    {"in-flight", OPTION_IN_FLIGHT, "N", 0, "requests under way a client [1]", 2},
    {"rate", OPTION_RATE, "N", 0,
     "open loop: transfers a second, timed from when they should have been sent", 2},
    {"once", OPTION_ONCE, NULL, 0,
     "BUSY is an answer: count and time it, and do not ask again; takes --rate", 2},
    {"tail", OPTION_TAIL, "S", 0,
     "go on for so long at --tail-rate, and tell each half second's latencies; takes --rate [0]",
     2},
    {"tail-rate", OPTION_TAIL_RATE, "N", 0, "transfers a second [100]", 2},
    {"ping", OPTION_PING, NULL, 0,
     "ask the broker alone, and move nothing: what the way there and back takes", 2},
    {"seconds", 's', "S", 0, "how long to measure [10]", 2},
    {"warm-up", OPTION_WARM_UP, "S", 0, "how long to go on before [1]", 2},
    {"accounts", OPTION_ACCOUNTS, "N", 0, "between which money moves [1000]", 3},
    {"zipf", OPTION_ZIPF, "S", 0, "an account's share falls with rank ^ S; 0: all alike [0]", 3},
    {"hot", OPTION_HOT, NULL, 0, "every transfer credits one and the same account", 3},
    {"shards-crossing", OPTION_CROSSING, "PERCENT", 0,
     "transfers between shards [as it comes]; takes --shards", 3},
    {"on-shard", OPTION_ON_SHARD, "N", 0, "transfers on this shard alone; takes --shards", 3},
    {"shards", OPTION_SHARDS, "N", 0, "how many the cluster has [1]", 3},
    {"json", OPTION_JSON, NULL, 0, "one line of JSON", 4},
    {0}};

static const char help[] =
    "Moves money in a running Florin as its clients would, and says how fast that was."
    "\v"
    "Accounts of code 7077 in EUR are opened once and used again. Afterwards their part of the\n"
    "trial balance must have grown by what was acknowledged, to the cent, and a sample of\n"
    "transfers must be found: let nothing else use these accounts meanwhile.\n"
    "\n"
    "Exit code: 0 done, 1 it could not be done or the books do not verify, 2 wrong usage.";

typedef struct {
    const char *config;
    load_options_t load;
    traffic_options_t traffic;
    bool json;
} settings_t;

static double number(struct argp_state *state, const char *what, const char *text, double min,
                     double max)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= min && value <= max))
        argp_error(state, "--%s takes a number from %g to %g, not '%s'", what, min, max, text);
    return value;
}

static size_t count(struct argp_state *state, const char *what, const char *text, double max)
{
    return (size_t)number(state, what, text, 1, max);
}

static void check(struct argp_state *state, const settings_t *self)
{
    if (self->traffic.accounts < 2 * (size_t)self->traffic.shards)
        argp_error(state, "--accounts: at least two a shard");
    if (self->traffic.crossing != TRAFFIC_CROSSING_ANY && self->traffic.crossing > 0 &&
        self->traffic.shards == 1)
        argp_error(state, "--shards-crossing takes --shards, two or more");
    if (self->traffic.on_shard != TRAFFIC_SHARD_ANY &&
        (self->traffic.on_shard >= self->traffic.shards || self->traffic.hot ||
         self->traffic.crossing != TRAFFIC_CROSSING_ANY))
        argp_error(state, "--on-shard is less than --shards, and goes without --hot and "
                          "--shards-crossing");
    if (self->load.rate == 0 && (self->load.once || self->load.tail > 0))
        argp_error(state, "--once and --tail take --rate");
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    settings_t *self = state->input;
    switch (key) {
    case 'f':
        self->config = value;
        return 0;
    case 'c':
        self->load.clients = count(state, "clients", value, 10000);
        return 0;
    case 'b':
        self->load.batch = count(state, "batch", value, FLORIN_EVENTS_MAX);
        return 0;
    case OPTION_IN_FLIGHT:
        self->load.in_flight = count(state, "in-flight", value, 65536);
        return 0;
    case OPTION_PING:
        self->load.ping = true;
        return 0;
    case OPTION_RATE:
        self->load.rate = number(state, "rate", value, 0.01, 1e7);
        return 0;
    case OPTION_ONCE:
        self->load.once = true;
        return 0;
    case OPTION_TAIL:
        self->load.tail = number(state, "tail", value, 0, RESULT_TAIL_MAX / 2.0);
        return 0;
    case OPTION_TAIL_RATE:
        self->load.tail_rate = number(state, "tail-rate", value, 1, 1e7);
        return 0;
    case 's':
        self->load.seconds = number(state, "seconds", value, 0.1, 1e6);
        return 0;
    case OPTION_WARM_UP:
        self->load.warm_up = number(state, "warm-up", value, 0, 1e6);
        return 0;
    case OPTION_ACCOUNTS:
        self->traffic.accounts = count(state, "accounts", value, 1e7);
        return 0;
    case OPTION_ZIPF:
        self->traffic.zipf = number(state, "zipf", value, 0, 3);
        return 0;
    case OPTION_HOT:
        self->traffic.hot = true;
        return 0;
    case OPTION_CROSSING:
        self->traffic.crossing = (unsigned)number(state, "shards-crossing", value, 0, 100);
        return 0;
    case OPTION_ON_SHARD:
        self->traffic.on_shard =
            (unsigned)number(state, "on-shard", value, 0, FLORIN_SHARDS_MAX - 1);
        return 0;
    case OPTION_SHARDS:
        self->traffic.shards = (unsigned)count(state, "shards", value, FLORIN_SHARDS_MAX);
        return 0;
    case OPTION_JSON:
        self->json = true;
        return 0;
    case ARGP_KEY_END:
        check(state, self);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int fail(const florin_error_t *error)
{
    (void)fprintf(stderr, "florin-bench: %s\n", error->message);
    return FAILED;
}

/* What was acknowledged is in the books, and nothing else; of what got no answer, any part. */
static int verify(florin_client_t *client, uint64_t before, const load_proof_t *proof,
                  result_t *result, florin_error_t *error)
{
    uint64_t after;
    int rc = books_moved(client, &after, error);
    if (rc != 0)
        return rc;
    uint64_t grown = after - before, most = proof->acknowledged + proof->doubtful;
    result->lost = grown < proof->acknowledged ? proof->acknowledged - grown : 0;
    result->doubled = grown > most ? grown - most : 0;
    if (result->lost > 0 || result->doubled > 0)
        return florin_error_set(error, FLORIN_ERROR_REFUSED,
                                "the books moved %" PRIu64 " minor units; %" PRIu64
                                " were acknowledged, and %" PRIu64 " had no answer",
                                grown, proof->acknowledged, proof->doubtful);
    if (proof->sample_count == 0)
        return 0;
    return books_find(client, proof->sample, proof->sample_count, error);
}

static int measure(const settings_t *self, const florin_client_options_t *client_options,
                   florin_client_t *client, traffic_t *traffic)
{
    florin_error_t error = {0};
    result_t result = {0};
    load_proof_t proof = {0};
    uint64_t before = 0;
    if (books_open(client, self->traffic.accounts, &error) != 0 ||
        books_moved(client, &before, &error) != 0)
        return fail(&error);
    int rc = load_run(&self->load, client_options, traffic, &result, &proof, &error);
    if (rc == 0) {
        if (proof.first_error.code != 0)
            (void)fprintf(stderr, "florin-bench: the first error: %s\n", proof.first_error.message);
        rc = verify(client, before, &proof, &result, &error);
        result.verified = rc == 0;
        result_print(&result, self->json);
    }
    result_clear(&result);
    return rc == 0 ? DONE : fail(&error);
}

static int run(const settings_t *self)
{
    florin_client_options_t client_options;
    florin_client_t *client = NULL;
    florin_error_t error = {0};
    if (florin_client_options_load(self->config, &client_options, &error) != 0)
        return fail(&error);
    traffic_t *traffic = traffic_new(&self->traffic);
    int code = FAILED;
    if (!traffic)
        (void)fprintf(stderr, "florin-bench: no memory for %zu accounts\n", self->traffic.accounts);
    else if (florin_client_new(&client_options, &client, &error) != 0)
        (void)fail(&error);
    else
        code = measure(self, &client_options, client, traffic);
    florin_client_destroy(&client);
    florin_client_options_clear(&client_options);
    traffic_destroy(&traffic);
    return code;
}

int main(int argc, char **argv)
{
    static const struct argp parser = {options, parse, NULL, help, NULL, NULL, NULL};
    settings_t self = {
        .config = "run/client.zpl",
        .load = {.clients = 1,
                 .batch = 1,
                 .in_flight = 1,
                 .warm_up = 1,
                 .seconds = 10,
                 .tail_rate = 100},
        .traffic = {.accounts = 1000,
                    .shards = 1,
                    .crossing = TRAFFIC_CROSSING_ANY,
                    .on_shard = TRAFFIC_SHARD_ANY},
    };
    argp_program_version = "florin-bench " FLORIN_VERSION;
    argp_err_exit_status = USAGE;
    if (argp_parse(&parser, argc, argv, 0, NULL, &self) != 0)
        return USAGE;
    return run(&self);
}
