/* Lookups of several calls in one read: who gets which part, and what a failed read costs whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "workers/runtime/messages/lookup.h"

#define CALLS   4
#define IDS_MAX 8

typedef struct {
    florin_id_t id;
    uint64_t number;
} row_t;

/* The store: it has the even ids, and fails a read that asks for an id on the shard that is away.
 */
static florin_id_t away;
static unsigned reads;

static int read_rows(florin_store_t *store, const florin_id_t *ids, size_t ids_count, void *rows,
                     size_t *found, florin_error_t *error)
{
    row_t *row = rows;
    assert_null(store);
    assert_int_not_equal(ids_count, 0);
    reads++;
    *found = 0;
    for (size_t i = 0; i < ids_count; i++)
        if (ids[i] == away)
            return florin_error_set(error, FLORIN_ERROR_UNAVAILABLE, "shard is away");
    for (size_t i = 0; i < ids_count; i++)
        if (ids[i] % 2 == 0)
            row[(*found)++] = (row_t){.id = ids[i], .number = (uint64_t)ids[i] * 10};
    return 0;
}

/* A reply's message is the ids found, a digit each. */
static bool fill(Florin__V1__Reply *reply, const void *rows, size_t count, florin_arena_t *arena)
{
    const row_t *row = rows;
    char *text = florin_arena_alloc(arena, IDS_MAX + 1);
    if (!text)
        return false;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(row[i].number, (uint64_t)row[i].id * 10);
        text[i] = (char)('0' + (int)row[i].id);
    }
    text[count] = '\0';
    reply->message = text;
    reply->status = FLORIN__V1__STATUS__STATUS_OK;
    return true;
}

static const florin_lookup_kind_t kind = {FLORIN__V1__REQUEST__OPERATION_LOOKUP_TRANSFERS,
                                          read_rows, fill, sizeof(row_t)};

static florin_lookup_t lookup;
static row_t rows[FLORIN_BATCH_EVENTS_MAX];
static florin_arena_t *arena;
static florin_call_t calls[CALLS];
static Florin__V1__Request requests[CALLS];
static Florin__V1__Reply replies[CALLS];
static Florin__V1__LookupTransfersRequest bodies[CALLS];
static Florin__V1__LookupAccountsRequest other;
static uint8_t bytes[CALLS][IDS_MAX][16];
static ProtobufCBinaryData ids[CALLS][IDS_MAX];

static int set_up(void **state)
{
    (void)state;
    away = 9;
    reads = 0;
    arena = florin_arena_new(4096);
    for (size_t i = 0; i < CALLS; i++) {
        florin__v1__request__init(&requests[i]);
        florin__v1__reply__init(&replies[i]);
        florin__v1__lookup_transfers_request__init(&bodies[i]);
        calls[i] = (florin_call_t){.request = &requests[i], .reply = &replies[i]};
        replies[i].status = FLORIN__V1__STATUS__STATUS_INTERNAL;
    }
    return arena ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    florin_arena_destroy(&arena);
    return 0;
}

/* A digit an id. */
static void request(size_t call, const char *digits)
{
    for (size_t i = 0; digits[i]; i++) {
        bytes[call][i][15] = (uint8_t)(digits[i] - '0');
        ids[call][i] = (ProtobufCBinaryData){.len = 16, .data = bytes[call][i]};
    }
    bodies[call].n_ids = strlen(digits);
    bodies[call].ids = ids[call];
    requests[call].operation_case = FLORIN__V1__REQUEST__OPERATION_LOOKUP_TRANSFERS;
    requests[call].lookup_transfers = &bodies[call];
}

static void run(void)
{
    florin_lookup_run(&lookup, &kind, NULL, rows, calls, CALLS, arena);
}

static void expect(size_t call, Florin__V1__Status status, const char *message)
{
    assert_string_equal(replies[call].message, message);
    assert_int_equal(replies[call].status, status);
}

#define AWAY        "a database is away or did not confirm in time; ask again with the same ids"
#define OK          FLORIN__V1__STATUS__STATUS_OK
#define UNAVAILABLE FLORIN__V1__STATUS__STATUS_UNAVAILABLE

