/* Servers that die, freeze and come back; answers that are lost; transactions in doubt. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above first. */
#include <cmocka.h>
#include <pthread.h>

#include "lib/clock.h"
#include "store/store.h"
#include "test/store/support/books.h"
#include "test/store/support/servers.h"

enum { SHARDS = 3, DEADLINE_MS = 20000, NEIGHBOUR = SHARDS };

static florin_store_t *store;
static florin_ledger_t *ledger;
static florin_id_t accounts[SHARDS + 1]; /* one on each, and a neighbour of the first */
static uint64_t used = 100;

static florin_id_t fresh(size_t shard)
{
    return id_on(shard, ++used);
}

static int pay(size_t from, size_t to, florin_id_t id)
{
    return try_create(store, ledger, transfer(id, accounts[from], accounts[to], 1));
}

/* Resolves until nothing is prepared anywhere. */
static void resolve_all(void)
{
    uint64_t end = florin_clock_ms() + DEADLINE_MS;
    for (bool left = true; left;) {
        florin_error_t error;
        florin_resolved_t resolved;
        assert_true(florin_clock_ms() < end);
        left = florin_store_resolve(store, &resolved, &error) != 0;
        for (size_t i = 0; i < SHARDS; i++)
            left = left ||
                   strcmp(servers_ask(servers_shard(i), "SELECT count(*) FROM pg_prepared_xacts"),
                          "0") != 0;
    }
}

/* Repeats a payment with the same id, as a client does, until it is there. */
static void pay_at_last(size_t from, size_t to, florin_id_t id)
{
    uint64_t end = florin_clock_ms() + DEADLINE_MS;
    int result;
    while ((result = pay(from, to, id)) < 0) {
        florin_error_t error;
        florin_resolved_t resolved;
        assert_true(florin_clock_ms() < end);
        if (florin_store_resolve(store, &resolved, &error) != 0)
            continue; /* as the payment: later */
    }
    assert_true(result == FLORIN_TRANSFER_CREATED || result == FLORIN_TRANSFER_EXISTS);
}

/* Two requests in one batch: from shard 0 to itself, and from shard 0 to `far`. */
static void pay_both(size_t far, florin_store_request_t requests[2],
                     florin_transfer_outcome_t outcomes[2])
{
    florin_transfer_event_t events[] = {transfer(fresh(0), accounts[0], accounts[1], 1),
                                        transfer(fresh(0), accounts[0], accounts[far], 1)};
    florin_error_t error;
    requests[0] = requests[1] = (florin_store_request_t){.events_count = 1};
    assert_int_equal(florin_store_create_transfers(store, ledger, events, outcomes, requests, 2,
                                                   NULL, 0, &error),
                     0);
}

/* ----------------------------------------------------------------------- servers that are away */

static void test_a_frozen_shard_fails_only_its_requests(void **state)
{
    (void)state;
    florin_store_request_t requests[2];
    florin_transfer_outcome_t outcomes[2];
    assert_int_equal(pay(0, 2, fresh(0)), FLORIN_TRANSFER_CREATED);
    servers_signal(2, SIGSTOP);
    uint64_t began = florin_clock_ms();
    pay_both(2, requests, outcomes);
    uint64_t took = florin_clock_ms() - began;
    assert_int_equal(requests[0].error.code, 0);
    assert_int_equal(outcomes[0].result, FLORIN_TRANSFER_CREATED);
    assert_int_equal(requests[1].error.code, FLORIN_ERROR_TIMEOUT);
    assert_non_null(strstr(requests[1].error.message, "shard 2"));
    assert_true(took < 10000);
    servers_signal(2, SIGCONT);
    pay_at_last(0, 2, fresh(0));
    resolve_all();
    check_books();
}

static void test_a_dead_shard_does_not_slow_the_others(void **state)
{
    (void)state;
    florin_store_request_t requests[2];
    florin_transfer_outcome_t outcomes[2];
    servers_signal(2, SIGKILL);
    for (size_t i = 0; i < 20; i++) {
        pay_both(2, requests, outcomes);
        assert_int_equal(requests[0].error.code, 0);
        assert_int_equal(outcomes[0].result, FLORIN_TRANSFER_CREATED);
        assert_int_equal(requests[1].error.code, FLORIN_ERROR_UNAVAILABLE);
    }
    florin_account_t found;
    florin_error_t error;
    size_t count;
    assert_int_equal(florin_store_lookup_accounts(store, &accounts[2], 1, &found, &count, &error),
                     FLORIN_ERROR_UNAVAILABLE);
    assert_int_equal(florin_store_lookup_accounts(store, &accounts[0], 1, &found, &count, &error),
                     0);
    servers_again();
    pay_at_last(0, 2, fresh(0));
    resolve_all();
    check_books();
}

