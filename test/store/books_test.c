/* The books as one store sees them: accounts, transfers, statements, sums, rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "lib/clock.h"
#include "lib/id.h"
#include "store/admin/admin.h"
#include "test/store/support/books.h"
#include "test/store/support/servers.h"

#define SHARDS 3

static florin_store_t *store;
static florin_ledger_t *ledger;
static uint64_t used; /* each test takes ids of its own */

static florin_id_t fresh(size_t shard)
{
    return id_on(shard, ++used);
}

static florin_id_t opened(size_t shard)
{
    florin_id_t id = fresh(shard);
    assert_int_equal(try_open(store, ledger, account(id)), FLORIN_ACCOUNT_CREATED);
    return id;
}

/* ------------------------------------------------------------------------------------- accounts */

static void test_opens_accounts_once(void **state)
{
    (void)state;
    florin_account_t events[3];
    florin_account_outcome_t outcomes[3];
    for (size_t i = 0; i < 3; i++) {
        events[i] = account(fresh(i));
        events[i].user_data = 5 + i;
        events[i].credit_limit = 100;
        events[i].flags = FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS;
    }
    open_accounts(store, ledger, events, 3, outcomes);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(outcomes[i].result, FLORIN_ACCOUNT_CREATED);
        florin_account_t found = look_at(store, events[i].id);
        assert_true(found.user_data == 5 + i);
        assert_int_equal(found.credit_limit, 100);
        assert_int_equal(found.flags, events[i].flags);
        assert_int_equal(found.ledger, EUR);
        assert_int_equal(found.timestamp, outcomes[i].timestamp);
    }
    uint64_t timestamp = outcomes[1].timestamp;
    open_accounts(store, ledger, events, 3, outcomes);
    assert_int_equal(outcomes[1].result, FLORIN_ACCOUNT_EXISTS);
    assert_int_equal(outcomes[1].timestamp, timestamp);
    events[1].code = 2;
    assert_int_equal(try_open(store, ledger, events[1]), FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_CODE);
}

static void test_looks_up_in_the_order_asked(void **state)
{
    (void)state;
    florin_id_t ids[] = {opened(2), opened(0), fresh(1), opened(1), opened(0)};
    florin_account_t found[5];
    florin_error_t error;
    size_t count;
    assert_int_equal(florin_store_lookup_accounts(store, ids, 5, found, &count, &error), 0);
    assert_int_equal(count, 4);
    assert_true(found[0].id == ids[0] && found[1].id == ids[1]);
    assert_true(found[2].id == ids[3] && found[3].id == ids[4]);
}

/* ------------------------------------------------------------------------------------ transfers */

/* From and to every shard, with the id on every shard. */
static void test_pays_between_all_shards(void **state)
{
    (void)state;
    for (size_t debit = 0; debit < SHARDS; debit++)
        for (size_t credit = 0; credit < SHARDS; credit++)
            for (size_t slot = 0; slot < SHARDS; slot++) {
                florin_id_t from = opened(debit), to = opened(credit), id = fresh(slot);
                assert_int_equal(try_create(store, ledger, transfer(id, from, to, 7)),
                                 FLORIN_TRANSFER_CREATED);
                assert_int_equal(look_at(store, from).balances.debits_posted, 7);
                assert_int_equal(look_at(store, to).balances.credits_posted, 7);
                assert_int_equal(try_create(store, ledger, transfer(id, from, to, 7)),
                                 FLORIN_TRANSFER_EXISTS);
                assert_int_equal(try_create(store, ledger, transfer(id, from, to, 8)),
                                 FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_AMOUNT);
                assert_int_equal(look_at(store, from).balances.debits_posted, 7);
            }
    check_books();
}

