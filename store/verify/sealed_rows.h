/* Rows of the books as verification reads them, and what their seals have to be. */
#ifndef FLORIN_STORE_SEALED_ROWS_H
#define FLORIN_STORE_SEALED_ROWS_H

#include "store/rows.h"

/* Columns of florin_verify_sql_pendings. */
enum {
    FLORIN_VERIFY_PENDING_STATUS = 5,
    FLORIN_VERIFY_PENDING_RESOLVED,
    FLORIN_VERIFY_PENDING_BALANCES
};

typedef struct {
    const char *why; /* a row like that can't be; NULL: it can */
    int column;      /* where it has its seal */
    uint64_t seal;   /* what that has to be; 0 without a key */
    uint64_t place;  /* 0: it has none */
    bool owed;       /* nothing else in the books would miss it */
    uint64_t since;  /* when it was written, as far as it says; 0: it does not */
} florin_sealed_row_t;

/* A row of florin_verify_sql_accounts, _transfers, _pendings and _sealed_limits. */
typedef florin_sealed_row_t(florin_sealed_fn)(const florin_seal_key_t *key, const PGresult *page,
                                              int row);
florin_sealed_fn florin_sealed_account, florin_sealed_transfer, florin_sealed_pending,
    florin_sealed_limit;

#endif
