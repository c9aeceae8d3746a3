#include "store/statements.h"

#define ACCOUNT_COLUMNS                                                                            \
    "id, user_data, debits_pending, debits_posted, credits_pending, credits_posted,"               \
    " credit_limit, timestamp, timestamp_last, ledger, code, flags"

#define TRANSFER_COLUMNS                                                                           \
    "id, debit_account_id, credit_account_id, pending_id, user_data, amount, timestamp,"           \
    " timeout_s, ledger, code, flags, reference, result"

#define DEBIT_BALANCES                                                                             \
    "debit_debits_pending, debit_debits_posted, debit_credits_pending, debit_credits_posted"

#define CREDIT_BALANCES                                                                            \
    "credit_debits_pending, credit_debits_posted, credit_credits_pending, credit_credits_posted"

/* Whether a transaction wrote the row; rows have the lower half of its number. */
#define BY_TRANSACTION_3 "xmin::text::bigint = $3::bigint"

/* A page of one side of an account's statement: its transfers, or its pending transfers that
 * expired. The partial indexes give them in order. */
#define PAGE(time, order)                                                                          \
    " AND " time " >= $2::bigint AND " time " < $3::bigint ORDER BY " time order " LIMIT "         \
    "$4::bigint"
#define BOOKED(side, balances, order)                                                              \
    "(SELECT " TRANSFER_COLUMNS ", false, timestamp AS at, " balances " FROM transfers"            \
    " WHERE " side "_account_id = $1::uuid AND " side                                              \
    "_debits_posted IS NOT NULL" PAGE("timestamp", order) ")"
#define EXPIRED(side, balances, order)                                                             \
    "(SELECT t.*, true, p.resolved_at, " balances " FROM (SELECT * FROM pending_transfers"         \
    " WHERE status = 4 AND " side "_account_id = $1::uuid AND " side                               \
    "_debits_posted IS NOT NULL" PAGE("resolved_at",                                               \
                                      order) ") AS p CROSS JOIN LATERAL"                           \
                                             " (SELECT " TRANSFER_COLUMNS                          \
                                             " FROM transfers WHERE transfers.id = p.id) AS t)"
#define STATEMENT_PAGE(order)                                                                      \
    BOOKED("debit", DEBIT_BALANCES, order)                                                         \
    " UNION ALL " BOOKED("credit", CREDIT_BALANCES, order) " UNION ALL " EXPIRED(                  \
        "debit", DEBIT_BALANCES, order) " UNION ALL " EXPIRED("credit", CREDIT_BALANCES,           \
                                                              order) " ORDER BY at" order          \
                                                                     " LIMIT $4::bigint"

/* A page of a list, after a row's timestamp and id: what matches among the next 8,192 rows, and the
 * last of these in any case, to say how far it came. It stops earlier when it has its page. */
#define LIST(columns, from, user_data, beyond, order)                                              \
    "SELECT " columns ", matches, n = 8192 AS ends FROM (SELECT " columns                          \
    ", ($3::bigint = 0 OR ledger = $3::bigint) AND ($4::integer = 0 OR code = $4::integer)"        \
    " AS matches, row_number() OVER (ORDER BY timestamp" order ", id" order ") AS n FROM " from    \
    " AND timestamp >= $1::bigint AND timestamp < $2::bigint"                                      \
    " AND (timestamp, id) " beyond " ($5::bigint, $6::uuid)" user_data " ORDER BY timestamp" order \
    ", id" order " LIMIT 8192) AS looked WHERE matches OR n = 8192 ORDER BY timestamp" order       \
    ", id" order " LIMIT $7::bigint"
#define LIST_ACCOUNTS(user_data, beyond, order)                                                    \
    LIST(ACCOUNT_COLUMNS, "accounts WHERE true", user_data, beyond, order)
#define LIST_TRANSFERS(user_data, beyond, order)                                                   \
    LIST(TRANSFER_COLUMNS, "transfers WHERE debit_debits_posted IS NOT NULL", user_data, beyond,   \
         order)
