/* In doubt: prepared transactions whose coordinator has not ended them.
 *
 * The home shard knows. A commit decision there: the batch happened, commit. None: it has not, and
 * an abort decision under the same key sees to it that it never will (a late coordinator's own
 * insert meets it and fails); then roll back. Any number of resolvers may do this at once, and
 * beside a coordinator that lives: whoever comes second finds nothing left to do. */
#include <stdio.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "store/internal.h"
#include "store/twophase.h"

#define COMMAND_BYTES 128
#define TELL_AGAIN_MS 60000

typedef enum { RULING_COMMIT, RULING_ABORT, RULING_UNKNOWN } ruling_t;

/* Shards that answer now. */
static florin_shards_t open_all(florin_store_t *self)
{
    florin_shards_t open = 0;
    for (size_t i = 0; i < self->shards_count; i++)
        if (florin_store_open_shard(self, i, NULL) == 0)
            open |= florin_shards_of(i);
    return open;
}

/* One statement on each of some shards; returns those that answered it. */
static florin_shards_t ask_all(florin_store_t *self, florin_shards_t shards,
                               florin_statement_t statement, const florin_params_t *params)
{
    florin_shards_t answered = shards;
    for (size_t i = 0; i < self->shards_count; i++) {
        if (!florin_shards_has(shards, i))
            continue;
        florin_session_begin(&self->shards[i]);
        florin_session_call(&self->shards[i], statement, params);
        florin_session_sync(&self->shards[i]);
    }
    florin_store_wait(self, shards, florin_store_deadline(self));
    for (size_t i = 0; i < self->shards_count; i++)
        if (florin_shards_has(shards, i) && self->shards[i].fault != FLORIN_FAULT_NONE)
            answered &= ~florin_shards_of(i);
    return answered;
}

/* ---------------------------------------------------------------------------------- one of them */

/* What the home shard says; it says abort only after it has fenced the batch off. One that is away
 * is asked once a pass, and not for each of its batches: its silence takes time. */
static ruling_t ask_home(florin_store_t *self, const florin_gid_t *gid, florin_shards_t *open)
{
    florin_session_t *home = &self->shards[gid->home];
    florin_params_t params;
    if (!florin_shards_has(*open, gid->home))
        return RULING_UNKNOWN;
    florin_params_init(&params, self->arena);
    florin_params_id(&params, gid->batch);
    florin_session_begin(home);
    florin_session_command(home, "BEGIN ISOLATION LEVEL READ COMMITTED");
    florin_session_call(home, FLORIN_SQL_FENCE, &params);
    florin_session_call(home, FLORIN_SQL_DECISION, &params);
    florin_session_command(home, "COMMIT");
    florin_session_sync(home);
    if (florin_session_finish(home, florin_store_deadline(self), NULL) != 0) {
        florin_session_close(home);
        *open &= ~florin_shards_of(gid->home);
        return RULING_UNKNOWN;
    }
    const PGresult *decision = florin_session_result(home, 2);
    if (PQntuples(decision) == 0) /* forgotten just now: so it has been ended everywhere */
        return RULING_UNKNOWN;
    return florin_column_bool(decision, 0, 0) ? RULING_COMMIT : RULING_ABORT;
}

static void tell(florin_store_t *self, size_t shard, const char *name)
{
    uint64_t now = florin_clock_ms();
    if (self->told_in_doubt_ms && now - self->told_in_doubt_ms < TELL_AGAIN_MS)
        return;
    self->told_in_doubt_ms = now;
    florin_log(FLORIN_LOG_WARN, "in_doubt",
               "shard %zu holds the prepared transaction %s, and its home shard cannot be asked "
               "now; it waits",
               shard, name);
}

/* Ends one; true when it was this call that did. `open`: shards that answer, as far as is known. */
static bool end(florin_store_t *self, size_t shard, const char *name, florin_shards_t *open)
{
    florin_gid_t gid;
    char sql[COMMAND_BYTES];
    if (!florin_gid_parse(name, &gid)) {
        tell(self, shard, name);
        return false;
    }
    ruling_t ruling = ask_home(self, &gid, open);
    if (ruling == RULING_UNKNOWN) {
        tell(self, shard, name);
        return false;
    }
    florin_session_t *session = &self->shards[shard];
    snprintf(sql, sizeof sql, "%s PREPARED '%s'", ruling == RULING_COMMIT ? "COMMIT" : "ROLLBACK",
             name);
    florin_session_begin(session);
    florin_session_command(session, sql);
    florin_session_sync(session);
    /* A fault: another one has ended it, or the next pass will. */
    if (florin_session_finish(session, florin_store_deadline(self), NULL) != 0)
        return false;
    florin_log(FLORIN_LOG_WARN, "in_doubt_ended", "shard %zu: %s", shard, sql);
    return true;
}

