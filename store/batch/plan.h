/* A batch's plan: what it brings, what of it lies on which shard, what is to be written there, and
 * how far each shard has come.
 *
 * batch.c tries it until it is done: lock.c locks and reads, kept.c leaves out what others keep
 * locked, aside.c what cannot be, write.c adds the writes, commit.c commits; kinds.c is how the
 * kinds of batches differ. All of them take the plan, and it takes none of them. A try works on
 * whole requests: one whose shards are away gets its error, and the next try goes without it. */
#ifndef FLORIN_STORE_PLAN_H
#define FLORIN_STORE_PLAN_H

#include "store/internal.h"
#include "store/rows.h"

/* How far a shard has come in this try. */
typedef enum {
    FLORIN_PART_IDLE,    /* no transaction of ours, or one that is not known to us any more */
    FLORIN_PART_OPEN,    /* in a transaction */
    FLORIN_PART_PREPARED /* prepared; survives us */
} florin_part_state_t;

/* Rows that were read and cannot be, their ids ascending. */
typedef struct {
    florin_id_t *ids;
    const char **whys;
    size_t count;
} florin_odd_rows_t;

/* What a batch touches on one shard. Arrays live in the store's arena. */
typedef struct {
    florin_part_state_t state;
    /* To lock and to read. */
    florin_id_t *account_ids, *transfer_ids;
    size_t account_ids_count, transfer_ids_count;
    const florin_window_limit_t **limits;
    size_t limits_count;
    uint64_t *places; /* of account_ids: where their rows are; 0: there is none, or no lock */
    uint64_t sent_ns, received_ns; /* of the reads, on the boot-time clock */
    uint64_t transaction;          /* PostgreSQL's number of it, from when the shard was read */
    /* What was read, until the shard is written to. */
    const PGresult *transfers;
    const PGresult *seen; /* the accounts, also those that others have locked, for who yields */
    florin_odd_rows_t odd_accounts, odd_transfers; /* aside.c; the ledger has them not */
    /* To write. */
    const florin_account_t **opened, **changed;
    size_t opened_count, changed_count;
    florin_row_t *rows;
    size_t rows_count;
    florin_pending_row_t *pendings;
    size_t pendings_count;
    florin_chain_t chain; /* as it will be when this try has committed */
} florin_part_t;

#define FLORIN_OVERDUE_MAX 2048 /* that one look finds, and one batch releases */

typedef struct florin_plan florin_plan_t;

/* The transfers of an event. */
typedef struct {
    florin_id_t id;
    florin_id_t pending_id; /* what it posts or voids */
} florin_named_t;

/* What kinds of batches do each in their own way (kinds.c). */
typedef struct {
    /* The accounts that event `index` needs; NULL, or 0 for one or both: none. */
    florin_sides_t (*accounts)(const florin_plan_t *self, size_t index);
    /* The transfers that it names; NULL, or 0 for one or both: none. */
    florin_named_t (*named)(const florin_plan_t *self, size_t index);
    /* Lets the ledger decide some events; false when it has no room for them. */
    bool (*apply)(florin_plan_t *self, size_t first, size_t count);
    /* After that: the account whose pending debits, and the one whose pending credits, may have
     * changed what event `index` came to; NULL, or 0: none. */
    florin_sides_t (*obstacles)(const florin_plan_t *self, size_t index);
} florin_kind_t;

struct florin_plan {
    florin_store_t *store;
    florin_ledger_t *ledger;
    const florin_kind_t *kind;

    /* The events of its kind; the others are NULL. */
    const florin_account_t *accounts;
    florin_account_outcome_t *account_outcomes;
    const florin_transfer_event_t *transfers;
    florin_transfer_outcome_t *transfer_outcomes;
    const florin_id_t *settled_ids; /* their outcomes are transfer_outcomes, too */
    const florin_limit_event_t *credit_limits;
    florin_limit_outcome_t *credit_limit_outcomes;
    const florin_overdue_t *overdue;
    size_t *expired; /* how many of these were released */
    florin_store_request_t *requests;
    size_t requests_count;
    size_t first, end; /* the part of them that is tried now; the others are left alone */
    const florin_window_limit_t *limits;
    size_t limits_count;
    bool dry;    /* locks nothing, writes nothing */
    bool yields; /* leaves out what others have locked, and waits for nobody */

