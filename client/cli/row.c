#include "client/cli/row.h"

#include <stdint.h>
#include <string.h>

#include "client/cli/values.h"

/* --------------------------------------------------------------------------------- header, any row
 */

static size_t find_column(const row_kind_t *kind, const char *name)
{
    for (size_t i = 0; i < kind->count; i++)
        if (strcmp(kind->columns[i], name) == 0)
            return i;
    return SIZE_MAX;
}

int row_read_header(const row_kind_t *kind, const csv_record_t *record, row_header_t *header,
                    florin_error_t *error)
{
    for (size_t i = 0; i < kind->count; i++)
        header->at[i] = SIZE_MAX;
    header->fields = record->count;
    for (size_t i = 0; i < record->count; i++) {
        size_t column = find_column(kind, record->fields[i]);
        if (column == SIZE_MAX)
            return florin_error_set(error, FLORIN_ERROR_INVALID,
                                    "%zu: \"%.40s\" is no column of this file; the first row names "
                                    "the columns, of which `--help` has the list",
                                    record->line, record->fields[i]);
        if (header->at[column] != SIZE_MAX)
            return florin_error_set(error, FLORIN_ERROR_INVALID, "%zu: column %s is there twice",
                                    record->line, record->fields[i]);
        header->at[column] = i;
    }
    for (size_t i = 0; i < kind->required; i++)
        if (header->at[i] == SIZE_MAX)
            return florin_error_set(error, FLORIN_ERROR_INVALID, "%zu: column %s is missing",
                                    record->line, kind->columns[i]);
    return 0;
}

int row_read(const row_kind_t *kind, const row_header_t *header, const csv_record_t *record,
             row_t *row, florin_error_t *error)
{
    if (record->count != header->fields)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "%zu: %zu fields, but the first row has %zu", record->line,
                                record->count, header->fields);
    const char *fields[ROW_COLUMNS_MAX];
    for (size_t i = 0; i < kind->count; i++)
        fields[i] = header->at[i] == SIZE_MAX ? "" : record->fields[header->at[i]];
    row->line = record->line;
    florin_error_t reason;
    int rc = kind->read(fields, row, &reason);
    if (rc != 0)
        return florin_error_set(error, rc, "%zu: %s", record->line, reason.message);
    return 0;
}

static int read_id(const char *text, const char *what, uint8_t *bytes, ProtobufCBinaryData *field,
                   florin_error_t *error)
{
    florin_id_t id;
    int rc = florin_id_parse(text, what, &id, error);
    if (rc != 0)
        return rc;
    florin_id_to_bytes(id, bytes);
    *field = (ProtobufCBinaryData){.len = FLORIN_ID_BYTES, .data = bytes};
    return 0;
}

static int read_code(const char *text, uint32_t *code, florin_error_t *error)
{
    uint64_t number;
    int rc = value_number(text, "code", 1, UINT16_MAX, &number, error);
    if (rc == 0)
        *code = (uint32_t)number;
    return rc;
}

/* -------------------------------------------------------------------------------------- transfers
 */

enum { ID, DEBIT, CREDIT, AMOUNT, CURRENCY, CODE, REFERENCE, TRANSFER_COLUMNS };

static int read_transfer(const char *const *fields, row_t *row, florin_error_t *error)
{
    Florin__V1__Transfer *transfer = &row->transfer;
    florin__v1__transfer__init(transfer);
    const florin_currency_t *currency;
    int rc = read_id(fields[ID], "id", row->ids[0], &transfer->id, error);
    if (rc == 0)
        rc = read_id(fields[DEBIT], "debit_account_id", row->ids[1], &transfer->debit_account_id,
                     error);
    if (rc == 0)
        rc = read_id(fields[CREDIT], "credit_account_id", row->ids[2], &transfer->credit_account_id,
                     error);
    if (rc == 0)
        rc = value_currency(fields[CURRENCY], "currency", &currency, error);
    if (rc == 0)
        rc = florin_money_parse(fields[AMOUNT], "amount", currency, &transfer->amount, error);
    if (rc == 0)
        rc = read_code(fields[CODE], &transfer->code, error);
    if (rc == 0)
        rc = value_reference(fields[REFERENCE], "reference", row->reference, error);
    if (rc != 0)
        return rc;
    transfer->reference = row->reference;
    transfer->ledger = currency->numeric;
    return 0;
}

const row_kind_t row_transfers = {
    .columns = {[ID] = "id",
                [DEBIT] = "debit_account_id",
                [CREDIT] = "credit_account_id",
                [AMOUNT] = "amount",
                [CURRENCY] = "currency",
                [CODE] = "code",
                [REFERENCE] = "reference"},
    .count = TRANSFER_COLUMNS,
    .required = REFERENCE,
    .read = read_transfer,
};

/* --------------------------------------------------------------------------------------- accounts
 */

enum { ACCOUNT_ID, ACCOUNT_CURRENCY, ACCOUNT_CODE, ACCOUNT_FLAGS, ACCOUNT_LIMIT, ACCOUNT_COLUMNS };

static int read_account(const char *const *fields, row_t *row, florin_error_t *error)
{
    Florin__V1__Account *account = &row->account;
    florin__v1__account__init(account);
    const florin_currency_t *currency;
    int rc = read_id(fields[ACCOUNT_ID], "id", row->ids[0], &account->id, error);
    if (rc == 0)
        rc = value_currency(fields[ACCOUNT_CURRENCY], "currency", &currency, error);
    if (rc == 0)
        rc = read_code(fields[ACCOUNT_CODE], &account->code, error);
    if (rc == 0)
        rc = value_account_flags_parse(fields[ACCOUNT_FLAGS], "flags", &account->flags, error);
    if (rc == 0 && *fields[ACCOUNT_LIMIT])
        rc = florin_money_parse(fields[ACCOUNT_LIMIT], "credit_limit", currency,
                                &account->credit_limit, error);
    if (rc == 0)
        account->ledger = currency->numeric;
    return rc;
}

const row_kind_t row_accounts = {
    .columns = {[ACCOUNT_ID] = "id",
                [ACCOUNT_CURRENCY] = "currency",
                [ACCOUNT_CODE] = "code",
                [ACCOUNT_FLAGS] = "flags",
                [ACCOUNT_LIMIT] = "credit_limit"},
    .count = ACCOUNT_COLUMNS,
    .required = ACCOUNT_FLAGS,
    .read = read_account,
};
