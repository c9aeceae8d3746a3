/* A verification as it runs: what its checks share. */
#ifndef FLORIN_STORE_VERIFY_RUN_H
#define FLORIN_STORE_VERIFY_RUN_H

#include "store/verify/report.h"
#include "store/verify/rows.h"

#define FLORIN_VERIFY_SUBJECT_BYTES (sizeof((florin_verify_finding_t){0}).subject)
#define FLORIN_VERIFY_SEEN_MAX      FLORIN_SLOTS

typedef struct florin_verify_prepared florin_verify_prepared_t;
typedef struct florin_verify_seals florin_verify_seals_t;

typedef struct {
    florin_store_t *store;
    const florin_verify_options_t *options;
    uint64_t deadline_ms;
    uint64_t latest;                    /* no row may be later: the servers' clocks, and some */
    florin_verify_check_t *check;       /* the one that runs */
    florin_verify_rows_t rows;          /* its query's */
    florin_verify_prepared_t *prepared; /* in the arena */
    size_t prepared_count;
    florin_verify_seals_t *seals;                 /* of each shard; NULL: there is no key */
    florin_shards_t seen[FLORIN_VERIFY_SEEN_MAX]; /* where each slot, or object, was seen */
} florin_verify_run_t;

/* Counts a finding, or a note, and hands it over. */
void florin_verify_tell(florin_verify_run_t *self, bool note, int shard, const char *subject,
                        const char *format, ...) FLORIN_PRINTF(5, 6);

/* "account 7"; returns the text. */
const char *florin_verify_subject(const char *kind, florin_id_t id,
                                  char text[FLORIN_VERIFY_SUBJECT_BYTES]);

/* Where a shard stands in the query that runs. */
int florin_verify_row(const florin_verify_run_t *self, size_t shard, const PGresult **page);

/* Calls `see` for each least row and the shards that have it. */
typedef void(florin_verify_see_fn)(florin_verify_run_t *self, florin_shards_t shards);
int florin_verify_walk(florin_verify_run_t *self, const char *sql, florin_verify_see_fn *see,
                       florin_error_t *error) FLORIN_MUST_USE;

#endif
