/* Rows of the books, to and from the ledger's structs. */
#ifndef FLORIN_STORE_ROWS_H
#define FLORIN_STORE_ROWS_H

#include "ledger/ledger.h"
#include "lib/error.h"
#include "store/params.h"
#include "store/seal.h"

/* The accounts of a transfer. */
typedef struct {
    florin_id_t debit, credit;
} florin_sides_t;

/* A pending transfer whose time is up. */
typedef struct {
    florin_id_t id;
    florin_sides_t sides;
} florin_overdue_t;

/* Columns of a transfer's row: those of FLORIN_SQL_TRANSFERS ahead of what became of it, if it was
 * pending; those of a statement's row ahead of whether it expired, when, and the balances. */
#define FLORIN_TRANSFER_COLUMNS 13
/* Where a row has its timestamp. */
#define FLORIN_ACCOUNT_TIMESTAMP_COLUMN  7
#define FLORIN_TRANSFER_TIMESTAMP_COLUMN 6
/* Where FLORIN_SQL_ACCOUNTS has the transaction that locked or changed the row since. */
#define FLORIN_ACCOUNT_XMAX_COLUMN 12
/* Where an account's row is, when it was locked. */
#define FLORIN_ACCOUNT_PLACE_COLUMN 12
/* And its place in a chain of seals. */
#define FLORIN_ACCOUNT_CHAIN_COLUMN 13

/* Each returns NULL, or why the row can't be one of the books (sound.h): then what it gives must
 * not be used, but for the id. */
const char *florin_row_account(const PGresult *result, int row,
                               florin_account_t *account) FLORIN_MUST_USE;
/* A transfer's columns, and with the last of FLORIN_SQL_TRANSFERS all that the entry says but the
 * balances. The reference is borrowed from the result. */
const char *florin_row_transfer(const PGresult *result, int row,
                                florin_transfer_t *transfer) FLORIN_MUST_USE;
const char *florin_row_entry(const PGresult *result, int row,
                             florin_entry_t *entry) FLORIN_MUST_USE;
/* Says of a row of `kind`, "account", that it cannot be; returns the code. */
int florin_row_error(const char *kind, florin_id_t id, const char *why, florin_error_t *error);
/* The row with that id in its first column, or -1; the rows are in the order of their ids. */
int florin_row_find(const PGresult *result, florin_id_t id);
/* A row of FLORIN_SQL_OVERDUE or FLORIN_SQL_PENDING_ACCOUNTS. */
florin_overdue_t florin_row_overdue(const PGresult *result, int row);
const char *florin_row_balances(const PGresult *result, int row, int column,
                                florin_balances_t *balances) FLORIN_MUST_USE;

/* The parameters of FLORIN_SQL_ACCOUNTS_INSERT, FLORIN_SQL_ACCOUNTS_UPDATE; the latter with the
 * places of the rows, as they were locked (FLORIN_ACCOUNT_PLACE_COLUMN). Here
 * and below, rows get their places in a chain, which goes on, and their seals by its key. */
void florin_rows_insert_accounts(florin_params_t *params, const florin_account_t *const *accounts,
                                 size_t count, florin_chain_t *chain);
void florin_rows_update_accounts(florin_params_t *params, const florin_account_t *const *accounts,
                                 const uint64_t *places, size_t count,
                                 const florin_seal_key_t *key);

/* An entry as one shard writes it: which of its accounts live there. */
typedef struct {
    const florin_entry_t *entry;
    bool debit_here, credit_here;
} florin_row_t;

/* The parameters of FLORIN_SQL_TRANSFERS_INSERT. */
void florin_rows_insert_transfers(florin_params_t *params, const florin_row_t *rows, size_t count,
                                  florin_chain_t *chain);

/* A pending transfer as one shard writes it. */
typedef struct {
    florin_pending_t pending;
    bool debit_here, credit_here;
} florin_pending_row_t;

/* A change of an account's credit limit. */
typedef struct {
    florin_id_t account_id;
    uint64_t timestamp, credit_limit;
} florin_limit_row_t;

/* The parameters of FLORIN_SQL_PENDINGS_WRITE, FLORIN_SQL_LIMITS_UPDATE, FLORIN_SQL_LIMITS_INSERT.
 */
void florin_rows_write_pendings(florin_params_t *params, const florin_pending_row_t *rows,
                                size_t count, const florin_seal_key_t *key);
void florin_rows_update_limits(florin_params_t *params, const florin_account_t *const *accounts,
                               size_t count);
void florin_rows_insert_limits(florin_params_t *params, const florin_limit_row_t *rows,
                               size_t count, florin_chain_t *chain);

/* The parameters of FLORIN_SQL_SEAL_HEADS: that a chain has come so far, or when sealing began. */
typedef struct {
    uint64_t chain, place;
} florin_head_t;
void florin_rows_write_heads(florin_params_t *params, const florin_head_t *heads, size_t count,
                             const florin_seal_key_t *key);

#endif
