/* Migrations: numbered files, each applied once, in order, in a transaction of its own that also
 * records it; or without one, and recorded when all of it is done.
 *
 * Nobody waits for a migration for long. Whoever asks for a strong lock has all who come later wait
 * behind it, so a file gives way after LOCK_TIMEOUT_MS, and is tried again after a pause, and says
 * for whom it waits. What needs longer than a moment for its work runs concurrently. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "store/admin/admin.h"
#include "store/admin/migration.h"
#include "store/session.h"

#define MIGRATION_WAIT_MS  (60u * 60 * 1000)
#define CONNECT_TIMEOUT_MS 10000
#define LOCK_TIMEOUT_MS    500
/* PostgreSQL sees after deadlock_timeout (1 s) that an autovacuum stands in the way, and ends it.
 */
#define LOCK_TIMEOUT_AUTOVACUUM_MS 1500
#define PAUSE_MIN_MS               250
#define PAUSE_MAX_MS               5000
#define LOOK_MS                    100
#define LOOK_WAIT_MS               5000
#define TELL_MS                    10000
#define SQL_BYTES                  2048
/* Whoever migrates holds this advisory lock ("florin" in ASCII), one at a time a database. */
#define MIGRATION_LOCK "112615912270190"

typedef struct {
    florin_session_t session;
    florin_session_t watcher; /* sees what the session waits for */
    uint64_t deadline_ms;     /* for all of it */
    uint32_t wait_ms;         /* for the locks of one file */
    int pid;
    char holders[FLORIN_ERROR_MESSAGE_BYTES / 2]; /* for whom it waits, or waited last */
    bool autovacuum;                              /* among them */
    uint64_t told_ms;
} migrator_t;

/* ------------------------------------------------------------------------------ who is in the way
 */

/* Of a process; of prepared transactions, which have none; and whether there is an autovacuum,
 * which has no user. */
static const char who_holds[] =
    "SELECT string_agg(who, '; '), coalesce(bool_or(autovacuum), false) FROM ("
    "SELECT CASE WHEN usename IS NULL THEN 'an autovacuum, process ' || pid"
    " ELSE format('process %%s of %%s%%s', pid, usename, ', ' || nullif(application_name, '')) END"
    " || coalesce(format(', its transaction %%s s old',"
    " round(extract(epoch FROM clock_timestamp() - xact_start))), '') AS who,"
    " usename IS NULL AS autovacuum"
    " FROM (SELECT DISTINCT unnest(pg_blocking_pids(%d)) AS pid) b JOIN pg_stat_activity USING "
    "(pid)"
    " UNION ALL SELECT DISTINCT format('the prepared transaction %%L of %%s, %%s s old', gid, "
    "owner,"
    " round(extract(epoch FROM clock_timestamp() - prepared))), false FROM pg_locks mine"
    " JOIN pg_locks theirs ON theirs.relation = mine.relation AND theirs.database = mine.database"
    " AND theirs.granted AND theirs.pid IS NULL"
    " JOIN pg_locks own ON own.virtualtransaction = theirs.virtualtransaction"
    " AND own.locktype = 'transactionid' AND own.pid IS NULL"
    " JOIN pg_prepared_xacts ON transaction = own.transactionid"
    " WHERE mine.pid = %d AND NOT mine.granted LIMIT 4) AS holders";

static int ask(florin_session_t *session, const char *sql, uint64_t deadline_ms,
               florin_error_t *error)
{
    florin_session_begin(session);
    florin_session_command(session, sql);
    florin_session_sync(session);
    return florin_session_finish(session, deadline_ms, error);
}

/* Looks for whom the session waits now. */
static void look(migrator_t *self)
{
    char sql[SQL_BYTES];
    snprintf(sql, sizeof sql, who_holds, self->pid, self->pid);
    if (ask(&self->watcher, sql, florin_clock_ms() + LOOK_WAIT_MS, NULL) != 0)
        return;
    const PGresult *row = florin_session_result(&self->watcher, 0);
    if (PQgetisnull(row, 0, 0))
        return;
    snprintf(self->holders, sizeof self->holders, "%s", PQgetvalue(row, 0, 0));
    self->autovacuum = florin_column_bool(row, 0, 1);
}

