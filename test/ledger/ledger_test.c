/* What a ledger does over several events: chains, ids, timestamps, windows, room, read-out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "ledger/ledger.h"

#define EUR          978
#define NOW          UINT64_C(1000)
#define LINKED       FLORIN_TRANSFER_FLAG_LINKED
#define AMOUNT_MAX   FLORIN_LEDGER_AMOUNT_MAX
#define ONE_TOO_MANY (FLORIN_LEDGER_EVENTS_MAX + 1)

static florin_ledger_t *ledger;

static void load_account(florin_id_t id, uint32_t flags, uint64_t credit_limit)
{
    const florin_account_t account = {.id = id,
                                      .ledger = EUR,
                                      .code = 1,
                                      .flags = flags,
                                      .credit_limit = credit_limit,
                                      .timestamp = 5,
                                      .timestamp_last = 6};
    assert_true(florin_ledger_load_account(ledger, &account));
}

/* Accounts 1, 2 and 3, the last of which may not be overdrawn. */
static int begin(void **state)
{
    (void)state;
    florin_ledger_reset(ledger, NOW);
    load_account(1, 0, 0);
    load_account(2, 0, 0);
    load_account(3, FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS, 0);
    return 0;
}

static florin_transfer_event_t move(florin_id_t id, florin_id_t from, florin_id_t to,
                                    uint64_t amount, uint32_t flags)
{
    return (florin_transfer_event_t){.transfer = {.id = id,
                                                  .debit_account_id = from,
                                                  .credit_account_id = to,
                                                  .amount = amount,
                                                  .ledger = EUR,
                                                  .code = 1,
                                                  .flags = flags}};
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CREATE(events, out)                                                                        \
    assert_true(florin_ledger_create_transfers(ledger, events, COUNT(events), out))

static void assert_outcome(const florin_transfer_outcome_t *outcome,
                           florin_transfer_result_t result, uint64_t timestamp)
{
    assert_string_equal(florin_transfer_result_name(outcome->result),
                        florin_transfer_result_name(result));
    assert_int_equal(outcome->timestamp, timestamp);
    assert_int_equal(outcome->first_result, 0);
}

static void assert_posted(florin_id_t id, uint64_t debits, uint64_t credits)
{
    const florin_account_t *account = florin_ledger_account(ledger, id);
    assert_non_null(account);
    assert_int_equal(account->balances.debits_posted, debits);
    assert_int_equal(account->balances.credits_posted, credits);
    assert_int_equal(account->balances.debits_pending, 0);
    assert_int_equal(account->balances.credits_pending, 0);
}

/* ------------------------------------------------------------------------------------ one by one
 */

static void a_transfer_moves_and_is_read_out(void **state)
{
    (void)state;
    const florin_transfer_event_t events[] = {move(10, 1, 2, 30, 0), move(11, 2, 1, 0, 0)};
    florin_transfer_outcome_t out[2];
    CREATE(events, out);
    assert_outcome(&out[0], FLORIN_TRANSFER_CREATED, NOW);
    assert_outcome(&out[1], FLORIN_TRANSFER_CREATED, NOW + 1);
    assert_posted(1, 30, 0);
    assert_posted(2, 0, 30);

    assert_int_equal(florin_ledger_entries_count(ledger), 2);
    const florin_entry_t *entry = florin_ledger_entry(ledger, 0);
    assert_true(entry->transfer.id == 10);
    assert_int_equal(entry->transfer.timestamp, NOW);
    assert_int_equal(entry->result, FLORIN_TRANSFER_CREATED);
    assert_int_equal(entry->debit_after.debits_posted, 30);
    assert_int_equal(entry->credit_after.credits_posted, 30);

    assert_int_equal(florin_ledger_changed_count(ledger), 2);
    assert_true(florin_ledger_changed(ledger, 0)->id == 1);
    assert_true(florin_ledger_changed(ledger, 1)->id == 2);
    assert_int_equal(florin_ledger_changed(ledger, 0)->timestamp_last, NOW + 1);
    assert_int_equal(florin_ledger_opened_count(ledger), 0);
}

static void a_zero_amount_changes_the_accounts_too(void **state)
{
    (void)state;
    const florin_transfer_event_t events[] = {move(10, 1, 2, 0, 0)};
    florin_transfer_outcome_t out[1];
    CREATE(events, out);
    assert_outcome(&out[0], FLORIN_TRANSFER_CREATED, NOW);
    assert_int_equal(florin_ledger_changed_count(ledger), 2);
    assert_int_equal(florin_ledger_changed(ledger, 1)->timestamp_last, NOW);
}

static void an_account_opened_takes_transfers_at_once(void **state)
{
    (void)state;
    const florin_account_t account = {.id = 4, .ledger = EUR, .code = 1};
    florin_account_outcome_t opened;
    assert_true(florin_ledger_open_accounts(ledger, &account, 1, &opened));
    assert_int_equal(opened.result, FLORIN_ACCOUNT_CREATED);
    assert_int_equal(opened.timestamp, NOW);

    const florin_transfer_event_t events[] = {move(10, 1, 4, 30, 0)};
    florin_transfer_outcome_t out[1];
    CREATE(events, out);
    assert_outcome(&out[0], FLORIN_TRANSFER_CREATED, NOW + 1);

    assert_int_equal(florin_ledger_opened_count(ledger), 1);
    assert_int_equal(florin_ledger_opened(ledger, 0)->timestamp, NOW);
    assert_int_equal(florin_ledger_opened(ledger, 0)->timestamp_last, NOW + 1);
    assert_int_equal(florin_ledger_opened(ledger, 0)->balances.credits_posted, 30);
    assert_int_equal(florin_ledger_changed_count(ledger), 1);
    assert_true(florin_ledger_changed(ledger, 0)->id == 1);
}

static void timestamps_are_later_than_any_loaded(void **state)
{
    (void)state;
    const florin_account_t account = {
        .id = 4, .ledger = EUR, .code = 1, .timestamp = 5, .timestamp_last = NOW + 70};
    assert_true(florin_ledger_load_account(ledger, &account));
    /* Every event takes a tick, refused or not. */
    const florin_transfer_event_t events[] = {move(10, 1, 2, 1, 0), move(11, 1, 1, 1, 0),
                                              move(12, 1, 2, 1, 0)};
    florin_transfer_outcome_t out[3];
    CREATE(events, out);
    assert_outcome(&out[0], FLORIN_TRANSFER_CREATED, NOW + 71);
    assert_outcome(&out[1], FLORIN_TRANSFER_ACCOUNTS_MUST_BE_DIFFERENT, 0);
    assert_outcome(&out[2], FLORIN_TRANSFER_CREATED, NOW + 73);
}

/* ---------------------------------------------------------------------------------------- bounds
 */

static void a_bound_may_be_reached_but_not_crossed(void **state)
{
    (void)state;
    load_account(4, FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS, 50);
    load_account(5, FLORIN_ACCOUNT_FLAG_CREDITS_MUST_NOT_EXCEED_DEBITS, 50);
    const florin_transfer_event_t events[] = {
        move(10, 3, 1, 1, 0),  move(11, 1, 3, 1, 0),  move(12, 3, 1, 1, 0),  move(13, 4, 1, 51, 0),
        move(14, 4, 1, 50, 0), move(15, 1, 5, 51, 0), move(16, 1, 5, 50, 0), move(17, 1, 5, 1, 0),
        move(18, 5, 1, 9, 0),  move(19, 1, 5, 9, 0)};
    static const florin_transfer_result_t expected[] = {
        FLORIN_TRANSFER_EXCEEDS_CREDITS, FLORIN_TRANSFER_CREATED,
        FLORIN_TRANSFER_CREATED,         FLORIN_TRANSFER_EXCEEDS_CREDITS,
        FLORIN_TRANSFER_CREATED,         FLORIN_TRANSFER_EXCEEDS_DEBITS,
        FLORIN_TRANSFER_CREATED,         FLORIN_TRANSFER_EXCEEDS_DEBITS,
        FLORIN_TRANSFER_CREATED,         FLORIN_TRANSFER_CREATED};
    florin_transfer_outcome_t out[COUNT(events)];
    CREATE(events, out);
    for (size_t i = 0; i < COUNT(events); i++) {
        assert_int_equal(out[i].result, expected[i]);
    }
}

static void a_credit_limit_may_be_any_number(void **state)
{
    (void)state;
    load_account(4, FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS, UINT64_MAX);
    const florin_transfer_event_t events[] = {move(10, 4, 1, AMOUNT_MAX, 0)};
    florin_transfer_outcome_t out[1];
    CREATE(events, out);
    assert_outcome(&out[0], FLORIN_TRANSFER_CREATED, NOW);
}

static void pending_amounts_count_for_the_bound(void **state)
{
    (void)state;
    const florin_account_t account = {.id = 4,
                                      .ledger = EUR,
                                      .code = 1,
                                      .flags = FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS,
                                      .balances = {.debits_pending = 60, .credits_posted = 100}};
    assert_true(florin_ledger_load_account(ledger, &account));
    const florin_transfer_event_t events[] = {move(10, 4, 1, 41, 0), move(11, 4, 1, 40, 0)};
    florin_transfer_outcome_t out[2];
    CREATE(events, out);
    assert_outcome(&out[0], FLORIN_TRANSFER_EXCEEDS_CREDITS, 0);
    assert_outcome(&out[1], FLORIN_TRANSFER_CREATED, NOW + 1);
}

static void a_timeout_may_end_with_time_and_not_later(void **state)
{
    (void)state;
    const uint64_t last_second = FLORIN_LEDGER_TIMESTAMP_MAX - UINT64_C(1000000000);
    florin_ledger_reset(ledger, last_second);
    load_account(1, 0, 0);
    load_account(2, 0, 0);
    florin_transfer_event_t events[] = {move(10, 1, 2, 1, FLORIN_TRANSFER_FLAG_PENDING),
                                        move(11, 1, 2, 1, FLORIN_TRANSFER_FLAG_PENDING)};
    events[0].transfer.timeout_s = events[1].transfer.timeout_s = 1;
    florin_transfer_outcome_t out[2];
    CREATE(events, out);
    assert_outcome(&out[0], FLORIN_TRANSFER_CREATED, last_second);
    assert_outcome(&out[1], FLORIN_TRANSFER_OVERFLOWS_TIMEOUT, 0);
    assert_int_equal(florin_ledger_pending(ledger, 0).expires_at, FLORIN_LEDGER_TIMESTAMP_MAX);
}

static void a_pending_transfer_expires_at_its_very_moment(void **state)
{
    (void)state;
    florin_transfer_t pending = move(10, 1, 2, 7, FLORIN_TRANSFER_FLAG_PENDING).transfer;
    pending.timestamp = NOW;
    pending.timeout_s = 1;
    const uint64_t expires_at = NOW + UINT64_C(1000000000);
    florin_ledger_reset(ledger, expires_at - 1);
    for (florin_id_t id = 1; id <= 2; id++) {
        const florin_account_t account = {
            .id = id,
            .ledger = EUR,
            .code = 1,
            .balances = {.debits_pending = id == 1 ? 7 : 0, .credits_pending = id == 2 ? 7 : 0},
            .timestamp = 5,
            .timestamp_last = NOW};
        assert_true(florin_ledger_load_account(ledger, &account));
    }
    assert_true(florin_ledger_load_entry(ledger, &pending, FLORIN_TRANSFER_CREATED));

    /* The first comes a nanosecond early, the second in time, the third again. */
    const florin_id_t ids[] = {10, 10, 10};
    size_t expired;
    assert_true(florin_ledger_expire(ledger, ids, COUNT(ids), &expired));
    assert_int_equal(expired, 1);
    assert_int_equal(florin_ledger_pendings_count(ledger), 1);
    const florin_pending_t changed = florin_ledger_pending(ledger, 0);
    assert_int_equal(changed.status, FLORIN_PENDING_EXPIRED);
    assert_int_equal(changed.resolved_at, expires_at);
    assert_posted(1, 0, 0);
    assert_posted(2, 0, 0);
    assert_int_equal(florin_ledger_account(ledger, 1)->timestamp_last, expires_at);
}

static void the_greatest_amount_is_moved_and_no_more(void **state)
{
    (void)state;
    const florin_transfer_event_t events[] = {
        move(10, 1, 2, AMOUNT_MAX + 1, 0), move(10, 1, 2, UINT64_MAX, 0),
        move(10, 1, 2, AMOUNT_MAX, 0), move(11, 1, 2, 1, 0), move(12, 1, 2, 0, 0)};
    florin_transfer_outcome_t out[COUNT(events)];
    CREATE(events, out);
    assert_outcome(&out[0], FLORIN_TRANSFER_OVERFLOWS_DEBITS_POSTED, 0);
    assert_outcome(&out[1], FLORIN_TRANSFER_OVERFLOWS_DEBITS_POSTED, 0);
    assert_outcome(&out[2], FLORIN_TRANSFER_CREATED, NOW + 2);
    assert_outcome(&out[3], FLORIN_TRANSFER_OVERFLOWS_DEBITS_POSTED, 0);
    assert_outcome(&out[4], FLORIN_TRANSFER_CREATED, NOW + 4);
    assert_posted(1, AMOUNT_MAX, 0);
    assert_posted(2, 0, AMOUNT_MAX);
}

/* ------------------------------------------------------------------------------------------- ids
 */

static void an_id_is_used_once(void **state)
{
    (void)state;
    const florin_transfer_event_t events[] = {move(10, 1, 2, 5, 0), move(10, 1, 2, 5, 0),
                                              move(10, 1, 2, 6, 0)};
    florin_transfer_outcome_t out[3];
    CREATE(events, out);
    assert_outcome(&out[0], FLORIN_TRANSFER_CREATED, NOW);
    assert_outcome(&out[1], FLORIN_TRANSFER_EXISTS, NOW);
    assert_outcome(&out[2], FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_AMOUNT, 0);
    assert_posted(1, 5, 0);
    assert_int_equal(florin_ledger_entries_count(ledger), 1);
}

static void a_refusal_is_remembered(void **state)
{
    (void)state;
    florin_transfer_event_t events[] = {move(10, 3, 1, 5, 0), move(11, 1, 3, 5, 0),
                                        move(10, 3, 1, 5, 0), move(10, 1, 2, 1, 0)};
    florin_transfer_outcome_t out[4];
    CREATE(events, out);
    assert_outcome(&out[0], FLORIN_TRANSFER_EXCEEDS_CREDITS, 0);
    assert_outcome(&out[1], FLORIN_TRANSFER_CREATED, NOW + 1);
    for (size_t i = 2; i < 4; i++) {
        assert_int_equal(out[i].result, FLORIN_TRANSFER_ID_ALREADY_FAILED);
        assert_int_equal(out[i].first_result, FLORIN_TRANSFER_EXCEEDS_CREDITS);
        assert_int_equal(out[i].timestamp, 0);
    }
    assert_int_equal(florin_ledger_entries_count(ledger), 2);
    florin_entry_t refused = *florin_ledger_entry(ledger, 0);
    assert_int_equal(refused.result, FLORIN_TRANSFER_EXCEEDS_CREDITS);
    assert_int_equal(refused.transfer.timestamp, NOW);

    /* Also by the next batch. */
    (void)begin(state);
    assert_true(florin_ledger_load_entry(ledger, &refused.transfer, refused.result));
    assert_false(florin_ledger_load_entry(ledger, &refused.transfer, refused.result));
    CREATE(events, out);
    assert_int_equal(out[0].result, FLORIN_TRANSFER_ID_ALREADY_FAILED);
    assert_int_equal(out[0].first_result, FLORIN_TRANSFER_EXCEEDS_CREDITS);
    assert_int_equal(florin_ledger_entries_count(ledger), 1);
}

static void other_refusals_leave_the_id_free(void **state)
{
    (void)state;
    florin_transfer_event_t events[] = {move(10, 1, 2, 5, 0), move(10, 1, 2, 5, 0),
                                        move(10, 1, 2, UINT64_MAX, 0), move(10, 1, 2, 5, 0)};
    events[0].verdict = FLORIN_VERDICT_UNAVAILABLE;
    events[1].verdict = FLORIN_VERDICT_FORBIDDEN;
    florin_transfer_outcome_t out[4];
    CREATE(events, out);
    assert_outcome(&out[0], FLORIN_TRANSFER_RISK_UNAVAILABLE, 0);
    assert_outcome(&out[1], FLORIN_TRANSFER_NOT_AUTHORIZED, 0);
    assert_outcome(&out[2], FLORIN_TRANSFER_OVERFLOWS_DEBITS_POSTED, 0);
    assert_outcome(&out[3], FLORIN_TRANSFER_CREATED, NOW + 3);
    assert_int_equal(florin_ledger_entries_count(ledger), 1);
}

/* ---------------------------------------------------------------------------------------- chains
 */

static void a_chain_sees_its_own_effects(void **state)
{
    (void)state;
    const florin_transfer_event_t events[] = {move(10, 1, 3, 5, LINKED), move(11, 3, 2, 5, 0)};
    florin_transfer_outcome_t out[2];
    CREATE(events, out);
    assert_outcome(&out[0], FLORIN_TRANSFER_CREATED, NOW);
    assert_outcome(&out[1], FLORIN_TRANSFER_CREATED, NOW + 1);
    assert_posted(3, 5, 5);
}

static void a_broken_chain_leaves_nothing_but_its_reason(void **state)
{
    (void)state;
    const florin_window_t window = {.account_id = 1, .sum_max = 10, .count_max = 2};
    assert_true(florin_ledger_load_window(ledger, &window));
    const florin_transfer_event_t events[] = {
        move(9, 2, 1, 1, 0),                                  /* before it */
        move(10, 1, 3, 5, LINKED), move(11, 1, 2, 5, LINKED), /* undone */
        move(12, 3, 2, 6, LINKED),                            /* breaks it */
        move(13, 1, 2, 5, LINKED), move(14, 9, 9, 5, 0),      /* never looked at */
        move(10, 1, 3, 10, 0),     move(12, 1, 2, 1, 0),      move(13, 2, 1, 1, 0)};
    florin_transfer_outcome_t out[COUNT(events)];
    CREATE(events, out);
    assert_outcome(&out[0], FLORIN_TRANSFER_CREATED, NOW);
    assert_outcome(&out[1], FLORIN_TRANSFER_LINKED_EVENT_FAILED, 0);
    assert_outcome(&out[2], FLORIN_TRANSFER_LINKED_EVENT_FAILED, 0);
    assert_outcome(&out[3], FLORIN_TRANSFER_EXCEEDS_CREDITS, 0);
    assert_outcome(&out[4], FLORIN_TRANSFER_LINKED_EVENT_FAILED, 0);
    assert_outcome(&out[5], FLORIN_TRANSFER_LINKED_EVENT_FAILED, 0);
    /* The id and the window are free again; the reason is not forgotten. */
    assert_outcome(&out[6], FLORIN_TRANSFER_CREATED, NOW + 6);
    assert_int_equal(out[7].result, FLORIN_TRANSFER_ID_ALREADY_FAILED);
    assert_int_equal(out[7].first_result, FLORIN_TRANSFER_EXCEEDS_CREDITS);
    assert_outcome(&out[8], FLORIN_TRANSFER_CREATED, NOW + 8);
    assert_posted(1, 10, 2);
    assert_posted(2, 2, 0);
    assert_posted(3, 0, 10);
    assert_int_equal(florin_ledger_entries_count(ledger), 4);
    assert_int_equal(florin_ledger_entry(ledger, 1)->transfer.timestamp, NOW + 3);
    assert_int_equal(florin_ledger_changed_count(ledger), 3);
}

static void an_undone_change_is_no_change(void **state)
{
    (void)state;
    const florin_transfer_event_t events[] = {move(10, 1, 2, 5, LINKED), move(11, 1, 2, 5, LINKED),
                                              move(12, 1, 1, 5, 0)};
    florin_transfer_outcome_t out[3];
    CREATE(events, out);
    assert_int_equal(florin_ledger_changed_count(ledger), 0);
    assert_int_equal(florin_ledger_entries_count(ledger), 0);
    assert_int_equal(florin_ledger_account(ledger, 1)->timestamp_last, 6);
    assert_posted(1, 0, 0);
}

static void a_chain_ends_with_its_request(void **state)
{
    (void)state;
    const florin_transfer_event_t open[] = {move(10, 1, 2, 5, LINKED), move(11, 1, 2, 5, LINKED)};
    const florin_transfer_event_t next[] = {move(12, 1, 2, 5, 0)};
    florin_transfer_outcome_t out[2];
    CREATE(open, out);
    assert_outcome(&out[0], FLORIN_TRANSFER_LINKED_EVENT_FAILED, 0);
    assert_outcome(&out[1], FLORIN_TRANSFER_LINKED_EVENT_CHAIN_OPEN, 0);
    CREATE(next, out);
    assert_outcome(&out[0], FLORIN_TRANSFER_CREATED, NOW + 2);
    assert_posted(1, 5, 0);
}

static void an_open_chain_that_is_broken_says_both(void **state)
{
    (void)state;
    const florin_transfer_event_t events[] = {move(10, 1, 2, 5, LINKED), move(11, 3, 2, 5, LINKED),
                                              move(12, 1, 2, 5, LINKED)};
    florin_transfer_outcome_t out[3];
    CREATE(events, out);
    assert_outcome(&out[0], FLORIN_TRANSFER_LINKED_EVENT_FAILED, 0);
    assert_outcome(&out[1], FLORIN_TRANSFER_EXCEEDS_CREDITS, 0);
    assert_outcome(&out[2], FLORIN_TRANSFER_LINKED_EVENT_CHAIN_OPEN, 0);
}

/* "exists" breaks a chain; and has no timestamp where the chain itself had made the first. */
static void an_id_twice_in_a_chain_undoes_both(void **state)
{
    (void)state;
    const florin_transfer_event_t events[] = {move(10, 1, 2, 5, LINKED), move(10, 1, 2, 5, LINKED),
                                              move(11, 1, 2, 5, 0), move(10, 1, 2, 5, LINKED),
                                              move(12, 1, 2, 5, 0)};
    florin_transfer_outcome_t out[COUNT(events)];
    CREATE(events, out);
    assert_outcome(&out[0], FLORIN_TRANSFER_LINKED_EVENT_FAILED, 0);
    assert_outcome(&out[1], FLORIN_TRANSFER_EXISTS, 0);
    assert_outcome(&out[2], FLORIN_TRANSFER_LINKED_EVENT_FAILED, 0);
    assert_outcome(&out[3], FLORIN_TRANSFER_CREATED, NOW + 3);
    assert_outcome(&out[4], FLORIN_TRANSFER_CREATED, NOW + 4);
    assert_posted(1, 10, 0);
}

static void a_chain_of_accounts_opens_all_or_none(void **state)
{
    (void)state;
    const uint32_t linked = FLORIN_ACCOUNT_FLAG_LINKED;
    const florin_account_t events[] = {
        {.id = 10, .ledger = EUR, .code = 1, .flags = linked},
        {.id = 10, .ledger = EUR, .code = 1, .flags = linked},
        {.id = 11, .ledger = EUR, .code = 1},
        {.id = 10, .ledger = EUR, .code = 1, .flags = linked},
        {.id = 12, .ledger = EUR, .code = 1},
        {.id = 10, .ledger = EUR, .code = 1, .flags = linked},
        {.id = 13, .ledger = EUR, .code = 1, .flags = linked},
    };
    static const florin_account_outcome_t expected[] = {
        {0, FLORIN_ACCOUNT_LINKED_EVENT_FAILED},     {0, FLORIN_ACCOUNT_EXISTS},
        {0, FLORIN_ACCOUNT_LINKED_EVENT_FAILED},     {NOW + 3, FLORIN_ACCOUNT_CREATED},
        {NOW + 4, FLORIN_ACCOUNT_CREATED},           {NOW + 3, FLORIN_ACCOUNT_EXISTS},
        {0, FLORIN_ACCOUNT_LINKED_EVENT_CHAIN_OPEN},
    };
    florin_account_outcome_t out[COUNT(events)];
    assert_true(florin_ledger_open_accounts(ledger, events, COUNT(events), out));
    for (size_t i = 0; i < COUNT(events); i++) {
        assert_int_equal(out[i].result, expected[i].result);
        assert_int_equal(out[i].timestamp, expected[i].timestamp);
    }
    assert_int_equal(florin_ledger_opened_count(ledger), 2);
    assert_true(florin_ledger_opened(ledger, 1)->id == 12);
    assert_null(florin_ledger_account(ledger, 11));
    assert_null(florin_ledger_account(ledger, 13));
}

/* --------------------------------------------------------------------------------------- windows
 */

static void a_window_may_be_filled_but_not_passed(void **state)
{
    (void)state;
    const florin_window_t of_1 = {
        .account_id = 1, .sum = 90, .sum_max = 100, .count_max = UINT32_MAX};
    const florin_window_t of_2 = {
        .account_id = 2, .sum_max = UINT64_MAX, .count = 1, .count_max = 2};
    const florin_window_t of_none = {.account_id = 99};
    assert_true(florin_ledger_load_window(ledger, &of_1));
    assert_true(florin_ledger_load_window(ledger, &of_2));
    assert_false(florin_ledger_load_window(ledger, &of_none));
    const florin_transfer_event_t events[] = {move(10, 1, 2, 11, 0), move(11, 1, 2, 10, 0),
                                              move(12, 1, 2, 1, 0),  move(13, 1, 2, 0, 0),
                                              move(14, 2, 1, 0, 0),  move(15, 2, 1, 0, 0)};
    florin_transfer_outcome_t out[COUNT(events)];
    CREATE(events, out);
    assert_outcome(&out[0], FLORIN_TRANSFER_RISK_DECLINED, 0);
    assert_outcome(&out[1], FLORIN_TRANSFER_CREATED, NOW + 1);
    assert_outcome(&out[2], FLORIN_TRANSFER_RISK_DECLINED, 0);
    assert_outcome(&out[3], FLORIN_TRANSFER_CREATED, NOW + 3);
    assert_outcome(&out[4], FLORIN_TRANSFER_CREATED, NOW + 4);
    assert_outcome(&out[5], FLORIN_TRANSFER_RISK_DECLINED, 0);
}

/* Held and voided again and again: the sum ends at the greatest amount, and does not begin anew. */
static void a_window_without_a_maximum_holds_any_sum(void **state)
{
    (void)state;
    const florin_window_t of_1 = {.account_id = 1,
                                  .sum = FLORIN_LEDGER_AMOUNT_MAX,
                                  .sum_max = FLORIN_LEDGER_AMOUNT_MAX,
                                  .count_max = UINT32_MAX};
    assert_true(florin_ledger_load_window(ledger, &of_1));
    for (uint64_t i = 0; i < 8; i++) {
        florin_transfer_event_t events[] = {
            move(100 + i, 1, 2, FLORIN_LEDGER_AMOUNT_MAX / 2, FLORIN_TRANSFER_FLAG_PENDING),
            move(200 + i, 1, 2, 0, FLORIN_TRANSFER_FLAG_VOID_PENDING_TRANSFER)};
        florin_transfer_outcome_t out[2];
        events[1].transfer.pending_id = 100 + i;
        CREATE(events, out);
        assert_int_equal(out[0].result, FLORIN_TRANSFER_CREATED);
        assert_int_equal(out[1].result, FLORIN_TRANSFER_CREATED);
    }
}

static void assert_passes(const florin_transfer_outcome_t *outcome, bool count, bool sum)
{
    assert_outcome(outcome, FLORIN_TRANSFER_RISK_DECLINED, 0);
    assert_int_equal(outcome->passes_window_count, count);
    assert_int_equal(outcome->passes_window_sum, sum);
}

/* As it stood at that moment: with what the chain had moved before, though that is undone. */
static void a_refusal_tells_which_maximum_was_passed(void **state)
{
    (void)state;
    const florin_window_t of_1 = {.account_id = 1, .sum_max = 100, .count_max = 2};
    assert_true(florin_ledger_load_window(ledger, &of_1));
    florin_transfer_event_t declined = move(20, 1, 2, 1, 0);
    declined.verdict = FLORIN_VERDICT_DECLINED;
    const florin_transfer_event_t events[] = {move(10, 1, 2, 101, 0),    move(11, 1, 2, 60, LINKED),
                                              move(12, 1, 2, 41, 0),     move(13, 1, 2, 1, LINKED),
                                              move(14, 1, 2, 1, LINKED), move(15, 1, 2, 99, 0),
                                              move(16, 1, 2, 1, LINKED), move(17, 1, 2, 1, LINKED),
                                              move(18, 1, 2, 1, 0),      declined,
                                              move(19, 9, 2, 1, 0)};
    florin_transfer_outcome_t out[COUNT(events)];
    CREATE(events, out);
    assert_passes(&out[0], false, true);
    assert_passes(&out[2], false, true);
    assert_passes(&out[5], true, true);
    assert_passes(&out[8], true, false);
    assert_passes(&out[9], false, false); /* by its verdict alone */
    assert_outcome(&out[10], FLORIN_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND, 0);
    assert_false(out[10].passes_window_count || out[10].passes_window_sum);
}

/* ------------------------------------------------------------------------------------------ room
 */

static void a_full_batch_fits_and_one_more_does_not(void **state)
{
    (void)state;
    florin_transfer_event_t *events = calloc(ONE_TOO_MANY, sizeof *events);
    florin_transfer_outcome_t *out = calloc(ONE_TOO_MANY, sizeof *out);
    assert_non_null(events);
    assert_non_null(out);
    for (size_t i = 0; i < ONE_TOO_MANY; i++) {
        events[i] = move(1000 + i, 1 + i % 2, 2 - i % 2, 1, 0);
    }
    out[0].result = FLORIN_TRANSFER_NOT_AUTHORIZED;
    assert_false(florin_ledger_create_transfers(ledger, events, ONE_TOO_MANY, out));
    assert_int_equal(out[0].result, FLORIN_TRANSFER_NOT_AUTHORIZED);
    assert_posted(1, 0, 0);
    assert_int_equal(florin_ledger_entries_count(ledger), 0);

    assert_true(florin_ledger_create_transfers(ledger, events, FLORIN_LEDGER_EVENTS_MAX, out));
    assert_outcome(&out[FLORIN_LEDGER_EVENTS_MAX - 1], FLORIN_TRANSFER_CREATED,
                   NOW + FLORIN_LEDGER_EVENTS_MAX - 1);
    assert_int_equal(florin_ledger_entries_count(ledger), FLORIN_LEDGER_EVENTS_MAX);
    assert_posted(1, FLORIN_LEDGER_EVENTS_MAX / 2, FLORIN_LEDGER_EVENTS_MAX / 2);
    assert_false(florin_ledger_create_transfers(ledger, events, 1, out));
    assert_true(florin_ledger_create_transfers(ledger, events, 0, out));

    /* As one chain that its last event breaks. */
    (void)begin(state);
    for (size_t i = 0; i < FLORIN_LEDGER_EVENTS_MAX - 1; i++) {
        events[i].transfer.flags = LINKED;
    }
    events[FLORIN_LEDGER_EVENTS_MAX - 1].transfer.code = 0;
    assert_true(florin_ledger_create_transfers(ledger, events, FLORIN_LEDGER_EVENTS_MAX, out));
    assert_outcome(&out[0], FLORIN_TRANSFER_LINKED_EVENT_FAILED, 0);
    assert_outcome(&out[FLORIN_LEDGER_EVENTS_MAX - 1], FLORIN_TRANSFER_CODE_MUST_NOT_BE_ZERO, 0);
    assert_int_equal(florin_ledger_entries_count(ledger), 0);
    assert_int_equal(florin_ledger_changed_count(ledger), 0);
    assert_posted(1, 0, 0);
    free(events);
    free(out);
}

/* Everything that a batch may bring at once: two accounts and two old transfers an event. */
static void everything_may_be_full_at_once(void **state)
{
    (void)state;
    florin_ledger_reset(ledger, NOW);
    for (size_t i = 0; i < FLORIN_LEDGER_ACCOUNTS_MAX; i++) {
        load_account(1 + i, 0, 0);
    }
    const florin_account_t account = {.id = 1 + FLORIN_LEDGER_ACCOUNTS_MAX};
    assert_false(florin_ledger_load_account(ledger, &account));
    for (size_t i = 0; i < 2 * (size_t)FLORIN_LEDGER_EVENTS_MAX; i++) {
        florin_transfer_event_t old = move(1 + i, 1, 2, 1, 0);
        assert_true(florin_ledger_load_entry(ledger, &old.transfer, FLORIN_TRANSFER_CREATED));
    }
    for (size_t i = 0; i < FLORIN_LEDGER_EVENTS_MAX; i++) {
        florin_transfer_event_t event =
            move((florin_id_t)(1 + i) << 64, 1 + 2 * i, 2 + 2 * i, 1, 0);
        florin_transfer_outcome_t out;
        assert_true(florin_ledger_create_transfers(ledger, &event, 1, &out));
        assert_outcome(&out, FLORIN_TRANSFER_CREATED, NOW + i);
    }
    assert_int_equal(florin_ledger_changed_count(ledger), FLORIN_LEDGER_ACCOUNTS_MAX);
    assert_int_equal(florin_ledger_entries_count(ledger), FLORIN_LEDGER_EVENTS_MAX);
}

static void accounts_and_transfers_past_the_bounds_are_refused(void **state)
{
    (void)state;
    florin_ledger_reset(ledger, NOW);
    for (size_t i = 0; i < FLORIN_LEDGER_TRANSFERS_MAX; i++) {
        florin_transfer_event_t old = move(1 + i, 1, 2, 1, 0);
        assert_true(florin_ledger_load_entry(ledger, &old.transfer, FLORIN_TRANSFER_CREATED));
    }
    florin_transfer_event_t event = move(1 + FLORIN_LEDGER_TRANSFERS_MAX, 1, 2, 1, 0);
    florin_transfer_outcome_t out;
    assert_false(florin_ledger_load_entry(ledger, &event.transfer, FLORIN_TRANSFER_CREATED));
    assert_false(florin_ledger_create_transfers(ledger, &event, 1, &out));

    for (size_t i = 0; i < FLORIN_LEDGER_ACCOUNTS_MAX; i++) {
        load_account(1 + i, 0, 0);
    }
    const florin_account_t account = {
        .id = 1 + FLORIN_LEDGER_ACCOUNTS_MAX, .ledger = EUR, .code = 1};
    florin_account_outcome_t opened;
    assert_false(florin_ledger_open_accounts(ledger, &account, 1, &opened));
}

static void a_reset_forgets_everything(void **state)
{
    const florin_transfer_event_t events[] = {move(10, 1, 2, 5, 0)};
    florin_transfer_outcome_t out[1];
    for (unsigned i = 0; i < 3; i++) {
        (void)begin(state);
        CREATE(events, out);
        assert_outcome(&out[0], FLORIN_TRANSFER_CREATED, NOW);
    }
    florin_ledger_reset(ledger, NOW);
    assert_null(florin_ledger_account(ledger, 1));
    assert_int_equal(florin_ledger_changed_count(ledger), 0);
    assert_int_equal(florin_ledger_opened_count(ledger), 0);
    assert_int_equal(florin_ledger_entries_count(ledger), 0);
    CREATE(events, out);
    assert_outcome(&out[0], FLORIN_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_transfer_moves_and_is_read_out),
        TEST(a_zero_amount_changes_the_accounts_too),
        TEST(an_account_opened_takes_transfers_at_once),
        TEST(timestamps_are_later_than_any_loaded),
        TEST(a_bound_may_be_reached_but_not_crossed),
        TEST(a_credit_limit_may_be_any_number),
        TEST(pending_amounts_count_for_the_bound),
        TEST(a_timeout_may_end_with_time_and_not_later),
        TEST(a_pending_transfer_expires_at_its_very_moment),
        TEST(the_greatest_amount_is_moved_and_no_more),
        TEST(an_id_is_used_once),
        TEST(a_refusal_is_remembered),
        TEST(other_refusals_leave_the_id_free),
        TEST(a_chain_sees_its_own_effects),
        TEST(a_broken_chain_leaves_nothing_but_its_reason),
        TEST(an_undone_change_is_no_change),
        TEST(a_chain_ends_with_its_request),
        TEST(an_open_chain_that_is_broken_says_both),
        TEST(an_id_twice_in_a_chain_undoes_both),
        TEST(a_chain_of_accounts_opens_all_or_none),
        TEST(a_window_may_be_filled_but_not_passed),
        TEST(a_window_without_a_maximum_holds_any_sum),
        TEST(a_refusal_tells_which_maximum_was_passed),
        TEST(a_full_batch_fits_and_one_more_does_not),
        TEST(everything_may_be_full_at_once),
        TEST(accounts_and_transfers_past_the_bounds_are_refused),
        TEST(a_reset_forgets_everything),
    };
    ledger = florin_ledger_new();
    if (!ledger) {
        return 1;
    }
    int failed = cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
    florin_ledger_destroy(&ledger);
    return failed;
}
