/* Prepared transactions are ended by whether their coordinator lives, not by how old they are. The
 * coordinators are real: at the moment when a batch is prepared on one of two shards, and not
 * decided at the other, its home, something happens to them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants those above first. */
#include <cmocka.h>
#include <time.h>

#include "lib/clock.h"
#include "test/store/support/books.h"
#include "test/store/support/servers.h"

enum { SHARDS = 3, LATE_MS = 2000, FOR_EVER_MS = 3600000 };

#define COUNT_OURS "SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()"
/* Older than what is let be for its youth. */
#define COUNT_OLD    COUNT_OURS " AND prepared < clock_timestamp() - interval '500 milliseconds'"
#define COUNT_FENCES "SELECT count(*) FROM decisions WHERE decision = 'abort'"
/* The sessions that hold a batch's lock at its home. */
#define END_HOLDERS                                                                                \
    "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_locks WHERE locktype = 'advisory'"      \
    " AND pid IS NOT NULL AND database = (SELECT oid FROM pg_database WHERE datname ="             \
    " current_database())"

static florin_ledger_t *ledger;
static florin_store_t *coordinator, *resolver;
static uint64_t used = 1000;

/* One with the times that a worker's resolver has. */
static florin_store_t *open_resolver(uint32_t in_doubt_after_ms)
{
    const florin_store_options_t options = {.control = servers_control(),
                                            .connect_timeout_ms = 500,
                                            .statement_timeout_ms = 1000,
                                            .in_doubt_after_ms = in_doubt_after_ms};
    florin_store_t *store;
    florin_error_t error;
    if (florin_store_new(&options, &store, &error) != 0)
        fail_msg("%s", error.message);
    return store;
}

static florin_resolved_t resolve(void)
{
    florin_error_t error;
    florin_resolved_t resolved;
    if (florin_store_resolve(resolver, &resolved, &error) != 0)
        fail_msg("%s", error.message);
    return resolved;
}

/* From shard 0, the home, to shard 1. */
static int pay(florin_store_t *store, florin_id_t id)
{
    return try_create(store, ledger, transfer(id, id_on(0, 1), id_on(1, 1), 1));
}

/* A payment during which something happens, at its first try alone. */
static int pay_while(void (*happens)(void *pending), florin_id_t id)
{
    bool pending = true;
    florin_store_set_meanwhile(coordinator, happens, &pending);
    int result = pay(coordinator, id);
    florin_store_set_meanwhile(coordinator, NULL, NULL);
    assert_false(pending);
    return result;
}

/* Only then, and when what it has prepared is too old to be let be for its youth. */
static bool first_time_and_old(void *pending)
{
    if (!first_time(pending))
        return false;
    servers_await(servers_shard(1), COUNT_OLD, "1");
    return true;
}

static void look_patiently(void *pending)
{
    if (!first_time_and_old(pending))
        return;
    florin_resolved_t resolved = resolve();
    assert_int_equal(resolved.committed + resolved.rolled_back + resolved.waiting, 0);
    assert_string_equal(servers_ask(servers_shard(1), COUNT_OURS), "1");
    assert_string_equal(servers_ask(servers_shard(0), COUNT_FENCES), "0");
}

static void test_a_slow_coordinator_that_lives_is_let_be(void **state)
{
    (void)state;
    assert_int_equal(pay_while(look_patiently, id_on(0, ++used)), FLORIN_TRANSFER_CREATED);
    check_books();
}

static void lose_patience(void *pending)
{
    if (!first_time_and_old(pending))
        return;
    florin_store_t *patient = resolver;
    resolver = open_resolver(0);
    florin_resolved_t resolved = resolve();
    florin_store_destroy(&resolver);
    resolver = patient;
    assert_int_equal(resolved.rolled_back, 1);
    assert_string_equal(servers_ask(servers_shard(1), COUNT_OURS), "0");
    assert_string_equal(servers_ask(servers_shard(0), COUNT_FENCES), "1");
}

/* Its first try meets the fence, its second has another name. */
static void test_one_that_takes_too_long_is_fenced_off(void **state)
{
    (void)state;
    florin_id_t id = id_on(0, ++used);
    uint64_t before = look_at(coordinator, id_on(0, 1)).balances.debits_posted;
    assert_int_equal(pay_while(lose_patience, id), FLORIN_TRANSFER_CREATED);
    assert_int_equal(pay(coordinator, id), FLORIN_TRANSFER_EXISTS);
    assert_int_equal(look_at(coordinator, id_on(0, 1)).balances.debits_posted, before + 1);
    check_books();
}

