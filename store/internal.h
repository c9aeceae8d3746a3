/* What the files of store/ share. */
#ifndef FLORIN_STORE_INTERNAL_H
#define FLORIN_STORE_INTERNAL_H

#include "lib/arena.h"
#include "store/seal.h"
#include "store/session.h"
#include "store/store.h"

/* The parameters of one call: at most 8190 rows on three shards each, far below this. */
#define FLORIN_STORE_ARENA_BYTES (64u * 1024 * 1024)
/* Decisions to forget that wait for the next transaction on their shard; more are left to
 * florin_store_resolve. */
#define FLORIN_STORE_FORGET_MAX 64

/* Rows set aside that a store keeps in mind; of more, those seen last. */
#define FLORIN_STORE_ASIDE_MAX 64

/* A row that cannot be. */
typedef struct {
    florin_id_t id;
    uint64_t seen_ms, told_ms; /* florin_clock_ms; when the log said so last */
} florin_aside_t;

/* Some shards: bit s is shard s. */
typedef uint64_t florin_shards_t;
_Static_assert(FLORIN_SHARDS_MAX == 64, "a set of shards is 64 bits");

/* A snapshot that a session took, in the server's binary form; see read/moment.c. */
#define FLORIN_SEEN_BYTES 8192
typedef struct {
    uint8_t snapshot[FLORIN_SEEN_BYTES];
    size_t size;       /* 0: none */
    uint64_t openings; /* the session's: those of another are worth nothing */
    uint64_t taken_ms;
} florin_seen_t;

#define FLORIN_HELD_MAX 1024 /* names of batches */

/* What a read of several shards leaves for the next one of these shards or some of them, and which
 * spares it rounds; see florin_cut_go_on. */
typedef struct {
    florin_shards_t shards;
    florin_seen_t before[FLORIN_SHARDS_MAX];
    florin_id_t asked[FLORIN_HELD_MAX];
    size_t asked_count;
} florin_earlier_t;

/* What may be forgotten once nobody reads by older snapshots any more: traces that these see, but
 * for those of batches that were prepared somewhere just after. */
typedef struct {
    florin_seen_t seen[FLORIN_SHARDS_MAX];
    florin_id_t held[FLORIN_HELD_MAX];
    size_t held_count;
    uint64_t taken_ms; /* 0: never */
} florin_ended_t;

struct florin_store {
    florin_session_timeouts_t timeouts;
    uint32_t in_doubt_after_ms, traces_kept_ms;
    florin_arena_t *arena;         /* of one call */
    florin_arena_t *release_arena; /* of a release in the middle of one */
    florin_metrics_t *metrics;
    florin_clocks_t *clocks, *own_clocks; /* the latter NULL: they are others' */
    uint64_t clocks_asked_ms;             /* when all servers were asked last */

    florin_session_t control;
    uint64_t listens_since; /* control.openings when LISTEN was sent */
    uint64_t rules_since;   /* control.openings when the rules were read */

    /* The map; shards_count is 0 until it was read. */
    florin_id_t cluster;
    size_t shards_count;
    uint8_t slots[FLORIN_SLOTS];
    uint64_t epochs[FLORIN_SHARDS_MAX]; /* of the databases that are the shards by this map */
    uint64_t map_read_ms;
    bool map_doubted; /* it may have changed: read it again */
    bool map_wrong;   /* it has: a database says so */
    florin_shards_t told_too_old;
    florin_session_t shards[FLORIN_SHARDS_MAX];

    bool seals; /* there is a key */
    uint8_t seal_key[FLORIN_SEAL_FILE_KEY_BYTES];
    florin_chain_t chains[FLORIN_SHARDS_MAX];
    uint64_t chain_since[FLORIN_SHARDS_MAX]; /* the session's openings when it began */

    /* By home shard: batches that every shard has committed. */
    florin_id_t forget[FLORIN_SHARDS_MAX][FLORIN_STORE_FORGET_MAX];
    size_t forget_count[FLORIN_SHARDS_MAX];

    void (*mapped)(void *arg, const florin_slots_t *slots); /* NULL: nobody is told of the map */
    void *mapped_arg;

    void (*meanwhile)(void *arg); /* NULL: nothing to do while a batch is written */
    void *meanwhile_arg;

    uint64_t look_locked_until_ms[FLORIN_SHARDS_MAX]; /* batch/kept.c */

    florin_seen_t seen[FLORIN_SHARDS_MAX];        /* each shard's latest */
    florin_earlier_t earlier;                     /* read/moment.c */
    florin_ended_t ended;                         /* batch/resolve.c */
    uint64_t told_refused_ms[FLORIN_SHARDS_MAX];  /* when the log last said that a shard refused */
    florin_aside_t aside[FLORIN_STORE_ASIDE_MAX]; /* batch/aside.c */
    size_t aside_count;
    florin_metric_t *aside_metric;

