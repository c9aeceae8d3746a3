#include "store/internal.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"

#define IDLE_LEAST_MS     1000
#define EPOCH_2000_US     UINT64_C(946684800000000)
#define CLOCKS_ASKED_MS   250
#define CLOCKS_WATCHED_MS 1000
/* The map is read again no sooner than so long after the last time: when a shard is away, and when
 * its database says that the map is wrong. */
#define MAP_AGAIN_MS       5000
#define MAP_AGAIN_WRONG_MS 100
#define MAP_GLANCE_MS      300

int florin_store_new(const florin_store_options_t *options, florin_store_t **store,
                     florin_error_t *error)
{
    *store = NULL;
    if (sodium_init() < 0)
        return florin_error_set(error, FLORIN_ERROR_SYSTEM, "libsodium cannot start");
    florin_store_t *self = calloc(1, sizeof *self);
    if (self) {
        self->arena = florin_arena_new(FLORIN_STORE_ARENA_BYTES);
        self->release_arena = florin_arena_new(FLORIN_STORE_ARENA_BYTES);
        if (!options->clocks)
            self->own_clocks = florin_clocks_new(FLORIN_CLOCK_BOUND_MS_DEFAULT, options->metrics);
        self->clocks = options->clocks ? options->clocks : self->own_clocks;
    }
    if (!self || !self->arena || !self->release_arena || !self->clocks) {
        florin_store_destroy(&self);
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for the store");
    }
    self->timeouts = (florin_session_timeouts_t){
        .connect_timeout_ms = options->connect_timeout_ms,
        .statement_timeout_ms = options->statement_timeout_ms,
        /* Several tries of a batch that meets locks fit into the time for one answer. */
        .lock_timeout_ms = options->statement_timeout_ms / 4 + 1,
        .idle_timeout_ms = options->statement_timeout_ms,
    };
    self->in_doubt_after_ms = options->in_doubt_after_ms;
    self->traces_kept_ms =
        options->traces_kept_ms ? options->traces_kept_ms : FLORIN_STORE_TRACES_KEPT_MS;
    self->metrics = options->metrics;
    self->mapped = options->mapped;
    self->mapped_arg = options->mapped_arg;
    self->aside_metric =
        florin_metrics_gauge(self->metrics, "florin_books_set_aside",
                             "Accounts and transfers whose rows cannot be, met of late: what needs "
                             "them is refused.",
                             NULL);
    self->seals = options->seal_key && *options->seal_key;
    int result = florin_session_init(&self->control, "control", options->control, error);
    florin_session_measure(&self->control, self->metrics);
    if (result == 0 && self->seals)
        result = florin_seal_key_read(options->seal_key, self->seal_key, error);
    if (result != 0)
        florin_store_destroy(&self);
    *store = self;
    return result;
}

void florin_store_destroy(florin_store_t **self_p)
{
    florin_store_t *self = *self_p;
    if (!self)
        return;
    florin_metric_add(self->aside_metric, -(int64_t)self->aside_count);
    florin_session_close(&self->control);
    for (size_t i = 0; i < self->shards_count; i++)
        florin_session_close(&self->shards[i]);
    florin_clocks_destroy(&self->own_clocks);
    florin_arena_destroy(&self->arena);
    florin_arena_destroy(&self->release_arena);
    sodium_memzero(self, sizeof *self);
    free(self);
    *self_p = NULL;
}

uint64_t florin_store_deadline(const florin_store_t *self)
{
    return florin_clock_ms() + self->timeouts.statement_timeout_ms;
}

/* `from`: the oldest programs that may read it. */
static int check_schema(const char *name, uint32_t found, uint32_t from, uint32_t built_for,
                        florin_error_t *error)
{
    if (found < built_for)
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "%s: its schema is version %u and this program was built for %u; "
                                "run florin-admin migrate",
                                name, found, built_for);
    if (from > built_for)
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "%s: its schema is version %u, which programs built for %u or "
                                "later may read, and this one was built for %u; update the program",
                                name, found, from, built_for);
    return 0;
}

