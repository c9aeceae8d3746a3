/* Transfers in two phases, limits, dry runs and lists, on three shards. */
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
#include "test/store/support/books.h"
#include "test/store/support/servers.h"

#define SHARDS     3
#define AMOUNT_MAX FLORIN_LEDGER_AMOUNT_MAX
#define PENDING    FLORIN_TRANSFER_FLAG_PENDING
#define POST       FLORIN_TRANSFER_FLAG_POST_PENDING_TRANSFER
#define VOID       FLORIN_TRANSFER_FLAG_VOID_PENDING_TRANSFER

static florin_store_t *store;
static florin_ledger_t *ledger;
static uint64_t next_id = 1;

static florin_id_t new_id(size_t shard)
{
    return id_on(shard, next_id++);
}

static florin_id_t open_on(size_t shard, uint32_t flags)
{
    florin_account_t event = account(new_id(shard));
    event.flags = flags;
    assert_int_equal(try_open(store, ledger, event), FLORIN_ACCOUNT_CREATED);
    return event.id;
}

static florin_transfer_event_t resolving(size_t shard, florin_id_t pending_id, uint32_t flag,
                                         uint64_t amount)
{
    florin_transfer_event_t event = transfer(new_id(shard), 0, 0, amount);
    event.transfer.pending_id = pending_id;
    event.transfer.flags = flag;
    event.transfer.ledger = 0;
    event.transfer.code = 0;
    return event;
}

static florin_transfer_event_t pending(size_t shard, florin_id_t debit, florin_id_t credit,
                                       uint64_t amount, uint32_t timeout_s)
{
    florin_transfer_event_t event = transfer(new_id(shard), debit, credit, amount);
    event.transfer.flags = PENDING;
    event.transfer.timeout_s = timeout_s;
    return event;
}

static void assert_balances(florin_id_t id, uint64_t debits_pending, uint64_t debits_posted,
                            uint64_t credits_pending, uint64_t credits_posted)
{
    florin_account_t a = look_at(store, id);
    assert_int_equal(a.balances.debits_pending, debits_pending);
    assert_int_equal(a.balances.debits_posted, debits_posted);
    assert_int_equal(a.balances.credits_pending, credits_pending);
    assert_int_equal(a.balances.credits_posted, credits_posted);
}

static florin_pending_status_t status_of(florin_id_t id)
{
    florin_error_t error;
    florin_entry_t entry;
    size_t found;
    assert_int_equal(florin_store_lookup_transfers(store, &id, 1, &entry, &found, &error), 0);
    assert_int_equal(found, 1);
    return entry.pending;
}

/* ----------------------------------------------------------------------------------- two phases */

/* Ids, debit and credit account each on any shard: 27 ways. */
static void what_is_pending_is_posted_or_voided_over_all_shards(void **state)
{
    (void)state;
    for (size_t way = 0; way < SHARDS * SHARDS * SHARDS; way++) {
        size_t own = way % SHARDS, debit_shard = way / SHARDS % SHARDS;
        size_t credit_shard = way / SHARDS / SHARDS;
        florin_id_t debit = open_on(debit_shard, 0), credit = open_on(credit_shard, 0);
        florin_transfer_event_t first = pending(own, debit, credit, 100, 0);
        florin_transfer_event_t second = pending(own, debit, credit, 7, 0);
        assert_int_equal(try_create(store, ledger, first), FLORIN_TRANSFER_CREATED);
        assert_int_equal(try_create(store, ledger, second), FLORIN_TRANSFER_CREATED);
        assert_balances(debit, 107, 0, 0, 0);
        assert_balances(credit, 0, 0, 107, 0);
        assert_int_equal(status_of(first.transfer.id), FLORIN_PENDING_OPEN);

        florin_transfer_event_t post = resolving(credit_shard, first.transfer.id, POST, 60);
        florin_transfer_event_t gone = resolving(own, second.transfer.id, VOID, 0);
        assert_int_equal(try_create(store, ledger, post), FLORIN_TRANSFER_CREATED);
        assert_int_equal(try_create(store, ledger, gone), FLORIN_TRANSFER_CREATED);
        assert_balances(debit, 0, 60, 0, 0);
        assert_balances(credit, 0, 0, 0, 60);
        assert_int_equal(status_of(first.transfer.id), FLORIN_PENDING_POSTED);
        assert_int_equal(status_of(second.transfer.id), FLORIN_PENDING_VOIDED);
        assert_int_equal(try_create(store, ledger, post), FLORIN_TRANSFER_EXISTS);
        assert_int_equal(try_create(store, ledger, resolving(own, first.transfer.id, POST, 1)),
                         FLORIN_TRANSFER_PENDING_TRANSFER_ALREADY_POSTED);
        assert_int_equal(try_create(store, ledger, resolving(own, second.transfer.id, VOID, 0)),
                         FLORIN_TRANSFER_PENDING_TRANSFER_ALREADY_VOIDED);
    }
    check_books();
}

