/* Each result by itself, and each before all that stand below it in the list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "ledger/ledger.h"

#define ID_MAX (~(florin_id_t)0)

/* An account to open, or a transfer to create, and all that it meets. */
typedef struct {
    florin_account_t account; /* the event */
    florin_account_t opened;  /* under the same id, when there is one */
    bool has_opened;

    florin_transfer_event_t event;
    florin_transfer_t created; /* under the same id, when there is one */
    florin_transfer_result_t created_result;
    bool has_created;
    florin_account_t debit, credit;
    bool no_debit, no_credit;
    florin_window_t window;
    bool has_window;
} world_t;

/* Breaks one rule, and as few others as can be. */
typedef void(break_fn)(world_t *w);

typedef struct {
    uint16_t result;
    break_fn *break_rule;
} row_t;

static florin_ledger_t *ledger;

/* ------------------------------------------------------------------- a world in which all is well
 */

static world_t well(void)
{
    world_t w = {0};
    w.account = (florin_account_t){.id = 10, .ledger = 978, .code = 1, .user_data = 5};
    w.opened = w.account;
    w.opened.timestamp = w.opened.timestamp_last = 7;

    w.debit = (florin_account_t){.id = 1, .ledger = 978, .code = 1, .timestamp_last = 3};
    w.credit = (florin_account_t){.id = 2, .ledger = 978, .code = 1, .timestamp_last = 4};
    w.event.transfer = (florin_transfer_t){.id = 20,
                                           .debit_account_id = 1,
                                           .credit_account_id = 2,
                                           .amount = 100,
                                           .user_data = 5,
                                           .ledger = 978,
                                           .code = 1,
                                           .reference = "rent",
                                           .reference_bytes = 4};
    w.created = w.event.transfer;
    w.created.timestamp = 7;
    w.window = (florin_window_t){.account_id = 1, .sum_max = UINT64_MAX, .count_max = UINT32_MAX};
    return w;
}

static uint16_t account_result_in(world_t *w)
{
    florin_account_outcome_t outcome;
    florin_ledger_reset(ledger, 1000);
    if (w->has_opened) {
        w->opened.id = w->account.id;
        assert_true(florin_ledger_load_account(ledger, &w->opened));
    }
    assert_true(florin_ledger_open_accounts(ledger, &w->account, 1, &outcome));
    return outcome.result;
}

static uint16_t transfer_result_in(world_t *w)
{
    florin_transfer_outcome_t outcome;
    florin_ledger_reset(ledger, 1000);
    if (!w->no_debit) {
        assert_true(florin_ledger_load_account(ledger, &w->debit));
    }
    if (!w->no_credit) {
        assert_true(florin_ledger_load_account(ledger, &w->credit));
    }
    if (w->has_created) {
        w->created.id = w->event.transfer.id;
        assert_true(florin_ledger_load_entry(ledger, &w->created, w->created_result));
    }
    if (w->has_window && !w->no_debit) {
        assert_true(florin_ledger_load_window(ledger, &w->window));
    }
    assert_true(florin_ledger_create_transfers(ledger, &w->event, 1, &outcome));
    return outcome.result;
}

/* ------------------------------------------------------------------------- the rules of accounts
 */

#define BREAK(name, ...)                                                                           \
    static void name(world_t *w)                                                                   \
    {                                                                                              \
        __VA_ARGS__;                                                                               \
    }

BREAK(a_linked, w->account.flags |= FLORIN_ACCOUNT_FLAG_LINKED)
BREAK(a_timestamp, w->account.timestamp = 1)
BREAK(a_flag_imported, w->account.flags |= FLORIN_ACCOUNT_FLAG_IMPORTED)
BREAK(a_flag_closed, w->account.flags |= FLORIN_ACCOUNT_FLAG_CLOSED)
BREAK(a_flag_unknown, w->account.flags |= UINT32_C(1) << 31)
BREAK(a_id_zero, w->account.id = 0)
BREAK(a_id_max, w->account.id = ID_MAX)
BREAK(a_flags, w->has_opened = true; w->opened.flags = FLORIN_ACCOUNT_FLAG_HISTORY)
BREAK(a_user_data, w->has_opened = true; w->opened.user_data++)
BREAK(a_ledger, w->has_opened = true; w->opened.ledger = 840)
BREAK(a_code, w->has_opened = true; w->opened.code = 2)
BREAK(a_credit_limit, w->has_opened = true; w->opened.credit_limit++)
BREAK(a_exists, w->has_opened = true)
BREAK(a_exclusive, w->account.flags |= FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS |
                                       FLORIN_ACCOUNT_FLAG_CREDITS_MUST_NOT_EXCEED_DEBITS;
      w->opened.flags = w->account.flags)