#define OF_USER_DATA " AND user_data = $8::uuid"

/* numeric comes as text: a sum may pass 64 bits. */
#define SUMS                                                                                       \
    "count(*), sum(debits_pending)::text, sum(debits_posted)::text, sum(credits_pending)::text,"   \
    " sum(credits_posted)::text"

/* A statement that writes as many rows as its first array has elements, or fails: whoever kept one
 * back, a trigger or a rule, keeps all of the transaction back. The sentence becomes the error's
 * (FLORIN_SQLSTATE_WRITTEN): it is no number. */
#define COUNTED(table, sql, wanted)                                                                \
    "WITH written AS (" sql " RETURNING 1) SELECT CASE WHEN count(*) = " wanted " THEN 0 ELSE"     \
    " ('only ' || count(*) || ' of ' || " wanted " || ' rows of " table                            \
    " were written')::integer END"                                                                 \
    " FROM written"
#define WRITES(table, sql) COUNTED(table, sql, "cardinality($1::uuid[])")

/* Accounts in the order of their ids, each by its newest version first: while somebody keeps an old
 * snapshot, an account that moves leaves an entry in the index for each page that its versions have
 * filled. Those of one id lie in the order of their places, and the newest place is the highest,
 * but for what was vacuumed in between. */
#define ACCOUNTS_OF(columns, clause)                                                               \
    "SELECT a.* FROM (SELECT unnest($1::uuid[]) AS wanted ORDER BY wanted) AS v CROSS JOIN"        \
    " LATERAL (SELECT " columns " FROM accounts WHERE id >= wanted AND id <= wanted"               \
    " ORDER BY id DESC LIMIT 1" clause ") AS a"
/* With where they are, until they are changed. */
#define LOCK_ACCOUNTS(how) ACCOUNTS_OF(ACCOUNT_COLUMNS ", ctid, place", " FOR UPDATE" how)

/* What holds something on one side of some accounts, and its time is up: the first few of each. */
#define OVERDUE_OF(accounts, side, is_credit)                                                      \
    "SELECT p.*, " is_credit " FROM unnest(" accounts                                              \
    "::uuid[]) AS a CROSS JOIN LATERAL (SELECT id, debit_account_id, credit_account_id"            \
    " FROM pending_transfers WHERE " side "_account_id = a AND status = 1"                         \
    " AND expires_at <= $3::bigint ORDER BY expires_at LIMIT $4::bigint) AS p"

/* Also a fence: whoever changes what the last two columns say locks shard_identity for itself
 * first. So it waits for all batches that have read them, to their end, and whoever reads them
 * waits for it: the server locks what a statement reads before it takes its snapshot. */
#define HOLD                                                                                       \
    "SELECT pg_advisory_xact_lock($1::bigint), pg_current_xact_id(), clock_timestamp(),"           \
    " (SELECT epoch FROM shard_identity WHERE NOT retired),"                                       \
    " (SELECT max(writes_from) FROM schema_migrations)"

#define STATEMENT(id, kind, name, sql) [FLORIN_SQL_##id] = {FLORIN_STATEMENTS_##kind, name, sql}

