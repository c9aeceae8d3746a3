/* The books on disk: PostgreSQL shards, one transaction a batch, two-phase commit across shards.
 *
 * A florin_store_t belongs to one thread and blocks; every wait has a bound. It connects when it is
 * first needed, and again after a connection was lost. Calls that fail leave nothing behind but,
 * after FLORIN_ERROR_UNAVAILABLE or TIMEOUT, an outcome that is not known until the same ids are
 * asked again. */
#ifndef FLORIN_STORE_H
#define FLORIN_STORE_H

#include "ledger/ledger.h"
#include "lib/clocks.h"
#include "lib/error.h"
#include "lib/limits.h"
#include "lib/metrics.h"

typedef struct florin_store florin_store_t;

/* Which shard each slot is on; an id's slot is florin_id_slot. */
typedef struct {
    size_t shards_count; /* 0: not known yet */
    uint8_t shards[FLORIN_SLOTS];
} florin_slots_t;

typedef struct {
    const char *control; /* libpq connection string of the control database */
    uint32_t connect_timeout_ms;
    uint32_t statement_timeout_ms; /* no query waits longer, whatever the server does */
    uint32_t in_doubt_after_ms;    /* how long a coordinator that lives may keep a batch waiting */
    uint32_t traces_kept_ms;       /* how long the traces of ended batches stay; 0: the default */
    florin_metrics_t *metrics;     /* outlives the store; NULL: none are wanted */
    const char *seal_key;          /* file of the key that seals rows; NULL or "": none */
    florin_clocks_t *clocks;       /* outlives it, too; NULL: it has its own */
    /* Called in the store's thread each time it has read the slot map; NULL: nobody is told. */
    void (*mapped)(void *arg, const florin_slots_t *slots);
    void *mapped_arg;
} florin_store_options_t;

/* Far longer than a read of several shards may take (read/moment.c). */
#define FLORIN_STORE_TRACES_KEPT_MS 30000

/* Copies the options; does not connect. Several stores may count in the same metrics. */
int florin_store_new(const florin_store_options_t *options, florin_store_t **store,
                     florin_error_t *error) FLORIN_MUST_USE;
void florin_store_destroy(florin_store_t **self_p);

/* Reads the slot map, if that was not done yet. Optional, as the next. */
int florin_store_map(florin_store_t *self, florin_error_t *error) FLORIN_MUST_USE;
/* Reads the slot map, connects to every shard and checks that the schema is the one this program
 * was built for. Other calls do it when needed. */
int florin_store_connect(florin_store_t *self, florin_error_t *error) FLORIN_MUST_USE;

/* Asks all servers what their clocks say, at most once a second, and tells when the clocks begin or
 * cease to agree (clocks.h), which is an error. For those who have time between batches. */
int florin_store_watch_clocks(florin_store_t *self, florin_error_t *error);

/* Some requests' events in one array, one request after the other. Linked chains end with their
 * request. A request whose shards are away gets its error, and the others go on without it. */
typedef struct {
    size_t events_count;  /* of this request; at least 1 */
    florin_error_t error; /* out: code 0, or why the request as a whole has no outcomes */
} florin_store_request_t;

/* Opens the accounts: all that are created are on disk when this returns. `outcomes` has one for
 * each event. Returns 0 when each request has its outcomes or its error. */
int florin_store_open_accounts(florin_store_t *self, florin_ledger_t *ledger,
                               const florin_account_t *events, florin_account_outcome_t *outcomes,
                               florin_store_request_t *requests, size_t requests_count,
                               florin_error_t *error) FLORIN_MUST_USE;

/* A limit on what an account may debit in a rolling window. */
typedef struct {
    florin_id_t account_id;
    uint32_t window_s;
    uint32_t count_max;
    uint64_t sum_max;
} florin_window_limit_t;

/* Creates the transfers: locks, reads, applies, writes, and commits across all shards touched.
 * `limits` are counted under the locks, at most one for a debit account; a maximum of 0 lets
 * nothing pass. */
int florin_store_create_transfers(florin_store_t *self, florin_ledger_t *ledger,
                                  const florin_transfer_event_t *events,
                                  florin_transfer_outcome_t *outcomes,
                                  florin_store_request_t *requests, size_t requests_count,
                                  const florin_window_limit_t *limits, size_t limits_count,
                                  florin_error_t *error) FLORIN_MUST_USE;

