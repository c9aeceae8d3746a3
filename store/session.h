/* One session with one database, by libpq: connects when it is first needed, sends rounds of
 * prepared statements in pipeline mode, and waits for their answers with a bound.
 *
 * Life: init -> open -> (call*, command* -> sync -> wait -> results)* -> close -> open ... -> free.
 * A fault sticks until the next round begins: what is sent after it is not, and wait reports it. So
 * a round is written without a check at each line, and looked at once, at its end. */
#ifndef FLORIN_STORE_SESSION_H
#define FLORIN_STORE_SESSION_H

#include <libpq-fe.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/metrics.h"
#include "store/params.h"
#include "store/statements.h"

#define FLORIN_SESSION_RESULTS_MAX    32
#define FLORIN_SESSION_PAUSE_MIN_MS   50
#define FLORIN_SESSION_PAUSE_MAX_MS   250
#define FLORIN_SESSION_GLANCE_MS      20 /* the wait for a server that was silent */
#define FLORIN_SESSION_CONNINFO_BYTES 1024

/* What went wrong in a round. */
typedef enum {
    FLORIN_FAULT_NONE,
    FLORIN_FAULT_CONFLICT, /* another transaction was there first: roll back and try again */
    FLORIN_FAULT_REFUSED,  /* the server said no; the session lives, its transaction does not */
    FLORIN_FAULT_LOST      /* the session is closed; what the server did is not known */
} florin_fault_t;

/* Series that the sessions with one database share. */
typedef struct {
    florin_metric_t *sessions; /* open now */
    florin_metric_t *openings;
    florin_metric_t *lost, *timeout, *conflict, *refused; /* faults */
} florin_session_metrics_t;

typedef struct {
    uint32_t connect_timeout_ms;
    uint32_t statement_timeout_ms;
    uint32_t lock_timeout_ms;
    uint32_t idle_timeout_ms; /* in the middle of a transaction: then the server ends the session */
} florin_session_timeouts_t;

typedef struct {
    char name[32]; /* "shard 2", for messages */
    char conninfo[FLORIN_SESSION_CONNINFO_BYTES];
    PGconn *pg;                        /* NULL: closed */
    PGconn *connecting;                /* NULL: no attempt is under way */
    PostgresPollingStatusType polling; /* what the attempt waits for */
    uint64_t connect_by_ms;            /* the end of its time; florin_clock_ms */
    unsigned host; /* the one of its hosts that the next attempt begins with, modulo their number */
    bool silent;   /* did not answer in time, and was not open since */
    PGresult *results[FLORIN_SESSION_RESULTS_MAX];
    size_t results_count;
    bool pipelined;
    bool waiting; /* a round is under way */
    bool counted; /* among the open sessions: it was set up */
    florin_fault_t fault;
    florin_error_t error; /* of the fault */
    char sqlstate[6];     /* of the fault, when a server sent it; else empty */
    uint64_t openings;    /* how often it was opened */
    uint64_t retry_at_ms; /* not opened again before; florin_clock_ms */
    uint32_t pause_ms;
    florin_session_metrics_t metrics;
} florin_session_t;

int florin_session_init(florin_session_t *self, const char *name, const char *conninfo,
                        florin_error_t *error) FLORIN_MUST_USE;
void florin_session_close(florin_session_t *self);

/* Counts in these metrics from now on; call it before the session is opened. */
void florin_session_measure(florin_session_t *self, florin_metrics_t *metrics);

/* True when it is open, or may be tried again by now. */
bool florin_session_ready(const florin_session_t *self);

/* Connects, sets the timeouts and prepares the statements of `kind`. An open session stays as it
 * is. In the pause that follows a failure, that failure is returned again, at once. After a server
 * did not answer in time, nobody waits long for it: connecting goes on from call to call, host by
 * host, and each returns that failure until one of them has begun to answer. */
int florin_session_open(florin_session_t *self, florin_statement_kind_t kind,
                        const florin_session_timeouts_t *timeouts,
                        florin_error_t *error) FLORIN_MUST_USE;

/* Begins a round: frees the results of the last one. */
void florin_session_begin(florin_session_t *self);
/* Adds a prepared statement with its parameters (NULL: it has none), or one line of SQL. */
void florin_session_call(florin_session_t *self, florin_statement_t statement,
                         const florin_params_t *params);
void florin_session_command(florin_session_t *self, const char *sql);
/* Ends the round and sends it off. */
void florin_session_sync(florin_session_t *self);

/* Waits until all that the sessions have to send is on its way; what is not by the deadline, the
 * wait for the answers finds out. */
void florin_sessions_send(florin_session_t **sessions, size_t count, uint64_t deadline_ms);

/* Waits until each session has its answers, or a fault; those that have none by the deadline
 * (florin_clock_ms) are closed. Sessions without a round under way are passed over. */
void florin_sessions_wait(florin_session_t **sessions, size_t count, uint64_t deadline_ms);

/* The result of the round's n-th statement. Only after a wait without a fault. */
PGresult *florin_session_result(const florin_session_t *self, size_t index);

/* Any number of statements as one text, outside a pipeline, and the wait for them. Returns 0 or the
 * fault's error. */
int florin_session_script(florin_session_t *self, const char *sql, uint64_t deadline_ms,
                          florin_error_t *error) FLORIN_MUST_USE;
/* The same in two steps, for who has something to do in between. */
void florin_session_script_begin(florin_session_t *self, const char *sql);
int florin_session_script_end(florin_session_t *self, uint64_t deadline_ms,
                              florin_error_t *error) FLORIN_MUST_USE;
/* Waits for the answers until then; false when they have not come, and the session goes on. */
bool florin_session_peek(florin_session_t *self, uint64_t until_ms);

/* A round of one session: waits, and returns 0 or the fault's error. */
int florin_session_finish(florin_session_t *self, uint64_t deadline_ms,
                          florin_error_t *error) FLORIN_MUST_USE;

#endif
