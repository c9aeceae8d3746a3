/* How the transactions worker makes one batch of many requests, and each its reply of the outcomes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Of one program only: compiled into its test, which stands in for risk and for the books. */
#include "workers/transactions/create.c" /* NOLINT(bugprone-suspicious-include) */

#define SHARD_AWAY "a database is away or did not confirm in time; ask again with the same ids"
#define IN_THE_WAY "another transaction keeps what this one needs; ask again with the same ids"
#define CALLS      5
#define EVENTS_MAX 4

static florin_transactions_t *worker;
static florin_arena_t *arena;
static florin_call_t calls[CALLS];
static Florin__V1__Request requests[CALLS];
static Florin__V1__Reply replies[CALLS];
static Florin__V1__CreateTransfersRequest bodies[CALLS];
static Florin__V1__LookupTransfersRequest other;
static Florin__V1__Transfer transfers[CALLS][EVENTS_MAX];
static Florin__V1__Transfer *lists[CALLS][EVENTS_MAX];

static size_t risk_events, books_requests, looks, place_of_reasons;
static int books_code;          /* of the batch as a whole */
static size_t away_request = 9; /* the one whose shard is away */

bool florin_verdicts_ask(florin_verdicts_t *self, florin_risk_t *risk, Florin__V1__Transfer **wires,
                         const florin_transfer_event_t *events, size_t count, florin_arena_t *in)
{
    assert_ptr_equal(risk, &worker->risk);
    *self = (florin_verdicts_t){.arena = in,
                                .asked_count = count,
                                .awaited = true,
                                .places = florin_arena_calloc(in, count, sizeof(uint16_t)),
                                .limits = florin_arena_calloc(in, count, sizeof(self->limits[0]))};
    for (size_t i = 0; i < count; i++)
        assert_int_equal(wires[i]->amount, events[i].transfer.amount);
    for (size_t i = 0; self->places && i < count; i++)
        self->places[i] = (uint16_t)i;
    risk_events = count;
    return self->places && self->limits;
}

void florin_verdicts_await(florin_verdicts_t *self, florin_transfer_event_t *events, size_t count)
{
    assert_true(self->awaited && self->asked_count == count);
    self->awaited = false;
    for (size_t i = 0; i < count; i++)
        events[i].verdict = FLORIN_VERDICT_APPROVED;
}

/* Those of a transfer are about the amount that risk was asked about. */
bool florin_verdicts_reasons(const florin_verdicts_t *self, size_t index,
                             const florin_transfer_event_t *event,
                             const florin_transfer_outcome_t *outcome,
                             Florin__V1__RiskReason **reasons, size_t *count)
{
    assert_false(self->awaited);
    assert_int_equal(event->verdict, FLORIN_VERDICT_APPROVED);
    assert_ptr_equal(outcome, &worker->outcomes[index]);
    *reasons = florin_arena_calloc(self->arena, 1, sizeof(**reasons));
    if (!*reasons)
        return false;
    (*reasons)[0] = FLORIN__V1__RISK_REASON__RISK_REASON_DEBIT_ACCOUNT_BLOCKED;
    place_of_reasons = self->places[index];
    *count = 1;
    return true;
}

static void (*meanwhile)(void *arg);
static void *meanwhile_arg;

void florin_store_set_meanwhile(florin_store_t *self, void (*fn)(void *arg), void *arg)
{
    assert_null(self);
    meanwhile = fn;
    meanwhile_arg = arg;
}

