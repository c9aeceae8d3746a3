/* A coordinator that dies at every step across three shards: of a batch of transfers, of one that
 * posts and voids what is pending, and of a sweep of what is overdue. After recovery it has wholly
 * happened or wholly not, and what was acknowledged has. Needs a build with failpoints. */
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
#include <pthread.h>
#include <time.h>

#include "lib/clock.h"
#include "test/store/support/books.h"
#include "test/store/support/servers.h"

enum { SHARDS = 3, EVENTS = 60, SWEEPERS = 2, FOR_EVER_MS = 3600000, LEFT_OUT = 77 };

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

/* ------------------------------------------------------------------------------------- what dies
 */

/* The kinds of events, for each step: all between all shards and with ids on all shards. */
typedef enum { PLAIN, HELD, RESOLVING, OVERDUE, KINDS } kind_t;

static florin_id_t event_id(size_t step, kind_t kind, size_t i)
{
    return id_on(i % 5 % SHARDS, 1000 * (KINDS * step + kind + 1) + i);
}

/* What is overdue is released by the shard of its debit account: here by one. */
static void make_batch(size_t step, kind_t kind, florin_transfer_event_t events[EVENTS])
{
    for (size_t i = 0; i < EVENTS; i++) {
        size_t debit = kind == OVERDUE ? 0 : i % SHARDS;
        size_t credit = kind == OVERDUE ? 1 + i % (SHARDS - 1) : (i + 1) % SHARDS;
        events[i] = transfer(event_id(step, kind, i), id_on(debit, 1), id_on(credit, 1), i);
        if (kind == HELD || kind == OVERDUE)
            events[i].transfer.flags = FLORIN_TRANSFER_FLAG_PENDING;
        if (kind == OVERDUE)
            events[i].transfer.timeout_s = 1;
    }
}

/* Half of what is held is posted, some of that in part, and half is voided; each leaves its
 * accounts to the pending transfer. */
static void make_resolving(size_t step, florin_transfer_event_t events[EVENTS])
{
    for (size_t i = 0; i < EVENTS; i++) {
        florin_transfer_t *t = &events[i].transfer;
        uint64_t posted = i % 4 ? FLORIN_LEDGER_AMOUNT_MAX : i / 2;
        events[i] = transfer(event_id(step, RESOLVING, i), 0, 0, i % 2 ? 0 : posted);
        t->pending_id = event_id(step, HELD, i);
        t->flags = i % 2 ? FLORIN_TRANSFER_FLAG_VOID_PENDING_TRANSFER
                         : FLORIN_TRANSFER_FLAG_POST_PENDING_TRANSFER;
    }
}

static int create_all(florin_store_t *store, florin_ledger_t *ledger,
                      const florin_transfer_event_t events[EVENTS])
{
    florin_transfer_outcome_t outcomes[EVENTS];
    florin_store_request_t request = {.events_count = EVENTS};
    florin_error_t error;
    return florin_store_create_transfers(store, ledger, events, outcomes, &request, 1, NULL, 0,
                                         &error) != 0 ||
           request.error.code != 0;
}

/* Whoever asks again gets the same, or gets it now. */
static void create_again(florin_store_t *store, florin_ledger_t *ledger,
                         const florin_transfer_event_t events[EVENTS], size_t there)
{
    florin_transfer_outcome_t outcomes[EVENTS];
    create(store, ledger, events, EVENTS, outcomes);
    for (size_t i = 0; i < EVENTS; i++)
        assert_int_equal(outcomes[i].result,
                         there ? FLORIN_TRANSFER_EXISTS : FLORIN_TRANSFER_CREATED);
}

/* A step's transfers of one kind, as stored; returns how many are there. */
static size_t look_up(florin_store_t *store, size_t step, kind_t kind,
                      florin_entry_t entries[EVENTS])
{
    florin_id_t ids[EVENTS];
    florin_error_t error;
    size_t count;
    for (size_t i = 0; i < EVENTS; i++)
        ids[i] = event_id(step, kind, i);
    assert_int_equal(florin_store_lookup_transfers(store, ids, EVENTS, entries, &count, &error), 0);
    return count;
}

static size_t count_with(florin_store_t *store, size_t step, kind_t kind,
                         florin_pending_status_t status)
{
    florin_entry_t entries[EVENTS];
    size_t with = 0;
    size_t count = look_up(store, step, kind, entries);
    for (size_t i = 0; i < count; i++)
        with += entries[i].pending == status;
    return with;
}

