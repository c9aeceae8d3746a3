/* Several stores on the same books at once: whatever meets whatever, the books stay right.
 *
 * Three threads, each with a store of its own, send random batches that touch all shards. All take
 * ids from one small pool, at about the same place of it: so the same transfer is sent by several,
 * at the same moment. One id in four is contested: each thread means another transfer by it, on
 * other accounts, so that no lock keeps them apart, only the uniqueness of ids. A fourth thread
 * draws the trial balance all the while. The same threads then post, void and sweep the same
 * pending transfers, around the moment at which these expire, and try posts dry. FLORIN_SEED
 * repeats a run as far as threads let it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above first. */
#include <cmocka.h>
#include <pthread.h>
#include <time.h>

#include "lib/clock.h"
#include "test/store/support/books.h"
#include "test/store/support/servers.h"

enum { SHARDS = 3, THREADS = 3, ACCOUNTS = 60, POOL = 1000, BATCHES = 120, EVENTS_MAX = 8 };
enum { PENDINGS = 300, EARLY_NS = 400000000, LATE_NS = 300000000 };

static atomic_uint created[POOL]; /* how often a transfer was said to be created */
static atomic_uint told[POOL];    /* how often it was said to be there */
static atomic_uint conflicts;
static atomic_bool done;
static uint64_t seed;

/* splitmix64, by Sebastiano Vigna: http://prng.di.unimi.it/splitmix64.c */
static uint64_t next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static florin_id_t account_id(size_t number)
{
    return id_on(number % SHARDS, 1 + number);
}

static bool contested(size_t number)
{
    return number % 4 == 0;
}

/* Transfer `number` of the pool, as a thread means it. */
static florin_transfer_event_t pool_transfer(size_t number, size_t thread)
{
    uint64_t state = number;
    size_t slot = next(&state) % SHARDS;
    if (contested(number))
        state += 1 + thread;
    size_t debit = next(&state) % ACCOUNTS;
    size_t credit = (debit + 1 + next(&state) % (ACCOUNTS - 1)) % ACCOUNTS;
    return transfer(id_on(slot, 1000 + number), account_id(debit), account_id(credit),
                    next(&state) % 100);
}

typedef struct {
    size_t numbers[EVENTS_MAX];
    florin_transfer_event_t events[EVENTS_MAX];
    florin_transfer_outcome_t outcomes[EVENTS_MAX];
    florin_store_request_t requests[EVENTS_MAX];
    size_t count, requests_count;
} batch_t;

/* Neighbours in the pool, in any order: threads that go the same way meet. */
static void make_batch(batch_t *batch, size_t thread, size_t around, uint64_t *random)
{
    batch->count = 1 + next(random) % EVENTS_MAX;
    batch->requests_count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        batch->numbers[i] = (around + next(random) % (2 * EVENTS_MAX)) % POOL;
        batch->events[i] = pool_transfer(batch->numbers[i], thread);
        if (i == 0 || next(random) % 4 == 0)
            batch->requests[batch->requests_count++] = (florin_store_request_t){0};
        batch->requests[batch->requests_count - 1].events_count++;
    }
}

static bool note_outcome(size_t number, const florin_transfer_outcome_t *outcome)
{
    if (outcome->result == FLORIN_TRANSFER_CREATED)
        atomic_fetch_add(&created[number], 1);
    else if (contested(number) &&
             outcome->result >= FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID &&
             outcome->result < FLORIN_TRANSFER_EXISTS)
        return true;
    else if (outcome->result != FLORIN_TRANSFER_EXISTS)
        return false;
    atomic_fetch_add(&told[number], 1);
    return true;
}

