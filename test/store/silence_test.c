/* Servers that take connections and say nothing, that take no writes any more, and that wait for
 * their standbys. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above first. */
#include <cmocka.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "store/session.h"
#include "store/store.h"
#include "test/store/support/books.h"
#include "test/store/support/servers.h"

#define COUNT_PREPARED "SELECT count(*) FROM pg_prepared_xacts"

enum { SHARDS = 2, DEADLINE_MS = 20000, TIMEOUT_MS = 500, CONNECT_MS = 1500 };

#define BATCH "00000000-0000-0000-0000-00000000ba7c"

static florin_store_t *store;
static florin_ledger_t *ledger;
static florin_id_t accounts[SHARDS + 1]; /* one on each, and a neighbour of the first */
static uint64_t used = 100;

static const florin_session_timeouts_t timeouts = {.connect_timeout_ms = TIMEOUT_MS,
                                                   .statement_timeout_ms = TIMEOUT_MS,
                                                   .lock_timeout_ms = TIMEOUT_MS};

static florin_id_t fresh(size_t shard)
{
    return id_on(shard, ++used);
}

static int pay(size_t from, size_t to, florin_id_t id)
{
    return try_create(store, ledger, transfer(id, accounts[from], accounts[to], 1));
}

/* Asks again with the same id, as a client does; nobody else would end what is in doubt. */
static int pay_at_last(size_t from, size_t to, florin_id_t id)
{
    uint64_t end = florin_clock_ms() + DEADLINE_MS;
    int result;
    while ((result = pay(from, to, id)) < 0) {
        florin_error_t error;
        florin_resolved_t resolved;
        assert_true(florin_clock_ms() < end);
        (void)!florin_store_resolve(store, &resolved, &error);
    }
    return result;
}

static int open_at_last(florin_session_t *session, florin_error_t *error)
{
    uint64_t end = florin_clock_ms() + DEADLINE_MS;
    int result;
    do
        result = florin_session_open(session, FLORIN_STATEMENTS_SHARD, &timeouts, error);
    while (result != 0 && florin_clock_ms() < end);
    return result;
}

/* Batches in which one request touches the frozen shard and one does not. Only the first one waits
 * for it. */
static void test_a_frozen_shard_is_waited_for_once(void **state)
{
    (void)state;
    florin_transfer_outcome_t outcomes[2];
    florin_error_t error;
    unsigned slow = 0;
    assert_int_equal(pay(0, 1, fresh(0)), FLORIN_TRANSFER_CREATED);
    servers_signal(1, SIGSTOP);
    uint64_t began = florin_clock_ms(), now = began;
    while (now < began + 4 * CONNECT_MS) {
        florin_store_request_t requests[2] = {{.events_count = 1}, {.events_count = 1}};
        florin_transfer_event_t events[] = {transfer(fresh(0), accounts[0], accounts[2], 1),
                                            transfer(fresh(0), accounts[0], accounts[1], 1)};
        assert_int_equal(florin_store_create_transfers(store, ledger, events, outcomes, requests, 2,
                                                       NULL, 0, &error),
                         0);
        assert_int_equal(requests[0].error.code, 0);
        assert_int_equal(outcomes[0].result, FLORIN_TRANSFER_CREATED);
        assert_true(requests[1].error.code == FLORIN_ERROR_TIMEOUT ||
                    requests[1].error.code == FLORIN_ERROR_UNAVAILABLE);
        slow += florin_clock_ms() >= now + CONNECT_MS;
        now = florin_clock_ms();
    }
    servers_signal(1, SIGCONT);
    assert_in_range(slow, 0, 1); /* one by chance; two or more where each waits for a connection */
    assert_int_equal(pay_at_last(0, 1, fresh(0)), FLORIN_TRANSFER_CREATED);
    check_books();
}

/* The first host takes connections, and never says a word. */
static void test_a_silent_host_does_not_keep_from_the_next(void **state)
{
    (void)state;
    florin_session_t session;
    florin_error_t error;
    char conninfo[FLORIN_SESSION_CONNINFO_BYTES], folder[64] = "", rest[256] = "";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char silent[] = "/tmp/florin-silent.XXXXXX";
    unsigned port;
    assert_non_null(mkdtemp(silent));
    assert_int_equal(sscanf(servers_shard(0), "host=%63s port=%u %255[^\n]", folder, &port, rest),
                     3);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.1", silent);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 100), 0);
    snprintf(conninfo, sizeof conninfo, "host=%s,%s port=1,%u %s", silent, folder, port, rest);
    assert_int_equal(florin_session_init(&session, "shard 0", conninfo, &error), 0);
    int result = open_at_last(&session, &error);
    florin_session_close(&session);
    close(listener);
    unlink(address.sun_path);
    rmdir(silent);
    assert_int_equal(result, 0);
}

