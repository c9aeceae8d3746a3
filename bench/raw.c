/* florin-bench-raw: what a careful engineer gets out of the same tables and the same servers
 * without Florin. It writes batches of plain transfers by libpq: binary parameters, prepared
 * statements, pipelines, two round trips a batch and shard, and two-phase commit over two shards.
 * It checks nothing, asks nobody and keeps no promise to a client: it is what Florin's batches are
 * measured against, and with batches of one, its lone transfers. */
#include <argp.h>
#include <assert.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/result.h"
#include "bench/traffic.h"
#include "lib/clock.h"
#include "lib/limits.h"
#include "store/params.h"

#define SHARDS_MAX      2
#define CONNECTIONS_MAX 16
#define ARENA_BYTES     ((size_t)64 * 1024 * 1024)

#define ID     FLORIN_COLUMN_ID
#define BIGINT FLORIN_COLUMN_U64
#define INT    FLORIN_COLUMN_U32

enum { DEBITS_PENDING, DEBITS_POSTED, CREDITS_PENDING, CREDITS_POSTED, BALANCES };

static const struct {
    const char *name;
    const char *sql;
} statements[] = {
    {"lock", "SELECT id, debits_pending, debits_posted, credits_pending, credits_posted,"
             " timestamp_last FROM (SELECT unnest($1::uuid[]) AS id ORDER BY id) AS v"
             " JOIN accounts USING (id) ORDER BY id FOR UPDATE OF accounts"},
    {"update", "UPDATE accounts SET debits_posted = v.debits, credits_posted = v.credits,"
               " timestamp_last = v.timestamp FROM (SELECT unnest($1::uuid[]) AS id,"
               " unnest($2::bigint[]) AS debits, unnest($3::bigint[]) AS credits,"
               " unnest($4::bigint[]) AS timestamp) AS v WHERE accounts.id = v.id"},
    {"insert",
     "INSERT INTO transfers (id, debit_account_id, credit_account_id, amount, timestamp,"
     " ledger, code, debit_debits_pending, debit_debits_posted, debit_credits_pending,"
     " debit_credits_posted, credit_debits_pending, credit_debits_posted,"
     " credit_credits_pending, credit_credits_posted, timeout_s, flags, result)"
     " SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::uuid[]),"
     " unnest($4::bigint[]), unnest($5::bigint[]), unnest($6::bigint[]), unnest($7::integer[]),"
     " unnest($8::bigint[]), unnest($9::bigint[]), unnest($10::bigint[]),"
     " unnest($11::bigint[]), unnest($12::bigint[]), unnest($13::bigint[]),"
     " unnest($14::bigint[]), unnest($15::bigint[]), 0, 0, 0"},
    {"moved", "SELECT coalesce(sum(debits_posted), 0)::bigint,"
              " coalesce(sum(credits_posted), 0)::bigint FROM accounts WHERE code = $1::integer"},
};

typedef struct {
    const char *conninfos[SHARDS_MAX];
    size_t batch, connections;
    double warm_up, seconds;
    traffic_options_t traffic;
    bool json;
    uint64_t from_ns, until_ns;
} settings_t;

typedef struct {
    uint64_t balances[BALANCES];
    uint64_t timestamp_last;
    uint64_t batch; /* the latest that touched it */
} account_t;

typedef struct {
    florin_id_t id;
    size_t debit, credit;
    uint64_t debit_after[BALANCES], credit_after[BALANCES];
} transfer_t;

/* One of the connections that write side by side; to each shard it has one. */
typedef struct {
    const settings_t *settings;
    size_t number;
    pthread_t thread;
    PGconn *shards[SHARDS_MAX];
    florin_arena_t *arena;
    traffic_t *traffic;
    account_t *accounts;
    size_t *touched[SHARDS_MAX]; /* accounts of the batch, by shard */
    size_t touched_count[SHARDS_MAX];
    transfer_t *transfers;
    uint64_t batches;
    uint64_t timestamp; /* of the batch's first transfer */
    uint64_t moved;     /* minor units */
    result_t result;
} writer_t;

static _Noreturn void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "florin-bench-raw: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static void *make(size_t count, size_t bytes)
{
    void *made = calloc(count, bytes);
    if (!made)
        die("no memory", "fewer accounts or smaller batches take less");
    return made;
}

/* --------------------------------------------------------------------------------- the database */