static void *work(void *arg)
{
    uint64_t random = seed + (uintptr_t)arg;
    florin_store_t *store = open_store();
    florin_ledger_t *ledger = florin_ledger_new();
    batch_t batch;
    const char *failure = NULL;
    for (size_t round = 0; round < BATCHES && !failure; round++) {
        florin_error_t error;
        make_batch(&batch, (uintptr_t)arg, round * EVENTS_MAX, &random);
        if (florin_store_create_transfers(store, ledger, batch.events, batch.outcomes,
                                          batch.requests, batch.requests_count, NULL, 0,
                                          &error) != 0)
            failure = "a batch failed";
        size_t event = 0;
        for (size_t i = 0; i < batch.requests_count && !failure; i++) {
            size_t end = event + batch.requests[i].events_count;
            int code = batch.requests[i].error.code;
            if (code == FLORIN_ERROR_CONFLICT)
                atomic_fetch_add(&conflicts, 1);
            else if (code != 0)
                failure = batch.requests[i].error.message;
            for (; event < end && code == 0 && !failure; event++)
                if (!note_outcome(batch.numbers[event], &batch.outcomes[event]))
                    failure = "a transfer was refused";
            event = end;
        }
    }
    if (failure)
        fprintf(stderr, "worker: %s\n", failure);
    florin_ledger_destroy(&ledger);
    florin_store_destroy(&store);
    return failure ? (void *)1 : NULL;
}

/* At any moment, debits are credits. */
static void *audit(void *arg)
{
    florin_store_t *store = open_store();
    florin_trial_row_t rows[10];
    size_t *balances = arg;
    bool right = true;
    while (right && !atomic_load(&done)) {
        florin_error_t error;
        florin_sum_t debits = 0, credits = 0;
        florin_trial_page_t page;
        int result = florin_store_trial_balance(store, &(florin_trial_query_t){.limit = 10}, rows,
                                                &page, &error);
        if (result == FLORIN_ERROR_CONFLICT)
            continue; /* it may have to wait too long */
        for (size_t i = 0; i < page.count; i++) {
            debits += rows[i].debits_posted;
            credits += rows[i].credits_posted;
        }
        right = result == 0 && debits == credits && rows[0].accounts_count == ACCOUNTS;
        *balances += right;
        if (!right)
            fprintf(stderr, "audit: %s\n", result ? error.message : "the sums differ");
    }
    florin_store_destroy(&store);
    return right ? NULL : (void *)1;
}

static void test_stores_race(void **state)
{
    (void)state;
    pthread_t threads[THREADS], auditor;
    void *failed, *audit_failed;
    size_t balances = 0;
    bool any = false;
    assert_int_equal(pthread_create(&auditor, NULL, audit, &balances), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i), 0);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &failed);
        any = any || failed;
    }
    atomic_store(&done, true);
    pthread_join(auditor, &audit_failed);
    assert_false(any);
    assert_null(audit_failed);
    assert_true(balances > 0);

    florin_store_t *store = open_store();
    size_t there = 0;
    for (size_t i = 0; i < POOL; i++) {
        florin_id_t id = pool_transfer(i, 0).transfer.id;
        florin_entry_t entry;
        florin_error_t error;
        size_t count;
        assert_true(created[i] <= 1);
        assert_true(created[i] == 1 || told[i] == 0);
        assert_int_equal(florin_store_lookup_transfers(store, &id, 1, &entry, &count, &error), 0);
        assert_int_equal(count, created[i]);
        there += count;
    }
    florin_store_destroy(&store);
    printf("%zu transfers, %u requests gave way, %zu trial balances\n", there, conflicts, balances);
    check_books();
}

/* --------------------------------------------------------------------- the same pending transfers
 */

static atomic_uint resolved[PENDINGS]; /* how often one was said to be posted or voided */
static atomic_uint expired;            /* how many sweeps said that they released */
static uint64_t expiry;                /* when the first of them expires */
static pthread_barrier_t begun;        /* the threads', and the one that starts them */

static florin_id_t pending_id(size_t number)
{
    return id_on(number * 7 % SHARDS, 5000 + number);
}

