/* The words of a command line that are no options: ID, AMOUNT and the like. */
#ifndef FLORIN_CLI_WORDS_H
#define FLORIN_CLI_WORDS_H

#include <argp.h>

#define WORDS_MAX 4

typedef struct {
    unsigned least, most;
    const char *needed; /* told when there are too few or too many: "the ID of an account" */
    const char *at[WORDS_MAX];
} words_t;

/* Its input is the words_t; for the children of a command's argp. */
extern const struct argp words_argp;

#endif
