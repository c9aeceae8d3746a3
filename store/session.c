#include "store/session.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/limits.h"

int florin_session_init(florin_session_t *self, const char *name, const char *conninfo,
                        florin_error_t *error)
{
    memset(self, 0, sizeof *self);
    int name_length = snprintf(self->name, sizeof self->name, "%s", name);
    int length = snprintf(self->conninfo, sizeof self->conninfo, "%s", conninfo);
    assert(name_length > 0 && (size_t)name_length < sizeof self->name);
    if (length < 0 || (size_t)length >= sizeof self->conninfo)
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "%s: its connection string is longer than %d bytes", name,
                                FLORIN_SESSION_CONNINFO_BYTES - 1);
    return 0;
}

static florin_metric_t *count_faults(florin_metrics_t *metrics, const char *name, const char *kind)
{
    return florin_metrics_counter(metrics, "florin_store_faults_total",
                                  "Rounds of statements and connections that failed, by database "
                                  "and kind.",
                                  "database", name, "kind", kind, NULL);
}

void florin_session_measure(florin_session_t *self, florin_metrics_t *metrics)
{
    const char *name = self->name;
    self->metrics = (florin_session_metrics_t){
        .sessions = florin_metrics_gauge(metrics, "florin_store_sessions",
                                         "Sessions open now, by database.", "database", name, NULL),
        .openings = florin_metrics_counter(metrics, "florin_store_sessions_opened_total",
                                           "Sessions opened, by database.", "database", name, NULL),
        .lost = count_faults(metrics, name, "lost"),
        .timeout = count_faults(metrics, name, "timeout"),
        .conflict = count_faults(metrics, name, "conflict"),
        .refused = count_faults(metrics, name, "refused"),
    };
}

static void clear_results(florin_session_t *self)
{
    for (size_t i = 0; i < self->results_count; i++)
        PQclear(self->results[i]);
    self->results_count = 0;
}

/* The results stay: those of a script tell what it was that failed. */
static void hang_up(florin_session_t *self)
{
    PQfinish(self->pg);
    PQfinish(self->connecting);
    self->pg = self->connecting = NULL;
    self->waiting = false;
    if (self->counted)
        florin_metric_add(self->metrics.sessions, -1);
    self->counted = false;
}

void florin_session_close(florin_session_t *self)
{
    clear_results(self);
    hang_up(self);
}

bool florin_session_ready(const florin_session_t *self)
{
    return self->pg || florin_clock_ms() >= self->retry_at_ms;
}

/* ------------------------------------------------------------------------------------ faults */

/* The first line of what libpq or the server said, without its end of line. */
static int first_line(const char *text)
{
    size_t length = strcspn(text, "\n");
    return (int)(length < FLORIN_ERROR_MESSAGE_BYTES / 2 ? length : FLORIN_ERROR_MESSAGE_BYTES / 2);
}

/* The end of a session: its transaction is gone, or prepared, or committed; nobody here knows. */
static void lose(florin_session_t *self, int code, const char *why)
{
    self->fault = FLORIN_FAULT_LOST;
    self->sqlstate[0] = '\0';
    florin_error_set(&self->error, code, "%s: %.*s", self->name, first_line(why), why);
    florin_metric_add(code == FLORIN_ERROR_TIMEOUT ? self->metrics.timeout : self->metrics.lost, 1);
    hang_up(self);
}

/* A server that does not answer is not waited for again, and its turn goes to the next host. */
static void lose_silent(florin_session_t *self, int code, const char *why)
{
    lose(self, code, why);
    self->silent = true;
    self->host++;
}

static bool is_conflict(const char *sqlstate)
{
    static const char *const conflicts[] = {
        FLORIN_SQLSTATE_UNIQUE, /* the id was written by another batch meanwhile */
        "40001",                /* serialization_failure */
        "40P01",                /* deadlock_detected */
        "55P03",                /* lock_not_available: lock_timeout */
        "55000", /* object_not_in_prerequisite_state: another session ends that transaction */
    };
    for (size_t i = 0; i < sizeof conflicts / sizeof *conflicts; i++)
        if (strcmp(sqlstate, conflicts[i]) == 0)
            return true;
    return false;
}

