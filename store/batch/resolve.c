/* In doubt: prepared transactions whose coordinator has not ended them.
 *
 * The home shard knows. A commit decision there: the batch happened, commit. None, and the lock is
 * free that the home's transaction holds from its first round trip to its end: it has ended without
 * a decision. An abort decision under the same key is then written before anything is rolled back,
 * so that a commit decision can never come to stand beside it. None, and the lock is held: the
 * coordinator works, or was stopped. It gets in_doubt_after_ms; then the abort decision fences it
 * off: its own insert will meet that and fail.
 *
 * Any number of resolvers may do this at once, and beside a coordinator that lives: whoever comes
 * second finds nothing left to do. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "store/batch/gid.h"
#include "store/internal.h"

#define COMMAND_BYTES 128
#define TELL_AGAIN_MS 60000
#define TRACES_MAX    20000 /* forgotten in one pass on a shard */
/* Younger ones are most likely in the hands of a coordinator that is about to end them. */
#define YOUNG_MS 250

typedef enum { RULING_COMMIT, RULING_ABORT, RULING_NONE_YET, RULING_UNKNOWN } ruling_t;

/* As read: later rounds free the results. */
typedef struct {
    char name[FLORIN_GID_BYTES];
    size_t shard;
    size_t home; /* FLORIN_SHARDS_MAX: the name is none that this cluster's workers give */
    florin_id_t batch;
    int64_t age_ms; /* by the shard's clock */
} prepared_t;

typedef struct {
    florin_shards_t open; /* shards that answer, as far as is known */
    prepared_t *prepared;
    size_t count;
} look_t;

/* Shards that answer now. One that hangs takes a connection's time: when that is used up, those not
 * yet tried wait for the next look, which begins with another shard. */
static florin_shards_t open_all(florin_store_t *self)
{
    uint64_t until_ms = florin_clock_ms() + self->timeouts.connect_timeout_ms;
    size_t first = self->looks++ % self->shards_count;
    florin_shards_t open = 0;
    for (size_t i = 0; i < self->shards_count; i++) {
        size_t shard = (first + i) % self->shards_count;
        if ((self->shards[shard].pg || florin_clock_ms() < until_ms) &&
            florin_store_open_shard(self, shard, NULL) == 0)
            open |= florin_shards_of(shard);
    }
    return open;
}

typedef struct {
    florin_statement_t statement;
    const florin_params_t *params;
} question_t;

static void add_question(florin_session_t *session, size_t shard, void *arg)
{
    (void)shard;
    const question_t *question = arg;
    florin_session_call(session, question->statement, question->params);
}

/* One statement on each of some shards; returns those that answered it. */
static florin_shards_t ask_all(florin_store_t *self, florin_shards_t shards,
                               florin_statement_t statement, const florin_params_t *params)
{
    return florin_store_round(self, shards, add_question, &(question_t){statement, params},
                              florin_store_deadline(self));
}

/* What programs that are newer have prepared is theirs to end. */
static void leave_to_newer(florin_store_t *self, look_t *look)
{
    for (size_t i = 0; i < self->shards_count; i++) {
        if (!florin_shards_has(look->open, i))
            continue;
        const PGresult *rows = florin_session_result(&self->shards[i], 0);
        uint32_t from = PQntuples(rows) > 0 ? florin_column_u32(rows, 0, 2) : 0;
        if (from > FLORIN_SCHEMA_SHARD) {
            (void)florin_store_too_old(self, i, from, &(florin_error_t){0});
            look->open &= ~florin_shards_of(i);
        }
    }
}

