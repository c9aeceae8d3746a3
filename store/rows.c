#include "store/rows.h"

#include "lib/limits.h"
#include "store/sound.h"
#include "store/statements.h"

#define ID           FLORIN_COLUMN_ID
#define BIGINT       FLORIN_COLUMN_U64
#define INT          FLORIN_COLUMN_U32
#define TEXT         FLORIN_COLUMN_TEXT
#define TID          FLORIN_COLUMN_TID
#define COUNT(array) (sizeof(array) / sizeof *(array))

static void read_balances(const PGresult *result, int row, int column, florin_balances_t *balances)
{
    balances->debits_pending = florin_column_u64(result, row, column);
    balances->debits_posted = florin_column_u64(result, row, column + 1);
    balances->credits_pending = florin_column_u64(result, row, column + 2);
    balances->credits_posted = florin_column_u64(result, row, column + 3);
}

/* A column that is wider than what it stands for. */
static bool is_wide(const PGresult *result, int row, int column, uint64_t max)
{
    return florin_column_u64(result, row, column) > max;
}

const char *florin_row_account(const PGresult *result, int row, florin_account_t *account)
{
    *account = (florin_account_t){
        .id = florin_column_id(result, row, 0),
        .user_data = florin_column_id(result, row, 1),
        .credit_limit = florin_column_u64(result, row, 6),
        .timestamp = florin_column_u64(result, row, 7),
        .timestamp_last = florin_column_u64(result, row, 8),
        .ledger = florin_column_u32(result, row, 9),
        .code = (uint16_t)florin_column_u32(result, row, 10),
        .flags = florin_column_u32(result, row, 11),
    };
    read_balances(result, row, 2, &account->balances);
    if (is_wide(result, row, 9, UINT32_MAX))
        return "its ledger is out of range";
    if (is_wide(result, row, 10, UINT16_MAX))
        return "its code is out of range";
    return florin_sound_account(account);
}

static const char *read_transfer(const PGresult *result, int row, florin_transfer_t *transfer)
{
    *transfer = (florin_transfer_t){
        .id = florin_column_id(result, row, 0),
        .debit_account_id = florin_column_id(result, row, 1),
        .credit_account_id = florin_column_id(result, row, 2),
        .pending_id = florin_column_id(result, row, 3),
        .user_data = florin_column_id(result, row, 4),
        .amount = florin_column_u64(result, row, 5),
        .timestamp = florin_column_u64(result, row, 6),
        .timeout_s = florin_column_u32(result, row, 7),
        .ledger = florin_column_u32(result, row, 8),
        .code = (uint16_t)florin_column_u32(result, row, 9),
        .flags = florin_column_u32(result, row, 10),
        .reference_bytes = (uint8_t)PQgetlength(result, row, 11),
        .reference = PQgetvalue(result, row, 11),
    };
    if (is_wide(result, row, 7, UINT32_MAX))
        return "its timeout_s is out of range";
    if (is_wide(result, row, 8, UINT32_MAX))
        return "its ledger is out of range";
    if (is_wide(result, row, 9, UINT16_MAX))
        return "its code is out of range";
    return PQgetlength(result, row, 11) > FLORIN_REFERENCE_BYTES_MAX ? "its reference is too long"
                                                                     : NULL;
}

const char *florin_row_transfer(const PGresult *result, int row, florin_transfer_t *transfer)
{
    const char *why = read_transfer(result, row, transfer);
    return why ? why : florin_sound_transfer(transfer);
}

const char *florin_row_entry(const PGresult *result, int row, florin_entry_t *entry)
{
    *entry = (florin_entry_t){
        .result = (florin_transfer_result_t)florin_column_u32(result, row, 12),
        .pending = (florin_pending_status_t)florin_column_u32(result, row, FLORIN_TRANSFER_COLUMNS),
    };
    const char *why = read_transfer(result, row, &entry->transfer);
    if (is_wide(result, row, 12, UINT16_MAX))
        return "its result is none";
    return why ? why : florin_sound_entry(entry);
}

int florin_row_error(const char *kind, florin_id_t id, const char *why, florin_error_t *error)
{
    char text[FLORIN_ID_TEXT_BYTES];
    return florin_error_set(error, FLORIN_ERROR_ASIDE,
                            "%s %s is set aside: its row in the books cannot be (%s); run florin "
                            "verify",
                            kind, florin_id_format_uuid(id, text), why);
}

