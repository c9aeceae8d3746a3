/* What a verification reports, and to whom. */
#ifndef FLORIN_STORE_VERIFY_REPORT_H
#define FLORIN_STORE_VERIFY_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

#define FLORIN_VERIFY_CHECKS_MAX 13

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
    /* Only what was booked from that timestamp on, and all accounts; 0: the books whole. What was
     * imported counts by the time it says. */
    uint64_t since;
    /* Called from within florin_store_verify; they must not use the store. */
    void (*began)(void *arg, const florin_verify_check_t *check);
    void (*found)(void *arg, const florin_verify_finding_t *finding); /* by the check that began */
    void (*ended)(void *arg, const florin_verify_check_t *check);
    void *arg;
} florin_verify_options_t;

#endif
