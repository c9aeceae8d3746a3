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

#include "test/ledger/support/world.h"

__extension__ typedef unsigned __int128 wide_t;

#define EVENTS_DEFAULT         1000000
#define EVENTS_FOR_ALL_RESULTS 200000 /* fewer may leave a rare result out */
#define RESULTS_MAX            128

static struct {
    uint64_t seed;
    uint64_t events, batches;
    world_t world;
    florin_ledger_t *ledger;
    model_t model;
    uint64_t account_results[RESULTS_MAX], transfer_results[RESULTS_MAX];
    uint64_t limit_results[RESULTS_MAX];
    uint64_t expired, held;
} run;

/* ------------------------------------------------------------------------------------ loading */

static bool transfer_names_account(const florin_transfer_t *t, florin_id_t id)
{
    const florin_entry_t *pending = model_find_entry(&run.world.store, t->pending_id);
    if (pending && t->debit_account_id == 0 && pending->transfer.debit_account_id == id) {
        return true;
    }
    if (pending && t->credit_account_id == 0 && pending->transfer.credit_account_id == id) {
        return true;
    }
    return t->debit_account_id == id || t->credit_account_id == id;
}

static bool names_account(const world_request_t *request, size_t i, florin_id_t id)
{
    const florin_entry_t *entry = model_find_entry(&run.world.store, request->expiries[i]);
    switch (request->kind) {
    case WORLD_TRANSFERS:
        return transfer_names_account(&request->transfers[i].transfer, id);
    case WORLD_ACCOUNTS:
        return request->accounts[i].id == id;
    case WORLD_LIMITS:
        return request->limits[i].account_id == id;
    case WORLD_EXPIRIES:
        return entry && transfer_names_account(&entry->transfer, id);
    case WORLD_OUTCOMES:
        return false;
    }
    return false;
}

static bool names_transfer(const world_request_t *request, size_t i, florin_id_t id)
{
    const florin_transfer_t *t = &request->transfers[i].transfer;
    return request->kind == WORLD_TRANSFERS  ? t->id == id || t->pending_id == id
           : request->kind == WORLD_EXPIRIES ? request->expiries[i] == id
           : request->kind == WORLD_OUTCOMES ? request->outcomes[i] == id
                                             : false;
}

typedef bool(names_fn)(const world_request_t *request, size_t i, florin_id_t id);

