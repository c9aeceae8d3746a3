/* One moment on several shards, without a lock.
 *
 * A shard's own snapshot is always consistent; between shards a batch may be there on one and not
 * yet on another: split. Each batch that crosses leaves a trace on each of its shards, and each
 * round here asks, on all shards at once: what is prepared; then for a snapshot; and in it for what
 * the caller wants, and for traces. florin_cut_check then tells whether any batch is split. If so,
 * all of it is dropped and taken anew. */
#include "store/read/moment.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "store/batch/gid.h"
#include "store/read/cut.h"

/* A look from an earlier read is good for so long: the older, the more traces it asks for. */
#define SEEN_MS 100
/* From a snapshot to its traces; far below what traces are kept for (batch/resolve.c). */
#define ROUND_MS     10000
#define PAUSE_MS_MAX 8

enum { RESULT_PREPARED = 1, RESULT_SNAPSHOT = 3, RESULT_CROSSINGS = 4 };
_Static_assert(RESULT_CROSSINGS + 1 == FLORIN_MOMENT_RESULTS, "the caller's results follow");

typedef struct {
    florin_store_t *store;
    const florin_moment_t *moment;
    uint64_t deadline_ms;
    florin_cut_t cut; /* its lists and looks are in the arena */
} take_t;

static int no_memory(florin_error_t *error)
{
    return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory to read several shards");
}

/* No answer is waited for longer than a round may take. */
static uint64_t round_deadline(const florin_store_t *self)
{
    uint64_t soon = florin_clock_ms() + ROUND_MS, latest = florin_store_deadline(self);
    return soon < latest ? soon : latest;
}

/* ------------------------------------------------------------------------------- the look before
 */

static bool copy(take_t *self, const void *bytes, size_t size, florin_look_t *look)
{
    uint8_t *room = florin_arena_alloc(self->store->arena, size);
    if (room)
        memcpy(room, bytes, size);
    *look = (florin_look_t){room, size};
    return room;
}

static bool copy_row(take_t *self, const PGresult *row, florin_look_t *look)
{
    return copy(self, PQgetvalue(row, 0, 0), (size_t)PQgetlength(row, 0, 0), look);
}

static bool is_good(const florin_seen_t *seen, const florin_session_t *session)
{
    return florin_seen_by(seen, session) && florin_clock_ms() - seen->taken_ms <= SEEN_MS;
}

static void add_snapshot(florin_session_t *session, size_t shard, void *arg)
{
    (void)shard, (void)arg;
    florin_session_call(session, FLORIN_SQL_SNAPSHOT, NULL);
}

/* Goes on from an earlier read as if it were a round before. False: there is none, or it is too
 * old. */
static bool look_earlier(take_t *self)
{
    florin_store_t *store = self->store;
    const florin_earlier_t *earlier = &store->earlier;
    florin_cut_t *cut = &self->cut;
    bool good = (self->moment->shards & ~earlier->shards) == 0;
    for (size_t i = 0; i < store->shards_count && good; i++) {
        const florin_seen_t *before = &earlier->before[i], *seen = &store->seen[i];
        good = !florin_shards_has(self->moment->shards, i) ||
               (is_good(before, &store->shards[i]) && is_good(seen, &store->shards[i]) &&
                copy(self, before->snapshot, before->size, &cut->before[i]) &&
                copy(self, seen->snapshot, seen->size, &cut->previous[i]));
    }
    if (good) {
        cut->asked = store->earlier.asked;
        cut->asked_count = earlier->asked_count;
        cut->rounds = 1;
    }
    return good;
}

/* The other way round. */
static void leave(take_t *self)
{
    florin_store_t *store = self->store;
    florin_earlier_t *earlier = &store->earlier;
    const florin_cut_t *cut = &self->cut;
    earlier->shards = cut->asked_count <= FLORIN_HELD_MAX ? self->moment->shards : 0;
    earlier->asked_count = earlier->shards ? cut->asked_count : 0;
    memcpy(earlier->asked, cut->asked, earlier->asked_count * sizeof *cut->asked);
    for (size_t i = 0; i < store->shards_count; i++)
        if (florin_shards_has(self->moment->shards, i))
            florin_seen_take(&earlier->before[i], &store->shards[i], cut->before[i].bytes,
                             cut->before[i].size);
}

