/* florin-accounts: opens accounts and reads them, their statements and the trial balance. */
#include <stdlib.h>

#include "workers/accounts/accounts.h"
#include "workers/runtime/messages/page.h"
#include "workers/runtime/storage.h"

static const florin_setting_t settings[] = {FLORIN_STORAGE_SETTINGS(1000, 5000)};

static void stop(void **state)
{
    florin_accounts_t *self = *state;
    florin_ledger_destroy(&self->ledger);
    florin_store_destroy(&self->store);
    free(self);
    *state = NULL;
}

static int start(void **state, const florin_setup_t *setup, florin_error_t *error)
{
    bool first = setup->kind == FLORIN_BOOKS_CROSSING;
    florin_accounts_t *self = calloc(1, sizeof(*self));
    if (!self)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for a batch of accounts");
    *state = self;
    self->kind = setup->kind;
    self->ledger = florin_ledger_new();
    int code = self->ledger
                   ? florin_storage_open(setup, 1000, 5000, first, &self->store, error)
                   : florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for a ledger");
    if (code)
        stop(state);
    return code;
}

/* At least 1; a statement or a list weighs what its page may bring. */
static size_t weigh(const Florin__V1__Request *request)
{
    size_t events = 1;
    if (request->operation_case == FLORIN__V1__REQUEST__OPERATION_OPEN_ACCOUNTS)
        events = request->open_accounts->n_accounts;
    else if (request->operation_case == FLORIN__V1__REQUEST__OPERATION_LOOKUP_ACCOUNTS)
        events = request->lookup_accounts->n_ids;
    else if (request->operation_case == FLORIN__V1__REQUEST__OPERATION_STATEMENT)
        events = florin_accounts_statement_limit(request->statement);
    else if (request->operation_case == FLORIN__V1__REQUEST__OPERATION_SET_CREDIT_LIMITS)
        events = request->set_credit_limits->n_limits;
    else if (request->operation_case == FLORIN__V1__REQUEST__OPERATION_LIST_ACCOUNTS)
        events = florin_page_limit(request->list_accounts->filter);
    if (request->operation_case == FLORIN__V1__REQUEST__OPERATION_STATEMENT &&
        events > FLORIN_STATEMENT_ENTRIES_MAX)
        events = FLORIN_STATEMENT_ENTRIES_MAX; /* is refused, with the field's name */
    return events > 0 ? events : 1;
}

static bool known(const Florin__V1__Request *request)
{
    switch (request->operation_case) {
    case FLORIN__V1__REQUEST__OPERATION_OPEN_ACCOUNTS:
    case FLORIN__V1__REQUEST__OPERATION_LOOKUP_ACCOUNTS:
    case FLORIN__V1__REQUEST__OPERATION_STATEMENT:
    case FLORIN__V1__REQUEST__OPERATION_TRIAL_BALANCE:
    case FLORIN__V1__REQUEST__OPERATION_SET_CREDIT_LIMITS:
    case FLORIN__V1__REQUEST__OPERATION_BALANCE_AT:
    case FLORIN__V1__REQUEST__OPERATION_LIST_ACCOUNTS:
        return true;
    default:
        return false;
    }
}

static void handle(void *state, florin_call_t *calls, size_t count, florin_arena_t *arena,
                   const florin_ahead_t *ahead)
{
    (void)ahead;
    for (size_t i = 0; i < count; i++)
        if (!known(calls[i].request))
            florin_call_fail_operation(&calls[i], arena, "accounts");
    florin_accounts_open(state, calls, count, arena);
    florin_accounts_set_limits(state, calls, count, arena);
    florin_accounts_lookup(state, calls, count, arena);
    florin_accounts_statement(state, calls, count, arena);
    florin_accounts_balance_at(state, calls, count, arena);
    florin_accounts_list(state, calls, count, arena);
    florin_accounts_trial_balance(state, calls, count, arena);
}

/* Where nobody waits who pays. */
static void idle(void *state)
{
    florin_accounts_t *self = state;
    florin_error_t error;
    if (self->kind == FLORIN_BOOKS_SCANS_CROSSING)
        (void)florin_store_watch_clocks(self->store, &error);
}

int main(int argc, char **argv)
{
    const florin_handler_t handler = {.service = "accounts",
                                      .program = "florin-accounts",
                                      .settings = settings,
                                      .settings_count = sizeof(settings) / sizeof(settings[0]),
                                      .lanes = florin_books_lanes,
                                      .lanes_count = FLORIN_BOOKS_LANES,
                                      .route = florin_accounts_route,
                                      .start = start,
                                      .weigh = weigh,
                                      .handle = handle,
                                      .idle = idle,
                                      .stop = stop};
    return florin_worker_main(argc, argv, &handler);
}