static void what_is_left_out_is_as_in_the_pending_one(void **state)
{
    (void)state;
    static const char reference[] = "invoice 2026/11 of customer 4711";
    for (size_t way = 0; way < SHARDS * SHARDS; way++) {
        florin_id_t debit = open_on(way % SHARDS, 0), credit = open_on(way / SHARDS, 0);
        florin_transfer_event_t event = pending(way / SHARDS, debit, credit, 100, 0);
        event.transfer.reference = reference;
        event.transfer.reference_bytes = sizeof reference - 1;
        event.transfer.user_data = 77;
        assert_int_equal(try_create(store, ledger, event), FLORIN_TRANSFER_CREATED);
        event = resolving(way % SHARDS, event.transfer.id, POST, AMOUNT_MAX);
        assert_int_equal(try_create(store, ledger, event), FLORIN_TRANSFER_CREATED);

        florin_error_t error;
        florin_entry_t entry;
        size_t found;
        assert_int_equal(
            florin_store_lookup_transfers(store, &event.transfer.id, 1, &entry, &found, &error), 0);
        assert_int_equal(found, 1);
        assert_int_equal(entry.transfer.reference_bytes, sizeof reference - 1);
        assert_memory_equal(entry.transfer.reference, reference, sizeof reference - 1);
        assert_true(entry.transfer.debit_account_id == debit);
        assert_true(entry.transfer.credit_account_id == credit);
        assert_true(entry.transfer.user_data == 77);
        assert_int_equal(entry.transfer.amount, 100);
    }
}

static void a_pending_one_may_be_posted_in_its_own_batch(void **state)
{
    (void)state;
    florin_id_t debit = open_on(0, 0), credit = open_on(1, 0);
    florin_transfer_event_t events[2] = {pending(2, debit, credit, 5, 60)};
    florin_transfer_outcome_t outcomes[2];
    events[1] = resolving(1, events[0].transfer.id, POST, AMOUNT_MAX);
    create(store, ledger, events, 2, outcomes);
    assert_int_equal(outcomes[0].result, FLORIN_TRANSFER_CREATED);
    assert_int_equal(outcomes[1].result, FLORIN_TRANSFER_CREATED);
    assert_balances(debit, 0, 5, 0, 0);
    assert_int_equal(status_of(events[0].transfer.id), FLORIN_PENDING_POSTED);
    check_books();
}

/* With the other account left out, which is then the pending transfer's. */
static void an_account_that_is_not_the_pending_ones_is_refused(void **state)
{
    (void)state;
    florin_id_t debit = open_on(0, 0), credit = open_on(1, 0), other = open_on(2, 0);
    florin_transfer_event_t event = pending(1, debit, credit, 5, 0);
    assert_int_equal(try_create(store, ledger, event), FLORIN_TRANSFER_CREATED);
    florin_transfer_event_t post = resolving(0, event.transfer.id, POST, AMOUNT_MAX);
    post.transfer.credit_account_id = other;
    assert_int_equal(try_create(store, ledger, post),
                     FLORIN_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID);
    post.transfer.credit_account_id = 0;
    post.transfer.debit_account_id = other;
    assert_int_equal(try_create(store, ledger, post),
                     FLORIN_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID);
    post.transfer.debit_account_id = 0;
    assert_int_equal(try_create(store, ledger, post), FLORIN_TRANSFER_CREATED);
}

