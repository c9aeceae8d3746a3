/* Which rows can be: random ones that can, with random damage, and what a ledger makes of those
 * that are let through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above first. */
#include <cmocka.h>
#include <libpq-fe.h>

#include "lib/limits.h"
#include "store/rows.h"
#include "store/sound.h"

#define SEEDS           400
#define AMOUNT_MAX      FLORIN_LEDGER_AMOUNT_MAX
#define ACCOUNT_COLUMNS 12
#define ACCOUNTS        8
#define NOW             UINT64_C(1800000000000000000)

static uint64_t state_of_random;

/* splitmix64 */
static uint64_t draw(void)
{
    uint64_t z = (state_of_random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t below(uint64_t bound)
{
    return draw() % bound;
}

/* Mostly small, at times near a bound. */
static uint64_t an_amount(void)
{
    return below(4) ? below(1000) : AMOUNT_MAX / 2 - below(3);
}

static florin_account_t an_account(florin_id_t id)
{
    static const uint32_t flags[] = {0, 2, 4, 8, 16, 32, 1 | 2 | 8, 4 | 16 | 32};
    uint64_t opened = NOW - 1 - below(1000000);
    return (florin_account_t){.id = id,
                              .balances = {an_amount(), an_amount(), an_amount(), an_amount()},
                              .credit_limit = below(2) ? below(1000) : AMOUNT_MAX,
                              .timestamp = opened,
                              .timestamp_last = opened + below(1000),
                              .ledger = 1 + (uint32_t)below(UINT32_MAX),
                              .flags = flags[below(8)],
                              .code = (uint16_t)(1 + below(UINT16_MAX))};
}

static florin_entry_t an_entry(florin_id_t id)
{
    bool pending = below(2), resolves = !pending && below(2);
    florin_entry_t entry = {.transfer = {.id = id,
                                         .debit_account_id = 1 + below(ACCOUNTS),
                                         .credit_account_id = 100,
                                         .pending_id = resolves ? 77 : 0,
                                         .amount = an_amount(),
                                         .timestamp = NOW - below(UINT64_C(4000000000)),
                                         .timeout_s = pending ? (uint32_t)below(3) : 0,
                                         .ledger = 978,
                                         .flags = pending    ? FLORIN_TRANSFER_FLAG_PENDING
                                                  : resolves ? 4u << below(2)
                                                             : 0,
                                         .code = 1},
                            .pending = pending ? (florin_pending_status_t)(1 + below(4))
                                               : FLORIN_PENDING_NONE};
    return entry;
}

static void damaged_accounts_are_told(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        state_of_random = seed;
        florin_account_t a = an_account(1);
        assert_null(florin_sound_account(&a));
        for (unsigned way = 0; way < 12; way++) {
            florin_account_t b = a;
            uint64_t huge = AMOUNT_MAX + 1 + below(AMOUNT_MAX); /* a negative number, as read */
            uint64_t *const fields[] = {
                &b.balances.debits_pending, &b.balances.debits_posted, &b.balances.credits_pending,
                &b.balances.credits_posted, &b.credit_limit,           &b.timestamp,
                &b.timestamp_last};
            if (way < 7)
                *fields[way] = huge;
            else if (way == 7)
                b.timestamp_last = b.timestamp - 1;
            else if (way == 8)
                b.flags |= 6;
            else if (way == 9)
                b.flags |= 64u << below(26);
            else if (way == 10)
                b.ledger = 0;
            else
                b.balances.credits_posted = AMOUNT_MAX - b.balances.credits_pending + 1;
            if (!florin_sound_account(&b))
                fail_msg("seed %lu, damage %u", (unsigned long)seed, way);
        }
    }
}

static void damage(florin_entry_t *entry, unsigned way)
{
    florin_transfer_t *t = &entry->transfer;
    uint64_t huge = AMOUNT_MAX + 1 + below(AMOUNT_MAX);
    switch (way) {
    case 0:
        t->amount = huge;
        break;
    case 1:
        t->timestamp = huge;
        break;
    case 2:
        t->timestamp = 0;
        break;
    case 3:
        t->debit_account_id = t->credit_account_id;
        break;
    case 4:
        t->credit_account_id = 0;
        break;
    case 5:
        t->flags |= 1024u << below(22);
        break;
    case 6:
        t->flags |= 12;
        break;
    case 7:
        t->pending_id = t->pending_id ? 0 : 5;
        break;
    case 8:
        t->code = 0;
        break;
    case 9:
        t->ledger = 0;
        break;
    case 10:
        entry->result = (florin_transfer_result_t)(200 + below(1000));
        break;
    case 11:
        entry->pending = (florin_pending_status_t)(5 + below(1000));
        break;
    case 12:
        entry->pending = entry->pending ? FLORIN_PENDING_NONE : FLORIN_PENDING_OPEN;
        break;
    case 13:
        t->reference_bytes = FLORIN_REFERENCE_BYTES_MAX + 1;
        break;
    default:
        t->timestamp = FLORIN_LEDGER_TIMESTAMP_MAX, t->timeout_s = 1;
        break;
    }
}

static void damaged_transfers_are_told(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        state_of_random = seed;
        florin_entry_t e = an_entry(1);
        assert_null(florin_sound_entry(&e));
        assert_null(florin_sound_copies(&e.transfer, &e.transfer));
        for (unsigned way = 0; way < 15; way++) {
            florin_entry_t f = e;
            damage(&f, way);
            if (!florin_sound_entry(&f))
                fail_msg("seed %lu, damage %u", (unsigned long)seed, way);
        }
        florin_entry_t other = e;
        other.transfer.amount ^= 1;
        assert_non_null(florin_sound_copies(&e.transfer, &other.transfer));
    }
}