int florin_store_too_old(florin_store_t *self, size_t shard, uint32_t from, florin_error_t *error)
{
    florin_error_set(error, FLORIN_ERROR_CONFIG,
                     "%s: programs built for schema %u or later may write there, and this one was "
                     "built for %u; update the program",
                     self->shards[shard].name, from, FLORIN_SCHEMA_SHARD);
    if (!florin_shards_has(self->told_too_old, shard))
        florin_log(FLORIN_LOG_ERROR, "too_old", "%s", error->message);
    self->told_too_old |= florin_shards_of(shard);
    return error->code;
}

int florin_store_moved(florin_store_t *self, size_t shard, florin_error_t *error)
{
    self->map_doubted = self->map_wrong = true;
    return florin_error_set(error, FLORIN_ERROR_UNAVAILABLE,
                            "%s: the database takes no batches: the shard has moved, or is being "
                            "moved",
                            self->shards[shard].name);
}

int florin_store_open_control(florin_store_t *self, florin_error_t *error)
{
    return florin_session_open(&self->control, FLORIN_STATEMENTS_CONTROL, &self->timeouts, error);
}

/* Tells whoever wants to know where the slots are. */
static void tell_map(const florin_store_t *self)
{
    florin_slots_t slots = {.shards_count = self->shards_count};
    if (!self->mapped)
        return;
    memcpy(slots.shards, self->slots, sizeof slots.shards);
    self->mapped(self->mapped_arg, &slots);
}

/* Takes a shard's database from the map. Its session goes on counting openings: what was seen by
 * another one is worth nothing. */
static int place_shard(florin_store_t *self, size_t shard, const char *conninfo, uint64_t epoch,
                       florin_error_t *error)
{
    florin_session_t *session = &self->shards[shard];
    uint64_t openings = session->openings;
    char name[32];
    if (self->epochs[shard] == epoch && strcmp(session->conninfo, conninfo) == 0)
        return 0;
    if (self->epochs[shard])
        florin_log(FLORIN_LOG_INFO, "shard_moved", "%s has moved (epoch %llu to %llu)",
                   session->name, (unsigned long long)self->epochs[shard],
                   (unsigned long long)epoch);
    snprintf(name, sizeof name, "shard %zu", shard);
    florin_session_close(session);
    int result = florin_session_init(session, name, conninfo, error);
    florin_session_measure(session, self->metrics);
    session->openings = openings;
    self->epochs[shard] = result == 0 ? epoch : 0;
    return result;
}

/* Takes the map from a round's results: check, shards, slots. */
static int read_map(florin_store_t *self, florin_error_t *error)
{
    const PGresult *check = florin_session_result(&self->control, 0);
    const PGresult *shards = florin_session_result(&self->control, 1);
    const PGresult *slots = florin_session_result(&self->control, 2);
    int result = check_schema("control", florin_column_u32(check, 0, 0),
                              florin_column_u32(check, 0, 2), FLORIN_SCHEMA_CONTROL, error);
    if (result != 0)
        return result;
    size_t count = (size_t)PQntuples(shards);
    bool grown = self->shards_count > 0 && count != self->shards_count;
    if (count == 0 || count > FLORIN_SHARDS_MAX || PQntuples(slots) != FLORIN_SLOTS || grown)
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "control: names %zu shards and places %d of %d slots; run "
                                "florin-admin shards set",
                                count, PQntuples(slots), FLORIN_SLOTS);
    for (int i = 0; i < FLORIN_SLOTS; i++) {
        uint32_t shard = florin_column_u32(slots, i, 1);
        if (shard >= count)
            return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                    "control: slot %d is on shard %u, and there are %zu", i, shard,
                                    count);
        self->slots[i] = (uint8_t)shard;
    }
    for (size_t i = 0; i < count && result == 0; i++)
        result = place_shard(self, i, PQgetvalue(shards, (int)i, 1),
                             florin_column_u64(shards, (int)i, 2), error);
    if (result != 0)
        return result;
    self->cluster = florin_column_id(check, 0, 1);
    for (size_t i = 0; i < count && self->seals; i++)
        self->chains[i].key = florin_seal_key_of(self->seal_key, self->cluster, i);
    self->shards_count = count;
    tell_map(self);
    return 0;
}

