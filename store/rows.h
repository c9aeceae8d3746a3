/* Rows of the books, to and from the ledger's structs. */
#ifndef FLORIN_STORE_ROWS_H
#define FLORIN_STORE_ROWS_H

#include "ledger/ledger.h"
#include "store/params.h"

/* Columns of a transfer's row, in the order of FLORIN_SQL_TRANSFERS; in a statement's row the
 * balances after it follow. */
#define FLORIN_TRANSFER_COLUMNS 13

void florin_row_account(const PGresult *result, int row, florin_account_t *account);
/* The reference is borrowed from the result. */
void florin_row_transfer(const PGresult *result, int row, florin_transfer_t *transfer,
                         florin_transfer_result_t *outcome);
void florin_row_balances(const PGresult *result, int row, int column, florin_balances_t *balances);

/* The parameters of FLORIN_SQL_ACCOUNTS_INSERT, FLORIN_SQL_ACCOUNTS_UPDATE. */
void florin_rows_insert_accounts(florin_params_t *params, const florin_account_t *const *accounts,
                                 size_t count);
void florin_rows_update_accounts(florin_params_t *params, const florin_account_t *const *accounts,
                                 size_t count);

/* An entry as one shard writes it: which of its accounts live there. */
typedef struct {
    const florin_entry_t *entry;
    bool debit_here, credit_here;
} florin_row_t;

/* The parameters of FLORIN_SQL_TRANSFERS_INSERT. */
void florin_rows_insert_transfers(florin_params_t *params, const florin_row_t *rows, size_t count);

#endif