static void test_keeps_every_field(void **state)
{
    (void)state;
    florin_id_t from = opened(0), to = opened(1);
    florin_transfer_event_t event = transfer(fresh(2), from, to, 12345);
    event.transfer.user_data = (florin_id_t)1 << 127 | 9;
    event.transfer.code = 65535;
    event.transfer.reference = "Überweisung \xe2\x82\xac";
    event.transfer.reference_bytes = (uint8_t)strlen(event.transfer.reference);
    assert_int_equal(try_create(store, ledger, event), FLORIN_TRANSFER_CREATED);
    florin_entry_t found;
    florin_error_t error;
    size_t count;
    assert_int_equal(
        florin_store_lookup_transfers(store, &event.transfer.id, 1, &found, &count, &error), 0);
    assert_int_equal(count, 1);
    assert_int_equal(found.result, FLORIN_TRANSFER_CREATED);
    assert_true(found.transfer.debit_account_id == from);
    assert_true(found.transfer.credit_account_id == to);
    assert_true(found.transfer.user_data == event.transfer.user_data);
    assert_int_equal(found.transfer.amount, 12345);
    assert_int_equal(found.transfer.code, 65535);
    assert_int_equal(found.transfer.reference_bytes, event.transfer.reference_bytes);
    assert_memory_equal(found.transfer.reference, event.transfer.reference,
                        event.transfer.reference_bytes);
    assert_true(found.transfer.timestamp > 0);
}

static void test_remembers_a_refusal(void **state)
{
    (void)state;
    florin_id_t from = opened(1), to = fresh(0), id = fresh(2);
    florin_transfer_event_t event = transfer(id, from, to, 5);
    florin_transfer_outcome_t outcome;
    create(store, ledger, &event, 1, &outcome);
    assert_int_equal(outcome.result, FLORIN_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND);
    assert_int_equal(try_open(store, ledger, account(to)), FLORIN_ACCOUNT_CREATED);
    create(store, ledger, &event, 1, &outcome);
    assert_int_equal(outcome.result, FLORIN_TRANSFER_ID_ALREADY_FAILED);
    assert_int_equal(outcome.first_result, FLORIN_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND);
    florin_entry_t found;
    florin_error_t error;
    size_t count;
    assert_int_equal(florin_store_lookup_transfers(store, &id, 1, &found, &count, &error), 0);
    assert_int_equal(found.result, FLORIN_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND);
    assert_int_equal(look_at(store, from).balances.debits_posted, 0);
}

static florin_transfer_outcome_t outcome_of(florin_id_t id)
{
    florin_transfer_outcome_t outcome;
    florin_store_request_t request = {.events_count = 1};
    florin_error_t error;
    assert_int_equal(
        florin_store_settle_transfers(store, ledger, &id, &outcome, &request, 1, &error), 0);
    assert_int_equal(request.error.code, 0);
    return outcome;
}

/* Of one applied, one refused, one that is not there and then never will be. */
static void test_tells_outcomes_for_good(void **state)
{
    (void)state;
    florin_id_t from = opened(1), to = opened(0);
    florin_transfer_event_t events[] = {transfer(fresh(2), from, to, 5),
                                        transfer(fresh(2), from, fresh(0), 5),
                                        transfer(fresh(2), from, to, 5)};
    florin_transfer_outcome_t outcomes[3];
    create(store, ledger, events, 2, outcomes);
    florin_transfer_outcome_t told = outcome_of(events[0].transfer.id);
    assert_int_equal(told.result, FLORIN_TRANSFER_CREATED);
    assert_int_equal(told.timestamp, outcomes[0].timestamp);
    told = outcome_of(events[1].transfer.id);
    assert_int_equal(told.result, FLORIN_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND);
    told = outcome_of(events[2].transfer.id);
    assert_int_equal(told.result, FLORIN_TRANSFER_ID_GIVEN_UP);
    assert_true(told.timestamp > outcomes[0].timestamp);
    assert_int_equal(outcome_of(events[2].transfer.id).timestamp, told.timestamp);
    create(store, ledger, events, 3, outcomes);
    assert_int_equal(outcomes[0].result, FLORIN_TRANSFER_EXISTS);
    assert_int_equal(outcomes[2].result, FLORIN_TRANSFER_ID_ALREADY_FAILED);
    assert_int_equal(outcomes[2].first_result, FLORIN_TRANSFER_ID_GIVEN_UP);
    assert_int_equal(outcome_of(0).result, FLORIN_TRANSFER_ID_MUST_NOT_BE_ZERO);
    assert_int_equal(look_at(store, from).balances.debits_posted, 5);
}