/* Reads what is prepared on the shards that are open. False when there is no memory for it. */
static bool read_prepared(florin_store_t *self, look_t *look)
{
    size_t count = 0;
    look->open = ask_all(self, look->open, FLORIN_SQL_IN_DOUBT, NULL);
    leave_to_newer(self, look);
    for (size_t i = 0; i < self->shards_count; i++)
        if (florin_shards_has(look->open, i))
            count += (size_t)PQntuples(florin_session_result(&self->shards[i], 0));
    look->prepared = florin_arena_calloc(self->arena, count + 1, sizeof *look->prepared);
    if (!look->prepared)
        return false;
    for (size_t i = 0; i < self->shards_count; i++) {
        if (!florin_shards_has(look->open, i))
            continue;
        const PGresult *rows = florin_session_result(&self->shards[i], 0);
        for (int k = 0; k < PQntuples(rows); k++) {
            prepared_t *prepared = &look->prepared[look->count++];
            florin_gid_t gid;
            snprintf(prepared->name, sizeof prepared->name, "%s", PQgetvalue(rows, k, 0));
            bool ours = florin_gid_parse(PQgetvalue(rows, k, 0), &gid);
            prepared->shard = i;
            prepared->home = ours && gid.home < self->shards_count ? gid.home : FLORIN_SHARDS_MAX;
            prepared->batch = ours ? gid.batch : 0;
            prepared->age_ms = (int64_t)florin_column_u64(rows, k, 1);
        }
    }
    return true;
}

/* ----------------------------------------------------------------------------------- to end them
 */

/* What the home shard says; it says abort only after it has fenced the batch off, and commit only
 * when its standbys have that, too. One that is away is asked once, and not for each of its
 * batches: its silence takes time. */
static ruling_t ask_home(florin_store_t *self, const prepared_t *prepared, look_t *look)
{
    bool overdue = prepared->age_ms >= (int64_t)self->in_doubt_after_ms;
    florin_params_t fence, batch;
    if (prepared->home == FLORIN_SHARDS_MAX || !florin_shards_has(look->open, prepared->home))
        return RULING_UNKNOWN;
    florin_session_t *home = &self->shards[prepared->home];
    florin_params_init(&fence, self->arena);
    florin_params_id(&fence, prepared->batch);
    florin_params_u64(&fence, (uint64_t)prepared->batch);
    florin_params_bool(&fence, overdue);
    florin_params_init(&batch, self->arena);
    florin_params_id(&batch, prepared->batch);
    florin_session_begin(home);
    florin_session_command(home, "BEGIN ISOLATION LEVEL READ COMMITTED");
    florin_session_call(home, FLORIN_SQL_FENCE, &fence);
    florin_session_call(home, FLORIN_SQL_DECISION, &batch);
    florin_session_command(home, "COMMIT");
    florin_session_sync(home);
    if (florin_session_finish(home, florin_store_deadline(self), NULL) != 0) {
        florin_session_close(home);
        look->open &= ~florin_shards_of(prepared->home);
        return RULING_UNKNOWN;
    }
    self->told_in_doubt_ms[prepared->home] = 0;
    const PGresult *decision = florin_session_result(home, 2);
    if (PQntuples(decision) == 0)
        return RULING_NONE_YET; /* or forgotten just now: so it has been ended everywhere */
    return florin_column_bool(decision, 0, 0) ? RULING_COMMIT : RULING_ABORT;
}

/* Once when a home's silence begins to matter, and again each minute while it lasts. */
static void tell(florin_store_t *self, const prepared_t *prepared)
{
    uint64_t now = florin_clock_ms(), *told_ms = &self->told_in_doubt_ms[prepared->home];
    if (*told_ms && now - *told_ms < TELL_AGAIN_MS)
        return;
    *told_ms = now;
    if (prepared->home == FLORIN_SHARDS_MAX)
        florin_log(FLORIN_LOG_WARN, "in_doubt",
                   "shard %zu holds the prepared transaction %s, whose name no worker of this "
                   "cluster gives; it stays",
                   prepared->shard, prepared->name);
    else
        florin_log(FLORIN_LOG_WARN, "in_doubt",
                   "shard %zu holds the prepared transaction %s, and its home, shard %zu, cannot "
                   "be asked now; it waits",
                   prepared->shard, prepared->name, prepared->home);
}

