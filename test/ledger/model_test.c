/* The core against the model: random batches, the same outcome of each event and the same books.
 *
 * FLORIN_MODEL_EVENTS and FLORIN_SEED in the environment override how many events there are and
 * what they are. Between batches the core forgets everything, and gets back only what it said had
 * to be written. */
#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "test/ledger/support/model.h"

__extension__ typedef unsigned __int128 wide_t;

#define EVENTS_DEFAULT         1000000
#define EVENTS_FOR_ALL_RESULTS 200000 /* fewer may leave a rare result out */
#define REQUESTS_MAX           4
#define REQUEST_EVENTS_MAX     16
#define ACCOUNT_IDS            24
#define TRANSFER_IDS           4000
#define LEDGERS                2
#define RESULTS_MAX            128

static_assert(ACCOUNT_IDS <= MODEL_ACCOUNTS_MAX, "every id may be an account");

typedef struct {
    bool opens; /* accounts, else transfers */
    size_t count;
    florin_account_t accounts[REQUEST_EVENTS_MAX];
    florin_transfer_event_t transfers[REQUEST_EVENTS_MAX];
} request_t;

static struct {
    uint64_t seed, random;
    uint64_t events, batches;
    uint64_t clock;
    florin_ledger_t *ledger;
    model_books_t store; /* what the core had written */
    model_t model;
    request_t requests[REQUESTS_MAX];
    size_t requests_count;
    uint64_t account_results[RESULTS_MAX], transfer_results[RESULTS_MAX];
} run;

/* ------------------------------------------------------------------------------------ chance */