/* How long a shard may wait in the middle of a batch for others: for the locks of one, or of
 * several (see florin_batch_read), and then until they are prepared, or the batch is fenced. */
static uint32_t idle_timeout_ms(const florin_store_t *self)
{
    uint32_t locks_ms = self->timeouts.lock_timeout_ms * (self->shards_count > 2 ? 2 : 1);
    uint32_t fence_ms = self->in_doubt_after_ms;
    return locks_ms + (fence_ms > IDLE_LEAST_MS ? fence_ms : IDLE_LEAST_MS);
}

static int load_map(florin_store_t *self, uint64_t deadline_ms, florin_error_t *error)
{
    int result = florin_store_open_control(self, error);
    if (result != 0)
        return result;
    florin_session_begin(&self->control);
    florin_session_call(&self->control, FLORIN_SQL_MAP_CHECK, NULL);
    florin_session_call(&self->control, FLORIN_SQL_MAP_SHARDS, NULL);
    florin_session_call(&self->control, FLORIN_SQL_MAP_SLOTS, NULL);
    florin_session_sync(&self->control);
    result = florin_session_finish(&self->control, deadline_ms, error);
    if (result == 0)
        result = read_map(self, error);
    self->map_read_ms = florin_clock_ms();
    florin_session_close(&self->control); /* there may be many stores, and all need it but once */
    self->timeouts.idle_timeout_ms = idle_timeout_ms(self);
    return result;
}

int florin_store_map(florin_store_t *self, florin_error_t *error)
{
    if (self->shards_count == 0)
        return load_map(self, florin_store_deadline(self), error);
    florin_store_follow_map(self);
    return 0;
}

/* A suspicion alone keeps nobody waiting for a control database that is away, too. */
void florin_store_follow_map(florin_store_t *self)
{
    uint64_t now_ms = florin_clock_ms();
    florin_error_t error;
    if (!self->map_doubted ||
        now_ms - self->map_read_ms < (self->map_wrong ? MAP_AGAIN_WRONG_MS : MAP_AGAIN_MS))
        return;
    if (!self->map_wrong && !self->control.silent) {
        self->control.silent = true;
        florin_error_set(&self->control.error, FLORIN_ERROR_UNAVAILABLE,
                         "control: not connected yet");
    }
    if (load_map(self, self->map_wrong ? florin_store_deadline(self) : now_ms + MAP_GLANCE_MS,
                 &error) == 0)
        self->map_doubted = self->map_wrong = false;
    else if (error.code == FLORIN_ERROR_CONFIG)
        florin_log(FLORIN_LOG_ERROR, "map", "%s; the map as it was stays", error.message);
    self->map_read_ms = florin_clock_ms();
}

/* Is this database the shard that the map takes it for? */
static int check_identity(florin_store_t *self, size_t shard, florin_error_t *error)
{
    florin_session_t *session = &self->shards[shard];
    const PGresult *row = florin_session_result(session, 0);
    int result = check_schema(session->name, florin_column_u32(row, 0, 0),
                              florin_column_u32(row, 0, 5), FLORIN_SCHEMA_SHARD, error);
    if (result != 0)
        return result;
    if (PQgetisnull(row, 0, 1))
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "%s: the database belongs to no cluster yet; run florin-admin "
                                "migrate",
                                session->name);
    if (florin_column_id(row, 0, 1) != self->cluster)
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "%s: the database belongs to another cluster", session->name);
    if (florin_column_u32(row, 0, 2) != shard)
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "%s: the database is shard %u; check the table shards of control",
                                session->name, florin_column_u32(row, 0, 2));
    if (self->shards_count > 1 && florin_column_u32(row, 0, 3) == 0)
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "%s: set max_prepared_transactions there, 2 for each worker "
                                "or more",
                                session->name);
    if (PQgetisnull(row, 0, 7) || florin_column_u64(row, 0, 7) != self->epochs[shard])
        return florin_store_moved(self, shard, error);
    if (florin_column_u32(row, 0, 6) > FLORIN_SCHEMA_SHARD) /* it may read there */
        (void)florin_store_too_old(self, shard, florin_column_u32(row, 0, 6), &(florin_error_t){0});
    return 0;
}