/* A request of its own thread and store, and the outcome of its last event. */
typedef struct {
    pthread_t thread;
    const florin_transfer_event_t *events;
    size_t count;
    florin_transfer_outcome_t last;
} other_t;

static void *create_other(void *other_p)
{
    other_t *other = other_p;
    florin_transfer_outcome_t outcomes[3];
    florin_store_t *own = open_store();
    florin_ledger_t *own_ledger = florin_ledger_new();
    create(own, own_ledger, other->events, other->count, outcomes);
    other->last = outcomes[other->count - 1];
    florin_ledger_destroy(&own_ledger);
    florin_store_destroy(&own);
    return NULL;
}

static void start(other_t *other)
{
    assert_int_equal(pthread_create(&other->thread, NULL, create_other, other), 0);
}

static void await_waiting(size_t shard, const char *count)
{
    uint64_t until_ms = florin_clock_ms() + 10000;
    while (strcmp(servers_ask(servers_shard(shard), "SELECT count(*) FROM pg_stat_activity"
                                                    " WHERE wait_event_type = 'Lock'"),
                  count) != 0)
        assert_true(florin_clock_ms() < until_ms);
}

/* A lock that is in its way keeps a batch between the two. */
static void one_that_comes_between_reading_ahead_and_locking_is_posted_once(void **state)
{
    (void)state;
    florin_id_t gate = open_on(0, 0), debit = open_on(1, 0), credit = open_on(2, 0);
    florin_transfer_event_t event = pending(2, debit, credit, 5, 0);
    florin_transfer_event_t events[] = {transfer(new_id(0), gate, debit, 0),
                                        transfer(new_id(0), gate, credit, 0),
                                        resolving(2, event.transfer.id, POST, AMOUNT_MAX)};
    other_t other = {.events = events, .count = 3};
    PGconn *keeper = lock_account(gate, 0);
    start(&other);
    await_waiting(0, "1");
    assert_int_equal(try_create(store, ledger, event), FLORIN_TRANSFER_CREATED);
    assert_int_equal(try_create(store, ledger, resolving(0, event.transfer.id, POST, AMOUNT_MAX)),
                     FLORIN_TRANSFER_CREATED);
    PQfinish(keeper);
    pthread_join(other.thread, NULL);
    assert_int_equal(other.last.result, FLORIN_TRANSFER_PENDING_TRANSFER_ALREADY_POSTED);
    assert_balances(debit, 0, 5, 0, 0);
    check_books();
}

/* Both have read the shard of its id before either has written there. */
static void a_post_that_is_sent_twice_at_once_exists(void **state)
{
    (void)state;
    florin_id_t debit = open_on(1, 0), credit = open_on(2, 0);
    florin_transfer_event_t event = pending(1, debit, credit, 5, 0);
    assert_int_equal(try_create(store, ledger, event), FLORIN_TRANSFER_CREATED);
    florin_transfer_event_t post = resolving(0, event.transfer.id, POST, AMOUNT_MAX);
    other_t others[2] = {{.events = &post, .count = 1}, {.events = &post, .count = 1}};
    PGconn *keeper = lock_account(debit, 1);
    start(&others[0]);
    start(&others[1]);
    await_waiting(1, "2");
    PQfinish(keeper);
    pthread_join(others[0].thread, NULL);
    pthread_join(others[1].thread, NULL);
    bool first = others[0].last.result == FLORIN_TRANSFER_CREATED;
    assert_int_equal(others[!first].last.result, FLORIN_TRANSFER_CREATED);
    assert_int_equal(others[first].last.result, FLORIN_TRANSFER_EXISTS);
    assert_balances(debit, 0, 5, 0, 0);
    check_books();
}

