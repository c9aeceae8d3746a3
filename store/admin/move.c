/* Another database for a shard.
 *
 * One database after the other is the shard, and each has the number of its turn, the epoch; the
 * map names the one of now. A batch is written only where the database's epoch is the one that the
 * worker has read in the map, and the database is not retired.
 *
 * To retire a database, its row of shard_identity is changed under a lock of that table for itself:
 * each batch has read the row, and so has a lock on the table until it ends, prepared or not. So
 * all that were let in have ended when the row says `retired`, and nobody is let in after. A copy
 * that says so, too, was made after that, and lacks nothing. Only such a one, or one that an
 * operator vouches for, gets the next epoch, and after that the map names it. A step that fails
 * leaves a shard that takes no batches; the same command again goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/admin/admin.h"
#include "store/admin/patient.h"

#define SQL_BYTES 512
#define ALONE     "LOCK TABLE shard_identity IN ACCESS EXCLUSIVE MODE; "

/* A shard's place in the map, which is locked meanwhile. */
typedef struct {
    florin_patient_t control;
    size_t shard;
    char name[32];
    char *conninfo;
    uint64_t epoch;
    florin_id_t cluster;
} place_t;

/* A database that is, was, or is to be the shard. */
typedef struct {
    florin_patient_t patient;
    const place_t *place;
    uint64_t epoch;
    bool retired;
} database_t;

static int ask(florin_patient_t *self, const char *sql, florin_error_t *error)
{
    return florin_patient_ask(&self->session, sql, self->deadline_ms, error);
}

static void place_close(place_t *self)
{
    florin_patient_close(&self->control);
    free(self->conninfo);
}

static int place_open(place_t *self, const char *control, size_t shard, florin_error_t *error)
{
    char sql[SQL_BYTES];
    *self = (place_t){.shard = shard};
    snprintf(self->name, sizeof self->name, "shard %zu", shard);
    snprintf(sql, sizeof sql,
             "SELECT conninfo, epoch, (SELECT id FROM cluster) FROM shards WHERE shard = %zu",
             shard);
    int result = florin_patient_open(&self->control, "control", control, error);
    if (result == 0)
        result = ask(&self->control, "BEGIN", error);
    if (result == 0)
        result = ask(&self->control, "SET LOCAL florin.admin = 'on'", error);
    if (result == 0)
        result = ask(&self->control, "LOCK TABLE shards IN EXCLUSIVE MODE", error);
    if (result == 0)
        result = ask(&self->control, sql, error);
    if (result != 0)
        return result;
    const PGresult *row = florin_session_result(&self->control.session, 0);
    if (PQntuples(row) == 0)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "there is no %s", self->name);
    self->conninfo = strdup(PQgetvalue(row, 0, 0));
    self->epoch = florin_column_u64(row, 0, 1);
    self->cluster = florin_column_id(row, 0, 2);
    return self->conninfo ? 0
                          : florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for the map");
}

/* Names the shard's database of now. */
static int place_set(place_t *self, const char *conninfo, uint64_t epoch, florin_error_t *error)
{
    char sql[SQL_BYTES + 2 * FLORIN_SESSION_CONNINFO_BYTES];
    char *literal = PQescapeLiteral(self->control.session.pg, conninfo, strlen(conninfo));
    if (!literal)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "the connection string is no UTF-8");
    int length =
        snprintf(sql, sizeof sql, "UPDATE shards SET conninfo = %s, epoch = %llu WHERE shard = %zu",
                 literal, (unsigned long long)epoch, self->shard);
    PQfreemem(literal);
    if (length < 0 || (size_t)length >= sizeof sql)
        return florin_error_set(error, FLORIN_ERROR_TOO_LARGE, "the connection string is too long");
    int result = ask(&self->control, sql, error);
    return result == 0 ? ask(&self->control, "COMMIT", error) : result;
}

/* -------------------------------------------------------------------------------- the databases */

static int database_look(database_t *self, florin_error_t *error)
{
    const place_t *place = self->place;
    int result =
        ask(&self->patient, "SELECT cluster, shard, epoch, retired FROM shard_identity", error);
    if (result != 0)
        return result;
    const PGresult *row = florin_session_result(&self->patient.session, 0);
    if (PQntuples(row) == 0 || florin_column_id(row, 0, 0) != place->cluster ||
        florin_column_u32(row, 0, 1) != place->shard)
        return florin_error_set(error, FLORIN_ERROR_REFUSED,
                                "%s: the database is not that shard of this cluster", place->name);
    self->epoch = florin_column_u64(row, 0, 2);
    self->retired = florin_column_bool(row, 0, 3);
    return 0;
}

