/* How far an import is: a bar on a terminal, otherwise a line every few seconds. On stderr. */
#ifndef FLORIN_CLI_PROGRESS_H
#define FLORIN_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
    bool terminal;
    bool drawn; /* a bar stands on the line */
    uint64_t started_ms, shown_ms;
    uint64_t bytes_total; /* of the file; 0 when it has no size, as a pipe */
} progress_t;

void progress_start(progress_t *self, FILE *file);

/* Shows rows done and bytes read, if it is time to. */
void progress_show(progress_t *self, uint64_t rows, uint64_t bytes);

/* Takes the bar away, so that a line may be written. */
void progress_clear(progress_t *self);

/* The bar's text: "[######......]  50%  12,345 rows  1,234/s". Returns text. */
char *progress_format(const progress_t *self, uint64_t rows, uint64_t bytes, uint64_t elapsed_ms,
                      char *text, size_t text_bytes);

/* A number with its thousands set off: "1,234,567". `text` holds PROGRESS_NUMBER_BYTES. */
#define PROGRESS_NUMBER_BYTES 28
char *progress_number(uint64_t number, char *text);

#endif
