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
    bool other_is_imported, other_is_not; /* the request begins with another event, which ... */

    florin_transfer_event_t event;
    florin_transfer_t created; /* under the same id, when there is one */
    florin_transfer_result_t created_result;
    bool has_created;
    florin_account_t debit, credit;
    bool no_debit, no_credit;
    florin_window_t window;
    bool has_window;
    florin_transfer_t pending; /* what is posted or voided */
    florin_transfer_result_t pending_result;
    florin_pending_status_t pending_status;
    bool has_pending;

    florin_limit_event_t limit;
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
    w.limit = (florin_limit_event_t){.account_id = 1, .credit_limit = 50};
    w.opened = w.account;
    w.opened.timestamp = w.opened.timestamp_last = 7;

    w.debit =
        (florin_account_t){.id = 1, .ledger = 978, .code = 1, .timestamp = 3, .timestamp_last = 3};
    w.credit =
        (florin_account_t){.id = 2, .ledger = 978, .code = 1, .timestamp = 4, .timestamp_last = 4};
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

/* The same of events that are imported. */
static world_t well_imported(void)
{
    world_t w = well();
    w.account.flags = w.opened.flags = FLORIN_ACCOUNT_FLAG_IMPORTED;
    w.account.timestamp = 500;
    w.event.transfer.flags = w.created.flags = FLORIN_TRANSFER_FLAG_IMPORTED;
    w.event.transfer.timestamp = 500;
    return w;
}

static world_t well_pending(void)
{
    world_t w = well();
    w.event.transfer.flags = w.created.flags = FLORIN_TRANSFER_FLAG_PENDING;
    w.event.transfer.timeout_s = w.created.timeout_s = 60;
    return w;
}

static world_t well_posting(void)
{
    world_t w = well();
    w.has_pending = true;
    w.pending = w.created;
    w.pending.id = 30;
    w.pending.flags = FLORIN_TRANSFER_FLAG_PENDING;
    w.debit.balances.debits_pending = w.credit.balances.credits_pending = 100;
    w.event.transfer.flags = w.created.flags = FLORIN_TRANSFER_FLAG_POST_PENDING_TRANSFER;
    w.event.transfer.pending_id = w.created.pending_id = 30;
    return w;
}

static world_t well_voiding(void)
{
    world_t w = well_posting();
    w.event.transfer.flags = w.created.flags = FLORIN_TRANSFER_FLAG_VOID_PENDING_TRANSFER;
    w.debit.flags = w.credit.flags = FLORIN_ACCOUNT_FLAG_CLOSED; /* which a void may be */
    return w;
}

static uint16_t account_result_in(world_t *w)
{
    florin_account_outcome_t outcomes[2];
    florin_account_t events[2] = {{.flags = FLORIN_ACCOUNT_FLAG_IMPORTED}, w->account};
    bool alone = !w->other_is_imported && !w->other_is_not;
    florin_ledger_reset(ledger, 1000);
    if (w->has_opened) {
        w->opened.id = w->account.id;
        assert_true(florin_ledger_load_account(ledger, &w->opened));
    }
    if (w->other_is_not) {
        events[0].flags = 0;
    }
    assert_true(florin_ledger_open_accounts(ledger, events + alone, 2 - alone, outcomes + alone));
    return outcomes[1].result;
}

static uint16_t transfer_result_in(world_t *w)
{
    florin_transfer_outcome_t outcomes[2];
    florin_transfer_event_t events[2] = {{.transfer.flags = FLORIN_TRANSFER_FLAG_IMPORTED},
                                         w->event};
    bool alone = !w->other_is_imported && !w->other_is_not;
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
    if (w->has_pending && w->pending.id != w->event.transfer.id) {
        assert_true(florin_ledger_load_entry(ledger, &w->pending, w->pending_result));
        if (w->pending_status != FLORIN_PENDING_NONE) {
            (void)florin_ledger_load_pending(ledger, w->pending.id, w->pending_status);
        }
    }
    if (w->has_window && !w->no_debit) {
        assert_true(florin_ledger_load_window(ledger, &w->window));
    }
    if (w->other_is_not) {
        events[0].transfer.flags = 0;
    }
    assert_true(
        florin_ledger_create_transfers(ledger, events + alone, 2 - alone, outcomes + alone));
    return outcomes[1].result;
}

