/* The end of a batch: one commit, or two phases.
 *
 * Writing to one shard: the writes and COMMIT in one round. Writing to several, the lowest of them
 * is the home:
 *   1. all at once: the home its writes; the others their writes and PREPARE TRANSACTION;
 *   2. the home: the decision row and COMMIT. This is the decision: before it the batch has not
 *      happened, whatever is prepared; after it the batch has, whatever crashes;
 *   3. all at once: the others COMMIT PREPARED. Then the decision may be forgotten, which waits
 *      for the next transaction on the home shard.
 * A step that fails before the decision is undone everywhere. What cannot be undone or done now,
 * because a shard is away, florin_store_resolve does later (resolve.c).
 *
 * Failpoints, in the order in which a batch across shards passes them:
 *   store_locked           all accounts are locked and read
 *   store_applied          the ledger has decided, nothing is written
 *   store_written          the home's writes are sent
 *   store_prepared_some    after the writes and PREPARE TRANSACTION of each other shard are sent
 *   store_prepared         all have confirmed
 *   store_decision_sent    the home's COMMIT is sent
 *   store_decided          it is confirmed
 *   store_committed_some   after each COMMIT PREPARED is sent
 *   store_committed        all are confirmed
 *   store_forgotten        an earlier batch's decision is deleted and that is confirmed
 * A batch on one shard passes the first three, store_decision_sent and store_decided. */
#include "store/batch/commit.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/failpoint.h"
#include "lib/log.h"
#include "store/batch/gid.h"
#include "store/batch/write.h"

#define GID_PREFIX      "florin:"
#define COMMAND_BYTES   128
#define SETTLE_PAUSE_MS 20

char *florin_gid_format(const florin_gid_t *gid, char text[FLORIN_GID_BYTES])
{
    char batch[FLORIN_ID_TEXT_BYTES];
    int length = snprintf(text, FLORIN_GID_BYTES, GID_PREFIX "%zu:%s:%zu", gid->home,
                          florin_id_format_uuid(gid->batch, batch), gid->shard);
    assert(length > 0 && length < FLORIN_GID_BYTES);
    return text;
}

bool florin_gid_parse(const char *text, florin_gid_t *gid)
{
    char batch[FLORIN_ID_TEXT_BYTES], again[FLORIN_GID_BYTES], *end;
    if (strncmp(text, GID_PREFIX, strlen(GID_PREFIX)) != 0)
        return false;
    gid->home = strtoul(text + strlen(GID_PREFIX), &end, 10);
    if (*end++ != ':' || strlen(end) < FLORIN_ID_TEXT_BYTES)
        return false;
    memcpy(batch, end, FLORIN_ID_TEXT_BYTES - 1);
    batch[FLORIN_ID_TEXT_BYTES - 1] = '\0';
    gid->shard = strtoul(end + FLORIN_ID_TEXT_BYTES, NULL, 10);
    /* What was read leniently is held against the one way of writing it. */
    return gid->home < FLORIN_SHARDS_MAX && gid->shard < FLORIN_SHARDS_MAX &&
           florin_id_parse(batch, "batch", &gid->batch, NULL) == 0 &&
           strcmp(text, florin_gid_format(gid, again)) == 0;
}

/* A command on this batch's prepared transaction on a shard; `verb` such as "COMMIT PREPARED". */
static void add_command(florin_plan_t *self, size_t shard, const char *verb)
{
    const florin_gid_t gid = {florin_shards_lowest(self->writers), self->id, shard};
    char name[FLORIN_GID_BYTES], sql[COMMAND_BYTES];
    snprintf(sql, sizeof sql, "%s '%s'", verb, florin_gid_format(&gid, name));
    florin_session_command(&self->store->shards[shard], sql);
}

void florin_batch_roll_back(florin_plan_t *self)
{
    florin_shards_t shards = 0;
    for (size_t i = 0; i < self->store->shards_count; i++) {
        florin_part_t *part = &self->parts[i];
        florin_session_t *session = &self->store->shards[i];
        if (part->state == FLORIN_PART_IDLE)
            continue;
        florin_session_begin(session);
        if (part->state == FLORIN_PART_PREPARED)
            add_command(self, i, "ROLLBACK PREPARED");
        else
            florin_session_command(session, "ROLLBACK");
        florin_session_sync(session);
        part->state = FLORIN_PART_IDLE;
        shards |= florin_shards_of(i);
    }
    florin_store_wait(self->store, shards, florin_store_deadline(self->store));
    /* A fault here closes the session, which rolls back, or leaves it to florin_store_resolve. */
    for (size_t i = 0; i < self->store->shards_count; i++)
        if (florin_shards_has(shards, i) && self->store->shards[i].fault != FLORIN_FAULT_NONE)
            florin_session_close(&self->store->shards[i]);
}