int florin_store_open_shard(florin_store_t *self, size_t shard, florin_error_t *error)
{
    florin_session_t *session = &self->shards[shard];
    if (session->pg)
        return 0;
    int result = florin_session_open(session, FLORIN_STATEMENTS_SHARD, &self->timeouts, error);
    if (result != 0) {
        self->map_doubted = true; /* is it somewhere else now? */
        return result;
    }
    uint64_t sent_ns = florin_clock_boot_ns();
    florin_session_begin(session);
    florin_session_call(session, FLORIN_SQL_IDENTITY, NULL);
    /* A server that fell has replayed what its standby may lack: nobody sees that before. */
    florin_session_call(session, FLORIN_SQL_AWAIT_STANDBY, NULL);
    florin_session_sync(session);
    result = florin_session_finish(session, florin_store_deadline(self), error);
    if (result == 0)
        florin_store_take_clock(self, shard, florin_session_result(session, 0), 4, sent_ns,
                                florin_clock_boot_ns());
    if (result == 0)
        result = check_identity(self, shard, error);
    if (result != 0)
        florin_session_close(session);
    return result;
}

void florin_store_take_clock(florin_store_t *self, size_t shard, const PGresult *row, int column,
                             uint64_t sent_ns, uint64_t received_ns)
{
    /* In microseconds since 2000. */
    uint64_t unix_us = florin_column_u64(row, 0, column) + EPOCH_2000_US;
    florin_clocks_take(self->clocks, shard, sent_ns, received_ns, unix_us * 1000);
}

static void add_clock(florin_session_t *session, size_t shard, void *arg)
{
    (void)shard, (void)arg;
    florin_session_call(session, FLORIN_SQL_CLOCK, NULL);
}

/* All that answer; one that does not has no vote. */
static void ask_clocks(florin_store_t *self)
{
    for (size_t i = 0; i < self->shards_count; i++) {
        uint64_t sent_ns = florin_clock_boot_ns();
        if (florin_store_read(self, florin_shards_of(i), add_clock, NULL, NULL) == 0)
            florin_store_take_clock(self, i, florin_session_result(&self->shards[i], 0), 0, sent_ns,
                                    florin_clock_boot_ns());
    }
}

int florin_store_now(florin_store_t *self, uint64_t *now, florin_error_t *error)
{
    uint64_t now_ms = florin_clock_ms();
    bool asked = now_ms - self->clocks_asked_ms < CLOCKS_ASKED_MS;
    if (!florin_clocks_agree(self->clocks) && !asked) {
        self->clocks_asked_ms = now_ms;
        ask_clocks(self);
    }
    return florin_clocks_now(self->clocks, now, error);
}

int florin_store_watch_clocks(florin_store_t *self, florin_error_t *error)
{
    uint64_t now, now_ms = florin_clock_ms();
    int result = florin_store_map(self, error);
    if (result != 0 || now_ms - self->clocks_asked_ms < CLOCKS_WATCHED_MS)
        return result;
    self->clocks_asked_ms = now_ms;
    ask_clocks(self);
    return florin_clocks_now(self->clocks, &now, error);
}

int florin_store_connect(florin_store_t *self, florin_error_t *error)
{
    int result = florin_store_map(self, error);
    for (size_t i = 0; i < self->shards_count && result == 0; i++)
        result = florin_store_open_shard(self, i, error);
    return result;
}

size_t florin_store_shard_of(const florin_store_t *self, florin_id_t id)
{
    return self->slots[florin_id_slot(id)];
}

