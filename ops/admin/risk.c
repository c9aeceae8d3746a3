/* The commands that keep the rules of risk. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/id.h"
#include "lib/money.h"
#include "ops/admin/admin.h"

static int parse_currency(const char *text, const florin_currency_t **currency,
                          florin_error_t *error)
{
    *currency = florin_currency_by_code(text);
    if (*currency)
        return 0;
    return florin_error_set(error, FLORIN_ERROR_INVALID,
                            "%s is no currency of ISO 4217, such as EUR", text);
}

/* An amount that may be left out, and is more than nothing. */
static int parse_amount(const char *text, const char *what, const florin_currency_t *currency,
                        uint64_t *amount, florin_error_t *error)
{
    if (!text)
        return 0;
    int result = florin_money_parse(text, what, currency, amount, error);
    if (result == 0 && *amount == 0)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "%s: must be more than 0", what);
    return result;
}

int admin_risk_set(const admin_arguments_t *arguments)
{
    florin_error_t error = {0};
    florin_ledger_rule_t rule = {0};
    const florin_currency_t *currency;
    int result = parse_currency(arguments->words[0], &currency, &error);
    if (result == 0)
        result = parse_amount(arguments->max, "--max", currency, &rule.amount_max, &error);
    if (result == 0)
        result = parse_amount(arguments->review_above, "--review-above", currency,
                              &rule.review_above, &error);
    if (result == 0)
        result = admin_number(arguments->window, "--window", 1, &rule.window_s, &error);
    if (result == 0)
        result = admin_number(arguments->count, "--count", 1, &rule.window_count_max, &error);
    if (result == 0)
        result = parse_amount(arguments->sum, "--sum", currency, &rule.window_sum_max, &error);
    if (result == 0 && !rule.amount_max && !rule.review_above && !rule.window_s)
        result = florin_error_set(&error, FLORIN_ERROR_INVALID,
                                  "risk set needs a limit: --max, --review-above, or --window with "
                                  "--count or --sum");
    if (result == 0) {
        rule.ledger = currency->numeric;
        result = florin_admin_ledger_rule_set(arguments->control, &rule, &error);
    }
    return result == 0 ? ADMIN_DONE : admin_fail(&error);
}

int admin_risk_unset(const admin_arguments_t *arguments)
{
    florin_error_t error = {0};
    const florin_currency_t *currency;
    int result = parse_currency(arguments->words[0], &currency, &error);
    if (result == 0)
        result = florin_admin_ledger_rule_set(
            arguments->control, &(florin_ledger_rule_t){.ledger = currency->numeric}, &error);
    return result == 0 ? ADMIN_DONE : admin_fail(&error);
}

static int set_account(const admin_arguments_t *arguments, florin_rule_kind_t kind)
{
    florin_error_t error = {0};
    florin_id_t id;
    int result = florin_id_parse(arguments->words[0], "ACCOUNT", &id, &error);
    if (result == 0)
        result = florin_admin_account_rule_set(arguments->control, id, kind, &error);
    return result == 0 ? ADMIN_DONE : admin_fail(&error);
}

int admin_risk_block(const admin_arguments_t *arguments)
{
    return set_account(arguments, FLORIN_RULE_BLOCKED);
}

int admin_risk_allow(const admin_arguments_t *arguments)
{
    return set_account(arguments, FLORIN_RULE_ALLOWED);
}

int admin_risk_free(const admin_arguments_t *arguments)
{
    return set_account(arguments, FLORIN_RULE_NONE);
}

/* Prints nothing for a limit that is not there. A ledger that is no currency counts in units. */
static void show_amount(const char *what, uint64_t amount, uint32_t ledger)
{
    const florin_currency_t *currency = florin_currency_by_numeric(ledger);
    char text[FLORIN_MONEY_TEXT_BYTES];
    if (amount && currency)
        printf(", %s %s", what, florin_money_format(amount, currency, text));
    else if (amount)
        printf(", %s %llu", what, (unsigned long long)amount);
}

static void show_ledger_rule(const florin_ledger_rule_t *rule)
{
    const florin_currency_t *currency = florin_currency_by_numeric(rule->ledger);
    printf("%s (%u)", currency ? currency->code : "ledger", rule->ledger);
    show_amount("decline above", rule->amount_max, rule->ledger);
    show_amount("review above", rule->review_above, rule->ledger);
    if (rule->window_s)
        printf(", in any %u s", rule->window_s);
    if (rule->window_count_max)
        printf(", at most %u debits", rule->window_count_max);
    show_amount("at most", rule->window_sum_max, rule->ledger);
    putchar('\n');
}

int admin_risk_show(const admin_arguments_t *arguments)
{
    florin_error_t error = {0};
    florin_store_t *store = NULL;
    florin_rules_t rules = {0};
    int result = admin_store(arguments, NULL, &store, &error);
    if (result == 0)
        result = florin_store_rules_load(store, &rules, &error);
    for (size_t i = 0; i < rules.ledgers_count; i++)
        show_ledger_rule(&rules.ledgers[i]);
    for (size_t i = 0; i < rules.accounts_count; i++) {
        char id[FLORIN_ID_TEXT_BYTES];
        printf("account %s: %s\n", florin_id_format(rules.accounts[i].account_id, id),
               rules.accounts[i].blocked ? "blocked" : "allowed");
    }
    if (result == 0 && rules.ledgers_count + rules.accounts_count == 0)
        printf("no rules\n");
    florin_rules_clear(&rules);
    florin_store_destroy(&store);
    return result == 0 ? ADMIN_DONE : admin_fail(&error);
}