static void what_is_not_there_is_remembered(void **state)
{
    (void)state;
    florin_transfer_event_t post = resolving(0, new_id(1), POST, AMOUNT_MAX);
    assert_int_equal(try_create(store, ledger, post), FLORIN_TRANSFER_PENDING_TRANSFER_NOT_FOUND);
    assert_int_equal(try_create(store, ledger, post), FLORIN_TRANSFER_ID_ALREADY_FAILED);
    check_books();
}

static void closing_and_voiding_it_reopens(void **state)
{
    (void)state;
    florin_id_t debit = open_on(0, 0), credit = open_on(1, 0);
    florin_transfer_event_t closing = pending(0, debit, credit, 0, 0);
    closing.transfer.flags |= FLORIN_TRANSFER_FLAG_CLOSING_CREDIT;
    assert_int_equal(try_create(store, ledger, closing), FLORIN_TRANSFER_CREATED);
    assert_true(look_at(store, credit).flags & FLORIN_ACCOUNT_FLAG_CLOSED);
    assert_int_equal(try_create(store, ledger, transfer(new_id(0), debit, credit, 1)),
                     FLORIN_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED);
    assert_int_equal(try_create(store, ledger, resolving(1, closing.transfer.id, VOID, 0)),
                     FLORIN_TRANSFER_CREATED);
    assert_int_equal(try_create(store, ledger, transfer(new_id(0), debit, credit, 1)),
                     FLORIN_TRANSFER_CREATED);
    check_books();
}

/* --------------------------------------------------------------------------------------- expiry */

static void an_expired_one_can_not_be_posted_and_is_released_once(void **state)
{
    (void)state;
    florin_error_t error;
    size_t expired;
    florin_id_t debit = open_on(0, 0), credit = open_on(1, 0);
    florin_transfer_event_t event = pending(2, debit, credit, 9, 1);
    assert_int_equal(try_create(store, ledger, event), FLORIN_TRANSFER_CREATED);
    assert_int_equal(florin_store_expire(store, ledger, &expired, &error), 0);
    assert_int_equal(expired, 0);
    await_moment(timestamp_of(store, event.transfer.id) + 1000000000);

    florin_store_t *other = open_store();
    assert_int_equal(florin_store_expire(other, ledger, &expired, &error), 0);
    assert_int_equal(expired, 1);
    assert_int_equal(florin_store_expire(store, ledger, &expired, &error), 0);
    assert_int_equal(expired, 0);
    florin_store_destroy(&other);
    assert_balances(debit, 0, 0, 0, 0);
    assert_balances(credit, 0, 0, 0, 0);
    assert_int_equal(status_of(event.transfer.id), FLORIN_PENDING_EXPIRED);
    assert_int_equal(try_create(store, ledger, resolving(0, event.transfer.id, POST, AMOUNT_MAX)),
                     FLORIN_TRANSFER_PENDING_TRANSFER_EXPIRED);
    check_books();
}

/* Nobody has swept: the payment that needs the money finds it free all the same, and a post of
 * another one finds it expired. */
static void a_batch_sees_what_is_overdue(void **state)
{
    (void)state;
    florin_id_t rich = open_on(2, 0), credit = open_on(1, 0);
    florin_id_t debit = open_on(0, FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS);
    assert_int_equal(try_create(store, ledger, transfer(new_id(0), rich, debit, 10)),
                     FLORIN_TRANSFER_CREATED);
    florin_transfer_event_t event = pending(0, debit, credit, 10, 1);
    assert_int_equal(try_create(store, ledger, event), FLORIN_TRANSFER_CREATED);
    assert_int_equal(try_create(store, ledger, transfer(new_id(0), debit, credit, 1)),
                     FLORIN_TRANSFER_EXCEEDS_CREDITS);
    await_moment(timestamp_of(store, event.transfer.id) + 1000000000);
    assert_int_equal(try_create(store, ledger, transfer(new_id(0), debit, credit, 10)),
                     FLORIN_TRANSFER_CREATED);
    assert_balances(debit, 0, 10, 0, 10);
    assert_int_equal(status_of(event.transfer.id), FLORIN_PENDING_EXPIRED);
    check_books();
}

