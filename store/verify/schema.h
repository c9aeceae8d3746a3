/* Whether the shards' schema is what the migrations make. */
#ifndef FLORIN_STORE_VERIFY_SCHEMA_H
#define FLORIN_STORE_VERIFY_SCHEMA_H

#include "store/verify/run.h"

/* Name ("index transfers_by_time") and definition of each object, by name. */
extern const char florin_verify_sql_schema[];

/* Whether verification misses an object when it is gone. */
bool florin_verify_schema_lists(const char *name);

int florin_verify_schema(florin_verify_run_t *self, const char *const *sql,
                         florin_error_t *error) FLORIN_MUST_USE;

#endif
