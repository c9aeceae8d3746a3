/* Short ways to open accounts and to pay, for tests. */
#ifndef FLORIN_TEST_STORE_BOOKS_H
#define FLORIN_TEST_STORE_BOOKS_H

#include <libpq-fe.h>

#include "store/store.h"

#define EUR 978

/* The n-th id (from 1) that lives on a shard. */
florin_id_t id_on(size_t shard, uint64_t n);

/* A store on the servers, with timeouts short enough for a test that waits for them. It resolves
 * whatever is prepared at once or, the patient one, what its coordinator has given up, and what it
 * has kept for that long. */
florin_store_t *open_store(void);
florin_store_t *open_patient_store(uint32_t in_doubt_after_ms);
/* One that neither seals nor checks seals. */
florin_store_t *open_keyless_store(void);

florin_account_t account(florin_id_t id);
florin_transfer_event_t transfer(florin_id_t id, florin_id_t debit, florin_id_t credit,
                                 uint64_t amount);

/* One request of some events; fails the test when it has an error. */
void open_accounts(florin_store_t *store, florin_ledger_t *ledger, const florin_account_t *events,
                   size_t count, florin_account_outcome_t *outcomes);
void create(florin_store_t *store, florin_ledger_t *ledger, const florin_transfer_event_t *events,
            size_t count, florin_transfer_outcome_t *outcomes);

/* One event, whose result it returns; a request's error is returned instead (negative). */
int try_open(florin_store_t *store, florin_ledger_t *ledger, florin_account_t event);
int try_create(florin_store_t *store, florin_ledger_t *ledger, florin_transfer_event_t event);

/* For what is to happen in a batch's first try alone: true once, when the bool that it points to is
 * true, and sets that to false. */
bool first_time(void *pending);

/* An account as stored; fails the test when it is not there. */
florin_account_t look_at(florin_store_t *store, florin_id_t id);

/* When a transfer was created; fails the test when it was not. */
uint64_t timestamp_of(florin_store_t *store, florin_id_t id);
/* Waits, with a deadline, until a moment of the books' clock has passed. */
void await_moment(uint64_t moment_ns);
/* A session that keeps an account locked until it is closed. */
PGconn *lock_account(florin_id_t account_id, size_t shard);

/* Fails the test unless: no transaction is prepared anywhere, debits equal credits, each account is
 * the sum of its history with unbroken running balances, and each created transfer is on the shards
 * of its id, its debit and its credit account, and nowhere else; and what became of a pending one
 * is the same on all of these; and no row that was sealed is gone. */
void check_books(void);

#endif
