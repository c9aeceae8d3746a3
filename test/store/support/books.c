#include "test/store/support/books.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "lib/clock.h"
#include "lib/id.h"
#include "store/verify/sql.h"
#include "test/store/support/servers.h"

florin_id_t id_on(size_t shard, uint64_t n)
{
    return (florin_id_t)n << 10 | shard;
}

static florin_store_t *open_with(uint32_t in_doubt_after_ms, const char *seal_key)
{
    florin_store_t *store = NULL;
    florin_error_t error = {0};
    const florin_store_options_t options = {.control = servers_control(),
                                            .connect_timeout_ms = 3000,
                                            .statement_timeout_ms = 3000,
                                            .in_doubt_after_ms = in_doubt_after_ms,
                                            .seal_key = seal_key};
    if (florin_store_new(&options, &store, &error) != 0)
        fail_msg("%s", error.message);
    return store;
}

florin_store_t *open_store(void)
{
    return open_patient_store(0);
}

florin_store_t *open_patient_store(uint32_t in_doubt_after_ms)
{
    return open_with(in_doubt_after_ms, servers_seal_key());
}

florin_store_t *open_keyless_store(void)
{
    return open_with(0, NULL);
}

florin_account_t account(florin_id_t id)
{
    return (florin_account_t){.id = id, .ledger = EUR, .code = 1};
}

florin_transfer_event_t transfer(florin_id_t id, florin_id_t debit, florin_id_t credit,
                                 uint64_t amount)
{
    return (florin_transfer_event_t){.transfer = {.id = id,
                                                  .debit_account_id = debit,
                                                  .credit_account_id = credit,
                                                  .amount = amount,
                                                  .ledger = EUR,
                                                  .code = 1}};
}

static int open_request(florin_store_t *store, florin_ledger_t *ledger,
                        const florin_account_t *events, size_t count,
                        florin_account_outcome_t *outcomes, florin_error_t *error)
{
    florin_store_request_t request = {.events_count = count};
    int result = florin_store_open_accounts(store, ledger, events, outcomes, &request, 1, error);
    if (result == 0)
        *error = request.error;
    return error->code;
}

static int create_request(florin_store_t *store, florin_ledger_t *ledger,
                          const florin_transfer_event_t *events, size_t count,
                          florin_transfer_outcome_t *outcomes, florin_error_t *error)
{
    florin_store_request_t request = {.events_count = count};
    int result =
        florin_store_create_transfers(store, ledger, events, outcomes, &request, 1, NULL, 0, error);
    if (result == 0)
        *error = request.error;
    return error->code;
}

void open_accounts(florin_store_t *store, florin_ledger_t *ledger, const florin_account_t *events,
                   size_t count, florin_account_outcome_t *outcomes)
{
    florin_error_t error = {0};
    if (open_request(store, ledger, events, count, outcomes, &error) != 0)
        fail_msg("%s", error.message);
}

void create(florin_store_t *store, florin_ledger_t *ledger, const florin_transfer_event_t *events,
            size_t count, florin_transfer_outcome_t *outcomes)
{
    florin_error_t error = {0};
    if (create_request(store, ledger, events, count, outcomes, &error) != 0)
        fail_msg("%s", error.message);
}

int try_open(florin_store_t *store, florin_ledger_t *ledger, florin_account_t event)
{
    florin_error_t error = {0};
    florin_account_outcome_t outcome = {0};
    int result = open_request(store, ledger, &event, 1, &outcome, &error);
    return result != 0 ? result : outcome.result;
}

int try_create(florin_store_t *store, florin_ledger_t *ledger, florin_transfer_event_t event)
{
    florin_error_t error = {0};
    florin_transfer_outcome_t outcome = {0};
    int result = create_request(store, ledger, &event, 1, &outcome, &error);
    return result != 0 ? result : outcome.result;
}

bool first_time(void *pending)
{
    bool first = *(bool *)pending;
    *(bool *)pending = false;
    return first;
}

florin_account_t look_at(florin_store_t *store, florin_id_t id)
{
    florin_error_t error = {0};
    florin_account_t found;
    size_t count;
    if (florin_store_lookup_accounts(store, &id, 1, &found, &count, &error) != 0)
        fail_msg("%s", error.message);
    assert_int_equal(count, 1);
    return found;
}

