/* What expired is there for the next transfer, on two shards: however much it is, and whatever
 * else is overdue. What cannot be released costs nobody an id, and keeps nothing else. */
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

#define SHARDS     2
#define SECOND     UINT64_C(1000000000)
#define AMOUNT_MAX FLORIN_LEDGER_AMOUNT_MAX
#define BOUNDED    FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS
#define MIRRORED   FLORIN_ACCOUNT_FLAG_CREDITS_MUST_NOT_EXCEED_DEBITS

static florin_store_t *store;
static florin_ledger_t *ledger;
static uint64_t next_id = 1;
static florin_id_t bank[SHARDS]; /* without bounds */

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

static florin_transfer_event_t hold(size_t shard, florin_id_t debit, florin_id_t credit,
                                    uint64_t amount)
{
    florin_transfer_event_t event = transfer(new_id(shard), debit, credit, amount);
    event.transfer.flags = FLORIN_TRANSFER_FLAG_PENDING;
    event.transfer.timeout_s = 1;
    return event;
}

static void must_create(florin_transfer_event_t event)
{
    assert_int_equal(try_create(store, ledger, event), FLORIN_TRANSFER_CREATED);
}

/* A bounded account with some money. */
static florin_id_t open_with(size_t shard, uint64_t amount)
{
    florin_id_t id = open_on(shard, BOUNDED);
    must_create(transfer(new_id(shard), bank[shard], id, amount));
    return id;
}

/* Some holds of 1 from one account to another; returns when the last expires. */
static uint64_t hold_many(size_t count, size_t shard, florin_id_t debit, florin_id_t credit)
{
    static florin_transfer_event_t events[FLORIN_EVENTS_MAX];
    static florin_transfer_outcome_t outcomes[FLORIN_EVENTS_MAX];
    for (size_t i = 0; i < count; i++)
        events[i] = hold(shard, debit, credit, 1);
    create(store, ledger, events, count, outcomes);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(outcomes[i].result, FLORIN_TRANSFER_CREATED);
    return outcomes[count - 1].timestamp + SECOND;
}

static uint64_t debits_pending(florin_id_t id)
{
    return look_at(store, id).balances.debits_pending;
}

static size_t sweep(florin_store_t *with)
{
    florin_error_t error;
    size_t expired;
    assert_int_equal(florin_store_expire(with, ledger, &expired, &error), 0);
    return expired;
}

static void sweep_all(void)
{
    while (sweep(store) > 0)
        continue;
}

/* ------------------------------------------------------------------------- however much it is */

static void any_number_of_one_account_is_there_for_the_next_transfer(void **state)
{
    (void)state;
    const size_t counts[] = {300, 5000};
    for (size_t i = 0; i < 2; i++) {
        florin_id_t payer = open_with(0, counts[i]);
        await_moment(hold_many(counts[i], 0, payer, bank[0]));
        must_create(transfer(new_id(0), payer, bank[1], counts[i]));
        assert_int_equal(debits_pending(payer), 0);
    }
    check_books();
}

static void one_is_found_behind_thousands_of_others(void **state)
{
    (void)state;
    florin_id_t payer = open_with(0, 1);
    (void)hold_many(8000, 0, bank[0], bank[1]);
    await_moment(hold_many(1, 0, payer, bank[0]));
    must_create(transfer(new_id(0), payer, bank[0], 1));
    assert_int_equal(debits_pending(bank[0]), 8000); /* not needed: left to the sweep */
    sweep_all();
    assert_int_equal(debits_pending(bank[0]), 0);
    check_books();
}

/* ------------------------------------------------------------------- whatever was in the way */

