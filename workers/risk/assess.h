/* The risk rules, applied: a pure function of rules, what accounts have debited so far, and the
 * transfers.
 *
 * What a transfer is declined for here holds whatever else is in its batch: the batch itself is not
 * counted. Risk does not know which of its transfers the books will take (one may be a repeat of an
 * older one, another exceed its credits), so counting them could decline what is within the limit.
 * Windows are counted to the unit where that can be known: by the books, under the locks, with the
 * limits that come out of here. See docs/decisions/risk-windows.md. */
#ifndef FLORIN_ASSESS_H
#define FLORIN_ASSESS_H

#include "store/read/rules.h"

typedef enum {
    FLORIN_RISK_APPROVE = 1, /* as on the wire */
    FLORIN_RISK_REVIEW = 2,
    FLORIN_RISK_DECLINE = 3
} florin_risk_decision_t;

typedef enum {
    FLORIN_RISK_AMOUNT_ABOVE_MAXIMUM = 1, /* as on the wire */
    FLORIN_RISK_AMOUNT_ABOVE_REVIEW = 2,
    FLORIN_RISK_DEBIT_ACCOUNT_BLOCKED = 3,
    FLORIN_RISK_CREDIT_ACCOUNT_BLOCKED = 4,
    FLORIN_RISK_WINDOW_COUNT_ABOVE_MAXIMUM = 5,
    FLORIN_RISK_WINDOW_SUM_ABOVE_MAXIMUM = 6
} florin_risk_reason_t;

#define FLORIN_RISK_REASONS_MAX 6

typedef struct {
    florin_risk_decision_t decision;
    size_t reasons_count;
    florin_risk_reason_t reasons[FLORIN_RISK_REASONS_MAX]; /* all that apply, ascending */
} florin_assessment_t;

/* The window limits of the transfers' debit accounts, ascending by account, each once; `limits` has
 * room for one a transfer. An account that is debited in several currencies gets the strictest of
 * their limits (all but one of those transfers are refused by the books anyway). Returns how many.
 */
size_t florin_assess_limits(const florin_rules_t *rules, const florin_transfer_t *transfers,
                            size_t count, florin_window_limit_t *limits);

/* One transfer. `windows`, ascending by account, is what accounts have debited so far, with their
 * limits; for an account that is not there nothing is declined by window. */
void florin_assess(const florin_rules_t *rules, const florin_window_t *windows,
                   size_t windows_count, const florin_transfer_t *transfer,
                   florin_assessment_t *assessment);

#endif