/* Around the expiry; few accounts, so that the same ones are locked again and again. */
static florin_transfer_event_t pending_transfer(size_t number)
{
    florin_transfer_event_t event = transfer(pending_id(number), account_id(number % 5),
                                             account_id(5 + number % 4), 1 + number);
    event.transfer.flags = FLORIN_TRANSFER_FLAG_PENDING;
    event.transfer.timeout_s = 1;
    return event;
}

/* Posts or voids one, with or without its accounts. */
static florin_transfer_event_t resolving(size_t number, florin_id_t id, uint64_t *random)
{
    florin_transfer_event_t event = pending_transfer(number);
    bool posts = next(random) % 2;
    event.transfer.id = id;
    event.transfer.pending_id = pending_id(number);
    event.transfer.timeout_s = 0;
    event.transfer.flags = posts ? FLORIN_TRANSFER_FLAG_POST_PENDING_TRANSFER
                                 : FLORIN_TRANSFER_FLAG_VOID_PENDING_TRANSFER;
    if (next(random) % 2)
        event.transfer.debit_account_id = 0;
    if (next(random) % 2)
        event.transfer.credit_account_id = 0;
    return event;
}

/* What a post of a pending transfer may be told here. */
static bool is_known(int result)
{
    return result == FLORIN_TRANSFER_CREATED ||
           result == FLORIN_TRANSFER_PENDING_TRANSFER_ALREADY_POSTED ||
           result == FLORIN_TRANSFER_PENDING_TRANSFER_ALREADY_VOIDED ||
           result == FLORIN_TRANSFER_PENDING_TRANSFER_EXPIRED || result == FLORIN_ERROR_CONFLICT;
}

/* What would happen if it were sent: balances that can be. */
static bool try_dry(florin_store_t *store, florin_ledger_t *ledger, florin_transfer_event_t event)
{
    florin_transfer_outcome_t outcome;
    florin_error_t error;
    int result = florin_store_try_transfers(store, ledger, &event, &outcome, 1, NULL, 0, &error);
    if (result != 0)
        return result == FLORIN_ERROR_CONFLICT;
    bool right = is_known((int)outcome.result);
    for (size_t i = 0; i < florin_ledger_changed_count(ledger); i++) {
        const florin_balances_t *b = &florin_ledger_changed(ledger, i)->balances;
        right = right && b->debits_pending <= PENDINGS * PENDINGS &&
                b->credits_pending <= PENDINGS * PENDINGS;
    }
    return right;
}

static bool resolve_one(florin_store_t *store, florin_ledger_t *ledger, size_t number,
                        florin_id_t id, uint64_t *random)
{
    florin_transfer_event_t event = resolving(number, id, random);
    if (next(random) % 4 == 0 && !try_dry(store, ledger, event))
        return false;
    int result = try_create(store, ledger, event);
    if (result == FLORIN_TRANSFER_CREATED)
        atomic_fetch_add(&resolved[number], 1);
    return is_known(result);
}

/* Each goes through them in an order of its own, and all in time. */
static void *resolve_and_sweep(void *arg)
{
    uint64_t random = seed + 100 + (uintptr_t)arg;
    florin_store_t *store = open_store();
    florin_ledger_t *ledger = florin_ledger_new();
    florin_error_t error;
    bool right = florin_store_connect(store, &error) == 0;
    pthread_barrier_wait(&begun); /* once all are connected, ... */
    pthread_barrier_wait(&begun); /* ... the transfers are made */
    for (uint64_t n = 0; right && florin_clock_unix_ns() < expiry + LATE_NS; n++) {
        size_t released = 0;
        if (florin_clock_unix_ns() < expiry - EARLY_NS) {
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
            continue;
        }
        if (n % 16 == 15)
            right = florin_store_expire(store, ledger, &released, &error) == 0;
        else
            right = resolve_one(store, ledger, next(&random) % PENDINGS,
                                id_on(n % SHARDS, 100000 * (2 + (uintptr_t)arg) + n), &random);
        atomic_fetch_add(&expired, (unsigned)released);
    }
    if (!right)
        fprintf(stderr, "resolver %u: what should not happen\n", (unsigned)(uintptr_t)arg);
    florin_ledger_destroy(&ledger);
    florin_store_destroy(&store);
    return right ? NULL : (void *)1;
}