/* The ways in which something that is pending can be in the way of a transfer, and of a limit. */
static void whatever_it_held_back_goes_through(void **state)
{
    (void)state;
    for (size_t far = 0; far < SHARDS; far++) {
        florin_id_t payer = open_with(0, 10), payee = open_on(far, MIRRORED);
        florin_id_t rich = open_on(0, 0), richer = open_on(far, 0), swept = open_with(0, 10);
        florin_id_t closed = open_on(far, 0), limited = open_with(far, 10);
        must_create(transfer(new_id(0), payee, bank[0], 10));
        must_create(hold(far, payer, bank[far], 10));
        must_create(hold(far, bank[0], payee, 10));
        must_create(hold(far, rich, open_on(far, 0), AMOUNT_MAX - 10000));
        must_create(hold(far, open_on(0, 0), richer, AMOUNT_MAX - 10000));
        must_create(hold(far, swept, bank[0], 7));
        must_create(hold(0, limited, bank[0], 10));
        florin_transfer_event_t closing = hold(far, closed, bank[0], 0);
        closing.transfer.flags |= FLORIN_TRANSFER_FLAG_CLOSING_DEBIT;
        must_create(closing);
        await_moment(timestamp_of(store, closing.transfer.id) + SECOND);

        florin_transfer_event_t sweeping = transfer(new_id(0), swept, bank[0], AMOUNT_MAX);
        sweeping.transfer.flags = FLORIN_TRANSFER_FLAG_BALANCING_DEBIT;
        florin_transfer_event_t chain[] = {transfer(new_id(0), bank[0], bank[1], 1),
                                           transfer(new_id(0), payer, bank[0], 10)};
        chain[0].transfer.flags = FLORIN_TRANSFER_FLAG_LINKED;
        florin_transfer_outcome_t outcomes[2];
        create(store, ledger, chain, 2, outcomes);
        assert_int_equal(outcomes[1].result, FLORIN_TRANSFER_CREATED);
        must_create(transfer(new_id(0), bank[0], payee, 10));
        must_create(transfer(new_id(0), rich, bank[0], 20000));
        must_create(transfer(new_id(0), bank[0], richer, 20000));
        must_create(transfer(new_id(0), closed, bank[0], 1));
        must_create(transfer(new_id(0), bank[0], closed, 1));
        must_create(sweeping);
        assert_int_equal(look_at(store, swept).balances.debits_posted, 10);

        const florin_limit_event_t limit = {limited, 0};
        florin_limit_outcome_t outcome;
        florin_store_request_t request = {.events_count = 1};
        florin_error_t error;
        must_create(transfer(new_id(0), limited, bank[0], 10));
        assert_int_equal(
            florin_store_set_credit_limits(store, ledger, &limit, &outcome, &request, 1, &error),
            0);
        assert_int_equal(request.error.code, 0);
        assert_int_equal(outcome.result, FLORIN_LIMIT_SET);
        sweep_all();
    }
    check_books();
}

/* What is truly held, or gone, is refused as ever, and its id is spent. */
static void what_has_not_expired_is_refused_for_good(void **state)
{
    (void)state;
    florin_id_t payer = open_with(0, 10);
    florin_transfer_event_t held = hold(0, payer, bank[0], 6);
    held.transfer.timeout_s = 3600;
    must_create(held);
    must_create(hold(0, payer, bank[0], 3));
    florin_transfer_event_t payment = transfer(new_id(0), payer, bank[0], 5);
    await_moment(florin_clock_unix_ns() + SECOND);
    assert_int_equal(try_create(store, ledger, payment), FLORIN_TRANSFER_EXCEEDS_CREDITS);
    assert_int_equal(try_create(store, ledger, payment), FLORIN_TRANSFER_ID_ALREADY_FAILED);
    must_create(transfer(new_id(0), payer, bank[0], 4));
    check_books();
}

static void a_dry_run_says_neither_yes_nor_no(void **state)
{
    (void)state;
    florin_id_t payer = open_with(0, 10);
    must_create(hold(0, payer, bank[0], 10));
    florin_transfer_event_t payment = transfer(new_id(0), payer, bank[0], 10);
    florin_transfer_outcome_t outcome;
    florin_error_t error;
    await_moment(florin_clock_unix_ns() + SECOND);
    assert_int_equal(
        florin_store_try_transfers(store, ledger, &payment, &outcome, 1, NULL, 0, &error),
        FLORIN_ERROR_CONFLICT);
    assert_int_equal(debits_pending(payer), 10);
    sweep_all();
    assert_int_equal(
        florin_store_try_transfers(store, ledger, &payment, &outcome, 1, NULL, 0, &error), 0);
    assert_int_equal(outcome.result, FLORIN_TRANSFER_CREATED);
    must_create(payment);
    check_books();
}