static void put(PGresult *result, int column, int bytes, uint64_t value)
{
    char text[16] = {0};
    for (int i = bytes; i-- > 0 && i >= bytes - 8;)
        text[i] = (char)(value >> (8 * (bytes - 1 - i)));
    assert_true(PQsetvalue(result, 0, column, text, bytes));
}

/* An account as a server sends it: uuid 16, bigint 8, integer 4 bytes. */
static PGresult *as_row(const florin_account_t *a)
{
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[ACCOUNT_COLUMNS] = {{0}};
    const uint64_t values[ACCOUNT_COLUMNS] = {(uint64_t)a->id,
                                              0,
                                              a->balances.debits_pending,
                                              a->balances.debits_posted,
                                              a->balances.credits_pending,
                                              a->balances.credits_posted,
                                              a->credit_limit,
                                              a->timestamp,
                                              a->timestamp_last,
                                              a->ledger,
                                              a->code,
                                              a->flags};
    for (int i = 0; i < ACCOUNT_COLUMNS; i++)
        columns[i].name = (char[]){"c"};
    assert_true(result && PQsetResultAttrs(result, ACCOUNT_COLUMNS, columns));
    for (int i = 0; i < ACCOUNT_COLUMNS; i++)
        put(result, i, i < 2 ? 16 : i < 10 ? 8 : 4, values[i]);
    return result;
}

/* A column that is wider than its field must not be cut to one that looks right. */
static void wide_columns_are_told(void **state)
{
    (void)state;
    state_of_random = 1;
    florin_account_t a = an_account(5), read;
    PGresult *row = as_row(&a);
    assert_null(florin_row_account(row, 0, &read));
    assert_memory_equal(&read.balances, &a.balances, sizeof a.balances);
    put(row, 10, 4, (uint64_t)a.code + 65536);
    assert_non_null(florin_row_account(row, 0, &read));
    put(row, 10, 4, a.code);
    put(row, 9, 8, (uint64_t)a.ledger + (UINT64_C(1) << 32));
    assert_non_null(florin_row_account(row, 0, &read));
    put(row, 9, 8, a.ledger);
    put(row, 11, 4, UINT64_MAX); /* -1 */
    assert_non_null(florin_row_account(row, 0, &read));
    PQclear(row);
}

static florin_transfer_event_t an_event(florin_id_t id)
{
    static const uint32_t flags[] = {0, 2, 4, 8, 16, 32, 2 | 64, 2 | 128};
    florin_transfer_event_t event = {
        .transfer = {.id = id,
                     .debit_account_id = below(3) ? 1 + below(ACCOUNTS) : 0,
                     .credit_account_id = below(3) ? 1 + below(ACCOUNTS) : 0,
                     .pending_id = 1000 + below(ACCOUNTS),
                     .amount = an_amount(),
                     .ledger = 978,
                     .flags = flags[below(8)],
                     .code = 1}};
    if (!(event.transfer.flags & 12))
        event.transfer.pending_id = 0;
    return event;
}

/* Rows that hold each for itself need not hold together: holds without accounts, or with accounts
 * that hold less. Whatever is let through, the ledger ends, and what it would write can be. */
static void what_is_let_through_does_no_harm(void **state)
{
    (void)state;
    florin_ledger_t *ledger = florin_ledger_new();
    size_t impossible = 0, written = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        state_of_random = seed;
        florin_ledger_reset(ledger, NOW);
        florin_id_t holds[ACCOUNTS];
        for (florin_id_t id = 1; id <= ACCOUNTS; id++) {
            florin_account_t a = an_account(id);
            florin_entry_t e = an_entry(999 + id);
            holds[id - 1] = e.transfer.id;
            a.ledger = 978;
            e.transfer.credit_account_id = e.transfer.debit_account_id % ACCOUNTS + 1;
            if (below(4))
                assert_true(florin_ledger_load_account(ledger, &a));
            assert_true(florin_ledger_load_entry(ledger, &e.transfer, e.result));
            if (e.pending)
                assert_true(florin_ledger_load_pending(ledger, e.transfer.id, e.pending));
        }
        size_t expired;
        bool odd = false;
        assert_true(florin_ledger_expire(ledger, holds, ACCOUNTS, &expired));
        odd = florin_ledger_impossible(ledger) != 0;
        for (florin_id_t id = 1; id <= 30; id++) {
            florin_transfer_event_t event = an_event(5000 + id);
            florin_transfer_outcome_t outcome;
            assert_true(florin_ledger_create_transfers(ledger, &event, 1, &outcome));
            odd = odd || florin_ledger_impossible(ledger) != 0;
        }
        impossible += odd;
        for (size_t i = 0; i < florin_ledger_changed_count(ledger); i++, written++)
            assert_null(florin_sound_account(florin_ledger_changed(ledger, i)));
    }
    assert_in_range(impossible, SEEDS / 10, SEEDS);
    assert_in_range(written, SEEDS, SIZE_MAX);
    florin_ledger_destroy(&ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_accounts_are_told),
        cmocka_unit_test(damaged_transfers_are_told),
        cmocka_unit_test(wide_columns_are_told),
        cmocka_unit_test(what_is_let_through_does_no_harm),
    };
    return cmocka_run_group_tests_name("store/sound", tests, NULL, NULL);
}