BREAK(a_debits_pending, w->account.balances.debits_pending = 1)
BREAK(a_debits_posted, w->account.balances.debits_posted = 1)
BREAK(a_credits_pending, w->account.balances.credits_pending = 1)
BREAK(a_credits_posted, w->account.balances.credits_posted = 1)
BREAK(a_ledger_zero, w->account.ledger = w->opened.ledger = 0)
BREAK(a_code_zero, w->account.code = w->opened.code = 0)

/* Highest precedence first. */
static const row_t account_rows[] = {
    {FLORIN_ACCOUNT_LINKED_EVENT_CHAIN_OPEN, a_linked},
    {FLORIN_ACCOUNT_TIMESTAMP_MUST_BE_ZERO, a_timestamp},
    {FLORIN_ACCOUNT_RESERVED_FLAG, a_flag_imported},
    {FLORIN_ACCOUNT_RESERVED_FLAG, a_flag_closed},
    {FLORIN_ACCOUNT_RESERVED_FLAG, a_flag_unknown},
    {FLORIN_ACCOUNT_ID_MUST_NOT_BE_ZERO, a_id_zero},
    {FLORIN_ACCOUNT_ID_MUST_NOT_BE_INT_MAX, a_id_max},
    {FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_FLAGS, a_flags},
    {FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_USER_DATA, a_user_data},
    {FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_LEDGER, a_ledger},
    {FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_CODE, a_code},
    {FLORIN_ACCOUNT_EXISTS_WITH_DIFFERENT_CREDIT_LIMIT, a_credit_limit},
    {FLORIN_ACCOUNT_EXISTS, a_exists},
    {FLORIN_ACCOUNT_FLAGS_ARE_MUTUALLY_EXCLUSIVE, a_exclusive},
    {FLORIN_ACCOUNT_DEBITS_PENDING_MUST_BE_ZERO, a_debits_pending},
    {FLORIN_ACCOUNT_DEBITS_POSTED_MUST_BE_ZERO, a_debits_posted},
    {FLORIN_ACCOUNT_CREDITS_PENDING_MUST_BE_ZERO, a_credits_pending},
    {FLORIN_ACCOUNT_CREDITS_POSTED_MUST_BE_ZERO, a_credits_posted},
    {FLORIN_ACCOUNT_LEDGER_MUST_NOT_BE_ZERO, a_ledger_zero},
    {FLORIN_ACCOUNT_CODE_MUST_NOT_BE_ZERO, a_code_zero},
};

/* ------------------------------------------------------------------------ the rules of transfers
 */

#define T w->event.transfer
#define E w->created

