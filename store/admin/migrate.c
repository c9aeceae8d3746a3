/* Migrations: numbered files, each applied once, in order, in a transaction of its own that also
 * records it; or without one, and recorded when all of it is done.
 *
 * Nobody waits for a migration for long: it is patient, and what needs longer than a moment for its
 * work runs concurrently. */
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "store/admin/admin.h"
#include "store/admin/migration.h"
#include "store/admin/patient.h"

#define LOCK_POLL_MS 100
#define SQL_BYTES    2048
/* Whoever migrates holds this advisory lock ("florin" in ASCII), one at a time a database. */
#define MIGRATION_LOCK "112615912270190"

/* ---------------------------------------------------------------------------------- concurrently
 */

/* An index that a failed try has left half made: IF NOT EXISTS would take it for whole. */
static int drop_invalid(florin_patient_t *self, const char *statement, florin_error_t *error)
{
    char name[64], sql[SQL_BYTES];
    if (sscanf(statement, "CREATE INDEX CONCURRENTLY IF NOT EXISTS %63[a-z0-9_]", name) != 1 &&
        sscanf(statement, "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS %63[a-z0-9_]", name) != 1)
        return 0;
    snprintf(sql, sizeof sql,
             "SELECT FROM pg_index WHERE indexrelid = to_regclass('%s') AND NOT indisvalid", name);
    int result = florin_patient_ask(&self->session, sql, self->deadline_ms, error);
    if (result != 0 || PQntuples(florin_session_result(&self->session, 0)) == 0)
        return result;
    snprintf(sql, sizeof sql, "DROP INDEX CONCURRENTLY %s", name);
    return florin_patient_run(self, name, sql, error);
}

/* Waits behind others without a bound of its own: nobody but VACUUM waits for it meanwhile. */
static int run_concurrently(florin_patient_t *self, const florin_migration_t *file,
                            florin_error_t *error)
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
            result = florin_patient_run(self, file->name, text, &cause);
    }
    if (result != 0)
        return florin_error_set(error, result, "%s: %.400s", file->name, cause.message);
    return 0;
}

/* ------------------------------------------------------------------------------- the database */

/* One at a time. Polled: who waits for a lock in a statement has a snapshot, for which an index
 * that is made concurrently would wait in turn. */
static int lock_database(florin_patient_t *self, florin_error_t *error)
{
    for (;;) {
        int result =
            florin_patient_ask(&self->session, "SELECT pg_try_advisory_lock(" MIGRATION_LOCK ")",
                               self->deadline_ms, error);
        if (result != 0)
            return result;
        if (florin_column_bool(florin_session_result(&self->session, 0), 0, 0))
            return 0;
        if (florin_clock_ms() >= self->deadline_ms)
            return florin_error_set(error, FLORIN_ERROR_CONFLICT,
                                    "%s: another migration is under way", self->session.name);
        florin_patient_pause(LOCK_POLL_MS);
    }
}

/* The table of what was applied. */
static int make_record(florin_patient_t *self, florin_error_t *error)
{
    static const char *const record[] = {
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
        NULL};
    int result = florin_patient_ask(
        &self->session,
        "SELECT FROM pg_attribute WHERE attrelid = to_regclass('schema_migrations')"
        " AND attname = 'writes_from'",
        self->deadline_ms, error);
    if (result != 0 || PQntuples(florin_session_result(&self->session, 0)) > 0)
        return result;
    return florin_patient_transaction(self, "schema_migrations", record, error);
}

/* Compares what was applied with the files; *version: the newest applied. */
static int check_applied(florin_patient_t *self, const florin_migrations_t *folder, size_t *version,
                         florin_error_t *error)
{
    int result = florin_patient_ask(
        &self->session, "SELECT version, name, sha256 FROM schema_migrations ORDER BY version",
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

/* `bars`: some programs that could write before can't any more. Their batches under way are waited
 * for, and later ones see it: they read of it under this lock (FLORIN_SQL_HOLD). It comes first, or
 * they would wait for what the file has locked. */
static int apply(florin_patient_t *self, const florin_migration_t *file, bool bars,
                 florin_error_t *error)
{
    char row[SQL_BYTES], sum[2 * sizeof file->sha256 + 1];
    const char *const scripts[] = {
        bars ? "DO $$ BEGIN IF to_regclass('shard_identity') IS NOT NULL THEN"
               " LOCK TABLE shard_identity IN ACCESS EXCLUSIVE MODE; END IF; END $$"
             : "",
        file->concurrently ? "" : file->sql, row, NULL};
    sodium_bin2hex(sum, sizeof sum, file->sha256, sizeof file->sha256);
    snprintf(row, sizeof row,
             "INSERT INTO schema_migrations (version, name, sha256, reads_from, writes_from)"
             " VALUES (%u, '%s', '\\x%s', %u, %u)",
             file->version, file->name, sum, file->reads_from, file->writes_from);
    int result = file->concurrently ? run_concurrently(self, file, error) : 0;
    return result == 0 ? florin_patient_transaction(self, file->name, scripts, error) : result;
}

int florin_admin_migrate(const char *conninfo, const char *folder, const char *kind,
                         uint32_t wait_ms, size_t *applied, florin_error_t *error)
{
    florin_patient_t self = {.wait_ms = wait_ms};
    florin_migrations_t files = {0};
    size_t version = 0;
    unsigned writes_from = 0;
    *applied = 0;
    int result = florin_migrations_read(&files, folder, kind, error);
    if (result == 0)
        result = florin_patient_open(&self, kind, conninfo, error);
    if (result == 0)
        result = lock_database(&self, error);
    if (result == 0)
        result = make_record(&self, error);
    if (result == 0)
        result = check_applied(&self, &files, &version, error);
    for (size_t i = 0; i < files.count && result == 0; i++) {
        const florin_migration_t *file = &files.files[i];
        if (i >= version) {
            result = apply(&self, file, file->writes_from > writes_from, error);
            *applied += result == 0;
        }
        writes_from = file->writes_from > writes_from ? file->writes_from : writes_from;
    }
    /* The end of the session frees the lock, and rolls back what failed. */
    florin_patient_close(&self);
    florin_migrations_clear(&files);
    return result;
}