static bool batch_names(names_fn *names, florin_id_t id)
{
    for (size_t r = 0; r < run.world.requests_count; r++) {
        for (size_t i = 0; i < run.world.requests[r].count; i++) {
            if (names(&run.world.requests[r], i, id)) {
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
        .sum = world_below(&run.world, 1000),
        .sum_max = world_one_in(&run.world, 3) ? UINT64_MAX : world_below(&run.world, 2000),
        .count = (uint32_t)world_below(&run.world, 4),
        .count_max =
            world_one_in(&run.world, 3) ? UINT32_MAX : (uint32_t)world_below(&run.world, 8),
    };
    assert_true(florin_ledger_load_window(run.ledger, &window));
    model_set_window(&run.model, &window);
}

static void load_batch(void)
{
    florin_id_t loaded[MODEL_ACCOUNTS_MAX];
    size_t loaded_count = 0;
    /* A clock that mostly goes forward. */
    run.world.clock += world_one_in(&run.world, 8) ? 0
                       : world_one_in(&run.world, 12)
                           ? world_below(&run.world, UINT64_C(2000000000))
                           : world_below(&run.world, 100);
    uint64_t now =
        run.world.clock - (world_one_in(&run.world, 8) ? world_below(&run.world, 50) : 0);

    florin_ledger_reset(run.ledger, now);
    for (size_t i = 0; i < run.world.store.accounts_count; i++) {
        const florin_account_t *account = &run.world.store.accounts[i];
        if (batch_names(names_account, account->id) || world_one_in(&run.world, 8)) {
            assert_true(florin_ledger_load_account(run.ledger, account));
            assert_false(florin_ledger_load_account(run.ledger, account));
            loaded[loaded_count++] = account->id;
        }
    }
    for (size_t i = 0; i < run.world.store.entries_count; i++) {
        const florin_entry_t *entry = &run.world.store.entries[i];
        if (batch_names(names_transfer, entry->transfer.id)) {
            assert_true(florin_ledger_load_entry(run.ledger, &entry->transfer, entry->result));
            assert_false(florin_ledger_load_entry(run.ledger, &entry->transfer, entry->result));
            florin_pending_status_t status = run.world.store.pendings[i].status;
            assert_int_equal(florin_ledger_load_pending(run.ledger, entry->transfer.id, status),
                             status != FLORIN_PENDING_NONE);
        }
    }
    model_begin(&run.model, now, loaded, loaded_count);
    for (size_t i = 0; i < loaded_count; i++) {
        if (world_one_in(&run.world, 6)) {
            load_any_window(loaded[i]);
        }
    }
}

/* ----------------------------------------------------------------------------------- applying */

static void begin_world(void)
{
    world_begin(&run.world);
    run.model.books = run.world.store;
}

#define FAIL_AT(format, ...)                                                                       \
    fail_msg("seed %llu, batch %llu: " format, (unsigned long long)run.seed,                       \
             (unsigned long long)run.batches, __VA_ARGS__)

static void open_accounts(const world_request_t *request)
{
    florin_account_outcome_t got[WORLD_EVENTS_MAX];
    florin_account_outcome_t expected[WORLD_EVENTS_MAX];
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

static void create_transfers(const world_request_t *request)
{
    florin_transfer_outcome_t got[WORLD_EVENTS_MAX];
    florin_transfer_outcome_t expected[WORLD_EVENTS_MAX];
    assert_true(
        florin_ledger_create_transfers(run.ledger, request->transfers, request->count, got));
    model_create_transfers(&run.model, request->transfers, request->count, expected);
    for (size_t i = 0; i < request->count; i++) {
        run.transfer_results[got[i].result]++;
        run.held += got[i].result == FLORIN_TRANSFER_CREATED && got[i].held_for_review;
        if (got[i].result != expected[i].result || got[i].timestamp != expected[i].timestamp ||
            got[i].first_result != expected[i].first_result ||
            got[i].passes_window_count != expected[i].passes_window_count ||
            got[i].passes_window_sum != expected[i].passes_window_sum ||
            got[i].held_for_review != expected[i].held_for_review) {
            FAIL_AT("transfer %zu: %s (%u) at %llu, window %d %d, expected %s (%u) at %llu, %d %d",
                    i, florin_transfer_result_name(got[i].result), got[i].first_result,
                    (unsigned long long)got[i].timestamp, got[i].passes_window_count,
                    got[i].passes_window_sum, florin_transfer_result_name(expected[i].result),
                    expected[i].first_result, (unsigned long long)expected[i].timestamp,
                    expected[i].passes_window_count, expected[i].passes_window_sum);
        }
    }
}

static void set_limits(const world_request_t *request)
{
    florin_limit_outcome_t got[WORLD_EVENTS_MAX];
    florin_limit_outcome_t expected[WORLD_EVENTS_MAX];
    assert_true(florin_ledger_set_credit_limits(run.ledger, request->limits, request->count, got));
    model_set_credit_limits(&run.model, request->limits, request->count, expected);
    for (size_t i = 0; i < request->count; i++) {
        run.limit_results[got[i].result]++;
        if (got[i].result != expected[i].result || got[i].timestamp != expected[i].timestamp) {
            FAIL_AT("limit %zu: %s at %llu, expected %s at %llu", i,
                    florin_limit_result_name(got[i].result), (unsigned long long)got[i].timestamp,
                    florin_limit_result_name(expected[i].result),
                    (unsigned long long)expected[i].timestamp);
        }
    }
}

static void expire(const world_request_t *request)
{
    size_t got;
    assert_true(florin_ledger_expire(run.ledger, request->expiries, request->count, &got));
    size_t expected = model_expire(&run.model, request->expiries, request->count);
    if (got != expected) {
        FAIL_AT("%zu expired, expected %zu", got, expected);
    }
    run.expired += got;
}

static void settle(const world_request_t *request)
{
    florin_transfer_outcome_t got[WORLD_EVENTS_MAX];
    florin_transfer_outcome_t expected[WORLD_EVENTS_MAX];
    assert_true(florin_ledger_settle_transfers(run.ledger, request->outcomes, request->count, got));
    model_settle_transfers(&run.model, request->outcomes, request->count, expected);
    for (size_t i = 0; i < request->count; i++) {
        run.transfer_results[got[i].result]++;
        if (got[i].result != expected[i].result || got[i].timestamp != expected[i].timestamp ||
            got[i].held_for_review != expected[i].held_for_review) {
            FAIL_AT("outcome %zu: %s at %llu, expected %s at %llu", i,
                    florin_transfer_result_name(got[i].result),
                    (unsigned long long)got[i].timestamp,
                    florin_transfer_result_name(expected[i].result),
                    (unsigned long long)expected[i].timestamp);
        }
    }
}

static void apply(const world_request_t *request)
{
    switch (request->kind) {
    case WORLD_TRANSFERS:
        create_transfers(request);
        break;
    case WORLD_ACCOUNTS:
        open_accounts(request);
        break;
    case WORLD_LIMITS:
        set_limits(request);
        break;
    case WORLD_EXPIRIES:
        expire(request);
        break;
    case WORLD_OUTCOMES:
        settle(request);
        break;
    }
}

static void write_pending(size_t index)
{
    const florin_pending_t changed = florin_ledger_pending(run.ledger, index);
    for (size_t i = 0; i < index; i++) {
        assert_true(florin_ledger_pending(run.ledger, i).transfer->id != changed.transfer->id);
    }
    model_pending_t *stored = model_find_pending(&run.world.store, changed.transfer->id);
    assert_non_null(stored);
    assert_true(stored->status == FLORIN_PENDING_NONE || stored->status == FLORIN_PENDING_OPEN);
    assert_int_equal(changed.expires_at,
                     changed.transfer->timeout_s == 0
                         ? 0
                         : changed.transfer->timestamp +
                               changed.transfer->timeout_s * UINT64_C(1000000000));
    *stored = (model_pending_t){.status = changed.status, .resolved_at = changed.resolved_at};
    if (changed.status == FLORIN_PENDING_EXPIRED) {
        stored->debit_after = changed.debit_after;
        stored->credit_after = changed.credit_after;
    }
}

/* Writes to the store what the core says is to be written, and nothing else. */
static void write_batch(void)
{
    for (size_t i = 0; i < florin_ledger_opened_count(run.ledger); i++) {
        const florin_account_t *account = florin_ledger_opened(run.ledger, i);
        assert_null(model_find_account(&run.world.store, account->id));
        run.world.store.accounts[run.world.store.accounts_count++] = *account;
    }
    size_t opened = florin_ledger_opened_count(run.ledger);
    for (size_t i = 0; i < florin_ledger_changed_count(run.ledger); i++) {
        const florin_account_t *account = florin_ledger_changed(run.ledger, i);
        for (size_t j = 0; j < i; j++) {
            assert_true(florin_ledger_changed(run.ledger, j)->id != account->id);
        }
        florin_account_t *stored = model_find_account(&run.world.store, account->id);
        assert_non_null(stored);
        assert_true(stored < &run.world.store.accounts[run.world.store.accounts_count - opened]);
        assert_true(stored->timestamp_last < account->timestamp_last);
        *stored = *account;
    }
    for (size_t i = 0; i < florin_ledger_entries_count(run.ledger); i++) {
        run.world.store.pendings[run.world.store.entries_count] =
            (model_pending_t){FLORIN_PENDING_NONE};
        run.world.store.entries[run.world.store.entries_count++] =
            *florin_ledger_entry(run.ledger, i);
    }
    for (size_t i = 0; i < florin_ledger_pendings_count(run.ledger); i++) {
        write_pending(i);
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

static bool same_pending(const model_pending_t *a, const model_pending_t *b)
{
    return a->status == b->status && a->resolved_at == b->resolved_at &&
           same_balances(&a->debit_after, &b->debit_after) &&
           same_balances(&a->credit_after, &b->credit_after);
}

static void compare_books(void)
{
    const model_books_t *model = &run.model.books;
    assert_int_equal(run.world.store.accounts_count, model->accounts_count);
    for (size_t i = 0; i < model->accounts_count; i++) {
        const florin_account_t *now = florin_ledger_account(run.ledger, model->accounts[i].id);
        if (!same_account(&run.world.store.accounts[i], &model->accounts[i]) ||
            (now && !same_account(now, &model->accounts[i]))) {
            FAIL_AT("account %zu differs", i);
        }
    }
    assert_int_equal(run.world.store.entries_count, model->entries_count);
    for (size_t i = 0; i < model->entries_count; i++) {
        if (!same_entry(&run.world.store.entries[i], &model->entries[i])) {
            FAIL_AT("entry %zu differs", i);
        }
        if (!same_pending(&run.world.store.pendings[i], &model->pendings[i])) {
            FAIL_AT("what became of pending entry %zu differs", i);
        }
    }
}

static void check_double_entry(void)
{
    for (uint32_t ledger = 1; ledger <= WORLD_LEDGERS; ledger++) {
        wide_t debits_posted = 0, debits_pending = 0, credits_posted = 0, credits_pending = 0;
        for (size_t i = 0; i < run.world.store.accounts_count; i++) {
            const florin_account_t *a = &run.world.store.accounts[i];
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

/* What an account holds as pending is what it began with and what is open on it. */
static void check_pending_sums(void)
{
    for (size_t i = 0; i < run.world.store.accounts_count; i++) {
        const florin_account_t *a = &run.world.store.accounts[i];
        wide_t debits = run.world.begun[i].debits_pending;
        wide_t credits = run.world.begun[i].credits_pending;
        for (size_t j = 0; j < run.world.store.entries_count; j++) {
            const florin_transfer_t *t = &run.world.store.entries[j].transfer;
            if (run.world.store.pendings[j].status == FLORIN_PENDING_OPEN) {
                debits += t->debit_account_id == a->id ? t->amount : 0;
                credits += t->credit_account_id == a->id ? t->amount : 0;
            }
        }
        if (debits != a->balances.debits_pending || credits != a->balances.credits_pending) {
            FAIL_AT("account %zu: what is pending is not what is open", i);
        }
    }
}

/* --------------------------------------------------------------------------------- the test */

typedef const char *(name_fn)(unsigned result);

/* Returns how many results never came up. */
static unsigned report(const char *what, const uint64_t *results, name_fn *name)
{
    unsigned missing = 0;
    for (unsigned i = 0; name(i); i++) {
        print_message("%8s %10llu %s\n", what, (unsigned long long)results[i], name(i));
        missing += results[i] == 0;
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
    run.world.random = run.seed;
    run.ledger = florin_ledger_new();
    assert_non_null(run.ledger);
    print_message("FLORIN_SEED=%llu FLORIN_MODEL_EVENTS=%llu\n", (unsigned long long)run.seed,
                  (unsigned long long)events_max);

    begin_world();
    while (run.events < events_max) {
        if (world_is_full(&run.world)) {
            begin_world();
        }
        world_generate(&run.world);
        load_batch();
        for (size_t r = 0; r < run.world.requests_count; r++) {
            apply(&run.world.requests[r]);
            run.events += run.world.requests[r].count;
        }
        write_batch();
        compare_books();
        check_double_entry();
        check_pending_sums();
        run.batches++;
    }
    florin_ledger_destroy(&run.ledger);

    unsigned missing = report("account", run.account_results, florin_account_result_name);
    missing += report("transfer", run.transfer_results, florin_transfer_result_name);
    missing += report("limit", run.limit_results, florin_limit_result_name);
    print_message("%8s %10llu expired, %llu held for review\n", "pending",
                  (unsigned long long)run.expired, (unsigned long long)run.held);
    missing += run.expired == 0 || run.held == 0;
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