/* splitmix64 */
static uint64_t any(void)
{
    uint64_t value = run.random += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

static uint64_t below(uint64_t bound)
{
    return any() % bound;
}

static bool one_in(uint64_t bound)
{
    return below(bound) == 0;
}

/* Small ids and ids that fill all their bytes; now and then those that are reserved. */
static florin_id_t any_id(uint64_t bound)
{
    florin_id_t number = 1 + below(bound);
    if (one_in(200)) {
        return one_in(2) ? 0 : ~(florin_id_t)0;
    }
    return number % 2 ? number : number << 100 | number;
}

static uint64_t any_amount(void)
{
    switch (below(16)) {
    case 0:
        return 0;
    case 1:
        switch (below(3)) {
        case 0:
            return FLORIN_LEDGER_AMOUNT_MAX - below(200);
        case 1:
            return FLORIN_LEDGER_AMOUNT_MAX / 2 - 100 + below(200);
        default:
            return any() >> below(64);
        }
    default:
        return below(200);
    }
}

static void any_reference(florin_transfer_t *t)
{
    static const char *const references[] = {NULL, "invoice 7", "invoice 8", "rent"};
    t->reference = references[below(4)];
    t->reference_bytes = t->reference ? (uint8_t)strlen(t->reference) : 0;
}

static florin_account_t any_account(void)
{
    static const uint32_t flags[] = {0, 0, 2, 2, 4, 8, 10};
    florin_account_t a = {.id = any_id(ACCOUNT_IDS)};
    const florin_account_t *old = model_find_account(&run.store, a.id);
    if (old && one_in(2)) {
        a = *old;
        a.timestamp = a.timestamp_last = 0;
        memset(&a.balances, 0, sizeof a.balances);
    } else {
        a.ledger = 1 + (uint32_t)below(LEDGERS);
        a.flags = flags[below(7)];
        a.code = 1 + (uint16_t)below(2);
        a.credit_limit = one_in(2) ? 0 : any_amount();
        a.user_data = below(2);
        a.flags |= one_in(6);
    }
    switch (below(30)) {
    case 0:
        a.flags ^= UINT32_C(1) << below(8);
        break;
    case 1:
        a.flags |= 6;
        break;
    case 2:
        a.user_data++;
        break;
    case 3:
        a.ledger = (uint32_t)below(LEDGERS + 1);
        break;
    case 4:
        a.code = (uint16_t)below(3);
        break;
    case 5:
        a.credit_limit = any_amount();
        break;
    case 6:
        a.timestamp = 1;
        break;
    case 7:
        a.balances.debits_pending = below(2);
        a.balances.debits_posted = below(2);
        a.balances.credits_pending = below(2);
        a.balances.credits_posted = below(2);
        break;
    default:
        break;
    }
    return a;
}

/* One field another one. */
static void spoil(florin_transfer_t *t)
{
    switch (below(12)) {
    case 0:
        t->flags ^= UINT32_C(1) << below(10);
        break;
    case 1:
        t->pending_id = any_id(TRANSFER_IDS);
        break;
    case 2:
        t->timeout_s = (uint32_t)below(3);
        break;
    case 3:
        t->debit_account_id = any_id(ACCOUNT_IDS);
        break;
    case 4:
        t->credit_account_id = any_id(ACCOUNT_IDS);
        break;
    case 5:
        t->amount = any_amount();
        break;
    case 6:
        t->user_data++;
        break;
    case 7:
        any_reference(t);
        break;
    case 8:
        t->ledger = (uint32_t)below(LEDGERS + 2);
        break;
    case 9:
        t->code = (uint16_t)below(3);
        break;
    case 10:
        t->timestamp = below(2);
        break;
    default:
        t->debit_account_id = one_in(2) ? 0 : ~(florin_id_t)0;
        break;
    }
}

/* An id that mostly goes with the debit account. */
static florin_id_t any_credit_id(const florin_account_t *debit)
{
    for (unsigned tries = 0; debit && tries < 4 && !one_in(16); tries++) {
        florin_id_t id = any_id(ACCOUNT_IDS);
        const florin_account_t *credit = model_find_account(&run.store, id);
        if (credit && credit->ledger == debit->ledger && credit != debit) {
            return id;
        }
    }
    return any_id(ACCOUNT_IDS);
}

/* One of its own, or one seen before: in the books, or among the `count` events just ahead. */
static florin_transfer_event_t any_transfer(const florin_transfer_event_t *ahead, size_t count)
{
    florin_transfer_event_t event = {.transfer = {.id = any_id(TRANSFER_IDS)}};
    florin_transfer_t *t = &event.transfer;
    if (run.store.entries_count > 0 && one_in(8)) {
        *t = run.store.entries[below(run.store.entries_count)].transfer;
        t->timestamp = 0;
    } else if (count > 0 && one_in(16)) {
        *t = ahead[below(count)].transfer;
    } else {
        t->debit_account_id = any_id(ACCOUNT_IDS);
        const florin_account_t *debit = model_find_account(&run.store, t->debit_account_id);
        t->credit_account_id = any_credit_id(debit);
        t->ledger = debit ? debit->ledger : 1;
        t->code = 1;
        t->amount = any_amount();
        t->user_data = below(2);
        any_reference(t);
        t->flags = one_in(4);
    }
    if (one_in(10)) {
        spoil(t);
    }
    if (one_in(24)) {
        event.verdict = (florin_verdict_t)below(4);
    }
    return event;
}

/* ------------------------------------------------------------------------------------- worlds */

/* Accounts that exist from the start, two by two so that debits are credits; some of them full,
 * some with pending amounts, some closed. */
static void begin_world(void)
{
    static const uint32_t flags[] = {0, 0, 0, 2, 4, 8, 32};
    memset(&run.store, 0, sizeof run.store);
    for (florin_id_t id = 1; id <= 8; id += 2) {
        uint64_t posted = any_amount();
        uint64_t pending = any_amount();
        posted = posted > FLORIN_LEDGER_AMOUNT_MAX ? 0 : posted;
        pending = pending > FLORIN_LEDGER_AMOUNT_MAX - posted ? 0 : pending;
        florin_account_t pair[2] = {{.id = id}, {.id = (id + 1) << 100 | (id + 1)}};
        pair[0].balances = (florin_balances_t){.debits_pending = pending, .debits_posted = posted};
        pair[1].balances =
            (florin_balances_t){.credits_pending = pending, .credits_posted = posted};
        for (size_t i = 0; i < 2; i++) {
            pair[i].ledger = 1 + (uint32_t)(id / 2 % LEDGERS);
            pair[i].code = 1;
            pair[i].flags = flags[below(7)];
            pair[i].credit_limit = any_amount();
            pair[i].timestamp = 1 + run.clock;
            pair[i].timestamp_last = pair[i].timestamp + below(100);
            run.store.accounts[run.store.accounts_count++] = pair[i];
        }
    }
    run.model.books = run.store;
}

static bool world_is_full(void)
{
    return run.store.entries_count + (size_t)REQUESTS_MAX * REQUEST_EVENTS_MAX > MODEL_ENTRIES_MAX;
}

static void generate_batch(void)
{
    run.requests_count = 1 + below(REQUESTS_MAX);
    for (size_t r = 0; r < run.requests_count; r++) {
        request_t *request = &run.requests[r];
        request->opens = one_in(5);
        request->count = one_in(4) ? 1 : 1 + below(REQUEST_EVENTS_MAX);
        for (size_t i = 0; i < request->count; i++) {
            request->accounts[i] = any_account();
            request->transfers[i] = any_transfer(request->transfers, i);
        }
    }
}

/* ------------------------------------------------------------------------------------ loading */

static bool batch_names_account(florin_id_t id)
{
    for (size_t r = 0; r < run.requests_count; r++) {
        const request_t *request = &run.requests[r];
        for (size_t i = 0; i < request->count; i++) {
            const florin_transfer_t *t = &request->transfers[i].transfer;
            if (request->opens ? request->accounts[i].id == id
                               : t->debit_account_id == id || t->credit_account_id == id) {
                return true;
            }
        }
    }
    return false;
}

static bool batch_names_transfer(florin_id_t id)
{
    for (size_t r = 0; r < run.requests_count; r++) {
        const request_t *request = &run.requests[r];
        for (size_t i = 0; i < request->count && !request->opens; i++) {
            if (request->transfers[i].transfer.id == id) {
                return true;
            }
        }
    }
    return false;
}

static void load_any_window(florin_id_t account_id)
{
    florin_window_t window = {
        .account_id = account_id,
        .sum = below(1000),
        .sum_max = one_in(3) ? UINT64_MAX : below(2000),
        .count = (uint32_t)below(4),
        .count_max = one_in(3) ? UINT32_MAX : (uint32_t)below(8),
    };
    assert_true(florin_ledger_load_window(run.ledger, &window));
    model_set_window(&run.model, &window);
}

static void load_batch(void)
{
    florin_id_t loaded[MODEL_ACCOUNTS_MAX];
    size_t loaded_count = 0;
    /* A clock that mostly goes forward. */
    run.clock += one_in(8) ? 0 : below(100);
    uint64_t now = run.clock - (one_in(8) ? below(50) : 0);

    florin_ledger_reset(run.ledger, now);
    for (size_t i = 0; i < run.store.accounts_count; i++) {
        const florin_account_t *account = &run.store.accounts[i];
        if (batch_names_account(account->id) || one_in(8)) {
            assert_true(florin_ledger_load_account(run.ledger, account));
            assert_false(florin_ledger_load_account(run.ledger, account));
            loaded[loaded_count++] = account->id;
        }
    }
    for (size_t i = 0; i < run.store.entries_count; i++) {
        const florin_entry_t *entry = &run.store.entries[i];
        if (batch_names_transfer(entry->transfer.id)) {
            assert_true(florin_ledger_load_entry(run.ledger, &entry->transfer, entry->result));
            assert_false(florin_ledger_load_entry(run.ledger, &entry->transfer, entry->result));
        }
    }
    model_begin(&run.model, now, loaded, loaded_count);
    for (size_t i = 0; i < loaded_count; i++) {
        if (one_in(6)) {
            load_any_window(loaded[i]);
        }
    }
}

/* ----------------------------------------------------------------------------------- applying */

#define FAIL_AT(format, ...)                                                                       \
    fail_msg("seed %llu, batch %llu: " format, (unsigned long long)run.seed,                       \
             (unsigned long long)run.batches, __VA_ARGS__)

static void open_accounts(const request_t *request)
{
    florin_account_outcome_t got[REQUEST_EVENTS_MAX];
    florin_account_outcome_t expected[REQUEST_EVENTS_MAX];
    assert_true(florin_ledger_open_accounts(run.ledger, request->accounts, request->count, got));
    model_open_accounts(&run.model, request->accounts, request->count, expected);
    for (size_t i = 0; i < request->count; i++) {
        run.account_results[got[i].result]++;
        if (got[i].result != expected[i].result || got[i].timestamp != expected[i].timestamp) {
            FAIL_AT("account %zu: %s at %llu, expected %s at %llu", i,
                    florin_account_result_name(got[i].result), (unsigned long long)got[i].timestamp,
                    florin_account_result_name(expected[i].result),
                    (unsigned long long)expected[i].timestamp);
        }
    }
}

static void create_transfers(const request_t *request)
{
    florin_transfer_outcome_t got[REQUEST_EVENTS_MAX];
    florin_transfer_outcome_t expected[REQUEST_EVENTS_MAX];
    assert_true(
        florin_ledger_create_transfers(run.ledger, request->transfers, request->count, got));
    model_create_transfers(&run.model, request->transfers, request->count, expected);
    for (size_t i = 0; i < request->count; i++) {
        run.transfer_results[got[i].result]++;
        if (got[i].result != expected[i].result || got[i].timestamp != expected[i].timestamp ||
            got[i].first_result != expected[i].first_result ||
            got[i].passes_window_count != expected[i].passes_window_count ||
            got[i].passes_window_sum != expected[i].passes_window_sum) {
            FAIL_AT("transfer %zu: %s (%u) at %llu, window %d %d, expected %s (%u) at %llu, %d %d",
                    i, florin_transfer_result_name(got[i].result), got[i].first_result,
                    (unsigned long long)got[i].timestamp, got[i].passes_window_count,
                    got[i].passes_window_sum, florin_transfer_result_name(expected[i].result),
                    expected[i].first_result, (unsigned long long)expected[i].timestamp,
                    expected[i].passes_window_count, expected[i].passes_window_sum);
        }
    }
}

/* Writes to the store what the core says is to be written, and nothing else. */
static void write_batch(void)
{
    for (size_t i = 0; i < florin_ledger_opened_count(run.ledger); i++) {
        const florin_account_t *account = florin_ledger_opened(run.ledger, i);
        assert_null(model_find_account(&run.store, account->id));
        run.store.accounts[run.store.accounts_count++] = *account;
    }
    size_t opened = florin_ledger_opened_count(run.ledger);
    for (size_t i = 0; i < florin_ledger_changed_count(run.ledger); i++) {
        const florin_account_t *account = florin_ledger_changed(run.ledger, i);
        for (size_t j = 0; j < i; j++) {
            assert_true(florin_ledger_changed(run.ledger, j)->id != account->id);
        }
        florin_account_t *stored = model_find_account(&run.store, account->id);
        assert_non_null(stored);
        assert_true(stored < &run.store.accounts[run.store.accounts_count - opened]);
        assert_true(stored->timestamp_last < account->timestamp_last);
        *stored = *account;
    }
    for (size_t i = 0; i < florin_ledger_entries_count(run.ledger); i++) {
        run.store.entries[run.store.entries_count++] = *florin_ledger_entry(run.ledger, i);
    }
}

/* ---------------------------------------------------------------------------------- comparing */

static bool same_balances(const florin_balances_t *a, const florin_balances_t *b)
{
    return a->debits_pending == b->debits_pending && a->debits_posted == b->debits_posted &&
           a->credits_pending == b->credits_pending && a->credits_posted == b->credits_posted;
}

static bool same_account(const florin_account_t *a, const florin_account_t *b)
{
    return a->id == b->id && a->user_data == b->user_data &&
           same_balances(&a->balances, &b->balances) && a->credit_limit == b->credit_limit &&
           a->timestamp == b->timestamp && a->timestamp_last == b->timestamp_last &&
           a->ledger == b->ledger && a->flags == b->flags && a->code == b->code;
}

static bool same_entry(const florin_entry_t *a, const florin_entry_t *b)
{
    const florin_transfer_t *t = &a->transfer;
    const florin_transfer_t *u = &b->transfer;
    return t->id == u->id && t->debit_account_id == u->debit_account_id &&
           t->credit_account_id == u->credit_account_id && t->pending_id == u->pending_id &&
           t->user_data == u->user_data && t->amount == u->amount && t->timestamp == u->timestamp &&
           t->timeout_s == u->timeout_s && t->ledger == u->ledger && t->flags == u->flags &&
           t->code == u->code && t->reference_bytes == u->reference_bytes &&
           t->reference == u->reference && a->result == b->result &&
           same_balances(&a->debit_after, &b->debit_after) &&
           same_balances(&a->credit_after, &b->credit_after);
}

static void compare_books(void)
{
    const model_books_t *model = &run.model.books;
    assert_int_equal(run.store.accounts_count, model->accounts_count);
    for (size_t i = 0; i < model->accounts_count; i++) {
        const florin_account_t *now = florin_ledger_account(run.ledger, model->accounts[i].id);
        if (!same_account(&run.store.accounts[i], &model->accounts[i]) ||
            (now && !same_account(now, &model->accounts[i]))) {
            FAIL_AT("account %zu differs", i);
        }
    }
    assert_int_equal(run.store.entries_count, model->entries_count);
    for (size_t i = 0; i < model->entries_count; i++) {
        if (!same_entry(&run.store.entries[i], &model->entries[i])) {
            FAIL_AT("entry %zu differs", i);
        }
    }
}

static void check_double_entry(void)
{
    for (uint32_t ledger = 1; ledger <= LEDGERS; ledger++) {
        wide_t debits_posted = 0, debits_pending = 0, credits_posted = 0, credits_pending = 0;
        for (size_t i = 0; i < run.store.accounts_count; i++) {
            const florin_account_t *a = &run.store.accounts[i];
            if (a->ledger == ledger) {
                debits_posted += a->balances.debits_posted;
                debits_pending += a->balances.debits_pending;
                credits_posted += a->balances.credits_posted;
                credits_pending += a->balances.credits_pending;
            }
        }
        if (debits_posted != credits_posted || debits_pending != credits_pending) {
            FAIL_AT("ledger %u: debits are not credits", ledger);
        }
    }
}

/* --------------------------------------------------------------------------------- the test */

/* Those that two-phase, balancing, closing and imported transfers bring. */
static bool is_reachable_account_result(unsigned result)
{
    switch (result) {
    case FLORIN_ACCOUNT_IMPORTED_EVENT_EXPECTED:
    case FLORIN_ACCOUNT_IMPORTED_EVENT_NOT_EXPECTED:
    case FLORIN_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE:
    case FLORIN_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE:
    case FLORIN_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS:
        return false;
    default:
        return true;
    }
}

static bool is_reachable_transfer_result(unsigned result)
{
    if (result >= FLORIN_TRANSFER_PENDING_TRANSFER_NOT_FOUND &&
        result <= FLORIN_TRANSFER_IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO) {
        return false;
    }
    switch (result) {
    case FLORIN_TRANSFER_IMPORTED_EVENT_EXPECTED:
    case FLORIN_TRANSFER_IMPORTED_EVENT_NOT_EXPECTED:
    case FLORIN_TRANSFER_IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE:
    case FLORIN_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE:
    case FLORIN_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE:
    case FLORIN_TRANSFER_PENDING_ID_MUST_NOT_BE_ZERO:
    case FLORIN_TRANSFER_PENDING_ID_MUST_NOT_BE_INT_MAX:
    case FLORIN_TRANSFER_PENDING_ID_MUST_BE_DIFFERENT:
    case FLORIN_TRANSFER_CLOSING_TRANSFER_MUST_BE_PENDING:
    case FLORIN_TRANSFER_OVERFLOWS_DEBITS_PENDING:
    case FLORIN_TRANSFER_OVERFLOWS_CREDITS_PENDING:
    case FLORIN_TRANSFER_OVERFLOWS_TIMEOUT:
        return false;
    default:
        return true;
    }
}

typedef const char *(name_fn)(unsigned result);

static unsigned report(const char *what, const uint64_t *results, name_fn *name,
                       bool (*is_reachable)(unsigned))
{
    unsigned missing = 0;
    for (unsigned i = 0; name(i); i++) {
        if (is_reachable(i)) {
            print_message("%8s %10llu %s\n", what, (unsigned long long)results[i], name(i));
            missing += results[i] == 0;
        } else {
            assert_int_equal(results[i], 0);
        }
    }
    return missing;
}

static uint64_t from_environment(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    if (!text) {
        return fallback;
    }
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno || end == text || *end) {
        fail_msg("%s must be a number, but is \"%s\"", name, text);
    }
    return value;
}

