#include "test/store/support/every_kind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "lib/clock.h"
#include "lib/id.h"
#include "test/store/support/books.h"
#include "test/store/support/servers.h"

#define SHARDS     EVERY_KIND_SHARDS
#define SQL_BYTES  2048
#define YEAR_2020  UINT64_C(1577836800000000000)
#define FLAG(name) FLORIN_TRANSFER_FLAG_##name

#define TABLES(do)                                                                                 \
    do                                                                                             \
    ("accounts") do("transfers") do("pending_transfers") do("credit_limits") do("decisions") do(   \
        "crossings") do("seal_heads")
#define SAVE(table)    "CREATE TABLE saved." table " AS SELECT * FROM " table ";"
#define RESTORE(table) "DELETE FROM " table "; INSERT INTO " table " SELECT * FROM saved." table ";"

struct every_kind every;

/* Runs SQL on a shard; each "$" in it stands for the id, as a literal. */
void every_kind_damage(size_t shard, florin_id_t id, const char *sql)
{
    char text[SQL_BYTES] = "", uuid[FLORIN_ID_TEXT_BYTES], literal[FLORIN_ID_TEXT_BYTES + 2];
    snprintf(literal, sizeof literal, "'%s'", florin_id_format_uuid(id, uuid));
    size_t used = 0;
    for (; *sql; sql++) {
        int length = *sql == '$' ? snprintf(text + used, sizeof text - used, "%s", literal)
                                 : snprintf(text + used, sizeof text - used, "%c", *sql);
        used += (size_t)length;
        assert_true(used < sizeof text);
    }
    servers_ask(servers_shard(shard), text);
}

static void for_all_shards(const char *sql)
{
    for (size_t i = 0; i < SHARDS; i++)
        every_kind_damage(i, 0, sql);
}

static florin_id_t new_id(size_t shard)
{
    static uint64_t next = 1;
    return id_on(shard, next++);
}

static florin_id_t open_on(size_t shard, uint32_t flags, uint64_t credit_limit)
{
    florin_account_t event = account(new_id(shard));
    event.flags = flags;
    event.credit_limit = credit_limit;
    if (flags & FLORIN_ACCOUNT_FLAG_IMPORTED)
        event.timestamp = YEAR_2020;
    assert_int_equal(try_open(every.store, every.ledger, event), FLORIN_ACCOUNT_CREATED);
    return event.id;
}

/* One transfer that is created; returns its id. */
static florin_id_t pay(size_t shard, florin_id_t debit, florin_id_t credit, uint64_t amount,
                       uint32_t flags)
{
    florin_transfer_event_t event = transfer(new_id(shard), debit, credit, amount);
    event.transfer.flags = flags;
    assert_int_equal(try_create(every.store, every.ledger, event), FLORIN_TRANSFER_CREATED);
    return event.transfer.id;
}

static florin_id_t resolve(size_t shard, florin_id_t pending_id, uint32_t flags, uint64_t amount)
{
    florin_transfer_event_t event = {
        .transfer = {
            .id = new_id(shard), .pending_id = pending_id, .amount = amount, .flags = flags}};
    assert_int_equal(try_create(every.store, every.ledger, event), FLORIN_TRANSFER_CREATED);
    return event.transfer.id;
}

static florin_id_t let_expire(florin_id_t debit, florin_id_t credit)
{
    florin_transfer_event_t event = transfer(new_id(2), debit, credit, 9);
    event.transfer.flags = FLAG(PENDING);
    event.transfer.timeout_s = 1;
    assert_int_equal(try_create(every.store, every.ledger, event), FLORIN_TRANSFER_CREATED);
    florin_error_t error = {0};
    size_t count = 0;
    for (uint64_t end = florin_clock_ms() + 10000; count == 0;) {
        assert_true(florin_clock_ms() < end);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        assert_int_equal(florin_store_expire(every.store, every.ledger, &count, &error), 0);
    }
    return event.transfer.id;
}

static void set_limit(florin_id_t id, uint64_t limit)
{
    florin_limit_event_t event = {.account_id = id, .credit_limit = limit};
    florin_limit_outcome_t outcome;
    florin_store_request_t request = {.events_count = 1};
    florin_error_t error = {0};
    assert_int_equal(florin_store_set_credit_limits(every.store, every.ledger, &event, &outcome,
                                                    &request, 1, &error),
                     0);
    assert_int_equal(request.error.code, 0);
    assert_int_equal(outcome.result, FLORIN_LIMIT_SET);
}

static void give_up(florin_id_t id)
{
    florin_transfer_outcome_t outcome;
    florin_store_request_t request = {.events_count = 1};
    florin_error_t error = {0};
    assert_int_equal(florin_store_settle_transfers(every.store, every.ledger, &id, &outcome,
                                                   &request, 1, &error),
                     0);
    assert_int_equal(outcome.result, FLORIN_TRANSFER_ID_GIVEN_UP);
}

