/* Migrations: numbered files, each applied once, in order, in a transaction of its own that also
 * records it. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "store/admin/admin.h"
#include "store/session.h"

#define MIGRATIONS_MAX     999
#define FILE_NAME_BYTES    100
#define FILE_BYTES_MAX     (1024u * 1024)
#define PATH_BYTES         4096
#define MIGRATION_WAIT_MS  (60u * 60 * 1000)
#define CONNECT_TIMEOUT_MS 10000
#define LOCK_TIMEOUT_MS    60000
/* Whoever migrates holds this advisory lock ("florin" in ASCII), one at a time a database. */
#define MIGRATION_LOCK "112615912270190"

typedef struct {
    unsigned version;
    char name[FILE_NAME_BYTES]; /* "0001_books.sql" */
    uint8_t sha256[crypto_hash_sha256_BYTES];
    char *sql;
} migration_t;

typedef struct {
    char folder[PATH_BYTES];
    migration_t *files; /* by version, from 1 on */
    size_t count;
} folder_t;

static void folder_clear(folder_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        free(self->files[i].sql);
    free(self->files);
    *self = (folder_t){0};
}

/* Reads one file whole and sums it. */
static int read_file(const folder_t *self, migration_t *file, florin_error_t *error)
{
    char path[PATH_BYTES + FILE_NAME_BYTES + 2];
    snprintf(path, sizeof path, "%s/%s", self->folder, file->name);
    file->sql = malloc(FILE_BYTES_MAX + 1);
    if (!file->sql)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "%s: no memory to read it", path);
    FILE *stream = fopen(path, "rbe");
    if (!stream)
        return florin_error_set(error, FLORIN_ERROR_SYSTEM, "%s: %s", path, strerror(errno));
    int result = 0;
    size_t size = fread(file->sql, 1, FILE_BYTES_MAX, stream);
    if (ferror(stream))
        result = florin_error_set(error, FLORIN_ERROR_SYSTEM, "%s: cannot be read", path);
    else if (fgetc(stream) != EOF)
        result = florin_error_set(error, FLORIN_ERROR_TOO_LARGE, "%s: larger than %u bytes", path,
                                  FILE_BYTES_MAX);
    else if (memchr(file->sql, '\0', size))
        result = florin_error_set(error, FLORIN_ERROR_INVALID, "%s: holds a zero byte", path);
    (void)fclose(stream);
    if (result != 0)
        return result;
    file->sql[size] = '\0';
    crypto_hash_sha256(file->sha256, (const unsigned char *)file->sql, size);
    return 0;
}

/* NNNN_name.sql; other files are none of ours. */
static int is_migration(const struct dirent *entry)
{
    const char *name = entry->d_name;
    size_t length = strlen(name);
    /* The name goes into SQL as it is, so it holds nothing that SQL could take for its own. */
    return strspn(name, "0123456789") == 4 && name[4] == '_' && length < FILE_NAME_BYTES &&
           strspn(name, "0123456789abcdefghijklmnopqrstuvwxyz_.") == length &&
           strcmp(name + length - 4, ".sql") == 0;
}

/* Takes the next file of the folder. */
static int add_file(folder_t *self, const char *name, florin_error_t *error)
{
    migration_t *file = &self->files[self->count++];
    int length = snprintf(file->name, sizeof file->name, "%s", name);
    assert(length > 0 && length < FILE_NAME_BYTES); /* by is_migration */
    file->version = (unsigned)strtoul(file->name, NULL, 10);
    if (file->version != self->count || file->version > MIGRATIONS_MAX)
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "%s/%s: number %zu was expected here; each number is used once, "
                                "none is left out",
                                self->folder, file->name, self->count);
    return read_file(self, file, error);
}

static int folder_read(folder_t *self, const char *folder, const char *kind, florin_error_t *error)
{
    struct dirent **entries = NULL;
    int length = snprintf(self->folder, sizeof self->folder, "%s/%s", folder, kind);
    if (length < 0 || (size_t)length >= sizeof self->folder)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "the folder's path is too long");
    self->files = calloc(MIGRATIONS_MAX + 1, sizeof *self->files);
    if (!self->files)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for migrations");
    int found = scandir(self->folder, &entries, is_migration, alphasort);
    if (found < 0)
        return florin_error_set(error, FLORIN_ERROR_SYSTEM, "%s: %s", self->folder,
                                strerror(errno));
    int result = 0;
    for (int i = 0; i < found && result == 0; i++)
        result = add_file(self, entries[i]->d_name, error);
    if (found == 0)
        result =
            florin_error_set(error, FLORIN_ERROR_CONFIG, "%s: holds no migrations", self->folder);
    for (int i = 0; i < found; i++)
        free(entries[i]);
    free(entries);
    return result;
}