/* As a primary that was demoted without ending its sessions, and one whose disk is nearly full. */
static void test_a_server_that_takes_no_writes_is_left(void **state)
{
    (void)state;
    assert_int_equal(pay_at_last(0, 1, fresh(0)), FLORIN_TRANSFER_CREATED); /* it is open */
    servers_command(1, "postgres", "ALTER SYSTEM SET default_transaction_read_only = on");
    servers_command(1, "postgres", "SELECT pg_reload_conf()");
    uint64_t end = florin_clock_ms() + DEADLINE_MS;
    florin_id_t id = fresh(1);
    while (pay(1, 0, id) != FLORIN_ERROR_UNAVAILABLE)
        assert_true(florin_clock_ms() < end);
    while (strcmp(servers_ask(servers_shard(1), "SELECT count(*) FROM pg_stat_activity"
                                                " WHERE application_name = 'florin'"),
                  "0") != 0)
        assert_true(florin_clock_ms() < end);
    servers_command(1, "postgres", "ALTER SYSTEM RESET default_transaction_read_only");
    servers_command(1, "postgres", "SELECT pg_reload_conf()");
    (void)pay_at_last(1, 0, id);
    check_books();
}

static void set_standbys(size_t shard, const char *names)
{
    char sql[128];
    snprintf(sql, sizeof sql, "ALTER SYSTEM SET synchronous_standby_names = '%s'", names);
    servers_command(shard, "postgres", sql);
    servers_command(shard, "postgres", "SELECT pg_reload_conf()");
    uint64_t end = florin_clock_ms() + DEADLINE_MS;
    while (strcmp(servers_command(shard, "postgres", "SHOW synchronous_standby_names"), names) != 0)
        assert_true(florin_clock_ms() < end);
}

/* What only the primary has may be gone with it: it is neither acknowledged, nor found. */
static void is_not_there_without_its_standby(size_t shard, size_t from, size_t to)
{
    florin_id_t id = fresh(0);
    set_standbys(shard, "nobody");
    for (uint64_t end = florin_clock_ms() + 6 * TIMEOUT_MS; florin_clock_ms() < end;)
        assert_true(pay(from, to, id) < 0);
    set_standbys(shard, "");
    int result = pay_at_last(from, to, id);
    assert_true(result == FLORIN_TRANSFER_CREATED || result == FLORIN_TRANSFER_EXISTS);
    check_books();
}

static void test_what_is_on_no_standby_is_not_there(void **state)
{
    (void)state;
    is_not_there_without_its_standby(0, 0, 2); /* one commit */
    is_not_there_without_its_standby(0, 0, 1); /* the decision */
    is_not_there_without_its_standby(1, 0, 1); /* what is prepared */
}

static const char *prepared(void)
{
    return servers_ask(servers_shard(1), COUNT_PREPARED);
}

/* Else its decision would be forgotten, and the standby, promoted, would roll it back. */
static void test_no_second_phase_ends_without_its_standby(void **state)
{
    (void)state;
    servers_ask(servers_shard(0), "INSERT INTO decisions VALUES ('" BATCH "', 'commit')");
    servers_ask(servers_shard(1), "BEGIN; UPDATE accounts SET user_data = '" BATCH "';"
                                  " PREPARE TRANSACTION 'florin:0:" BATCH ":1'");
    set_standbys(1, "nobody");
    florin_error_t error;
    florin_resolved_t resolved;
    for (uint64_t end = florin_clock_ms() + 6 * TIMEOUT_MS; florin_clock_ms() < end;) {
        assert_int_equal(florin_store_resolve(store, &resolved, &error), 0);
        assert_int_equal(resolved.committed + resolved.rolled_back, 0);
        assert_string_equal(prepared(), "1");
    }
    set_standbys(1, "");
    uint64_t end = florin_clock_ms() + DEADLINE_MS;
    while (florin_store_resolve(store, &resolved, &error) != 0 || strcmp(prepared(), "0") != 0)
        assert_true(florin_clock_ms() < end);
    assert_string_equal(servers_ask(servers_shard(1), "SELECT count(*) FROM accounts"
                                                      " WHERE user_data = '" BATCH "'"),
                        "1");
}