static void the_core_agrees_with_the_model(void **state)
{
    (void)state;
    uint64_t events_max = from_environment("FLORIN_MODEL_EVENTS", EVENTS_DEFAULT);
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
    run.seed = from_environment("FLORIN_SEED",
                                (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    run.random = run.seed;
    run.clock = 1000;
    run.ledger = florin_ledger_new();
    assert_non_null(run.ledger);
    print_message("FLORIN_SEED=%llu FLORIN_MODEL_EVENTS=%llu\n", (unsigned long long)run.seed,
                  (unsigned long long)events_max);

    begin_world();
    while (run.events < events_max) {
        if (world_is_full()) {
            begin_world();
        }
        generate_batch();
        load_batch();
        for (size_t r = 0; r < run.requests_count; r++) {
            const request_t *request = &run.requests[r];
            if (request->opens) {
                open_accounts(request);
            } else {
                create_transfers(request);
            }
            run.events += request->count;
        }
        write_batch();
        compare_books();
        check_double_entry();
        run.batches++;
    }
    florin_ledger_destroy(&run.ledger);

    unsigned missing = report("account", run.account_results, florin_account_result_name,
                              is_reachable_account_result);
    missing += report("transfer", run.transfer_results, florin_transfer_result_name,
                      is_reachable_transfer_result);
    if (missing > 0 && events_max >= EVENTS_FOR_ALL_RESULTS) {
        fail_msg("seed %llu: %u results never occurred", (unsigned long long)run.seed, missing);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_core_agrees_with_the_model),
    };
    return cmocka_run_group_tests_name("ledger_model", tests, NULL, NULL);
}