/* As a server whose clock is set ahead sees it: the fence is old at once. */
static void set_the_clock_ahead(void *pending)
{
    florin_error_t error;
    if (!*(bool *)pending)
        return;
    lose_patience(pending);
    servers_ask(servers_shard(0), "UPDATE decisions SET decided_at = now() - interval '2 days'");
    assert_int_equal(florin_store_forget(resolver, &error), 0);
    assert_string_equal(servers_ask(servers_shard(0), COUNT_FENCES), "1");
}

static void test_a_fence_stays_while_its_coordinator_may_come(void **state)
{
    (void)state;
    florin_error_t error;
    servers_ask(servers_shard(0), "DELETE FROM decisions WHERE decision = 'abort'");
    assert_int_equal(pay_while(set_the_clock_ahead, id_on(0, ++used)), FLORIN_TRANSFER_CREATED);
    assert_int_equal(florin_store_forget(resolver, &error), 0);
    assert_string_equal(servers_ask(servers_shard(0), COUNT_FENCES), "0");
    check_books();
}

static void lose_home_session(void *pending)
{
    if (!first_time_and_old(pending))
        return;
    assert_string_equal(servers_ask(servers_shard(0), END_HOLDERS), "1");
    assert_int_equal(resolve().rolled_back, 1);
}

/* The coordinator lives, but the transaction at home, which alone could decide, has ended. */
static void test_a_lost_home_session_is_an_end(void **state)
{
    (void)state;
    florin_id_t id = id_on(0, ++used);
    int result = pay_while(lose_home_session, id);
    assert_true(result == FLORIN_TRANSFER_CREATED || result == FLORIN_ERROR_UNAVAILABLE);
    result = pay(coordinator, id);
    assert_true(result == FLORIN_TRANSFER_CREATED || result == FLORIN_TRANSFER_EXISTS);
    check_books();
}

/* Two requests: one that another worker is asked, too, since its answer takes long; and one that it
 * is not. The first one brings its own timestamp, so both workers write the same row. */
static florin_transfer_event_t twice, once;

static void write_it_meanwhile(void *pending)
{
    if (!first_time(pending))
        return;
    servers_await(servers_shard(0),
                  "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'florin'"
                  " AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"
                  " AND (state = 'idle in transaction' OR wait_event = 'PgSleep')",
                  "1");
    assert_string_equal(servers_ask(servers_shard(0), END_HOLDERS), "1");
    florin_store_t *other = open_store();
    florin_ledger_t *books = florin_ledger_new();
    assert_int_equal(try_create(other, books, twice), FLORIN_TRANSFER_CREATED);
    florin_ledger_destroy(&books);
    florin_store_destroy(&other);
}

static void loses_its_answer(size_t to)
{
    florin_error_t error;
    bool pending = true;
    twice = transfer(id_on(0, ++used), id_on(0, 2), id_on(0, 3), 5);
    twice.transfer.flags = FLORIN_TRANSFER_FLAG_IMPORTED;
    twice.transfer.timestamp = florin_clock_unix_ns();
    once = transfer(id_on(0, ++used), id_on(0, 1), id_on(to, 1 + 3 * (to == 0)), 1);
    const florin_transfer_event_t events[] = {twice, once};
    florin_transfer_outcome_t outcomes[2];
    florin_store_request_t requests[] = {{.events_count = 1}, {.events_count = 1}};
    florin_store_set_meanwhile(coordinator, write_it_meanwhile, &pending);
    assert_int_equal(florin_store_create_transfers(coordinator, ledger, events, outcomes, requests,
                                                   2, NULL, 0, &error),
                     0);
    florin_store_set_meanwhile(coordinator, NULL, NULL);
    assert_false(pending);
    assert_int_equal(requests[0].error.code, 0);
    assert_int_equal(outcomes[0].result, FLORIN_TRANSFER_EXISTS);
    assert_int_equal(requests[1].error.code, 0);
    assert_int_equal(outcomes[1].result, FLORIN_TRANSFER_CREATED);
    assert_int_equal(try_create(coordinator, ledger, once), FLORIN_TRANSFER_EXISTS);
    check_books();
}

static void test_another_batchs_row_is_no_decision(void **state)
{
    (void)state;
    loses_its_answer(1);
}