static void test_keeps_requests_apart(void **state)
{
    (void)state;
    florin_id_t from = opened(0), to = opened(2);
    florin_transfer_event_t events[] = {transfer(fresh(0), from, to, 1),
                                        transfer(fresh(0), from, fresh(1), 1),
                                        transfer(fresh(0), from, to, 1)};
    events[0].transfer.flags = FLORIN_TRANSFER_FLAG_LINKED; /* ends with its request: open */
    florin_store_request_t requests[] = {{.events_count = 1}, {.events_count = 2}};
    florin_transfer_outcome_t outcomes[3];
    florin_error_t error;
    assert_int_equal(florin_store_create_transfers(store, ledger, events, outcomes, requests, 2,
                                                   NULL, 0, &error),
                     0);
    assert_int_equal(requests[0].error.code, 0);
    assert_int_equal(outcomes[0].result, FLORIN_TRANSFER_LINKED_EVENT_CHAIN_OPEN);
    assert_int_equal(outcomes[1].result, FLORIN_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND);
    assert_int_equal(outcomes[2].result, FLORIN_TRANSFER_CREATED);
}

static void test_refuses_batches_past_the_bound(void **state)
{
    (void)state;
    florin_transfer_event_t event = transfer(1, 2, 3, 4);
    florin_transfer_outcome_t outcome;
    florin_store_request_t requests[] = {{.events_count = FLORIN_BATCH_EVENTS_MAX},
                                         {.events_count = 1}};
    florin_error_t error;
    assert_int_equal(florin_store_create_transfers(store, ledger, &event, &outcome, requests, 2,
                                                   NULL, 0, &error),
                     FLORIN_ERROR_TOO_LARGE);
}

static void test_writes_a_full_batch(void **state)
{
    (void)state;
    florin_transfer_event_t *events = calloc(FLORIN_BATCH_EVENTS_MAX, sizeof *events);
    florin_transfer_outcome_t *outcomes = calloc(FLORIN_BATCH_EVENTS_MAX, sizeof *outcomes);
    florin_id_t accounts[SHARDS] = {opened(0), opened(1), opened(2)};
    for (size_t i = 0; i < FLORIN_BATCH_EVENTS_MAX; i++)
        events[i] =
            transfer(fresh(i % 5 % SHARDS), accounts[i % SHARDS], accounts[(i + 1) % SHARDS], 1);
    create(store, ledger, events, FLORIN_BATCH_EVENTS_MAX, outcomes);
    for (size_t i = 0; i < FLORIN_BATCH_EVENTS_MAX; i++)
        assert_int_equal(outcomes[i].result, FLORIN_TRANSFER_CREATED);
    assert_int_equal(look_at(store, accounts[0]).balances.debits_posted,
                     FLORIN_BATCH_EVENTS_MAX / SHARDS);
    check_books();
    free(events);
    free(outcomes);
}

/* ----------------------------------------------------------------------------------- statements */

static void test_pages_a_statement(void **state)
{
    (void)state;
    enum { N = 25 };
    florin_id_t mine = opened(1), other = opened(2);
    florin_transfer_event_t events[N];
    florin_transfer_outcome_t outcomes[N];
    for (size_t i = 0; i < N; i++)
        events[i] = transfer(fresh(i % SHARDS), i % 3 ? mine : other, i % 3 ? other : mine, i + 1);
    create(store, ledger, events, N, outcomes);
    florin_statement_query_t query = {.account_id = mine, .limit = 10};
    florin_statement_entry_t page[10];
    florin_error_t error;
    florin_balances_t expected = {0};
    size_t seen = 0, count;
    bool more = true;
    while (more) {
        assert_int_equal(florin_store_statement(store, &query, page, &count, &more, &error), 0);
        for (size_t i = 0; i < count; i++, seen++) {
            if (seen % 3)
                expected.debits_posted += seen + 1;
            else
                expected.credits_posted += seen + 1;
            assert_true(page[i].transfer.id == events[seen].transfer.id);
            assert_memory_equal(&page[i].after, &expected, sizeof expected);
        }
        assert_true(count == 10 || !more);
        query.after = page[count - 1].transfer.timestamp;
    }
    assert_int_equal(seen, N);

    query = (florin_statement_query_t){.account_id = mine,
                                       .limit = 10,
                                       .from = outcomes[3].timestamp,
                                       .until = outcomes[6].timestamp};
    assert_int_equal(florin_store_statement(store, &query, page, &count, &more, &error), 0);
    assert_int_equal(count, 3);
    assert_false(more);
    assert_true(page[0].transfer.id == events[3].transfer.id);
    query.account_id = fresh(0);
    assert_int_equal(florin_store_statement(store, &query, page, &count, &more, &error),
                     FLORIN_ERROR_NOT_FOUND);
}

