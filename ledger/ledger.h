/* The books: double entry as a pure function.
 *
 * A florin_ledger_t holds what one batch needs: the accounts it touches and the transfers that
 * exist already. Whoever uses it loads those, applies events, and reads out what changed. No I/O,
 * no clock, no globals; memory is taken once, in florin_ledger_new. The same calls give the same
 * outcome, always.
 *
 *     reset -> load_account*, load_entry*, load_pending*, load_window* -> apply* -> what changed
 *
 * All loads come before the first event. Events apply in order and each sees what came before. */
#ifndef FLORIN_LEDGER_H
#define FLORIN_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledger/results.h"

/* An id as a number, big-endian order; the same type as lib/id.h names. */
__extension__ typedef unsigned __int128 florin_id_t;

/* Amounts and balances: minor units, 0 to this. */
#define FLORIN_LEDGER_AMOUNT_MAX UINT64_C(9223372036854775807)
/* Events between two resets; accounts and transfers that fit. */
#define FLORIN_LEDGER_EVENTS_MAX    8190
#define FLORIN_LEDGER_ACCOUNTS_MAX  (2 * FLORIN_LEDGER_EVENTS_MAX)
#define FLORIN_LEDGER_TRANSFERS_MAX (3 * FLORIN_LEDGER_EVENTS_MAX)
/* The last moment there is, ns since 1970. */
#define FLORIN_LEDGER_TIMESTAMP_MAX UINT64_C(9223372036854775807)

enum {
#define X(name, text, number) FLORIN_ACCOUNT_##name = number,
    FLORIN_ACCOUNT_RESULTS(X)
#undef X
#define X(name, text, number) FLORIN_TRANSFER_##name = number,
        FLORIN_TRANSFER_RESULTS(X)
#undef X
#define X(name, text, number) FLORIN_LIMIT_##name = number,
            FLORIN_LIMIT_RESULTS(X)
#undef X
};
typedef uint16_t florin_account_result_t;  /* FLORIN_ACCOUNT_CREATED, ... */
typedef uint16_t florin_transfer_result_t; /* FLORIN_TRANSFER_CREATED, ... */
typedef uint16_t florin_limit_result_t;    /* FLORIN_LIMIT_SET, ... */

enum {
    FLORIN_ACCOUNT_FLAG_LINKED = 1,
    FLORIN_ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS = 2,
    FLORIN_ACCOUNT_FLAG_CREDITS_MUST_NOT_EXCEED_DEBITS = 4,
    FLORIN_ACCOUNT_FLAG_HISTORY = 8,
    FLORIN_ACCOUNT_FLAG_IMPORTED = 16,
    FLORIN_ACCOUNT_FLAG_CLOSED = 32
};

enum {
    FLORIN_TRANSFER_FLAG_LINKED = 1,
    FLORIN_TRANSFER_FLAG_PENDING = 2,
    FLORIN_TRANSFER_FLAG_POST_PENDING_TRANSFER = 4,
    FLORIN_TRANSFER_FLAG_VOID_PENDING_TRANSFER = 8,
    FLORIN_TRANSFER_FLAG_BALANCING_DEBIT = 16,
    FLORIN_TRANSFER_FLAG_BALANCING_CREDIT = 32,
    FLORIN_TRANSFER_FLAG_CLOSING_DEBIT = 64,
    FLORIN_TRANSFER_FLAG_CLOSING_CREDIT = 128,
    FLORIN_TRANSFER_FLAG_IMPORTED = 256,
    /* Set by the books alone, on a transfer that risk wants a person to look at: it is booked as
     * pending, whatever its event asked for. */
    FLORIN_TRANSFER_FLAG_REVIEW = 512
};

/* Minor units. */
typedef struct {
    uint64_t debits_pending, debits_posted, credits_pending, credits_posted;
} florin_balances_t;

typedef struct {
    florin_id_t id;
    florin_id_t user_data;
    florin_balances_t balances;
    uint64_t credit_limit;   /* how far the bound may be crossed, minor units */
    uint64_t timestamp;      /* opened at, ns since 1970; 0 in an event */
    uint64_t timestamp_last; /* of the latest change (or its opening): the next is later */
    uint64_t place;          /* the store's; kept as loaded */
    uint32_t ledger;
    uint32_t flags;
    uint16_t code;
} florin_account_t;