BREAK(t_linked, T.flags |= FLORIN_TRANSFER_FLAG_LINKED)
BREAK(t_timestamp, T.timestamp = 1)
BREAK(t_flag_pending, T.flags |= FLORIN_TRANSFER_FLAG_PENDING)
BREAK(t_flag_post, T.flags |= FLORIN_TRANSFER_FLAG_POST_PENDING_TRANSFER)
BREAK(t_flag_void, T.flags |= FLORIN_TRANSFER_FLAG_VOID_PENDING_TRANSFER)
BREAK(t_flag_balancing_debit, T.flags |= FLORIN_TRANSFER_FLAG_BALANCING_DEBIT)
BREAK(t_flag_balancing_credit, T.flags |= FLORIN_TRANSFER_FLAG_BALANCING_CREDIT)
BREAK(t_flag_closing_debit, T.flags |= FLORIN_TRANSFER_FLAG_CLOSING_DEBIT)
BREAK(t_flag_closing_credit, T.flags |= FLORIN_TRANSFER_FLAG_CLOSING_CREDIT)
BREAK(t_flag_imported, T.flags |= FLORIN_TRANSFER_FLAG_IMPORTED)
BREAK(t_flag_unknown, T.flags |= UINT32_C(1) << 31)
BREAK(t_id_zero, T.id = 0)
BREAK(t_id_max, T.id = ID_MAX)
BREAK(t_flags, w->has_created = true; E.flags = FLORIN_TRANSFER_FLAG_LINKED)
BREAK(t_pending_id, w->has_created = true; E.pending_id++)
BREAK(t_timeout, w->has_created = true; E.timeout_s++)
BREAK(t_debit_id, w->has_created = true; E.debit_account_id = 3)
BREAK(t_credit_id, w->has_created = true; E.credit_account_id = 3)
BREAK(t_amount, w->has_created = true; E.amount++)
BREAK(t_user_data, w->has_created = true; E.user_data++)
BREAK(t_reference, w->has_created = true; E.reference = "tent")
BREAK(t_reference_shorter, w->has_created = true; E.reference_bytes = 3)
BREAK(t_reference_none, w->has_created = true; E.reference = NULL; E.reference_bytes = 0)
BREAK(t_ledger, w->has_created = true; E.ledger = 840)
BREAK(t_code, w->has_created = true; E.code = 2)
BREAK(t_exists, w->has_created = true)
BREAK(t_failed, w->has_created = true; w->created_result = FLORIN_TRANSFER_EXCEEDS_CREDITS)
BREAK(t_debit_zero, T.debit_account_id = E.debit_account_id = 0)
BREAK(t_debit_max, T.debit_account_id = E.debit_account_id = ID_MAX)
BREAK(t_credit_zero, T.credit_account_id = E.credit_account_id = 0)
BREAK(t_credit_max, T.credit_account_id = E.credit_account_id = ID_MAX)
BREAK(t_same_account, T.credit_account_id = E.credit_account_id = T.debit_account_id)
BREAK(t_has_pending_id, T.pending_id = E.pending_id = 8)
BREAK(t_has_timeout, T.timeout_s = E.timeout_s = 60)
BREAK(t_ledger_zero, T.ledger = E.ledger = 0)
BREAK(t_code_zero, T.code = E.code = 0)
BREAK(t_forbidden, w->event.verdict = FLORIN_VERDICT_FORBIDDEN)
BREAK(t_no_debit, w->no_debit = true)
BREAK(t_no_credit, w->no_credit = true)
BREAK(t_other_ledgers, w->credit.ledger = 840)
BREAK(t_other_ledger, w->debit.ledger = w->credit.ledger = 756)
BREAK(t_debit_closed, w->debit.flags |= FLORIN_ACCOUNT_FLAG_CLOSED)
BREAK(t_credit_closed, w->credit.flags |= FLORIN_ACCOUNT_FLAG_CLOSED)
BREAK(t_debits_posted, w->debit.balances.debits_posted = FLORIN_LEDGER_AMOUNT_MAX - 99)
BREAK(t_credits_posted, w->credit.balances.credits_posted = FLORIN_LEDGER_AMOUNT_MAX - 99)
BREAK(t_debits, w->debit.balances.debits_pending = FLORIN_LEDGER_AMOUNT_MAX - 99)
BREAK(t_credits, w->credit.balances.credits_pending = FLORIN_LEDGER_AMOUNT_MAX - 99)
BREAK(t_exceeds_credits, w->debit.flags |= FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS;
      w->debit.credit_limit = 99)
BREAK(t_exceeds_debits, w->credit.flags |= FLORIN_ACCOUNT_FLAG_CREDITS_MUST_NOT_EXCEED_DEBITS;
      w->credit.credit_limit = 99)
BREAK(t_declined, w->event.verdict = FLORIN_VERDICT_DECLINED)
BREAK(t_window_sum, w->has_window = true; w->window.sum_max = 99)
BREAK(t_window_count, w->has_window = true; w->window.count_max = 0)
BREAK(t_unavailable, w->event.verdict = FLORIN_VERDICT_UNAVAILABLE)

#undef T
#undef E

