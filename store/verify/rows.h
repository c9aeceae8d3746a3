/* A query's rows on all shards at once, page by page. */
#ifndef FLORIN_STORE_VERIFY_ROWS_H
#define FLORIN_STORE_VERIFY_ROWS_H

#include "store/internal.h"

typedef struct {
    florin_store_t *store;
    uint64_t deadline_ms;
    struct {
        const PGresult *page; /* the session's; NULL when there are no more rows */
        int row;
    } at[FLORIN_SHARDS_MAX]; /* where each shard stands */
} florin_verify_rows_t;

/* Runs the query on every shard's open transaction. */
int florin_verify_rows_open(florin_verify_rows_t *self, florin_store_t *store, const char *sql,
                            uint64_t deadline_ms, florin_error_t *error) FLORIN_MUST_USE;

/* Shards whose row has the least first column, compared by its bytes; 0 at the end. */
florin_shards_t florin_verify_rows_least(const florin_verify_rows_t *self);

/* Goes on to the next row of these shards. */
int florin_verify_rows_next(florin_verify_rows_t *self, florin_shards_t shards,
                            florin_error_t *error) FLORIN_MUST_USE;

#endif