/* Connections that died while nobody used them are nobody's trouble. */
static void test_a_restart_between_batches_is_not_seen(void **state)
{
    (void)state;
    assert_int_equal(pay(0, 1, fresh(0)), FLORIN_TRANSFER_CREATED);
    servers_signal(0, SIGKILL);
    servers_signal(1, SIGKILL);
    servers_again();
    assert_int_equal(pay(0, 1, fresh(0)), FLORIN_TRANSFER_CREATED);
    (void)look_at(store, accounts[0]);
    servers_ask(servers_shard(0), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                  " WHERE application_name = 'florin'");
    (void)look_at(store, accounts[0]);
    check_books();
}

/* A migration may change what a prepared statement returns: the session is made anew. */
static void test_a_changed_column_is_not_seen(void **state)
{
    (void)state;
    florin_id_t id = fresh(0);
    assert_int_equal(pay(0, 1, id), FLORIN_TRANSFER_CREATED);
    servers_ask(servers_shard(0), "ALTER TABLE transfers ALTER timeout_s TYPE integer");
    assert_int_equal(pay(0, 1, id), FLORIN_TRANSFER_EXISTS);
    servers_ask(servers_shard(0), "ALTER TABLE transfers ALTER timeout_s TYPE bigint");
    florin_entry_t entry;
    florin_error_t error;
    size_t count;
    assert_int_equal(florin_store_lookup_transfers(store, &id, 1, &entry, &count, &error), 0);
    assert_int_equal(count, 1);
}

/* A payer that never stops, while its servers are killed. What it was told is true. */
typedef struct {
    atomic_bool stop;
    atomic_uint paid;
    bool wrong;
} payer_t;

static void *pay_on(void *arg)
{
    payer_t *payer = arg;
    florin_store_t *own = open_store();
    florin_ledger_t *books = florin_ledger_new();
    for (uint64_t n = 1; !atomic_load(&payer->stop) && !payer->wrong;) {
        florin_transfer_event_t event = transfer(
            id_on(n % SHARDS, 1000000 + n), accounts[n % SHARDS], accounts[(n + 1) % SHARDS], 1);
        florin_store_request_t request = {.events_count = 1};
        florin_transfer_outcome_t outcome;
        florin_error_t error;
        florin_resolved_t resolved;
        if (florin_store_create_transfers(own, books, &event, &outcome, &request, 1, NULL, 0,
                                          &error) != 0 ||
            request.error.code != 0) {
            if (florin_store_resolve(own, &resolved, &error) != 0)
                fprintf(stderr, "payer: %s\n", error.message);
            continue; /* again, with the same id */
        }
        payer->wrong =
            outcome.result != FLORIN_TRANSFER_CREATED && outcome.result != FLORIN_TRANSFER_EXISTS;
        atomic_store(&payer->paid, (unsigned)n++);
    }
    florin_ledger_destroy(&books);
    florin_store_destroy(&own);
    return NULL;
}

static void await_paid(payer_t *payer, unsigned more)
{
    unsigned target = atomic_load(&payer->paid) + more;
    for (uint64_t end = florin_clock_ms() + DEADLINE_MS; atomic_load(&payer->paid) < target;)
        assert_true(florin_clock_ms() < end && !payer->wrong);
}

static void test_crashes_in_the_middle_lose_nothing(void **state)
{
    (void)state;
    static payer_t payer;
    pthread_t thread;
    uint64_t before = look_at(store, accounts[0]).balances.debits_posted +
                      look_at(store, accounts[1]).balances.debits_posted +
                      look_at(store, accounts[2]).balances.debits_posted;
    assert_int_equal(pthread_create(&thread, NULL, pay_on, &payer), 0);
    for (size_t shard = 0; shard < 2; shard++) {
        await_paid(&payer, 20);
        servers_signal(shard, SIGKILL);
        servers_again();
    }
    await_paid(&payer, 20);
    servers_signal(1, SIGSTOP);
    servers_signal(1, SIGCONT);
    await_paid(&payer, 20);
    atomic_store(&payer.stop, true);
    pthread_join(thread, NULL);
    assert_false(payer.wrong);
    resolve_all();
    check_books();
    uint64_t after = 0;
    for (size_t i = 0; i < SHARDS; i++)
        after += look_at(store, accounts[i]).balances.debits_posted;
    /* The last one may have been begun and not told. */
    assert_true(after - before == payer.paid || after - before == payer.paid + 1u);
}