static void end(florin_store_t *self, const prepared_t *prepared, look_t *look,
                florin_resolved_t *resolved)
{
    florin_session_t *session = &self->shards[prepared->shard];
    char sql[COMMAND_BYTES];
    if (!florin_shards_has(look->open, prepared->shard))
        return;
    ruling_t ruling = ask_home(self, prepared, look);
    if (ruling == RULING_UNKNOWN) {
        tell(self, prepared);
        resolved->waiting++;
    }
    if (ruling != RULING_COMMIT && ruling != RULING_ABORT)
        return;
    snprintf(sql, sizeof sql, "%s PREPARED '%s'", ruling == RULING_COMMIT ? "COMMIT" : "ROLLBACK",
             prepared->name);
    florin_session_begin(session);
    florin_session_command(session, sql);
    florin_session_sync(session);
    /* A fault: another one has ended it, or the next pass will. */
    if (florin_session_finish(session, florin_store_deadline(self), NULL) != 0) {
        if (session->fault == FLORIN_FAULT_LOST)
            look->open &= ~florin_shards_of(prepared->shard);
        return;
    }
    *(ruling == RULING_COMMIT ? &resolved->committed : &resolved->rolled_back) += 1;
    florin_log(FLORIN_LOG_WARN, "in_doubt_ended", "shard %zu: %s", prepared->shard, sql);
}

static int begin(florin_store_t *self, look_t *look, florin_error_t *error)
{
    int result = florin_store_map(self, error);
    if (result != 0)
        return result;
    florin_arena_reset(self->arena);
    *look = (look_t){.open = open_all(self)};
    return 0;
}

int florin_store_resolve(florin_store_t *self, florin_resolved_t *resolved, florin_error_t *error)
{
    look_t look;
    *resolved = (florin_resolved_t){0};
    int result = begin(self, &look, error);
    if (result != 0)
        return result;
    if (!read_prepared(self, &look))
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory to resolve");
    int64_t young_ms = self->in_doubt_after_ms < YOUNG_MS ? self->in_doubt_after_ms : YOUNG_MS;
    for (size_t i = 0; i < look.count; i++) /* one from the future: its clock was set back */
        if (look.prepared[i].age_ms < 0 || look.prepared[i].age_ms >= young_ms)
            end(self, &look.prepared[i], &look, resolved);
    resolved->partial = look.open != florin_store_all_shards(self);
    return 0;
}

/* --------------------------------------------------------------------------------- to forget them
 */

typedef struct {
    florin_id_t *batches[FLORIN_SHARDS_MAX]; /* old commits, by home */
    size_t count[FLORIN_SHARDS_MAX];
} decisions_t;

static bool read_decisions(florin_store_t *self, decisions_t *decisions, florin_shards_t open)
{
    florin_shards_t answered = ask_all(self, open, FLORIN_SQL_DECISIONS_OLD, NULL);
    for (size_t i = 0; i < self->shards_count; i++) {
        if (!florin_shards_has(answered, i))
            continue;
        const PGresult *rows = florin_session_result(&self->shards[i], 0);
        size_t count = (size_t)PQntuples(rows);
        decisions->batches[i] = florin_arena_calloc(self->arena, count + 1, sizeof(florin_id_t));
        if (!decisions->batches[i])
            return false;
        for (size_t k = 0; k < count; k++)
            decisions->batches[i][decisions->count[i]++] = florin_column_id(rows, (int)k, 0);
    }
    return true;
}

static bool are_there(const decisions_t *decisions)
{
    for (size_t i = 0; i < FLORIN_SHARDS_MAX; i++)
        if (decisions->count[i] > 0)
            return true;
    return false;
}

static bool is_prepared(const look_t *look, florin_id_t batch)
{
    for (size_t i = 0; i < look->count; i++)
        if (look->prepared[i].batch == batch)
            return true;
    return false;
}

/* Forgets a home's commits that no shard waits for any more. */
static void forget_done(florin_store_t *self, const look_t *look, size_t home, florin_id_t *batches,
                        size_t count)
{
    florin_params_t params;
    size_t done = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_prepared(look, batches[i]))
            batches[done++] = batches[i];
    if (done == 0)
        return;
    florin_params_init(&params, self->arena);
    florin_params_ids(&params, batches, done);
    (void)ask_all(self, florin_shards_of(home), FLORIN_SQL_FORGET, &params);
}