    /* By shard: where the look for what is overdue ended; it goes on there. */
    uint64_t expiry_after[FLORIN_SHARDS_MAX];
    florin_id_t expiry_after_id[FLORIN_SHARDS_MAX];

    uint64_t looks; /* how often it was looked what is prepared */
    /* When the log last said that a home shard is away; 0 when it has answered since. The last is
     * for names that no worker gives. */
    uint64_t told_in_doubt_ms[FLORIN_SHARDS_MAX + 1];
};

/* The time by which to write, once the sessions are open that it is needed for. Where the clocks do
 * not agree, all servers are asked before it is an error (florin_clocks_now). */
int florin_store_now(florin_store_t *self, uint64_t *now, florin_error_t *error) FLORIN_MUST_USE;
/* Takes what a shard's clock said, a column of clock_timestamp(), between two moments of the
 * boot-time clock. */
void florin_store_take_clock(florin_store_t *self, size_t shard, const PGresult *row, int column,
                             uint64_t sent_ns, uint64_t received_ns);

/* No answer is waited for longer than until this moment (florin_clock_ms). */
uint64_t florin_store_deadline(const florin_store_t *self);

int florin_store_open_control(florin_store_t *self, florin_error_t *error) FLORIN_MUST_USE;
/* Reads the map again when there is a reason, between rounds. When that fails, it stays as it is:
 * what it is wrong about, the databases refuse. */
void florin_store_follow_map(florin_store_t *self);
/* A database is not, or not any more, the shard that the map takes it for. */
int florin_store_moved(florin_store_t *self, size_t shard, florin_error_t *error);
/* The schema lets newer programs alone write there; the log says so once. */
int florin_store_too_old(florin_store_t *self, size_t shard, uint32_t from, florin_error_t *error);
/* Opens a shard's session, and checks that it is the shard it should be. */
int florin_store_open_shard(florin_store_t *self, size_t shard,
                            florin_error_t *error) FLORIN_MUST_USE;

size_t florin_store_shard_of(const florin_store_t *self, florin_id_t id);
static inline bool florin_shards_has(florin_shards_t shards, size_t shard)
{
    return shards >> shard & 1;
}
static inline size_t florin_shards_lowest(florin_shards_t shards) /* of one at least */
{
    return (size_t)__builtin_ctzll(shards);
}
static inline florin_shards_t florin_shards_of(size_t shard)
{
    return (florin_shards_t)1 << shard;
}

/* Another session may be with another server, which counts transactions anew. */
static inline bool florin_seen_by(const florin_seen_t *seen, const florin_session_t *session)
{
    return seen->size > 0 && session->pg && seen->openings == session->openings;
}
/* Takes a snapshot's bytes that this session has just sent; one that is too long is as good as
 * none. */
void florin_seen_take(florin_seen_t *seen, const florin_session_t *session, const void *bytes,
                      size_t size);

static inline florin_shards_t florin_store_all_shards(const florin_store_t *self)
{
    size_t none = FLORIN_SHARDS_MAX - self->shards_count;
    return none < FLORIN_SHARDS_MAX ? ~(florin_shards_t)0 >> none : 0;
}

/* Waits for the rounds under way on some shards. */
void florin_store_wait(florin_store_t *self, florin_shards_t shards, uint64_t deadline_ms);

/* Sees to it that what was written to some shards is sent, and does what there is to do until it is
 * answered. */
void florin_store_do_meanwhile(florin_store_t *self, florin_shards_t shards);

/* A sum that came as text, for it may pass 64 bits. */
florin_sum_t florin_store_column_sum(const PGresult *result, int row, int column);

/* A round on some shards at once: `add` adds the statements of each. Returns those that answered
 * without a fault; the results stay in the sessions. */
typedef void(florin_store_add_fn)(florin_session_t *session, size_t shard, void *arg);
florin_shards_t florin_store_round(florin_store_t *self, florin_shards_t shards,
                                   florin_store_add_fn *add, void *arg, uint64_t deadline_ms);
/* The same on all shards. The error is that of the first one with a fault. */
int florin_store_round_all(florin_store_t *self, florin_store_add_fn *add, void *arg,
                           uint64_t deadline_ms, florin_error_t *error) FLORIN_MUST_USE;
/* A round that changes nothing. What is closed is opened; a connection that turns out to be lost is
 * made anew, once. */
int florin_store_read(florin_store_t *self, florin_shards_t shards, florin_store_add_fn *add,
                      void *arg, florin_error_t *error) FLORIN_MUST_USE;

#endif
