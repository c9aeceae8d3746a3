/* Accounts that move all the time, while somebody keeps an old snapshot: their old versions stay,
 * and nobody walks over them. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above first. */
#include <cmocka.h>
#include <pthread.h>

#include "lib/clock.h"
#include "lib/id.h"
#include "store/statements.h"
#include "test/store/support/books.h"
#include "test/store/support/servers.h"

enum { VERSIONS = 3000, PAGES_MAX = 12 };

static florin_store_t *store;
static florin_ledger_t *ledger;
static uint64_t next_id = 1;

static florin_id_t opened(uint32_t flags)
{
    florin_account_t event = account(id_on(0, next_id++));
    event.flags = flags;
    assert_int_equal(try_open(store, ledger, event), FLORIN_ACCOUNT_CREATED);
    return event.id;
}

static PGresult *run(PGconn *session, const char *sql)
{
    PGresult *result = PQexec(session, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        fail_msg("%s", PQerrorMessage(session));
    return result;
}

/* Changes an account's row some times, as so many batches do, in one transaction that is not
 * committed. */
static PGconn *begin_to_move(florin_id_t account_id, const char *change)
{
    char sql[512], id[FLORIN_ID_TEXT_BYTES];
    snprintf(sql, sizeof sql,
             "BEGIN; DO $$ BEGIN FOR i IN 1 .. %d LOOP UPDATE accounts SET %s WHERE id = '%s';"
             " END LOOP; END $$",
             VERSIONS, change, florin_id_format_uuid(account_id, id));
    PGconn *session = PQconnectdb(servers_shard(0));
    PQclear(run(session, sql));
    return session;
}

static void commit(PGconn *session)
{
    PQclear(run(session, "COMMIT"));
    PQfinish(session);
}

/* How many pages the statement reads for an account. */
static int pages_read(florin_statement_t statement, florin_id_t account_id)
{
    char sql[2048], id[FLORIN_ID_TEXT_BYTES];
    int pages = -1;
    PGconn *session = PQconnectdb(servers_shard(0));
    snprintf(sql, sizeof sql,
             "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan;"
             "PREPARE p (uuid[]) AS %s; EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) EXECUTE p ('{%s}')",
             florin_statements[statement].sql, florin_id_format_uuid(account_id, id));
    PGresult *plan = run(session, sql);
    for (int i = 0; i < PQntuples(plan) && pages < 0; i++) {
        const char *found = strstr(PQgetvalue(plan, i, 0), "Buffers: shared hit=");
        if (found)
            pages = atoi(found + strlen("Buffers: shared hit="));
    }
    PQclear(plan);
    PQfinish(session);
    return pages;
}

static void old_versions_cost_nothing(void **state)
{
    (void)state;
    florin_id_t hot = opened(0), other = opened(0);
    PGconn *reader = PQconnectdb(servers_shard(0));
    PQclear(run(reader, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM accounts LIMIT 1"));
    commit(begin_to_move(hot, "flags = flags"));
    const florin_statement_t statements[] = {FLORIN_SQL_ACCOUNTS, FLORIN_SQL_ACCOUNTS_LOCK,
                                             FLORIN_SQL_ACCOUNTS_LOCK_FREE};
    for (size_t i = 0; i < 3; i++)
        assert_in_range(pages_read(statements[i], hot), 1, PAGES_MAX);
    for (uint64_t i = 0; i < 50; i++)
        assert_int_equal(try_create(store, ledger, transfer(id_on(0, next_id++), hot, other, 1)),
                         FLORIN_TRANSFER_CREATED);
    assert_int_equal(look_at(store, hot).balances.debits_posted, 50);
    PQfinish(reader);
    check_books();
}

typedef struct {
    florin_transfer_event_t event;
    int result;
} payment_t;

static void *pay(void *arg)
{
    payment_t *payment = arg;
    florin_store_t *own = open_store();
    florin_ledger_t *own_ledger = florin_ledger_new();
    payment->result = try_create(own, own_ledger, payment->event);
    florin_ledger_destroy(&own_ledger);
    florin_store_destroy(&own);
    return NULL;
}

/* Whoever waits for the lock decides by what the one before has left, and writes there. */
static void after_a_wait_the_newest_version_counts(void **state)
{
    (void)state;
    florin_id_t hot = opened(FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS);
    payment_t payment = {transfer(id_on(0, next_id++), hot, opened(0), 70), 0};
    pthread_t thread;
    PGconn *mover = begin_to_move(hot, "credit_limit = 70");
    assert_int_equal(pthread_create(&thread, NULL, pay, &payment), 0);
    servers_await(servers_shard(0),
                  "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'", "1");
    commit(mover);
    pthread_join(thread, NULL);
    assert_int_equal(payment.result, FLORIN_TRANSFER_CREATED);
    assert_int_equal(look_at(store, hot).balances.debits_posted, 70);
    check_books();
}

static int set_up(void **state)
{
    (void)state;
    servers_start(1, true);
    ledger = florin_ledger_new();
    store = open_store();
    return ledger && store ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    florin_store_destroy(&store);
    florin_ledger_destroy(&ledger);
    servers_stop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_versions_cost_nothing),
        cmocka_unit_test(after_a_wait_the_newest_version_counts),
    };
    (void)mallopt(M_PERTURB, 0xa5); /* so that memory read after it was freed is found */
    return cmocka_run_group_tests_name("store/hot", tests, set_up, tear_down);
}
