#include "store/verify/sql.h"

/* Numbers in queries: flags of transfers (2 pending, 4 post, 8 void, 64 closing debit, 128 closing
 * credit) and of accounts (2 and 4 bounds, 32 closed), status of pending transfers (1 open,
 * 2 posted, 3 voided, 4 expired). */

const char florin_verify_sql_ledgers[] =
    "SELECT ledger, sum(debits_pending)::text, sum(credits_pending)::text,"
    " sum(debits_posted)::text, sum(credits_posted)::text"
    " FROM accounts GROUP BY ledger ORDER BY ledger";

/* The sides' balances after a line. */
#define BOTH_BALANCES                                                                              \
    " debit_debits_pending, debit_debits_posted, debit_credits_pending, debit_credits_posted,"     \
    " credit_debits_pending, credit_debits_posted, credit_credits_pending, credit_credits_posted,"

const char florin_verify_sql_accounts[] =
    "SELECT id, user_data, debits_pending, debits_posted, credits_pending, credits_posted,"
    " credit_limit, timestamp, timestamp_last, ledger, code, flags, place, seal"
    " FROM accounts ORDER BY id";

#define TRANSFERS                                                                                  \
    "SELECT id, debit_account_id, credit_account_id, pending_id, user_data, amount, timestamp,"    \
    " timeout_s, ledger, code, flags, reference, result," BOTH_BALANCES                            \
    " place, seal FROM transfers"
#define PENDINGS                                                                                   \
    "SELECT id, debit_account_id, credit_account_id, amount, expires_at, status,"                  \
    " resolved_at," BOTH_BALANCES " seal FROM pending_transfers"

/* Since when; the server reads it once a query. */
#define SINCE "(SELECT current_setting('florin.since')::bigint)"

const char florin_verify_sql_transfers[] = TRANSFERS " ORDER BY id";
const char florin_verify_sql_transfers_since[] =
    TRANSFERS " WHERE timestamp >= " SINCE " ORDER BY id";
const char florin_verify_sql_pendings[] = PENDINGS " ORDER BY id";
const char florin_verify_sql_pendings_since[] =
    PENDINGS " WHERE status = 1 OR resolved_at >= " SINCE " ORDER BY id";

/* ------------------------------------------------------------------- what became of the pending */

/* A pending transfer's row, the row of what became of it, and the transfer that posted or voided
 * it, all of which are on each of its accounts' shards. */
#define HAS_ACCOUNT "(debit_debits_posted IS NOT NULL OR credit_debits_posted IS NOT NULL)"

const char florin_verify_sql_outcomes_count[] = "SELECT count(*) FROM pending_transfers";

const char florin_verify_sql_outcomes[] =
    "SELECT 'transfer', id, wrong FROM (SELECT id, CASE"
    " WHEN p.id IS NULL AND t.id IS NULL THEN format('transfer %s posts or voids it, and there is"
    " no such pending transfer', r.resolver)"
    " WHEN p.id IS NULL THEN 'is pending, and pending_transfers does not say what became of it'"
    " WHEN t.id IS NULL THEN 'is in pending_transfers, and is no pending transfer'"
    " WHEN (p.debit_account_id, p.credit_account_id, p.amount)"
    " IS DISTINCT FROM (t.debit_account_id, t.credit_account_id, t.amount)"
    " THEN 'has other accounts or another amount in pending_transfers'"
    " WHEN p.expires_at IS DISTINCT FROM"
    " t.timestamp + nullif(t.timeout_s, 0)::numeric * 1000000000"
    " THEN 'expires at another time than its timeout says'"
    " WHEN r.resolver IS NULL AND p.status IN (2, 3) AND t.has_account"
    " THEN 'is posted or voided, and no transfer does so'"
    " WHEN r.number > 1 THEN format('is posted or voided by %s transfers', r.number)"
    " WHEN r.resolver IS NOT NULL AND (p.status, p.resolved_at) IS DISTINCT FROM"
    " (CASE WHEN r.flags & 4 <> 0 THEN 2 ELSE 3 END, r.timestamp)"
    " THEN format('has status %s since %s, and transfer %s says otherwise', p.status,"
    " p.resolved_at, r.resolver)"
    " WHEN (r.debit_account_id, r.credit_account_id)"
    " <> (p.debit_account_id, p.credit_account_id) OR r.amount > p.amount"
    " OR r.flags & 8 <> 0 AND r.amount <> p.amount"
    " THEN format('does not fit the amount or the accounts of transfer %s, which resolves it',"
    " r.resolver)"
    " WHEN p.status IN (2, 3) AND p.resolved_at >= p.expires_at"
    " THEN 'was posted or voided after it had expired'"
    " WHEN p.status = 4 AND p.resolved_at < p.expires_at THEN 'expired before its time'"
    " WHEN p.status = 4 AND p.expires_at IS NULL THEN 'expired, and has no timeout'"
    " END AS wrong"
    " FROM (SELECT *, " HAS_ACCOUNT " AS has_account FROM transfers"
    " WHERE result = 0 AND flags & 2 <> 0) t FULL JOIN pending_transfers p USING (id) FULL JOIN"
    " (SELECT pending_id AS id, id AS resolver, debit_account_id, credit_account_id, amount,"
    " timestamp, flags, count(*) OVER (PARTITION BY pending_id) AS number FROM transfers"
    " WHERE result = 0 AND flags & 12 <> 0 AND " HAS_ACCOUNT ") r USING (id)) o"
    " WHERE wrong IS NOT NULL";

