/* What an operator does to the databases: schema, shards, slots, risk rules. */
#ifndef FLORIN_STORE_ADMIN_H
#define FLORIN_STORE_ADMIN_H

#include "store/read/rules.h"

/* Brings a database ("control" or "shard") to the newest schema from the numbered files in
 * folder/kind. Safe to run twice and from two places at once; refuses when a file that was applied
 * has another checksum now, or when the database is newer than the folder. Gives way to whoever
 * keeps a table, and tries each file again for wait_ms; the log says who it is. *applied: how many.
 */
#define FLORIN_MIGRATE_WAIT_MS 60000
int florin_admin_migrate(const char *conninfo, const char *folder, const char *kind,
                         uint32_t wait_ms, size_t *applied, florin_error_t *error) FLORIN_MUST_USE;

/* Names the shards (their number is their place) in a control database that has none yet, and deals
 * the slots out to them: slot s to shard s modulo count. The same list again changes nothing;
 * another list is refused. Shards that have their schema already are claimed (see below), all or
 * none of them. */
int florin_admin_shards_set(const char *control, const char *const *conninfos, size_t count,
                            florin_error_t *error) FLORIN_MUST_USE;

/* One shard as the control database names it. */
typedef struct {
    char *conninfo;
    size_t slots; /* how many it holds */
} florin_shard_t;

/* Reads the list: *count shards, 0 when none are named yet. The caller frees it by
 * florin_admin_shards_free. */
int florin_admin_shards_list(const char *control, florin_shard_t **shards, size_t *count,
                             florin_error_t *error) FLORIN_MUST_USE;
void florin_admin_shards_free(florin_shard_t **shards, size_t count);

/* Writes into each shard's database which shard of which cluster it is, so that no program takes it
 * for another. One that says something else already is refused, and then none is written. *claimed:
 * how many are claimed now; those without a schema are passed over. */
int florin_admin_shards_claim(const char *control, size_t *claimed,
                              florin_error_t *error) FLORIN_MUST_USE;

/* Ends the writing in a shard's database for good, before it is copied or its standby promoted:
 * waits for the batches under way, as patient as a migration. What was retired before stays so. */
int florin_admin_shards_retire(const char *control, size_t shard, uint32_t wait_ms,
                               florin_error_t *error) FLORIN_MUST_USE;

/* Gives a shard another database, or the same one by another connection string. Refused unless it
 * has all that the shard's database has, which is retired first. When that one cannot be reached,
 * `old_is_gone` says that it never will be again by anybody, and that the new one has all of it. */
int florin_admin_shards_move(const char *control, size_t shard, const char *conninfo,
                             bool old_is_gone, uint32_t wait_ms,
                             florin_error_t *error) FLORIN_MUST_USE;

/* Sets, or with all maxima 0 takes away, a currency's rule; blocks, allows or frees an account. */
int florin_admin_ledger_rule_set(const char *control, const florin_ledger_rule_t *rule,
                                 florin_error_t *error) FLORIN_MUST_USE;
typedef enum { FLORIN_RULE_NONE, FLORIN_RULE_ALLOWED, FLORIN_RULE_BLOCKED } florin_rule_kind_t;
int florin_admin_account_rule_set(const char *control, florin_id_t account_id,
                                  florin_rule_kind_t kind, florin_error_t *error) FLORIN_MUST_USE;

#endif