static void command(PGconn *pg, const char *sql)
{
    if (!PQsendQueryParams(pg, sql, 0, NULL, NULL, NULL, NULL, 1))
        die(sql, PQerrorMessage(pg));
}

static void call(PGconn *pg, const char *statement, const florin_params_t *params)
{
    int formats[FLORIN_PARAMS_MAX];
    for (int i = 0; i < params->count; i++)
        formats[i] = 1;
    if (params->failed)
        die(statement, "the batch does not fit into the arena");
    if (!PQsendQueryPrepared(pg, statement, params->count, params->values, params->lengths, formats,
                             1))
        die(statement, PQerrorMessage(pg));
}

/* The next result of a pipeline; it must be good. NULL at its end. */
static PGresult *next_result(PGconn *pg)
{
    PGresult *result = PQgetResult(pg);
    if (!result) /* between two statements */
        result = PQgetResult(pg);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_PIPELINE_SYNC) {
        PQclear(result);
        return NULL;
    }
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        die("PostgreSQL", PQerrorMessage(pg));
    return result;
}

static void finish(PGconn *pg)
{
    for (PGresult *result = next_result(pg); result; result = next_result(pg))
        PQclear(result);
}

/* Sends what is queued to all shards at once: none waits until another has read its part. */
static void flush(writer_t *self, size_t shards)
{
    int left[SHARDS_MAX] = {1, 1};
    for (size_t waiting = shards; waiting > 0;) {
        struct pollfd polls[SHARDS_MAX];
        nfds_t count = 0;
        waiting = 0;
        for (size_t i = 0; i < shards; i++) {
            PGconn *pg = self->shards[i];
            if (left[i] > 0 && (left[i] = PQflush(pg)) < 0)
                die("PostgreSQL", PQerrorMessage(pg));
            if (left[i] == 0)
                continue;
            waiting++;
            polls[count++] = (struct pollfd){.fd = PQsocket(pg), .events = POLLIN | POLLOUT};
        }
        if (waiting > 0 && poll(polls, count, -1) > 0)
            for (size_t i = 0; i < shards; i++)
                if (left[i] > 0 && !PQconsumeInput(self->shards[i]))
                    die("PostgreSQL", PQerrorMessage(self->shards[i]));
    }
}

static void sync_all(writer_t *self, size_t shards)
{
    for (size_t i = 0; i < shards; i++)
        if (!PQpipelineSync(self->shards[i]))
            die("PostgreSQL", PQerrorMessage(self->shards[i]));
    flush(self, shards);
}

static PGconn *connect_shard(const char *conninfo)
{
    PGconn *pg = PQconnectdb(conninfo);
    if (PQstatus(pg) != CONNECTION_OK)
        die(conninfo, PQerrorMessage(pg));
    PQclear(PQexec(pg, "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;"
                       " SET jit = off"));
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        PGresult *result = PQprepare(pg, statements[i].name, statements[i].sql, 0, NULL);
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
            die(statements[i].name, PQerrorMessage(pg));
        PQclear(result);
    }
    if (!PQenterPipelineMode(pg) || PQsetnonblocking(pg, 1) != 0)
        die(conninfo, PQerrorMessage(pg));
    return pg;
}

/* ------------------------------------------------------------------------------------- a batch */

static void touch(writer_t *self, size_t index)
{
    unsigned shard = traffic_shard(self->traffic, index);
    if (self->accounts[index].batch == self->batches)
        return;
    self->accounts[index].batch = self->batches;
    self->touched[shard][self->touched_count[shard]++] = index;
}

static void draw(writer_t *self)
{
    florin_id_t first = traffic_first_id();
    memset(self->touched_count, 0, sizeof self->touched_count);
    self->batches++;
    for (size_t i = 0; i < self->settings->batch; i++) {
        transfer_t *transfer = &self->transfers[i];
        traffic_draw(self->traffic, &transfer->debit, &transfer->credit);
        transfer->id = traffic_id(first, i, transfer->debit);
        touch(self, transfer->debit);
        touch(self, transfer->credit);
    }
}

