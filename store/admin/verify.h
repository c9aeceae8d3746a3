/* Whether the books of a whole cluster are whole: what florin_store_* promise, read back with SQL
 * that shares nothing with what wrote it. Changes nothing; writers wait for three round trips.
 *
 * Memory is bounded whatever the books hold: servers sort and sum on their disks, and rows come in
 * pages. What is broken is told by callbacks as it is found. */
#ifndef FLORIN_STORE_VERIFY_H
#define FLORIN_STORE_VERIFY_H

#include "store/store.h"

#define FLORIN_VERIFY_CHECKS_MAX 10

typedef struct {
    const char *name;    /* one word: "balances" */
    const char *claim;   /* what holds when it finds nothing */
    const char *counted; /* what `checked` counts: "accounts" */
    bool done;
    uint64_t checked, findings, notes;
    uint64_t took_ms;
} florin_verify_check_t;

typedef struct {
    bool note;        /* nothing is wrong; a state that an operator may ask about */
    int shard;        /* -1: it is about several */
    char subject[96]; /* "transfer 7" */
    char message[FLORIN_ERROR_MESSAGE_BYTES];
} florin_verify_finding_t;

typedef struct {
    uint32_t in_doubt_after_s; /* how long a transaction may be prepared, a decision stay */
    /* Called from within florin_store_verify; they must not use the store. */
    void (*began)(void *arg, const florin_verify_check_t *check);
    void (*found)(void *arg, const florin_verify_finding_t *finding); /* by the check that began */
    void (*ended)(void *arg, const florin_verify_check_t *check);
    void *arg;
} florin_verify_options_t;

/* Runs all checks, each once, in the order of `checks` (FLORIN_VERIFY_CHECKS_MAX, *count used).
 * The store's statement_timeout_ms is the time for it all. Returns 0 when all are done, whatever
 * they found; else those not done say so. FLORIN_ERROR_CONFLICT: somebody keeps locks on the books,
 * and only what is in doubt was looked at. */
int florin_store_verify(florin_store_t *self, const florin_verify_options_t *options,
                        florin_verify_check_t *checks, size_t *count,
                        florin_error_t *error) FLORIN_MUST_USE;

#endif