uint64_t timestamp_of(florin_store_t *store, florin_id_t id)
{
    florin_error_t error;
    florin_entry_t entry;
    size_t found;
    assert_int_equal(florin_store_lookup_transfers(store, &id, 1, &entry, &found, &error), 0);
    assert_int_equal(found, 1);
    return entry.transfer.timestamp;
}

void await_moment(uint64_t moment_ns)
{
    uint64_t until_ms = florin_clock_ms() + 10000;
    while (florin_clock_unix_ns() <= moment_ns) {
        assert_true(florin_clock_ms() < until_ms);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

PGconn *lock_account(florin_id_t account_id, size_t shard)
{
    char sql[128], id[FLORIN_ID_TEXT_BYTES];
    snprintf(sql, sizeof sql, "BEGIN; SELECT FROM accounts WHERE id = '%s' FOR UPDATE",
             florin_id_format_uuid(account_id, id));
    PGconn *session = PQconnectdb(servers_shard(shard));
    PGresult *result = PQexec(session, sql);
    assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
    PQclear(result);
    return session;
}

/* ------------------------------------------------------------------------------ checking it all */

/* On one shard: the number of accounts whose balances are not the sum of their entries, or whose
 * last entry does not show them. */
static const char broken_accounts[] =
    "SELECT count(*) FROM accounts a LEFT JOIN LATERAL ("
    "  SELECT sum(amount) FILTER (WHERE side = 'debit' AND kind IN ('transfer', 'post'))"
    "           AS debits,"
    "         sum(amount) FILTER (WHERE side = 'credit' AND kind IN ('transfer', 'post'))"
    "           AS credits,"
    "         (array_agg(balance_after ORDER BY timestamp DESC))[1] AS balance"
    "    FROM entries WHERE account_id = a.id) e ON true"
    " LEFT JOIN LATERAL (SELECT sum(amount) AS pending FROM pending_transfers"
    "    WHERE status = 1 AND debit_account_id = a.id) d ON true"
    " LEFT JOIN LATERAL (SELECT sum(amount) AS pending FROM pending_transfers"
    "    WHERE status = 1 AND credit_account_id = a.id) c ON true"
    " WHERE (debits_posted, credits_posted) IS DISTINCT FROM"
    "       (coalesce(debits, 0), coalesce(credits, 0))"
    "    OR credits_posted - debits_posted <> coalesce(balance, 0)"
    "    OR (debits_pending, credits_pending) IS DISTINCT FROM"
    "       (coalesce(d.pending, 0), coalesce(c.pending, 0))";

/* Entries whose balance is not the one before plus or less their amount, or that do not rise in
 * time. */
static const char broken_chains[] =
    "SELECT count(*) FROM (SELECT side, balance_after, timestamp,"
    "    CASE WHEN kind IN ('transfer', 'post') THEN amount ELSE 0 END AS amount,"
    "    coalesce(lag(balance_after) OVER w, 0) AS before,"
    "    coalesce(lag(timestamp) OVER w, 0) AS time_before"
    "  FROM entries WINDOW w AS (PARTITION BY account_id ORDER BY timestamp)) e"
    " WHERE balance_after <> before + CASE side WHEN 'credit' THEN amount ELSE -amount END"
    "    OR timestamp <= time_before";

/* Rows that should not be on this shard, and sides that should be here but are not. */
static const char misplaced_rows[] =
    "WITH t AS (SELECT *, ('x' || right(id::text, 4))::bit(16)::int %% 1024 %% %zu AS id_shard,"
    "    ('x' || right(debit_account_id::text, 4))::bit(16)::int %% 1024 %% %zu AS debit_shard,"
    "    ('x' || right(credit_account_id::text, 4))::bit(16)::int %% 1024 %% %zu AS credit_shard"
    "  FROM transfers)"
    " SELECT count(*) FROM t WHERE CASE WHEN result <> 0 THEN id_shard <> %zu"
    "    ELSE %zu NOT IN (id_shard, debit_shard, credit_shard)"
    "      OR (debit_shard = %zu) <> (debit_debits_posted IS NOT NULL)"
    "      OR (credit_shard = %zu) <> (credit_debits_posted IS NOT NULL) END";

/* How many rows of created transfers there should be in all, by those on their id's shard. */
static const char expected_rows[] =
    "WITH t AS (SELECT ('x' || right(id::text, 4))::bit(16)::int %% 1024 %% %zu AS i,"
    "    ('x' || right(debit_account_id::text, 4))::bit(16)::int %% 1024 %% %zu AS d,"
    "    ('x' || right(credit_account_id::text, 4))::bit(16)::int %% 1024 %% %zu AS c"
    "  FROM transfers WHERE result = 0)"
    " SELECT coalesce(sum(CASE WHEN i = d AND i = c THEN 1 WHEN i = d OR i = c OR d = c THEN 2"
    "    ELSE 3 END), 0) FROM t WHERE i = %zu";

/* On one shard: pending transfers without a row of what became of them, and the reverse; those that
 * have balances of an account which is not here, or lack them; then the sum over all rows of what
 * they say, and what those of this shard's ids say, as often as there should be a row of it. */
static const char pendings[] =
    "WITH p AS (SELECT *, ('x' || right(id::text, 4))::bit(16)::int %% 1024 %% %zu AS i,"
    "    ('x' || right(debit_account_id::text, 4))::bit(16)::int %% 1024 %% %zu AS d,"
    "    ('x' || right(credit_account_id::text, 4))::bit(16)::int %% 1024 %% %zu AS c,"
    "    hashtext(concat_ws(' ', id, amount, expires_at, status, resolved_at))::bigint AS hash"
    "  FROM pending_transfers)"
    " SELECT concat_ws(' ',"
    "  (SELECT count(*) FROM p FULL JOIN (SELECT id FROM transfers WHERE result = 0"
    "    AND flags & 2 <> 0) t USING (id) WHERE p.id IS NULL OR t.id IS NULL),"
    "  count(*) FILTER (WHERE (status = 4 AND d = %zu) <> (debit_debits_posted IS NOT NULL)"
    "    OR (status = 4 AND c = %zu) <> (credit_debits_posted IS NOT NULL)),"
    "  coalesce(sum(hash), 0),"
    "  coalesce(sum(hash * CASE WHEN i = d AND i = c THEN 1 WHEN i = d OR i = c OR d = c THEN 2"
    "    ELSE 3 END) FILTER (WHERE i = %zu), 0)) FROM p";

static void check_pendings(void)
{
    long long said = 0, expected = 0;
    size_t n = servers_count();
    for (size_t i = 0; i < n; i++) {
        char sql[2048];
        long long alone, sides, shard_said, shard_expected;
        snprintf(sql, sizeof sql, pendings, n, n, n, i, i, i);
        assert_int_equal(sscanf(servers_ask(servers_shard(i), sql), "%lld %lld %lld %lld", &alone,
                                &sides, &shard_said, &shard_expected),
                         4);
        assert_int_equal(alone, 0);
        assert_int_equal(sides, 0);
        said += shard_said;
        expected += shard_expected;
    }
    assert_int_equal(said, expected);
}

/* The chains of what has seals have no gaps. */
static void check_chains(void)
{
    for (size_t i = 0; i < servers_count(); i++) {
        char sql[4096];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM (%s) AS gaps", florin_verify_sql_gaps);
        assert_string_equal(servers_ask(servers_shard(i), sql), "0");
    }
}

void check_books(void)
{
    check_chains();
    char misplaced[1024], wanted[1024], sql[4096];
    size_t n = servers_count();
    long long difference = 0, rows = 0, expected = 0;
    for (size_t i = 0; i < n; i++) {
        long long prepared, accounts, chains, places, shard_rows, shard_expected, shard_difference;
        snprintf(misplaced, sizeof misplaced, misplaced_rows, n, n, n, i, i, i, i);
        snprintf(wanted, sizeof wanted, expected_rows, n, n, n, i);
        snprintf(sql, sizeof sql,
                 "SELECT concat_ws(' ', (SELECT count(*) FROM pg_prepared_xacts), (%s), (%s), (%s),"
                 " (SELECT count(*) FROM transfers WHERE result = 0), (%s),"
                 " (SELECT coalesce(sum(debits_posted) - sum(credits_posted), 0) FROM accounts))",
                 broken_accounts, broken_chains, misplaced, wanted);
        assert_int_equal(sscanf(servers_ask(servers_shard(i), sql),
                                "%lld %lld %lld %lld %lld %lld %lld", &prepared, &accounts, &chains,
                                &places, &shard_rows, &shard_expected, &shard_difference),
                         7);
        assert_int_equal(prepared, 0);
        assert_int_equal(accounts, 0);
        assert_int_equal(chains, 0);
        assert_int_equal(places, 0);
        rows += shard_rows;
        expected += shard_expected;
        difference += shard_difference;
    }
    assert_int_equal(difference, 0);
    assert_int_equal(rows, expected);
    check_pendings();
}