/* -------------------------------------------------------------------------------------- reading */

/* An account with all that a history may have: 40 changes, some of them expiries. */
static florin_id_t account_with_history(florin_id_t other)
{
    florin_id_t id = open_on(0, FLORIN_ACCOUNT_FLAG_HISTORY);
    uint64_t last = 0;
    for (uint64_t i = 0; i < 30; i++) {
        florin_transfer_event_t event = i % 3 == 0
                                            ? pending(i % SHARDS, id, other, i, i % 2 ? 1 : 0)
                                            : transfer(new_id(i % SHARDS), other, id, i);
        assert_int_equal(try_create(store, ledger, event), FLORIN_TRANSFER_CREATED);
        last = timestamp_of(store, event.transfer.id);
    }
    await_moment(last + 1000000000);
    florin_error_t error;
    size_t expired;
    assert_int_equal(florin_store_expire(store, ledger, &expired, &error), 0);
    assert_int_equal(expired, 5);
    return id;
}

#define ENTRIES_MAX 64

/* The whole statement, by pages. */
static size_t statement(florin_id_t id, size_t page, bool newest_first,
                        florin_statement_entry_t *entries)
{
    florin_statement_query_t query = {
        .account_id = id, .limit = page, .newest_first = newest_first};
    florin_error_t error;
    size_t count = 0, found;
    bool more = true;
    while (more) {
        assert_true(count + page <= ENTRIES_MAX);
        if (florin_store_statement(store, &query, entries + count, &found, &more, &error) != 0)
            fail_msg("%s", error.message);
        count += found;
        query.after = count > 0 ? entries[count - 1].timestamp : 0;
    }
    return count;
}

static void a_statement_is_the_same_in_both_directions_and_at_each_moment(void **state)
{
    (void)state;
    florin_id_t id = account_with_history(open_on(1, 0));
    florin_statement_entry_t all[ENTRIES_MAX], paged[ENTRIES_MAX], back[ENTRIES_MAX];
    size_t count = statement(id, 40, false, all);
    assert_int_equal(count, 35);
    assert_int_equal(statement(id, 7, false, paged), count);
    assert_int_equal(statement(id, 6, true, back), count);
    uint64_t before = look_at(store, id).timestamp;
    florin_balances_t last = {0};
    for (size_t i = 0; i < count; i++) {
        const florin_statement_entry_t *twins[] = {&paged[i], &back[count - 1 - i]};
        for (size_t j = 0; j < 2; j++) {
            assert_true(twins[j]->transfer.id == all[i].transfer.id);
            assert_int_equal(twins[j]->timestamp, all[i].timestamp);
            assert_int_equal(twins[j]->expired, all[i].expired);
            assert_memory_equal(&twins[j]->after, &all[i].after, sizeof last);
        }
        /* Until just before it, what was; from it on, what it left. */
        florin_balances_t balances;
        uint64_t changed_at;
        florin_error_t error;
        assert_int_equal(florin_store_balances_at(store, id, all[i].timestamp - 1, &balances,
                                                  &changed_at, &error),
                         0);
        assert_memory_equal(&balances, &last, sizeof last);
        assert_int_equal(changed_at, before);
        assert_int_equal(
            florin_store_balances_at(store, id, all[i].timestamp, &balances, &changed_at, &error),
            0);
        assert_memory_equal(&balances, &all[i].after, sizeof last);
        assert_int_equal(changed_at, all[i].timestamp);
        last = all[i].after;
        before = all[i].timestamp;
    }
    check_books();
}

static void balances_at_a_moment_need_the_flag(void **state)
{
    (void)state;
    florin_balances_t balances;
    uint64_t changed_at;
    florin_error_t error;
    assert_int_equal(
        florin_store_balances_at(store, open_on(0, 0), 1, &balances, &changed_at, &error),
        FLORIN_ERROR_INVALID);
    assert_int_equal(florin_store_balances_at(store, new_id(0), 1, &balances, &changed_at, &error),
                     FLORIN_ERROR_NOT_FOUND);
}

