/* Which lane a packed request goes to: messages of each kind, bytes by hand, and garbage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "lib/id.h"
#include "workers/accounts/accounts.h"
#include "workers/accounts/route.c" /* NOLINT(bugprone-suspicious-include) */
#include "workers/runtime/messages/convert.h"
#include "workers/runtime/storage.h"
#include "workers/transactions/route.c" /* NOLINT(bugprone-suspicious-include) */

#define NOWHERE (-1)

/* Three shards: an id's shard is its slot modulo 3. */
static florin_slots_t map;

static int set_up(void **state)
{
    (void)state;
    map.shards_count = 3;
    for (size_t i = 0; i < FLORIN_SLOTS; i++)
        map.shards[i] = (uint8_t)(i % 3);
    return 0;
}

/* In a block of exactly their size, so that ASan sees a read past it. */
static florin_route_t route_bytes(const void *bytes, size_t size, bool accounts)
{
    uint8_t *block = malloc(size > 0 ? size : 1);
    assert_non_null(block);
    memcpy(block, bytes, size);
    const florin_wire_t body = {block, block + size};
    florin_route_t route =
        accounts ? florin_accounts_route(&map, body) : florin_transactions_route(&map, body);
    free(block);
    return route;
}

static florin_route_t route_of(const Florin__V1__Request *request, bool accounts)
{
    size_t size = florin__v1__request__get_packed_size(request);
    uint8_t *bytes = malloc(size + 1);
    assert_non_null(bytes);
    florin__v1__request__pack(request, bytes);
    florin_route_t route = route_bytes(bytes, size, accounts);
    free(bytes);
    return route;
}

/* shard NOWHERE: any other lane than a shard's. */
static void check_route(florin_route_t route, florin_books_lane_t kind, int shard, unsigned line)
{
    if (route.kind != kind || (shard != NOWHERE && route.shard != (size_t)shard))
        fail_msg("line %u: kind %zu, shard %zu", line, route.kind, route.shard);
}

/* ------------------------------------------------------------------------------ transactions */

#define TRANSFERS_MAX 4

typedef struct {
    unsigned id, debit, credit, pending; /* 0: left out */
} ids_t;

static ProtobufCBinaryData bytes_of(unsigned id, uint8_t *bytes)
{
    florin_id_to_bytes(id, bytes);
    return (ProtobufCBinaryData){.len = id ? FLORIN_ID_BYTES : 0, .data = bytes};
}

static florin_route_t route_transfers_of(const ids_t *ids, size_t count, bool dry)
{
    static uint8_t bytes[TRANSFERS_MAX][4][FLORIN_ID_BYTES];
    static char reference[] = "INV-2024-0815";
    Florin__V1__CreateTransfersRequest create = FLORIN__V1__CREATE_TRANSFERS_REQUEST__INIT;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    Florin__V1__Transfer transfers[TRANSFERS_MAX];
    Florin__V1__Transfer *list[TRANSFERS_MAX];
    assert_in_range(count, 0, TRANSFERS_MAX);
    for (size_t i = 0; i < count; i++) {
        florin__v1__transfer__init(&transfers[i]);
        transfers[i].id = bytes_of(ids[i].id, bytes[i][0]);
        transfers[i].debit_account_id = bytes_of(ids[i].debit, bytes[i][1]);
        transfers[i].credit_account_id = bytes_of(ids[i].credit, bytes[i][2]);
        transfers[i].pending_id = bytes_of(ids[i].pending, bytes[i][3]);
        transfers[i].amount = UINT64_MAX;
        transfers[i].ledger = 978;
        transfers[i].reference = reference;
        list[i] = &transfers[i];
    }
    create.n_transfers = count;
    create.transfers = list;
    create.dry_run = dry;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_CREATE_TRANSFERS;
    request.create_transfers = &create;
    request.request_id = (ProtobufCBinaryData){.len = 4, .data = bytes[0][0]};
    return route_of(&request, false);
}

#define CHECK_TRANSFERS(dry, kind, shard, ...)                                                     \
    do {                                                                                           \
        const ids_t ids[] = {__VA_ARGS__};                                                         \
        check_route(route_transfers_of(ids, sizeof ids / sizeof ids[0], dry), kind, shard,         \
                    __LINE__);                                                                     \
    } while (0)