/* -------------------------------------------------------------------------------- sums, windows */

static void test_sums_the_books(void **state)
{
    (void)state;
    florin_trial_row_t rows[10];
    florin_trial_page_t page;
    florin_account_t one = account(fresh(0)), two = account(fresh(1));
    florin_error_t error;
    one.ledger = two.ledger = 392;
    one.code = 10;
    two.code = 20;
    assert_int_equal(try_open(store, ledger, one), FLORIN_ACCOUNT_CREATED);
    assert_int_equal(try_open(store, ledger, two), FLORIN_ACCOUNT_CREATED);
    florin_transfer_event_t event = transfer(fresh(0), one.id, two.id, 900);
    event.transfer.ledger = 392;
    assert_int_equal(try_create(store, ledger, event), FLORIN_TRANSFER_CREATED);
    assert_int_equal(florin_store_trial_balance(store, &(florin_trial_query_t){.limit = 10}, rows,
                                                &page, &error),
                     0);
    assert_true(page.count >= 2 && !page.more && rows[0].ledger == 392 && rows[1].ledger == 392);
    assert_true(rows[0].code == 10 && rows[0].debits_posted == 900 && rows[0].credits_posted == 0);
    assert_true(rows[1].code == 20 && rows[1].debits_posted == 0 && rows[1].credits_posted == 900);
    assert_int_equal(rows[0].accounts_count, 1);
}

static void test_counts_windows(void **state)
{
    (void)state;
    florin_id_t from = opened(1), to = opened(0);
    florin_window_limit_t limit = {
        .account_id = from, .window_s = 3600, .count_max = 3, .sum_max = 100};
    florin_transfer_event_t events[] = {
        transfer(fresh(1), from, to, 40), transfer(fresh(1), from, to, 70),
        transfer(fresh(1), from, to, 60), transfer(fresh(1), from, to, 0),
        transfer(fresh(1), from, to, 0)};
    static const florin_transfer_result_t expected[] = {
        FLORIN_TRANSFER_CREATED, FLORIN_TRANSFER_RISK_DECLINED, FLORIN_TRANSFER_CREATED,
        FLORIN_TRANSFER_CREATED, FLORIN_TRANSFER_RISK_DECLINED};
    florin_error_t error;
    /* Each in a batch of its own: what counts is what the books hold. */
    for (size_t i = 0; i < 5; i++) {
        florin_store_request_t request = {.events_count = 1};
        florin_transfer_outcome_t outcome;
        assert_int_equal(florin_store_create_transfers(store, ledger, &events[i], &outcome,
                                                       &request, 1, &limit, 1, &error),
                         0);
        assert_int_equal(request.error.code, 0);
        assert_int_equal(outcome.result, expected[i]);
    }
    florin_window_limit_t limits[] = {
        limit,
        {.account_id = to, .window_s = 3600, .count_max = 3, .sum_max = 1},
        {.account_id = fresh(2), .window_s = 1, .count_max = 1, .sum_max = 1}};
    florin_window_t windows[3];
    assert_int_equal(florin_store_windows(store, limits, 3, windows, &error), 0);
    assert_true(windows[0].account_id == from);
    assert_int_equal(windows[0].count, 3);
    assert_int_equal(windows[0].sum, 100);
    assert_int_equal(windows[0].sum_max, 100);
    assert_int_equal(windows[1].count, 0);
    assert_int_equal(windows[2].count, 0);
    limits[0].count_max = FLORIN_WINDOW_COUNT_MAX + 1;
    assert_int_equal(florin_store_windows(store, limits, 3, windows, &error), FLORIN_ERROR_INVALID);
}