/* The first COMMIT of a transfer sleeps until it is ended. */
static void test_another_batchs_row_is_no_commit(void **state)
{
    (void)state;
    servers_command(0, "florin", "CREATE SEQUENCE times; GRANT USAGE ON times TO florin");
    servers_command(
        0, "florin",
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF nextval('times') = 1 THEN PERFORM pg_sleep(60); END IF; RETURN NULL; END $$");
    servers_command(0, "florin",
                    "CREATE CONSTRAINT TRIGGER waits AFTER INSERT ON transfers"
                    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()");
    loses_its_answer(0);
    servers_command(0, "florin",
                    "DROP TRIGGER waits ON transfers; DROP FUNCTION wait();"
                    " DROP SEQUENCE times");
}

static void die(void *pending)
{
    (void)pending;
    servers_await(servers_shard(1), COUNT_OURS, "1");
    (void)raise(SIGKILL);
}

/* In a child, which leaves a prepared transaction. */
static void die_of_a_payment(florin_id_t id)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        florin_store_t *store = open_patient_store(FOR_EVER_MS);
        florin_store_set_meanwhile(store, die, NULL);
        _exit(pay(store, id) == FLORIN_TRANSFER_CREATED);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static uint64_t resolve_until(size_t rolled_back)
{
    uint64_t began = florin_clock_ms();
    for (size_t all = 0; all < rolled_back;) {
        if (florin_clock_ms() - began >= LATE_MS)
            fail_msg("%zu of %zu are ended after %d ms", all, rolled_back, LATE_MS);
        all += resolve().rolled_back;
    }
    return florin_clock_ms() - began;
}

/* Nobody waits until it is overdue. */
static void test_a_dead_coordinators_are_ended_soon(void **state)
{
    (void)state;
    florin_id_t id = id_on(0, ++used);
    die_of_a_payment(id);
    printf("ended %llu ms after the death\n", (unsigned long long)resolve_until(1));
    assert_string_equal(servers_ask(servers_shard(1), COUNT_OURS), "0");
    assert_int_equal(pay(coordinator, id), FLORIN_TRANSFER_CREATED);
    check_books();
}

static void test_a_home_that_is_away_is_waited_for(void **state)
{
    (void)state;
    die_of_a_payment(id_on(0, ++used));
    servers_signal(0, SIGKILL);
    servers_await(servers_shard(1), COUNT_OLD, "1");
    for (unsigned pass = 0; pass < 3; pass++)
        assert_int_equal(resolve().waiting, 1);
    assert_string_equal(servers_ask(servers_shard(1), COUNT_OURS), "1");
    servers_again();
    printf("ended %llu ms after its home was back\n", (unsigned long long)resolve_until(1));
    check_books();
}

/* A shard that hangs costs a pass one wait, and is then left out for a while. */
static void test_a_shard_that_hangs_keeps_others_waiting_little(void **state)
{
    (void)state;
    servers_signal(2, SIGSTOP);
    for (unsigned i = 0; i < 3; i++) {
        die_of_a_payment(id_on(0, ++used));
        printf("ended %llu ms after the death\n", (unsigned long long)resolve_until(1));
    }
    servers_signal(2, SIGCONT);
    check_books();
}

static int start(void **state)
{
    (void)state;
    servers_start(SHARDS, true);
    ledger = florin_ledger_new();
    coordinator = open_patient_store(FOR_EVER_MS);
    resolver = open_resolver(FOR_EVER_MS);
    for (size_t i = 0; i < SHARDS; i++)
        for (size_t n = 1; n <= 4; n++)
            if (try_open(coordinator, ledger, account(id_on(i, n))) != FLORIN_ACCOUNT_CREATED)
                return -1;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    florin_store_destroy(&resolver);
    florin_store_destroy(&coordinator);
    florin_ledger_destroy(&ledger);
    servers_stop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slow_coordinator_that_lives_is_let_be),
        cmocka_unit_test(test_one_that_takes_too_long_is_fenced_off),
        cmocka_unit_test(test_a_fence_stays_while_its_coordinator_may_come),
        cmocka_unit_test(test_a_lost_home_session_is_an_end),
        cmocka_unit_test(test_another_batchs_row_is_no_decision),
        cmocka_unit_test(test_another_batchs_row_is_no_commit),
        cmocka_unit_test(test_a_dead_coordinators_are_ended_soon),
        cmocka_unit_test(test_a_home_that_is_away_is_waited_for),
        cmocka_unit_test(test_a_shard_that_hangs_keeps_others_waiting_little),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