int florin_row_find(const PGresult *result, florin_id_t id)
{
    int low = 0, high = PQntuples(result);
    while (low < high) {
        int middle = low + (high - low) / 2;
        florin_id_t found = florin_column_id(result, middle, 0);
        if (found == id)
            return middle;
        if (found < id)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

florin_overdue_t florin_row_overdue(const PGresult *result, int row)
{
    return (florin_overdue_t){
        .id = florin_column_id(result, row, 0),
        .sides = {florin_column_id(result, row, 1), florin_column_id(result, row, 2)},
    };
}

const char *florin_row_balances(const PGresult *result, int row, int column,
                                florin_balances_t *balances)
{
    read_balances(result, row, column, balances);
    return florin_sound_balances(balances);
}

/* Four columns; NULL where the account lives elsewhere (balances is NULL). */
static void put_balances(florin_array_t *columns, const florin_balances_t *balances)
{
    const uint64_t values[] = {
        balances ? balances->debits_pending : 0, balances ? balances->debits_posted : 0,
        balances ? balances->credits_pending : 0, balances ? balances->credits_posted : 0};
    for (size_t i = 0; i < COUNT(values); i++) {
        if (balances)
            florin_array_u64(&columns[i], values[i]);
        else
            florin_array_null(&columns[i]);
    }
}

/* NULL for a time that never comes, or has not come; and for no place. */
static void put_or_null(florin_array_t *column, uint64_t value)
{
    if (value > 0)
        florin_array_u64(column, value);
    else
        florin_array_null(column);
}

/* The next place of a chain, or 0 without a key. */
static uint64_t take_place(florin_chain_t *chain)
{
    return chain->key.known ? chain->next++ : 0;
}

static void put_seal(florin_array_t *column, const florin_seal_key_t *key, uint64_t seal)
{
    if (key->known)
        florin_array_u64(column, seal);
    else
        florin_array_null(column);
}

void florin_rows_insert_accounts(florin_params_t *params, const florin_account_t *const *accounts,
                                 size_t count, florin_chain_t *chain)
{
    static const florin_column_t columns[] = {ID,     ID,     BIGINT, BIGINT, BIGINT,
                                              BIGINT, BIGINT, BIGINT, BIGINT, BIGINT,
                                              INT,    INT,    BIGINT, BIGINT};
    florin_array_t arrays[COUNT(columns)];
    if (!florin_params_arrays(params, arrays, columns, COUNT(columns), count))
        return;
    for (size_t i = 0; i < count; i++) {
        florin_account_t placed = *accounts[i];
        const florin_account_t *account = &placed;
        placed.place = take_place(chain);
        florin_array_id(&arrays[0], account->id);
        florin_array_id(&arrays[1], account->user_data);
        put_balances(&arrays[2], &account->balances);
        florin_array_u64(&arrays[6], account->credit_limit);
        florin_array_u64(&arrays[7], account->timestamp);
        florin_array_u64(&arrays[8], account->timestamp_last);
        florin_array_u64(&arrays[9], account->ledger);
        florin_array_u32(&arrays[10], account->code);
        florin_array_u32(&arrays[11], account->flags);
        put_or_null(&arrays[12], account->place);
        put_seal(&arrays[13], &chain->key, florin_seal_account(&chain->key, account));
    }
    florin_params_arrays_end(params, arrays, COUNT(columns));
}

void florin_rows_update_accounts(florin_params_t *params, const florin_account_t *const *accounts,
                                 const uint64_t *places, size_t count, const florin_seal_key_t *key)
{
    static const florin_column_t columns[] = {ID,  BIGINT, BIGINT, BIGINT, BIGINT,
                                              INT, BIGINT, TID,    BIGINT};
    florin_array_t arrays[COUNT(columns)];
    if (!florin_params_arrays(params, arrays, columns, COUNT(columns), count))
        return;
    for (size_t i = 0; i < count; i++) {
        florin_array_id(&arrays[0], accounts[i]->id);
        put_balances(&arrays[1], &accounts[i]->balances);
        florin_array_u32(&arrays[5], accounts[i]->flags);
        florin_array_u64(&arrays[6], accounts[i]->timestamp_last);
        florin_array_tid(&arrays[7], places[i]);
        put_seal(&arrays[8], key, florin_seal_account(key, accounts[i]));
    }
    florin_params_arrays_end(params, arrays, COUNT(columns));
}

void florin_rows_insert_transfers(florin_params_t *params, const florin_row_t *rows, size_t count,
                                  florin_chain_t *chain)
{
    static const florin_column_t columns[FLORIN_TRANSFER_COLUMNS + 10] = {
        ID,     ID,     ID,     ID,     ID,     BIGINT, BIGINT, BIGINT, /* to timeout_s */
        BIGINT, INT,    INT,    TEXT,   INT,                            /* to result */
        BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, /* balances */
        BIGINT, BIGINT};
    florin_array_t arrays[COUNT(columns)];
    if (!florin_params_arrays(params, arrays, columns, COUNT(columns), count))
        return;
    for (size_t i = 0; i < count; i++) {
        const uint64_t place = take_place(chain);
        const florin_entry_t *entry = rows[i].entry;
        const florin_transfer_t *transfer = &entry->transfer;
        florin_array_id(&arrays[0], transfer->id);
        florin_array_id(&arrays[1], transfer->debit_account_id);
        florin_array_id(&arrays[2], transfer->credit_account_id);
        florin_array_id(&arrays[3], transfer->pending_id);
        florin_array_id(&arrays[4], transfer->user_data);
        florin_array_u64(&arrays[5], transfer->amount);
        florin_array_u64(&arrays[6], transfer->timestamp);
        florin_array_u64(&arrays[7], transfer->timeout_s);
        florin_array_u64(&arrays[8], transfer->ledger);
        florin_array_u32(&arrays[9], transfer->code);
        florin_array_u32(&arrays[10], transfer->flags);
        florin_array_text(&arrays[11], transfer->reference, transfer->reference_bytes);
        florin_array_u32(&arrays[12], entry->result);
        put_balances(&arrays[13], rows[i].debit_here ? &entry->debit_after : NULL);
        put_balances(&arrays[17], rows[i].credit_here ? &entry->credit_after : NULL);
        put_or_null(&arrays[21], place);
        put_seal(&arrays[22], &chain->key,
                 florin_seal_transfer(&chain->key, entry, rows[i].debit_here, rows[i].credit_here,
                                      place));
    }
    florin_params_arrays_end(params, arrays, COUNT(columns));
}

void florin_rows_write_pendings(florin_params_t *params, const florin_pending_row_t *rows,
                                size_t count, const florin_seal_key_t *key)
{
    static const florin_column_t columns[] = {
        ID,     ID,     ID,     BIGINT, BIGINT, INT,    BIGINT, /* to resolved_at */
        BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT};
    florin_array_t arrays[COUNT(columns)];
    if (!florin_params_arrays(params, arrays, columns, COUNT(columns), count))
        return;
    for (size_t i = 0; i < count; i++) {
        const florin_pending_t *pending = &rows[i].pending;
        bool expired = pending->status == FLORIN_PENDING_EXPIRED;
        florin_array_id(&arrays[0], pending->transfer->id);
        florin_array_id(&arrays[1], pending->transfer->debit_account_id);
        florin_array_id(&arrays[2], pending->transfer->credit_account_id);
        florin_array_u64(&arrays[3], pending->transfer->amount);
        put_or_null(&arrays[4], pending->expires_at);
        florin_array_u32(&arrays[5], pending->status);
        put_or_null(&arrays[6], pending->resolved_at);
        bool debit_here = expired && rows[i].debit_here;
        bool credit_here = expired && rows[i].credit_here;
        put_balances(&arrays[7], debit_here ? &pending->debit_after : NULL);
        put_balances(&arrays[11], credit_here ? &pending->credit_after : NULL);
        put_seal(&arrays[15], key, florin_seal_pending(key, pending, debit_here, credit_here));
    }
    florin_params_arrays_end(params, arrays, COUNT(columns));
}

void florin_rows_update_limits(florin_params_t *params, const florin_account_t *const *accounts,
                               size_t count)
{
    static const florin_column_t columns[] = {ID, BIGINT};
    florin_array_t arrays[COUNT(columns)];
    if (!florin_params_arrays(params, arrays, columns, COUNT(columns), count))
        return;
    for (size_t i = 0; i < count; i++) {
        florin_array_id(&arrays[0], accounts[i]->id);
        florin_array_u64(&arrays[1], accounts[i]->credit_limit);
    }
    florin_params_arrays_end(params, arrays, COUNT(columns));
}

void florin_rows_insert_limits(florin_params_t *params, const florin_limit_row_t *rows,
                               size_t count, florin_chain_t *chain)
{
    static const florin_column_t columns[] = {ID, BIGINT, BIGINT, BIGINT, BIGINT};
    florin_array_t arrays[COUNT(columns)];
    if (!florin_params_arrays(params, arrays, columns, COUNT(columns), count))
        return;
    for (size_t i = 0; i < count; i++) {
        const florin_limit_row_t *row = &rows[i];
        const uint64_t place = take_place(chain);
        florin_array_id(&arrays[0], row->account_id);
        florin_array_u64(&arrays[1], row->timestamp);
        florin_array_u64(&arrays[2], row->credit_limit);
        put_or_null(&arrays[3], place);
        put_seal(&arrays[4], &chain->key,
                 florin_seal_limit(&chain->key, row->account_id, row->timestamp, row->credit_limit,
                                   place));
    }
    florin_params_arrays_end(params, arrays, COUNT(columns));
}

void florin_rows_write_heads(florin_params_t *params, const florin_head_t *heads, size_t count,
                             const florin_seal_key_t *key)
{
    static const florin_column_t columns[] = {BIGINT, BIGINT, BIGINT};
    florin_array_t arrays[COUNT(columns)];
    if (!florin_params_arrays(params, arrays, columns, COUNT(columns), count))
        return;
    for (size_t i = 0; i < count; i++) {
        florin_array_u64(&arrays[0], heads[i].chain);
        florin_array_u64(&arrays[1], heads[i].place);
        florin_array_u64(&arrays[2], florin_seal_head(key, heads[i].chain, heads[i].place));
    }
    florin_params_arrays_end(params, arrays, COUNT(columns));
}
