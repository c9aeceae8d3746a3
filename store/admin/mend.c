#include "store/admin/mend.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#include "lib/clock.h"
#include "lib/clocks.h"
#include "store/admin/admin.h"
#include "store/batch/gid.h"
#include "store/session.h"

#define FUTURE_NS     UINT64_C(60000000000) /* nearer, it is soon the past */
#define EPOCH_2000_US UINT64_C(946684800000000)
#define WAIT_MS       3600000 /* for a statement: tables are read as a whole */
#define HOME          0
#define SQL_BYTES     1536

/* Nothing ends by itself but what cannot be locked. */
static const florin_session_timeouts_t timeouts = {.connect_timeout_ms = 10000,
                                                   .statement_timeout_ms = WAIT_MS,
                                                   .lock_timeout_ms = 5000,
                                                   .idle_timeout_ms = 0};

static const char lock_tables[] =
    "LOCK TABLE accounts, transfers, pending_transfers, credit_limits IN ACCESS EXCLUSIVE MODE";
static const char look_around[] =
    "SELECT (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'florin'"
    " AND datname = current_database() AND pid <> pg_backend_pid()),"
    " (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database())";
/* The latest time that is no future, the first that is, and the latest of all. */
static const char look_at_times[] =
    "SELECT max(t) FILTER (WHERE t <= %" PRIu64 "), min(t) FILTER (WHERE t > %" PRIu64
    "), max(t) FROM (SELECT timestamp AS t FROM accounts UNION ALL SELECT timestamp_last FROM "
    "accounts"
    " UNION ALL SELECT timestamp FROM transfers UNION ALL SELECT resolved_at FROM pending_transfers"
    " UNION ALL SELECT timestamp FROM credit_limits) AS times";
/* A hold runs out as long after its beginning as before. The rows are counted. */
static const char move_times[] =
    "WITH p AS (UPDATE pending_transfers SET"
    " expires_at = expires_at - CASE WHEN EXISTS (SELECT FROM transfers WHERE transfers.id ="
    " pending_transfers.id AND timestamp > %" PRIu64 ") THEN %" PRIu64 " ELSE 0 END,"
    " resolved_at = resolved_at - CASE WHEN resolved_at > %" PRIu64 " THEN %" PRIu64 " ELSE 0 END"
    " WHERE greatest(expires_at, resolved_at) > %" PRIu64 " RETURNING 1),"
    " a AS (UPDATE accounts SET timestamp_last = timestamp_last - %" PRIu64 ","
    " timestamp = timestamp - CASE WHEN timestamp > %" PRIu64 " THEN %" PRIu64 " ELSE 0 END"
    " WHERE timestamp_last > %" PRIu64 " RETURNING 1),"
    " t AS (UPDATE transfers SET timestamp = timestamp - %" PRIu64 " WHERE timestamp > %" PRIu64
    " RETURNING 1),"
    " l AS (UPDATE credit_limits SET timestamp = timestamp - %" PRIu64 " WHERE timestamp > %" PRIu64
    " RETURNING 1)"
    " SELECT (SELECT count(*) FROM p) + (SELECT count(*) FROM a) + (SELECT count(*) FROM t)"
    " + (SELECT count(*) FROM l)";

typedef struct {
    florin_session_t sessions[FLORIN_SHARDS_MAX];
    size_t count;
    florin_clocks_t *clocks;
    florin_id_t batch; /* in the names of what is prepared */
} mend_t;

static int run(florin_session_t *session, const char *sql, florin_error_t *error)
{
    florin_session_begin(session);
    florin_session_command(session, sql);
    florin_session_sync(session);
    return florin_session_finish(session, florin_clock_ms() + WAIT_MS, error);
}

static uint64_t number(const florin_session_t *session, int column)
{
    return florin_column_u64(florin_session_result(session, 0), 0, column);
}

/* Begins, and makes sure that nobody else is at work; asks for the time. */
static int begin(mend_t *self, size_t shard, florin_error_t *error)
{
    florin_session_t *session = &self->sessions[shard];
    int result = run(session, "BEGIN", error);
    result = result != 0 ? result : run(session, look_around, error);
    if (result == 0 && number(session, 0) > 0)
        return florin_error_set(error, FLORIN_ERROR_REFUSED,
                                "%s: %" PRIu64 " sessions of workers are open; stop all workers",
                                session->name, number(session, 0));
    if (result == 0 && number(session, 1) > 0)
        return florin_error_set(error, FLORIN_ERROR_REFUSED,
                                "%s: %" PRIu64
                                " transactions are prepared; run florin-admin resolve",
                                session->name, number(session, 1));
    result = result != 0 ? result : run(session, lock_tables, error);
    uint64_t sent_ns = florin_clock_boot_ns();
    result = result != 0 ? result : run(session, "SELECT clock_timestamp()", error);
    if (result == 0)
        florin_clocks_take(self->clocks, shard, sent_ns, florin_clock_boot_ns(),
                           (number(session, 0) + EPOCH_2000_US) * 1000);
    return result;
}