    /* One try. */
    florin_id_t id;          /* in the names of its prepared transactions and its decision */
    uint64_t now;            /* ns since 1970 */
    florin_shards_t touched; /* shards that it reads or writes */
    florin_shards_t writers; /* those of them that it writes */
    florin_part_t parts[FLORIN_SHARDS_MAX];
    florin_sides_t *sides; /* of each transfer, with what is known of what it posts or voids */

    florin_shards_t moved;    /* their databases said that the map is wrong; forgiven once */
    uint64_t sweep_until_ms;  /* what is overdue is released for so long; 0: not begun */
    florin_shards_t reopened; /* lost before they were written to; each is forgiven once */
    florin_error_t conflict;  /* the latest */
    /* Of the try: a server refused what several requests brought, or had a row that should not have
     * been there. Who of them is to blame is to be found. */
    bool refused, collided;
};

/* What became of a step of a try. */
typedef enum {
    FLORIN_STEP_DONE,
    FLORIN_STEP_AGAIN, /* undone on all shards; the next try may do better */
    FLORIN_STEP_SWEEP  /* the same; but first what is overdue has to be released */
} florin_step_t;

/* The shards of an id's place; none for 0, which no row can have. */
florin_shards_t florin_plan_place(const florin_plan_t *self, florin_id_t id);
/* Whether it leaves its accounts to the pending transfer that it posts or voids. */
bool florin_plan_leaves_out(const florin_transfer_t *transfer);
/* Events of all requests, also of those that do not live. */
size_t florin_plan_events(const florin_plan_t *self);
/* The accounts that transfer `index` moves, as far as they are known. */
florin_sides_t florin_plan_sides(const florin_plan_t *self, size_t index);
/* After some transfers were applied: what post or void a pending one of this very batch are known
 * now to need its accounts. */
void florin_plan_learn_sides(florin_plan_t *self, size_t first, size_t count);

/* The accounts that an event needs, and the transfers that it names. */
florin_sides_t florin_plan_accounts(const florin_plan_t *self, size_t index);
florin_named_t florin_plan_named(const florin_plan_t *self, size_t index);

/* Requests of this try's part that have no error yet. */
bool florin_plan_lives(const florin_plan_t *self, const florin_store_request_t *request);
size_t florin_plan_living(const florin_plan_t *self);

/* Visits the events of requests that live; the rest of a request's are left out when it gets its
 * error. */
typedef void(florin_visit_fn)(florin_plan_t *self, florin_store_request_t *request, size_t event,
                              void *arg);
void florin_plan_each(florin_plan_t *self, florin_visit_fn *visit, void *arg);

/* Fails the requests that touch one of these shards. */
void florin_plan_fail(florin_plan_t *self, florin_shards_t shards, const florin_error_t *error);

/* A shard's database says that the map is wrong: the next try reads it again; or when that was done
 * before, in vain, fails the requests that touch it. */
void florin_plan_moved(florin_plan_t *self, size_t shard, const florin_error_t *error);

/* After a wait: takes the faults of these shards, fails the requests that cannot go on. `reading`:
 * nothing was written yet, so that a lost session is tried once more. Returns whether there was
 * any. */
bool florin_plan_faults(florin_plan_t *self, florin_shards_t shards, bool reading);

/* Sorts what the requests that live touch by shard, the ids ascending and each once; false when the
 * arena is full. */
bool florin_plan_touch(florin_plan_t *self);
/* Where the row of an account is that the part has locked. */
uint64_t florin_plan_row_place(const florin_part_t *part, florin_id_t account_id);
/* Sorts the ledger's changes by shard; false when the arena is full. */
bool florin_plan_sort(florin_plan_t *self);

#endif
