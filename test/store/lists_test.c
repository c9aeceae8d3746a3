/* Lists cost what they return and a step: they begin where they are asked from, and what matches
 * seldom is found in steps, merged over two shards. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "lib/clock.h"
#include "lib/id.h"
#include "test/store/support/books.h"
#include "test/store/support/servers.h"

enum { SHARDS = 2, STEP = 8192, ALL = 5 * FLORIN_EVENTS_MAX, COMMON = 1, SELDOM = 2, NEVER = 3 };

static florin_store_t *store;
static florin_ledger_t *ledger;
static florin_transfer_t all[ALL]; /* in the order of a list */
static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

/* Most on one shard, so that the other one's steps reach further. */
static void fill(void)
{
    static florin_transfer_event_t events[FLORIN_EVENTS_MAX];
    static florin_transfer_outcome_t outcomes[FLORIN_EVENTS_MAX];
    for (size_t i = 0; i < SHARDS; i++)
        for (uint64_t n = 1; n <= 2; n++)
            assert_int_equal(try_open(store, ledger, account(id_on(i, n))), FLORIN_ACCOUNT_CREATED);
    for (size_t made = 0; made < ALL; made += FLORIN_EVENTS_MAX) {
        for (size_t i = 0; i < FLORIN_EVENTS_MAX; i++) {
            size_t shard = draw(4) == 0;
            events[i] = transfer(id_on(shard, 10 + made + i), id_on(shard, 1), id_on(shard, 2), 1);
            events[i].transfer.code = draw(3000) == 0 ? SELDOM : COMMON;
        }
        create(store, ledger, events, FLORIN_EVENTS_MAX, outcomes);
        for (size_t i = 0; i < FLORIN_EVENTS_MAX; i++) {
            assert_int_equal(outcomes[i].result, FLORIN_TRANSFER_CREATED);
            all[made + i] = events[i].transfer;
            all[made + i].timestamp = outcomes[i].timestamp;
        }
    }
}

static bool is_wanted(const florin_transfer_t *transfer, const florin_list_query_t *query)
{
    return (query->code == 0 || transfer->code == query->code) &&
           transfer->timestamp >= query->from &&
           (query->until == 0 || transfer->timestamp < query->until);
}

/* All pages of a list against what it should have; returns how many there were. */
static size_t read_all(florin_list_query_t query)
{
    static florin_transfer_t page[FLORIN_EVENTS_MAX];
    florin_error_t error;
    florin_place_t next;
    size_t count, pages = 0, seen = 0;
    do {
        if (florin_store_list_transfers(store, &query, page, &count, &next, &error) != 0)
            fail_msg("%s", error.message);
        assert_true(count <= query.limit);
        for (size_t i = 0; i < count; i++) {
            const florin_transfer_t *wanted;
            do {
                assert_true(seen < ALL);
                wanted = &all[query.newest_first ? ALL - 1 - seen : seen];
                seen++;
            } while (!is_wanted(wanted, &query));
            assert_true(page[i].id == wanted->id);
        }
        query.after_timestamp = next.timestamp;
        query.after_id = next.id;
        pages++;
    } while (next.timestamp != 0);
    for (; seen < ALL; seen++)
        assert_false(is_wanted(&all[query.newest_first ? ALL - 1 - seen : seen], &query));
    return pages;
}

/* A page never costs more than a step on each shard, however seldom a code is. */
static void what_matches_seldom_comes_in_steps(void **state)
{
    (void)state;
    for (int newest_first = 0; newest_first < 2; newest_first++) {
        florin_list_query_t query = {.limit = 100, .code = NEVER, .newest_first = newest_first};
        size_t pages = read_all(query);
        assert_in_range(pages, ALL * 3 / 4 / STEP, ALL / STEP + 2);
        query.code = SELDOM;
        assert_true(read_all(query) >= ALL * 3 / 4 / STEP);
        query = (florin_list_query_t){.limit = FLORIN_EVENTS_MAX, .newest_first = newest_first};
        assert_in_range(read_all(query), ALL / FLORIN_EVENTS_MAX, ALL / FLORIN_EVENTS_MAX + 1);
    }
}

static void any_filter_finds_what_it_should(void **state)
{
    (void)state;
    const uint16_t codes[] = {0, COMMON, SELDOM, NEVER};
    for (size_t i = 0; i < 40; i++) {
        size_t from = draw(ALL), until = draw(ALL);
        read_all((florin_list_query_t){.code = codes[draw(4)],
                                       .from = draw(2) ? all[from].timestamp : 0,
                                       .until = draw(2) ? all[until].timestamp : 0,
                                       .limit = 200 + draw(FLORIN_EVENTS_MAX - 200),
                                       .newest_first = draw(2)});
    }
}

/* How many pages of the index and the table a shard reads for a page of the list: what the
 * statistics have at the end of the store's session say. */
static long blocks_read(florin_list_query_t query)
{
    const char sql[] = "SELECT idx_blks_hit + idx_blks_read + heap_blks_hit + heap_blks_read"
                       " FROM pg_statio_user_tables WHERE relname = 'transfers'";
    florin_transfer_t page[10];
    florin_error_t error;
    florin_place_t next;
    size_t count;
    florin_store_t *own = open_store();
    query.limit = 10;
    long before = strtol(servers_ask(servers_shard(0), sql), NULL, 10);
    assert_int_equal(florin_store_list_transfers(own, &query, page, &count, &next, &error), 0);
    assert_int_equal(count, 10);
    florin_store_destroy(&own);
    servers_await(servers_shard(0),
                  "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'florin'", "0");
    return strtol(servers_ask(servers_shard(0), sql), NULL, 10) - before;
}

static void a_list_begins_where_it_is_asked_from(void **state)
{
    (void)state;
    florin_store_destroy(&store); /* so that what it has read is counted before */
    servers_await(servers_shard(0),
                  "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'florin'", "0");
    assert_in_range(blocks_read((florin_list_query_t){.from = all[ALL - 200].timestamp}), 1, 100);
    assert_in_range(
        blocks_read((florin_list_query_t){.until = all[200].timestamp, .newest_first = true}), 1,
        100);
    store = open_store();
}

static int set_up(void **state)
{
    (void)state;
    const char *given = getenv("FLORIN_SEED");
    seed = given ? strtoull(given, NULL, 10) : florin_clock_unix_ns();
    printf("FLORIN_SEED=%llu\n", (unsigned long long)seed);
    servers_start(SHARDS, true);
    ledger = florin_ledger_new();
    store = open_store();
    fill();
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
        cmocka_unit_test(what_matches_seldom_comes_in_steps),
        cmocka_unit_test(any_filter_finds_what_it_should),
        cmocka_unit_test(a_list_begins_where_it_is_asked_from),
    };
    (void)mallopt(M_PERTURB, 0xa5); /* so that memory read after it was freed is found */
    return cmocka_run_group_tests_name("store/lists", tests, set_up, tear_down);
}
