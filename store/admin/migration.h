/* Migrations as files: NNNN_name.sql, each with lines at its head that say how it is applied and
 * which programs it lets go on:
 *
 *   -- florin: reads 2, writes 3   a program built for schema 2 may read a database that has this
 *                                  file, one built for 3 may write it, too; without it: none older
 *   -- florin: concurrently        without a transaction, statement by statement, for what must not
 *                                  hold a lock while it works: each of them can be repeated */
#ifndef FLORIN_STORE_MIGRATION_H
#define FLORIN_STORE_MIGRATION_H

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"

#define FLORIN_MIGRATION_NAME_BYTES 100
#define FLORIN_MIGRATION_PATH_BYTES 4096

typedef struct {
    unsigned version;
    char name[FLORIN_MIGRATION_NAME_BYTES]; /* "0001_books.sql" */
    uint8_t sha256[crypto_hash_sha256_BYTES];
    char *sql;
    unsigned reads_from, writes_from; /* the oldest programs, by the schema they were built for */
    bool concurrently;
} florin_migration_t;

typedef struct {
    char folder[FLORIN_MIGRATION_PATH_BYTES];
    florin_migration_t *files; /* by version, from 1 on */
    size_t count;
} florin_migrations_t;

/* Reads folder/kind; the caller clears what was read, also after an error. */
int florin_migrations_read(florin_migrations_t *self, const char *folder, const char *kind,
                           florin_error_t *error) FLORIN_MUST_USE;
void florin_migrations_clear(florin_migrations_t *self);

/* Reads the head of a file whose version and sql are set. */
int florin_migration_read_head(florin_migration_t *file, florin_error_t *error) FLORIN_MUST_USE;

/* The next statement of a text, without comments before it and the semicolon after it, and moves
 * *sql behind it; false when there is none. Knows quotes, dollar quotes and comments. */
bool florin_migration_next(const char **sql, const char **statement, size_t *length);

#endif