/* ------------------------------------------------------------------------------ the first phase */

/* Ends the transactions of shards that only read, in the same round as the others write. */
static void release_readers(florin_plan_t *self)
{
    for (size_t i = 0; i < self->store->shards_count; i++) {
        if (!florin_shards_has(self->touched & ~self->writers, i))
            continue;
        florin_session_begin(&self->store->shards[i]);
        florin_session_command(&self->store->shards[i], "ROLLBACK");
        florin_session_sync(&self->store->shards[i]);
        self->parts[i].state = FLORIN_PART_IDLE;
    }
}

/* Decisions of earlier batches that may go with this transaction. */
static size_t add_forgetting(florin_plan_t *self, size_t home)
{
    florin_store_t *store = self->store;
    if (store->forget_count[home] > 0) {
        florin_params_t params;
        florin_params_init(&params, store->arena);
        florin_params_ids(&params, store->forget[home], store->forget_count[home]);
        florin_session_call(&store->shards[home], FLORIN_SQL_FORGET, &params);
    }
    return store->forget_count[home];
}

/* Remembers that a decision may go; when there are too many, florin_store_resolve finds it. */
static void forget_later(florin_store_t *store, size_t home, florin_id_t batch)
{
    if (store->forget_count[home] < FLORIN_STORE_FORGET_MAX)
        store->forget[home][store->forget_count[home]++] = batch;
}

static void forgotten(florin_store_t *store, size_t home, size_t count)
{
    if (count > 0) {
        store->forget_count[home] = 0;
        FLORIN_FAILPOINT("store_forgotten");
    }
}

/* Writes everywhere, and prepares everywhere but at home. */
static bool write_and_prepare(florin_plan_t *self, size_t home)
{
    florin_store_t *store = self->store;
    for (size_t i = home; i < store->shards_count; i++) {
        if (!florin_shards_has(self->writers, i))
            continue;
        florin_session_begin(&store->shards[i]);
        florin_batch_add_writes(self, i);
        if (i != home)
            add_command(self, i, "PREPARE TRANSACTION");
        florin_session_sync(&store->shards[i]);
        FLORIN_FAILPOINT(i == home ? "store_written" : "store_prepared_some");
    }
    florin_store_do_meanwhile(store, self->writers);
    florin_store_wait(store, self->touched, florin_store_deadline(store));
    for (size_t i = home + 1; i < store->shards_count; i++)
        if (florin_shards_has(self->writers, i) && store->shards[i].fault == FLORIN_FAULT_NONE)
            self->parts[i].state = FLORIN_PART_PREPARED;
    return !florin_plan_faults(self, self->writers, false);
}

/* --------------------------------------------------------------------------------- the decision */

typedef enum { VERDICT_NO, VERDICT_YES, VERDICT_UNKNOWN } verdict_t;

/* The first row that the batch writes on its only shard, and the transaction that does: it is there
 * only if the batch committed. An imported account that was changed since says no: then the batch
 * is tried again, and finds it there. */
static void first_row(const florin_part_t *part, florin_params_t *params)
{
    if (part->rows_count > 0) {
        florin_params_id(params, part->rows[0].entry->transfer.id);
        florin_params_u64(params, part->rows[0].entry->transfer.timestamp);
    } else if (part->pendings_count > 0) {
        florin_params_id(params, part->pendings[0].pending.transfer->id);
        florin_params_u64(params, part->pendings[0].pending.resolved_at);
    } else {
        bool opened = part->opened_count > 0;
        const florin_account_t *account = opened ? part->opened[0] : part->changed[0];
        florin_params_id(params, account->id);
        florin_params_u64(params, opened ? account->timestamp : account->timestamp_last);
    }
    florin_params_u64(params, (uint32_t)part->transaction);
}

static bool is_crossing(const florin_plan_t *self, size_t home)
{
    return self->writers != florin_shards_of(home);
}