/* Runs it, and says in good time for whom it waits. */
static int run_watched(migrator_t *self, const char *name, const char *sql, florin_error_t *error)
{
    self->holders[0] = '\0';
    self->told_ms = 0;
    florin_session_script_begin(&self->session, sql);
    while (florin_clock_ms() < self->deadline_ms &&
           !florin_session_peek(&self->session, florin_clock_ms() + LOOK_MS)) {
        look(self);
        if (!self->holders[0] || (self->told_ms && florin_clock_ms() - self->told_ms < TELL_MS))
            continue;
        self->told_ms = florin_clock_ms();
        florin_log(FLORIN_LOG_WARN, "migration_waits", "%s: waits for %s", name, self->holders);
    }
    return florin_session_script_end(&self->session, self->deadline_ms, error);
}

/* ------------------------------------------------------------------------------------- the tries
 */

static void pause_ms(uint32_t ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

/* One transaction. `gave_way`: a lock did not come in time. */
static int try_once(migrator_t *self, const char *name, const char *sql, const char *row,
                    bool *gave_way, florin_error_t *error)
{
    char begin[100];
    snprintf(begin, sizeof begin, "BEGIN; SET LOCAL lock_timeout = %d",
             self->autovacuum ? LOCK_TIMEOUT_AUTOVACUUM_MS : LOCK_TIMEOUT_MS);
    self->autovacuum = false;
    int result = florin_session_script(&self->session, begin, self->deadline_ms, error);
    if (result == 0)
        result = run_watched(self, name, sql, error);
    if (result == 0)
        result = run_watched(self, name, row, error);
    if (result == 0)
        return 0;
    *gave_way = strcmp(self->session.sqlstate, "55P03") == 0 ||
                strcmp(self->session.sqlstate, "40P01") == 0;
    if (florin_session_script(&self->session, "ROLLBACK", self->deadline_ms, NULL) != 0)
        *gave_way = false;
    return result;
}

/* All of it or nothing; `row` ends the transaction. Gives way and tries again for wait_ms. */
static int run_in_transaction(migrator_t *self, const char *name, const char *sql, const char *row,
                              florin_error_t *error)
{
    uint64_t from_ms = florin_clock_ms();
    uint32_t next_ms = PAUSE_MIN_MS;
    for (;;) {
        bool gave_way = false;
        florin_error_t cause = {0};
        int result = try_once(self, name, sql, row, &gave_way, &cause);
        if (result == 0)
            return 0;
        if (!gave_way)
            return florin_error_set(error, result, "%s: %.400s", name, cause.message);
        if (florin_clock_ms() + next_ms - from_ms > self->wait_ms)
            return florin_error_set(error, FLORIN_ERROR_CONFLICT,
                                    "%s: gave way for %u s to %s; run it again when that has ended",
                                    name, self->wait_ms / 1000,
                                    self->holders[0] ? self->holders : cause.message);
        pause_ms(next_ms);
        next_ms = 2 * next_ms < PAUSE_MAX_MS ? 2 * next_ms : PAUSE_MAX_MS;
    }
}

/* ---------------------------------------------------------------------------------- concurrently
 */

/* An index that a failed try has left half made: IF NOT EXISTS would take it for whole. */
static int drop_invalid(migrator_t *self, const char *statement, florin_error_t *error)
{
    char name[64], sql[SQL_BYTES];
    if (sscanf(statement, "CREATE INDEX CONCURRENTLY IF NOT EXISTS %63[a-z0-9_]", name) != 1 &&
        sscanf(statement, "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS %63[a-z0-9_]", name) != 1)
        return 0;
    snprintf(sql, sizeof sql,
             "SELECT FROM pg_index WHERE indexrelid = to_regclass('%s') AND NOT indisvalid", name);
    int result = ask(&self->session, sql, self->deadline_ms, error);
    if (result != 0 || PQntuples(florin_session_result(&self->session, 0)) == 0)
        return result;
    snprintf(sql, sizeof sql, "DROP INDEX CONCURRENTLY %s", name);
    return run_watched(self, name, sql, error);
}

/* Waits behind others without a bound of its own: nobody but VACUUM waits for it meanwhile. */
static int run_concurrently(migrator_t *self, const florin_migration_t *file, florin_error_t *error)
{
    const char *sql = file->sql, *statement;
    char text[SQL_BYTES];
    size_t length;
    florin_error_t cause = {0};
    int result =
        florin_session_script(&self->session, "SET lock_timeout = 0", self->deadline_ms, &cause);
    while (result == 0 && florin_migration_next(&sql, &statement, &length)) {
        if (length >= sizeof text)
            return florin_error_set(error, FLORIN_ERROR_TOO_LARGE,
                                    "%s: a statement is longer than %zu bytes", file->name,
                                    sizeof text - 1);
        snprintf(text, sizeof text, "%.*s", (int)length, statement);
        result = drop_invalid(self, text, &cause);
        if (result == 0)
            result = run_watched(self, file->name, text, &cause);
    }
    if (result != 0)
        return florin_error_set(error, result, "%s: %.400s", file->name, cause.message);
    return 0;
}

/* ------------------------------------------------------------------------------- the database */

/* One at a time. Polled: who waits for a lock in a statement has a snapshot, for which an index
 * that is made concurrently would wait in turn. */
static int lock_database(migrator_t *self, florin_error_t *error)
{
    for (;;) {
        int result =
            ask(&self->session, "SELECT pg_try_advisory_lock(" MIGRATION_LOCK "), pg_backend_pid()",
                self->deadline_ms, error);
        if (result != 0)
            return result;
        const PGresult *row = florin_session_result(&self->session, 0);
        self->pid = (int)florin_column_u32(row, 0, 1);
        if (florin_column_bool(row, 0, 0))
            return 0;
        if (florin_clock_ms() >= self->deadline_ms)
            return florin_error_set(error, FLORIN_ERROR_CONFLICT,
                                    "%s: another migration is under way", self->session.name);
        pause_ms(LOOK_MS);
    }
}

/* The table of what was applied. */
static int make_record(migrator_t *self, florin_error_t *error)
{
    int result = ask(&self->session,
                     "SELECT FROM pg_attribute WHERE attrelid = to_regclass('schema_migrations')"
                     " AND attname = 'writes_from'",
                     self->deadline_ms, error);
    if (result != 0 || PQntuples(florin_session_result(&self->session, 0)) > 0)
        return result;
    return run_in_transaction(
        self, "schema_migrations",
        "CREATE TABLE IF NOT EXISTS schema_migrations ("
        " version integer PRIMARY KEY CHECK (version > 0),"
        " name text NOT NULL,"
        " sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),"
        " applied_at timestamptz NOT NULL DEFAULT now());"
        "ALTER TABLE schema_migrations ADD COLUMN reads_from integer,"
        " ADD COLUMN writes_from integer;"
        "COMMENT ON TABLE schema_migrations IS"
        " 'The files of sql/ that made this schema, by florin-admin migrate.';"
        "COMMENT ON COLUMN schema_migrations.reads_from IS"
        " 'Programs may read what the file made that were built for this version or a later one;"
        " NULL: for the file''s own.';"
        "COMMENT ON COLUMN schema_migrations.writes_from IS 'And write.'",
        "COMMIT", error);
}

/* Compares what was applied with the files; *version: the newest applied. */
static int check_applied(migrator_t *self, const florin_migrations_t *folder, size_t *version,
                         florin_error_t *error)
{
    int result =
        ask(&self->session, "SELECT version, name, sha256 FROM schema_migrations ORDER BY version",
            self->deadline_ms, error);
    if (result != 0)
        return result;
    const PGresult *rows = florin_session_result(&self->session, 0);
    *version = (size_t)PQntuples(rows);
    if (*version > folder->count)
        return florin_error_set(error, FLORIN_ERROR_REFUSED,
                                "the database is at version %zu and %s ends at %zu; it belongs to "
                                "a newer program",
                                *version, folder->folder, folder->count);
    for (int i = 0; i < PQntuples(rows); i++) {
        const florin_migration_t *file = &folder->files[i];
        bool same = florin_column_u32(rows, i, 0) == file->version &&
                    strcmp(PQgetvalue(rows, i, 1), file->name) == 0 &&
                    PQgetlength(rows, i, 2) == sizeof file->sha256 &&
                    memcmp(PQgetvalue(rows, i, 2), file->sha256, sizeof file->sha256) == 0;
        if (!same)
            return florin_error_set(error, FLORIN_ERROR_REFUSED,
                                    "the database was made with another %s than %s/%s is now; "
                                    "applied files never change",
                                    PQgetvalue(rows, i, 1), folder->folder, file->name);
    }
    return 0;
}

static int apply(migrator_t *self, const florin_migration_t *file, florin_error_t *error)
{
    char row[SQL_BYTES], sum[2 * sizeof file->sha256 + 1];
    sodium_bin2hex(sum, sizeof sum, file->sha256, sizeof file->sha256);
    snprintf(row, sizeof row,
             "INSERT INTO schema_migrations (version, name, sha256, reads_from, writes_from)"
             " VALUES (%u, '%s', '\\x%s', %u, %u); COMMIT",
             file->version, file->name, sum, file->reads_from, file->writes_from);
    int result = file->concurrently ? run_concurrently(self, file, error) : 0;
    if (result != 0)
        return result;
    return run_in_transaction(self, file->name, file->concurrently ? "" : file->sql, row, error);
}

static int begin(migrator_t *self, const char *kind, const char *conninfo, florin_error_t *error)
{
    static const florin_session_timeouts_t timeouts = {.connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                                       .statement_timeout_ms = MIGRATION_WAIT_MS,
                                                       .lock_timeout_ms = LOCK_TIMEOUT_MS,
                                                       .idle_timeout_ms = MIGRATION_WAIT_MS};
    int result = florin_session_init(&self->session, kind, conninfo, error);
    if (result == 0)
        result = florin_session_init(&self->watcher, kind, conninfo, error);
    if (result == 0)
        result = florin_session_open(&self->session, FLORIN_STATEMENTS_NONE, &timeouts, error);
    if (result == 0)
        result = florin_session_open(&self->watcher, FLORIN_STATEMENTS_NONE, &timeouts, error);
    return result;
}

int florin_admin_migrate(const char *conninfo, const char *folder, const char *kind,
                         uint32_t wait_ms, size_t *applied, florin_error_t *error)
{
    migrator_t self = {.wait_ms = wait_ms, .deadline_ms = florin_clock_ms() + MIGRATION_WAIT_MS};
    florin_migrations_t files = {0};
    size_t version = 0;
    *applied = 0;
    int result = florin_migrations_read(&files, folder, kind, error);
    if (result == 0)
        result = begin(&self, kind, conninfo, error);
    if (result == 0)
        result = lock_database(&self, error);
    if (result == 0)
        result = make_record(&self, error);
    if (result == 0)
        result = check_applied(&self, &files, &version, error);
    for (size_t i = version; i < files.count && result == 0; i++) {
        result = apply(&self, &files.files[i], error);
        *applied += result == 0;
    }
    /* The end of the session frees the lock, and rolls back what failed. */
    florin_session_close(&self.watcher);
    florin_session_close(&self.session);
    florin_migrations_clear(&files);
    return result;
}