typedef struct {
    florin_id_t id;
    florin_id_t debit_account_id;
    florin_id_t credit_account_id;
    florin_id_t pending_id;
    florin_id_t user_data;
    uint64_t amount;    /* minor units */
    uint64_t timestamp; /* ns since 1970; 0 in an event */
    uint32_t timeout_s;
    uint32_t ledger;
    uint32_t flags;
    uint16_t code;
    uint8_t reference_bytes; /* 0 to 140 */
    const char *reference;   /* borrowed until the next reset; not NUL-terminated */
} florin_transfer_t;

/* What those who looked at a transfer before the books say of it; the ledger heeds it last of all,
 * but for FORBIDDEN, which comes before all that reads an account. */
typedef enum {
    FLORIN_VERDICT_APPROVED = 0,
    FLORIN_VERDICT_REVIEW,      /* book it as pending, for a person to post or void */
    FLORIN_VERDICT_DECLINED,    /* risk said no: remembered */
    FLORIN_VERDICT_UNAVAILABLE, /* risk could not be asked: not remembered */
    FLORIN_VERDICT_FORBIDDEN    /* the principal has no right to it: not remembered */
} florin_verdict_t;

typedef struct {
    florin_transfer_t transfer;
    florin_verdict_t verdict;
} florin_transfer_event_t;

typedef struct {
    uint64_t timestamp; /* of the account when created or exists, else 0 */
    florin_account_result_t result;
} florin_account_outcome_t;

typedef struct {
    uint64_t timestamp; /* of the transfer when created or exists, else 0 */
    florin_transfer_result_t result;
    florin_transfer_result_t first_result; /* with id_already_failed; else 0 */
    /* With risk_declined: the maxima of the debit account's window that it would have passed. */
    bool passes_window_count, passes_window_sum;
    bool held_for_review; /* created or exists, as pending: a person has to post or void it */
} florin_transfer_outcome_t;

/* What became of a pending transfer. The numbers are those of the books' tables. */
typedef enum {
    FLORIN_PENDING_NONE = 0, /* it is no pending transfer */
    FLORIN_PENDING_OPEN = 1,
    FLORIN_PENDING_POSTED = 2,
    FLORIN_PENDING_VOIDED = 3,
    FLORIN_PENDING_EXPIRED = 4
} florin_pending_status_t;

/* A transfer whose id is spent: created, or refused for good (result other than created; then its
 * balances mean nothing). */
typedef struct {
    florin_transfer_t transfer; /* its timestamp: when it was created or refused */
    florin_transfer_result_t result;
    florin_pending_status_t pending; /* as it stands now; NONE unless created as pending */
    florin_balances_t debit_after;   /* of the debit account, just after it */
    florin_balances_t credit_after;  /* of the credit account */
} florin_entry_t;

/* A pending transfer that was created or resolved since the reset, as it stands now. */
typedef struct {
    const florin_transfer_t *transfer;
    florin_pending_status_t status;
    uint64_t expires_at;  /* ns since 1970; 0: never */
    uint64_t resolved_at; /* when it was posted, voided or expired; 0 while it is open */
    /* Of an expired one: both accounts' balances just after that. */
    florin_balances_t debit_after, credit_after;
} florin_pending_t;

/* A new credit limit for an account that exists. */
typedef struct {
    florin_id_t account_id;
    uint64_t credit_limit; /* minor units */
} florin_limit_event_t;

typedef struct {
    uint64_t timestamp; /* of the change; 0 when the limit was what it is, or nothing changed */
    florin_limit_result_t result;
} florin_limit_outcome_t;

/* What one account may debit in a rolling window, and what it has already; a sum beyond
 * FLORIN_LEDGER_AMOUNT_MAX is that. The maxima are meant as they stand: 0 allows nothing,
 * FLORIN_LEDGER_AMOUNT_MAX and more any sum. */
typedef struct {
    florin_id_t account_id;
    uint64_t sum, sum_max; /* minor units */
    uint32_t count, count_max;
} florin_window_t;

/* Whether one more debit of that amount would pass the window's maximum. */
bool florin_window_passes_sum(const florin_window_t *window, uint64_t amount);

typedef struct florin_ledger florin_ledger_t;

/* NULL when there is no memory. */
florin_ledger_t *florin_ledger_new(void);
void florin_ledger_destroy(florin_ledger_t **self_p);