/* Takes the locks of one shard, in the order of ids, and reads the balances under them. */
static void lock(writer_t *self, size_t shard)
{
    PGconn *pg = self->shards[shard];
    florin_params_t params;
    florin_array_t array;
    florin_params_init(&params, self->arena);
    if (florin_params_arrays(&params, &array, (florin_column_t[]){ID}, 1,
                             self->touched_count[shard])) {
        for (size_t i = 0; i < self->touched_count[shard]; i++)
            florin_array_id(&array, traffic_account(self->touched[shard][i]));
        florin_params_arrays_end(&params, &array, 1);
    }
    command(pg, "BEGIN");
    call(pg, "lock", &params);
    if (!PQpipelineSync(pg))
        die("lock", PQerrorMessage(pg));
    while (PQflush(pg) > 0)
        (void)poll(&(struct pollfd){.fd = PQsocket(pg), .events = POLLOUT}, 1, -1);
    PQclear(next_result(pg));
    PGresult *rows = next_result(pg);
    if (PQntuples(rows) != (int)self->touched_count[shard])
        die("lock", "accounts are missing");
    for (int row = 0; row < PQntuples(rows); row++) {
        account_t *account = &self->accounts[florin_column_id(rows, row, 0) - traffic_account(0)];
        for (int i = 0; i < BALANCES; i++)
            account->balances[i] = florin_column_u64(rows, row, 1 + i);
        account->timestamp_last = florin_column_u64(rows, row, 1 + BALANCES);
        if (account->timestamp_last >= self->timestamp)
            self->timestamp = account->timestamp_last + 1;
    }
    PQclear(rows);
    finish(pg);
}

static void apply(writer_t *self)
{
    for (size_t i = 0; i < self->settings->batch; i++) {
        transfer_t *transfer = &self->transfers[i];
        account_t *debit = &self->accounts[transfer->debit];
        account_t *credit = &self->accounts[transfer->credit];
        debit->balances[DEBITS_POSTED] += traffic_amount(transfer->id);
        credit->balances[CREDITS_POSTED] += traffic_amount(transfer->id);
        debit->timestamp_last = credit->timestamp_last = self->timestamp + i;
        memcpy(transfer->debit_after, debit->balances, sizeof debit->balances);
        memcpy(transfer->credit_after, credit->balances, sizeof credit->balances);
    }
}

static void send_accounts(writer_t *self, size_t shard)
{
    static const florin_column_t columns[] = {ID, BIGINT, BIGINT, BIGINT};
    florin_array_t arrays[4];
    florin_params_t params;
    florin_params_init(&params, self->arena);
    if (florin_params_arrays(&params, arrays, columns, 4, self->touched_count[shard])) {
        for (size_t i = 0; i < self->touched_count[shard]; i++) {
            size_t index = self->touched[shard][i];
            florin_array_id(&arrays[0], traffic_account(index));
            florin_array_u64(&arrays[1], self->accounts[index].balances[DEBITS_POSTED]);
            florin_array_u64(&arrays[2], self->accounts[index].balances[CREDITS_POSTED]);
            florin_array_u64(&arrays[3], self->accounts[index].timestamp_last);
        }
        florin_params_arrays_end(&params, arrays, 4);
    }
    call(self->shards[shard], "update", &params);
}

/* The balances after a transfer, where the account is; else NULLs. */
static void put_balances(florin_array_t *arrays, const uint64_t *balances, bool here)
{
    for (int i = 0; i < BALANCES; i++)
        if (here)
            florin_array_u64(&arrays[i], balances[i]);
        else
            florin_array_null(&arrays[i]);
}

static void send_transfers(writer_t *self, size_t shard)
{
    static const florin_column_t columns[] = {ID,     ID,     ID,     BIGINT, BIGINT,
                                              BIGINT, INT,    BIGINT, BIGINT, BIGINT,
                                              BIGINT, BIGINT, BIGINT, BIGINT, BIGINT};
    enum { COLUMNS = sizeof columns / sizeof *columns };
    florin_array_t arrays[COLUMNS];
    florin_params_t params;
    florin_params_init(&params, self->arena);
    if (!florin_params_arrays(&params, arrays, columns, COLUMNS, self->settings->batch))
        die("insert", "no memory");
    for (size_t i = 0; i < self->settings->batch; i++) {
        const transfer_t *transfer = &self->transfers[i];
        bool debit_here = traffic_shard(self->traffic, transfer->debit) == shard;
        bool credit_here = traffic_shard(self->traffic, transfer->credit) == shard;
        if (!debit_here && !credit_here)
            continue;
        florin_array_id(&arrays[0], transfer->id);
        florin_array_id(&arrays[1], traffic_account(transfer->debit));
        florin_array_id(&arrays[2], traffic_account(transfer->credit));
        florin_array_u64(&arrays[3], traffic_amount(transfer->id));
        florin_array_u64(&arrays[4], self->timestamp + i);
        florin_array_u64(&arrays[5], TRAFFIC_LEDGER);
        florin_array_u32(&arrays[6], TRAFFIC_CODE);
        put_balances(&arrays[7], transfer->debit_after, debit_here);
        put_balances(&arrays[11], transfer->credit_after, credit_here);
    }
    florin_params_arrays_end(&params, arrays, COLUMNS);
    call(self->shards[shard], "insert", &params);
}