/* Highest precedence first. */
static const row_t transfer_rows[] = {
    {FLORIN_TRANSFER_LINKED_EVENT_CHAIN_OPEN, t_linked},
    {FLORIN_TRANSFER_TIMESTAMP_MUST_BE_ZERO, t_timestamp},
    {FLORIN_TRANSFER_RESERVED_FLAG, t_flag_pending},
    {FLORIN_TRANSFER_RESERVED_FLAG, t_flag_post},
    {FLORIN_TRANSFER_RESERVED_FLAG, t_flag_void},
    {FLORIN_TRANSFER_RESERVED_FLAG, t_flag_balancing_debit},
    {FLORIN_TRANSFER_RESERVED_FLAG, t_flag_balancing_credit},
    {FLORIN_TRANSFER_RESERVED_FLAG, t_flag_closing_debit},
    {FLORIN_TRANSFER_RESERVED_FLAG, t_flag_closing_credit},
    {FLORIN_TRANSFER_RESERVED_FLAG, t_flag_imported},
    {FLORIN_TRANSFER_RESERVED_FLAG, t_flag_unknown},
    {FLORIN_TRANSFER_ID_MUST_NOT_BE_ZERO, t_id_zero},
    {FLORIN_TRANSFER_ID_MUST_NOT_BE_INT_MAX, t_id_max},
    {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS, t_flags},
    {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_PENDING_ID, t_pending_id},
    {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_TIMEOUT, t_timeout},
    {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID, t_debit_id},
    {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID, t_credit_id},
    {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_AMOUNT, t_amount},
    {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA, t_user_data},
    {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_REFERENCE, t_reference},
    {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_REFERENCE, t_reference_shorter},
    {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_REFERENCE, t_reference_none},
    {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_LEDGER, t_ledger},
    {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_CODE, t_code},
    {FLORIN_TRANSFER_EXISTS, t_exists},
    {FLORIN_TRANSFER_ID_ALREADY_FAILED, t_failed},
    {FLORIN_TRANSFER_DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO, t_debit_zero},
    {FLORIN_TRANSFER_DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX, t_debit_max},
    {FLORIN_TRANSFER_CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO, t_credit_zero},
    {FLORIN_TRANSFER_CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX, t_credit_max},
    {FLORIN_TRANSFER_ACCOUNTS_MUST_BE_DIFFERENT, t_same_account},
    {FLORIN_TRANSFER_PENDING_ID_MUST_BE_ZERO, t_has_pending_id},
    {FLORIN_TRANSFER_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER, t_has_timeout},
    {FLORIN_TRANSFER_LEDGER_MUST_NOT_BE_ZERO, t_ledger_zero},
    {FLORIN_TRANSFER_CODE_MUST_NOT_BE_ZERO, t_code_zero},
    {FLORIN_TRANSFER_NOT_AUTHORIZED, t_forbidden},
    {FLORIN_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND, t_no_debit},
    {FLORIN_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND, t_no_credit},
    {FLORIN_TRANSFER_ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER, t_other_ledgers},
    {FLORIN_TRANSFER_TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS, t_other_ledger},
    {FLORIN_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED, t_debit_closed},
    {FLORIN_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED, t_credit_closed},
    {FLORIN_TRANSFER_OVERFLOWS_DEBITS_POSTED, t_debits_posted},
    {FLORIN_TRANSFER_OVERFLOWS_CREDITS_POSTED, t_credits_posted},
    {FLORIN_TRANSFER_OVERFLOWS_DEBITS, t_debits},
    {FLORIN_TRANSFER_OVERFLOWS_CREDITS, t_credits},
    {FLORIN_TRANSFER_EXCEEDS_CREDITS, t_exceeds_credits},
    {FLORIN_TRANSFER_EXCEEDS_DEBITS, t_exceeds_debits},
    {FLORIN_TRANSFER_RISK_DECLINED, t_declined},
    {FLORIN_TRANSFER_RISK_DECLINED, t_window_sum},
    {FLORIN_TRANSFER_RISK_DECLINED, t_window_count},
    {FLORIN_TRANSFER_RISK_UNAVAILABLE, t_unavailable},
};

/* -------------------------------------------------------------------------------------- the tests
 */

typedef uint16_t(result_in_fn)(world_t *w);
typedef const char *(name_fn)(unsigned result);

typedef struct {
    const char *what;
    const row_t *rows;
    size_t rows_count;
    result_in_fn *result_in;
    name_fn *name;
} list_t;

static const list_t lists[] = {
    {"account", account_rows, sizeof account_rows / sizeof account_rows[0], account_result_in,
     florin_account_result_name},
    {"transfer", transfer_rows, sizeof transfer_rows / sizeof transfer_rows[0], transfer_result_in,
     florin_transfer_result_name},
};

/* The test of one row. */
typedef struct {
    const list_t *list;
    size_t row;
    char title[80];
} case_t;

/* An id can't have failed and be there: every other rule can be broken along with any below it. */
static bool can_both_be_broken(const row_t *high, const row_t *low)
{
    return low->break_rule != t_failed ||
           high->result < FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS ||
           high->result > FLORIN_TRANSFER_EXISTS;
}

static void assert_result(const list_t *list, world_t *w, uint16_t expected, const row_t *hidden)
{
    uint16_t result = list->result_in(w);
    if (result != expected) {
        fail_msg("%s instead of %s%s%s", list->name(result), list->name(expected),
                 hidden ? ", with " : "", hidden ? list->name(hidden->result) : "");
    }
}