/* SQLSTATE classes that pass: connection, resources, operator intervention, system error. */
static bool is_passing(const char *sqlstate)
{
    return strncmp(sqlstate, "08", 2) == 0 || strncmp(sqlstate, "53", 2) == 0 ||
           strncmp(sqlstate, "57", 2) == 0 || strncmp(sqlstate, "58", 2) == 0 ||
           strncmp(sqlstate, "25", 2) == 0;
}

/* A migration, or a pooler, took away what the session prepared; or the server takes no writes any
 * more, and another host may. */
static bool is_stale(const char *sqlstate)
{
    return strcmp(sqlstate, "0A000") == 0 || /* cached plan must not change result type */
           strcmp(sqlstate, "26000") == 0 || /* prepared statement does not exist */
           strcmp(sqlstate, "25006") == 0;   /* read_only_sql_transaction */
}

/* A trigger or a rule of the database keeps rows back. */
static bool is_incomplete(const char *sqlstate)
{
    return strcmp(sqlstate, FLORIN_SQLSTATE_WRITTEN) == 0;
}

/* The first error of a round is its fault; those after it only follow from it. */
static void note_error(florin_session_t *self, const PGresult *result)
{
    if (self->fault != FLORIN_FAULT_NONE)
        return;
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!sqlstate || !message) /* libpq's own: PQgetResult has seen the connection end */
        return;
    if (is_stale(sqlstate)) {
        lose(self, FLORIN_ERROR_UNAVAILABLE, message);
        return;
    }
    snprintf(self->sqlstate, sizeof self->sqlstate, "%s", sqlstate);
    self->fault = is_conflict(sqlstate) ? FLORIN_FAULT_CONFLICT : FLORIN_FAULT_REFUSED;
    florin_metric_add(
        self->fault == FLORIN_FAULT_CONFLICT ? self->metrics.conflict : self->metrics.refused, 1);
    int code = self->fault == FLORIN_FAULT_CONFLICT ? FLORIN_ERROR_CONFLICT
               : is_passing(sqlstate)               ? FLORIN_ERROR_UNAVAILABLE
               : is_incomplete(sqlstate)            ? FLORIN_ERROR_ASIDE
                                                    : FLORIN_ERROR_INTERNAL;
    florin_error_set(&self->error, code, "%s: %s%.*s (SQLSTATE %s)", self->name,
                     is_incomplete(sqlstate)
                         ? "a trigger or a rule of the database keeps rows back; drop it: "
                         : "",
                     first_line(message), message, sqlstate);
}

/* ------------------------------------------------------------------------------------- rounds */

void florin_session_begin(florin_session_t *self)
{
    assert(!self->waiting); /* else this round would get the answers to that one */
    clear_results(self);
    self->sqlstate[0] = '\0';
    self->fault = self->pg ? FLORIN_FAULT_NONE : FLORIN_FAULT_LOST;
    if (self->pg)
        self->error.code = 0; /* else what closed it is still the reason */
}

static void check_sent(florin_session_t *self, int sent)
{
    if (!sent)
        lose(self, FLORIN_ERROR_UNAVAILABLE, PQerrorMessage(self->pg));
}

void florin_session_call(florin_session_t *self, florin_statement_t statement,
                         const florin_params_t *params)
{
    static const int binary[FLORIN_PARAMS_MAX] = {[0 ... FLORIN_PARAMS_MAX - 1] = 1};
    if (!self->pg)
        return;
    if (params && params->failed) {
        lose(self, FLORIN_ERROR_MEMORY, "no memory for the parameters of a statement");
        return;
    }
    check_sent(self, PQsendQueryPrepared(self->pg, florin_statements[statement].name,
                                         params ? params->count : 0, params ? params->values : NULL,
                                         params ? params->lengths : NULL, binary, 1));
}

void florin_session_command(florin_session_t *self, const char *sql)
{
    if (self->pg)
        check_sent(self, PQsendQueryParams(self->pg, sql, 0, NULL, NULL, NULL, NULL, 1));
}

void florin_session_sync(florin_session_t *self)
{
    if (!self->pg)
        return;
    self->waiting = true;
    check_sent(self, PQpipelineSync(self->pg));
}