void florin_seen_take(florin_seen_t *seen, const florin_session_t *session, const void *bytes,
                      size_t size)
{
    seen->size = size <= sizeof seen->snapshot ? size : 0;
    memcpy(seen->snapshot, bytes, seen->size);
    seen->openings = session->openings;
    seen->taken_ms = florin_clock_ms();
}

static size_t sessions_of(florin_store_t *self, florin_shards_t shards, florin_session_t **sessions)
{
    size_t count = 0;
    for (size_t i = 0; i < self->shards_count; i++)
        if (florin_shards_has(shards, i))
            sessions[count++] = &self->shards[i];
    return count;
}

void florin_store_wait(florin_store_t *self, florin_shards_t shards, uint64_t deadline_ms)
{
    florin_session_t *sessions[FLORIN_SHARDS_MAX];
    size_t count = sessions_of(self, shards, sessions);
    florin_sessions_wait(sessions, count, deadline_ms);
}

void florin_store_set_meanwhile(florin_store_t *self, void (*fn)(void *arg), void *arg)
{
    self->meanwhile = fn;
    self->meanwhile_arg = arg;
}

void florin_store_do_meanwhile(florin_store_t *self, florin_shards_t shards)
{
    florin_session_t *sessions[FLORIN_SHARDS_MAX];
    if (!self->meanwhile)
        return;
    size_t count = sessions_of(self, shards, sessions);
    florin_sessions_send(sessions, count, florin_store_deadline(self));
    self->meanwhile(self->meanwhile_arg);
}

florin_shards_t florin_store_round(florin_store_t *self, florin_shards_t shards,
                                   florin_store_add_fn *add, void *arg, uint64_t deadline_ms)
{
    florin_shards_t answered = shards;
    for (size_t i = 0; i < self->shards_count; i++) {
        if (!florin_shards_has(shards, i))
            continue;
        florin_session_begin(&self->shards[i]);
        add(&self->shards[i], i, arg);
        florin_session_sync(&self->shards[i]);
    }
    florin_store_wait(self, shards, deadline_ms);
    for (size_t i = 0; i < self->shards_count; i++)
        if (self->shards[i].fault != FLORIN_FAULT_NONE)
            answered &= ~florin_shards_of(i);
    return answered;
}

int florin_store_round_all(florin_store_t *self, florin_store_add_fn *add, void *arg,
                           uint64_t deadline_ms, florin_error_t *error)
{
    florin_shards_t all = florin_store_all_shards(self);
    florin_shards_t faulty = all & ~florin_store_round(self, all, add, arg, deadline_ms);
    if (!faulty)
        return 0;
    const florin_error_t *fault = &self->shards[florin_shards_lowest(faulty)].error;
    return florin_error_set(error, fault->code, "%s", fault->message);
}

/* All of these shards, or none has anything under way. */
static int open_shards(florin_store_t *self, florin_shards_t shards, florin_error_t *error)
{
    int result = 0;
    for (size_t i = 0; i < self->shards_count && result == 0; i++)
        if (florin_shards_has(shards, i))
            result = florin_store_open_shard(self, i, error);
    return result;
}

int florin_store_read(florin_store_t *self, florin_shards_t shards, florin_store_add_fn *add,
                      void *arg, florin_error_t *error)
{
    florin_shards_t missing = shards;
    for (unsigned tries = 0; tries < 2 && missing; tries++) {
        if (missing == shards) /* else a part has its results already */
            florin_store_follow_map(self);
        int result = open_shards(self, missing, error);
        if (result != 0 && self->map_wrong && tries == 0)
            continue;
        if (result != 0)
            return result;
        missing &= ~florin_store_round(self, missing, add, arg, florin_store_deadline(self));
        for (size_t i = 0; i < self->shards_count; i++) {
            const florin_error_t *fault = &self->shards[i].error;
            bool forgiven = fault->code == FLORIN_ERROR_UNAVAILABLE && tries == 0;
            if (florin_shards_has(missing, i) && !forgiven)
                return florin_error_set(error, fault->code, "%s", fault->message);
        }
    }
    return 0;
}