static void write_batch(writer_t *self)
{
    size_t shards = self->settings->traffic.shards;
    char gid[64], sql[128];
    (void)snprintf(gid, sizeof gid, "'raw:%zu:%" PRIu64 "'", self->number, self->batches);
    florin_arena_reset(self->arena);
    self->timestamp = florin_clock_unix_ns();
    for (size_t i = 0; i < shards; i++)
        lock(self, i);
    apply(self);
    (void)snprintf(sql, sizeof sql, shards > 1 ? "PREPARE TRANSACTION %s" : "COMMIT", gid);
    for (size_t i = 0; i < shards; i++) {
        send_accounts(self, i);
        send_transfers(self, i);
        command(self->shards[i], sql);
    }
    sync_all(self, shards);
    for (size_t i = 0; i < shards; i++)
        finish(self->shards[i]);
    if (shards == 1)
        return;
    (void)snprintf(sql, sizeof sql, "COMMIT PREPARED %s", gid);
    for (size_t i = 0; i < shards; i++)
        command(self->shards[i], sql);
    sync_all(self, shards);
    for (size_t i = 0; i < shards; i++)
        finish(self->shards[i]);
}

static void *write_all(void *arg)
{
    writer_t *self = arg;
    const settings_t *settings = self->settings;
    for (uint64_t began = florin_clock_ns(); began < settings->until_ns;) {
        draw(self);
        write_batch(self);
        uint64_t now = florin_clock_ns();
        self->result.requests++;
        self->result.created += settings->batch;
        for (size_t i = 0; i < settings->batch; i++)
            self->moved += traffic_amount(self->transfers[i].id);
        if (now >= settings->from_ns && now < settings->until_ns) {
            self->result.measured += settings->batch;
            florin_histogram_record(self->result.latencies, now - began);
        }
        began = now;
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------ around it */

static void set_up(writer_t *self, const settings_t *settings, size_t number)
{
    *self = (writer_t){.settings = settings, .number = number};
    for (size_t i = 0; i < settings->traffic.shards; i++) {
        self->shards[i] = connect_shard(settings->conninfos[i]);
        self->touched[i] = make(settings->traffic.accounts, sizeof **self->touched);
    }
    self->arena = florin_arena_new(ARENA_BYTES);
    self->traffic = traffic_new(&settings->traffic);
    self->accounts = make(settings->traffic.accounts, sizeof *self->accounts);
    self->transfers = make(settings->batch, sizeof *self->transfers);
    if (!result_init(&self->result, 0) || !self->arena || !self->traffic)
        die("no memory", "fewer accounts take less");
}

static void tear_down(writer_t *self)
{
    for (size_t i = 0; i < self->settings->traffic.shards; i++) {
        PQfinish(self->shards[i]);
        free(self->touched[i]);
    }
    florin_arena_destroy(&self->arena);
    traffic_destroy(&self->traffic);
    free(self->accounts);
    free(self->transfers);
    result_clear(&self->result);
}

/* All debits of the bench's accounts, which must be all credits. */
static uint64_t sum_moved(writer_t *self)
{
    uint64_t sums[2] = {0, 0};
    size_t shards = self->settings->traffic.shards;
    for (size_t i = 0; i < shards; i++) {
        florin_params_t params;
        florin_params_init(&params, self->arena);
        florin_params_u32(&params, TRAFFIC_CODE);
        call(self->shards[i], "moved", &params);
    }
    sync_all(self, shards);
    for (size_t i = 0; i < shards; i++) {
        PGresult *row = next_result(self->shards[i]);
        sums[0] += florin_column_u64(row, 0, 0);
        sums[1] += florin_column_u64(row, 0, 1);
        PQclear(row);
        finish(self->shards[i]);
    }
    if (sums[0] != sums[1])
        die("the books", "debits and credits differ");
    return sums[0];
}

static int measure(settings_t *settings)
{
    writer_t writers[CONNECTIONS_MAX];
    assert(settings->connections > 0);
    for (size_t i = 0; i < settings->connections; i++)
        set_up(&writers[i], settings, i);
    writer_t *first = &writers[0];
    uint64_t before = sum_moved(first);
    settings->from_ns = florin_clock_ns() + (uint64_t)(settings->warm_up * 1e9);
    settings->until_ns = settings->from_ns + (uint64_t)(settings->seconds * 1e9);
    for (size_t i = 0; i < settings->connections; i++)
        if (pthread_create(&writers[i].thread, NULL, write_all, &writers[i]) != 0)
            die("no thread", "fewer connections may do");
    uint64_t moved = 0;
    for (size_t i = 0; i < settings->connections; i++) {
        (void)pthread_join(writers[i].thread, NULL);
        moved += writers[i].moved;
        if (i == 0)
            continue;
        first->result.measured += writers[i].result.measured;
        first->result.requests += writers[i].result.requests;
        first->result.created += writers[i].result.created;
        florin_histogram_add(first->result.latencies, writers[i].result.latencies);
    }
    first->result.seconds = settings->seconds;
    first->result.verified = sum_moved(first) - before == moved;
    result_print(&first->result, settings->json);
    int code = first->result.verified ? EXIT_SUCCESS : EXIT_FAILURE;
    for (size_t i = 0; i < settings->connections; i++)
        tear_down(&writers[i]);
    return code;
}

enum { OPTION_CONNECTIONS = 256, OPTION_WARM_UP, OPTION_ACCOUNTS, OPTION_CROSSING, OPTION_JSON };

static const struct argp_option options[] = {
    {"batch", 'b', "N", 0, "transfers a transaction, at most 8190 [8190]", 0},
    {"connections", OPTION_CONNECTIONS, "N", 0, "that write side by side, at most 16 [1]", 0},
    {"seconds", 's', "S", 0, "how long to measure [10]", 0},
    {"warm-up", OPTION_WARM_UP, "S", 0, "how long to go on before [1]", 0},
    {"accounts", OPTION_ACCOUNTS, "N", 0, "between which money moves [1000]", 0},
    {"shards-crossing", OPTION_CROSSING, "PERCENT", 0, "transfers between shards", 0},
    {"json", OPTION_JSON, NULL, 0, "one line of JSON", 0},
    {0}};

static error_t parse(int key, char *value, struct argp_state *state)
{
    settings_t *self = state->input;
    switch (key) {
    case 'b':
        self->batch = strtoul(value, NULL, 10);
        return 0;
    case OPTION_CONNECTIONS:
        self->connections = strtoul(value, NULL, 10);
        return 0;
    case 's':
        self->seconds = strtod(value, NULL);
        return 0;
    case OPTION_WARM_UP:
        self->warm_up = strtod(value, NULL);
        return 0;
    case OPTION_ACCOUNTS:
        self->traffic.accounts = strtoul(value, NULL, 10);
        return 0;
    case OPTION_CROSSING:
        self->traffic.crossing = (unsigned)strtoul(value, NULL, 10);
        return 0;
    case OPTION_JSON:
        self->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (self->traffic.shards == SHARDS_MAX)
            argp_error(state, "at most two shards");
        self->conninfos[self->traffic.shards++] = value;
        return 0;
    case ARGP_KEY_END:
        if (self->traffic.shards == 0 || self->batch == 0 || self->batch > FLORIN_EVENTS_MAX ||
            self->connections == 0 || self->connections > CONNECTIONS_MAX || self->seconds <= 0 ||
            self->traffic.accounts < 2 * (size_t)self->traffic.shards)
            argp_error(state, "a number is out of range, or CONNINFO is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv)
{
    static const struct argp parser = {
        options,
        parse,
        "CONNINFO [CONNINFO]",
        "Writes transfers into one or two shards by libpq, without Florin, as fast as they take "
        "them. bench/raw.sql opens the accounts.",
        NULL,
        NULL,
        NULL};
    settings_t self = {.batch = FLORIN_EVENTS_MAX,
                       .connections = 1,
                       .warm_up = 1,
                       .seconds = 10,
                       .traffic = {.accounts = 1000,
                                   .crossing = TRAFFIC_CROSSING_ANY,
                                   .on_shard = TRAFFIC_SHARD_ANY}};
    argp_err_exit_status = 2;
    if (argp_parse(&parser, argc, argv, 0, NULL, &self) != 0)
        return 2;
    return measure(&self);
}