/* Says what became of transfers, for good: an id that no shard knows is given up, and a transfer of
 * that id, also one that is under way, never becomes. One that is being written at this moment is
 * waited for. Outcomes as of florin_ledger_settle_transfers. */
int florin_store_settle_transfers(florin_store_t *self, florin_ledger_t *ledger,
                                  const florin_id_t *ids, florin_transfer_outcome_t *outcomes,
                                  florin_store_request_t *requests, size_t requests_count,
                                  florin_error_t *error) FLORIN_MUST_USE;

/* What to do, if anything, while the shards write a batch: `fn` is called when all is sent and
 * before it is waited for, once for each try of a batch. It must not use the store. NULL: nothing,
 * as at first. */
void florin_store_set_meanwhile(florin_store_t *self, void (*fn)(void *arg), void *arg);

/* Says what florin_store_create_transfers would do with one request now, and changes nothing: takes
 * no lock, writes no row, and releases nothing that is overdue; FLORIN_ERROR_CONFLICT while
 * something that is may be in its way. The ledger then holds all accounts that would be moved
 * (florin_ledger_changed). */
int florin_store_try_transfers(florin_store_t *self, florin_ledger_t *ledger,
                               const florin_transfer_event_t *events,
                               florin_transfer_outcome_t *outcomes, size_t count,
                               const florin_window_limit_t *limits, size_t limits_count,
                               florin_error_t *error) FLORIN_MUST_USE;

/* Changes credit limits; each change is kept in the account's history of limits. */
int florin_store_set_credit_limits(florin_store_t *self, florin_ledger_t *ledger,
                                   const florin_limit_event_t *events,
                                   florin_limit_outcome_t *outcomes,
                                   florin_store_request_t *requests, size_t requests_count,
                                   florin_error_t *error) FLORIN_MUST_USE;

/* Which of the pending transfers whose debit account is on a shard. */
enum {
    FLORIN_EXPIRE_LOCAL = 1,   /* those with all they touch on that shard */
    FLORIN_EXPIRE_CROSSING = 2 /* the others */
};

/* Releases some pending transfers whose time is up, of one shard; there may be more while *expired
 * is not 0. Batches do it for what is in their way; this is for all else. It goes on where the last
 * one ended, and begins again at the end: what cannot be released, as its accounts are locked or
 * on a shard that is away, keeps nothing else. Waits for no lock. `which`: a sum of these two. */
int florin_store_expire_on(florin_store_t *self, florin_ledger_t *ledger, size_t shard,
                           unsigned which, size_t *expired, florin_error_t *error) FLORIN_MUST_USE;
/* All of it, shard after shard; an error when no shard answers. */
int florin_store_expire(florin_store_t *self, florin_ledger_t *ledger, size_t *expired,
                        florin_error_t *error) FLORIN_MUST_USE;

/* Reads see all that was acknowledged before they began. References are borrowed until the next
 * call on this store.
 * Writes those found, in the order asked, to the array (of ids_count) and their number to *found.
 * The balances after a transfer are left 0: they are on its accounts' shards, in statements. */
int florin_store_lookup_accounts(florin_store_t *self, const florin_id_t *ids, size_t ids_count,
                                 florin_account_t *accounts, size_t *found,
                                 florin_error_t *error) FLORIN_MUST_USE;
int florin_store_lookup_transfers(florin_store_t *self, const florin_id_t *ids, size_t ids_count,
                                  florin_entry_t *entries, size_t *found,
                                  florin_error_t *error) FLORIN_MUST_USE;

typedef struct {
    florin_id_t account_id;
    uint64_t from;     /* timestamps: inclusive */
    uint64_t until;    /* exclusive; 0: no end */
    uint64_t after;    /* the last one of the page before; 0: the first page */
    size_t limit;      /* 1 to FLORIN_STATEMENT_ENTRIES_MAX */
    bool newest_first; /* from `until` back to `from` */
} florin_statement_query_t;

/* A change of an account's balances: by a transfer, or by the expiry of a pending one. */
typedef struct {
    florin_transfer_t transfer;
    bool expired;            /* the transfer, which was pending, released what it held */
    uint64_t timestamp;      /* of the change: the transfer's own, or when it expired */
    florin_balances_t after; /* of the account asked for */
} florin_statement_entry_t;

/* Up to `limit`, in the order asked for; *more says whether there is another page.
 * FLORIN_ERROR_NOT_FOUND when there is no such account. */
int florin_store_statement(florin_store_t *self, const florin_statement_query_t *query,
                           florin_statement_entry_t *entries, size_t *count, bool *more,
                           florin_error_t *error) FLORIN_MUST_USE;