static bool is_wanted(const florin_transfer_t *t, const florin_list_query_t *q)
{
    return (q->ledger == 0 || t->ledger == q->ledger) && (q->code == 0 || t->code == q->code) &&
           (q->user_data == 0 || t->user_data == q->user_data) && t->timestamp >= q->from &&
           (q->until == 0 || t->timestamp < q->until);
}

/* Every page of the list against the events that went in. */
static void assert_list(florin_list_query_t query, const florin_transfer_t *all, size_t all_count)
{
    florin_transfer_t page[16];
    florin_error_t error;
    florin_place_t next;
    size_t count, seen = 0, wanted = 0;
    for (size_t i = 0; i < all_count; i++)
        wanted += is_wanted(&all[i], &query);
    do {
        if (florin_store_list_transfers(store, &query, page, &count, &next, &error) != 0)
            fail_msg("%s", error.message);
        for (size_t i = 0; i < count; i++, seen++) {
            assert_true(is_wanted(&page[i], &query));
            bool later =
                page[i].timestamp > query.after_timestamp ||
                (page[i].timestamp == query.after_timestamp && page[i].id > query.after_id);
            assert_true(query.after_timestamp == 0 || later != query.newest_first);
            query.after_timestamp = page[i].timestamp;
            query.after_id = page[i].id;
        }
        query.after_timestamp = next.timestamp;
        query.after_id = next.id;
    } while (next.timestamp != 0);
    assert_int_equal(seen, wanted);
}

static void lists_find_what_they_should(void **state)
{
    (void)state;
    enum { ALL = 60 };
    florin_transfer_event_t events[ALL];
    florin_transfer_outcome_t outcomes[ALL];
    florin_transfer_t all[ALL];
    florin_id_t ids[SHARDS];
    uint64_t begun = florin_clock_unix_ns();
    for (size_t i = 0; i < SHARDS; i++)
        ids[i] = open_on(i, 0);
    for (size_t i = 0; i < ALL; i++) {
        events[i] = transfer(new_id(i % SHARDS), ids[i / 2 % SHARDS], ids[(i / 2 + 1) % SHARDS], i);
        events[i].transfer.code = (uint16_t)(1 + i % 4);
        events[i].transfer.user_data = i % 5;
    }
    create(store, ledger, events, ALL, outcomes);
    for (size_t i = 0; i < ALL; i++) {
        assert_int_equal(outcomes[i].result, FLORIN_TRANSFER_CREATED);
        all[i] = events[i].transfer;
        all[i].timestamp = outcomes[i].timestamp;
    }
    for (unsigned way = 0; way < 32; way++) {
        const florin_list_query_t query = {
            .ledger = way & 1 ? EUR : 0,
            .code = way & 2 ? 2 : 0,
            .user_data = way & 4 ? 3 : 0,
            .from = way & 8 ? all[10].timestamp : begun,
            .until = way & 8 ? all[50].timestamp : 0,
            .limit = 7,
            .newest_first = way & 16,
        };
        assert_list(query, all, ALL);
    }
    florin_account_t accounts[8];
    florin_list_query_t query = {.from = begun, .limit = 2};
    florin_error_t error;
    size_t count;
    florin_place_t next;
    assert_int_equal(florin_store_list_accounts(store, &query, accounts, &count, &next, &error), 0);
    assert_int_equal(count, 2);
    assert_true(next.timestamp != 0 && accounts[0].id == ids[0] && accounts[1].id == ids[1]);
    query.after_timestamp = accounts[1].timestamp;
    query.after_id = accounts[1].id;
    assert_int_equal(florin_store_list_accounts(store, &query, accounts, &count, &next, &error), 0);
    assert_int_equal(count, 1);
    assert_true(next.timestamp == 0 && accounts[0].id == ids[2]);
}

/* ------------------------------------------------------------------------- dry runs and limits */