/* A snapshot that earlier reads have left, or else a round of its own. */
static int look_before(take_t *self, florin_error_t *error)
{
    florin_store_t *store = self->store;
    florin_shards_t missing = 0;
    bool room = true;
    if (look_earlier(self))
        return 0;
    for (size_t i = 0; i < store->shards_count; i++) {
        const florin_seen_t *seen = &store->seen[i];
        if (!florin_shards_has(self->moment->shards, i))
            continue;
        if (is_good(seen, &store->shards[i]))
            room = room && copy(self, seen->snapshot, seen->size, &self->cut.before[i]);
        else
            missing |= florin_shards_of(i);
    }
    int result = missing ? florin_store_read(store, missing, add_snapshot, NULL, error) : 0;
    for (size_t i = 0; i < store->shards_count && result == 0; i++)
        if (florin_shards_has(missing, i))
            room = room && copy_row(self, florin_session_result(&store->shards[i], 0),
                                    &self->cut.before[i]);
    return result == 0 && !room ? no_memory(error) : result;
}

/* ------------------------------------------------------------------------------------- a round */

static void add_round(florin_session_t *session, size_t shard, void *arg)
{
    const take_t *self = arg;
    florin_params_t params;
    florin_session_command(session, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    florin_session_call(session, FLORIN_SQL_PREPARED, NULL);
    florin_session_command(session, "COMMIT AND CHAIN"); /* so the next snapshot comes after it */
    florin_session_call(session, FLORIN_SQL_SNAPSHOT, NULL);
    florin_params_init(&params, self->store->arena);
    florin_params_bytes(&params, self->cut.before[shard].bytes, self->cut.before[shard].size);
    florin_params_ids(&params, self->cut.asked, self->cut.asked_count);
    florin_session_call(session, FLORIN_SQL_CROSSINGS, &params);
    if (self->moment->add) {
        self->moment->add(session, shard, self->moment->arg);
        florin_session_command(session, "COMMIT");
    }
}

static void add_rollback(florin_session_t *session, size_t shard, void *arg)
{
    (void)shard, (void)arg;
    florin_session_command(session, "ROLLBACK");
}

void florin_store_moment_end(florin_store_t *self, florin_shards_t shards)
{
    florin_shards_t done =
        florin_store_round(self, shards, add_rollback, NULL, round_deadline(self));
    for (size_t i = 0; i < self->shards_count; i++)
        if (florin_shards_has(shards & ~done, i))
            florin_session_close(&self->shards[i]);
}

/* Room for what the shards have told, and the snapshots. */
static bool make_room(take_t *self)
{
    size_t traces = 0, prepared = 0;
    for (size_t i = 0; i < self->store->shards_count; i++) {
        const florin_session_t *session = &self->store->shards[i];
        if (!florin_shards_has(self->moment->shards, i))
            continue;
        traces += (size_t)PQntuples(florin_session_result(session, RESULT_CROSSINGS));
        prepared += (size_t)PQntuples(florin_session_result(session, RESULT_PREPARED));
    }
    florin_cut_t *cut = &self->cut;
    cut->traces_count = cut->prepared_count = 0;
    cut->traces = florin_arena_calloc(self->store->arena, traces + 1, sizeof *cut->traces);
    cut->prepared = florin_arena_calloc(self->store->arena, prepared + 1, sizeof *cut->prepared);
    return cut->traces && cut->prepared;
}

/* A name that no worker gives is of no batch. */
static void take_prepared(take_t *self, size_t shard)
{
    const PGresult *rows = florin_session_result(&self->store->shards[shard], RESULT_PREPARED);
    for (int i = 0; i < PQntuples(rows); i++) {
        florin_gid_t gid;
        if (florin_gid_parse(PQgetvalue(rows, i, 0), &gid) && gid.shard == shard)
            self->cut.prepared[self->cut.prepared_count++] = (florin_crossing_t){
                .batch = gid.batch,
                .shard = shard,
                .transaction = florin_snapshot_widen(&self->cut.snapshots[shard],
                                                     florin_column_u32(rows, i, 1)),
            };
    }
}

static void take_traces(take_t *self, size_t shard)
{
    const PGresult *rows = florin_session_result(&self->store->shards[shard], RESULT_CROSSINGS);
    for (int i = 0; i < PQntuples(rows); i++) {
        size_t of = florin_column_u32(rows, i, 1);
        if (of < self->store->shards_count)
            self->cut.traces[self->cut.traces_count++] =
                (florin_crossing_t){.batch = florin_column_id(rows, i, 0),
                                    .shard = of,
                                    .transaction = florin_column_u64(rows, i, 2)};
    }
}

static int take_answers(take_t *self, florin_error_t *error)
{
    if (!make_room(self))
        return no_memory(error);
    for (size_t i = 0; i < self->store->shards_count; i++) {
        const florin_session_t *session = &self->store->shards[i];
        if (!florin_shards_has(self->moment->shards, i))
            continue;
        if (!copy_row(self, florin_session_result(session, RESULT_SNAPSHOT), &self->cut.looks[i]))
            return no_memory(error);
        if (!florin_snapshot_parse(self->cut.looks[i].bytes, self->cut.looks[i].size,
                                   &self->cut.snapshots[i]))
            return florin_error_set(error, FLORIN_ERROR_INTERNAL,
                                    "%s: its snapshot cannot be understood", session->name);
        take_prepared(self, i);
        take_traces(self, i);
    }
    return 0;
}

/* One round, and what it tells; on an error nothing is open. */
static int read_round(take_t *self, florin_error_t *error)
{
    florin_store_t *store = self->store;
    florin_shards_t shards = self->moment->shards;
    uint64_t began_ms = florin_clock_ms();
    florin_shards_t faulty =
        shards & ~florin_store_round(store, shards, add_round, self, round_deadline(store));
    int result = 0;
    if (faulty) {
        const florin_error_t *fault = &store->shards[florin_shards_lowest(faulty)].error;
        result = florin_error_set(error, fault->code, "%s", fault->message);
    } else if (florin_clock_ms() - began_ms > ROUND_MS)
        result = florin_error_set(error, FLORIN_ERROR_CONFLICT,
                                  "reading several shards took too long for one moment");
    else
        result = take_answers(self, error);
    for (size_t i = 0; i < store->shards_count && result == 0; i++)
        if (florin_shards_has(shards, i))
            florin_seen_take(&store->seen[i], &store->shards[i], self->cut.looks[i].bytes,
                             self->cut.looks[i].size);
    if (result != 0)
        florin_store_moment_end(store, self->moment->add && faulty ? faulty : shards);
    return result;
}

/* ------------------------------------------------------------------------------------- the tries
 */

/* Until the batch may have ended. */
static int await_end(take_t *self, const florin_crossing_t *doubt, florin_error_t *error)
{
    uint32_t most_ms = self->cut.rounds < 4 ? self->cut.rounds : PAUSE_MS_MAX;
    char batch[FLORIN_ID_TEXT_BYTES];
    if (florin_clock_ms() >= self->deadline_ms)
        return florin_error_set(
            error, FLORIN_ERROR_CONFLICT,
            "batch %s is committed on one shard and not yet on shard %zu, for longer than a read "
            "waits; try again",
            florin_id_format_uuid(doubt->batch, batch), doubt->shard);
    uint32_t pause_us = 100 + randombytes_uniform(most_ms * 1000);
    nanosleep(&(struct timespec){.tv_nsec = (long)pause_us * 1000}, NULL);
    return 0;
}

static int go_on(take_t *self, florin_error_t *error)
{
    florin_id_t *asked =
        florin_arena_calloc(self->store->arena, self->cut.prepared_count + 1, sizeof *asked);
    if (!asked)
        return no_memory(error);
    florin_cut_go_on(&self->cut, asked);
    return 0;
}

/* Rounds from one look before them on, until one shows each batch whole. */
static int take(take_t *self, florin_error_t *error)
{
    florin_crossing_t doubt;
    florin_cut_verdict_t verdict = FLORIN_CUT_UNKNOWN;
    int result = look_before(self, error);
    while (result == 0 && verdict != FLORIN_CUT_WHOLE) {
        result = read_round(self, error);
        if (result != 0)
            return result;
        verdict = florin_cut_check(&self->cut, &doubt);
        result = go_on(self, error);
        if (!self->moment->add && (verdict != FLORIN_CUT_WHOLE || result != 0))
            florin_store_moment_end(self->store, self->moment->shards);
        if (verdict == FLORIN_CUT_SPLIT && result == 0)
            result = await_end(self, &doubt, error);
    }
    if (result == 0)
        leave(self);
    return result;
}

int florin_store_moment(florin_store_t *self, const florin_moment_t *moment, florin_error_t *error)
{
    uint64_t deadline_ms = florin_clock_ms() + moment->patience_ms;
    uint64_t latest_ms = florin_store_deadline(self);
    int result = 0;
    if (deadline_ms > latest_ms)
        deadline_ms = latest_ms;
    for (unsigned tries = 0; tries < 2; tries++) {
        take_t one = {
            .store = self,
            .moment = moment,
            .deadline_ms = deadline_ms,
            .cut = {.shards = moment->shards, .concerns = moment->concerns, .arg = moment->arg}};
        result = take(&one, error);
        if (result != FLORIN_ERROR_UNAVAILABLE)
            break;
        /* A connection may have been lost: once more. */
    }
    return result;
}