/* Takes the results that have come. A round in a pipeline ends with its sync; a script ends with
 * NULL. */
static void collect(florin_session_t *self)
{
    unsigned nulls = 0; /* in a pipeline: one after each statement, never two in a row */
    while (self->waiting && !PQisBusy(self->pg)) {
        PGresult *result = PQgetResult(self->pg);
        ExecStatusType status = result ? PQresultStatus(result) : PGRES_EMPTY_QUERY;
        if (PQstatus(self->pg) == CONNECTION_BAD || nulls > 1) {
            PQclear(result);
            lose(self, FLORIN_ERROR_UNAVAILABLE, PQerrorMessage(self->pg));
            return;
        }
        nulls = result ? 0 : nulls + 1;
        if (status == PGRES_FATAL_ERROR)
            note_error(self, result);
        if (status == PGRES_PIPELINE_SYNC || (!result && !self->pipelined))
            self->waiting = false;
        if (result && status != PGRES_PIPELINE_SYNC &&
            self->results_count < FLORIN_SESSION_RESULTS_MAX)
            self->results[self->results_count++] = result;
        else
            PQclear(result);
    }
}

/* Moves bytes both ways and takes what has come. Returns the events to poll for. */
static short pump(florin_session_t *self)
{
    if (!self->waiting)
        return 0;
    int unsent = PQflush(self->pg);
    if (unsent < 0 || !PQconsumeInput(self->pg)) {
        lose(self, FLORIN_ERROR_UNAVAILABLE, PQerrorMessage(self->pg));
        return 0;
    }
    collect(self);
    if (unsent > 0)
        return POLLIN | POLLOUT;
    return POLLIN;
}

static int remaining_ms(uint64_t deadline_ms)
{
    uint64_t now = florin_clock_ms();
    uint64_t left = deadline_ms > now ? deadline_ms - now : 0;
    return left > INT32_MAX ? INT32_MAX : (int)left;
}

/* Until each session has its answers or, for `sent_only`, until all that it has to send is on its
 * way. False when the time is up. */
static bool wait_for(florin_session_t **sessions, size_t count, bool sent_only,
                     uint64_t deadline_ms)
{
    assert(count <= FLORIN_SHARDS_MAX);
    for (;;) {
        struct pollfd polls[FLORIN_SHARDS_MAX];
        nfds_t open = 0;
        for (size_t i = 0; i < count; i++) {
            short events = pump(sessions[i]);
            if (sessions[i]->waiting && (!sent_only || events & POLLOUT))
                polls[open++] = (struct pollfd){.fd = PQsocket(sessions[i]->pg), .events = events};
        }
        if (open == 0)
            return true;
        int left_ms = remaining_ms(deadline_ms);
        if (left_ms == 0)
            return false;
        (void)poll(polls, open, left_ms); /* what went wrong with a socket, pump finds out */
    }
}

void florin_sessions_send(florin_session_t **sessions, size_t count, uint64_t deadline_ms)
{
    (void)wait_for(sessions, count, true, deadline_ms);
}

void florin_sessions_wait(florin_session_t **sessions, size_t count, uint64_t deadline_ms)
{
    if (wait_for(sessions, count, false, deadline_ms))
        return;
    for (size_t i = 0; i < count; i++)
        if (sessions[i]->waiting)
            lose_silent(sessions[i], FLORIN_ERROR_TIMEOUT, "no answer in time; connection dropped");
}

PGresult *florin_session_result(const florin_session_t *self, size_t index)
{
    assert(self->fault == FLORIN_FAULT_NONE && index < self->results_count);
    return self->results[index];
}

int florin_session_finish(florin_session_t *self, uint64_t deadline_ms, florin_error_t *error)
{
    florin_sessions_wait(&self, 1, deadline_ms);
    if (self->fault == FLORIN_FAULT_NONE)
        return 0;
    return florin_error_set(error, self->error.code, "%s", self->error.message);
}

void florin_session_script_begin(florin_session_t *self, const char *sql)
{
    florin_session_begin(self);
    if (self->pg && self->pipelined) {
        check_sent(self, PQexitPipelineMode(self->pg));
        self->pipelined = false;
    }
    if (self->pg) {
        self->waiting = true;
        check_sent(self, PQsendQuery(self->pg, sql));
    }
}