/* ------------------------------------------------------------------------- answers that are lost
 */

/* On shard 0, which is the home of what it takes part in. */
static const char *command(const char *sql)
{
    return servers_command(0, "florin", sql);
}

static void *pay_slowly(void *arg)
{
    const size_t *to = arg;
    return (void *)(intptr_t)pay(0, *to, fresh(0));
}

/* A commit that waits for a standby is done, and its answer is not sent: then its session is ended.
 * Unless the standby comes (here: is not waited for any more), the payment is not acknowledged. */
static void lose_the_answer(size_t to, bool standby_comes)
{
    void *result;
    pthread_t thread;
    uint64_t end = florin_clock_ms() + DEADLINE_MS;
    uint64_t before = look_at(store, accounts[0]).balances.debits_posted;
    command("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    command("SELECT pg_reload_conf()");
    while (strcmp(command("SHOW synchronous_standby_names"), "nobody") != 0)
        assert_true(florin_clock_ms() < end);
    assert_int_equal(pthread_create(&thread, NULL, pay_slowly, &to), 0);
    while (strcmp(command("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                          " WHERE wait_event = 'SyncRep' AND application_name = 'florin'"),
                  "t") != 0)
        assert_true(florin_clock_ms() < end);
    if (!standby_comes)
        pthread_join(thread, &result);
    command("ALTER SYSTEM RESET synchronous_standby_names");
    command("SELECT pg_reload_conf()");
    if (standby_comes)
        pthread_join(thread, &result);
    assert_int_equal((intptr_t)result,
                     standby_comes ? FLORIN_TRANSFER_CREATED : FLORIN_ERROR_UNAVAILABLE);
    florin_store_destroy(&store); /* its session was silent, and is not waited for */
    store = open_store();
    assert_int_equal(look_at(store, accounts[0]).balances.debits_posted, before + 1);
    check_books();
}

static void test_a_lost_answer_is_found_out(void **state)
{
    (void)state;
    lose_the_answer(NEIGHBOUR, true);
    lose_the_answer(1, true);
    lose_the_answer(NEIGHBOUR, false);
}

/* A session that ends in its COMMIT, before it is done. */
static void test_a_commit_that_never_was_is_tried_again(void **state)
{
    (void)state;
    command("CREATE SEQUENCE times; GRANT USAGE ON times TO florin");
    command("CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF nextval('times') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid());"
            " PERFORM pg_sleep(5); END IF; RETURN NULL; END $$");
    command("CREATE CONSTRAINT TRIGGER dies AFTER INSERT ON transfers DEFERRABLE"
            " INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()");
    uint64_t before = look_at(store, accounts[0]).balances.debits_posted;
    assert_int_equal(pay(0, 1, fresh(0)), FLORIN_TRANSFER_CREATED);
    assert_int_equal(look_at(store, accounts[0]).balances.debits_posted, before + 1);
    assert_true(strtol(command("SELECT last_value FROM times"), NULL, 10) > 1);
    command("DROP TRIGGER dies ON transfers; DROP FUNCTION die(); DROP SEQUENCE times");
    check_books();
}

/* ----------------------------------------------------------------------------------- in doubt */

/* Takes a shard's database away from all who would use it, and gives it back. */
/* Reads that end because one shard is away leave nothing under way on the others: each read gets
 * the rows that it asked for, and not those of the one before. */
static void test_a_read_that_fails_is_over(void **state)
{
    (void)state;
    const florin_id_t both[] = {accounts[0], accounts[2]};
    florin_account_t found[2];
    florin_error_t error;
    size_t count;
    servers_take_away(2);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(florin_store_lookup_accounts(store, both, 2, found, &count, &error),
                         FLORIN_ERROR_UNAVAILABLE);
        assert_true(look_at(store, accounts[NEIGHBOUR]).id == accounts[NEIGHBOUR]);
        assert_true(look_at(store, accounts[0]).id == accounts[0]);
    }
    servers_give_back(2);
    pay_at_last(0, 2, fresh(0));
    check_books();
}

static florin_transfer_event_t hold(size_t place, size_t from, size_t to, uint32_t timeout_s)
{
    florin_transfer_event_t event = transfer(fresh(place), accounts[from], accounts[to], 1);
    event.transfer.flags = FLORIN_TRANSFER_FLAG_PENDING;
    event.transfer.timeout_s = timeout_s;
    return event;
}

static uint64_t held(size_t account)
{
    return look_at(store, accounts[account]).balances.debits_pending;
}

/* Sweeps until so many more have expired. */
static void sweep(size_t wanted)
{
    uint64_t end = florin_clock_ms() + DEADLINE_MS;
    for (size_t all = 0, expired; all < wanted; all += expired) {
        florin_error_t error;
        assert_true(florin_clock_ms() < end);
        assert_int_equal(florin_store_expire(store, ledger, &expired, &error), 0);
    }
}

/* Whether shard 2 has the id of what is overdue, its debit account or its credit account: it waits
 * for that shard, and nothing else does. */
static void test_a_sweep_does_not_wait_for_a_shard_that_is_away(void **state)
{
    (void)state;
    florin_error_t error;
    size_t expired;
    const florin_transfer_event_t events[] = {hold(2, 0, 1, 1), hold(0, 2, 1, 1), hold(0, 0, 2, 1),
                                              hold(0, 0, 1, 1), hold(1, 1, 0, 1), hold(0, 0, 3, 1)};
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        assert_int_equal(try_create(store, ledger, events[i]), FLORIN_TRANSFER_CREATED);
    assert_int_equal(held(0), 4);
    servers_take_away(2);
    sweep(3);
    assert_int_equal(held(0), 2);
    assert_int_equal(held(1), 0);
    assert_int_equal(florin_store_expire(store, ledger, &expired, &error), 0);
    assert_int_equal(expired, 0);
    servers_give_back(2);
    sweep(3);
    assert_int_equal(held(0), 0);
    assert_int_equal(held(2), 0);
    check_books();
}

static void test_a_post_fails_alone_when_what_it_posts_is_away(void **state)
{
    (void)state;
    const florin_transfer_event_t near = hold(0, 0, 1, 0), far = hold(2, 2, 1, 0);
    assert_int_equal(try_create(store, ledger, near), FLORIN_TRANSFER_CREATED);
    assert_int_equal(try_create(store, ledger, far), FLORIN_TRANSFER_CREATED);
    florin_transfer_event_t posts[] = {transfer(fresh(0), 0, 0, FLORIN_LEDGER_AMOUNT_MAX),
                                       transfer(fresh(0), 0, 0, FLORIN_LEDGER_AMOUNT_MAX)};
    posts[0].transfer.pending_id = near.transfer.id;
    posts[1].transfer.pending_id = far.transfer.id;
    posts[0].transfer.flags = posts[1].transfer.flags = FLORIN_TRANSFER_FLAG_POST_PENDING_TRANSFER;
    florin_store_request_t requests[] = {{.events_count = 1}, {.events_count = 1}};
    florin_transfer_outcome_t outcomes[2];
    florin_error_t error;
    servers_take_away(2);
    assert_int_equal(
        florin_store_create_transfers(store, ledger, posts, outcomes, requests, 2, NULL, 0, &error),
        0);
    assert_int_equal(requests[0].error.code, 0);
    assert_int_equal(outcomes[0].result, FLORIN_TRANSFER_CREATED);
    assert_int_equal(requests[1].error.code, FLORIN_ERROR_UNAVAILABLE);
    servers_give_back(2);
    pay_at_last(0, 2, fresh(0));
    assert_int_equal(try_create(store, ledger, posts[1]), FLORIN_TRANSFER_CREATED);
    check_books();
}

static void lose_shard_2(void *first)
{
    if (!first_time(first))
        return;
    servers_await(servers_shard(2), "SELECT count(*) FROM pg_prepared_xacts", "1");
    servers_take_away(2);
}

/* A pending transfer and, by another request of the same batch, its post, which names no accounts:
 * decided, and not to be seen where its credit account is. */
static void test_a_post_in_the_same_batch_fails_with_what_it_posts(void **state)
{
    (void)state;
    florin_transfer_event_t events[] = {hold(0, 0, 2, 0),
                                        transfer(fresh(0), 0, 0, FLORIN_LEDGER_AMOUNT_MAX)};
    events[1].transfer.pending_id = events[0].transfer.id;
    events[1].transfer.flags = FLORIN_TRANSFER_FLAG_POST_PENDING_TRANSFER;
    florin_store_request_t requests[] = {{.events_count = 1}, {.events_count = 1}};
    florin_transfer_outcome_t outcomes[2];
    florin_error_t error;
    bool first = true;
    florin_store_set_meanwhile(store, lose_shard_2, &first);
    assert_int_equal(florin_store_create_transfers(store, ledger, events, outcomes, requests, 2,
                                                   NULL, 0, &error),
                     0);
    florin_store_set_meanwhile(store, NULL, NULL);
    assert_false(first);
    assert_int_equal(requests[0].error.code, FLORIN_ERROR_UNAVAILABLE);
    assert_int_equal(requests[1].error.code, FLORIN_ERROR_UNAVAILABLE);
    servers_give_back(2);
    resolve_all();
    assert_int_equal(try_create(store, ledger, events[1]), FLORIN_TRANSFER_EXISTS);
    check_books();
}

#define BATCH "00000000-0000-0000-0000-00000000ba7c"

/* A transaction on shard 1 that a dead coordinator left. */
static void leave_in_doubt(const char *home, florin_id_t id)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "BEGIN; UPDATE accounts SET user_data = '00000000-0000-0000-0000-%012llx';"
             " PREPARE TRANSACTION 'florin:%s:" BATCH ":1'",
             (unsigned long long)id, home);
    servers_ask(servers_shard(1), sql);
}