const florin_statement_text_t florin_statements[FLORIN_SQL_COUNT] = {
    STATEMENT(
        MAP_CHECK, CONTROL, "map_check",
        "SELECT max(version), (SELECT id FROM cluster), max(reads_from) FROM schema_migrations"),
    STATEMENT(MAP_SHARDS, CONTROL, "map_shards",
              "SELECT shard, conninfo, epoch FROM shards ORDER BY shard"),
    STATEMENT(MAP_SLOTS, CONTROL, "map_slots", "SELECT slot, shard FROM slots ORDER BY slot"),
    STATEMENT(RULES_LEDGERS, CONTROL, "rules_ledgers",
              "SELECT ledger, amount_max, review_above, window_s, window_count_max, window_sum_max"
              " FROM risk_ledger_rules ORDER BY ledger"),
    STATEMENT(RULES_ACCOUNTS, CONTROL, "rules_accounts",
              "SELECT account_id, blocked FROM risk_account_rules ORDER BY account_id"),

    STATEMENT(IDENTITY, SHARD, "identity",
              "SELECT (SELECT max(version) FROM schema_migrations), i.cluster, i.shard,"
              " current_setting('max_prepared_transactions')::integer, clock_timestamp(),"
              " (SELECT max(reads_from) FROM schema_migrations),"
              " (SELECT max(writes_from) FROM schema_migrations),"
              " CASE WHEN NOT i.retired THEN i.epoch END FROM (VALUES (1)) one"
              " LEFT JOIN shard_identity i ON true"),
    STATEMENT(CLOCK, SHARD, "clock", "SELECT clock_timestamp()"),
    STATEMENT(ACCOUNTS, SHARD, "accounts", ACCOUNTS_OF(ACCOUNT_COLUMNS ", xmax", "")),
    STATEMENT(TRANSFERS, SHARD, "transfers",
              "SELECT " TRANSFER_COLUMNS ", CASE WHEN flags & 2 <> 0 THEN (SELECT status"
              " FROM pending_transfers p WHERE p.id = transfers.id) END"
              " FROM transfers WHERE id = ANY ($1::uuid[]) ORDER BY id"),
    STATEMENT(PENDING_ACCOUNTS, SHARD, "pending_accounts",
              "SELECT id, debit_account_id, credit_account_id FROM transfers"
              " WHERE id = ANY ($1::uuid[]) AND flags & 2 <> 0 AND result = 0 ORDER BY id"),
    STATEMENT(STATEMENT, SHARD, "statement", STATEMENT_PAGE("")),
    STATEMENT(STATEMENT_BACK, SHARD, "statement_back", STATEMENT_PAGE(" DESC")),
    STATEMENT(LIST_ACCOUNTS, SHARD, "list_accounts", LIST_ACCOUNTS("", ">", "")),
    STATEMENT(LIST_ACCOUNTS_BACK, SHARD, "list_accounts_back", LIST_ACCOUNTS("", "<", " DESC")),
    STATEMENT(LIST_ACCOUNTS_OF, SHARD, "list_accounts_of", LIST_ACCOUNTS(OF_USER_DATA, ">", "")),
    STATEMENT(LIST_ACCOUNTS_OF_BACK, SHARD, "list_accounts_of_back",
              LIST_ACCOUNTS(OF_USER_DATA, "<", " DESC")),
    STATEMENT(LIST_TRANSFERS, SHARD, "list_transfers", LIST_TRANSFERS("", ">", "")),
    STATEMENT(LIST_TRANSFERS_BACK, SHARD, "list_transfers_back", LIST_TRANSFERS("", "<", " DESC")),
    STATEMENT(LIST_TRANSFERS_OF, SHARD, "list_transfers_of", LIST_TRANSFERS(OF_USER_DATA, ">", "")),
    STATEMENT(LIST_TRANSFERS_OF_BACK, SHARD, "list_transfers_of_back",
              LIST_TRANSFERS(OF_USER_DATA, "<", " DESC")),
    /* Never reads more rows of an account than its limit on their number: past that, the number
     * alone declines. A sum may pass 64 bits, as what was voided counts. */
    STATEMENT(WINDOWS, SHARD, "windows",
              "SELECT w.place, latest.number, latest.sum"
              " FROM unnest($1::uuid[], $2::bigint[], $3::integer[])"
              " WITH ORDINALITY AS w (account_id, since, number_max, place)"
              " CROSS JOIN LATERAL (SELECT count(*) AS number,"
              " least(coalesce(sum(amount), 0), 9223372036854775807)::bigint AS sum"
              " FROM (SELECT amount FROM transfers WHERE debit_account_id = w.account_id"
              " AND timestamp > w.since AND debit_debits_posted IS NOT NULL AND flags & 12 = 0"
              " ORDER BY timestamp DESC LIMIT w.number_max) AS rows) AS latest"),
    STATEMENT(TRIAL, SHARD, "trial",
              "SELECT ledger, code, " SUMS " FROM accounts"
              " WHERE (ledger, code) >= ($1::bigint, $2::integer)"
              " GROUP BY ledger, code ORDER BY ledger, code LIMIT $3::bigint"),
    STATEMENT(TRIAL_LEDGER, SHARD, "trial_ledger",
              "SELECT $1::bigint, 0, " SUMS " FROM accounts WHERE ledger = $1::bigint"),
    /* Not the view, which joins what names databases and users. */
    STATEMENT(PREPARED, SHARD, "prepared",
              "SELECT gid, transaction FROM pg_prepared_xact() WHERE gid LIKE 'florin:%'"),
    STATEMENT(SNAPSHOT, SHARD, "snapshot", "SELECT pg_current_snapshot()"),
    /* What had not ended at a snapshot: what was active then, one by one, and what began after it.
     * A foreign transaction that stays active for days makes it no dearer. */
    STATEMENT(CROSSINGS, SHARD, "crossings",
              "SELECT batch, unnest(shards), unnest(transactions) FROM"
              " (SELECT * FROM crossings WHERE own >= pg_snapshot_xmax($1::pg_snapshot) UNION ALL"
              " SELECT c.* FROM pg_snapshot_xip($1::pg_snapshot) AS active CROSS JOIN LATERAL"
              " (SELECT * FROM crossings WHERE own = active LIMIT 1) AS c UNION ALL"
              " SELECT * FROM crossings WHERE batch = ANY ($2::uuid[])) AS traces"),

    STATEMENT(HOLD, SHARD, "hold", HOLD),
    STATEMENT(HOLD_AND_BEGIN_CHAIN, SHARD, "hold_and_begin_chain", HOLD ", nextval('seal_chains')"),
    STATEMENT(ACCOUNTS_LOCK, SHARD, "accounts_lock", LOCK_ACCOUNTS("")),
    STATEMENT(ACCOUNTS_LOCK_FREE, SHARD, "accounts_lock_free", LOCK_ACCOUNTS(" SKIP LOCKED")),
    /* By the transaction that a row names as its latest to lock or change it: one that is prepared,
     * or runs, and began more than so many ms ago. Takes no locks and waits for none. */
    STATEMENT(ACCOUNTS_KEPT, SHARD, "accounts_kept",
              "SELECT id FROM accounts WHERE id = ANY ($1::uuid[]) AND xmax IN (SELECT transaction"
              " FROM pg_prepared_xacts WHERE prepared < now() - $2::bigint * interval '1 ms'"
              " UNION ALL SELECT backend_xid FROM pg_stat_activity WHERE xact_start < now()"
              " - $2::bigint * interval '1 ms') ORDER BY id"),
    STATEMENT(OVERDUE, SHARD, "overdue",
              "SELECT id, debit_account_id, credit_account_id, expires_at FROM pending_transfers"
              " WHERE status = 1 AND expires_at <= $1::bigint AND expires_at >= $2::bigint"
              " AND (expires_at, id) > ($2::bigint, $3::uuid) ORDER BY expires_at, id"
              " LIMIT $4::bigint"),
    STATEMENT(OVERDUE_OF, SHARD, "overdue_of",
              OVERDUE_OF("$1", "debit", "false") " UNION ALL " OVERDUE_OF("$2", "credit", "true")),
    /* Arrays of one length, side by side in the target list: three times as fast as one unnest of
     * them all in FROM, which stores its rows before it gives them. */
    STATEMENT(ACCOUNTS_INSERT, SHARD, "accounts_insert",
              WRITES("accounts",
                     "INSERT INTO accounts (" ACCOUNT_COLUMNS
                     ", place, seal) SELECT unnest($1::uuid[]),"
                     " unnest($2::uuid[]), unnest($3::bigint[]), unnest($4::bigint[]),"
                     " unnest($5::bigint[]), unnest($6::bigint[]), unnest($7::bigint[]),"
                     " unnest($8::bigint[]), unnest($9::bigint[]), unnest($10::bigint[]),"
                     " unnest($11::integer[]), unnest($12::integer[]), unnest($13::bigint[]),"
                     " unnest($14::bigint[])")),
    /* They are locked, so each is still where it was. */
    STATEMENT(
        ACCOUNTS_UPDATE, SHARD, "accounts_update",
        WRITES("accounts",
               "UPDATE accounts SET debits_pending = v.debits_pending,"
               " debits_posted = v.debits_posted, credits_pending = v.credits_pending,"
               " credits_posted = v.credits_posted, flags = v.flags, timestamp_last = "
               "v.timestamp_last,"
               " seal = v.seal"
               " FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::bigint[]) AS debits_pending,"
               " unnest($3::bigint[]) AS debits_posted, unnest($4::bigint[]) AS credits_pending,"
               " unnest($5::bigint[]) AS credits_posted, unnest($6::integer[]) AS flags,"
               " unnest($7::bigint[]) AS timestamp_last, unnest($8::tid[]) AS place,"
               " unnest($9::bigint[]) AS seal) AS v"
               " WHERE accounts.ctid = v.place AND accounts.id = v.id")),
    STATEMENT(
        TRANSFERS_INSERT, SHARD, "transfers_insert",
        WRITES(
            "transfers",
            "INSERT INTO transfers (" TRANSFER_COLUMNS ", " DEBIT_BALANCES ", " CREDIT_BALANCES
            ", place, seal)"
            " SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::uuid[]),"
            " unnest($4::uuid[]), unnest($5::uuid[]), unnest($6::bigint[]), unnest($7::bigint[]),"
            " unnest($8::bigint[]), unnest($9::bigint[]), unnest($10::integer[]),"
            " unnest($11::integer[]), unnest($12::text[]), unnest($13::integer[]),"
            " unnest($14::bigint[]), unnest($15::bigint[]), unnest($16::bigint[]),"
            " unnest($17::bigint[]), unnest($18::bigint[]), unnest($19::bigint[]),"
            " unnest($20::bigint[]), unnest($21::bigint[]), unnest($22::bigint[]),"
            " unnest($23::bigint[])")),
    STATEMENT(
        PENDINGS_WRITE, SHARD, "pendings_write",
        WRITES("pending_transfers",
               "INSERT INTO pending_transfers (id, debit_account_id, credit_account_id, amount,"
               " expires_at, status, resolved_at, " DEBIT_BALANCES ", " CREDIT_BALANCES ", seal)"
               " SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::uuid[]),"
               " unnest($4::bigint[]), unnest($5::bigint[]), unnest($6::integer[]),"
               " unnest($7::bigint[]), unnest($8::bigint[]), unnest($9::bigint[]), "
               "unnest($10::bigint[]),"
               " unnest($11::bigint[]), unnest($12::bigint[]), unnest($13::bigint[]),"
               " unnest($14::bigint[]), unnest($15::bigint[]), unnest($16::bigint[])"
               " ON CONFLICT (id) DO UPDATE SET status = excluded.status,"
               " resolved_at = excluded.resolved_at, seal = excluded.seal,"
               " (" DEBIT_BALANCES ", " CREDIT_BALANCES ") = ROW (excluded.debit_debits_pending,"
               " excluded.debit_debits_posted, excluded.debit_credits_pending,"
               " excluded.debit_credits_posted, excluded.credit_debits_pending,"
               " excluded.credit_debits_posted, excluded.credit_credits_pending,"
               " excluded.credit_credits_posted)")),
    STATEMENT(LIMITS_UPDATE, SHARD, "limits_update",
              WRITES("accounts",
                     "UPDATE accounts SET credit_limit = v.credit_limit"
                     " FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::bigint[]) AS credit_limit)"
                     " AS v WHERE accounts.id = v.id")),
    STATEMENT(LIMITS_INSERT, SHARD, "limits_insert",
              WRITES("credit_limits",
                     "INSERT INTO credit_limits (account_id, timestamp, credit_limit, place, seal)"
                     " SELECT unnest($1::uuid[]), unnest($2::bigint[]), unnest($3::bigint[]),"
                     " unnest($4::bigint[]), unnest($5::bigint[])")),
    STATEMENT(CROSSINGS_INSERT, SHARD, "crossings_insert",
              COUNTED("crossings",
                      "INSERT INTO crossings (batch, shards, transactions)"
                      " VALUES ($1::uuid, $2::integer[], $3::bigint[])",
                      "1")),
    /* When sealing began, chain 0, is written once, and looked for before it is: an insert would
     * wait for whoever has locked it. Of two such rows the one with the place 1 is for books
     * without rows of before. */
    STATEMENT(SEAL_HEADS, SHARD, "seal_heads",
              "INSERT INTO seal_heads (chain, place, seal) SELECT chain, place, seal FROM (SELECT"
              " unnest($1::bigint[]) AS chain, unnest($2::bigint[]) AS place,"
              " unnest($3::bigint[]) AS seal) AS v WHERE CASE WHEN chain <> 0 THEN true"
              " WHEN EXISTS (SELECT FROM seal_heads WHERE chain = 0) THEN false"
              " ELSE (place = 1) <> EXISTS (SELECT FROM accounts WHERE accounts.place IS NULL) END"
              " ON CONFLICT (chain) DO UPDATE SET place = excluded.place, seal = excluded.seal"
              " WHERE seal_heads.chain <> 0"),
    /* By that very transaction: another one may have written the row with the same timestamp,
     * though an account, which others change soon, only where it was imported with it. The lock is
     * written to the log: a commit after it waits for standbys as the first one did. */
    STATEMENT(WAS_WRITTEN, SHARD, "was_written",
              "SELECT EXISTS (SELECT FROM transfers WHERE id = $1::uuid AND timestamp = $2::bigint"
              " AND " BY_TRANSACTION_3 " FOR UPDATE)"
              " OR EXISTS (SELECT FROM accounts WHERE id = $1::uuid AND timestamp = $2::bigint"
              " AND (flags & 16 = 0 OR " BY_TRANSACTION_3 ") FOR UPDATE)"
              " OR EXISTS (SELECT FROM pending_transfers WHERE id = $1::uuid"
              " AND resolved_at = $2::bigint AND " BY_TRANSACTION_3 " FOR UPDATE)"
              " OR EXISTS (SELECT FROM credit_limits WHERE account_id = $1::uuid"
              " AND timestamp = $2::bigint AND " BY_TRANSACTION_3 " FOR UPDATE)"),

    STATEMENT(DECIDE, SHARD, "decide",
              COUNTED("decisions",
                      "INSERT INTO decisions (batch, decision) VALUES ($1::uuid, 'commit')", "1")),
    STATEMENT(FENCE, SHARD, "fence",
              "INSERT INTO decisions (batch, decision) SELECT $1::uuid, 'abort'"
              " WHERE $3::boolean OR pg_try_advisory_xact_lock($2::bigint)"
              " ON CONFLICT (batch) DO NOTHING"),
    /* The lock on the row makes the question's own commit wait for standbys, as the decision's may
     * have been kept from doing. */
    STATEMENT(DECISION, SHARD, "decision",
              "SELECT decision = 'commit' FROM decisions WHERE batch = $1::uuid FOR KEY SHARE"),
    STATEMENT(DECISIONS_OLD, SHARD, "decisions_old",
              "SELECT batch FROM decisions WHERE decision = 'commit' AND decided_at < now()"
              " - interval '1 minute' LIMIT 1000"),
    STATEMENT(FORGET, SHARD, "forget", "DELETE FROM decisions WHERE batch = ANY ($1::uuid[])"),
    /* Only when nobody holds the batch's lock (its key: the id's lower half), for then its home
     * transaction has ended: the server's clock alone may be a day ahead. */
    STATEMENT(
        FORGET_FENCES, SHARD, "forget_fences",
        "DELETE FROM decisions WHERE CASE WHEN decision = 'abort' AND decided_at < now()"
        " - interval '1 day' THEN pg_try_advisory_xact_lock(('x' || right(replace(batch::text,"
        " '-', ''), 16))::bit(64)::bigint) ELSE false END"),
    /* What others delete at this moment is theirs. */
    STATEMENT(FORGET_CROSSINGS, SHARD, "forget_crossings",
              "DELETE FROM crossings WHERE ctid = ANY (ARRAY(SELECT ctid FROM crossings"
              " WHERE own < pg_snapshot_xmax($1::pg_snapshot)"
              " AND pg_visible_in_snapshot(own, $1::pg_snapshot) AND batch <> ALL ($2::uuid[])"
              " ORDER BY own LIMIT $3::bigint FOR UPDATE SKIP LOCKED))"),
    STATEMENT(IN_DOUBT, SHARD, "in_doubt",
              "SELECT gid,"
              " (extract(epoch FROM clock_timestamp() - prepared) * 1000)::bigint,"
              " (SELECT max(writes_from) FROM schema_migrations)"
              " FROM pg_prepared_xacts WHERE database = current_database() AND gid LIKE 'florin:%'"
              " ORDER BY prepared"),
    /* Writes to the log alone: when its commit is confirmed, which waits for standbys, what was
     * committed before is there, too. */
    STATEMENT(AWAIT_STANDBY, SHARD, "await_standby",
              "SELECT pg_logical_emit_message(true, 'florin', '')"),

    STATEMENT(SHARDS_LIST, ADMIN, "shards_list",
              "SELECT conninfo, (SELECT count(*) FROM slots WHERE slots.shard = shards.shard),"
              " (SELECT id FROM cluster) FROM shards ORDER BY shard"),
    STATEMENT(SHARD_ADD, ADMIN, "shard_add",
              "INSERT INTO shards (shard, conninfo) VALUES ($1::integer, $2::text)"),
    STATEMENT(SLOTS_DEAL, ADMIN, "slots_deal",
              "INSERT INTO slots (slot, shard) SELECT slot, slot % $1::integer"
              " FROM generate_series(0, 1023) AS slot"),
    STATEMENT(LEDGER_RULE_SET, ADMIN, "ledger_rule_set",
              "INSERT INTO risk_ledger_rules (ledger, amount_max, review_above, window_s,"
              " window_count_max, window_sum_max) VALUES ($1::bigint, $2::bigint, $3::bigint,"
              " $4::integer, $5::integer, $6::bigint) ON CONFLICT (ledger) DO UPDATE"
              " SET amount_max = excluded.amount_max, review_above = excluded.review_above,"
              " window_s = excluded.window_s, window_count_max = excluded.window_count_max,"
              " window_sum_max = excluded.window_sum_max"),
    STATEMENT(LEDGER_RULE_DROP, ADMIN, "ledger_rule_drop",
              "DELETE FROM risk_ledger_rules WHERE ledger = $1::bigint"),
    STATEMENT(ACCOUNT_RULE_SET, ADMIN, "account_rule_set",
              "INSERT INTO risk_account_rules (account_id, blocked) VALUES ($1::uuid, $2::boolean)"
              " ON CONFLICT (account_id) DO UPDATE SET blocked = excluded.blocked"),
    STATEMENT(ACCOUNT_RULE_DROP, ADMIN, "account_rule_drop",
              "DELETE FROM risk_account_rules WHERE account_id = $1::uuid"),
};
