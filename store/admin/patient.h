/* Changes of a database that others use meanwhile.
 *
 * Whoever asks for a strong lock has all who come later wait behind it. So it is asked for half a
 * second at most; then we give way, and try again after a pause that grows. The log says for whom
 * we wait. */
#ifndef FLORIN_STORE_PATIENT_H
#define FLORIN_STORE_PATIENT_H

#include "store/session.h"

#define FLORIN_PATIENT_MS (60u * 60 * 1000) /* for all that is done between open and close */

typedef struct {
    florin_session_t session;
    florin_session_t watcher; /* sees what the session waits for */
    uint64_t deadline_ms;
    uint32_t wait_ms; /* for the locks of one transaction; the caller sets it */
    int pid;
    char holders[FLORIN_ERROR_MESSAGE_BYTES / 2]; /* for whom it waits, or waited last */
    bool autovacuum;                              /* among them */
    uint64_t told_ms;
} florin_patient_t;

int florin_patient_open(florin_patient_t *self, const char *name, const char *conninfo,
                        florin_error_t *error) FLORIN_MUST_USE;
void florin_patient_close(florin_patient_t *self);

/* One statement of a session, and the wait for it. */
int florin_patient_ask(florin_session_t *session, const char *sql, uint64_t deadline_ms,
                       florin_error_t *error) FLORIN_MUST_USE;
/* Runs it, and says in good time for whom it waits. */
int florin_patient_run(florin_patient_t *self, const char *name, const char *sql,
                       florin_error_t *error) FLORIN_MUST_USE;
/* Runs some scripts, up to NULL, in one transaction, and commits it. Gives way and tries again for
 * wait_ms, then FLORIN_ERROR_CONFLICT, which names those in the way. */
int florin_patient_transaction(florin_patient_t *self, const char *name, const char *const *scripts,
                               florin_error_t *error) FLORIN_MUST_USE;
void florin_patient_pause(uint32_t ms);

#endif