/* One pass, which has to do so much. */
static void resolve_once(size_t committed, size_t rolled_back, size_t waiting)
{
    florin_error_t error;
    florin_resolved_t resolved;
    if (florin_store_resolve(store, &resolved, &error) != 0)
        fail_msg("%s", error.message);
    assert_int_equal(resolved.committed, committed);
    assert_int_equal(resolved.rolled_back, rolled_back);
    assert_int_equal(resolved.waiting, waiting);
}

static void forget(void)
{
    florin_error_t error;
    if (florin_store_forget(store, &error) != 0)
        fail_msg("%s", error.message);
}

static const char *decisions(void)
{
    return servers_ask(servers_shard(0), "SELECT string_agg(decision, ',') FROM decisions"
                                         " WHERE batch = '" BATCH "'");
}

static void test_commits_what_was_decided(void **state)
{
    (void)state;
    leave_in_doubt("0", 0xabc);
    servers_ask(servers_shard(0), "INSERT INTO decisions VALUES ('" BATCH "', 'commit')");
    resolve_once(1, 0, 0);
    assert_true(look_at(store, accounts[1]).user_data == 0xabc);
    resolve_once(0, 0, 0);
    forget();
    assert_string_equal(decisions(), "commit");
    servers_ask(servers_shard(0), "UPDATE decisions SET decided_at = now() - interval '1 hour'");
    forget();
    assert_string_equal(decisions(), "");
}

