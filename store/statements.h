/* All of the SQL that runs while the books are open, prepared once a session. */
#ifndef FLORIN_STORE_STATEMENTS_H
#define FLORIN_STORE_STATEMENTS_H

/* The newest file of sql/control and sql/shard: what this program was built for. */
#define FLORIN_SCHEMA_CONTROL 2
#define FLORIN_SCHEMA_SHARD   7

/* What a server calls a second row of the same key, and what a statement that writes calls it when
 * it wrote other rows than it was given. */
#define FLORIN_SQLSTATE_UNIQUE  "23505"
#define FLORIN_SQLSTATE_WRITTEN "22P02"

typedef enum {
    FLORIN_STATEMENTS_NONE, /* a bare session: no schema is needed */
    FLORIN_STATEMENTS_CONTROL,
    FLORIN_STATEMENTS_SHARD,
    FLORIN_STATEMENTS_ADMIN /* of the control database */
} florin_statement_kind_t;

typedef enum {
    /* control */
    FLORIN_SQL_MAP_CHECK,
    FLORIN_SQL_MAP_SHARDS,
    FLORIN_SQL_MAP_SLOTS,
    FLORIN_SQL_RULES_LEDGERS,
    FLORIN_SQL_RULES_ACCOUNTS,
    /* shards: reading */
    FLORIN_SQL_IDENTITY,
    FLORIN_SQL_CLOCK,
    FLORIN_SQL_ACCOUNTS,
    FLORIN_SQL_TRANSFERS,
    FLORIN_SQL_PENDING_ACCOUNTS,
    FLORIN_SQL_STATEMENT,
    FLORIN_SQL_STATEMENT_BACK,
    /* These eight in this order: florin_store_list_* count on it. */
    FLORIN_SQL_LIST_ACCOUNTS,
    FLORIN_SQL_LIST_ACCOUNTS_BACK,
    FLORIN_SQL_LIST_ACCOUNTS_OF,
    FLORIN_SQL_LIST_ACCOUNTS_OF_BACK,
    FLORIN_SQL_LIST_TRANSFERS,
    FLORIN_SQL_LIST_TRANSFERS_BACK,
    FLORIN_SQL_LIST_TRANSFERS_OF,
    FLORIN_SQL_LIST_TRANSFERS_OF_BACK,
    FLORIN_SQL_WINDOWS,
    FLORIN_SQL_TRIAL,
    FLORIN_SQL_TRIAL_LEDGER,
    FLORIN_SQL_PREPARED,
    FLORIN_SQL_SNAPSHOT,
    FLORIN_SQL_CROSSINGS,
    /* shards: batches */
    FLORIN_SQL_HOLD,
    FLORIN_SQL_HOLD_AND_BEGIN_CHAIN,
    FLORIN_SQL_ACCOUNTS_LOCK,
    FLORIN_SQL_ACCOUNTS_LOCK_FREE,
    FLORIN_SQL_ACCOUNTS_KEPT,
    FLORIN_SQL_OVERDUE,
    FLORIN_SQL_OVERDUE_OF,
    FLORIN_SQL_ACCOUNTS_INSERT,
    FLORIN_SQL_ACCOUNTS_UPDATE,
    FLORIN_SQL_TRANSFERS_INSERT,
    FLORIN_SQL_PENDINGS_WRITE,
    FLORIN_SQL_LIMITS_UPDATE,
    FLORIN_SQL_LIMITS_INSERT,
    FLORIN_SQL_CROSSINGS_INSERT,
    FLORIN_SQL_SEAL_HEADS,
    FLORIN_SQL_WAS_WRITTEN,
    /* shards: two-phase commit */
    FLORIN_SQL_DECIDE,
    FLORIN_SQL_FENCE,
    FLORIN_SQL_DECISION,
    FLORIN_SQL_DECISIONS_OLD,
    FLORIN_SQL_FORGET,
    FLORIN_SQL_FORGET_FENCES,
    FLORIN_SQL_FORGET_CROSSINGS,
    FLORIN_SQL_IN_DOUBT,
    FLORIN_SQL_AWAIT_STANDBY,
    /* admin */
    FLORIN_SQL_SHARDS_LIST,
    FLORIN_SQL_SHARD_ADD,
    FLORIN_SQL_SLOTS_DEAL,
    FLORIN_SQL_LEDGER_RULE_SET,
    FLORIN_SQL_LEDGER_RULE_DROP,
    FLORIN_SQL_ACCOUNT_RULE_SET,
    FLORIN_SQL_ACCOUNT_RULE_DROP,
    FLORIN_SQL_COUNT
} florin_statement_t;

typedef struct {
    florin_statement_kind_t kind;
    const char *name; /* as pg_prepared_statements shows it */
    const char *sql;
} florin_statement_text_t;

extern const florin_statement_text_t florin_statements[FLORIN_SQL_COUNT];

#endif