/* -------------------------------------------------------------------------------------- all of it
 */

/* What a pass has read: names as they stand in the results, which later rounds free. */
typedef struct {
    char name[FLORIN_GID_BYTES];
    size_t shard;
    bool old; /* past the time that its coordinator has */
} prepared_t;

typedef struct {
    prepared_t *prepared;
    size_t prepared_count;
    florin_id_t *decisions[FLORIN_SHARDS_MAX]; /* old commits, by home */
    size_t decisions_count[FLORIN_SHARDS_MAX];
} pass_t;

/* Commit decisions that may be left over. They are read before the prepared transactions: then a
 * batch whose name is on no shard has ended on all. */
static bool read_decisions(florin_store_t *self, pass_t *pass, florin_shards_t open)
{
    florin_shards_t answered = ask_all(self, open, FLORIN_SQL_DECISIONS_OLD, NULL);
    for (size_t i = 0; i < self->shards_count; i++) {
        if (!florin_shards_has(answered, i))
            continue;
        const PGresult *rows = florin_session_result(&self->shards[i], 0);
        size_t count = (size_t)PQntuples(rows);
        pass->decisions[i] = florin_arena_calloc(self->arena, count + 1, sizeof(florin_id_t));
        if (!pass->decisions[i])
            return false;
        for (size_t k = 0; k < count; k++)
            pass->decisions[i][pass->decisions_count[i]++] = florin_column_id(rows, (int)k, 0);
    }
    return true;
}

static florin_shards_t read_prepared(florin_store_t *self, pass_t *pass, florin_shards_t open)
{
    florin_params_t params;
    size_t count = 0;
    florin_params_init(&params, self->arena);
    florin_params_u64(&params, self->in_doubt_after_ms);
    florin_shards_t answered = ask_all(self, open, FLORIN_SQL_IN_DOUBT, &params);
    for (size_t i = 0; i < self->shards_count; i++)
        if (florin_shards_has(answered, i))
            count += (size_t)PQntuples(florin_session_result(&self->shards[i], 0));
    pass->prepared = florin_arena_calloc(self->arena, count + 1, sizeof *pass->prepared);
    if (!pass->prepared)
        return 0;
    for (size_t i = 0; i < self->shards_count; i++) {
        if (!florin_shards_has(answered, i))
            continue;
        const PGresult *rows = florin_session_result(&self->shards[i], 0);
        for (int k = 0; k < PQntuples(rows); k++) {
            prepared_t *prepared = &pass->prepared[pass->prepared_count++];
            snprintf(prepared->name, sizeof prepared->name, "%s", PQgetvalue(rows, k, 0));
            prepared->shard = i;
            prepared->old = florin_column_bool(rows, k, 1);
        }
    }
    return answered;
}

static bool is_prepared(const pass_t *pass, florin_id_t batch)
{
    for (size_t i = 0; i < pass->prepared_count; i++) {
        florin_gid_t gid;
        if (florin_gid_parse(pass->prepared[i].name, &gid) && gid.batch == batch)
            return true;
    }
    return false;
}

/* Forgets commits that no shard waits for any more, and fences nobody can run into any more. */
static void clean_up(florin_store_t *self, const pass_t *pass, florin_shards_t open)
{
    for (size_t home = 0; home < self->shards_count; home++) {
        florin_params_t params;
        florin_id_t *done = pass->decisions[home];
        size_t count = 0;
        for (size_t i = 0; i < pass->decisions_count[home]; i++)
            if (!is_prepared(pass, pass->decisions[home][i]))
                done[count++] = pass->decisions[home][i];
        if (count == 0)
            continue;
        florin_params_init(&params, self->arena);
        florin_params_ids(&params, done, count);
        (void)ask_all(self, florin_shards_of(home), FLORIN_SQL_FORGET, &params);
    }
    (void)ask_all(self, open, FLORIN_SQL_FORGET_FENCES, NULL);
}

int florin_store_resolve(florin_store_t *self, size_t *resolved, florin_error_t *error)
{
    pass_t pass = {0};
    *resolved = 0;
    int result = florin_store_map(self, error);
    if (result != 0)
        return result;
    florin_arena_reset(self->arena);
    florin_shards_t open = open_all(self);
    if (!read_decisions(self, &pass, open))
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory to resolve");
    florin_shards_t answered = read_prepared(self, &pass, open);
    for (size_t i = 0; i < pass.prepared_count; i++)
        if (pass.prepared[i].old)
            *resolved += end(self, pass.prepared[i].shard, pass.prepared[i].name, &open);
    if (answered == florin_store_all_shards(self))
        clean_up(self, &pass, answered);
    return 0;
}