/* ------------------------------------------------------------------------- accounts and their
 * lines */

/* The lines of a side of an account's history: how each changes the balances, and the balances
 * after it; p is the pending transfer, be it the line's own or the one that it resolves. */
#define BALANCES(side)                                                                             \
    side "_debits_pending AS dp_after, " side "_debits_posted AS d_after, " side                   \
         "_credits_pending AS cp_after, " side "_credits_posted AS c_after"
#define HELD                                                                                       \
    "CASE WHEN t.flags & 2 <> 0 THEN t.amount WHEN t.flags & 12 <> 0 THEN -p.amount ELSE 0 END"
#define MOVED          "CASE WHEN t.flags & 10 <> 0 THEN 0 ELSE t.amount END"
#define DEBIT(of, to)  of " AS dp, " to " AS d, 0::bigint AS cp, 0::bigint AS c"
#define CREDIT(of, to) "0::bigint AS dp, 0::bigint AS d, " of " AS cp, " to " AS c"
#define BOOKED(side, changes, closing, since)                                                      \
    "SELECT t." side "_account_id AS account, t.id, t.timestamp AS at, t.ledger, " changes         \
    ", t.flags & " closing " <> 0 AND p.status = 1 AS closes, t." side                             \
    "_debits_pending AS dp_after, t." side "_debits_posted AS d_after, t." side                    \
    "_credits_pending AS cp_after, t." side "_credits_posted AS c_after FROM transfers t"          \
    " LEFT JOIN pending_transfers p ON p.id = CASE WHEN t.flags & 2 <> 0 THEN t.id"                \
    " WHEN t.flags & 12 <> 0 THEN t.pending_id END WHERE t." side                                  \
    "_debits_posted IS NOT NULL" since
#define EXPIRED(side, changes, since)                                                              \
    "SELECT " side "_account_id, id, resolved_at, NULL, " changes                                  \
    ", false, " BALANCES(side) " FROM pending_transfers WHERE status = 4 AND " side                \
                               "_debits_posted IS NOT NULL" since
#define LINES(booked_since, expired_since)                                                         \
    BOOKED("debit", DEBIT(HELD, MOVED), "64", booked_since)                                        \
    " UNION ALL " BOOKED(                                                                          \
        "credit", CREDIT(HELD, MOVED), "128",                                                      \
        booked_since) " UNION ALL " EXPIRED("debit", DEBIT("-amount", "0"),                        \
                                            expired_since) " UNION ALL " EXPIRED("credit",         \
                                                                                 CREDIT("-amount", \
                                                                                        "0"),      \
                                                                                 expired_since)

/* Of each account that changed since: its last lines of before, for the first one since to follow
 * from. They have an effect that nobody looks at. */
#define BEFORE(table, side, time)                                                                  \
    " UNION ALL SELECT b.* FROM accounts a CROSS JOIN LATERAL (SELECT " side                       \
    "_account_id, id, " time                                                                       \
    ", NULL::bigint, " DEBIT("0::bigint", "0::bigint") ", false, " BALANCES(                       \
        side) " FROM " table " WHERE " side "_account_id = a.id AND " side                         \
              "_debits_posted IS NOT NULL AND " time " < " SINCE " ORDER BY " time                 \
              " DESC LIMIT 1) AS b WHERE a.timestamp_last >= " SINCE
#define LINES_SINCE                                                                                \
    LINES(" AND t.timestamp >= " SINCE, " AND resolved_at >= " SINCE)                              \
    BEFORE("transfers", "debit", "timestamp")                                                      \
    BEFORE("transfers", "credit", "timestamp")                                                     \
    BEFORE("pending_transfers", "debit", "resolved_at")                                            \
    BEFORE("pending_transfers", "credit", "resolved_at")