/* The outcome's timestamp is the transfer's amount; 13 is declined, 21 failed for it before. */
int florin_store_create_transfers(florin_store_t *self, florin_ledger_t *ledger,
                                  const florin_transfer_event_t *events,
                                  florin_transfer_outcome_t *outcomes,
                                  florin_store_request_t *asked, size_t asked_count,
                                  const florin_window_limit_t *limits, size_t limits_count,
                                  florin_error_t *error)
{
    assert_true(!self && !ledger && limits && limits_count == 0);
    books_requests = asked_count;
    assert_non_null(meanwhile);
    meanwhile(meanwhile_arg);
    if (books_code)
        return florin_error_set(error, books_code, "others have the locks");
    for (size_t i = 0, event = 0; i < asked_count; i++) {
        assert_int_equal(asked[i].error.code, 0);
        assert_int_not_equal(asked[i].events_count, 0);
        for (size_t k = 0; k < asked[i].events_count; k++, event++) {
            uint64_t amount = events[event].transfer.amount;
            outcomes[event] = (florin_transfer_outcome_t){.timestamp = amount};
            if (amount == 13)
                outcomes[event].result = FLORIN_TRANSFER_RISK_DECLINED;
            if (amount == 21) {
                outcomes[event].result = FLORIN_TRANSFER_ID_ALREADY_FAILED;
                outcomes[event].first_result = FLORIN_TRANSFER_RISK_DECLINED;
            }
        }
        if (i == away_request)
            florin_error_set(&asked[i].error, FLORIN_ERROR_UNAVAILABLE, "shard is away");
    }
    return 0;
}

static size_t tried;

/* The accounts 1 and on, as many as there are events: each pays the one before. */
static void move_accounts(florin_ledger_t *ledger, size_t count)
{
    florin_transfer_event_t event = {.transfer = {.amount = 5, .ledger = 978, .code = 1}};
    florin_transfer_outcome_t outcome;
    florin_ledger_reset(ledger, 1000);
    for (size_t i = 1; i <= count + 1; i++)
        assert_true(florin_ledger_load_account(
            ledger, &(florin_account_t){
                        .id = i, .ledger = 978, .code = 1, .timestamp = 1, .timestamp_last = 1}));
    for (size_t i = 0; i < count; i++) {
        event.transfer.id = i + 1;
        event.transfer.debit_account_id = i + 2;
        event.transfer.credit_account_id = i + 1;
        assert_true(florin_ledger_create_transfers(ledger, &event, 1, &outcome));
    }
}

/* Holds every transfer for review. */
int florin_store_try_transfers(florin_store_t *self, florin_ledger_t *ledger,
                               const florin_transfer_event_t *events,
                               florin_transfer_outcome_t *outcomes, size_t count,
                               const florin_window_limit_t *limits, size_t limits_count,
                               florin_error_t *error)
{
    assert_true(!self && ledger && limits && limits_count == 0);
    tried += count;
    move_accounts(ledger, count);
    for (size_t i = 0; i < count; i++)
        outcomes[i] = (florin_transfer_outcome_t){.timestamp = events[i].transfer.amount,
                                                  .held_for_review = true};
    return books_code ? florin_error_set(error, books_code, "others have the locks") : 0;
}

static int set_up(void **state)
{
    (void)state;
    worker = calloc(1, sizeof(*worker));
    arena = florin_arena_new(65536);
    risk_events = books_requests = tried = looks = place_of_reasons = 0;
    books_code = 0;
    away_request = 9;
    for (size_t i = 0; i < CALLS; i++) {
        florin__v1__request__init(&requests[i]);
        florin__v1__reply__init(&replies[i]);
        florin__v1__create_transfers_request__init(&bodies[i]);
        calls[i] = (florin_call_t){.request = &requests[i], .reply = &replies[i]};
        replies[i].status = FLORIN__V1__STATUS__STATUS_INTERNAL;
    }
    return worker && arena ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    florin_arena_destroy(&arena);
    free(worker);
    return 0;
}

/* A request of `count` transfers, with the amounts `first` and on. */
static void request(size_t call, size_t count, uint64_t first)
{
    for (size_t i = 0; i < count; i++) {
        florin__v1__transfer__init(&transfers[call][i]);
        transfers[call][i].amount = first + i;
        lists[call][i] = &transfers[call][i];
    }
    bodies[call].n_transfers = count;
    bodies[call].transfers = lists[call];
    requests[call].operation_case = FLORIN__V1__REQUEST__OPERATION_CREATE_TRANSFERS;
    requests[call].create_transfers = &bodies[call];
}

static void look(void *arg)
{
    assert_ptr_equal(arg, &looks);
    looks++;
}

static void book_after(void (*change)(void))
{
    const florin_ahead_t ahead = {florin_booking_new(&worker->risk, calls, CALLS, false, arena),
                                  look, &looks};
    if (change)
        change();
    florin_transactions_create(worker, calls, CALLS, arena, &ahead);
    assert_null(meanwhile);
}