/* --------------------------------------------------------------------- what can't be released */

/* Two payments in one batch: the first one's money is held by what cannot be released. */
static void assert_only_the_first_fails(florin_transfer_event_t *events, int code)
{
    florin_store_request_t requests[] = {{.events_count = 1}, {.events_count = 1}};
    florin_transfer_outcome_t outcomes[2];
    florin_error_t error;
    assert_int_equal(florin_store_create_transfers(store, ledger, events, outcomes, requests, 2,
                                                   NULL, 0, &error),
                     0);
    assert_int_equal(requests[0].error.code, code);
    assert_non_null(strstr(requests[0].error.message, "ask again with the same ids"));
    assert_int_equal(requests[1].error.code, 0);
    assert_int_equal(outcomes[1].result, FLORIN_TRANSFER_CREATED);
}

/* A thousand hang on shard 1, and more on each look's way; one behind them does not. */
static void a_shard_that_is_away_costs_no_id_and_keeps_nothing_else(void **state)
{
    (void)state;
    florin_id_t stuck = open_with(0, 3000), free = open_with(0, 1);
    (void)hold_many(3000, 0, stuck, bank[1]);
    await_moment(hold_many(1, 0, free, bank[0]));
    servers_take_away(1);
    florin_transfer_event_t events[] = {transfer(new_id(0), stuck, bank[0], 1),
                                        transfer(new_id(0), free, bank[0], 1)};
    assert_only_the_first_fails(events, FLORIN_ERROR_UNAVAILABLE);

    await_moment(hold_many(1, 0, bank[0], free));
    size_t looks = 0;
    for (size_t expired = 0; expired == 0; looks++) {
        assert_true(looks < 4);
        expired = sweep(store);
    }
    assert_int_equal(debits_pending(bank[0]), 0);
    assert_int_equal(debits_pending(stuck), 3000);
    servers_give_back(1);
    uint64_t until_ms = florin_clock_ms() + 10000;
    while (try_create(store, ledger, events[0]) != FLORIN_TRANSFER_CREATED)
        assert_true(florin_clock_ms() < until_ms);
    sweep_all();
    check_books();
}

static void a_locked_row_costs_no_id_and_keeps_nothing_else(void **state)
{
    (void)state;
    florin_id_t merchant = open_on(0, 0), stuck = open_with(0, 3000), free = open_with(0, 1);
    (void)hold_many(3000, 0, stuck, merchant);
    await_moment(hold_many(1, 0, free, bank[0]));
    PGconn *keeper = lock_account(merchant, 0);
    florin_transfer_event_t events[] = {transfer(new_id(0), stuck, bank[0], 1),
                                        transfer(new_id(0), free, bank[0], 1)};
    assert_only_the_first_fails(events, FLORIN_ERROR_CONFLICT);

    await_moment(hold_many(1, 0, bank[0], free));
    uint64_t begun_ms = florin_clock_ms();
    for (size_t looks = 0, expired = 0; expired == 0; looks++) {
        assert_true(looks < 4);
        expired = sweep(store);
    }
    assert_true(florin_clock_ms() < begun_ms + 700); /* a lock is waited for for longer */
    assert_int_equal(debits_pending(bank[0]), 0);
    PQfinish(keeper);
    must_create(events[0]);
    sweep_all();
    check_books();
}

/* One shard by itself, and what is local apart from what crosses. */
static void a_sweep_may_be_of_one_shard_and_kind(void **state)
{
    (void)state;
    florin_id_t here[SHARDS] = {open_on(0, 0), open_on(1, 0)};
    florin_error_t error;
    size_t expired;
    sweep_all();
    for (size_t i = 0; i < SHARDS; i++) {
        must_create(hold(i, here[i], bank[i], 1));
        must_create(hold(i, here[i], bank[1 - i], 2));
        must_create(hold(1 - i, here[i], bank[i], 4));
    }
    await_moment(florin_clock_unix_ns() + SECOND);
    const unsigned kinds[] = {FLORIN_EXPIRE_LOCAL, FLORIN_EXPIRE_CROSSING};
    const uint64_t left[] = {6, 0};
    for (size_t i = 0; i < SHARDS; i++)
        for (size_t kind = 0; kind < 2; kind++) {
            assert_int_equal(
                florin_store_expire_on(store, ledger, i, kinds[kind], &expired, &error), 0);
            assert_int_equal(expired, kind + 1);
            assert_int_equal(debits_pending(here[i]), left[kind]);
            assert_int_equal(debits_pending(here[1]), i == 0 ? 7 : left[kind]);
        }
    check_books();
}