/* What dies: how it is prepared, begun in a child, and found afterwards; and what then follows. */
typedef struct {
    void (*prepare)(florin_store_t *store, florin_ledger_t *ledger, size_t step);
    int (*begin)(florin_store_t *store, florin_ledger_t *ledger, size_t step);
    size_t (*count_done)(florin_store_t *store, size_t step);
    void (*go_on)(florin_store_t *store, florin_ledger_t *ledger, size_t step, size_t done);
} scene_t;

/* Plain transfers. */

static void prepare_nothing(florin_store_t *store, florin_ledger_t *ledger, size_t step)
{
    (void)store;
    (void)ledger;
    (void)step;
}

static int begin_transfers(florin_store_t *store, florin_ledger_t *ledger, size_t step)
{
    florin_transfer_event_t events[EVENTS];
    make_batch(step, PLAIN, events);
    return create_all(store, ledger, events);
}

static size_t count_transfers(florin_store_t *store, size_t step)
{
    florin_entry_t entries[EVENTS];
    return look_up(store, step, PLAIN, entries);
}

static void repeat_transfers(florin_store_t *store, florin_ledger_t *ledger, size_t step,
                             size_t done)
{
    florin_transfer_event_t events[EVENTS];
    make_batch(step, PLAIN, events);
    create_again(store, ledger, events, done);
}

/* Posts and voids. */

static void prepare_held(florin_store_t *store, florin_ledger_t *ledger, size_t step)
{
    florin_transfer_event_t events[EVENTS];
    make_batch(step, HELD, events);
    assert_int_equal(create_all(store, ledger, events), 0);
    assert_int_equal(count_with(store, step, HELD, FLORIN_PENDING_OPEN), EVENTS);
}

static int begin_resolving(florin_store_t *store, florin_ledger_t *ledger, size_t step)
{
    florin_transfer_event_t events[EVENTS];
    make_resolving(step, events);
    return create_all(store, ledger, events);
}

/* All or none have been resolved, and have what resolved them. */
static size_t count_resolved(florin_store_t *store, size_t step)
{
    florin_entry_t entries[EVENTS];
    size_t done = look_up(store, step, RESOLVING, entries);
    assert_int_equal(count_with(store, step, HELD, FLORIN_PENDING_POSTED), done / 2);
    assert_int_equal(count_with(store, step, HELD, FLORIN_PENDING_VOIDED), done / 2);
    assert_int_equal(count_with(store, step, HELD, FLORIN_PENDING_OPEN), EVENTS - done);
    return done;
}

static void repeat_resolving(florin_store_t *store, florin_ledger_t *ledger, size_t step,
                             size_t done)
{
    florin_transfer_event_t events[EVENTS];
    make_resolving(step, events);
    create_again(store, ledger, events, done);
    assert_int_equal(count_resolved(store, step), EVENTS);
}

/* Sweeps. */

