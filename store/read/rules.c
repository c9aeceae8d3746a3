#include "store/read/rules.h"

#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

void florin_rules_clear(florin_rules_t *rules)
{
    free(rules->ledgers);
    free(rules->accounts);
    *rules = (florin_rules_t){0};
}

/* An open control session that listens: what changes from now on is heard of. */
static int listen_control(florin_store_t *self, florin_error_t *error)
{
    int result = florin_store_open_control(self, error);
    if (result != 0 || self->listens_since == self->control.openings)
        return result;
    florin_session_begin(&self->control);
    florin_session_command(&self->control, "LISTEN florin_risk_rules");
    florin_session_sync(&self->control);
    result = florin_session_finish(&self->control, florin_store_deadline(self), error);
    if (result == 0)
        self->listens_since = self->control.openings;
    return result;
}

static void read_rules(const PGresult *ledgers, const PGresult *accounts, florin_rules_t *rules)
{
    for (; rules->ledgers_count < (size_t)PQntuples(ledgers); rules->ledgers_count++) {
        int row = (int)rules->ledgers_count;
        rules->ledgers[row] = (florin_ledger_rule_t){
            .ledger = florin_column_u32(ledgers, row, 0),
            .amount_max = florin_column_u64(ledgers, row, 1),
            .review_above = florin_column_u64(ledgers, row, 2),
            .window_s = florin_column_u32(ledgers, row, 3),
            .window_count_max = florin_column_u32(ledgers, row, 4),
            .window_sum_max = florin_column_u64(ledgers, row, 5),
        };
    }
    for (; rules->accounts_count < (size_t)PQntuples(accounts); rules->accounts_count++) {
        int row = (int)rules->accounts_count;
        rules->accounts[row] = (florin_account_rule_t){
            .account_id = florin_column_id(accounts, row, 0),
            .blocked = florin_column_bool(accounts, row, 1),
        };
    }
}

/* Both tables in one snapshot; then the commit, whose place in the round is the last. */
static int query_rules(florin_session_t *session, uint64_t deadline_ms, florin_error_t *error)
{
    florin_session_begin(session);
    florin_session_command(session, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    florin_session_call(session, FLORIN_SQL_RULES_LEDGERS, NULL);
    florin_session_call(session, FLORIN_SQL_RULES_ACCOUNTS, NULL);
    florin_session_command(session, "COMMIT");
    florin_session_sync(session);
    return florin_session_finish(session, deadline_ms, error);
}

int florin_store_rules_load(florin_store_t *self, florin_rules_t *rules, florin_error_t *error)
{
    int result = listen_control(self, error);
    if (result == 0)
        result = query_rules(&self->control, florin_store_deadline(self), error);
    if (result != 0) {
        /* Also out of a transaction that failed half-way. */
        florin_session_close(&self->control);
        return result;
    }
    const PGresult *ledgers = florin_session_result(&self->control, 1);
    const PGresult *accounts = florin_session_result(&self->control, 2);
    if (PQntuples(ledgers) > FLORIN_RULES_MAX || PQntuples(accounts) > FLORIN_RULES_ACCOUNTS_MAX)
        return florin_error_set(error, FLORIN_ERROR_TOO_LARGE,
                                "risk rules: %d currencies and %d accounts, at most %d and %d",
                                PQntuples(ledgers), PQntuples(accounts), FLORIN_RULES_MAX,
                                FLORIN_RULES_ACCOUNTS_MAX);
    florin_rules_t fresh = {
        .ledgers = calloc((size_t)PQntuples(ledgers) + 1, sizeof *fresh.ledgers),
        .accounts = calloc((size_t)PQntuples(accounts) + 1, sizeof *fresh.accounts)};
    if (!fresh.ledgers || !fresh.accounts) {
        florin_rules_clear(&fresh);
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for the risk rules");
    }
    read_rules(ledgers, accounts, &fresh);
    florin_rules_clear(rules);
    *rules = fresh;
    self->rules_since = self->control.openings;
    return 0;
}

bool florin_store_rules_changed(florin_store_t *self)
{
    florin_session_t *session = &self->control;
    if (session->pg && !PQconsumeInput(session->pg))
        florin_session_close(session);
    if (listen_control(self, NULL) != 0)
        return false; /* there is nobody to ask; the rules as they were loaded hold */
    bool changed = self->rules_since != session->openings;
    for (PGnotify *notify; (notify = PQnotifies(session->pg)); PQfreemem(notify))
        changed = true;
    return changed;
}
