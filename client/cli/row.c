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

/* An id that may be left out. */
static int read_id_if_any(const char *text, const char *what, uint8_t *bytes,
                          ProtobufCBinaryData *field, florin_error_t *error)
{
    return *text ? read_id(text, what, bytes, field, error) : 0;
}

static int read_timestamp(const char *text, bool imported, uint64_t *timestamp,
                          florin_error_t *error)
{
    if (imported)
        return value_time_parse(text, "timestamp", timestamp, error);
    if (*text)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "timestamp: only a row with the flag imported brings its own");
    return 0;
}

/* -------------------------------------------------------------------------------------- transfers
 */

enum {
    ID,
    DEBIT,
    CREDIT,
    AMOUNT,
    CURRENCY,
    CODE,
    REFERENCE,
    FLAGS,
    PENDING_ID,
    TIMEOUT,
    USER_DATA,
    TIMESTAMP,
    TRANSFER_COLUMNS
};

#define FLAG(name) FLORIN__V1__TRANSFER_FLAG__TRANSFER_FLAG_##name

static bool resolves_pending(uint32_t flags)
{
    return flags & (FLAG(POST_PENDING_TRANSFER) | FLAG(VOID_PENDING_TRANSFER));
}

/* Reads which transfer is posted or voided: all that do either name one, and no other does. */
static int read_pending_id(const char *text, row_t *row, florin_error_t *error)
{
    if (resolves_pending(row->transfer.flags))
        return read_id(text, "pending_id", row->ids[3], &row->transfer.pending_id, error);
    if (*text)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "pending_id: only a row with the flag post_pending_transfer or "
                                "void_pending_transfer names one");
    return 0;
}

/* Reads both accounts, the ledger and the code: those left empty in a post or void are as in the
 * pending transfer. *currency is NULL when none is given. */
static int read_terms(const char *const *fields, row_t *row, const florin_currency_t **currency,
                      florin_error_t *error)
{
    Florin__V1__Transfer *transfer = &row->transfer;
    bool resolves = resolves_pending(transfer->flags);
    int (*read)(const char *, const char *, uint8_t *, ProtobufCBinaryData *, florin_error_t *) =
        resolves ? read_id_if_any : read_id;
    *currency = NULL;
    int rc =
        read(fields[DEBIT], "debit_account_id", row->ids[1], &transfer->debit_account_id, error);
    if (rc == 0)
        rc = read(fields[CREDIT], "credit_account_id", row->ids[2], &transfer->credit_account_id,
                  error);
    if (rc == 0 && (*fields[CURRENCY] || !resolves))
        rc = value_currency(fields[CURRENCY], "currency", currency, error);
    if (rc == 0 && *currency)
        transfer->ledger = (*currency)->numeric;
    if (rc == 0 && (*fields[CODE] || !resolves))
        rc = read_code(fields[CODE], &transfer->code, error);
    return rc;
}

/* "max" is as much as there is: what a post that says nothing moves. A void releases all. */
static int read_amount(const char *text, uint32_t flags, const florin_currency_t *currency,
                       uint64_t *amount, florin_error_t *error)
{
    bool max = strcmp(text, "max") == 0;
    if (max &&
        !(flags & (FLAG(POST_PENDING_TRANSFER) | FLAG(BALANCING_DEBIT) | FLAG(BALANCING_CREDIT))))
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "amount: \"max\" is for rows that post or balance");
    if (max || (!*text && resolves_pending(flags)))
        *amount = flags & FLAG(VOID_PENDING_TRANSFER) ? 0 : FLORIN_AMOUNT_MAX;
    else if (!currency)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "currency: it is needed to read the amount \"%.40s\"", text);
    else
        return florin_money_parse(text, "amount", currency, amount, error);
    return 0;
}

static int read_timeout(const char *text, uint32_t *timeout, florin_error_t *error)
{
    uint64_t seconds = 0;
    int rc = *text ? value_number(text, "timeout", 0, UINT32_MAX, &seconds, error) : 0;
    *timeout = (uint32_t)seconds;
    return rc;
}