static void run(void)
{
    book_after(NULL);
}

static void expect(size_t call, Florin__V1__Status status, const char *message)
{
    assert_string_equal(replies[call].message, message);
    assert_int_equal(replies[call].status, status);
    assert_int_equal(replies[call].result_case, status == FLORIN__V1__STATUS__STATUS_OK
                                                    ? FLORIN__V1__REPLY__RESULT_CREATE_TRANSFERS
                                                    : FLORIN__V1__REPLY__RESULT__NOT_SET);
}

static void expect_created(size_t call, size_t count, uint64_t first)
{
    expect(call, FLORIN__V1__STATUS__STATUS_OK, "");
    assert_int_equal(replies[call].create_transfers->n_results, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(replies[call].create_transfers->results[i]->timestamp, first + i);
}

static void test_one_batch_of_many_requests(void **state)
{
    (void)state;
    request(0, 2, 100);
    request(1, 1, 200);
    request(2, 0, 0); /* nothing to do is done */
    request(3, EVENTS_MAX, 300);
    run();
    assert_int_equal(risk_events, 3 + EVENTS_MAX);
    assert_int_equal(books_requests, 3);
    assert_int_equal(looks, 1);
    expect_created(0, 2, 100);
    expect_created(1, 1, 200);
    expect_created(2, 0, 0);
    expect_created(3, EVENTS_MAX, 300);
    expect(4, FLORIN__V1__STATUS__STATUS_INTERNAL, ""); /* left alone */
}

static const Florin__V1__RequestContext five_ms = {.ttl_ms = 5};

static void expect_expired(size_t call)
{
    expect(call, FLORIN__V1__STATUS__STATUS_EXPIRED,
           "not begun: it had 5 ms to live, and waited longer for its turn");
}

static void expire_two(void)
{
    calls[0].context = calls[2].context = &five_ms;
    calls[0].deadline_ms = calls[2].deadline_ms = 1;
}

/* Their time ran out while another batch was written: risk has had its say on all, and what is left
 * keeps what it said. */
static void test_expired_since_risk_was_asked(void **state)
{
    (void)state;
    request(0, 2, 100);
    request(1, 2, 13); /* the first is declined */
    request(2, 1, 200);
    request(3, EVENTS_MAX, 300);
    book_after(expire_two);
    assert_int_equal(risk_events, 5 + EVENTS_MAX);
    assert_int_equal(books_requests, 2);
    expect_expired(0);
    expect_created(1, 2, 13);
    expect_expired(2);
    expect_created(3, EVENTS_MAX, 300);
    assert_int_equal(place_of_reasons, 2);
}

static void expire_all(void)
{
    expire_two();
    calls[1].context = &five_ms;
    calls[1].deadline_ms = 1;
}

static void test_nothing_left_to_book(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++)
        request(i, 1, 100);
    book_after(expire_all);
    assert_int_equal(books_requests, 0);
    for (size_t i = 0; i < 3; i++)
        expect_expired(i);
}

/* However little room there is: whole replies, or none. */
static void test_a_booking_needs_room(void **state)
{
    (void)state;
    size_t refused = 0;
    for (size_t room = 16; refused == 0 || replies[0].status != FLORIN__V1__STATUS__STATUS_OK;
         room += 16) {
        florin_arena_destroy(&arena);
        arena = florin_arena_new(room);
        for (size_t i = 0; i < 2; i++) {
            florin__v1__reply__init(&replies[i]);
            request(i, i, 100);
        }
        run();
        for (size_t i = 0; i < 2; i++) {
            bool whole = replies[i].status == FLORIN__V1__STATUS__STATUS_OK;
            assert_true(whole || replies[i].status == FLORIN__V1__STATUS__STATUS_TOO_LARGE);
            assert_true(whole == (replies[i].result_case != FLORIN__V1__REPLY__RESULT__NOT_SET));
        }
        refused += books_requests == 0;
    }
    assert_int_not_equal(refused, 0);
}

