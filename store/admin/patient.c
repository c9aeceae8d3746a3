#include "store/admin/patient.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/log.h"

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

int florin_patient_ask(florin_session_t *session, const char *sql, uint64_t deadline_ms,
                       florin_error_t *error)
{
    florin_session_begin(session);
    florin_session_command(session, sql);
    florin_session_sync(session);
    return florin_session_finish(session, deadline_ms, error);
}

/* Looks for whom the session waits now. */
static void look(florin_patient_t *self)
{
    char sql[SQL_BYTES];
    snprintf(sql, sizeof sql, who_holds, self->pid, self->pid);
    if (florin_patient_ask(&self->watcher, sql, florin_clock_ms() + LOOK_WAIT_MS, NULL) != 0)
        return;
    const PGresult *row = florin_session_result(&self->watcher, 0);
    if (PQgetisnull(row, 0, 0))
        return;
    snprintf(self->holders, sizeof self->holders, "%s", PQgetvalue(row, 0, 0));
    self->autovacuum = florin_column_bool(row, 0, 1);
}

/* Runs it, and says in good time for whom it waits. */
int florin_patient_run(florin_patient_t *self, const char *name, const char *sql,
                       florin_error_t *error)
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
        florin_log(FLORIN_LOG_WARN, "waits_for_locks", "%s: waits for %s", name, self->holders);
    }
    return florin_session_script_end(&self->session, self->deadline_ms, error);
}

/* ------------------------------------------------------------------------------------- the tries
 */

void florin_patient_pause(uint32_t ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

/* One transaction. `gave_way`: a lock did not come in time. */
static int try_once(florin_patient_t *self, const char *name, const char *const *scripts,
                    bool *gave_way, florin_error_t *error)
{
    char begin[100];
    snprintf(begin, sizeof begin, "BEGIN; SET LOCAL lock_timeout = %d",
             self->autovacuum ? LOCK_TIMEOUT_AUTOVACUUM_MS : LOCK_TIMEOUT_MS);
    self->autovacuum = false;
    int result = florin_session_script(&self->session, begin, self->deadline_ms, error);
    for (; *scripts && result == 0; scripts++)
        result = florin_patient_run(self, name, *scripts, error);
    if (result == 0)
        result = florin_session_script(&self->session, "COMMIT", self->deadline_ms, error);
    if (result == 0)
        return 0;
    *gave_way = strcmp(self->session.sqlstate, "55P03") == 0 ||
                strcmp(self->session.sqlstate, "40P01") == 0;
    if (florin_session_script(&self->session, "ROLLBACK", self->deadline_ms, NULL) != 0)
        *gave_way = false;
    return result;
}

int florin_patient_transaction(florin_patient_t *self, const char *name, const char *const *scripts,
                               florin_error_t *error)
{
    uint64_t from_ms = florin_clock_ms();
    uint32_t next_ms = PAUSE_MIN_MS;
    for (;;) {
        bool gave_way = false;
        florin_error_t cause = {0};
        int result = try_once(self, name, scripts, &gave_way, &cause);
        if (result == 0)
            return 0;
        if (!gave_way)
            return florin_error_set(error, result, "%s: %.400s", name, cause.message);
        if (florin_clock_ms() + next_ms - from_ms > self->wait_ms)
            return florin_error_set(error, FLORIN_ERROR_CONFLICT,
                                    "%s: gave way for %u s to %s; run it again when that has ended",
                                    name, self->wait_ms / 1000,
                                    self->holders[0] ? self->holders : cause.message);
        florin_patient_pause(next_ms);
        next_ms = 2 * next_ms < PAUSE_MAX_MS ? 2 * next_ms : PAUSE_MAX_MS;
    }
}

int florin_patient_open(florin_patient_t *self, const char *name, const char *conninfo,
                        florin_error_t *error)
{
    static const florin_session_timeouts_t timeouts = {.connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                                       .statement_timeout_ms = FLORIN_PATIENT_MS,
                                                       .lock_timeout_ms = LOCK_TIMEOUT_MS,
                                                       .idle_timeout_ms = FLORIN_PATIENT_MS};
    self->deadline_ms = florin_clock_ms() + FLORIN_PATIENT_MS;
    int result = florin_session_init(&self->session, name, conninfo, error);
    if (result == 0)
        result = florin_session_init(&self->watcher, name, conninfo, error);
    if (result == 0)
        result = florin_session_open(&self->session, FLORIN_STATEMENTS_NONE, &timeouts, error);
    if (result == 0)
        result = florin_session_open(&self->watcher, FLORIN_STATEMENTS_NONE, &timeouts, error);
    if (result == 0)
        result =
            florin_patient_ask(&self->session, "SELECT pg_backend_pid()", self->deadline_ms, error);
    if (result == 0)
        self->pid = (int)florin_column_u32(florin_session_result(&self->session, 0), 0, 0);
    return result;
}

void florin_patient_close(florin_patient_t *self)
{
    florin_session_close(&self->watcher);
    florin_session_close(&self->session);
}