/* Once each, whoever it was. */
static void assert_resolved_once(florin_store_t *store)
{
    size_t posted_or_voided = 0, swept = 0;
    for (size_t i = 0; i < PENDINGS; i++) {
        florin_id_t id = pending_id(i);
        florin_entry_t entry;
        florin_error_t error;
        size_t count;
        assert_int_equal(florin_store_lookup_transfers(store, &id, 1, &entry, &count, &error), 0);
        assert_int_equal(count, 1);
        bool by_hand =
            entry.pending == FLORIN_PENDING_POSTED || entry.pending == FLORIN_PENDING_VOIDED;
        assert_true(by_hand || entry.pending == FLORIN_PENDING_EXPIRED);
        assert_int_equal(resolved[i], by_hand);
        posted_or_voided += by_hand;
        swept += !by_hand;
    }
    printf("%zu posted or voided, %zu expired, %u of them by sweeps\n", posted_or_voided, swept,
           expired);
    assert_true(expired <= swept);
}

static void test_resolvers_race(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    florin_store_t *store = open_store();
    florin_ledger_t *ledger = florin_ledger_new();
    static florin_transfer_event_t events[PENDINGS];
    static florin_transfer_outcome_t outcomes[PENDINGS];
    florin_error_t error;
    size_t released;
    bool any = false;
    for (size_t i = 0; i < PENDINGS; i++)
        events[i] = pending_transfer(i);
    assert_int_equal(pthread_barrier_init(&begun, NULL, THREADS + 1), 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, resolve_and_sweep, (void *)i), 0);
    pthread_barrier_wait(&begun);
    create(store, ledger, events, PENDINGS, outcomes);
    expiry = outcomes[0].timestamp + UINT64_C(1000000000);
    pthread_barrier_wait(&begun);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        any = any || failed;
    }
    pthread_barrier_destroy(&begun);
    assert_false(any);
    assert_int_equal(florin_store_expire(store, ledger, &released, &error), 0);
    atomic_fetch_add(&expired, (unsigned)released);
    assert_resolved_once(store);
    florin_ledger_destroy(&ledger);
    florin_store_destroy(&store);
    check_books();
}

/* The same accounts, opened by all at the same moment: one of them does. */
static void *open_same(void *arg)
{
    enum { N = 200 };
    static atomic_uint openings[N];
    florin_store_t *store = open_store();
    florin_ledger_t *ledger = florin_ledger_new();
    florin_account_t events[N];
    florin_account_outcome_t outcomes[N];
    florin_error_t error = {0};
    florin_store_request_t request = {.events_count = N};
    bool right = true;
    for (size_t i = 0; i < N; i++) /* each from another end */
        events[(i * 7 + (uintptr_t)arg * 31) % N] = account(id_on(i % SHARDS, 100000 + i));
    if (florin_store_open_accounts(store, ledger, events, outcomes, &request, 1, &error) != 0 ||
        request.error.code != 0) {
        fprintf(stderr, "open: %s %s\n", error.message, request.error.message);
        right = false;
    }
    for (size_t i = 0; i < N && right; i++) {
        size_t number = (size_t)(events[i].id >> 10) - 100000;
        if (outcomes[i].result == FLORIN_ACCOUNT_CREATED)
            right = atomic_fetch_add(&openings[number], 1) == 0;
        else
            right = outcomes[i].result == FLORIN_ACCOUNT_EXISTS;
    }
    florin_ledger_destroy(&ledger);
    florin_store_destroy(&store);
    return right ? NULL : (void *)1;
}