/* Also ids that none has, that several ask for, that one asks for twice; and no ids. */
static void test_each_gets_its_own(void **state)
{
    (void)state;
    request(0, "1243");
    request(1, "42412");
    request(2, "");
    request(3, "135");
    run();
    assert_int_equal(reads, 1);
    expect(0, OK, "24");
    expect(1, OK, "4242");
    expect(2, OK, "");
    expect(3, OK, "");
}

static void test_nobody_asks_for_an_id(void **state)
{
    (void)state;
    for (size_t i = 0; i < CALLS; i++)
        request(i, "");
    run();
    assert_int_equal(reads, 0);
    for (size_t i = 0; i < CALLS; i++)
        expect(i, OK, "");
}

static void test_other_operations_are_left_alone(void **state)
{
    (void)state;
    request(0, "2");
    request(3, "6");
    florin__v1__lookup_accounts_request__init(&other);
    requests[1].operation_case = FLORIN__V1__REQUEST__OPERATION_LOOKUP_ACCOUNTS;
    requests[1].lookup_accounts = &other;
    run();
    expect(0, OK, "2");
    expect(1, FLORIN__V1__STATUS__STATUS_INTERNAL, "");
    expect(2, FLORIN__V1__STATUS__STATUS_INTERNAL, "");
    expect(3, OK, "6");
}

static void test_what_is_no_id_fails_its_request_alone(void **state)
{
    (void)state;
    request(0, "2");
    request(1, "46");
    request(2, "6");
    request(3, "8");
    ids[1][1].len = 15;
    run();
    assert_int_equal(reads, 1);
    expect(0, OK, "2");
    expect(1, FLORIN__V1__STATUS__STATUS_BAD_REQUEST, "ids[1]: 15 bytes; an id has 16");
    expect(2, OK, "6");
    expect(3, OK, "8");
}

static void test_a_shard_that_is_away_fails_those_who_ask_for_it(void **state)
{
    (void)state;
    request(0, "24");
    request(1, "692");
    request(2, "");
    request(3, "86");
    run();
    expect(0, OK, "24");
    expect(1, UNAVAILABLE, AWAY);
    expect(2, OK, "");
    expect(3, OK, "86");
    assert_int_equal(reads, 4); /* together, then one by one */
}

static void test_a_lone_request_is_read_once(void **state)
{
    (void)state;
    request(2, "9");
    run();
    expect(2, UNAVAILABLE, AWAY);
    assert_int_equal(reads, 1);
}

/* Reads one by one may take long: those that nobody waits for any more are left out. */
static void test_expired_requests_are_not_read_again(void **state)
{
    (void)state;
    static const Florin__V1__RequestContext context = {.ttl_ms = 5};
    request(0, "9");
    request(1, "2");
    request(2, "4");
    request(3, "6");
    calls[1].context = calls[2].context = &context;
    calls[1].deadline_ms = 1;
    calls[2].deadline_ms = UINT64_MAX;
    run();
    expect(0, UNAVAILABLE, AWAY);
    expect(1, FLORIN__V1__STATUS__STATUS_EXPIRED,
           "not begun: it had 5 ms to live, and waited longer for its turn");
    expect(2, OK, "4");
    expect(3, OK, "6");
    assert_int_equal(reads, 4);
}

static void test_no_room_for_a_reply(void **state)
{
    (void)state;
    while (florin_arena_alloc(arena, 16))
        ;
    request(0, "2");
    run();
    assert_int_equal(replies[0].status, FLORIN__V1__STATUS__STATUS_TOO_LARGE);
}

#define ASKED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ASKED(test_each_gets_its_own),
        ASKED(test_nobody_asks_for_an_id),
        ASKED(test_other_operations_are_left_alone),
        ASKED(test_what_is_no_id_fails_its_request_alone),
        ASKED(test_a_shard_that_is_away_fails_those_who_ask_for_it),
        ASKED(test_a_lone_request_is_read_once),
        ASKED(test_expired_requests_are_not_read_again),
        ASKED(test_no_room_for_a_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
