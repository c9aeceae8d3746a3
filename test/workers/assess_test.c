/* The risk rules as a pure function. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Pure, and of one program only: compiled into its test. */
#include "workers/risk/assess.c" /* NOLINT(bugprone-suspicious-include) */

#define EUR 978
#define USD 840
#define JPY 392

static florin_ledger_rule_t ledgers[] = {
    {.ledger = USD, .window_s = 60, .window_count_max = 3, .window_sum_max = 700},
    {.ledger = EUR,
     .amount_max = 1000,
     .review_above = 500,
     .window_s = 3600,
     .window_count_max = 5,
     .window_sum_max = 2000},
};

static florin_account_rule_t accounts[] = {
    {.account_id = 10, .blocked = true},
    {.account_id = 20, .blocked = false},
    {.account_id = 30, .blocked = true},
};

static const florin_rules_t rules = {ledgers, 2, accounts, 3};

static florin_transfer_t transfer(uint32_t ledger, florin_id_t debit, florin_id_t credit,
                                  uint64_t amount)
{
    return (florin_transfer_t){
        .ledger = ledger, .debit_account_id = debit, .credit_account_id = credit, .amount = amount};
}

static void check(const florin_rules_t *by, const florin_window_t *windows, size_t windows_count,
                  florin_transfer_t of, florin_risk_decision_t decision, size_t count,
                  const florin_risk_reason_t *reasons)
{
    florin_assessment_t assessment;
    florin_assess(by, windows, windows_count, &of, &assessment);
    assert_int_equal(assessment.decision, decision);
    assert_int_equal(assessment.reasons_count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(assessment.reasons[i], reasons[i]);
}

#define CHECK(of, decision, ...)                                                                   \
    do {                                                                                           \
        const florin_risk_reason_t reasons[] = {__VA_ARGS__};                                      \
        check(&rules, NULL, 0, of, decision, sizeof(reasons) / sizeof(reasons[0]), reasons);       \
    } while (0)

static void test_amounts(void **state)
{
    (void)state;
    check(&rules, NULL, 0, transfer(EUR, 1, 2, 0), FLORIN_RISK_APPROVE, 0, NULL);
    check(&rules, NULL, 0, transfer(EUR, 1, 2, 500), FLORIN_RISK_APPROVE, 0, NULL);
    CHECK(transfer(EUR, 1, 2, 501), FLORIN_RISK_REVIEW, FLORIN_RISK_AMOUNT_ABOVE_REVIEW);
    CHECK(transfer(EUR, 1, 2, 1000), FLORIN_RISK_REVIEW, FLORIN_RISK_AMOUNT_ABOVE_REVIEW);
    CHECK(transfer(EUR, 1, 2, 1001), FLORIN_RISK_DECLINE, FLORIN_RISK_AMOUNT_ABOVE_MAXIMUM,
          FLORIN_RISK_AMOUNT_ABOVE_REVIEW);
}

static void test_no_rule_is_no_limit(void **state)
{
    (void)state;
    const florin_rules_t none = {0};
    const florin_transfer_t yen = transfer(JPY, 1, 2, FLORIN_LEDGER_AMOUNT_MAX);
    check(&rules, NULL, 0, yen, FLORIN_RISK_APPROVE, 0, NULL);
    check(&none, NULL, 0, yen, FLORIN_RISK_APPROVE, 0, NULL);
    check(&rules, NULL, 0, transfer(USD, 1, 2, FLORIN_LEDGER_AMOUNT_MAX), FLORIN_RISK_APPROVE, 0,
          NULL); /* a rule with a window only */
}

static void test_blocked_and_allowed(void **state)
{
    (void)state;
    CHECK(transfer(EUR, 10, 2, 1), FLORIN_RISK_DECLINE, FLORIN_RISK_DEBIT_ACCOUNT_BLOCKED);
    CHECK(transfer(JPY, 1, 30, 1), FLORIN_RISK_DECLINE, FLORIN_RISK_CREDIT_ACCOUNT_BLOCKED);
    CHECK(transfer(EUR, 10, 30, 1001), FLORIN_RISK_DECLINE, FLORIN_RISK_AMOUNT_ABOVE_MAXIMUM,
          FLORIN_RISK_AMOUNT_ABOVE_REVIEW, FLORIN_RISK_DEBIT_ACCOUNT_BLOCKED,
          FLORIN_RISK_CREDIT_ACCOUNT_BLOCKED);
    /* Allowed as debit account: the currency's rules don't count, a blocked other side does. */
    check(&rules, NULL, 0, transfer(EUR, 20, 2, 5000), FLORIN_RISK_APPROVE, 0, NULL);
    CHECK(transfer(EUR, 20, 10, 5000), FLORIN_RISK_DECLINE, FLORIN_RISK_CREDIT_ACCOUNT_BLOCKED);
    CHECK(transfer(EUR, 1, 20, 501), FLORIN_RISK_REVIEW, FLORIN_RISK_AMOUNT_ABOVE_REVIEW);
}

static void check_window(uint32_t count, uint64_t sum, uint64_t amount,
                         florin_risk_decision_t decision, size_t reasons_count,
                         const florin_risk_reason_t *reasons)
{
    const florin_window_t windows[] = {
        {.account_id = 1, .count = count, .sum = sum, .count_max = 5, .sum_max = 2000},
        {.account_id = 2, .count = 99, .sum = 9999, .count_max = 5, .sum_max = 2000}};
    check(&rules, windows, 2, transfer(EUR, 1, 2, amount), decision, reasons_count, reasons);
}

static void test_windows(void **state)
{
    (void)state;
    const florin_risk_reason_t count = FLORIN_RISK_WINDOW_COUNT_ABOVE_MAXIMUM;
    const florin_risk_reason_t sum = FLORIN_RISK_WINDOW_SUM_ABOVE_MAXIMUM;
    const florin_risk_reason_t both[] = {count, sum};
    check_window(4, 1900, 100, FLORIN_RISK_APPROVE, 0, NULL);
    check_window(4, 1900, 101, FLORIN_RISK_DECLINE, 1, &sum);
    check_window(5, 0, 1, FLORIN_RISK_DECLINE, 1, &count);
    check_window(5, 2000, 1, FLORIN_RISK_DECLINE, 2, both);
    check_window(4, 2000, 0, FLORIN_RISK_APPROVE, 0, NULL);
    check_window(4, UINT64_MAX, 0, FLORIN_RISK_DECLINE, 1, &sum); /* the limit was lowered since */
    check_window(0, 1, UINT64_MAX, FLORIN_RISK_DECLINE, 3,
                 (florin_risk_reason_t[]){FLORIN_RISK_AMOUNT_ABOVE_MAXIMUM,
                                          FLORIN_RISK_AMOUNT_ABOVE_REVIEW, sum});
}

/* A window that is full holds for the debit side, for accounts under the rule. */
static void test_windows_of_others(void **state)
{
    (void)state;
    const florin_window_t full[] = {{.account_id = 1, .count = 5, .count_max = 5},
                                    {.account_id = 20, .count = 5, .count_max = 5}};
    check(&rules, full, 2, transfer(EUR, 2, 1, 0), FLORIN_RISK_APPROVE, 0, NULL);
    check(&rules, full, 2, transfer(EUR, 20, 2, 0), FLORIN_RISK_APPROVE, 0, NULL);
    check(&rules, full, 2, transfer(JPY, 1, 2, 0), FLORIN_RISK_APPROVE, 0, NULL);
}

static void test_limits(void **state)
{
    (void)state;
    const florin_transfer_t transfers[] = {
        transfer(EUR, 7, 2, 1),  transfer(EUR, 3, 7, 1),  transfer(JPY, 4, 3, 1),
        transfer(EUR, 7, 3, 1),  transfer(EUR, 20, 7, 1), transfer(EUR, 0, 7, 1),
        transfer(EUR, 10, 7, 1),
    };
    florin_window_limit_t limits[7] = {{0}};
    assert_int_equal(florin_assess_limits(&rules, transfers, 7, limits), 3);
    const florin_id_t expected[] = {3, 7, 10}; /* neither allowed, nor without rule, nor zero */
    for (size_t i = 0; i < 3; i++) {
        assert_true(limits[i].account_id == expected[i]);
        assert_int_equal(limits[i].window_s, 3600);
        assert_int_equal(limits[i].count_max, 5);
        assert_int_equal(limits[i].sum_max, 2000);
    }
    assert_int_equal(florin_assess_limits(&rules, transfers, 0, limits), 0);
}

/* One of the two is refused by the books for its ledger. It must not bring the lax limit in. */
static void test_limits_of_two_currencies(void **state)
{
    (void)state;
    const florin_transfer_t transfers[] = {transfer(USD, 1, 2, 1), transfer(EUR, 1, 2, 1)};
    florin_window_limit_t limits[2] = {{0}};
    assert_int_equal(florin_assess_limits(&rules, transfers, 2, limits), 1);
    assert_int_equal(limits[0].window_s, 3600);
    assert_int_equal(limits[0].count_max, 3);
    assert_int_equal(limits[0].sum_max, 700);
}

static void test_limits_without_maximum(void **state)
{
    (void)state;
    florin_ledger_rule_t counted = {.ledger = EUR, .window_s = 60, .window_count_max = 2};
    florin_ledger_rule_t summed = {.ledger = EUR, .window_s = 60, .window_sum_max = 9};
    const florin_transfer_t of = transfer(EUR, 1, 2, 1);
    florin_window_limit_t limit = {0};
    assert_int_equal(florin_assess_limits(&(florin_rules_t){&counted, 1, NULL, 0}, &of, 1, &limit),
                     1);
    assert_int_equal(limit.count_max, 2);
    assert_true(limit.sum_max == FLORIN_LEDGER_AMOUNT_MAX);
    assert_int_equal(florin_assess_limits(&(florin_rules_t){&summed, 1, NULL, 0}, &of, 1, &limit),
                     1);
    assert_int_equal(limit.count_max, FLORIN_WINDOW_COUNT_MAX);
    assert_int_equal(limit.sum_max, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_amounts),
        cmocka_unit_test(test_no_rule_is_no_limit),
        cmocka_unit_test(test_blocked_and_allowed),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_windows_of_others),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_limits_of_two_currencies),
        cmocka_unit_test(test_limits_without_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