static void a_dry_run_says_what_then_happens(void **state)
{
    (void)state;
    florin_id_t debit = open_on(0, FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS);
    florin_id_t credit = open_on(1, 0), rich = open_on(2, 0);
    florin_transfer_event_t events[] = {
        transfer(new_id(0), rich, debit, 10), transfer(new_id(0), debit, credit, 6),
        transfer(new_id(0), debit, credit, 6), pending(1, debit, credit, 4, 60)};
    florin_transfer_outcome_t dry[4], real[4];
    florin_error_t error;
    if (florin_store_try_transfers(store, ledger, events, dry, 4, NULL, 0, &error) != 0)
        fail_msg("%s", error.message);
    assert_int_equal(florin_ledger_changed_count(ledger), 3);
    florin_account_t after = *florin_ledger_account(ledger, debit);
    assert_balances(debit, 0, 0, 0, 0);
    for (size_t i = 0; i < SHARDS; i++) {
        char sql[128], id[FLORIN_ID_TEXT_BYTES];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM transfers WHERE id = '%s'",
                 florin_id_format_uuid(events[0].transfer.id, id));
        assert_string_equal(servers_ask(servers_shard(i), sql), "0");
    }
    create(store, ledger, events, 4, real);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(dry[i].result, real[i].result);
    assert_int_equal(real[2].result, FLORIN_TRANSFER_EXCEEDS_CREDITS);
    florin_account_t now = look_at(store, debit);
    assert_memory_equal(&now.balances, &after.balances, sizeof now.balances);
    check_books();
}

/* Where there is none of that id, nothing is known of the pending transfer. */
static void rename_pending(size_t shard, const char *from, const char *to)
{
    static const char *const tables[] = {"transfers", "pending_transfers"};
    for (size_t i = 0; i < 2; i++) {
        char sql[160];
        snprintf(sql, sizeof sql, "UPDATE %s SET id = '%s' WHERE id = '%s'", tables[i], to, from);
        (void)servers_ask(servers_shard(shard), sql);
    }
}

/* As while a batch is being committed: on one shard it is posted, and on the other not yet. */
static void a_dry_run_waits_for_what_is_half_resolved(void **state)
{
    (void)state;
    florin_id_t debit = open_on(0, 0), credit = open_on(1, 0);
    const florin_transfer_event_t held = pending(2, debit, credit, 4, 60);
    const florin_transfer_event_t posting = resolving(0, held.transfer.id, POST, 4);
    florin_transfer_outcome_t outcome;
    florin_error_t error;
    char sql[160], id[FLORIN_ID_TEXT_BYTES];
    create(store, ledger, &held, 1, &outcome);
    florin_id_format_uuid(held.transfer.id, id);
    for (size_t shard = 0; shard < 2; shard++) {
        snprintf(sql, sizeof sql,
                 "UPDATE pending_transfers SET status = 2, resolved_at = 1 WHERE id = '%s'", id);
        (void)servers_ask(servers_shard(shard), sql);
        assert_int_equal(
            florin_store_try_transfers(store, ledger, &posting, &outcome, 1, NULL, 0, &error),
            FLORIN_ERROR_CONFLICT);
        snprintf(sql, sizeof sql,
                 "UPDATE pending_transfers SET status = 1, resolved_at = NULL WHERE id = '%s'", id);
        (void)servers_ask(servers_shard(shard), sql);
        assert_int_equal(
            florin_store_try_transfers(store, ledger, &posting, &outcome, 1, NULL, 0, &error), 0);
        assert_int_equal(outcome.result, FLORIN_TRANSFER_CREATED);
    }
    /* Made on the shard of its id, and not yet on those of its accounts. */
    char away[FLORIN_ID_TEXT_BYTES];
    florin_id_format_uuid(new_id(2), away);
    for (size_t shard = 0; shard < 2; shard++)
        rename_pending(shard, id, away);
    assert_int_equal(
        florin_store_try_transfers(store, ledger, &posting, &outcome, 1, NULL, 0, &error),
        FLORIN_ERROR_CONFLICT);
    for (size_t shard = 0; shard < 2; shard++)
        rename_pending(shard, away, id);
    check_books();
}