bool florin_session_peek(florin_session_t *self, uint64_t until_ms)
{
    return wait_for(&self, 1, false, until_ms);
}

int florin_session_script_end(florin_session_t *self, uint64_t deadline_ms, florin_error_t *error)
{
    int result = florin_session_finish(self, deadline_ms, error);
    if (self->pg) {
        self->pipelined = true;
        check_sent(self, PQenterPipelineMode(self->pg));
    }
    return result;
}

int florin_session_script(florin_session_t *self, const char *sql, uint64_t deadline_ms,
                          florin_error_t *error)
{
    florin_session_script_begin(self, sql);
    return florin_session_script_end(self, deadline_ms, error);
}

/* --------------------------------------------------------------------------------- connecting */

static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

static void set_pause(florin_session_t *self)
{
    uint32_t next = self->pause_ms ? 2 * self->pause_ms : FLORIN_SESSION_PAUSE_MIN_MS;
    self->pause_ms = next < FLORIN_SESSION_PAUSE_MAX_MS ? next : FLORIN_SESSION_PAUSE_MAX_MS;
    self->retry_at_ms = florin_clock_ms() + self->pause_ms;
}

/* Turns a list so that it begins with its n-th item: "a,b,c" with the second is "b,c,a". */
static void turn(char *list, unsigned first)
{
    char turned[FLORIN_SESSION_CONNINFO_BYTES];
    unsigned count = 1;
    for (const char *c = list; *c; c++)
        count += *c == ',';
    const char *from = list;
    for (first %= count; first > 0; first--)
        from = strchr(from, ',') + 1;
    if (from == list)
        return;
    snprintf(turned, sizeof turned, "%s,%.*s", from, (int)(from - list) - 1, list);
    memcpy(list, turned, strlen(list));
}

/* libpq begins with the first host each time, and leaves one only when that one fails. */
static PGconn *start_connection(const florin_session_t *self)
{
    /* What stands before the connection string it may override, what stands after it not. A standby
     * is behind, and shows no prepared transactions: only the primary is asked. */
    enum { FIXED = 7, HOSTS = 3 };
    const char *keywords[FIXED + HOSTS + 1] = {
        "keepalives_idle",  "keepalives_interval", "keepalives_count",    "dbname",
        "application_name", "client_encoding",     "target_session_attrs"};
    const char *values[FIXED + HOSTS + 1] = {"10",     "5",    "3",         self->conninfo,
                                             "florin", "UTF8", "read-write"};
    PQconninfoOption *options = PQconninfoParse(self->conninfo, NULL);
    size_t count = FIXED;
    for (const PQconninfoOption *option = options; option && option->keyword; option++)
        if (option->val &&
            (strcmp(option->keyword, "host") == 0 || strcmp(option->keyword, "hostaddr") == 0 ||
             strcmp(option->keyword, "port") == 0)) {
            turn(option->val, self->host);
            keywords[count] = option->keyword;
            values[count++] = option->val;
        }
    PGconn *pg = PQconnectStartParams(keywords, values, 1);
    PQconninfoFree(options);
    return pg;
}

static int begin_connecting(florin_session_t *self, uint64_t deadline_ms)
{
    self->connecting = start_connection(self);
    self->polling = PGRES_POLLING_WRITING;
    self->connect_by_ms = deadline_ms;
    if (!self->connecting)
        return florin_error_set(&self->error, FLORIN_ERROR_MEMORY, "%s: no memory for it",
                                self->name);
    if (PQstatus(self->connecting) != CONNECTION_BAD)
        return 0;
    lose(self, FLORIN_ERROR_UNAVAILABLE, PQerrorMessage(self->connecting));
    return self->error.code;
}

/* Goes on with connecting. A server that was silent is waited for only once it has said something;
 * until then each call takes a glance, while the attempt's time lasts. False: not connected. */
