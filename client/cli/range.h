/* What statements and lists have in common: from when until when, which way, how many, in pages. */
#ifndef FLORIN_CLI_RANGE_H
#define FLORIN_CLI_RANGE_H

#include "client/cli/cli.h"

typedef struct {
    const char *from_text, *until_text, *limit_text; /* as typed, or NULL */
    bool newest_first;
    uint64_t from, until; /* ns since 1970; 0: no bound */
    uint64_t left;        /* how many are still to be shown */
} range_t;

/* --from, --until, --newest-first and --limit; its input is the range_t. */
extern const struct argp range_argp;

/* Reads what was typed. */
int range_read(range_t *self, florin_error_t *error) FLORIN_MUST_USE;

/* How many to ask for at once. */
uint32_t range_page(const range_t *self);

/* Says, after the last that was to be shown, which option goes on: "--from", "1795...". With --json
 * an object has the cursor, too. */
void range_tell_more(const cli_t *cli, const char *option, const char *value, const char *cursor);

#endif
