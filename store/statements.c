#include "store/statements.h"

#define ACCOUNT_COLUMNS                                                                            \
    "id, user_data, debits_pending, debits_posted, credits_pending, credits_posted,"               \
    " credit_limit, timestamp, timestamp_last, ledger, code, flags"

#define TRANSFER_COLUMNS                                                                           \
    "id, debit_account_id, credit_account_id, pending_id, user_data, amount, timestamp,"           \
    " timeout_s, ledger, code, flags, reference, result"

#define BALANCE_COLUMNS(side)                                                                      \
#side "_debits_pending, " #side "_debits_posted, " #side "_credits_pending, " #side            \
          "_credits_posted"

/* One side of an account's statement: the partial index gives it in order. */
#define STATEMENT_SIDE(side)                                                                       \
    "(SELECT " TRANSFER_COLUMNS                                                                    \
    ", " BALANCE_COLUMNS(side) " FROM transfers"                                                   \
                               " WHERE " #side "_account_id = $1::uuid AND " #side                 \
                               "_debits_posted IS NOT NULL"                                        \
                               " AND timestamp >= $2::bigint AND timestamp < $3::bigint"           \
                               " ORDER BY timestamp LIMIT $4::bigint)"

#define CONTROL FLORIN_STATEMENTS_CONTROL
#define SHARD   FLORIN_STATEMENTS_SHARD
#define ADMIN   FLORIN_STATEMENTS_ADMIN