static int database_open(database_t *self, const place_t *place, const char *conninfo,
                         uint32_t wait_ms, florin_error_t *error)
{
    *self = (database_t){.place = place, .patient.wait_ms = wait_ms};
    int result = florin_patient_open(&self->patient, place->name, conninfo, error);
    return result == 0 ? database_look(self, error) : result;
}

static int database_set(database_t *self, uint64_t epoch, bool retired, florin_error_t *error)
{
    char sql[SQL_BYTES];
    const char *const scripts[] = {sql, NULL};
    snprintf(sql, sizeof sql, ALONE "UPDATE shard_identity SET epoch = %llu, retired = %s",
             (unsigned long long)epoch, retired ? "true" : "false");
    int result = florin_patient_transaction(&self->patient, self->place->name, scripts, error);
    if (result == 0) {
        self->epoch = epoch;
        self->retired = retired;
    }
    return result;
}

/* Nobody goes on reading there: workers that come back are told that it is retired. */
static int database_retire(database_t *self, florin_error_t *error)
{
    if (self->retired)
        return 0;
    int result = database_set(self, self->epoch, true, error);
    return result == 0 ? ask(&self->patient,
                             "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                             " WHERE datname = current_database() AND usename = current_user"
                             " AND application_name = current_setting('application_name')"
                             " AND pid <> pg_backend_pid()",
                             error)
                       : result;
}

/* ------------------------------------------------------------------------------------ commands */

int florin_admin_shards_retire(const char *control, size_t shard, uint32_t wait_ms,
                               florin_error_t *error)
{
    place_t place;
    database_t database = {0};
    int result = place_open(&place, control, shard, error);
    if (result == 0)
        result = database_open(&database, &place, place.conninfo, wait_ms, error);
    if (result == 0)
        result = database_retire(&database, error);
    florin_patient_close(&database.patient);
    place_close(&place);
    return result;
}

/* Whether it has all that the retired one has. One of the next epoch was found whole already, by a
 * move that was broken off. */
static bool is_whole(const database_t *fresh, uint64_t epoch, bool old_is_gone)
{
    return fresh->epoch == epoch + 1 || (fresh->epoch == epoch && (fresh->retired || old_is_gone));
}

/* Retires the old database, and holds the new one against it. */
static int compare(const place_t *place, database_t *fresh, const char *conninfo, bool old_is_gone,
                   florin_error_t *error)
{
    uint32_t wait_ms = fresh->patient.wait_ms;
    database_t old;
    florin_error_t cause = {0};
    bool reached = database_open(&old, place, place->conninfo, wait_ms, &cause) == 0;
    bool was_retired = old.retired;
    int result = 0;
    if (reached)
        result = database_retire(&old, error);
    else if (!old_is_gone)
        result = florin_error_set(error, FLORIN_ERROR_REFUSED,
                                  "%.300s; if that database is gone for good, and nobody will ever "
                                  "reach it again, say so by --old-is-gone",
                                  cause.message);
    florin_patient_close(&fresh->patient); /* it may be the same one, and its sessions were ended */
    if (result == 0)
        result = database_open(fresh, place, conninfo, wait_ms, error);
    if (result == 0 && !is_whole(fresh, place->epoch, !reached)) {
        result = florin_error_set(
            error, FLORIN_ERROR_REFUSED,
            "%s: the new database is no copy of the retired one, and may lack what was written "
            "since: florin-admin shards retire first, then copy or promote",
            place->name);
        if (reached && !was_retired && database_set(&old, old.epoch, false, &cause) != 0)
            result = florin_error_set(error, cause.code,
                                      "%.300s; the shard's database stays retired: move it to "
                                      "where it was",
                                      cause.message);
    }
    florin_patient_close(&old.patient);
    return result;
}

int florin_admin_shards_move(const char *control, size_t shard, const char *conninfo,
                             bool old_is_gone, uint32_t wait_ms, florin_error_t *error)
{
    place_t place;
    database_t fresh = {0};
    int result = place_open(&place, control, shard, error);
    if (result == 0)
        result = database_open(&fresh, &place, conninfo, wait_ms, error);
    if (result == 0)
        result = compare(&place, &fresh, conninfo, old_is_gone, error);
    if (result == 0)
        result = database_set(&fresh, place.epoch + 1, false, error);
    if (result == 0)
        result = place_set(&place, conninfo, place.epoch + 1, error);
    florin_patient_close(&fresh.patient);
    place_close(&place);
    return result;
}
