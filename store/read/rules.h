/* The risk rules, as the control database holds them. */
#ifndef FLORIN_STORE_RULES_H
#define FLORIN_STORE_RULES_H

#include "store/store.h"

#define FLORIN_RULES_MAX          4096
#define FLORIN_RULES_ACCOUNTS_MAX 65536

/* By currency. 0 in any of the maxima means: none. */
typedef struct {
    uint32_t ledger;
    uint64_t amount_max;   /* above: declined */
    uint64_t review_above; /* above: to review */
    uint32_t window_s;     /* 0: no window */
    uint32_t
        window_count_max; /* debits of one account in any window; 1 to FLORIN_WINDOW_COUNT_MAX */
    uint64_t window_sum_max;
} florin_ledger_rule_t;

/* By account: blocked ones are declined on either side; allowed ones skip the currency's rules when
 * they are the debit account. */
typedef struct {
    florin_id_t account_id;
    bool blocked; /* else allowed */
} florin_account_rule_t;

typedef struct {
    florin_ledger_rule_t *ledgers; /* ascending by ledger */
    size_t ledgers_count;
    florin_account_rule_t *accounts; /* ascending by id */
    size_t accounts_count;
} florin_rules_t;

/* Reads all rules in one snapshot; on success *rules is replaced (the old content freed). */
int florin_store_rules_load(florin_store_t *self, florin_rules_t *rules,
                            florin_error_t *error) FLORIN_MUST_USE;
void florin_rules_clear(florin_rules_t *rules);

/* True when the rules may have changed since they were loaded: a notification came, or the
 * connection that listens was lost and made anew. Never blocks longer than a connection takes. */
bool florin_store_rules_changed(florin_store_t *self);

#endif