static int read_transfer(const char *const *fields, row_t *row, florin_error_t *error)
{
    Florin__V1__Transfer *transfer = &row->transfer;
    florin__v1__transfer__init(transfer);
    const florin_currency_t *currency;
    int rc = read_id(fields[ID], "id", row->ids[0], &transfer->id, error);
    if (rc == 0)
        rc = value_transfer_flags_parse(fields[FLAGS], "flags", &transfer->flags, error);
    if (rc == 0)
        rc = read_pending_id(fields[PENDING_ID], row, error);
    if (rc == 0)
        rc = read_terms(fields, row, &currency, error);
    if (rc == 0)
        rc = read_amount(fields[AMOUNT], transfer->flags, currency, &transfer->amount, error);
    if (rc == 0)
        rc = value_reference(fields[REFERENCE], "reference", row->reference, error);
    if (rc == 0)
        rc = read_timeout(fields[TIMEOUT], &transfer->timeout, error);
    if (rc == 0)
        rc = read_id_if_any(fields[USER_DATA], "user_data", row->ids[4], &transfer->user_data,
                            error);
    if (rc == 0)
        rc = read_timestamp(fields[TIMESTAMP], transfer->flags & FLAG(IMPORTED),
                            &transfer->timestamp, error);
    transfer->reference = row->reference;
    return rc;
}

const row_kind_t row_transfers = {
    .columns = {[ID] = "id",
                [DEBIT] = "debit_account_id",
                [CREDIT] = "credit_account_id",
                [AMOUNT] = "amount",
                [CURRENCY] = "currency",
                [CODE] = "code",
                [REFERENCE] = "reference",
                [FLAGS] = "flags",
                [PENDING_ID] = "pending_id",
                [TIMEOUT] = "timeout",
                [USER_DATA] = "user_data",
                [TIMESTAMP] = "timestamp"},
    .count = TRANSFER_COLUMNS,
    .required = REFERENCE,
    .read = read_transfer,
};

/* --------------------------------------------------------------------------------------- accounts
 */

enum {
    ACCOUNT_ID,
    ACCOUNT_CURRENCY,
    ACCOUNT_CODE,
    ACCOUNT_FLAGS,
    ACCOUNT_LIMIT,
    ACCOUNT_USER_DATA,
    ACCOUNT_TIMESTAMP,
    ACCOUNT_COLUMNS
};

#define ACCOUNT_FLAG(name) FLORIN__V1__ACCOUNT_FLAG__ACCOUNT_FLAG_##name

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
        rc = read_id_if_any(fields[ACCOUNT_USER_DATA], "user_data", row->ids[1],
                            &account->user_data, error);
    if (rc == 0)
        rc = read_timestamp(fields[ACCOUNT_TIMESTAMP], account->flags & ACCOUNT_FLAG(IMPORTED),
                            &account->timestamp, error);
    if (rc == 0)
        account->ledger = currency->numeric;
    return rc;
}

const row_kind_t row_accounts = {
    .columns = {[ACCOUNT_ID] = "id",
                [ACCOUNT_CURRENCY] = "currency",
                [ACCOUNT_CODE] = "code",
                [ACCOUNT_FLAGS] = "flags",
                [ACCOUNT_LIMIT] = "credit_limit",
                [ACCOUNT_USER_DATA] = "user_data",
                [ACCOUNT_TIMESTAMP] = "timestamp"},
    .count = ACCOUNT_COLUMNS,
    .required = ACCOUNT_FLAGS,
    .read = read_account,
};

/* ------------------------------------------------------------------------------------------- both
 */

bool row_is_linked(const row_kind_t *kind, const row_t *row)
{
    return kind == &row_transfers ? row->transfer.flags & FLAG(LINKED)
                                  : row->account.flags & ACCOUNT_FLAG(LINKED);
}

bool row_is_imported(const row_kind_t *kind, const row_t *row)
{
    return kind == &row_transfers ? row->transfer.flags & FLAG(IMPORTED)
                                  : row->account.flags & ACCOUNT_FLAG(IMPORTED);
}
