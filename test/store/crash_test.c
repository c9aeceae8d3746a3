/* A coordinator that dies at every step of a batch across three shards. After recovery the batch is
 * wholly there or wholly not, and what was acknowledged is there. Needs a build with failpoints. */
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

#include "test/store/support/books.h"
#include "test/store/support/servers.h"

enum { SHARDS = 3, EVENTS = 60, LEFT_OUT = 77 };

typedef enum { NOT_THERE, THERE, EITHER } expected_t;

/* The steps in order; what must have become of the batch that died there. */
static const struct {
    const char *point;
    expected_t expected;
} steps[] = {
    {"store_locked", NOT_THERE},
    {"store_applied", NOT_THERE},
    {"store_written", NOT_THERE},
    {"store_prepared_some", NOT_THERE},
    {"store_prepared_some:2", NOT_THERE},
    {"store_prepared", NOT_THERE},
    {"store_decision_sent", EITHER}, /* the server may have got it, and no one can know */
    {"store_decided", THERE},
    {"store_committed_some", THERE},
    {"store_committed_some:2", THERE},
    {"store_committed", THERE},
};
enum { STEPS = sizeof steps / sizeof *steps };

/* The batch of a step: between all shards, ids on all shards. */
static void make_batch(size_t step, florin_transfer_event_t events[EVENTS])
{
    for (size_t i = 0; i < EVENTS; i++)
        events[i] = transfer(id_on(i % 5 % SHARDS, 1000 * (step + 1) + i), id_on(i % SHARDS, 1),
                             id_on((i + 1) % SHARDS, 1), i);
}

/* In a child: the batch of a step, and exit code 0 when it was acknowledged. */
static pid_t begin_batch(size_t step, const char *point)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    florin_transfer_event_t events[EVENTS];
    florin_transfer_outcome_t outcomes[EVENTS];
    florin_store_request_t request = {.events_count = EVENTS};
    florin_error_t error;
    florin_store_t *store = open_store();
    florin_ledger_t *ledger = florin_ledger_new();
    (void)setenv("FLORIN_FAILPOINT", point, 1);
    make_batch(step, events);
    int result = florin_store_create_transfers(store, ledger, events, outcomes, &request, 1, NULL,
                                               0, &error);
    _exit(result != 0 || request.error.code != 0);
}

static size_t count_there(florin_store_t *store, const florin_transfer_event_t events[EVENTS])
{
    florin_id_t ids[EVENTS];
    florin_entry_t entries[EVENTS];
    florin_error_t error;
    size_t count;
    for (size_t i = 0; i < EVENTS; i++)
        ids[i] = events[i].transfer.id;
    assert_int_equal(florin_store_lookup_transfers(store, ids, EVENTS, entries, &count, &error), 0);
    return count;
}

/* The dead child's sessions end when its servers see it: only then is all prepared that will be. */
static void await_sessions_gone(void)
{
    for (size_t i = 0; i < SHARDS; i++)
        while (strcmp(servers_ask(servers_shard(i),
                                  "SELECT count(*) FROM pg_stat_activity WHERE datname = 'florin'"
                                  " AND application_name = 'florin'"),
                      "0") != 0)
            ;
}

static void test_dies_at_each_step(void **state)
{
    (void)state;
    florin_ledger_t *ledger = florin_ledger_new();
    for (size_t step = 0; step < STEPS; step++) {
        florin_transfer_event_t events[EVENTS];
        florin_transfer_outcome_t outcomes[EVENTS];
        florin_error_t error;
        size_t resolved;
        int status;
        pid_t child = begin_batch(step, steps[step].point);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        await_sessions_gone();

        florin_store_t *store = open_store();
        assert_int_equal(florin_store_resolve(store, &resolved, &error), 0);
        check_books();
        make_batch(step, events);
        size_t there = count_there(store, events);
        printf("%s: %zu of %d transfers, %zu resolved\n", steps[step].point, there, EVENTS,
               resolved);
        assert_true(there == 0 || there == EVENTS);
        if (steps[step].expected != EITHER)
            assert_int_equal(there, steps[step].expected == THERE ? EVENTS : 0);

        /* Whoever asks again gets the same, or gets it now. */
        create(store, ledger, events, EVENTS, outcomes);
        for (size_t i = 0; i < EVENTS; i++)
            assert_int_equal(outcomes[i].result,
                             there ? FLORIN_TRANSFER_EXISTS : FLORIN_TRANSFER_CREATED);
        assert_int_equal(florin_store_resolve(store, &resolved, &error), 0);
        assert_int_equal(resolved, 0);
        check_books();
        florin_store_destroy(&store);
        await_sessions_gone();
    }
    florin_ledger_destroy(&ledger);
}

/* In a child: two batches; the second forgets the decision of the first, and dies. */
static void test_dies_when_it_forgets(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        florin_store_t *store = open_store();
        florin_ledger_t *ledger = florin_ledger_new();
        (void)setenv("FLORIN_FAILPOINT", "store_forgotten", 1);
        for (uint64_t n = 900000; n < 900002; n++)
            (void)try_create(store, ledger, transfer(id_on(0, n), id_on(0, 1), id_on(1, 1), 1));
        _exit(0);
    }
    int status;
    florin_error_t error;
    size_t resolved;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    await_sessions_gone();
    florin_store_t *store = open_store();
    assert_int_equal(florin_store_resolve(store, &resolved, &error), 0);
    florin_id_t ids[] = {id_on(0, 900000), id_on(0, 900001)};
    florin_entry_t entries[2];
    size_t count;
    assert_int_equal(florin_store_lookup_transfers(store, ids, 2, entries, &count, &error), 0);
    assert_int_equal(count, 2);
    florin_store_destroy(&store);
    check_books();
}

static int start(void **state)
{
    (void)state;
    servers_start(SHARDS, true);
    florin_store_t *store = open_store();
    florin_ledger_t *ledger = florin_ledger_new();
    for (size_t i = 0; i < SHARDS; i++)
        if (try_open(store, ledger, account(id_on(i, 1))) != FLORIN_ACCOUNT_CREATED)
            return -1;
    florin_ledger_destroy(&ledger);
    florin_store_destroy(&store);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    servers_stop();
    return 0;
}

int main(void)
{
#ifndef FLORIN_FAILPOINTS
    puts("needs a build with VARIANT=failpoints");
    return LEFT_OUT;
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dies_at_each_step),
        cmocka_unit_test(test_dies_when_it_forgets),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