static int open_all(mend_t *self, const char *control, florin_error_t *error)
{
    florin_shard_t *shards = NULL;
    size_t count = 0;
    int result = florin_admin_shards_list(control, &shards, &count, error);
    for (size_t i = 0; i < count && result == 0; i++) {
        char name[32];
        snprintf(name, sizeof name, "shard %zu", i);
        result = florin_session_init(&self->sessions[i], name, shards[i].conninfo, error);
        if (result == 0)
            self->count++;
        if (result == 0)
            result =
                florin_session_open(&self->sessions[i], FLORIN_STATEMENTS_NONE, &timeouts, error);
    }
    florin_admin_shards_free(&shards, count);
    for (size_t i = 0; i < self->count && result == 0; i++)
        result = begin(self, i, error);
    return result;
}

/* What all shards' times are, held against `until`: later ones are the future. */
typedef struct {
    uint64_t until, before, first, latest;
} times_t;

static int look(mend_t *self, times_t *times, florin_error_t *error)
{
    char sql[SQL_BYTES];
    times->before = times->latest = 0;
    times->first = UINT64_MAX;
    snprintf(sql, sizeof sql, look_at_times, times->until, times->until);
    for (size_t i = 0; i < self->count; i++) {
        const florin_session_t *session = &self->sessions[i];
        if (run(&self->sessions[i], sql, error) != 0)
            return error->code;
        uint64_t before = number(session, 0), first = number(session, 1);
        times->before = before > times->before ? before : times->before;
        times->first = first > 0 && first < times->first ? first : times->first;
        times->latest = number(session, 2) > times->latest ? number(session, 2) : times->latest;
    }
    return 0;
}

static int move(mend_t *self, uint64_t until, uint64_t by, uint64_t *rows, florin_error_t *error)
{
    char sql[SQL_BYTES];
    snprintf(sql, sizeof sql, move_times, until, by, until, by, until, by, until, by, until, by,
             until, by, until);
    for (size_t i = 0; i < self->count; i++) {
        if (run(&self->sessions[i], sql, error) != 0)
            return error->code;
        *rows += number(&self->sessions[i], 0);
    }
    return 0;
}

/* In two phases, as a batch: what is left prepared when this program ends here, florin-admin
 * resolve or any worker ends. */
static int end(mend_t *self, size_t shard, const char *verb, florin_error_t *error)
{
    const florin_gid_t gid = {HOME, self->batch, shard};
    char name[FLORIN_GID_BYTES], sql[SQL_BYTES];
    snprintf(sql, sizeof sql, "%s '%s'", verb, florin_gid_format(&gid, name));
    return run(&self->sessions[shard], sql, error);
}

static int commit(mend_t *self, florin_error_t *error)
{
    char id[FLORIN_ID_TEXT_BYTES], sql[SQL_BYTES];
    int result = 0;
    for (size_t i = HOME + 1; i < self->count && result == 0; i++)
        result = end(self, i, "PREPARE TRANSACTION", error);
    snprintf(sql, sizeof sql, "INSERT INTO decisions (batch, decision) VALUES ('%s', 'commit')",
             florin_id_format_uuid(self->batch, id));
    if (result == 0 && self->count > 1)
        result = run(&self->sessions[HOME], sql, error);
    result = result != 0 ? result : run(&self->sessions[HOME], "COMMIT", error);
    for (size_t i = HOME + 1; i < self->count && result == 0; i++)
        result = end(self, i, "COMMIT PREPARED", error);
    snprintf(sql, sizeof sql, "DELETE FROM decisions WHERE batch = '%s'", id);
    return result == 0 && self->count > 1 ? run(&self->sessions[HOME], sql, error) : result;
}

static int mend(mend_t *self, florin_mended_t *mended, florin_error_t *error)
{
    times_t times;
    int result = florin_clocks_now(self->clocks, &mended->now_ns, error);
    times.until = mended->now_ns + FUTURE_NS;
    result = result != 0 ? result : look(self, &times, error);
    if (result != 0)
        return result;
    mended->latest_ns = times.latest;
    if (times.latest <= times.until)
        return 0;
    uint64_t least = times.before > mended->now_ns ? times.before : mended->now_ns;
    mended->moved_ns = times.first - least - 1;
    mended->latest_ns -= mended->moved_ns;
    result = move(self, times.until, mended->moved_ns, &mended->rows, error);
    return result != 0 ? result : commit(self, error);
}

int florin_admin_mend_times(const char *control, florin_mended_t *mended, florin_error_t *error)
{
    mend_t self = {.clocks = florin_clocks_new(FLORIN_CLOCK_BOUND_MS_DEFAULT, NULL)};
    *mended = (florin_mended_t){0};
    if (sodium_init() < 0 || !self.clocks)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory, or no randomness");
    randombytes_buf(&self.batch, sizeof self.batch);
    int result = open_all(&self, control, error);
    if (result == 0)
        result = mend(&self, mended, error);
    for (size_t i = 0; i < self.count; i++)
        florin_session_close(&self.sessions[i]); /* what is not committed is undone */
    florin_clocks_destroy(&self.clocks);
    return result;
}