static bool await_connection(florin_session_t *self, uint64_t deadline_ms)
{
    bool patient = !self->silent;
    while (self->polling != PGRES_POLLING_OK) {
        bool reading = self->polling == PGRES_POLLING_READING;
        struct pollfd wait = {.fd = PQsocket(self->connecting),
                              .events = reading ? POLLIN : POLLOUT};
        if (poll(&wait, 1, patient ? remaining_ms(deadline_ms) : FLORIN_SESSION_GLANCE_MS) > 0)
            self->polling = PQconnectPoll(self->connecting);
        else if (remaining_ms(self->connect_by_ms) == 0) {
            lose_silent(self, FLORIN_ERROR_UNAVAILABLE, "the server does not answer");
            return false;
        } else if (!patient)
            return false;
        if (self->polling == PGRES_POLLING_FAILED) {
            lose(self, FLORIN_ERROR_UNAVAILABLE, PQerrorMessage(self->connecting));
            set_pause(self);
            return false;
        }
        bool next = PQstatus(self->connecting) == CONNECTION_STARTED;
        self->host += next;
        patient = next ? !self->silent : patient || reading;
    }
    self->pg = self->connecting;
    self->connecting = NULL;
    return true;
}

/* What a session of the books needs. Statements are planned once, for any parameters, and never
 * read a whole table: a plan made while the tables were empty has to stay good. A worker that
 * stalls in the middle of a batch must not keep its locks from others: the server ends its session.
 * The last but one lets a server notice that nobody waits for an answer any more. The server's own
 * timeout is off: it would break off COMMIT PREPARED's wait for a standby, and call that a
 * success. */
static int set_up(florin_session_t *self, const florin_session_timeouts_t *timeouts,
                  uint64_t deadline_ms, florin_error_t *error)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "SET statement_timeout = 0; SET lock_timeout = %u;"
             "SET idle_in_transaction_session_timeout = %u; SET jit = off;"
             "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;"
             "SET client_connection_check_interval = '1s';"
             "SELECT set_config('synchronous_commit', 'on', false)"
             " WHERE current_setting('synchronous_commit') = 'off'",
             timeouts->lock_timeout_ms, timeouts->idle_timeout_ms);
    return florin_session_script(self, sql, deadline_ms, error);
}

static int prepare_all(florin_session_t *self, florin_statement_kind_t kind, uint64_t deadline_ms,
                       florin_error_t *error)
{
    florin_session_begin(self);
    for (size_t i = 0; i < FLORIN_SQL_COUNT; i++) {
        const florin_statement_text_t *text = &florin_statements[i];
        if (text->kind == kind && self->pg)
            check_sent(self, PQsendPrepare(self->pg, text->name, text->sql, 0, NULL));
    }
    florin_session_sync(self);
    return florin_session_finish(self, deadline_ms, error);
}

/* A table or column is missing: what the server says is not what an operator has to do. */
static void no_schema(florin_session_t *self)
{
    florin_error_t cause = self->error;
    florin_error_set(&self->error, FLORIN_ERROR_CONFIG,
                     "%.400s: the schema is missing or older than this program; run florin-admin "
                     "migrate",
                     cause.message);
}

int florin_session_open(florin_session_t *self, florin_statement_kind_t kind,
                        const florin_session_timeouts_t *timeouts, florin_error_t *error)
{
    if (self->pg)
        return 0;
    if (!florin_session_ready(self))
        return florin_error_set(error, self->error.code, "%s", self->error.message);
    uint64_t deadline_ms = florin_clock_ms() + timeouts->connect_timeout_ms;
    clear_results(self);
    if (!self->connecting && begin_connecting(self, deadline_ms) != 0)
        set_pause(self);
    else if (await_connection(self, deadline_ms)) {
        self->pipelined = false;
        PQsetNoticeReceiver(self->pg, ignore_notice, NULL);
        if (PQsetnonblocking(self->pg, 1) == 0 && set_up(self, timeouts, deadline_ms, error) == 0 &&
            prepare_all(self, kind, deadline_ms, error) == 0) {
            self->pause_ms = 0;
            self->silent = false;
            self->openings++;
            self->counted = true;
            florin_metric_add(self->metrics.openings, 1);
            florin_metric_add(self->metrics.sessions, 1);
            return 0;
        }
        florin_session_close(self);
        if (strcmp(self->sqlstate, "42P01") == 0 || strcmp(self->sqlstate, "42703") == 0)
            no_schema(self);
        set_pause(self);
    }
    return florin_error_set(error, self->error.code, "%s", self->error.message);
}