const florin_statement_text_t florin_statements[FLORIN_SQL_COUNT] = {
    [FLORIN_SQL_MAP_CHECK] = {CONTROL, "map_check",
                              "SELECT (SELECT max(version) FROM schema_migrations),"
                              " (SELECT id FROM cluster)"},
    [FLORIN_SQL_MAP_SHARDS] = {CONTROL, "map_shards",
                               "SELECT shard, conninfo FROM shards ORDER BY shard"},
    [FLORIN_SQL_MAP_SLOTS] = {CONTROL, "map_slots", "SELECT slot, shard FROM slots ORDER BY slot"},
    [FLORIN_SQL_RULES_LEDGERS] = {CONTROL, "rules_ledgers",
                                  "SELECT ledger, amount_max, review_above, window_s,"
                                  " window_count_max, window_sum_max"
                                  " FROM risk_ledger_rules ORDER BY ledger"},
    [FLORIN_SQL_RULES_ACCOUNTS] = {CONTROL, "rules_accounts",
                                   "SELECT account_id, blocked FROM risk_account_rules"
                                   " ORDER BY account_id"},

    [FLORIN_SQL_IDENTITY] = {SHARD, "identity",
                             "SELECT (SELECT max(version) FROM schema_migrations), i.cluster,"
                             " i.shard, current_setting('max_prepared_transactions')::integer"
                             " FROM (VALUES (1)) one LEFT JOIN shard_identity i ON true"},
    [FLORIN_SQL_ACCOUNTS] = {SHARD, "accounts",
                             "SELECT " ACCOUNT_COLUMNS " FROM accounts WHERE id = ANY ($1::uuid[])"
                             " ORDER BY id"},
    [FLORIN_SQL_TRANSFERS] = {SHARD, "transfers",
                              "SELECT " TRANSFER_COLUMNS " FROM transfers"
                              " WHERE id = ANY ($1::uuid[]) ORDER BY id"},
    [FLORIN_SQL_ACCOUNT_EXISTS] = {SHARD, "account_exists",
                                   "SELECT EXISTS (SELECT FROM accounts WHERE id = $1::uuid)"},
    [FLORIN_SQL_STATEMENT] = {SHARD, "statement",
                              STATEMENT_SIDE(debit) " UNION ALL " STATEMENT_SIDE(
                                  credit) " ORDER BY timestamp LIMIT $4::bigint"},
    /* Never reads more rows of an account than its limit on their number: past that, the number
     * alone declines. */
    [FLORIN_SQL_WINDOWS] = {SHARD, "windows",
                            "SELECT w.place, latest.number, latest.sum"
                            " FROM unnest ($1::uuid[], $2::bigint[], $3::integer[])"
                            " WITH ORDINALITY AS w (account_id, since, number_max, place)"
                            " CROSS JOIN LATERAL (SELECT count(*) AS number,"
                            " coalesce(sum(amount), 0)::bigint AS sum FROM (SELECT amount"
                            " FROM transfers WHERE debit_account_id = w.account_id"
                            " AND timestamp > w.since AND debit_debits_posted IS NOT NULL"
                            " ORDER BY timestamp DESC LIMIT w.number_max) AS rows) AS latest"},
    /* numeric comes as text: a sum may pass 64 bits. */
    [FLORIN_SQL_TRIAL] = {SHARD, "trial",
                          "SELECT ledger, code, count(*), sum(debits_pending)::text,"
                          " sum(debits_posted)::text, sum(credits_pending)::text,"
                          " sum(credits_posted)::text FROM accounts GROUP BY ledger, code"
                          " ORDER BY ledger, code LIMIT $1::bigint"},

    [FLORIN_SQL_HOLD] = {SHARD, "hold", "SELECT pg_advisory_xact_lock($1::bigint)"},
    [FLORIN_SQL_ACCOUNTS_LOCK] = {SHARD, "accounts_lock",
                                  "SELECT " ACCOUNT_COLUMNS " FROM accounts"
                                  " WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE"},
    [FLORIN_SQL_ACCOUNTS_INSERT] = {SHARD, "accounts_insert",
                                    "INSERT INTO accounts (" ACCOUNT_COLUMNS ")"
                                    " SELECT * FROM unnest ($1::uuid[], $2::uuid[], $3::bigint[],"
                                    " $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],"
                                    " $8::bigint[], $9::bigint[], $10::bigint[], $11::integer[],"
                                    " $12::integer[])"},
    [FLORIN_SQL_ACCOUNTS_UPDATE] = {SHARD, "accounts_update",
                                    "UPDATE accounts SET debits_pending = v.debits_pending,"
                                    " debits_posted = v.debits_posted,"
                                    " credits_pending = v.credits_pending,"
                                    " credits_posted = v.credits_posted, flags = v.flags,"
                                    " timestamp_last = v.timestamp_last"
                                    " FROM unnest ($1::uuid[], $2::bigint[], $3::bigint[],"
                                    " $4::bigint[], $5::bigint[], $6::integer[], $7::bigint[])"
                                    " AS v (id, debits_pending, debits_posted, credits_pending,"
                                    " credits_posted, flags, timestamp_last)"
                                    " WHERE accounts.id = v.id"},
    [FLORIN_SQL_TRANSFERS_INSERT] = {SHARD, "transfers_insert",
                                     "INSERT INTO transfers (" TRANSFER_COLUMNS
                                     ", " BALANCE_COLUMNS(debit) ", " BALANCE_COLUMNS(
                                         credit) ")"
                                                 " SELECT * FROM unnest ($1::uuid[], $2::uuid[],"
                                                 " $3::uuid[], $4::uuid[], $5::uuid[],"
                                                 " $6::bigint[], $7::bigint[], $8::bigint[],"
                                                 " $9::bigint[], $10::integer[], $11::integer[],"
                                                 " $12::text[], $13::integer[], $14::bigint[],"
                                                 " $15::bigint[], $16::bigint[], $17::bigint[],"
                                                 " $18::bigint[], $19::bigint[], $20::bigint[],"
                                                 " $21::bigint[])"},
    [FLORIN_SQL_WAS_WRITTEN] = {SHARD, "was_written",
                                "SELECT EXISTS (SELECT FROM transfers WHERE id = $1::uuid"
                                " AND timestamp = $2::bigint) OR EXISTS (SELECT FROM accounts"
                                " WHERE id = $1::uuid AND timestamp = $2::bigint)"},

    [FLORIN_SQL_DECIDE] = {SHARD, "decide",
                           "INSERT INTO decisions (batch, decision) VALUES ($1::uuid, 'commit')"},
    [FLORIN_SQL_FENCE] = {SHARD, "fence",
                          "INSERT INTO decisions (batch, decision) VALUES ($1::uuid, 'abort')"
                          " ON CONFLICT (batch) DO NOTHING"},
    [FLORIN_SQL_DECISION] = {SHARD, "decision",
                             "SELECT decision = 'commit' FROM decisions WHERE batch = $1::uuid"},
    [FLORIN_SQL_DECISIONS_OLD] = {SHARD, "decisions_old",
                                  "SELECT batch FROM decisions WHERE decision = 'commit'"
                                  " AND decided_at < now() - interval '1 minute' LIMIT 1000"},
    [FLORIN_SQL_FORGET] = {SHARD, "forget", "DELETE FROM decisions WHERE batch = ANY ($1::uuid[])"},
    [FLORIN_SQL_FORGET_FENCES] = {SHARD, "forget_fences",
                                  "DELETE FROM decisions WHERE decision = 'abort'"
                                  " AND decided_at < now() - interval '1 day'"},
    [FLORIN_SQL_IN_DOUBT] = {SHARD, "in_doubt",
                             "SELECT gid, prepared < clock_timestamp()"
                             " - $1::bigint * interval '1 millisecond' FROM pg_prepared_xacts"
                             " WHERE database = current_database() AND gid LIKE 'florin:%'"
                             " ORDER BY prepared LIMIT 1000"},

    [FLORIN_SQL_SHARDS_LIST] = {ADMIN, "shards_list",
                                "SELECT conninfo, (SELECT count(*) FROM slots"
                                " WHERE slots.shard = shards.shard), (SELECT id FROM cluster)"
                                " FROM shards ORDER BY shard"},
    [FLORIN_SQL_SHARD_ADD] = {ADMIN, "shard_add",
                              "INSERT INTO shards (shard, conninfo) VALUES ($1::integer,"
                              " $2::text)"},
    [FLORIN_SQL_SLOTS_DEAL] = {ADMIN, "slots_deal",
                               "INSERT INTO slots (slot, shard) SELECT slot, slot % $1::integer"
                               " FROM generate_series(0, 1023) AS slot"},
    [FLORIN_SQL_LEDGER_RULE_SET] = {ADMIN, "ledger_rule_set",
                                    "INSERT INTO risk_ledger_rules (ledger, amount_max,"
                                    " review_above, window_s, window_count_max, window_sum_max)"
                                    " VALUES ($1::bigint, $2::bigint, $3::bigint, $4::integer,"
                                    " $5::integer, $6::bigint) ON CONFLICT (ledger) DO UPDATE SET"
                                    " amount_max = excluded.amount_max,"
                                    " review_above = excluded.review_above,"
                                    " window_s = excluded.window_s,"
                                    " window_count_max = excluded.window_count_max,"
                                    " window_sum_max = excluded.window_sum_max"},
    [FLORIN_SQL_LEDGER_RULE_DROP] = {ADMIN, "ledger_rule_drop",
                                     "DELETE FROM risk_ledger_rules WHERE ledger = $1::bigint"},
    [FLORIN_SQL_ACCOUNT_RULE_SET] = {ADMIN, "account_rule_set",
                                     "INSERT INTO risk_account_rules (account_id, blocked)"
                                     " VALUES ($1::uuid, $2::boolean) ON CONFLICT (account_id)"
                                     " DO UPDATE SET blocked = excluded.blocked"},
    [FLORIN_SQL_ACCOUNT_RULE_DROP] = {ADMIN, "account_rule_drop",
                                      "DELETE FROM risk_account_rules"
                                      " WHERE account_id = $1::uuid"},
};
