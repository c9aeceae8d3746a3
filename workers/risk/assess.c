#include "workers/risk/assess.h"

#include <stdlib.h>

static int compare_ledger_rules(const void *a_p, const void *b_p)
{
    const florin_ledger_rule_t *a = a_p, *b = b_p;
    return (a->ledger > b->ledger) - (a->ledger < b->ledger);
}

static int compare_account_rules(const void *a_p, const void *b_p)
{
    const florin_account_rule_t *a = a_p, *b = b_p;
    return (a->account_id > b->account_id) - (a->account_id < b->account_id);
}

static int compare_limits(const void *a_p, const void *b_p)
{
    const florin_window_limit_t *a = a_p, *b = b_p;
    return (a->account_id > b->account_id) - (a->account_id < b->account_id);
}

static int compare_windows(const void *a_p, const void *b_p)
{
    const florin_window_t *a = a_p, *b = b_p;
    return (a->account_id > b->account_id) - (a->account_id < b->account_id);
}

/* bsearch, for an array that may be NULL when it is empty. */
static const void *find(const void *key, const void *array, size_t count, size_t bytes,
                        int (*compare)(const void *, const void *))
{
    return count == 0 ? NULL : bsearch(key, array, count, bytes, compare);
}

static const florin_account_rule_t *account_rule(const florin_rules_t *rules, florin_id_t id)
{
    const florin_account_rule_t key = {.account_id = id};
    return find(&key, rules->accounts, rules->accounts_count, sizeof(key), compare_account_rules);
}

static bool blocked(const florin_rules_t *rules, florin_id_t account_id)
{
    const florin_account_rule_t *rule = account_rule(rules, account_id);
    return rule && rule->blocked;
}

/* The rule of the transfer's currency; NULL when there is none, or the debit account is exempt. */
static const florin_ledger_rule_t *ledger_rule(const florin_rules_t *rules,
                                               const florin_transfer_t *transfer)
{
    const florin_account_rule_t *debit = account_rule(rules, transfer->debit_account_id);
    const florin_ledger_rule_t key = {.ledger = transfer->ledger};
    if (debit && !debit->blocked)
        return NULL;
    return find(&key, rules->ledgers, rules->ledgers_count, sizeof(key), compare_ledger_rules);
}

/* A maximum of 0 is none; the books count no further than their own bounds. */
static florin_window_limit_t limit_of(const florin_ledger_rule_t *rule, florin_id_t account_id)
{
    uint32_t count_max = rule->window_count_max;
    return (florin_window_limit_t){.account_id = account_id,
                                   .window_s = rule->window_s,
                                   .count_max = count_max > 0 ? count_max : FLORIN_WINDOW_COUNT_MAX,
                                   .sum_max = rule->window_sum_max > 0 ? rule->window_sum_max
                                                                       : FLORIN_LEDGER_AMOUNT_MAX};
}

static void tighten(florin_window_limit_t *limit, const florin_window_limit_t *other)
{
    if (other->window_s > limit->window_s)
        limit->window_s = other->window_s;
    if (other->count_max < limit->count_max)
        limit->count_max = other->count_max;
    if (other->sum_max < limit->sum_max)
        limit->sum_max = other->sum_max;
}

size_t florin_assess_limits(const florin_rules_t *rules, const florin_transfer_t *transfers,
                            size_t count, florin_window_limit_t *limits)
{
    size_t found = 0, kept = 0;
    for (size_t i = 0; i < count; i++) {
        const florin_ledger_rule_t *rule = ledger_rule(rules, &transfers[i]);
        if (rule && rule->window_s > 0 && transfers[i].debit_account_id != 0)
            limits[found++] = limit_of(rule, transfers[i].debit_account_id);
    }
    if (found > 0)
        qsort(limits, found, sizeof(limits[0]), compare_limits);
    for (size_t i = 0; i < found; i++) {
        if (kept > 0 && limits[kept - 1].account_id == limits[i].account_id)
            tighten(&limits[kept - 1], &limits[i]);
        else
            limits[kept++] = limits[i];
    }
    return kept;
}

static void add(florin_assessment_t *assessment, florin_risk_decision_t decision,
                florin_risk_reason_t reason)
{
    assessment->reasons[assessment->reasons_count++] = reason;
    if (decision > assessment->decision)
        assessment->decision = decision;
}

static void assess_window(const florin_window_t *windows, size_t windows_count,
                          const florin_transfer_t *transfer, florin_assessment_t *assessment)
{
    const florin_window_t key = {.account_id = transfer->debit_account_id};
    const florin_window_t *window =
        find(&key, windows, windows_count, sizeof(key), compare_windows);
    if (!window)
        return;
    if (window->count >= window->count_max)
        add(assessment, FLORIN_RISK_DECLINE, FLORIN_RISK_WINDOW_COUNT_ABOVE_MAXIMUM);
    if (florin_window_passes_sum(window, transfer->amount))
        add(assessment, FLORIN_RISK_DECLINE, FLORIN_RISK_WINDOW_SUM_ABOVE_MAXIMUM);
}

void florin_assess(const florin_rules_t *rules, const florin_window_t *windows,
                   size_t windows_count, const florin_transfer_t *transfer,
                   florin_assessment_t *assessment)
{
    const florin_ledger_rule_t *rule = ledger_rule(rules, transfer);
    *assessment = (florin_assessment_t){.decision = FLORIN_RISK_APPROVE};
    if (rule && rule->amount_max > 0 && transfer->amount > rule->amount_max)
        add(assessment, FLORIN_RISK_DECLINE, FLORIN_RISK_AMOUNT_ABOVE_MAXIMUM);
    if (rule && rule->review_above > 0 && transfer->amount > rule->review_above)
        add(assessment, FLORIN_RISK_REVIEW, FLORIN_RISK_AMOUNT_ABOVE_REVIEW);
    if (blocked(rules, transfer->debit_account_id))
        add(assessment, FLORIN_RISK_DECLINE, FLORIN_RISK_DEBIT_ACCOUNT_BLOCKED);
    if (blocked(rules, transfer->credit_account_id))
        add(assessment, FLORIN_RISK_DECLINE, FLORIN_RISK_CREDIT_ACCOUNT_BLOCKED);
    if (rule && rule->window_s > 0)
        assess_window(windows, windows_count, transfer, assessment);
}