static void test_transfers(void **state)
{
    (void)state;
    CHECK_TRANSFERS(false, FLORIN_BOOKS_SHARD, 0, {3, 6, 9, 0});
    CHECK_TRANSFERS(false, FLORIN_BOOKS_SHARD, 1, {1, 4, 7, 0});
    CHECK_TRANSFERS(false, FLORIN_BOOKS_SHARD, 2, {2, 5, 8, 11}, {14, 17, 20, 0});
    CHECK_TRANSFERS(false, FLORIN_BOOKS_CROSSING, NOWHERE, {3, 6, 7, 0}); /* the credit account */
    CHECK_TRANSFERS(false, FLORIN_BOOKS_CROSSING, NOWHERE, {3, 7, 6, 0});
    CHECK_TRANSFERS(false, FLORIN_BOOKS_CROSSING, NOWHERE, {4, 6, 9, 0}); /* the id itself */
    CHECK_TRANSFERS(false, FLORIN_BOOKS_CROSSING, NOWHERE, {3, 6, 9, 4}); /* what it posts */
    CHECK_TRANSFERS(false, FLORIN_BOOKS_CROSSING, NOWHERE, {3, 6, 9, 0}, {1, 4, 7, 0});
    /* What a post leaves out may be anywhere. */
    CHECK_TRANSFERS(false, FLORIN_BOOKS_CROSSING, NOWHERE, {3, 0, 0, 6});
    CHECK_TRANSFERS(false, FLORIN_BOOKS_CROSSING, NOWHERE, {3, 6, 0, 6});
    CHECK_TRANSFERS(false, FLORIN_BOOKS_CROSSING, NOWHERE, {3, 0, 6, 6});
    CHECK_TRANSFERS(false, FLORIN_BOOKS_CROSSING, NOWHERE, {3, 6, 9, 0}, {3, 0, 0, 6});
    CHECK_TRANSFERS(false, FLORIN_BOOKS_SHARD, 0, {3, 6, 9, 12});
    /* An account that is missing is refused, wherever. */
    CHECK_TRANSFERS(false, FLORIN_BOOKS_SHARD, 0, {3, 6, 0, 0});
    CHECK_TRANSFERS(false, FLORIN_BOOKS_CROSSING, NOWHERE, {0, 0, 0, 0});
    CHECK_TRANSFERS(true, FLORIN_BOOKS_SCANS, 0, {3, 6, 9, 0});
    CHECK_TRANSFERS(true, FLORIN_BOOKS_SCANS_CROSSING, NOWHERE, {3, 7, 8, 0}, {3, 0, 0, 6});
    check_route(route_transfers_of(NULL, 0, false), FLORIN_BOOKS_CROSSING, NOWHERE, __LINE__);
    check_route(route_transfers_of(NULL, 0, true), FLORIN_BOOKS_SCANS_CROSSING, NOWHERE, __LINE__);
}

static void test_one_shard_has_no_crossing(void **state)
{
    (void)state;
    map.shards_count = 1;
    memset(map.shards, 0, sizeof map.shards);
    CHECK_TRANSFERS(false, FLORIN_BOOKS_SHARD, 0, {1, 2, 3, 0});
    CHECK_TRANSFERS(false, FLORIN_BOOKS_SHARD, 0, {3, 0, 0, 6});
    CHECK_TRANSFERS(true, FLORIN_BOOKS_SCANS, 0, {1, 2, 3, 0});
}

/* Before the map is known, all goes to the lane that any write may go to. */
static void test_no_map(void **state)
{
    (void)state;
    map.shards_count = 0;
    CHECK_TRANSFERS(false, FLORIN_BOOKS_CROSSING, NOWHERE, {3, 6, 9, 0});
    CHECK_TRANSFERS(true, FLORIN_BOOKS_SCANS_CROSSING, NOWHERE, {3, 6, 9, 0});
}

#define ROUTE(text, accounts) route_bytes(text, sizeof(text) - 1, accounts)