static uint16_t limit_result_in(world_t *w)
{
    florin_limit_outcome_t outcome;
    florin_ledger_reset(ledger, 1000);
    if (!w->no_debit) {
        assert_true(florin_ledger_load_account(ledger, &w->debit));
    }
    assert_true(florin_ledger_set_credit_limits(ledger, &w->limit, 1, &outcome));
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
BREAK(a_other_imported, w->other_is_imported = true)
BREAK(a_other_not, w->other_is_not = true)
BREAK(a_time_zero, w->account.timestamp = 0)
BREAK(a_time_out_of_range, w->account.timestamp = FLORIN_LEDGER_TIMESTAMP_MAX + 1)
BREAK(a_time_now, w->account.timestamp = 1000)
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
    {FLORIN_ACCOUNT_IMPORTED_EVENT_EXPECTED, a_other_imported},
    {FLORIN_ACCOUNT_TIMESTAMP_MUST_BE_ZERO, a_timestamp},
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

static const row_t imported_account_rows[] = {
    {FLORIN_ACCOUNT_LINKED_EVENT_CHAIN_OPEN, a_linked},
    {FLORIN_ACCOUNT_IMPORTED_EVENT_NOT_EXPECTED, a_other_not},
    {FLORIN_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE, a_time_zero},
    {FLORIN_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE, a_time_out_of_range},
    {FLORIN_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE, a_time_now},
    {FLORIN_ACCOUNT_RESERVED_FLAG, a_flag_unknown},
    {FLORIN_ACCOUNT_ID_MUST_NOT_BE_ZERO, a_id_zero},
    {FLORIN_ACCOUNT_EXISTS, a_exists},
    {FLORIN_ACCOUNT_LEDGER_MUST_NOT_BE_ZERO, a_ledger_zero},
    {FLORIN_ACCOUNT_CODE_MUST_NOT_BE_ZERO, a_code_zero},
};

/* --------------------------------------------------------------------------- the rules of limits
 */

BREAK(l_id_zero, w->limit.account_id = 0)
BREAK(l_id_max, w->limit.account_id = ID_MAX)
BREAK(l_no_account, w->no_debit = true)
BREAK(l_exceeds_credits, w->debit.flags |= FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS;
      w->debit.balances.debits_posted = 40; w->debit.balances.debits_pending = 21;
      w->debit.balances.credits_posted = 10)
BREAK(l_exceeds_debits, w->debit.flags |= FLORIN_ACCOUNT_FLAG_CREDITS_MUST_NOT_EXCEED_DEBITS;
      w->debit.balances.credits_posted = 140; w->debit.balances.credits_pending = 21;
      w->debit.balances.debits_posted = 110)

static const row_t limit_rows[] = {
    {FLORIN_LIMIT_ACCOUNT_ID_MUST_NOT_BE_ZERO, l_id_zero},
    {FLORIN_LIMIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX, l_id_max},
    {FLORIN_LIMIT_ACCOUNT_NOT_FOUND, l_no_account},
    {FLORIN_LIMIT_EXCEEDS_CREDITS, l_exceeds_credits},
};
/* An account has one bound at most, so the two can't be broken together. */
static const row_t limit_debits_rows[] = {{FLORIN_LIMIT_EXCEEDS_DEBITS, l_exceeds_debits}};

/* ------------------------------------------------------------------------ the rules of transfers
 */

#define T w->event.transfer
#define E w->created

BREAK(t_linked, T.flags |= FLORIN_TRANSFER_FLAG_LINKED)
BREAK(t_timestamp, T.timestamp = 1)
BREAK(t_other_imported, w->other_is_imported = true)
BREAK(t_other_not, w->other_is_not = true)
BREAK(t_time_zero, T.timestamp = 0)
BREAK(t_time_out_of_range, T.timestamp = FLORIN_LEDGER_TIMESTAMP_MAX + 1)
BREAK(t_time_now, T.timestamp = 1000)
BREAK(t_flag_review, T.flags |= FLORIN_TRANSFER_FLAG_REVIEW)
BREAK(t_flag_unknown, T.flags |= UINT32_C(1) << 31)
BREAK(t_id_zero, T.id = 0)
BREAK(t_id_max, T.id = ID_MAX)
BREAK(t_flags, w->has_created = true; E.flags |= FLORIN_TRANSFER_FLAG_LINKED)
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
BREAK(t_closing_debit, T.flags |= FLORIN_TRANSFER_FLAG_CLOSING_DEBIT; E.flags = T.flags)
BREAK(t_closing_credit, T.flags |= FLORIN_TRANSFER_FLAG_CLOSING_CREDIT; E.flags = T.flags)
BREAK(t_ledger_zero, T.ledger = E.ledger = 0)
BREAK(t_code_zero, T.code = E.code = 0)
BREAK(t_forbidden, w->event.verdict = FLORIN_VERDICT_FORBIDDEN)
BREAK(t_no_debit, w->no_debit = true)
BREAK(t_no_credit, w->no_credit = true)
BREAK(t_other_ledgers, w->credit.ledger = 840)
BREAK(t_other_ledger, w->debit.ledger = w->credit.ledger = 756)
BREAK(t_debit_moved, w->debit.timestamp_last = 500)
BREAK(t_credit_moved, w->credit.timestamp_last = 500)
BREAK(t_debit_opened, w->debit.timestamp = w->debit.timestamp_last = 500)
BREAK(t_credit_opened, w->credit.timestamp = w->credit.timestamp_last = 500)
BREAK(t_imported_timeout, T.timeout_s = E.timeout_s = 1; T.flags |= FLORIN_TRANSFER_FLAG_PENDING;
      E.flags = T.flags)
BREAK(t_debit_closed, w->debit.flags |= FLORIN_ACCOUNT_FLAG_CLOSED)
BREAK(t_credit_closed, w->credit.flags |= FLORIN_ACCOUNT_FLAG_CLOSED)
BREAK(t_debits_pending, w->debit.balances.debits_pending = FLORIN_LEDGER_AMOUNT_MAX - 99)
BREAK(t_credits_pending, w->credit.balances.credits_pending = FLORIN_LEDGER_AMOUNT_MAX - 99)
BREAK(t_late, w->credit.timestamp_last = FLORIN_LEDGER_TIMESTAMP_MAX - UINT64_C(60000000000))
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
BREAK(t_review, w->event.verdict = FLORIN_VERDICT_REVIEW)

#define P w->pending

BREAK(p_exclusive, T.flags |= FLORIN_TRANSFER_FLAG_POST_PENDING_TRANSFER |
                              FLORIN_TRANSFER_FLAG_VOID_PENDING_TRANSFER;
      E.flags = T.flags)
BREAK(p_pending, T.flags |= FLORIN_TRANSFER_FLAG_PENDING; E.flags = T.flags)
BREAK(p_balancing_debit, T.flags |= FLORIN_TRANSFER_FLAG_BALANCING_DEBIT; E.flags = T.flags)
BREAK(p_balancing_credit, T.flags |= FLORIN_TRANSFER_FLAG_BALANCING_CREDIT; E.flags = T.flags)
BREAK(p_closing_debit, T.flags |= FLORIN_TRANSFER_FLAG_CLOSING_DEBIT; E.flags = T.flags)
BREAK(p_closing_credit, T.flags |= FLORIN_TRANSFER_FLAG_CLOSING_CREDIT; E.flags = T.flags)
BREAK(p_id_zero, T.pending_id = E.pending_id = 0)
BREAK(p_id_max, T.pending_id = E.pending_id = ID_MAX)
BREAK(p_own_id, T.pending_id = E.pending_id = T.id)
BREAK(p_none, w->has_pending = false)
BREAK(p_refused, w->pending_result = FLORIN_TRANSFER_EXCEEDS_CREDITS)
BREAK(p_not_pending, P.flags = 0)
BREAK(p_other_debit, P.debit_account_id = 3)
BREAK(p_other_credit, P.credit_account_id = 3)
BREAK(p_other_ledger, P.ledger = 840)
BREAK(p_other_code, P.code = 2)
BREAK(p_less_pending, P.amount = 99)
BREAK(p_more_pending, P.amount = 101)
BREAK(p_posted, w->pending_status = FLORIN_PENDING_POSTED)
BREAK(p_voided, w->pending_status = FLORIN_PENDING_VOIDED)
BREAK(p_expired, w->pending_status = FLORIN_PENDING_EXPIRED)
BREAK(p_overdue, P.timeout_s = 1; P.timestamp = 0;
      w->credit.timestamp_last = UINT64_C(1000000000) - 1)

#undef P

#undef T
#undef E

/* Highest precedence first. */
static const row_t transfer_rows[] = {
    {FLORIN_TRANSFER_LINKED_EVENT_CHAIN_OPEN, t_linked},
    {FLORIN_TRANSFER_IMPORTED_EVENT_EXPECTED, t_other_imported},
    {FLORIN_TRANSFER_TIMESTAMP_MUST_BE_ZERO, t_timestamp},
    {FLORIN_TRANSFER_RESERVED_FLAG, t_flag_review},
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
    {FLORIN_TRANSFER_CLOSING_TRANSFER_MUST_BE_PENDING, t_closing_debit},
    {FLORIN_TRANSFER_CLOSING_TRANSFER_MUST_BE_PENDING, t_closing_credit},
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

static const row_t imported_transfer_rows[] = {
    {FLORIN_TRANSFER_LINKED_EVENT_CHAIN_OPEN, t_linked},
    {FLORIN_TRANSFER_IMPORTED_EVENT_NOT_EXPECTED, t_other_not},
    {FLORIN_TRANSFER_IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE, t_time_zero},
    {FLORIN_TRANSFER_IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE, t_time_out_of_range},
    {FLORIN_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE, t_time_now},
    {FLORIN_TRANSFER_RESERVED_FLAG, t_flag_review},
    {FLORIN_TRANSFER_ID_MUST_NOT_BE_ZERO, t_id_zero},
    {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS, t_flags},
    {FLORIN_TRANSFER_EXISTS, t_exists},
    {FLORIN_TRANSFER_ID_ALREADY_FAILED, t_failed},
    {FLORIN_TRANSFER_CODE_MUST_NOT_BE_ZERO, t_code_zero},
    {FLORIN_TRANSFER_NOT_AUTHORIZED, t_forbidden},
    {FLORIN_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND, t_no_debit},
    {FLORIN_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND, t_no_credit},
    {FLORIN_TRANSFER_ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER, t_other_ledgers},
    {FLORIN_TRANSFER_TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS, t_other_ledger},
    {FLORIN_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, t_debit_moved},
    {FLORIN_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, t_credit_moved},
    {FLORIN_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT, t_debit_opened},
    {FLORIN_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT, t_credit_opened},
    {FLORIN_TRANSFER_IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO, t_imported_timeout},
    {FLORIN_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED, t_debit_closed},
    {FLORIN_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED, t_credit_closed},
    {FLORIN_TRANSFER_OVERFLOWS_DEBITS_POSTED, t_debits_posted},
    {FLORIN_TRANSFER_RISK_DECLINED, t_declined},
    {FLORIN_TRANSFER_RISK_DECLINED, t_review},
    {FLORIN_TRANSFER_RISK_UNAVAILABLE, t_unavailable},
};

static const row_t pending_transfer_rows[] = {
    {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS, t_flags},
    {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_TIMEOUT, t_timeout},
    {FLORIN_TRANSFER_EXISTS, t_exists},
    {FLORIN_TRANSFER_PENDING_ID_MUST_BE_ZERO, t_has_pending_id},
    {FLORIN_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED, t_debit_closed},
    {FLORIN_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED, t_credit_closed},
    {FLORIN_TRANSFER_OVERFLOWS_DEBITS_PENDING, t_debits_pending},
    {FLORIN_TRANSFER_OVERFLOWS_CREDITS_PENDING, t_credits_pending},
    {FLORIN_TRANSFER_OVERFLOWS_DEBITS_POSTED, t_debits_posted},
    {FLORIN_TRANSFER_OVERFLOWS_CREDITS_POSTED, t_credits_posted},
    {FLORIN_TRANSFER_OVERFLOWS_TIMEOUT, t_late},
    {FLORIN_TRANSFER_EXCEEDS_CREDITS, t_exceeds_credits},
    {FLORIN_TRANSFER_EXCEEDS_DEBITS, t_exceeds_debits},
    {FLORIN_TRANSFER_RISK_DECLINED, t_review},
    {FLORIN_TRANSFER_RISK_DECLINED, t_window_sum},
    {FLORIN_TRANSFER_RISK_UNAVAILABLE, t_unavailable},
};

#define RESOLVING_ROWS_TO_CODE                                                                     \
    {FLORIN_TRANSFER_LINKED_EVENT_CHAIN_OPEN, t_linked},                                           \
        {FLORIN_TRANSFER_TIMESTAMP_MUST_BE_ZERO, t_timestamp},                                     \
        {FLORIN_TRANSFER_ID_MUST_NOT_BE_ZERO, t_id_zero},                                          \
        {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS, t_flags},                                    \
        {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_PENDING_ID, t_pending_id},                          \
        {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_TIMEOUT, t_timeout},                                \
        {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID, t_debit_id},                      \
        {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID, t_credit_id},                    \
        {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_AMOUNT, t_amount},                                  \
        {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA, t_user_data},                            \
        {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_REFERENCE, t_reference},                            \
        {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_LEDGER, t_ledger},                                  \
        {FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_CODE, t_code}, {FLORIN_TRANSFER_EXISTS, t_exists},  \
        {FLORIN_TRANSFER_ID_ALREADY_FAILED, t_failed},                                             \
        {FLORIN_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE, p_exclusive},                               \
        {FLORIN_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE, p_pending},                                 \
        {FLORIN_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE, p_closing_debit},                           \
        {FLORIN_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE, p_closing_credit},                          \
        {FLORIN_TRANSFER_PENDING_ID_MUST_NOT_BE_ZERO, p_id_zero},                                  \
        {FLORIN_TRANSFER_PENDING_ID_MUST_NOT_BE_INT_MAX, p_id_max},                                \
        {FLORIN_TRANSFER_PENDING_ID_MUST_BE_DIFFERENT, p_own_id},                                  \
        {FLORIN_TRANSFER_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER, t_has_timeout},                    \
        {FLORIN_TRANSFER_NOT_AUTHORIZED, t_forbidden},                                             \
        {FLORIN_TRANSFER_PENDING_TRANSFER_NOT_FOUND, p_none},                                      \
        {FLORIN_TRANSFER_PENDING_TRANSFER_NOT_FOUND, p_refused},                                   \
        {FLORIN_TRANSFER_PENDING_TRANSFER_NOT_PENDING, p_not_pending},                             \
        {FLORIN_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID, p_other_debit},          \
        {FLORIN_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID, p_other_credit},        \
        {FLORIN_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_LEDGER, p_other_ledger},                   \
        {FLORIN_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_CODE, p_other_code},                       \
    {                                                                                              \
        FLORIN_TRANSFER_EXCEEDS_PENDING_TRANSFER_AMOUNT, p_less_pending                            \
    }

#define RESOLVED_ROWS                                                                              \
    {FLORIN_TRANSFER_PENDING_TRANSFER_ALREADY_POSTED, p_posted},                                   \
        {FLORIN_TRANSFER_PENDING_TRANSFER_ALREADY_VOIDED, p_voided},                               \
        {FLORIN_TRANSFER_PENDING_TRANSFER_EXPIRED, p_expired},                                     \
    {                                                                                              \
        FLORIN_TRANSFER_PENDING_TRANSFER_EXPIRED, p_overdue                                        \
    }

static const row_t posting_rows[] = {
    RESOLVING_ROWS_TO_CODE,
    RESOLVED_ROWS,
    {FLORIN_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED, t_debit_closed},
    {FLORIN_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED, t_credit_closed},
};

/* Balancing is in the way of comparing with an amount that exists: so it stands here. */
static const row_t voiding_rows[] = {
    RESOLVING_ROWS_TO_CODE,
    {FLORIN_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT, p_more_pending},
    RESOLVED_ROWS,
};

static const row_t posting_balancing_rows[] = {
    {FLORIN_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE, p_balancing_debit},
    {FLORIN_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE, p_balancing_credit},
    {FLORIN_TRANSFER_PENDING_ID_MUST_NOT_BE_ZERO, p_id_zero},
};

/* -------------------------------------------------------------------------------------- the tests
 */

typedef uint16_t(result_in_fn)(world_t *w);
typedef const char *(name_fn)(unsigned result);

typedef world_t(well_fn)(void);

typedef struct {
    const char *what;
    well_fn *well;
    const row_t *rows;
    size_t rows_count;
    result_in_fn *result_in;
    name_fn *name;
} list_t;

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define LIST(what, well, rows, kind)                                                               \
    {                                                                                              \
        what, well, rows, COUNT(rows), kind##_result_in, florin_##kind##_result_name               \
    }

static const list_t lists[] = {
    LIST("account", well, account_rows, account),
    LIST("imported account", well_imported, imported_account_rows, account),
    LIST("limit", well, limit_rows, limit),
    LIST("limit", well, limit_debits_rows, limit),
    LIST("transfer", well, transfer_rows, transfer),
    LIST("imported transfer", well_imported, imported_transfer_rows, transfer),
    LIST("pending transfer", well_pending, pending_transfer_rows, transfer),
    LIST("post", well_posting, posting_rows, transfer),
    LIST("post", well_posting, posting_balancing_rows, transfer),
    LIST("void", well_voiding, voiding_rows, transfer),
};

/* The test of one row. */
typedef struct {
    const list_t *list;
    size_t row;
    char title[80];
} case_t;

static bool is_exists(uint16_t result)
{
    return result >= FLORIN_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS &&
           result <= FLORIN_TRANSFER_ID_ALREADY_FAILED;
}

static bool is_about_pending(uint16_t result)
{
    return result >= FLORIN_TRANSFER_PENDING_ID_MUST_NOT_BE_ZERO &&
           result <= FLORIN_TRANSFER_PENDING_TRANSFER_EXPIRED;
}

/* Most rules can be broken along with any below them; those can't that would have something be two
 * things at once: there and failed, pending and refused, of one time and of another. */
static bool can_both_be_broken(const list_t *list, const row_t *high, const row_t *low)
{
    bool transfer = list->result_in == transfer_result_in;
    if (high->result == low->result && transfer) {
        return false;
    }
    if (low->break_rule == t_failed && is_exists(high->result)) {
        return false;
    }
    if (high->break_rule == t_debit_moved || high->break_rule == t_credit_moved ||
        high->break_rule == t_debit_opened) {
        return low->break_rule != t_debit_opened && low->break_rule != t_credit_opened;
    }
    /* What exists is compared with what it has from the pending transfer. */
    bool posts_or_voids = list->rows == posting_rows || list->rows == voiding_rows;
    if (posts_or_voids && is_exists(high->result) && transfer) {
        return !is_about_pending(low->result);
    }
    return true;
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
    world_t w = c->list->well();
    assert_result(c->list, &w, 0, NULL);
    row->break_rule(&w);
    assert_result(c->list, &w, row->result, NULL);

    for (size_t i = c->row + 1; i < c->list->rows_count; i++) {
        const row_t *hidden = &c->list->rows[i];
        if (can_both_be_broken(c->list, row, hidden)) {
            w = c->list->well();
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
                assert_in_range(last, FLORIN_TRANSFER_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER,
                                FLORIN_TRANSFER_CODE_MUST_NOT_BE_ZERO);
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
    assert_string_equal(florin_transfer_result_name(70), "id_given_up");
    assert_null(florin_transfer_result_name(71));
    assert_null(florin_transfer_result_name(UINT32_MAX));
    assert_string_equal(florin_limit_result_name(0), "set");
    assert_string_equal(florin_limit_result_name(5), "exceeds_debits");
    assert_null(florin_limit_result_name(6));
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
        CASES_MAX = COUNT(account_rows) + COUNT(imported_account_rows) + COUNT(limit_rows) +
                    COUNT(limit_debits_rows) + COUNT(transfer_rows) +
                    COUNT(imported_transfer_rows) + COUNT(pending_transfer_rows) +
                    COUNT(posting_rows) + COUNT(posting_balancing_rows) + COUNT(voiding_rows)
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