/* What was held and voided counts, so a sum may pass 64 bits: it is then as great as can be. */
static void test_a_window_may_hold_more_than_64_bits(void **state)
{
    (void)state;
    florin_id_t from = opened(1), to = opened(0), other = opened(1);
    const florin_window_limit_t limits[] = {
        {.account_id = from, .window_s = 3600, .count_max = 9, .sum_max = 100},
        {.account_id = other, .window_s = 3600, .count_max = 9, .sum_max = 100}};
    for (size_t i = 0; i < 3; i++) {
        florin_transfer_event_t hold = transfer(fresh(1), from, to, FLORIN_LEDGER_AMOUNT_MAX / 2);
        florin_transfer_event_t gone = transfer(fresh(1), 0, 0, 0);
        hold.transfer.flags = FLORIN_TRANSFER_FLAG_PENDING;
        gone.transfer.flags = FLORIN_TRANSFER_FLAG_VOID_PENDING_TRANSFER;
        gone.transfer.pending_id = hold.transfer.id;
        assert_int_equal(try_create(store, ledger, hold), FLORIN_TRANSFER_CREATED);
        assert_int_equal(try_create(store, ledger, gone), FLORIN_TRANSFER_CREATED);
    }
    const florin_transfer_event_t events[] = {transfer(fresh(1), from, to, 1),
                                              transfer(fresh(1), other, to, 1)};
    florin_transfer_outcome_t outcomes[2];
    florin_store_request_t request = {.events_count = 2};
    florin_window_t windows[2];
    florin_error_t error;
    assert_int_equal(florin_store_windows(store, limits, 2, windows, &error), 0);
    assert_true(windows[0].sum == FLORIN_LEDGER_AMOUNT_MAX);
    assert_int_equal(florin_store_create_transfers(store, ledger, events, outcomes, &request, 1,
                                                   limits, 2, &error),
                     0);
    assert_int_equal(request.error.code, 0);
    assert_int_equal(outcomes[0].result, FLORIN_TRANSFER_RISK_DECLINED);
    assert_int_equal(outcomes[1].result, FLORIN_TRANSFER_CREATED);
}

/* A debit that has left the window counts no more. */
static void test_windows_roll(void **state)
{
    (void)state;
    florin_id_t from = opened(2), to = opened(2), id = fresh(2);
    char sql[256], text[FLORIN_ID_TEXT_BYTES];
    assert_int_equal(try_create(store, ledger, transfer(id, from, to, 10)),
                     FLORIN_TRANSFER_CREATED);
    snprintf(sql, sizeof sql,
             "UPDATE transfers SET timestamp = timestamp - 61000000000 WHERE id = '%s'",
             florin_id_format_uuid(id, text));
    servers_ask(servers_shard(2), sql);
    florin_window_limit_t limits[] = {
        {.account_id = from, .window_s = 60, .count_max = 9, .sum_max = 99},
        {.account_id = from, .window_s = 62, .count_max = 9, .sum_max = 99}};
    florin_window_t windows[2];
    florin_error_t error;
    assert_int_equal(florin_store_windows(store, limits, 2, windows, &error), 0);
    assert_int_equal(windows[0].count, 0);
    assert_int_equal(windows[1].count, 1);
    assert_int_equal(windows[1].sum, 10);
}

/* ---------------------------------------------------------------------------------------- rules */

static void await_change(void)
{
    uint64_t end = florin_clock_ms() + 5000;
    while (!florin_store_rules_changed(store))
        assert_true(florin_clock_ms() < end);
}

