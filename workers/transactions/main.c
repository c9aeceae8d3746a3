/* florin-transactions: moves money. Asks risk about each batch, and books it; beside its lanes, a
 * thread ends what a dead coordinator left in doubt. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "workers/runtime/messages/page.h"
#include "workers/runtime/storage.h"
#include "workers/transactions/transactions.h"

/* Batches of pending transfers that are released in one go, before requests have their turn. */
#define EXPIRE_BATCHES_MAX 8

static const florin_setting_t settings[] = {
    FLORIN_STORAGE_SETTINGS(1000, 5000),
    {"transactions/risk_timeout_ms", FLORIN_SETTING_NUMBER, "1000", 10, 60000,
     "longest wait for risk's answer"},
    {"client/broker", FLORIN_SETTING_TEXT, NULL, 0, 0, "a broker's clients' endpoint; repeatable"},
    {"client/broker_key", FLORIN_SETTING_TEXT, "", 0, 0, "the brokers' NAME.pub"},
    {"client/key", FLORIN_SETTING_TEXT, "", 0, 0, "this worker's NAME.key as a client of risk"},
};

static void stop(void **state)
{
    florin_transactions_t *self = *state;
    florin_resolver_destroy(&self->resolver);
    florin_client_destroy(&self->risk.client);
    florin_ledger_destroy(&self->ledger);
    florin_store_destroy(&self->store);
    free(self);
    *state = NULL;
}

typedef struct {
    const char *endpoints[FLORIN_BROKERS_MAX];
    size_t count; /* as many as the file names */
} brokers_t;

static void visit_broker(void *brokers_p, const char *name, const char *value)
{
    brokers_t *brokers = brokers_p;
    if (strcmp(name, "broker") != 0)
        return;
    if (brokers->count < FLORIN_BROKERS_MAX)
        brokers->endpoints[brokers->count] = value;
    brokers->count++;
}

/* The client that asks risk. Half its time goes to the first broker: a silent one must leave time
 * for the next. */
static int open_client(florin_transactions_t *self, florin_error_t *error)
{
    const florin_config_t *config = self->setup->config;
    brokers_t brokers = {.count = 0};
    char key_path[PATH_MAX], broker_key_path[PATH_MAX];
    uint32_t timeout_ms =
        (uint32_t)florin_config_number(config, "transactions/risk_timeout_ms", 1000);
    florin_config_each(config, "client", visit_broker, &brokers);
    if (florin_config_path(config, "client/key", key_path, error) ||
        florin_config_path(config, "client/broker_key", broker_key_path, error))
        return error->code;
    const florin_client_options_t options = {.brokers = brokers.endpoints,
                                             .brokers_count = brokers.count,
                                             .key_path = *key_path ? key_path : NULL,
                                             .broker_key_path =
                                                 *broker_key_path ? broker_key_path : NULL,
                                             .zmq_context = self->setup->zmq,
                                             .timeout_ms = timeout_ms,
                                             .try_timeout_ms = timeout_ms / 2};
    return florin_client_new(&options, &self->risk.client, error);
}

/* What there is one of in a worker. It also finds out at once what an operator has to mend. */
static int start_first(florin_transactions_t *self, florin_error_t *error)
{
    int code = open_client(self, error);
    return code ? code : florin_resolver_new(self->setup, &self->resolver, error);
}

static int start(void **state, const florin_setup_t *setup, florin_error_t *error)
{
    bool first = setup->kind == FLORIN_BOOKS_CROSSING;
    florin_transactions_t *self = calloc(1, sizeof(*self));
    if (!self)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for a batch of transfers");
    *state = self;
    self->setup = setup;
    florin_risk_measure(&self->risk, setup->metrics);
    florin_transactions_measure(self, setup->metrics);
    self->ledger = florin_ledger_new();
    int code = self->ledger
                   ? florin_storage_open(setup, 1000, 5000, first, &self->store, error)
                   : florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for a ledger");
    if (code == 0 && first) {
        (void)florin_store_watch_clocks(self->store, error); /* before a broker hears of it */
        code = start_first(self, error);
    }
    if (code)
        stop(state);
    return code;
}