static void test_other_operations(void **state)
{
    (void)state;
    /* lookup_transfers, list_transfers, transfer_outcomes: 21 to 23, empty. */
    check_route(ROUTE("\252\1\0", false), FLORIN_BOOKS_LOOKUPS_CROSSING, NOWHERE, __LINE__);
    check_route(ROUTE("\262\1\0", false), FLORIN_BOOKS_SCANS_CROSSING, NOWHERE, __LINE__);
    check_route(ROUTE("\272\1\0", false), FLORIN_BOOKS_CROSSING, NOWHERE, __LINE__);
    /* lookup_accounts, statement, trial_balance, balance_at, list_accounts. */
    check_route(ROUTE("\132\0", true), FLORIN_BOOKS_LOOKUPS_CROSSING, NOWHERE, __LINE__);
    check_route(ROUTE("\142\0", true), FLORIN_BOOKS_SCANS_CROSSING, NOWHERE, __LINE__);
    check_route(ROUTE("\152\0", true), FLORIN_BOOKS_SCANS_CROSSING, NOWHERE, __LINE__);
    check_route(ROUTE("\172\0", true), FLORIN_BOOKS_LOOKUPS_CROSSING, NOWHERE, __LINE__);
    check_route(ROUTE("\202\1\0", true), FLORIN_BOOKS_SCANS_CROSSING, NOWHERE, __LINE__);
    /* Nothing, and what is no operation of the service, are refused at once. */
    check_route(ROUTE("", false), FLORIN_BOOKS_LOOKUPS_CROSSING, NOWHERE, __LINE__);
    check_route(ROUTE("\12\1r", true), FLORIN_BOOKS_LOOKUPS_CROSSING, NOWHERE, __LINE__);
    check_route(ROUTE("\362\1\0", false), FLORIN_BOOKS_LOOKUPS_CROSSING, NOWHERE, __LINE__);
    /* Of two operations the last one counts: a list, then a lookup. */
    check_route(ROUTE("\262\1\0\252\1\0", false), FLORIN_BOOKS_LOOKUPS_CROSSING, NOWHERE, __LINE__);
    /* dry_run that is taken back. */
    check_route(ROUTE("\242\1\2\20\1", false), FLORIN_BOOKS_SCANS_CROSSING, NOWHERE, __LINE__);
    check_route(ROUTE("\242\1\4\20\1\20\0", false), FLORIN_BOOKS_CROSSING, NOWHERE, __LINE__);
    /* An id of three bytes is none. */
    check_route(ROUTE("\242\1\7\12\5\12\3\0\0\1", false), FLORIN_BOOKS_CROSSING, NOWHERE, __LINE__);
}

/* An id of 16 bytes that ends so. */
#define ID(end) "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" end

/* What reads one shard waits for no other. */
static void test_reads(void **state)
{
    (void)state;
    check_route(ROUTE("\252\1\22\12\20" ID("\4"), false), FLORIN_BOOKS_LOOKUPS, 1, __LINE__);
    check_route(ROUTE("\132\22\12\20" ID("\5"), true), FLORIN_BOOKS_LOOKUPS, 2, __LINE__);
    check_route(ROUTE("\132\44\12\20" ID("\5") "\12\20" ID("\2"), true), FLORIN_BOOKS_LOOKUPS, 2,
                __LINE__);
    check_route(ROUTE("\132\44\12\20" ID("\5") "\12\20" ID("\3"), true),
                FLORIN_BOOKS_LOOKUPS_CROSSING, NOWHERE, __LINE__);
    /* statement, balance_at */
    check_route(ROUTE("\142\22\12\20" ID("\4"), true), FLORIN_BOOKS_SCANS, 1, __LINE__);
    check_route(ROUTE("\172\22\12\20" ID("\4"), true), FLORIN_BOOKS_LOOKUPS, 1, __LINE__);
}

/* ---------------------------------------------------------------------------------- accounts */

static florin_route_t route_accounts_of(const unsigned *ids, size_t count, bool limits)
{
    static uint8_t bytes[TRANSFERS_MAX][FLORIN_ID_BYTES];
    Florin__V1__OpenAccountsRequest open = FLORIN__V1__OPEN_ACCOUNTS_REQUEST__INIT;
    Florin__V1__SetCreditLimitsRequest set = FLORIN__V1__SET_CREDIT_LIMITS_REQUEST__INIT;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    Florin__V1__Account accounts[TRANSFERS_MAX], *list[TRANSFERS_MAX];
    Florin__V1__CreditLimit wires[TRANSFERS_MAX], *wires_list[TRANSFERS_MAX];
    for (size_t i = 0; i < count; i++) {
        florin__v1__account__init(&accounts[i]);
        florin__v1__credit_limit__init(&wires[i]);
        accounts[i].id = wires[i].account_id = bytes_of(ids[i], bytes[i]);
        accounts[i].ledger = 978;
        wires[i].credit_limit = 5;
        list[i] = &accounts[i];
        wires_list[i] = &wires[i];
    }
    open.n_accounts = set.n_limits = count;
    open.accounts = list;
    set.limits = wires_list;
    if (limits) {
        request.operation_case = FLORIN__V1__REQUEST__OPERATION_SET_CREDIT_LIMITS;
        request.set_credit_limits = &set;
    } else {
        request.operation_case = FLORIN__V1__REQUEST__OPERATION_OPEN_ACCOUNTS;
        request.open_accounts = &open;
    }
    return route_of(&request, true);
}

