/* florin-admin: what its commands share. */
#ifndef FLORIN_OPS_ADMIN_H
#define FLORIN_OPS_ADMIN_H

#include "store/admin/admin.h"

/* Exit codes. */
enum { ADMIN_DONE = 0, ADMIN_FAILED = 1, ADMIN_USAGE = 2, ADMIN_NOT_VERIFIED = 2 };

/* What the command line says: options, and the words that are none. */
typedef struct {
    const char *control;  /* from --control, or the file of --config */
    const char *seal_key; /* a file; likewise, and NULL or "" where neither says it */
    const char *sql;
    const char *max, *review_above, *sum;    /* amounts, in decimals */
    const char *window, *count;              /* numbers */
    const char *older_than, *timeout, *wait; /* seconds */
    const char *show;                        /* a number */
    const char *metrics;                     /* a file */
    const char *since;                       /* a time */
    bool json, old_is_gone;
    char **words; /* what follows the command's own words */
    size_t words_count;
} admin_arguments_t;

/* Each runs one command; the exit code. Errors go to stderr, one line. */
int admin_migrate(const admin_arguments_t *arguments);
int admin_migrate_shard(const admin_arguments_t *arguments);
int admin_shards_set(const admin_arguments_t *arguments);
int admin_shards_show(const admin_arguments_t *arguments);
int admin_shards_retire(const admin_arguments_t *arguments);
int admin_shards_move(const admin_arguments_t *arguments);
int admin_risk_set(const admin_arguments_t *arguments);
int admin_risk_unset(const admin_arguments_t *arguments);
int admin_risk_block(const admin_arguments_t *arguments);
int admin_risk_allow(const admin_arguments_t *arguments);
int admin_risk_free(const admin_arguments_t *arguments);
int admin_risk_show(const admin_arguments_t *arguments);
int admin_resolve(const admin_arguments_t *arguments);
int admin_clocks(const admin_arguments_t *arguments);
int admin_mend_times(const admin_arguments_t *arguments);
int admin_seal(const admin_arguments_t *arguments);
int admin_seal_key(const admin_arguments_t *arguments);
/* ADMIN_DONE: the books are whole, ADMIN_FAILED: they are not, ADMIN_NOT_VERIFIED: who knows. */
int admin_verify(const admin_arguments_t *arguments);

/* Says what went wrong; returns ADMIN_USAGE for an argument that is wrong, else ADMIN_FAILED. */
int admin_fail(const florin_error_t *error);

/* Reads a number of at least `min` that may be left out; then *number stays as it is. */
int admin_number(const char *text, const char *what, uint32_t min, uint32_t *number,
                 florin_error_t *error);

/* A store on the control database, for commands that read. */
int admin_store(const admin_arguments_t *arguments, florin_clocks_t *clocks, florin_store_t **store,
                florin_error_t *error);

#endif