/* At least 1; a list weighs what its page may bring. */
static size_t weigh(const Florin__V1__Request *request)
{
    size_t events = 1;
    if (request->operation_case == FLORIN__V1__REQUEST__OPERATION_CREATE_TRANSFERS)
        events = request->create_transfers->n_transfers;
    else if (request->operation_case == FLORIN__V1__REQUEST__OPERATION_LOOKUP_TRANSFERS)
        events = request->lookup_transfers->n_ids;
    else if (request->operation_case == FLORIN__V1__REQUEST__OPERATION_TRANSFER_OUTCOMES)
        events = request->transfer_outcomes->n_ids;
    else if (request->operation_case == FLORIN__V1__REQUEST__OPERATION_LIST_TRANSFERS)
        events = florin_page_limit(request->list_transfers->filter);
    return events > 0 ? events : 1;
}

static bool known(const Florin__V1__Request *request)
{
    switch (request->operation_case) {
    case FLORIN__V1__REQUEST__OPERATION_CREATE_TRANSFERS:
    case FLORIN__V1__REQUEST__OPERATION_LOOKUP_TRANSFERS:
    case FLORIN__V1__REQUEST__OPERATION_LIST_TRANSFERS:
    case FLORIN__V1__REQUEST__OPERATION_TRANSFER_OUTCOMES:
        return true;
    default:
        return false;
    }
}

/* A lane that has nothing to ask needs no way to do so. */
static void *ask(void *state, florin_call_t *calls, size_t count, florin_arena_t *arena)
{
    florin_transactions_t *self = state;
    florin_error_t error = {0};
    bool creates = false;
    for (size_t i = 0; i < count && !creates; i++)
        creates =
            calls[i].request->operation_case == FLORIN__V1__REQUEST__OPERATION_CREATE_TRANSFERS;
    if (creates && !self->risk.client && open_client(self, &error))
        florin_log(FLORIN_LOG_WARN, "risk_client_failed", "%s", error.message);
    return florin_booking_new(&self->risk, calls, count, false, arena);
}

static void handle(void *state, florin_call_t *calls, size_t count, florin_arena_t *arena,
                   const florin_ahead_t *ahead)
{
    for (size_t i = 0; i < count; i++)
        if (!known(calls[i].request))
            florin_call_fail_operation(&calls[i], arena, "transactions");
    florin_transactions_create(state, calls, count, arena, ahead);
    florin_transactions_try(state, calls, count, arena);
    florin_transactions_lookup(state, calls, count, arena);
    florin_transactions_list(state, calls, count, arena);
    florin_transactions_outcomes(state, calls, count, arena);
}

/* Of one shard; returns how many. */
static size_t expire_on(florin_transactions_t *self, size_t shard, unsigned which)
{
    size_t expired = 1, all = 0;
    florin_error_t error = {0};
    for (unsigned i = 0; i < EXPIRE_BATCHES_MAX && expired > 0; i++, all += expired)
        if (florin_store_expire_on(self->store, self->ledger, shard, which, &expired, &error))
            florin_log(FLORIN_LOG_DEBUG, "expire_failed", "%s", error.message);
    return all;
}

/* Releases pending transfers whose time is up: each lane those that it could have written. */
static void idle(void *state)
{
    florin_transactions_t *self = state;
    const florin_setup_t *setup = self->setup;
    const bool local = setup->kind == FLORIN_BOOKS_SHARD;
    florin_slots_t slots = {0};
    size_t all = 0;
    florin_error_t error = {0};
    if (!local && setup->kind != FLORIN_BOOKS_CROSSING)
        return;
    if (florin_store_map(self->store, &error))
        florin_log(FLORIN_LOG_DEBUG, "expire_failed", "%s", error.message);
    florin_slot_map_follow(setup->slot_map, &slots, &(unsigned){0});
    if (!local && slots.shards_count == 1)
        return; /* nothing crosses */
    for (size_t shard = setup->index; shard < slots.shards_count; shard += setup->count)
        all += expire_on(self, shard, local ? FLORIN_EXPIRE_LOCAL : FLORIN_EXPIRE_CROSSING);
    if (all > 0)
        florin_log(FLORIN_LOG_INFO, "expired", "released %zu pending transfers", all);
}

int main(int argc, char **argv)
{
    const florin_handler_t handler = {.service = "transactions",
                                      .program = "florin-transactions",
                                      .settings = settings,
                                      .settings_count = sizeof(settings) / sizeof(settings[0]),
                                      .leaves_aside = true,
                                      .lanes = florin_books_lanes,
                                      .lanes_count = FLORIN_BOOKS_LANES,
                                      .route = florin_transactions_route,
                                      .start = start,
                                      .weigh = weigh,
                                      .ask = ask,
                                      .handle = handle,
                                      .idle = idle,
                                      .stop = stop};
    return florin_worker_main(argc, argv, &handler);
}
