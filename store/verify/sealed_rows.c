#include "store/verify/sealed_rows.h"

florin_sealed_row_t florin_sealed_account(const florin_seal_key_t *key, const PGresult *page,
                                          int row)
{
    enum { PLACE = 12, SEAL };
    florin_account_t account;
    const char *why = florin_row_account(page, row, &account);
    account.place = florin_column_u64(page, row, PLACE);
    return (florin_sealed_row_t){.why = why,
                                 .column = SEAL,
                                 .seal = key->known ? florin_seal_account(key, &account) : 0,
                                 .place = account.place,
                                 .owed = true,
                                 .since = account.timestamp_last};
}

static bool is_here(const PGresult *page, int row, int balances)
{
    return !PQgetisnull(page, row, balances + 1);
}

/* A refusal may be of anything that was asked for. */
static const char *odd_transfer(const florin_entry_t *entry, const char *transfer,
                                const char *debit, const char *credit)
{
    if (entry->result != FLORIN_TRANSFER_CREATED)
        return NULL;
    return transfer ? transfer : debit ? debit : credit;
}

florin_sealed_row_t florin_sealed_transfer(const florin_seal_key_t *key, const PGresult *page,
                                           int row)
{
    enum { DEBIT = FLORIN_TRANSFER_COLUMNS, CREDIT = DEBIT + 4, PLACE = CREDIT + 4, SEAL };
    florin_entry_t entry;
    const char *why = florin_row_transfer(page, row, &entry.transfer);
    entry.result = (florin_transfer_result_t)florin_column_u32(page, row, DEBIT - 1);
    const char *debit = florin_row_balances(page, row, DEBIT, &entry.debit_after);
    const char *credit = florin_row_balances(page, row, CREDIT, &entry.credit_after);
    uint64_t place = florin_column_u64(page, row, PLACE);
    return (florin_sealed_row_t){
        .why = odd_transfer(&entry, why, debit, credit),
        .column = SEAL,
        .seal = key->known ? florin_seal_transfer(key, &entry, is_here(page, row, DEBIT),
                                                  is_here(page, row, CREDIT), place)
                           : 0,
        .place = place,
        .owed = entry.result != FLORIN_TRANSFER_CREATED,
        .since = entry.transfer.timestamp};
}

florin_sealed_row_t florin_sealed_pending(const florin_seal_key_t *key, const PGresult *page,
                                          int row)
{
    enum { DEBIT = FLORIN_VERIFY_PENDING_BALANCES, CREDIT = DEBIT + 4, SEAL = CREDIT + 4 };
    florin_transfer_t transfer = {.id = florin_column_id(page, row, 0),
                                  .debit_account_id = florin_column_id(page, row, 1),
                                  .credit_account_id = florin_column_id(page, row, 2),
                                  .amount = florin_column_u64(page, row, 3)};
    florin_pending_t pending = {
        .transfer = &transfer,
        .expires_at = florin_column_u64(page, row, 4),
        .status =
            (florin_pending_status_t)florin_column_u32(page, row, FLORIN_VERIFY_PENDING_STATUS),
        .resolved_at = florin_column_u64(page, row, FLORIN_VERIFY_PENDING_RESOLVED)};
    const char *debit = florin_row_balances(page, row, DEBIT, &pending.debit_after);
    const char *credit = florin_row_balances(page, row, CREDIT, &pending.credit_after);
    return (florin_sealed_row_t){
        .why = debit ? debit : credit,
        .column = SEAL,
        .seal = key->known ? florin_seal_pending(key, &pending, is_here(page, row, DEBIT),
                                                 is_here(page, row, CREDIT))
                           : 0,
        .since = pending.resolved_at};
}

florin_sealed_row_t florin_sealed_limit(const florin_seal_key_t *key, const PGresult *page, int row)
{
    enum { ACCOUNT, TIMESTAMP, LIMIT, PLACE, SEAL };
    uint64_t timestamp = florin_column_u64(page, row, TIMESTAMP);
    uint64_t place = florin_column_u64(page, row, PLACE);
    return (florin_sealed_row_t){
        .column = SEAL,
        .seal = key->known ? florin_seal_limit(key, florin_column_id(page, row, ACCOUNT), timestamp,
                                               florin_column_u64(page, row, LIMIT), place)
                           : 0,
        .place = place,
        .owed = true,
        .since = timestamp};
}