const char florin_verify_sql_chains_count[] =
    "SELECT (SELECT count(debit_debits_posted) + count(credit_debits_posted) FROM transfers)"
    " + (SELECT count(debit_debits_posted) + count(credit_debits_posted) FROM pending_transfers)";
const char florin_verify_sql_chains_since_count[] =
    "SELECT (SELECT count(debit_debits_posted) + count(credit_debits_posted) FROM transfers"
    " WHERE timestamp >= " SINCE ") + (SELECT count(debit_debits_posted)"
    " + count(credit_debits_posted) FROM pending_transfers WHERE resolved_at >= " SINCE ")";

/* A difference is formed of balances that are not negative, and so can't overflow. */
#define CHAINS(lines, judged)                                                                      \
    "SELECT 'transfer', l.id, format('line of account %s at %s: %s', account, at, wrong)"          \
    " FROM (SELECT l.*, CASE"                                                                      \
    " WHEN a.id IS NULL THEN 'the account is not on this shard'"                                   \
    " WHEN l.ledger <> a.ledger THEN 'the account is of another ledger'"                           \
    " WHEN at <= coalesce(at_before, a.timestamp)"                                                 \
    " THEN format('it is not later than the one before, or the opening, at %s',"                   \
    " coalesce(at_before, a.timestamp))"                                                           \
    " WHEN least(dp_after, d_after, cp_after, c_after) < 0 THEN 'a balance is negative'"           \
    " WHEN least(dp_before, d_before, cp_before, c_before) < 0 THEN NULL"                          \
    " WHEN (dp_after - dp_before, d_after - d_before, cp_after - cp_before, c_after - c_before)"   \
    " IS DISTINCT FROM (dp, d, cp, c)"                                                             \
    " THEN format('the balances after it (%s %s %s %s) are not those before (%s %s %s %s) and its" \
    " effect (%s %s %s %s)', dp_after, d_after, cp_after, c_after, dp_before, d_before, "          \
    "cp_before,"                                                                                   \
    " c_before, dp, d, cp, c)"                                                                     \
    " WHEN last AND (dp_after, d_after, cp_after, c_after) IS DISTINCT FROM"                       \
    " (a.debits_pending, a.debits_posted, a.credits_pending, a.credits_posted)"                    \
    " THEN format('it is the last, and the balances after it (%s %s %s %s) are not the account''s" \
    " (%s %s %s %s)', dp_after, d_after, cp_after, c_after, a.debits_pending, a.debits_posted,"    \
    " a.credits_pending, a.credits_posted)"                                                        \
    " END AS wrong FROM (SELECT *, lag(at) OVER w AS at_before, lead(id) OVER w IS NULL AS last,"  \
    " lag(dp_after, 1, 0::bigint) OVER w AS dp_before, lag(d_after, 1, 0::bigint) OVER w"          \
    " AS d_before, lag(cp_after, 1, 0::bigint) OVER w AS cp_before,"                               \
    " lag(c_after, 1, 0::bigint) OVER w AS c_before FROM (" lines                                  \
    ") AS lines WINDOW w AS (PARTITION BY account ORDER BY at, id)) l"                             \
    " LEFT JOIN accounts a ON a.id = l.account) l WHERE wrong IS NOT NULL" judged

const char florin_verify_sql_chains[] = CHAINS(LINES("", ""), "");
const char florin_verify_sql_chains_since[] = CHAINS(LINES_SINCE, " AND at >= " SINCE);

const char florin_verify_sql_balances_count[] = "SELECT count(*) FROM accounts";

/* One that was opened closed has no lines. */
const char florin_verify_sql_balances[] =
    "SELECT 'account', id, wrong FROM (SELECT coalesce(a.id, s.account) AS id, CASE"
    " WHEN a.id IS NULL THEN 'is not on this shard, and has transfers here'"
    " WHEN (a.debits_pending, a.debits_posted, a.credits_pending, a.credits_posted)"
    " IS DISTINCT FROM (coalesce(s.dp, 0), coalesce(s.d, 0), coalesce(s.cp, 0), coalesce(s.c, 0))"
    " THEN format('has balances (%s %s %s %s), and its history makes (%s %s %s %s)',"
    " a.debits_pending, a.debits_posted, a.credits_pending, a.credits_posted, coalesce(s.dp, 0),"
    " coalesce(s.d, 0), coalesce(s.cp, 0), coalesce(s.c, 0))"
    " WHEN a.timestamp_last <> greatest(a.timestamp, s.at, m.at)"
    " THEN format('has timestamp_last %s, and its latest change is at %s', a.timestamp_last,"
    " greatest(a.timestamp, s.at, m.at))"
    " WHEN s.closes AND a.flags & 32 = 0 THEN 'is open, and a pending transfer closes it'"
    " WHEN NOT s.closes AND a.flags & 32 <> 0 THEN 'is closed, and no pending transfer closes it'"
    " END AS wrong FROM accounts a FULL JOIN (SELECT account, sum(dp) AS dp, sum(d) AS d,"
    " sum(cp) AS cp, sum(c) AS c, max(at) AS at, coalesce(bool_or(closes), false) AS closes"
    " FROM (" LINES(
        "", "") ") AS lines GROUP BY account) s ON s.account = a.id LEFT JOIN (SELECT account_id,"
                " max(timestamp) AS at FROM credit_limits GROUP BY account_id) m ON m.account_id = "
                "a.id) o"
                " WHERE wrong IS NOT NULL";

