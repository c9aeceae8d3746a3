/* What an operator does to the databases: schema, shards, slots, risk rules. */
#ifndef FLORIN_STORE_ADMIN_H
#define FLORIN_STORE_ADMIN_H

#include "store/rules.h"

/* Brings a database ("control" or "shard") to the newest schema from the numbered files in
 * folder/kind. Safe to run twice and from two places at once; refuses when a file that was applied
 * has another checksum now, or when the database is newer than the folder. *applied: how many. */
int florin_admin_migrate(const char *conninfo, const char *folder, const char *kind,
                         size_t *applied, florin_error_t *error) FLORIN_MUST_USE;

/* Names the shards (their number is their place) in a control database that has none yet, and deals
 * the slots out to them: slot s to shard s modulo count. The same list again changes nothing;
 * another list is refused. */
int florin_admin_shards_set(const char *control, const char *const *conninfos, size_t count,
                            florin_error_t *error) FLORIN_MUST_USE;

/* Sets, or with all maxima 0 takes away, a currency's rule; blocks, allows or frees an account. */
int florin_admin_ledger_rule_set(const char *control, const florin_ledger_rule_t *rule,
                                 florin_error_t *error) FLORIN_MUST_USE;
typedef enum { FLORIN_RULE_NONE, FLORIN_RULE_ALLOWED, FLORIN_RULE_BLOCKED } florin_rule_kind_t;
int florin_admin_account_rule_set(const char *control, florin_id_t account_id,
                                  florin_rule_kind_t kind, florin_error_t *error) FLORIN_MUST_USE;

#endif