static void limits_change_and_are_kept(void **state)
{
    (void)state;
    florin_error_t error;
    florin_id_t debit = open_on(0, FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS);
    florin_id_t credit = open_on(1, 0);
    const florin_limit_event_t events[] = {{debit, 10}, {credit, 10}, {new_id(2), 1}};
    florin_limit_outcome_t outcomes[3];
    florin_store_request_t request = {.events_count = 3};
    assert_int_equal(
        florin_store_set_credit_limits(store, ledger, events, outcomes, &request, 1, &error), 0);
    assert_int_equal(request.error.code, 0);
    assert_int_equal(outcomes[0].result, FLORIN_LIMIT_SET);
    assert_int_equal(outcomes[2].result, FLORIN_LIMIT_ACCOUNT_NOT_FOUND);
    assert_int_equal(try_create(store, ledger, transfer(new_id(0), debit, credit, 10)),
                     FLORIN_TRANSFER_CREATED);
    const florin_limit_event_t lower = {debit, 9};
    request.events_count = 1;
    assert_int_equal(
        florin_store_set_credit_limits(store, ledger, &lower, outcomes, &request, 1, &error), 0);
    assert_int_equal(outcomes[0].result, FLORIN_LIMIT_EXCEEDS_CREDITS);
    assert_int_equal(look_at(store, debit).credit_limit, 10);
    /* Twice in one request, and once to what it is. */
    const florin_limit_event_t twice[] = {{debit, 30}, {debit, 20}, {debit, 20}};
    request.events_count = 3;
    assert_int_equal(
        florin_store_set_credit_limits(store, ledger, twice, outcomes, &request, 1, &error), 0);
    assert_int_equal(look_at(store, debit).credit_limit, 20);
    assert_true(outcomes[0].timestamp < outcomes[1].timestamp && outcomes[2].timestamp == 0);
    char sql[200], id[FLORIN_ID_TEXT_BYTES];
    snprintf(sql, sizeof sql,
             "SELECT string_agg(credit_limit::text, ',' ORDER BY timestamp) FROM credit_limits"
             " WHERE account_id = '%s'",
             florin_id_format_uuid(debit, id));
    assert_string_equal(servers_ask(servers_shard(0), sql), "10,30,20");
    check_books();
}

static int set_up(void **state)
{
    (void)state;
    servers_start(SHARDS, true);
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
        cmocka_unit_test(what_is_pending_is_posted_or_voided_over_all_shards),
        cmocka_unit_test(what_is_left_out_is_as_in_the_pending_one),
        cmocka_unit_test(a_pending_one_may_be_posted_in_its_own_batch),
        cmocka_unit_test(an_account_that_is_not_the_pending_ones_is_refused),
        cmocka_unit_test(one_that_comes_between_reading_ahead_and_locking_is_posted_once),
        cmocka_unit_test(a_post_that_is_sent_twice_at_once_exists),
        cmocka_unit_test(what_is_not_there_is_remembered),
        cmocka_unit_test(closing_and_voiding_it_reopens),
        cmocka_unit_test(an_expired_one_can_not_be_posted_and_is_released_once),
        cmocka_unit_test(a_batch_sees_what_is_overdue),
        cmocka_unit_test(a_statement_is_the_same_in_both_directions_and_at_each_moment),
        cmocka_unit_test(balances_at_a_moment_need_the_flag),
        cmocka_unit_test(lists_find_what_they_should),
        cmocka_unit_test(a_dry_run_says_what_then_happens),
        cmocka_unit_test(a_dry_run_waits_for_what_is_half_resolved),
        cmocka_unit_test(limits_change_and_are_kept),
    };
    (void)mallopt(M_PERTURB, 0xa5); /* so that memory read after it was freed is found */
    return cmocka_run_group_tests_name("store/pending", tests, set_up, tear_down);
}