const char florin_verify_sql_limits_count[] = "SELECT count(*) FROM credit_limits";

const char florin_verify_sql_limits[] =
    "SELECT 'account', account_id, wrong FROM (SELECT l.account_id, CASE"
    " WHEN a.id IS NULL THEN 'is not on this shard, and has credit limits here'"
    " WHEN l.timestamp <= a.timestamp THEN 'has a credit limit from before its opening'"
    " WHEN l.credit_limit <> a.credit_limit"
    " THEN format('has the credit limit %s, and its latest change is to %s', a.credit_limit,"
    " l.credit_limit) END AS wrong FROM (SELECT DISTINCT ON (account_id) * FROM credit_limits"
    " ORDER BY account_id, timestamp DESC) l LEFT JOIN accounts a ON a.id = l.account_id) o"
    " WHERE wrong IS NOT NULL";

const char florin_verify_sql_bounds_count[] = "SELECT count(*) FROM accounts WHERE flags & 6 <> 0";

const char florin_verify_sql_bounds[] =
    "SELECT 'account', id, format('is beyond its bound by %s', beyond - credit_limit)"
    " FROM (SELECT id, credit_limit, CASE"
    " WHEN flags & 2 <> 0 THEN debits_pending::numeric + debits_posted - credits_posted"
    " WHEN flags & 4 <> 0 THEN credits_pending::numeric + credits_posted - debits_posted"
    " END AS beyond FROM accounts WHERE flags & 6 <> 0) a WHERE beyond > credit_limit";

/* ------------------------------------------------------------------------------------- in doubt */

/* Workers forget a commit after a minute and a fence after a day: one that the books have left far
 * behind is none of theirs. */
const char florin_verify_sql_decisions[] =
    "SELECT batch, decision = 'commit',"
    " greatest(floor(extract(epoch FROM clock_timestamp() - decided_at)), 0)::bigint,"
    " decided_at > clock_timestamp() + interval '1 minute'"
    " OR decided_at < (SELECT time_of(max(timestamp)) FROM transfers"
    " WHERE debit_debits_posted IS NOT NULL)"
    " - CASE decision WHEN 'commit' THEN interval '1 hour' ELSE interval '2 days' END"
    " FROM decisions ORDER BY batch";

const char florin_verify_sql_prepared[] =
    "SELECT gid, greatest(floor(extract(epoch FROM clock_timestamp() - prepared)), 0)::bigint"
    " FROM pg_prepared_xacts WHERE database = current_database() AND gid LIKE 'florin:%'"
    " ORDER BY prepared, gid";

/* --------------------------------------------------------------------------------------- seals */

const char florin_verify_sql_heads[] = "SELECT chain, place, seal FROM seal_heads ORDER BY chain";

const char florin_verify_sql_sealed_limits[] =
    "SELECT account_id, timestamp, credit_limit, place, seal FROM credit_limits"
    " ORDER BY account_id, timestamp";

/* The lower half of a place is its number, the upper one its chain's. */
const char florin_verify_sql_gaps[] =
    "SELECT 'chain', chain, format('its rows %s to %s are gone%s; %s %s was written after"
    " them', before + 1, number - 1, CASE WHEN before > 0 THEN format(', after %s %s', "
    "kind_before, id_before) ELSE '' END,"
    " kind, id)"
    " FROM (SELECT *, coalesce(lag(number) OVER w, 0) AS before, lag(kind) OVER w AS kind_before,"
    " lag(id) OVER w AS id_before FROM (SELECT place >> 32 AS chain,"
    " place & 4294967295 AS number, kind, id FROM (SELECT 'transfer' AS kind, id, place"
    " FROM transfers UNION ALL SELECT 'account', id, place FROM accounts"
    " UNION ALL SELECT 'limit of account', account_id, place FROM credit_limits) r"
    " WHERE place IS NOT NULL) p WINDOW w AS (PARTITION BY chain ORDER BY number)) g"
    " WHERE number <> before + 1 ORDER BY chain, number";