static void test_openers_race(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    bool any = false;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_same, (void *)(uintptr_t)i), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        any = any || failed;
    }
    assert_false(any);
    check_books();
}

/* --------------------------------------------------------------------------------- outcomes */

enum { ASKED = 600 };

static atomic_bool applied[ASKED], given_up[ASKED]; /* somebody was told so */

/* Notes what somebody is told of a transfer: never both. */
static bool note_told(size_t number, florin_transfer_result_t result)
{
    if (result == FLORIN_TRANSFER_CREATED || result == FLORIN_TRANSFER_EXISTS)
        atomic_store(&applied[number], true);
    else if (result == FLORIN_TRANSFER_ID_GIVEN_UP)
        atomic_store(&given_up[number], true);
    else
        return false;
    return !(atomic_load(&applied[number]) && atomic_load(&given_up[number]));
}

/* Creates a transfer of the pool, or asks for its outcome. */
static bool create_or_ask(florin_store_t *store, florin_ledger_t *ledger, size_t number, bool asks)
{
    florin_transfer_event_t event = pool_transfer(number, 0);
    event.transfer.id = id_on(number % SHARDS, 700000 + number);
    florin_transfer_outcome_t outcome = {0};
    florin_store_request_t request = {.events_count = 1};
    florin_error_t error = {0};
    int code = asks ? florin_store_settle_transfers(store, ledger, &event.transfer.id, &outcome,
                                                    &request, 1, &error)
                    : florin_store_create_transfers(store, ledger, &event, &outcome, &request, 1,
                                                    NULL, 0, &error);
    if (code != 0 || request.error.code != 0)
        return code == 0 && request.error.code == FLORIN_ERROR_CONFLICT;
    if (outcome.result == FLORIN_TRANSFER_ID_ALREADY_FAILED)
        outcome.result = outcome.first_result;
    return note_told(number, outcome.result);
}

static void *create_and_ask(void *arg)
{
    uint64_t random = seed + 200 + (uintptr_t)arg;
    florin_store_t *store = open_store();
    florin_ledger_t *ledger = florin_ledger_new();
    bool right = true;
    for (size_t i = 0; i < ASKED && right; i++)
        right = create_or_ask(store, ledger, (i + next(&random) % 4) % ASKED, next(&random) % 2);
    florin_ledger_destroy(&ledger);
    florin_store_destroy(&store);
    return right ? NULL : (void *)1;
}

/* Whoever is told that a transfer was applied, or never will be: all are told the same. */
static void test_outcomes_race(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    bool any = false;
    size_t counts[2] = {0};
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, create_and_ask, (void *)(uintptr_t)i),
                         0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        any = any || failed;
    }
    assert_false(any);
    for (size_t i = 0; i < ASKED; i++) {
        assert_false(applied[i] && given_up[i]);
        counts[0] += applied[i];
        counts[1] += given_up[i];
    }
    printf("%zu applied, %zu given up\n", counts[0], counts[1]);
    assert_true(counts[0] > 0 && counts[1] > 0);
    check_books();
}

static int start(void **state)
{
    (void)state;
    const char *given = getenv("FLORIN_SEED");
    seed = given ? strtoull(given, NULL, 10) : florin_clock_ns();
    printf("FLORIN_SEED=%llu\n", (unsigned long long)seed);
    servers_start(SHARDS, true);
    florin_store_t *store = open_store();
    florin_ledger_t *ledger = florin_ledger_new();
    for (size_t i = 0; i < ACCOUNTS; i++)
        if (try_open(store, ledger, account(account_id(i))) != FLORIN_ACCOUNT_CREATED)
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stores_race),
        cmocka_unit_test(test_resolvers_race),
        cmocka_unit_test(test_openers_race),
        cmocka_unit_test(test_outcomes_race),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