/* -------------------------------------------------------------------------------- and the traces
 *
 * A trace is needed while its batch is prepared somewhere, and while somebody reads by a snapshot
 * from then. No clock of a server says when that is over: what had ended at one pass goes at
 * another, which comes later by our own monotonic clock. */

/* Snapshots from before it is looked what is prepared. False: some shard has not given its own. */
static bool see_traces(florin_store_t *self, florin_shards_t open)
{
    florin_shards_t all = florin_store_all_shards(self);
    bool seen = ask_all(self, open, FLORIN_SQL_SNAPSHOT, NULL) == all;
    for (size_t i = 0; i < self->shards_count && seen; i++) {
        const PGresult *row = florin_session_result(&self->shards[i], 0);
        florin_seen_take(&self->ended.seen[i], &self->shards[i], PQgetvalue(row, 0, 0),
                         (size_t)PQgetlength(row, 0, 0));
    }
    return seen;
}

/* What is prepared after these snapshots is held. */
static void hold_prepared(florin_store_t *self, const look_t *look)
{
    florin_ended_t *ended = &self->ended;
    if (look->count > FLORIN_HELD_MAX)
        return; /* the next pass tries again */
    for (size_t i = 0; i < look->count; i++)
        ended->held[i] = look->prepared[i].batch;
    ended->held_count = look->count;
    ended->taken_ms = florin_clock_ms();
}

static void add_forget_traces(florin_session_t *session, size_t shard, void *arg)
{
    const florin_store_t *self = arg;
    const florin_ended_t *ended = &self->ended;
    florin_params_t params;
    if (!florin_seen_by(&ended->seen[shard], session))
        return;
    florin_params_init(&params, self->arena);
    florin_params_bytes(&params, ended->seen[shard].snapshot, ended->seen[shard].size);
    florin_params_ids(&params, ended->held, ended->held_count);
    florin_params_u64(&params, TRACES_MAX);
    florin_session_call(session, FLORIN_SQL_FORGET_CROSSINGS, &params);
}

/* Those that are left for being too many go with the next pass. */
static void forget_traces(florin_store_t *self)
{
    bool more = false;
    florin_shards_t all = florin_store_all_shards(self);
    florin_shards_t answered =
        florin_store_round(self, all, add_forget_traces, self, florin_store_deadline(self));
    for (size_t i = 0; i < self->shards_count; i++)
        if (florin_shards_has(answered, i) && self->shards[i].results_count > 0)
            more |= strtoul(PQcmdTuples(florin_session_result(&self->shards[i], 0)), NULL, 10) ==
                    TRACES_MAX;
    if (!more)
        self->ended.taken_ms = 0;
}

/* Decisions are read before the prepared transactions: then a batch whose name is on no shard has
 * ended on all. So are the snapshots that see traces. */
int florin_store_forget(florin_store_t *self, florin_error_t *error)
{
    decisions_t decisions = {0};
    look_t look;
    int result = begin(self, &look, error);
    if (result != 0)
        return result;
    uint64_t taken_ms = self->ended.taken_ms;
    bool traces_due = taken_ms && florin_clock_ms() - taken_ms >= self->traces_kept_ms;
    bool traces_seen = !taken_ms && see_traces(self, look.open);
    if (!read_decisions(self, &decisions, look.open) || !read_prepared(self, &look))
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory to forget decisions");
    if (look.open != florin_store_all_shards(self))
        return 0;
    /* What has ended on a shard must have ended on its standbys, too. */
    if ((are_there(&decisions) || traces_due) &&
        ask_all(self, look.open, FLORIN_SQL_AWAIT_STANDBY, NULL) != look.open)
        return 0;
    for (size_t home = 0; home < self->shards_count; home++)
        forget_done(self, &look, home, decisions.batches[home], decisions.count[home]);
    (void)ask_all(self, look.open, FLORIN_SQL_FORGET_FENCES, NULL);
    if (traces_due)
        forget_traces(self);
    if (traces_seen)
        hold_prepared(self, &look);
    return 0;
}