static void test_fences_what_was_not_decided(void **state)
{
    (void)state;
    florin_id_t before = look_at(store, accounts[1]).user_data;
    leave_in_doubt("0", 0xdef);
    resolve_once(0, 1, 0);
    assert_true(look_at(store, accounts[1]).user_data == before);
    assert_string_equal(decisions(), "abort");
    forget();
    assert_string_equal(decisions(), "abort");
    servers_ask(servers_shard(0), "UPDATE decisions SET decided_at = now() - interval '2 days'");
    forget();
    assert_string_equal(decisions(), "");
}

static void test_keeps_a_decision_that_is_needed(void **state)
{
    (void)state;
    servers_ask(servers_shard(0), "INSERT INTO decisions VALUES ('" BATCH "', 'commit',"
                                  " now() - interval '1 hour')");
    servers_take_away(1);
    forget();
    assert_string_equal(decisions(), "commit"); /* shard 1 cannot say whether it waits for it */
    servers_give_back(1);
    uint64_t end = florin_clock_ms() + DEADLINE_MS;
    while (strcmp(decisions(), "") != 0) {
        forget();
        assert_true(florin_clock_ms() < end);
    }
}

/* A standby knows of no prepared transactions: who believed it would forget what they need. */
static void test_a_standby_is_not_believed(void **state)
{
    (void)state;
    florin_account_t found;
    florin_error_t error;
    size_t count;
    leave_in_doubt("0", 0x456);
    servers_ask(servers_shard(0), "INSERT INTO decisions VALUES ('" BATCH "', 'commit',"
                                  " now() - interval '1 hour')");
    servers_command(1, "postgres", "COPY (SELECT) TO PROGRAM 'touch standby.signal'");
    servers_signal(1, SIGKILL);
    servers_again();
    florin_store_destroy(&store); /* so that all sessions are new */
    store = open_store();
    forget();
    assert_string_equal(decisions(), "commit");
    assert_int_equal(florin_store_lookup_accounts(store, &accounts[1], 1, &found, &count, &error),
                     FLORIN_ERROR_UNAVAILABLE);
    assert_string_equal(servers_command(1, "postgres", "SELECT pg_promote()"), "t");
    resolve_all();
    assert_true(look_at(store, accounts[1]).user_data == 0x456);
    forget();
    assert_string_equal(decisions(), "");
    check_books();
}

