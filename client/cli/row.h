/* Rows of the files that `import` takes, as messages. Pure. */
#ifndef FLORIN_CLI_ROW_H
#define FLORIN_CLI_ROW_H

#include "client/cli/csv.h"
#include "florin/v1/florin.pb-c.h"
#include "lib/id.h"
#include "lib/limits.h"

#define ROW_COLUMNS_MAX 12

/* One row, and the bytes that its message's fields point to. */
typedef struct {
    size_t line;
    union {
        Florin__V1__Transfer transfer;
        Florin__V1__Account account;
    };
    uint8_t ids[5][FLORIN_ID_BYTES];
    char reference[FLORIN_REFERENCE_BYTES_MAX + 1];
} row_t;

/* A kind of file: its columns, and how a row is read. The required ones come first. */
typedef struct {
    const char *columns[ROW_COLUMNS_MAX];
    size_t count, required;
    /* `fields` has the row's text for each of `columns`, "" for one that is not in the file. Errors
     * name the column, and the line: "17: amount: ...". */
    int (*read)(const char *const *fields, row_t *row, florin_error_t *error);
} row_kind_t;

extern const row_kind_t row_transfers;
extern const row_kind_t row_accounts;

/* Whether the row stands or falls with the next one. */
bool row_is_linked(const row_kind_t *kind, const row_t *row);
/* Whether it brings its own timestamp. */
bool row_is_imported(const row_kind_t *kind, const row_t *row);

/* Where each column stands in the file; SIZE_MAX for one that is not there. */
typedef struct {
    size_t at[ROW_COLUMNS_MAX];
    size_t fields; /* that every row must have */
} row_header_t;

int row_read_header(const row_kind_t *kind, const csv_record_t *record, row_header_t *header,
                    florin_error_t *error) FLORIN_MUST_USE;
int row_read(const row_kind_t *kind, const row_header_t *header, const csv_record_t *record,
             row_t *row, florin_error_t *error) FLORIN_MUST_USE;

#endif
