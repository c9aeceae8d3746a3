/* Accounts that a prepared transaction or a worker keeps locked: who needs them fails alone, and
 * only the first batch waits for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above first. */
#include <cmocka.h>
#include <pthread.h>

#include "lib/clock.h"
#include "lib/id.h"
#include "test/store/support/books.h"
#include "test/store/support/servers.h"

enum { SHARDS = 2, LOCK_MS = 750, BATCHES = 20 };

static florin_store_t *store;
static florin_ledger_t *ledger;
static florin_id_t accounts[2 * SHARDS]; /* the locked ones, one on each shard, then the others */
static uint64_t used = 100;
static atomic_bool worked;

static florin_transfer_event_t payment(size_t from, size_t to)
{
    return transfer(id_on(0, ++used), accounts[from], accounts[to], 1);
}

static void lock(size_t shard)
{
    char sql[256], id[FLORIN_ID_TEXT_BYTES];
    snprintf(sql, sizeof sql,
             "BEGIN; UPDATE accounts SET debits_posted = 0 WHERE id = '%s';"
             " PREPARE TRANSACTION 'kept'",
             florin_id_format_uuid(accounts[shard], id));
    servers_ask(servers_shard(shard), sql);
}

static void let_go(size_t shard)
{
    servers_ask(servers_shard(shard), "ROLLBACK PREPARED 'kept'");
}

static void assert_kept(const florin_store_request_t *request, size_t account)
{
    char id[FLORIN_ID_TEXT_BYTES];
    assert_int_equal(request->error.code, FLORIN_ERROR_CONFLICT);
    assert_non_null(strstr(request->error.message, "kept locked"));
    assert_non_null(strstr(request->error.message, florin_id_format_uuid(accounts[account], id)));
}

/* As debit and as credit account, and in the middle of a request. */
static void pay_all(size_t locked)
{
    florin_transfer_event_t events[] = {payment(locked, 2), payment(2, 3), payment(2, 3),
                                        payment(3, locked), payment(3, 2)};
    florin_store_request_t requests[] = {
        {.events_count = 1}, {.events_count = 1}, {.events_count = 3}};
    florin_transfer_outcome_t outcomes[5];
    florin_error_t error;
    assert_int_equal(florin_store_create_transfers(store, ledger, events, outcomes, requests, 3,
                                                   NULL, 0, &error),
                     0);
    assert_kept(&requests[0], locked);
    assert_kept(&requests[2], locked);
    assert_int_equal(requests[1].error.code, 0);
    assert_int_equal(outcomes[1].result, FLORIN_TRANSFER_CREATED);
}

static void fails_only_who_needs_them(void **state)
{
    (void)state;
    for (size_t shard = 0; shard < SHARDS; shard++) {
        unsigned slow = 0;
        lock(shard);
        for (size_t i = 0; i < BATCHES; i++) {
            uint64_t began_ms = florin_clock_ms();
            pay_all(shard);
            slow += florin_clock_ms() - began_ms >= LOCK_MS;
        }
        let_go(shard);
        assert_in_range(slow, 1, 2); /* one more by chance; each where it is not remembered */
        assert_int_equal(try_create(store, ledger, payment(shard, 2)), FLORIN_TRANSFER_CREATED);
        assert_int_equal(try_create(store, ledger, payment(2, shard)), FLORIN_TRANSFER_CREATED);
    }
    check_books();
}

/* From the first batch on after it. */
static void goes_on_when_they_are_free(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        lock(1);
        pay_all(1);
        let_go(1);
        assert_int_equal(try_create(store, ledger, payment(1, 2)), FLORIN_TRANSFER_CREATED);
    }
    check_books();
}

static void knows_a_worker_that_stands_still(void **state)
{
    (void)state;
    PGconn *session = lock_account(accounts[0], 0);
    pay_all(0);
    PGresult *result =
        PQexec(session, "COMMIT"); /* its end is seen; that of a session comes later */
    assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
    PQclear(result);
    PQfinish(session);
    assert_int_equal(try_create(store, ledger, payment(0, 2)), FLORIN_TRANSFER_CREATED);
    check_books();
}

static void *end_work(void *session)
{
    PQclear(PQexec(session, "SELECT pg_sleep(0.3); COMMIT"));
    PQfinish(session);
    atomic_store(&worked, true);
    return NULL;
}

static void waits_for_who_works(void **state)
{
    (void)state;
    pthread_t worker;
    lock(0);
    pay_all(0); /* from now on it looks */
    atomic_store(&worked, false);
    assert_int_equal(pthread_create(&worker, NULL, end_work, lock_account(accounts[2], 0)), 0);
    while (!atomic_load(&worked))
        assert_int_equal(try_create(store, ledger, payment(2, 3)), FLORIN_TRANSFER_CREATED);
    pthread_join(worker, NULL);
    let_go(0);
    check_books();
}

static void other_kinds_fail_alone_too(void **state)
{
    (void)state;
    florin_limit_event_t limits[] = {{.account_id = accounts[0]}, {.account_id = accounts[2]}};
    florin_account_t again[] = {account(accounts[0]), account(accounts[2])};
    florin_limit_outcome_t limit_outcomes[2];
    florin_account_outcome_t account_outcomes[2];
    florin_store_request_t requests[] = {{.events_count = 1}, {.events_count = 1}};
    florin_error_t error;
    lock(0);
    assert_int_equal(
        florin_store_set_credit_limits(store, ledger, limits, limit_outcomes, requests, 2, &error),
        0);
    assert_kept(&requests[0], 0);
    assert_int_equal(requests[1].error.code, 0);
    assert_int_equal(
        florin_store_open_accounts(store, ledger, again, account_outcomes, requests, 2, &error), 0);
    assert_kept(&requests[0], 0);
    assert_int_equal(requests[1].error.code, 0);
    assert_int_equal(account_outcomes[1].result, FLORIN_ACCOUNT_EXISTS);
    let_go(0);
    check_books();
}

static int start(void **state)
{
    (void)state;
    florin_account_outcome_t outcomes[2 * SHARDS];
    florin_account_t events[2 * SHARDS];
    servers_start(SHARDS, true);
    store = open_store();
    ledger = florin_ledger_new();
    for (size_t i = 0; i < 2 * SHARDS; i++) {
        accounts[i] = id_on(i % SHARDS, 1 + i);
        events[i] = account(accounts[i]);
    }
    open_accounts(store, ledger, events, 2 * SHARDS, outcomes);
    return 0;
}

static int stop(void **state)
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
        cmocka_unit_test(fails_only_who_needs_them),
        cmocka_unit_test(goes_on_when_they_are_free),
        cmocka_unit_test(knows_a_worker_that_stands_still),
        cmocka_unit_test(waits_for_who_works),
        cmocka_unit_test(other_kinds_fail_alone_too),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