/* ------------------------------------------------------------------------------- the database */

/* One at a time; and the table of what was applied. */
static int lock_database(florin_session_t *session, uint64_t deadline_ms, florin_error_t *error)
{
    return florin_session_script(
        session,
        "SELECT pg_advisory_lock(" MIGRATION_LOCK ");"
        "CREATE TABLE IF NOT EXISTS schema_migrations ("
        " version integer PRIMARY KEY CHECK (version > 0),"
        " name text NOT NULL,"
        " sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),"
        " applied_at timestamptz NOT NULL DEFAULT now());"
        "COMMENT ON TABLE schema_migrations IS"
        " 'The files of sql/ that made this schema, by florin-admin migrate.'",
        deadline_ms, error);
}

/* Compares what was applied with the files; *version: the newest applied. */
static int check_applied(florin_session_t *session, const folder_t *folder, size_t *version,
                         uint64_t deadline_ms, florin_error_t *error)
{
    florin_session_begin(session);
    florin_session_command(session,
                           "SELECT version, name, sha256 FROM schema_migrations ORDER BY version");
    florin_session_sync(session);
    int result = florin_session_finish(session, deadline_ms, error);
    if (result != 0)
        return result;
    const PGresult *rows = florin_session_result(session, 0);
    *version = (size_t)PQntuples(rows);
    if (*version > folder->count)
        return florin_error_set(error, FLORIN_ERROR_REFUSED,
                                "the database is at version %zu and %s ends at %zu; it belongs to "
                                "a newer program",
                                *version, folder->folder, folder->count);
    for (int i = 0; i < PQntuples(rows); i++) {
        const migration_t *file = &folder->files[i];
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

/* All of the file, and its row, or nothing. */
static int apply(florin_session_t *session, const migration_t *file, uint64_t deadline_ms,
                 florin_error_t *error)
{
    char row[FILE_NAME_BYTES + 300], sum[2 * sizeof file->sha256 + 1];
    sodium_bin2hex(sum, sizeof sum, file->sha256, sizeof file->sha256);
    snprintf(row, sizeof row,
             "INSERT INTO schema_migrations (version, name, sha256)"
             " VALUES (%u, '%s', '\\x%s'); COMMIT",
             file->version, file->name, sum);
    florin_error_t cause = {0};
    int result = florin_session_script(session, "BEGIN", deadline_ms, &cause);
    if (result == 0)
        result = florin_session_script(session, file->sql, deadline_ms, &cause);
    if (result == 0)
        result = florin_session_script(session, row, deadline_ms, &cause);
    if (result != 0)
        florin_error_set(error, result, "%s: %.400s", file->name, cause.message);
    return result;
}

int florin_admin_migrate(const char *conninfo, const char *folder, const char *kind,
                         size_t *applied, florin_error_t *error)
{
    static const florin_session_timeouts_t timeouts = {.connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                                       .statement_timeout_ms = MIGRATION_WAIT_MS,
                                                       .lock_timeout_ms = LOCK_TIMEOUT_MS,
                                                       .idle_timeout_ms = MIGRATION_WAIT_MS};
    florin_session_t session;
    folder_t files = {0};
    size_t version = 0;
    *applied = 0;
    int result = florin_session_init(&session, kind, conninfo, error);
    if (result != 0)
        return result;
    uint64_t deadline_ms = florin_clock_ms() + MIGRATION_WAIT_MS;
    result = folder_read(&files, folder, kind, error);
    if (result == 0)
        result = florin_session_open(&session, FLORIN_STATEMENTS_NONE, &timeouts, error);
    if (result == 0)
        result = lock_database(&session, deadline_ms, error);
    if (result == 0)
        result = check_applied(&session, &files, &version, deadline_ms, error);
    for (size_t i = version; i < files.count && result == 0; i++) {
        result = apply(&session, &files.files[i], deadline_ms, error);
        *applied += result == 0;
    }
    /* The end of the session frees the lock, and rolls back what failed. */
    florin_session_close(&session);
    folder_clear(&files);
    return result;
}