static void test_waits_for_the_home_shard(void **state)
{
    (void)state;
    leave_in_doubt("0", 0x123);
    servers_take_away(0);
    resolve_once(0, 0, 1);
    assert_string_equal(
        servers_ask(servers_shard(1), "SELECT count(*) FROM in_doubt WHERE home_shard = 0"), "1");
    servers_give_back(0);
    resolve_all();
    assert_string_equal(decisions(), "abort");
    check_books();
}

/* The resolver was quicker than the coordinator: its decision meets the fence. */
static void test_a_fenced_coordinator_tries_again(void **state)
{
    (void)state;
    command("CREATE SEQUENCE times; GRANT USAGE ON times TO florin");
    command("CREATE FUNCTION fence() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF NEW.decision = 'commit' AND nextval('times') <= current_setting('test.n')::int"
            " THEN INSERT INTO decisions VALUES (NEW.batch, 'abort'); END IF;"
            " RETURN NEW; END $$");
    command("CREATE TRIGGER fences BEFORE INSERT ON decisions"
            " FOR EACH ROW EXECUTE FUNCTION fence()");
    command("ALTER DATABASE florin SET test.n = 1");
    florin_store_destroy(&store); /* its sessions know nothing of the setting */
    store = open_store();
    uint64_t before = look_at(store, accounts[0]).balances.debits_posted;
    assert_int_equal(pay(0, 1, fresh(0)), FLORIN_TRANSFER_CREATED);
    assert_int_equal(look_at(store, accounts[0]).balances.debits_posted, before + 1);

    command("ALTER DATABASE florin SET test.n = 1000");
    florin_store_destroy(&store);
    store = open_store();
    assert_int_equal(pay(0, 1, fresh(0)), FLORIN_ERROR_CONFLICT);
    assert_int_equal(look_at(store, accounts[0]).balances.debits_posted, before + 1);
    assert_string_equal(command("SELECT last_value FROM times"), "10"); /* 2 + 8 tries */
    command("DROP TRIGGER fences ON decisions; DROP FUNCTION fence(); DROP SEQUENCE times");
    command("ALTER DATABASE florin RESET test.n");
    check_books();
}

static int start(void **state)
{
    (void)state;
    servers_start(SHARDS, true);
    ledger = florin_ledger_new();
    store = open_store();
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
        cmocka_unit_test(test_a_frozen_shard_fails_only_its_requests),
        cmocka_unit_test(test_a_dead_shard_does_not_slow_the_others),
        cmocka_unit_test(test_a_restart_between_batches_is_not_seen),
        cmocka_unit_test(test_a_changed_column_is_not_seen),
        cmocka_unit_test(test_crashes_in_the_middle_lose_nothing),
        cmocka_unit_test(test_a_lost_answer_is_found_out),
        cmocka_unit_test(test_a_commit_that_never_was_is_tried_again),
        cmocka_unit_test(test_a_read_that_fails_is_over),
        cmocka_unit_test(test_a_sweep_does_not_wait_for_a_shard_that_is_away),
        cmocka_unit_test(test_a_post_fails_alone_when_what_it_posts_is_away),
        cmocka_unit_test(test_a_post_in_the_same_batch_fails_with_what_it_posts),
        cmocka_unit_test(test_commits_what_was_decided),
        cmocka_unit_test(test_fences_what_was_not_decided),
        cmocka_unit_test(test_keeps_a_decision_that_is_needed),
        cmocka_unit_test(test_a_standby_is_not_believed),
        cmocka_unit_test(test_waits_for_the_home_shard),
        cmocka_unit_test(test_a_fenced_coordinator_tries_again),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