/* ------------------------------------------------------------------------------------ by chance */

enum { PAYERS = 40, ROUNDS = 3, HOLDS_MAX = 120 };

static uint32_t draw(uint64_t *seed, uint32_t below)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33) % below;
}

/* Accounts with money that is all held by transfers which then expire: with nobody sweeping, each
 * payment must be answered as if nothing had ever been held. */
static void payments_go_as_if_nothing_had_been_held(void **state)
{
    (void)state;
    const char *given = getenv("FLORIN_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : florin_clock_unix_ns();
    printf("FLORIN_SEED=%llu\n", (unsigned long long)seed);
    for (size_t round = 0; round < ROUNDS; round++) {
        florin_id_t payers[PAYERS];
        uint64_t money[PAYERS], until = 0;
        for (size_t i = 0; i < PAYERS; i++) {
            money[i] = 1 + draw(&seed, HOLDS_MAX);
            payers[i] = open_with(draw(&seed, SHARDS), money[i]);
        }
        for (size_t i = 0; i < PAYERS; i++)
            until = hold_many(money[i], draw(&seed, SHARDS), payers[i], bank[draw(&seed, SHARDS)]);
        await_moment(until);
        for (size_t n = 0; n < 4; n++) {
            florin_transfer_event_t events[PAYERS];
            florin_transfer_outcome_t outcomes[PAYERS];
            for (size_t i = 0; i < PAYERS; i++)
                events[i] =
                    transfer(new_id(draw(&seed, SHARDS)), payers[i],
                             draw(&seed, 2) ? bank[draw(&seed, SHARDS)] : payers[(i + 1) % PAYERS],
                             draw(&seed, HOLDS_MAX));
            create(store, ledger, events, PAYERS, outcomes);
            for (size_t i = 0; i < PAYERS; i++) {
                uint64_t amount = events[i].transfer.amount;
                bool enough = amount <= money[i];
                assert_int_equal(outcomes[i].result, enough ? FLORIN_TRANSFER_CREATED
                                                            : FLORIN_TRANSFER_EXCEEDS_CREDITS);
                if (!enough)
                    continue;
                money[i] -= amount;
                if (events[i].transfer.credit_account_id == payers[(i + 1) % PAYERS])
                    money[(i + 1) % PAYERS] += amount;
            }
        }
    }
    sweep_all();
    check_books();
}

static int set_up(void **state)
{
    (void)state;
    servers_start(SHARDS, true);
    ledger = florin_ledger_new();
    store = open_store();
    for (size_t i = 0; i < SHARDS; i++)
        bank[i] = open_on(i, 0);
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
        cmocka_unit_test(any_number_of_one_account_is_there_for_the_next_transfer),
        cmocka_unit_test(one_is_found_behind_thousands_of_others),
        cmocka_unit_test(whatever_it_held_back_goes_through),
        cmocka_unit_test(what_has_not_expired_is_refused_for_good),
        cmocka_unit_test(a_dry_run_says_neither_yes_nor_no),
        cmocka_unit_test(a_shard_that_is_away_costs_no_id_and_keeps_nothing_else),
        cmocka_unit_test(a_locked_row_costs_no_id_and_keeps_nothing_else),
        cmocka_unit_test(a_sweep_may_be_of_one_shard_and_kind),
        cmocka_unit_test(payments_go_as_if_nothing_had_been_held),
    };
    (void)mallopt(M_PERTURB, 0xa5); /* so that memory read after it was freed is found */
    return cmocka_run_group_tests_name("store/expiry", tests, set_up, tear_down);
}