/* The balances that an account had at a moment (ns since 1970): after all that is not later.
 * *changed_at: when they became so, or 0 before its opening. FLORIN_ERROR_NOT_FOUND when there is
 * no such account, FLORIN_ERROR_INVALID for one without the flag `history`. */
int florin_store_balances_at(florin_store_t *self, florin_id_t account_id, uint64_t timestamp,
                             florin_balances_t *balances, uint64_t *changed_at,
                             florin_error_t *error) FLORIN_MUST_USE;

/* What to look for: 0 in a field stands for anything. */
typedef struct {
    uint32_t ledger;
    uint16_t code;
    florin_id_t user_data;
    uint64_t from;  /* timestamps: inclusive */
    uint64_t until; /* exclusive; 0: no end */
    /* The last one of the page before, its timestamp and its id; 0: the first page. */
    uint64_t after_timestamp;
    florin_id_t after_id;
    size_t limit; /* 1 to FLORIN_EVENTS_MAX */
    bool newest_first;
} florin_list_query_t;

/* Where a list goes on: after this row, which need not be one that was asked for. */
typedef struct {
    uint64_t timestamp; /* 0: that was the last page */
    florin_id_t id;
} florin_place_t;

/* Accounts or created transfers, each once, ordered by timestamp and id, up to `limit`. By ledger
 * or code a page is what was found among a number of rows on each shard: it may have fewer than
 * that, or none, and go on all the same. */
int florin_store_list_accounts(florin_store_t *self, const florin_list_query_t *query,
                               florin_account_t *accounts, size_t *count, florin_place_t *next,
                               florin_error_t *error) FLORIN_MUST_USE;
int florin_store_list_transfers(florin_store_t *self, const florin_list_query_t *query,
                                florin_transfer_t *transfers, size_t *count, florin_place_t *next,
                                florin_error_t *error) FLORIN_MUST_USE;

__extension__ typedef unsigned __int128 florin_sum_t;

typedef struct {
    uint32_t ledger;
    uint16_t code;
    uint64_t accounts_count;
    florin_sum_t debits_pending, debits_posted, credits_pending, credits_posted;
} florin_trial_row_t;

/* A page of the trial balance. */
typedef struct {
    uint32_t ledger; /* where it begins; 0: with the first */
    uint16_t code;
    size_t limit; /* 1 to FLORIN_TRIAL_ROWS_MAX */
} florin_trial_query_t;

typedef struct {
    size_t count;
    bool more; /* another page begins at next_ledger and next_code */
    uint32_t next_ledger;
    uint16_t next_code;
    /* Rows of the first row's ledger are on other pages; `total` is that ledger's, with code 0. */
    bool split;
    florin_trial_row_t total;
} florin_trial_page_t;

/* The sums of all accounts by ledger and code, ascending, at one moment on all shards: each page at
 * its own. A page has a ledger whole, unless that alone is longer. `rows` holds the limit. */
int florin_store_trial_balance(florin_store_t *self, const florin_trial_query_t *query,
                               florin_trial_row_t *rows, florin_trial_page_t *page,
                               florin_error_t *error) FLORIN_MUST_USE;

/* What each limit's account has debited in its window, ended now, without locks. `windows` has one
 * for each limit; an account that is not there has debited nothing. */
int florin_store_windows(florin_store_t *self, const florin_window_limit_t *limits, size_t count,
                         florin_window_t *windows, florin_error_t *error) FLORIN_MUST_USE;

/* What one pass over the prepared transactions did. */
typedef struct {
    size_t committed;
    size_t rolled_back;
    size_t waiting; /* for a home shard that cannot be asked, or one that no worker has named */
    bool partial;   /* some shards could not be looked at: more may wait there */
} florin_resolved_t;

/* Ends prepared transactions whose coordinator is dead, or has had them for longer than
 * in_doubt_after_ms: commits those decided, fences and rolls back the others. Those whose home
 * shard is away wait. A shard that does not answer costs a pass one wait for a connection, or one
 * for a statement, and is then left out for a while. */
int florin_store_resolve(florin_store_t *self, florin_resolved_t *resolved,
                         florin_error_t *error) FLORIN_MUST_USE;

/* Deletes decisions that nobody will ask for any more, and traces of batches that an earlier call
 * found to have ended on every shard; none while a shard is away, which may ask. */
int florin_store_forget(florin_store_t *self, florin_error_t *error) FLORIN_MUST_USE;

#endif
