/* The way back for books that carry a future. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "lib/clock.h"
#include "store/admin/mend.h"
#include "test/store/support/books.h"
#include "test/store/support/servers.h"

#define SHARDS    3
#define SECOND    UINT64_C(1000000000)
#define AHEAD     "28800000000000" /* 8 hours */
#define HOLD_S    600
#define ACCOUNTS  6
#define TRANSFERS 40

static florin_store_t *store;
static florin_ledger_t *ledger;
static florin_id_t accounts[ACCOUNTS];

static void open_books(void)
{
    store = open_store();
    ledger = florin_ledger_new();
}

static void close_books(void)
{
    florin_store_destroy(&store);
    florin_ledger_destroy(&ledger);
}

/* Payments between all of them, some of which are holds. */
static void pay(uint64_t first)
{
    for (uint64_t i = 0; i < TRANSFERS; i++) {
        florin_transfer_event_t event =
            transfer(id_on(i % SHARDS, first + i), accounts[i % ACCOUNTS],
                     accounts[(i * 5 + 1) % ACCOUNTS == i % ACCOUNTS ? (i + 1) % ACCOUNTS
                                                                     : (i * 5 + 1) % ACCOUNTS],
                     1);
        if (i % 4 == 0) {
            event.transfer.flags = FLORIN_TRANSFER_FLAG_PENDING;
            event.transfer.timeout_s = HOLD_S;
        }
        assert_int_equal(try_create(store, ledger, event), FLORIN_TRANSFER_CREATED);
    }
}

/* As if all after a moment had been written by a worker whose clock is 8 hours ahead. */
static void carry_off(uint64_t after)
{
    static const char *const sql[] = {
        "UPDATE pending_transfers SET expires_at = expires_at + " AHEAD
        " WHERE id IN (SELECT id FROM transfers WHERE timestamp > %llu)",
        "UPDATE accounts SET timestamp_last = timestamp_last + " AHEAD
        " WHERE timestamp_last > %llu",
        "UPDATE transfers SET timestamp = timestamp + " AHEAD " WHERE timestamp > %llu",
    };
    for (size_t shard = 0; shard < SHARDS; shard++) {
        for (size_t i = 0; i < 3; i++) {
            char text[256];
            const char *at = strstr(sql[i], "%llu");
            snprintf(text, sizeof text, "%.*s%llu", (int)(at - sql[i]), sql[i],
                     (unsigned long long)after);
            if (at[4] == ')')
                strcat(text, ")");
            (void)servers_ask(servers_shard(shard), text);
        }
    }
}

/* Ids of the transfers of a shard, as their times order them. */
static void order(size_t shard, char *text, size_t size)
{
    snprintf(text, size, "%s",
             servers_ask(servers_shard(shard), "SELECT string_agg(right(id::text, 8), ',' ORDER BY"
                                               " timestamp, id) FROM transfers"));
}

static void times_to_come_are_moved_back_in_order(void **state)
{
    (void)state;
    char before[SHARDS][4096], after[4096];
    florin_error_t error = {0};
    florin_mended_t mended;
    for (size_t i = 0; i < ACCOUNTS; i++) {
        accounts[i] = id_on(i % SHARDS, 1 + i);
        assert_int_equal(try_open(store, ledger, account(accounts[i])), FLORIN_ACCOUNT_CREATED);
    }
    pay(100);
    uint64_t from = florin_clock_unix_ns();
    pay(200);
    check_books();
    carry_off(from);
    assert_int_equal(
        try_create(store, ledger, transfer(id_on(0, 900), accounts[0], accounts[1], 1)),
        FLORIN_ERROR_ASIDE);
    for (size_t shard = 0; shard < SHARDS; shard++)
        order(shard, before[shard], sizeof before[shard]);

    assert_int_equal(florin_admin_mend_times(servers_control(), &mended, &error),
                     FLORIN_ERROR_REFUSED);
    assert_non_null(strstr(error.message, "stop all workers"));
    close_books();
    if (florin_admin_mend_times(servers_control(), &mended, &error) != 0)
        fail_msg("%s", error.message);
    assert_true(mended.rows > 2 * TRANSFERS);
    assert_true(mended.latest_ns < florin_clock_unix_ns() + 20 * SECOND);
    for (size_t shard = 0; shard < SHARDS; shard++) {
        order(shard, after, sizeof after);
        assert_string_equal(after, before[shard]);
        assert_string_equal(
            servers_ask(servers_shard(shard),
                        "SELECT count(*) FROM pending_transfers p JOIN transfers t USING (id)"
                        " WHERE expires_at IS DISTINCT FROM timestamp + timeout_s * 1000000000"),
            "0");
    }
    check_books();
    open_books();
    uint64_t until_ms = florin_clock_ms() + 20000; /* what took long to write takes long to pass */
    int result;
    while ((result =
                try_create(store, ledger, transfer(id_on(0, 901), accounts[0], accounts[1], 1))) ==
           FLORIN_ERROR_ASIDE)
        assert_true(florin_clock_ms() < until_ms);
    assert_int_equal(result, FLORIN_TRANSFER_CREATED);
    check_books();
    close_books();
    assert_int_equal(florin_admin_mend_times(servers_control(), &mended, &error), 0);
    assert_int_equal(mended.rows + mended.moved_ns, 0);
}

static int set_up(void **state)
{
    (void)state;
    servers_start(SHARDS, true);
    open_books();
    return ledger && store ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    close_books();
    servers_stop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_to_come_are_moved_back_in_order),
    };
    return cmocka_run_group_tests_name("store/mend", tests, set_up, tear_down);
}