/* Whether its transaction at home committed: a batch across shards has written its decision. */
static bool ask_home(florin_plan_t *self, size_t home, uint64_t deadline_ms, bool *committed)
{
    florin_session_t *session = &self->store->shards[home];
    florin_params_t hold, trace;
    session->retry_at_ms = 0;
    if (florin_store_open_shard(self->store, home, NULL) != 0)
        return false;
    florin_params_init(&hold, self->store->arena);
    florin_params_u64(&hold, (uint64_t)self->id);
    florin_params_init(&trace, self->store->arena);
    if (is_crossing(self, home))
        florin_params_id(&trace, self->id);
    else
        first_row(&self->parts[home], &trace);
    florin_session_begin(session);
    florin_session_command(session, "BEGIN ISOLATION LEVEL READ COMMITTED");
    florin_session_call(session, FLORIN_SQL_HOLD, &hold);
    florin_session_call(
        session, is_crossing(self, home) ? FLORIN_SQL_DECISION : FLORIN_SQL_WAS_WRITTEN, &trace);
    florin_session_command(session, "COMMIT");
    florin_session_sync(session);
    if (florin_session_finish(session, deadline_ms, NULL) != 0) {
        florin_session_close(session);
        return false;
    }
    const PGresult *answer = florin_session_result(session, 2);
    *committed = PQntuples(answer) > 0 && florin_column_bool(answer, 0, 0);
    return true;
}

static void settle_pause(void)
{
    nanosleep(&(struct timespec){.tv_nsec = SETTLE_PAUSE_MS * 1000000L}, NULL);
}

/* The answer to the home's COMMIT was lost. The old session's transaction took the hold before it
 * wrote: whoever gets the hold now comes after its end, and sees what became of it. What is there
 * may not be on the standbys yet, when the wait for them was broken off: so we wait for them. */
static verdict_t find_out(florin_plan_t *self, size_t home)
{
    uint64_t deadline_ms = florin_store_deadline(self->store);
    florin_log(FLORIN_LOG_WARN, "commit_unanswered", "%s; asking again",
               self->store->shards[home].error.message);
    do {
        bool committed;
        if (ask_home(self, home, deadline_ms, &committed))
            return committed ? VERDICT_YES : VERDICT_NO;
        settle_pause();
    } while (florin_clock_ms() < deadline_ms);
    return VERDICT_UNKNOWN;
}

/* Nobody knows whether the batch happened; those who ask again with the same ids will. */
static void give_up(florin_plan_t *self, size_t home)
{
    florin_error_t error;
    florin_error_set(&error, FLORIN_ERROR_UNAVAILABLE,
                     "the outcome is not known yet; ask again with the same ids (%.300s)",
                     self->store->shards[home].error.message);
    florin_plan_fail(self, ~(florin_shards_t)0, &error);
    /* What is prepared waits for florin_store_resolve. */
    memset(self->parts, 0, sizeof self->parts);
}

/* Waits for the home's COMMIT. */
static verdict_t await_decision(florin_plan_t *self, size_t home)
{
    const florin_session_t *session = &self->store->shards[home];
    florin_store_wait(self->store, self->touched, florin_store_deadline(self->store));
    if (session->fault == FLORIN_FAULT_LOST) {
        self->parts[home].state = FLORIN_PART_IDLE;
        self->conflict = session->error;
        return find_out(self, home);
    }
    return florin_plan_faults(self, florin_shards_of(home), false) ? VERDICT_NO : VERDICT_YES;
}

static verdict_t decide(florin_plan_t *self, size_t home)
{
    florin_session_t *session = &self->store->shards[home];
    florin_params_t params;
    florin_params_init(&params, self->store->arena);
    florin_params_id(&params, self->id);
    florin_session_begin(session);
    size_t forgetting = add_forgetting(self, home);
    florin_session_call(session, FLORIN_SQL_DECIDE, &params);
    florin_session_command(session, "COMMIT");
    florin_session_sync(session);
    FLORIN_FAILPOINT("store_decision_sent");
    verdict_t verdict = await_decision(self, home);
    if (verdict == VERDICT_YES)
        forgotten(self->store, home, forgetting);
    return verdict;
}

/* ----------------------------------------------------------------------------- the second phase */

static void add_await(florin_session_t *session, size_t shard, void *arg)
{
    (void)shard, (void)arg;
    florin_session_call(session, FLORIN_SQL_AWAIT_STANDBY, NULL);
}

/* Shards where a name does not exist have confirmed, too: after the decision only a commit ends it.
 * But who ended it may not have waited for a standby. Others may have used up the time. */
static florin_shards_t confirm_ended(florin_store_t *store, florin_shards_t ended,
                                     uint64_t deadline_ms)
{
    uint64_t least_ms = florin_clock_ms() + store->timeouts.lock_timeout_ms;
    return florin_store_round(store, ended, add_await, NULL,
                              deadline_ms > least_ms ? deadline_ms : least_ms);
}

