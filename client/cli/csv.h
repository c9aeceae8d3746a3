/* CSV files as RFC 4180 has them: quotes, doubled quotes, line breaks within quotes; lines end in
 * \n or \r\n. Strict where the RFC is, and bounded: a record is read at a time. */
#ifndef FLORIN_CLI_CSV_H
#define FLORIN_CLI_CSV_H

#include <stdio.h>

#include "lib/error.h"

#define CSV_FIELDS_MAX       32
#define CSV_RECORD_BYTES_MAX 16384

typedef struct {
    FILE *file;   /* borrowed */
    size_t line;  /* of what is read next, from 1 */
    size_t bytes; /* read so far */
} csv_t;

typedef struct {
    size_t line; /* where it begins */
    size_t count;
    const char *fields[CSV_FIELDS_MAX]; /* NUL-terminated, in `text` */
    char text[CSV_RECORD_BYTES_MAX];
} csv_record_t;

/* Starts at the file's beginning. */
void csv_start(csv_t *self, FILE *file);

/* Reads the next record that is not an empty line. 1: there is one; 0: the file has ended; or an
 * error, whose message begins with the line: "17: a quote is not closed". */
int csv_read(csv_t *self, csv_record_t *record, florin_error_t *error) FLORIN_MUST_USE;

#endif