static void test_a_field_out_of_range_fails_its_request_alone(void **state)
{
    (void)state;
    static uint8_t short_id[15];
    request(0, 1, 100);
    request(1, 3, 200);
    transfers[1][2].id = (ProtobufCBinaryData){.len = sizeof(short_id), .data = short_id};
    request(2, 2, 300);
    request(3, 1, FLORIN_LEDGER_AMOUNT_MAX + 1);
    request(4, 1, FLORIN_LEDGER_AMOUNT_MAX);
    run();
    assert_int_equal(risk_events, 4);
    assert_int_equal(books_requests, 3);
    expect_created(0, 1, 100);
    expect(1, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
           "transfers[2].id: 15 bytes; it has 16, or none for zero");
    expect_created(2, 2, 300);
    expect(3, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
           "transfers[0].amount: 9223372036854775808; it is at most 9223372036854775807");
    expect_created(4, 1, FLORIN_LEDGER_AMOUNT_MAX);
}

static void test_a_shard_that_is_away_fails_its_request_alone(void **state)
{
    (void)state;
    request(0, 1, 100);
    request(2, 2, 200);
    request(4, 1, 300);
    away_request = 1;
    run();
    expect_created(0, 1, 100);
    expect(2, FLORIN__V1__STATUS__STATUS_UNAVAILABLE, SHARD_AWAY);
    expect_created(4, 1, 300);
}

static void test_all_fail_with_the_batch(void **state)
{
    (void)state;
    request(0, 1, 100);
    request(1, 0, 0);
    request(4, 1, 300);
    books_code = FLORIN_ERROR_CONFLICT;
    run();
    expect(0, FLORIN__V1__STATUS__STATUS_UNAVAILABLE, IN_THE_WAY);
    expect_created(1, 0, 0);
    expect(4, FLORIN__V1__STATUS__STATUS_UNAVAILABLE, IN_THE_WAY);
}

static void test_refusals_say_why(void **state)
{
    (void)state;
    request(0, 2, 13);
    request(1, 1, 21);
    run();
    Florin__V1__TransferResult **results = replies[0].create_transfers->results;
    assert_int_equal(results[0]->result,
                     FLORIN__V1__CREATE_TRANSFER_RESULT__CREATE_TRANSFER_RESULT_RISK_DECLINED);
    assert_int_equal(results[0]->n_reasons, 1);
    assert_int_equal(results[1]->result,
                     FLORIN__V1__CREATE_TRANSFER_RESULT__CREATE_TRANSFER_RESULT_CREATED);
    assert_int_equal(results[1]->n_reasons, 0);
    results = replies[1].create_transfers->results;
    assert_int_equal(results[0]->result,
                     FLORIN__V1__CREATE_TRANSFER_RESULT__CREATE_TRANSFER_RESULT_ID_ALREADY_FAILED);
    assert_int_equal(results[0]->first_result,
                     FLORIN__V1__CREATE_TRANSFER_RESULT__CREATE_TRANSFER_RESULT_RISK_DECLINED);
    assert_int_equal(results[0]->n_reasons, 0);
}

/* Each by itself, and what is asked for real goes its way. */
static void test_dry_runs(void **state)
{
    (void)state;
    request(0, 2, 100);
    request(1, 1, 200);
    request(2, 0, 0);
    bodies[0].dry_run = bodies[2].dry_run = true;
    run();
    assert_int_equal(books_requests, 1);
    expect(0, FLORIN__V1__STATUS__STATUS_INTERNAL, ""); /* left alone */
    worker->ledger = florin_ledger_new();
    florin_transactions_try(worker, calls, CALLS, arena);
    assert_int_equal(tried, 2);
    expect_created(0, 2, 100);
    expect_created(1, 1, 200);
    expect_created(2, 0, 0);
    Florin__V1__TransferResult **results = replies[0].create_transfers->results;
    assert_true(results[0]->held_for_review);
    assert_int_equal(results[0]->n_reasons, 1); /* why a person has to look */
    books_code = FLORIN_ERROR_CONFLICT;
    florin__v1__reply__init(&replies[0]);
    florin_transactions_try(worker, calls, CALLS, arena);
    expect(0, FLORIN__V1__STATUS__STATUS_UNAVAILABLE, IN_THE_WAY);
    florin_ledger_destroy(&worker->ledger);
}