static void import_history(void)
{
    florin_id_t old0 = open_on(0, FLORIN_ACCOUNT_FLAG_IMPORTED, 0);
    florin_id_t old1 = open_on(1, FLORIN_ACCOUNT_FLAG_IMPORTED, 0);
    florin_transfer_event_t event = transfer(new_id(2), old0, old1, 77);
    event.transfer.flags = FLAG(IMPORTED);
    event.transfer.timestamp = YEAR_2020 + 1;
    assert_int_equal(try_create(every.store, every.ledger, event), FLORIN_TRANSFER_CREATED);
}

/* What risk wants a person to see. */
static void hold_for_review(void)
{
    florin_transfer_event_t event = transfer(new_id(1), every.bank0, every.bob2, 40);
    event.verdict = FLORIN_VERDICT_REVIEW;
    assert_int_equal(try_create(every.store, every.ledger, event), FLORIN_TRANSFER_CREATED);
}

/* Ids, debit and credit account each on any shard. */
static void pay_all_ways(void)
{
    const florin_id_t from[SHARDS] = {every.bank0, every.ada1, every.bob2};
    florin_id_t to[SHARDS];
    for (size_t i = 0; i < SHARDS; i++)
        to[i] = open_on(i, FLORIN_ACCOUNT_FLAG_HISTORY, 0);
    for (size_t way = 0; way < SHARDS * SHARDS * SHARDS; way++) {
        florin_id_t debit = from[way / SHARDS % SHARDS], credit = to[way / SHARDS / SHARDS];
        pay(way % SHARDS, debit, credit, 1 + way, 0);
        florin_id_t held = pay(way % SHARDS, debit, credit, 100, FLAG(PENDING));
        resolve((way + 1) % SHARDS, held,
                way & 1 ? FLAG(POST_PENDING_TRANSFER) : FLAG(VOID_PENDING_TRANSFER),
                way & 1 ? way : 0);
    }
}

static void make_accounts(void)
{
    every.bank0 = open_on(0, 0, 0);
    every.ada1 = open_on(1, FLORIN_ACCOUNT_FLAG_HISTORY, 0);
    every.bob2 = open_on(2, 0, 0);
    every.bounded0 = open_on(0, FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS, 50);
    every.closed1 = open_on(1, 0, 0);
    open_on(2, FLORIN_ACCOUNT_FLAG_CLOSED, 0);
}

/* By a worker that does no more: the end of its chain. */
static void refuse_last(void)
{
    florin_store_t *store = every.store;
    every.store = open_store();
    give_up(every.last_refused = new_id(2));
    florin_store_destroy(&every.store);
    every.store = store;
}

void every_kind_make(bool key)
{
    servers_start(SHARDS, true);
    every.store = open_store();
    every.verifier = key ? open_store() : open_keyless_store();
    every.ledger = florin_ledger_new();
    make_accounts();
    every.local = pay(0, every.bank0, every.bounded0, 100, 0);
    every.crossing = pay(0, every.bank0, every.ada1, 500, 0);
    every.foreign = pay(2, every.bank0, every.ada1, 20, 0);
    every.posted = pay(1, every.ada1, every.bob2, 30, FLAG(PENDING));
    every.post = resolve(0, every.posted, FLAG(POST_PENDING_TRANSFER), 12);
    every.voided = pay(2, every.ada1, every.bob2, 31, FLAG(PENDING));
    resolve(2, every.voided, FLAG(VOID_PENDING_TRANSFER), 0);
    every.expired = let_expire(every.bank0, every.bob2);
    pay(0, every.ada1, every.closed1, 5, 0);
    every.closing = pay(1, every.bank0, every.closed1, 0, FLAG(PENDING) | FLAG(CLOSING_CREDIT));
    resolve(1, every.closing, FLAG(VOID_PENDING_TRANSFER), 0);
    every.closing = pay(1, every.bank0, every.closed1, 0, FLAG(PENDING) | FLAG(CLOSING_CREDIT));
    pay(1, every.bounded0, every.ada1, 150, 0);
    florin_transfer_event_t too_much = transfer(new_id(1), every.bounded0, every.ada1, 1);
    assert_int_equal(try_create(every.store, every.ledger, too_much),
                     FLORIN_TRANSFER_EXCEEDS_CREDITS);
    every.refused = too_much.transfer.id;
    give_up(every.given_up = new_id(2));
    set_limit(every.bounded0, 70);
    set_limit(every.bounded0, 60);
    import_history();
    hold_for_review();
    pay_all_ways();
    refuse_last();
    for_all_shards("CREATE SCHEMA saved;" TABLES(SAVE));
}

void every_kind_mend(void)
{
    for_all_shards(TABLES(RESTORE));
}

void every_kind_end(void)
{
    florin_ledger_destroy(&every.ledger);
    florin_store_destroy(&every.store);
    florin_store_destroy(&every.verifier);
    servers_stop();
}