/* One round of COMMIT PREPARED on `shards`; returns those that have not confirmed it. */
static florin_shards_t commit_prepared(florin_plan_t *self, florin_shards_t shards,
                                       uint64_t deadline_ms)
{
    florin_store_t *store = self->store;
    florin_shards_t asked = 0, ended = 0, open = shards;
    for (size_t i = 0; i < store->shards_count; i++) {
        if (!florin_shards_has(shards, i))
            continue;
        store->shards[i].retry_at_ms = 0;
        if (florin_store_open_shard(store, i, NULL) != 0)
            continue;
        florin_session_begin(&store->shards[i]);
        add_command(self, i, "COMMIT PREPARED");
        florin_session_sync(&store->shards[i]);
        FLORIN_FAILPOINT("store_committed_some");
        asked |= florin_shards_of(i);
    }
    florin_store_wait(store, asked, deadline_ms);
    for (size_t i = 0; i < store->shards_count; i++) {
        if (!florin_shards_has(asked, i))
            continue;
        if (store->shards[i].fault == FLORIN_FAULT_NONE)
            open &= ~florin_shards_of(i);
        else if (strcmp(store->shards[i].sqlstate, "42704") == 0)
            ended |= florin_shards_of(i);
    }
    return ended ? open & ~confirm_ended(store, ended, deadline_ms) : open;
}

/* Nobody is told of a success that a read would not see: a shard that does not confirm in time
 * fails the requests that touch it, and florin_store_resolve commits there later. */
static void finish(florin_plan_t *self, size_t home)
{
    uint64_t deadline_ms = florin_store_deadline(self->store);
    florin_shards_t open = self->writers & ~florin_shards_of(home);
    while ((open = commit_prepared(self, open, deadline_ms)) && florin_clock_ms() < deadline_ms)
        settle_pause();
    for (size_t i = 0; i < self->store->shards_count; i++) {
        if (!florin_shards_has(open, i))
            continue;
        florin_error_t error;
        florin_error_set(&error, FLORIN_ERROR_UNAVAILABLE,
                         "committed, but not yet to be seen on every shard; ask again with the "
                         "same ids (%.300s)",
                         self->store->shards[i].error.message);
        florin_log(FLORIN_LOG_WARN, "second_phase_unfinished", "%s",
                   self->store->shards[i].error.message);
        florin_plan_fail(self, florin_shards_of(i), &error);
    }
    if (open)
        return;
    FLORIN_FAILPOINT("store_committed");
    forget_later(self->store, home, self->id);
}

/* ------------------------------------------------------------------------------------ all of it */

/* What committed has its places. Where nobody knows, new chains begin: the old ones end either
 * before this batch or with it. */
static void advance_chains(florin_plan_t *self, verdict_t verdict)
{
    for (size_t i = 0; i < self->store->shards_count; i++)
        if (florin_shards_has(self->writers, i))
            self->store->chains[i].next = verdict == VERDICT_YES ? self->parts[i].chain.next : 0;
}

static florin_step_t conclude(florin_plan_t *self, size_t home, verdict_t verdict)
{
    if (verdict == VERDICT_NO)
        return FLORIN_STEP_AGAIN;
    advance_chains(self, verdict);
    if (verdict == VERDICT_UNKNOWN) {
        give_up(self, home);
        return FLORIN_STEP_DONE;
    }
    FLORIN_FAILPOINT("store_decided");
    if (is_crossing(self, home))
        finish(self, home);
    return FLORIN_STEP_DONE;
}

/* Writes and commits in one round. */
static florin_step_t commit_one(florin_plan_t *self, size_t home)
{
    florin_session_t *session = &self->store->shards[home];
    florin_session_begin(session);
    size_t forgetting = add_forgetting(self, home);
    florin_batch_add_writes(self, home);
    FLORIN_FAILPOINT("store_written");
    florin_session_command(session, "COMMIT");
    florin_session_sync(session);
    FLORIN_FAILPOINT("store_decision_sent");
    florin_store_do_meanwhile(self->store, self->writers);
    verdict_t verdict = await_decision(self, home);
    if (verdict == VERDICT_YES)
        forgotten(self->store, home, forgetting);
    return conclude(self, home, verdict);
}

florin_step_t florin_batch_commit(florin_plan_t *self)
{
    assert((self->writers & ~self->touched) == 0); /* else no transaction is open there */
    release_readers(self);
    if (!self->writers) {
        florin_store_wait(self->store, self->touched, florin_store_deadline(self->store));
        return FLORIN_STEP_DONE;
    }
    size_t home = florin_shards_lowest(self->writers);
    if (!is_crossing(self, home))
        return commit_one(self, home);
    if (!write_and_prepare(self, home))
        return FLORIN_STEP_AGAIN;
    FLORIN_FAILPOINT("store_prepared");
    return conclude(self, home, decide(self, home));
}