/* What a server that started again has replayed is done, and may be on no standby. */
static void test_no_decision_is_forgotten_ahead_of_a_standby(void **state)
{
    (void)state;
    florin_error_t error;
    const char *const count = "SELECT count(*) FROM decisions WHERE batch = '" BATCH "'";
    servers_ask(servers_shard(0), "INSERT INTO decisions VALUES ('" BATCH "', 'commit',"
                                  " now() - interval '2 minutes') ON CONFLICT (batch)"
                                  " DO UPDATE SET decided_at = excluded.decided_at");
    set_standbys(1, "nobody");
    assert_int_equal(florin_store_forget(store, &error), 0);
    assert_string_equal(servers_ask(servers_shard(0), count), "1");
    set_standbys(1, "");
    uint64_t end = florin_clock_ms() + DEADLINE_MS;
    while (florin_store_forget(store, &error) != 0 ||
           strcmp(servers_ask(servers_shard(0), count), "0") != 0)
        assert_true(florin_clock_ms() < end);
}

/* A server that fell shows what it has replayed, and its standby may lack. */
static void test_a_new_session_waits_for_the_standby(void **state)
{
    (void)state;
    florin_store_t *other = open_store();
    florin_account_t found;
    florin_error_t error;
    size_t count;
    set_standbys(0, "nobody");
    assert_int_not_equal(
        florin_store_lookup_accounts(other, &accounts[0], 1, &found, &count, &error), 0);
    set_standbys(0, "");
    florin_store_destroy(&other);
    assert_int_equal(look_at(store, accounts[0]).code, account(accounts[0]).code);
}

/* As a server does that fell, and replayed the commit that was not confirmed. */
static void commit_ahead(void *first)
{
    char sql[128];
    if (!first_time(first))
        return;
    servers_await(servers_shard(1), COUNT_PREPARED, "1");
    snprintf(sql, sizeof sql, "COMMIT PREPARED '%s'",
             servers_ask(servers_shard(1), "SELECT gid FROM pg_prepared_xacts"));
    servers_ask(servers_shard(1), sql);
    set_standbys(1, "nobody");
}

static void test_a_second_phase_that_was_done_waits_for_the_standby(void **state)
{
    (void)state;
    bool first = true;
    florin_id_t id = fresh(0);
    florin_store_set_meanwhile(store, commit_ahead, &first);
    assert_int_equal(pay(0, 1, id), FLORIN_ERROR_UNAVAILABLE);
    florin_store_set_meanwhile(store, NULL, NULL);
    assert_false(first);
    set_standbys(1, "");
    assert_int_equal(pay_at_last(0, 1, id), FLORIN_TRANSFER_EXISTS);
    check_books();
}

static int start(void **state)
{
    (void)state;
    servers_start(SHARDS, true);
    const florin_store_options_t options = {.control = servers_control(),
                                            .connect_timeout_ms = CONNECT_MS,
                                            .statement_timeout_ms = TIMEOUT_MS};
    florin_error_t error;
    ledger = florin_ledger_new();
    if (florin_store_new(&options, &store, &error) != 0)
        return -1;
    for (size_t i = 0; i <= SHARDS; i++) {
        accounts[i] = id_on(i % SHARDS, 1 + i);
        if (try_open(store, ledger, account(accounts[i])) != FLORIN_ACCOUNT_CREATED)
            return -1;
    }
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
        cmocka_unit_test(test_a_frozen_shard_is_waited_for_once),
        cmocka_unit_test(test_a_silent_host_does_not_keep_from_the_next),
        cmocka_unit_test(test_a_server_that_takes_no_writes_is_left),
        cmocka_unit_test(test_what_is_on_no_standby_is_not_there),
        cmocka_unit_test(test_no_second_phase_ends_without_its_standby),
        cmocka_unit_test(test_no_decision_is_forgotten_ahead_of_a_standby),
        cmocka_unit_test(test_a_new_session_waits_for_the_standby),
        cmocka_unit_test(test_a_second_phase_that_was_done_waits_for_the_standby),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
