/* Rows of aligned columns on stdout. */
#ifndef FLORIN_CLI_TABLE_H
#define FLORIN_CLI_TABLE_H

#include <stdio.h>

#include "lib/error.h"

#define TABLE_COLUMNS_MAX 16

typedef struct table table_t;

/* Column titles, NULL at the end; one that begins with '>' is right-aligned. Never NULL: a command
 * that has no memory ends. */
table_t *table_new(FILE *out, const char *const *titles);
void table_destroy(table_t **self_p);

/* The next cell, made printable; a row is whole when it has as many cells as there are titles. */
void table_cell(table_t *self, const char *format, ...) FLORIN_PRINTF(2, 3);

/* Writes the rows so far, the titles above the first, and forgets them. Columns never get narrower
 * from one call to the next. */
void table_print(table_t *self);

/* Columns on a terminal that a UTF-8 text takes, each character counted as one. */
size_t table_width(const char *text);

#endif