static void test_reloads_rules(void **state)
{
    (void)state;
    florin_rules_t rules = {0};
    florin_error_t error;
    assert_int_equal(florin_store_rules_load(store, &rules, &error), 0);
    assert_int_equal(rules.ledgers_count, 0);
    assert_false(florin_store_rules_changed(store));
    const florin_ledger_rule_t rule = {.ledger = EUR,
                                       .amount_max = 1000,
                                       .window_s = 60,
                                       .window_count_max = 3,
                                       .window_sum_max = 5000};
    assert_int_equal(florin_admin_ledger_rule_set(servers_control(), &rule, &error), 0);
    await_change();
    assert_int_equal(
        florin_admin_account_rule_set(servers_control(), 7, FLORIN_RULE_BLOCKED, &error), 0);
    assert_int_equal(
        florin_admin_account_rule_set(servers_control(), 5, FLORIN_RULE_ALLOWED, &error), 0);
    await_change();
    assert_int_equal(florin_store_rules_load(store, &rules, &error), 0);
    assert_int_equal(rules.ledgers_count, 1);
    assert_memory_equal(&rules.ledgers[0], &rule, sizeof rule);
    assert_int_equal(rules.accounts_count, 2);
    assert_true(rules.accounts[0].account_id == 5 && !rules.accounts[0].blocked);
    assert_true(rules.accounts[1].account_id == 7 && rules.accounts[1].blocked);

    /* A connection that was lost may have missed something. */
    while (florin_store_rules_changed(store))
        ;
    servers_ask(servers_control(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                                   " application_name = 'florin' AND datname = current_database()");
    await_change();

    const florin_ledger_rule_t none = {.ledger = EUR};
    assert_int_equal(florin_admin_ledger_rule_set(servers_control(), &none, &error), 0);
    assert_int_equal(florin_admin_account_rule_set(servers_control(), 7, FLORIN_RULE_NONE, &error),
                     0);
    assert_int_equal(florin_store_rules_load(store, &rules, &error), 0);
    assert_int_equal(rules.ledgers_count, 0);
    assert_int_equal(rules.accounts_count, 1);
    florin_rules_clear(&rules);
}

/* ------------------------------------------------------------------------------------- identity */

static void test_refuses_a_shard_of_another_name(void **state)
{
    (void)state;
    florin_error_t error;
    florin_store_t *other = open_store();
    servers_ask(servers_shard(1), "UPDATE shard_identity SET shard = 2");
    assert_int_equal(florin_store_connect(other, &error), FLORIN_ERROR_CONFIG);
    assert_non_null(strstr(error.message, "shard 1"));
    servers_ask(servers_shard(1), "UPDATE shard_identity SET shard = 1");
    assert_int_equal(florin_store_connect(other, &error), 0);
    florin_store_destroy(&other);

    const char *swapped[] = {servers_shard(1), servers_shard(0), servers_shard(2)};
    assert_int_equal(florin_admin_shards_set(servers_control(), swapped, 3, &error),
                     FLORIN_ERROR_REFUSED);
    const char *same[] = {servers_shard(0), servers_shard(1), servers_shard(2)};
    assert_int_equal(florin_admin_shards_set(servers_control(), same, 3, &error), 0);
}

static int start(void **state)
{
    (void)state;
    servers_start(SHARDS, true);
    ledger = florin_ledger_new();
    store = open_store();
    return 0;
}

static int stop(void **state)
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
        cmocka_unit_test(test_opens_accounts_once),
        cmocka_unit_test(test_looks_up_in_the_order_asked),
        cmocka_unit_test(test_pays_between_all_shards),
        cmocka_unit_test(test_keeps_every_field),
        cmocka_unit_test(test_remembers_a_refusal),
        cmocka_unit_test(test_tells_outcomes_for_good),
        cmocka_unit_test(test_keeps_requests_apart),
        cmocka_unit_test(test_refuses_batches_past_the_bound),
        cmocka_unit_test(test_writes_a_full_batch),
        cmocka_unit_test(test_pages_a_statement),
        cmocka_unit_test(test_sums_the_books),
        cmocka_unit_test(test_counts_windows),
        cmocka_unit_test(test_a_window_may_hold_more_than_64_bits),
        cmocka_unit_test(test_windows_roll),
        cmocka_unit_test(test_reloads_rules),
        cmocka_unit_test(test_refuses_a_shard_of_another_name),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