/* Those moved, as they would be; none when there is nothing to do. */
static void test_a_dry_run_shows_the_accounts(void **state)
{
    (void)state;
    request(0, 3, 100);
    request(1, 0, 0);
    bodies[0].dry_run = bodies[1].dry_run = true;
    worker->ledger = florin_ledger_new();
    move_accounts(worker->ledger, 1); /* of the batch before */
    florin_transactions_try(worker, calls, CALLS, arena);
    expect_created(0, 3, 100);
    const Florin__V1__CreateTransfersReply *reply = replies[0].create_transfers;
    assert_int_equal(reply->n_accounts, 4);
    for (size_t i = 0; i < 4; i++) {
        const Florin__V1__Account *moved = reply->accounts[i];
        uint8_t id = moved->id.data[15];
        assert_true(id >= 1 && id <= 4);
        assert_int_equal(moved->debits_posted, id > 1 ? 5 : 0);
        assert_int_equal(moved->credits_posted, id < 4 ? 5 : 0);
    }
    expect_created(1, 0, 0);
    assert_int_equal(replies[1].create_transfers->n_accounts, 0);
    florin_ledger_destroy(&worker->ledger);
}

/* One that is expired, one with a bad field, and one that is neither. */
static void test_dry_runs_fail_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        request(i, 2, 100);
        bodies[i].dry_run = true;
    }
    calls[0].context = &five_ms;
    calls[0].deadline_ms = 1;
    transfers[1][1].code = UINT16_MAX + 1;
    worker->ledger = florin_ledger_new();
    florin_transactions_try(worker, calls, CALLS, arena);
    assert_int_equal(tried, 2);
    expect_expired(0);
    expect(1, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
           "transfers[1].code: 65536; it is at most 65535");
    expect_created(2, 2, 100);
    florin_ledger_destroy(&worker->ledger);
}

/* However little room there is: a whole reply, or none. */
static void test_a_dry_run_needs_room(void **state)
{
    (void)state;
    size_t refused = 0;
    worker->ledger = florin_ledger_new();
    for (size_t room = 128; refused == 0 || replies[0].status != FLORIN__V1__STATUS__STATUS_OK;
         room += 16) {
        florin_arena_destroy(&arena);
        arena = florin_arena_new(room);
        florin__v1__reply__init(&replies[0]);
        request(0, 2, 100);
        bodies[0].dry_run = true;
        florin_transactions_try(worker, calls, CALLS, arena);
        bool whole = replies[0].status == FLORIN__V1__STATUS__STATUS_OK;
        assert_true(whole || replies[0].status == FLORIN__V1__STATUS__STATUS_TOO_LARGE);
        assert_true(whole == (replies[0].result_case != FLORIN__V1__REPLY__RESULT__NOT_SET));
        refused += !whole;
    }
    assert_int_not_equal(refused, 0);
    assert_int_equal(replies[0].create_transfers->n_accounts, 3);
    florin_ledger_destroy(&worker->ledger);
}

static void test_other_operations_cost_nothing(void **state)
{
    (void)state;
    florin__v1__lookup_transfers_request__init(&other);
    requests[1].operation_case = FLORIN__V1__REQUEST__OPERATION_LOOKUP_TRANSFERS;
    requests[1].lookup_transfers = &other;
    run();
    assert_int_equal(books_requests, 0);
    for (size_t i = 0; i < CALLS; i++)
        expect(i, FLORIN__V1__STATUS__STATUS_INTERNAL, "");
}

#define BATCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BATCH(test_one_batch_of_many_requests),
        BATCH(test_expired_since_risk_was_asked),
        BATCH(test_nothing_left_to_book),
        BATCH(test_a_booking_needs_room),
        BATCH(test_a_field_out_of_range_fails_its_request_alone),
        BATCH(test_a_shard_that_is_away_fails_its_request_alone),
        BATCH(test_all_fail_with_the_batch),
        BATCH(test_refusals_say_why),
        BATCH(test_dry_runs),
        BATCH(test_a_dry_run_shows_the_accounts),
        BATCH(test_dry_runs_fail_alone),
        BATCH(test_a_dry_run_needs_room),
        BATCH(test_other_operations_cost_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