/* Broken by itself, the rule gives its result; and also when any one below it is broken too. */
static void gives_its_result(void **state)
{
    const case_t *c = *state;
    const row_t *row = &c->list->rows[c->row];
    world_t w = well();
    assert_result(c->list, &w, 0, NULL);
    row->break_rule(&w);
    assert_result(c->list, &w, row->result, NULL);

    for (size_t i = c->row + 1; i < c->list->rows_count; i++) {
        const row_t *hidden = &c->list->rows[i];
        if (can_both_be_broken(row, hidden)) {
            w = well();
            hidden->break_rule(&w);
            assert_result(c->list, &w, hidden->result, NULL);
            row->break_rule(&w);
            assert_result(c->list, &w, row->result, hidden);
        }
    }
}

/* The rows stand as the results are numbered, which is as the page lists them; but for
 * not_authorized, which comes before all that reads an account. */
static void rows_are_in_order(void **state)
{
    (void)state;
    for (size_t l = 0; l < sizeof lists / sizeof lists[0]; l++) {
        unsigned last = 0;
        for (size_t i = 0; i < lists[l].rows_count; i++) {
            uint16_t result = lists[l].rows[i].result;
            if (lists[l].result_in == transfer_result_in &&
                result == FLORIN_TRANSFER_NOT_AUTHORIZED) {
                assert_int_equal(last, FLORIN_TRANSFER_CODE_MUST_NOT_BE_ZERO);
            } else {
                assert_true(result >= last);
                last = result;
            }
        }
    }
}

static void results_have_names(void **state)
{
    (void)state;
    assert_string_equal(florin_account_result_name(0), "created");
    assert_string_equal(florin_account_result_name(24),
                        "imported_event_timestamp_must_not_regress");
    assert_null(florin_account_result_name(25));
    assert_null(florin_account_result_name(UINT32_MAX));
    assert_string_equal(florin_transfer_result_name(0), "created");
    assert_string_equal(florin_transfer_result_name(69), "not_authorized");
    assert_null(florin_transfer_result_name(70));
    assert_null(florin_transfer_result_name(UINT32_MAX));
}

static void results_that_time_may_change_are_remembered(void **state)
{
    (void)state;
    unsigned remembered = 0;
    for (unsigned i = 0; florin_transfer_result_name(i); i++) {
        remembered += florin_transfer_result_remembered((florin_transfer_result_t)i);
    }
    assert_int_equal(remembered, 8);
    assert_true(florin_transfer_result_remembered(FLORIN_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND));
    assert_true(florin_transfer_result_remembered(FLORIN_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND));
    assert_true(florin_transfer_result_remembered(FLORIN_TRANSFER_PENDING_TRANSFER_NOT_FOUND));
    assert_true(florin_transfer_result_remembered(FLORIN_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED));
    assert_true(florin_transfer_result_remembered(FLORIN_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED));
    assert_true(florin_transfer_result_remembered(FLORIN_TRANSFER_EXCEEDS_CREDITS));
    assert_true(florin_transfer_result_remembered(FLORIN_TRANSFER_EXCEEDS_DEBITS));
    assert_true(florin_transfer_result_remembered(FLORIN_TRANSFER_RISK_DECLINED));
}

int main(void)
{
    enum {
        CASES_MAX = sizeof account_rows / sizeof account_rows[0] +
                    sizeof transfer_rows / sizeof transfer_rows[0]
    };
    static case_t cases[CASES_MAX];
    static struct CMUnitTest tests[CASES_MAX];
    size_t count = 0;
    for (size_t l = 0; l < sizeof lists / sizeof lists[0]; l++) {
        for (size_t i = 0; i < lists[l].rows_count; i++, count++) {
            case_t *c = &cases[count];
            *c = (case_t){.list = &lists[l], .row = i};
            (void)snprintf(c->title, sizeof c->title, "%s: %s", lists[l].what,
                           lists[l].name(lists[l].rows[i].result));
            tests[count] = (struct CMUnitTest){
                .name = c->title, .test_func = gives_its_result, .initial_state = c};
        }
    }
    const struct CMUnitTest lists_tests[] = {
        cmocka_unit_test(rows_are_in_order),
        cmocka_unit_test(results_have_names),
        cmocka_unit_test(results_that_time_may_change_are_remembered),
    };

    ledger = florin_ledger_new();
    if (!ledger) {
        return 1;
    }
    int failed = cmocka_run_group_tests_name("ledger_results", tests, NULL, NULL) +
                 cmocka_run_group_tests_name("ledger_result_lists", lists_tests, NULL, NULL);
    florin_ledger_destroy(&ledger);
    return failed;
}
