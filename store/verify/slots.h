/* Whether the map and the shards agree on where the slots are. */
#ifndef FLORIN_STORE_VERIFY_SLOTS_H
#define FLORIN_STORE_VERIFY_SLOTS_H

#include "store/verify/run.h"

extern const char florin_verify_sql_slots[];

int florin_verify_slots(florin_verify_run_t *self, const char *const *sql,
                        florin_error_t *error) FLORIN_MUST_USE;

#endif