/* Forgets everything. `now` (ns since 1970) is the least that the next timestamp may be; timestamps
 * are later, too, than any on an account that is loaded. */
void florin_ledger_reset(florin_ledger_t *self, uint64_t now);

/* An account as stored. One that is loaded already, or one too many: false. */
bool florin_ledger_load_account(florin_ledger_t *self, const florin_account_t *account);

/* A transfer as stored, created or refused. One that is loaded already, or one too many: false. */
bool florin_ledger_load_entry(florin_ledger_t *self, const florin_transfer_t *transfer,
                              florin_transfer_result_t result);

/* What became of a loaded pending transfer; without it, one is open. Unknown, or no pending
 * transfer: false. */
bool florin_ledger_load_pending(florin_ledger_t *self, florin_id_t id,
                                florin_pending_status_t status);

/* What a loaded account may debit: a transfer past it is declined. The latest window loaded for an
 * account counts. Unknown account: false. */
bool florin_ledger_load_window(florin_ledger_t *self, const florin_window_t *window);

/* Applies the accounts or transfers of one request, in order; chains end with it. `count` events,
 * as many outcomes. An amount above FLORIN_LEDGER_AMOUNT_MAX overflows. False, and nothing done,
 * when the ledger has no room for them. */
bool florin_ledger_open_accounts(florin_ledger_t *self, const florin_account_t *events,
                                 size_t count, florin_account_outcome_t *outcomes);
bool florin_ledger_create_transfers(florin_ledger_t *self, const florin_transfer_event_t *events,
                                    size_t count, florin_transfer_outcome_t *outcomes);

/* What became of transfers, for good: an id of which nothing is known is given up, which is a
 * refusal (id_given_up) that is remembered as any other. An outcome has the result that was, and
 * its timestamp; first_result is not used. */
bool florin_ledger_settle_transfers(florin_ledger_t *self, const florin_id_t *ids, size_t count,
                                    florin_transfer_outcome_t *outcomes);

/* Changes credit limits, each by itself. */
bool florin_ledger_set_credit_limits(florin_ledger_t *self, const florin_limit_event_t *events,
                                     size_t count, florin_limit_outcome_t *outcomes);

/* Releases those of these loaded pending transfers that are open and whose time is up; leaves the
 * others alone. *expired: how many. */
bool florin_ledger_expire(florin_ledger_t *self, const florin_id_t *ids, size_t count,
                          size_t *expired);

/* An account that the latest events needed as no books can have it: it is not loaded, though a
 * pending transfer of it is open, or it holds less than that one does. 0: none. What was applied
 * since the reset must not be written then. */
florin_id_t florin_ledger_impossible(const florin_ledger_t *self);

/* What has to be written since the reset. Borrowed until the next call that changes the ledger.
 * Accounts opened, and loaded accounts that were moved (be it by 0) or changed, each once: */
size_t florin_ledger_opened_count(const florin_ledger_t *self);
const florin_account_t *florin_ledger_opened(const florin_ledger_t *self, size_t index);
size_t florin_ledger_changed_count(const florin_ledger_t *self);
const florin_account_t *florin_ledger_changed(const florin_ledger_t *self, size_t index);
/* Transfers created and refused for good, in order of their events: */
size_t florin_ledger_entries_count(const florin_ledger_t *self);
const florin_entry_t *florin_ledger_entry(const florin_ledger_t *self, size_t index);
/* Pending transfers created or resolved, each once: */
size_t florin_ledger_pendings_count(const florin_ledger_t *self);
florin_pending_t florin_ledger_pending(const florin_ledger_t *self, size_t index);

/* An account as it stands now, a transfer loaded or made; NULL when it is not there. */
const florin_account_t *florin_ledger_account(const florin_ledger_t *self, florin_id_t id);
const florin_entry_t *florin_ledger_find_transfer(const florin_ledger_t *self, florin_id_t id);

/* A result's name, "exceeds_credits"; NULL for a number that is none. Static. */
const char *florin_account_result_name(unsigned result);
const char *florin_transfer_result_name(unsigned result);
const char *florin_limit_result_name(unsigned result);

/* True for a refusal that time may change and that is therefore remembered for ever. */
bool florin_transfer_result_remembered(florin_transfer_result_t result);

#endif