static void test_accounts(void **state)
{
    static const unsigned here[] = {2, 5, 8}, anywhere[] = {2, 5, 7}, none[] = {0};
    (void)state;
    for (int limits = 0; limits < 2; limits++) {
        check_route(route_accounts_of(here, 3, limits), FLORIN_BOOKS_SHARD, 2, __LINE__);
        check_route(route_accounts_of(anywhere, 3, limits), FLORIN_BOOKS_CROSSING, NOWHERE,
                    __LINE__);
        check_route(route_accounts_of(none, 1, limits), FLORIN_BOOKS_CROSSING, NOWHERE, __LINE__);
        check_route(route_accounts_of(here, 0, limits), FLORIN_BOOKS_CROSSING, NOWHERE, __LINE__);
    }
}

/* ----------------------------------------------------------------------------------- garbage */

/* Random transfers go where the shards of their ids say. */
static void test_random(void **state)
{
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    const unsigned first_seed = seed;
    for (int round = 0; round < 20000; round++) {
        ids_t ids[TRANSFERS_MAX];
        size_t count = 1 + (size_t)rand_r(&seed) % TRANSFERS_MAX;
        unsigned shards = 0;
        bool known = true;
        for (size_t i = 0; i < count; i++) {
            unsigned *four[] = {&ids[i].id, &ids[i].debit, &ids[i].credit, &ids[i].pending};
            for (size_t k = 0; k < 4; k++) {
                *four[k] = rand_r(&seed) % 4 == 0 ? 0 : 3 * (1 + (unsigned)rand_r(&seed) % 300);
                *four[k] += *four[k] && rand_r(&seed) % 12 == 0;
                shards |= *four[k] ? 1U << *four[k] % FLORIN_SLOTS % 3 : 0;
            }
            known = known && (ids[i].pending == 0 || (ids[i].debit && ids[i].credit));
        }
        florin_route_t route = route_transfers_of(ids, count, false);
        bool alone = known && (shards == 1 || shards == 2 || shards == 4);
        size_t shard = shards >> 1; /* of one alone: 0, 1, 2 */
        if (route.kind != (alone ? FLORIN_BOOKS_SHARD : FLORIN_BOOKS_CROSSING) ||
            (alone && route.shard != shard))
            fail_msg("seed %u, round %d: kind %zu, shard %zu", first_seed, round, route.kind,
                     route.shard);
    }
}

static void test_garbage(void **state)
{
    static const char good[] = "\12\1r\242\1\30\12\22\12\20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\3\20\1";
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    const unsigned first_seed = seed;
    for (int round = 0; round < 100000; round++) {
        char bytes[sizeof(good) - 1];
        memcpy(bytes, good, sizeof(bytes));
        for (int changes = 1 + rand_r(&seed) % 4; changes > 0; changes--)
            bytes[(size_t)rand_r(&seed) % sizeof(bytes)] = (char)rand_r(&seed);
        size_t size = (size_t)rand_r(&seed) % (sizeof(bytes) + 1);
        florin_route_t route = route_bytes(bytes, size, round % 2);
        if (route.kind >= FLORIN_BOOKS_LANES || route.shard >= map.shards_count)
            fail_msg("seed %u, round %d", first_seed, round);
    }
}

/* ----------------------------------------------------------------------------------- the map */

static void test_the_map_is_followed(void **state)
{
    (void)state;
    florin_slot_map_t published;
    florin_slots_t copy = {0};
    unsigned version = 0;
    florin_slot_map_init(&published);
    florin_slot_map_follow(&published, &copy, &version);
    assert_int_equal(copy.shards_count, 0);
    for (uint8_t i = 1; i < 4; i++) {
        map.shards[7] = i;
        florin_slot_map_publish(&published, &map);
        florin_slot_map_follow(&published, &copy, &version);
        assert_int_equal(copy.shards[7], i);
        assert_int_equal(version, i);
    }
    florin_slot_map_clear(&published);
}

#define MAPPED(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MAPPED(test_transfers),
        MAPPED(test_one_shard_has_no_crossing),
        MAPPED(test_no_map),
        MAPPED(test_other_operations),
        MAPPED(test_reads),
        MAPPED(test_accounts),
        MAPPED(test_random),
        MAPPED(test_garbage),
        MAPPED(test_the_map_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