static void prepare_overdue(florin_store_t *store, florin_ledger_t *ledger, size_t step)
{
    florin_transfer_event_t events[EVENTS];
    florin_entry_t entries[EVENTS];
    uint64_t end = florin_clock_ms() + 10000;
    make_batch(step, OVERDUE, events);
    assert_int_equal(create_all(store, ledger, events), 0);
    assert_int_equal(look_up(store, step, OVERDUE, entries), EVENTS);
    while (florin_clock_unix_ns() <= entries[EVENTS - 1].transfer.timestamp + 1000000000) {
        assert_true(florin_clock_ms() < end);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

static int begin_sweep(florin_store_t *store, florin_ledger_t *ledger, size_t step)
{
    florin_error_t error;
    size_t expired;
    (void)step;
    return florin_store_expire(store, ledger, &expired, &error);
}

static size_t count_expired(florin_store_t *store, size_t step)
{
    size_t done = count_with(store, step, OVERDUE, FLORIN_PENDING_EXPIRED);
    assert_int_equal(count_with(store, step, OVERDUE, FLORIN_PENDING_OPEN), EVENTS - done);
    return done;
}

/* Sweeps until nothing is left; returns how many this one has released. */
static void *sweep(void *arg)
{
    florin_store_t *store = open_store();
    florin_ledger_t *ledger = florin_ledger_new();
    florin_error_t error;
    size_t all = 0;
    (void)arg;
    for (size_t expired = 1; expired > 0; all += expired)
        if (florin_store_expire(store, ledger, &expired, &error) != 0)
            fprintf(stderr, "sweeper: %s\n", error.message); /* then some are left */
    florin_ledger_destroy(&ledger);
    florin_store_destroy(&store);
    return (void *)(uintptr_t)all;
}

/* Several sweep what is left, at once: each is released by one of them. */
static void sweep_the_rest(florin_store_t *store, florin_ledger_t *ledger, size_t step, size_t done)
{
    pthread_t sweepers[SWEEPERS];
    uintptr_t all = 0;
    (void)ledger;
    for (size_t i = 0; i < SWEEPERS; i++)
        assert_int_equal(pthread_create(&sweepers[i], NULL, sweep, NULL), 0);
    for (size_t i = 0; i < SWEEPERS; i++) {
        void *released;
        pthread_join(sweepers[i], &released);
        all += (uintptr_t)released;
    }
    assert_int_equal(all, EVENTS - done);
    assert_int_equal(count_expired(store, step), EVENTS);
}

/* ----------------------------------------------------------------------------------- how it dies
 */

/* In a child; exit code 0 when it was acknowledged. */
static pid_t begin(const scene_t *scene, size_t step)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    florin_store_t *store = open_store();
    florin_ledger_t *ledger = florin_ledger_new();
    (void)setenv("FLORIN_FAILPOINT", steps[step].point, 1);
    _exit(scene->begin(store, ledger, step) != 0);
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

/* Ends what is prepared on any shard, without waiting until it is overdue: the dead coordinator's
 * locks are gone with its sessions. Returns how many were. */
static size_t resolve_all(void)
{
    florin_store_t *store = open_patient_store(FOR_EVER_MS);
    size_t all = 0;
    uint64_t end = florin_clock_ms() + 10000;
    for (bool left = true; left;) {
        florin_error_t error;
        florin_resolved_t resolved;
        assert_true(florin_clock_ms() < end);
        assert_int_equal(florin_store_resolve(store, &resolved, &error), 0);
        all += resolved.committed + resolved.rolled_back;
        left = false;
        for (size_t i = 0; i < SHARDS; i++)
            left = left ||
                   strcmp(servers_ask(servers_shard(i), "SELECT count(*) FROM pg_prepared_xacts"),
                          "0") != 0;
    }
    florin_store_destroy(&store);
    return all;
}

static void die_at(const scene_t *scene, size_t step)
{
    int status;
    florin_ledger_t *ledger = florin_ledger_new();
    florin_store_t *store = open_store();
    scene->prepare(store, ledger, step);
    florin_store_destroy(&store);
    pid_t child = begin(scene, step);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    await_sessions_gone();

    size_t resolved = resolve_all();
    check_books();
    store = open_store();
    size_t done = scene->count_done(store, step);
    printf("%s: %zu of %d, %zu resolved\n", steps[step].point, done, EVENTS, resolved);
    assert_true(done == 0 || done == EVENTS);
    if (steps[step].expected != EITHER)
        assert_int_equal(done, steps[step].expected == THERE ? EVENTS : 0);

    scene->go_on(store, ledger, step, done);
    assert_int_equal(resolve_all(), 0);
    check_books();
    florin_store_destroy(&store);
    florin_ledger_destroy(&ledger);
    await_sessions_gone();
}

static void test_dies_at_each_step(void **state)
{
    for (size_t step = 0; step < STEPS; step++)
        die_at(*state, step);
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
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    await_sessions_gone();
    (void)resolve_all();
    florin_store_t *store = open_store();
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
    static scene_t transfers = {prepare_nothing, begin_transfers, count_transfers,
                                repeat_transfers};
    static scene_t resolving = {prepare_held, begin_resolving, count_resolved, repeat_resolving};
    static scene_t sweeping = {prepare_overdue, begin_sweep, count_expired, sweep_the_rest};
    const struct CMUnitTest tests[] = {
        {"transfers", test_dies_at_each_step, NULL, NULL, &transfers},
        {"posts and voids", test_dies_at_each_step, NULL, NULL, &resolving},
        {"a sweep", test_dies_at_each_step, NULL, NULL, &sweeping},
        cmocka_unit_test(test_dies_when_it_forgets),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
