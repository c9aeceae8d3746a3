#include "store/admin/admin.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "store/session.h"

#define WAIT_MS     15000
#define ARENA_BYTES 65536
#define SQL_BYTES   256
/* A claim of all slots, each with its comma. */
#define SLOTS_SQL_BYTES (SQL_BYTES + 5 * FLORIN_SLOTS)

static const florin_session_timeouts_t timeouts = {
    .connect_timeout_ms = 10000,
    .statement_timeout_ms = 10000,
    .lock_timeout_ms = 5000,
    .idle_timeout_ms = 10000,
};

static uint64_t deadline(void)
{
    return florin_clock_ms() + WAIT_MS;
}

/* One statement that ends by itself. */
static int run(florin_session_t *session, florin_statement_t statement,
               const florin_params_t *params, florin_error_t *error)
{
    florin_session_begin(session);
    florin_session_call(session, statement, params);
    florin_session_sync(session);
    return florin_session_finish(session, deadline(), error);
}

static int command(florin_session_t *session, const char *sql, florin_error_t *error)
{
    florin_session_begin(session);
    florin_session_command(session, sql);
    florin_session_sync(session);
    return florin_session_finish(session, deadline(), error);
}

/* Begins a transaction that may change the map, alone. */
static int lock_map(florin_session_t *session, florin_error_t *error)
{
    int result = command(session, "BEGIN", error);
    if (result == 0)
        result = command(session, "SET LOCAL florin.admin = 'on'", error);
    return result == 0 ? command(session, "LOCK TABLE shards IN EXCLUSIVE MODE", error) : result;
}

static int open_control(florin_session_t *session, const char *control, florin_error_t *error)
{
    int result = florin_session_init(session, "control", control, error);
    return result != 0 ? result
                       : florin_session_open(session, FLORIN_STATEMENTS_ADMIN, &timeouts, error);
}

/* ------------------------------------------------------------------------------------- the list */

typedef struct {
    florin_shard_t *shards;
    size_t count;
    florin_id_t cluster;
} list_t;

void florin_admin_shards_free(florin_shard_t **shards, size_t count)
{
    for (size_t i = 0; *shards && i < count; i++)
        free((*shards)[i].conninfo);
    free(*shards);
    *shards = NULL;
}

static int read_list(florin_session_t *control, list_t *list, florin_error_t *error)
{
    *list = (list_t){0};
    int result = run(control, FLORIN_SQL_SHARDS_LIST, NULL, error);
    if (result != 0)
        return result;
    const PGresult *rows = florin_session_result(control, 0);
    size_t count = (size_t)PQntuples(rows);
    list->shards = calloc(count + 1, sizeof *list->shards);
    for (; list->shards && list->count < count; list->count++) {
        florin_shard_t *shard = &list->shards[list->count];
        int row = (int)list->count;
        shard->conninfo = strdup(PQgetvalue(rows, row, 0));
        shard->slots = florin_column_u32(rows, row, 1);
        list->cluster = florin_column_id(rows, row, 2);
        if (!shard->conninfo)
            break;
    }
    if (list->shards && list->count == count)
        return 0;
    florin_admin_shards_free(&list->shards, list->count);
    *list = (list_t){0};
    return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for the list of shards");
}

int florin_admin_shards_list(const char *control, florin_shard_t **shards, size_t *count,
                             florin_error_t *error)
{
    florin_session_t session;
    list_t list = {0};
    int result = open_control(&session, control, error);
    if (result == 0)
        result = read_list(&session, &list, error);
    florin_session_close(&session);
    *shards = list.shards;
    *count = list.count;
    return result;
}

/* ------------------------------------------------------------------------------------- claiming */

/* A claim on every shard that has its schema, each in an open transaction. */
typedef struct {
    florin_session_t *sessions;
    size_t count;
} claims_t;

static void claims_end(claims_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        florin_session_close(&self->sessions[i]);
    free(self->sessions);
    *self = (claims_t){0};
}

/* Writes on the shard which slots it holds, once; the transaction is the caller's. */
static int claim_slots(florin_session_t *control, florin_session_t *session, size_t shard,
                       florin_error_t *error)
{
    char sql[SLOTS_SQL_BYTES];
    snprintf(sql, sizeof sql,
             "SELECT coalesce(string_agg(slot::text, ','), '') FROM slots WHERE shard = %zu",
             shard);
    int result = command(control, sql, error);
    if (result != 0)
        return result;
    snprintf(sql, sizeof sql,
             "INSERT INTO shard_slots SELECT unnest('{%s}'::integer[])"
             " WHERE NOT EXISTS (SELECT FROM shard_slots)",
             PQgetvalue(florin_session_result(control, 0), 0, 0));
    return command(session, sql, error);
}

/* Claims one; closes the session when the database has no schema yet, or an older one. */
static int claim(florin_session_t *control, florin_session_t *session, size_t shard,
                 florin_id_t cluster, florin_error_t *error)
{
    char sql[SQL_BYTES], id[FLORIN_ID_TEXT_BYTES];
    int result = command(session, "SELECT to_regclass('shard_slots') IS NOT NULL", error);
    if (result != 0)
        return result;
    if (!florin_column_bool(florin_session_result(session, 0), 0, 0)) {
        florin_session_close(session);
        return 0;
    }
    snprintf(sql, sizeof sql,
             "INSERT INTO shard_identity (cluster, shard) VALUES ('%s', %zu)"
             " ON CONFLICT DO NOTHING",
             florin_id_format_uuid(cluster, id), shard);
    florin_session_begin(session);
    florin_session_command(session, "BEGIN");
    florin_session_command(session, sql);
    florin_session_command(session, "SELECT cluster, shard FROM shard_identity");
    florin_session_sync(session);
    result = florin_session_finish(session, deadline(), error);
    if (result != 0)
        return result;
    const PGresult *row = florin_session_result(session, 2);
    if (florin_column_id(row, 0, 0) != cluster)
        return florin_error_set(error, FLORIN_ERROR_REFUSED,
                                "%s: its database belongs to another cluster", session->name);
    if (florin_column_u32(row, 0, 1) != shard)
        return florin_error_set(error, FLORIN_ERROR_REFUSED, "%s: its database is shard %u already",
                                session->name, florin_column_u32(row, 0, 1));
    return claim_slots(control, session, shard, error);
}

static int claims_begin(claims_t *self, florin_session_t *control, const list_t *list,
                        florin_error_t *error)
{
    *self = (claims_t){.sessions = calloc(list->count + 1, sizeof *self->sessions)};
    if (!self->sessions)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for sessions");
    int result = 0;
    for (size_t i = 0; i < list->count && result == 0; i++) {
        char name[32];
        snprintf(name, sizeof name, "shard %zu", i);
        florin_session_t *session = &self->sessions[self->count++];
        result = florin_session_init(session, name, list->shards[i].conninfo, error);
        if (result == 0)
            result = florin_session_open(session, FLORIN_STATEMENTS_NONE, &timeouts, error);
        if (result == 0)
            result = claim(control, session, i, list->cluster, error);
    }
    return result;
}

static int claims_commit(claims_t *self, size_t *claimed, florin_error_t *error)
{
    int result = 0;
    *claimed = 0;
    for (size_t i = 0; i < self->count && result == 0; i++) {
        if (!self->sessions[i].pg)
            continue;
        result = command(&self->sessions[i], "COMMIT", error);
        *claimed += result == 0;
    }
    return result;
}

int florin_admin_shards_claim(const char *control, size_t *claimed, florin_error_t *error)
{
    florin_session_t session;
    list_t list = {0};
    claims_t claims = {0};
    *claimed = 0;
    int result = open_control(&session, control, error);
    if (result == 0)
        result = read_list(&session, &list, error);
    if (result == 0)
        result = claims_begin(&claims, &session, &list, error);
    if (result == 0)
        result = claims_commit(&claims, claimed, error);
    claims_end(&claims);
    florin_admin_shards_free(&list.shards, list.count);
    florin_session_close(&session);
    return result;
}

/* -------------------------------------------------------------------------------------- setting */

static bool same_list(const list_t *list, const char *const *conninfos, size_t count)
{
    bool same = list->count == count;
    for (size_t i = 0; i < count && same; i++)
        same = strcmp(list->shards[i].conninfo, conninfos[i]) == 0;
    return same;
}

/* Adds the shards and deals the slots; the transaction is the caller's. */
static int add_shards(florin_session_t *session, florin_arena_t *arena,
                      const char *const *conninfos, size_t count, florin_error_t *error)
{
    florin_params_t params;
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        florin_params_init(&params, arena);
        florin_params_u32(&params, (uint32_t)i);
        florin_params_text(&params, conninfos[i]);
        result = run(session, FLORIN_SQL_SHARD_ADD, &params, error);
    }
    if (result != 0)
        return result;
    florin_params_init(&params, arena);
    florin_params_u32(&params, (uint32_t)count);
    return run(session, FLORIN_SQL_SLOTS_DEAL, &params, error);
}

/* In a transaction: looks at the list, adds it when there is none, and reads it again. */
static int set_list(florin_session_t *session, florin_arena_t *arena, const char *const *conninfos,
                    size_t count, list_t *list, florin_error_t *error)
{
    int result = lock_map(session, error);
    if (result == 0)
        result = read_list(session, list, error);
    if (result == 0 && list->count == 0) {
        florin_admin_shards_free(&list->shards, list->count);
        result = add_shards(session, arena, conninfos, count, error);
        if (result == 0)
            result = read_list(session, list, error);
    }
    if (result == 0 && !same_list(list, conninfos, count))
        result = florin_error_set(error, FLORIN_ERROR_REFUSED,
                                  "the control database names %zu shards already, and not these; "
                                  "florin-admin shards show lists them",
                                  list->count);
    return result;
}

int florin_admin_shards_set(const char *control, const char *const *conninfos, size_t count,
                            florin_error_t *error)
{
    florin_session_t session;
    list_t list = {0};
    claims_t claims = {0};
    size_t claimed;
    if (count == 0 || count > FLORIN_SHARDS_MAX)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "a cluster has 1 to %d shards",
                                FLORIN_SHARDS_MAX);
    florin_arena_t *arena = florin_arena_new(ARENA_BYTES);
    if (!arena)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for parameters");
    int result = open_control(&session, control, error);
    if (result == 0)
        result = set_list(&session, arena, conninfos, count, &list, error);
    /* The list goes first: after a crash between the two the same command finishes the claims. */
    if (result == 0)
        result = claims_begin(&claims, &session, &list, error);
    if (result == 0)
        result = command(&session, "COMMIT", error);
    if (result == 0)
        result = claims_commit(&claims, &claimed, error);
    claims_end(&claims);
    florin_admin_shards_free(&list.shards, list.count);
    florin_session_close(&session);
    florin_arena_destroy(&arena);
    return result;
}

/* ---------------------------------------------------------------------------------------- rules */

/* One statement in a session of its own. */
static int run_alone(const char *control, florin_statement_t statement,
                     const florin_params_t *params, florin_error_t *error)
{
    florin_session_t session;
    int result = open_control(&session, control, error);
    if (result == 0)
        result = run(&session, statement, params, error);
    florin_session_close(&session);
    return result;
}

int florin_admin_ledger_rule_set(const char *control, const florin_ledger_rule_t *rule,
                                 florin_error_t *error)
{
    bool windowed = rule->window_count_max || rule->window_sum_max;
    bool none = !rule->amount_max && !rule->review_above && !windowed;
    if (rule->ledger == 0)
        return florin_error_set(error, FLORIN_ERROR_INVALID, "ledger: must not be 0");
    if (windowed != (rule->window_s > 0) || rule->window_s > INT32_MAX ||
        rule->window_count_max > FLORIN_WINDOW_COUNT_MAX)
        return florin_error_set(error, FLORIN_ERROR_INVALID,
                                "a window has a length in seconds and a maximum sum, or a maximum "
                                "count of 1 to %d, or both",
                                FLORIN_WINDOW_COUNT_MAX);
    florin_arena_t *arena = florin_arena_new(ARENA_BYTES);
    if (!arena)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for parameters");
    florin_params_t params;
    florin_params_init(&params, arena);
    florin_params_u64(&params, rule->ledger);
    if (!none) {
        florin_params_u64_or_null(&params, rule->amount_max);
        florin_params_u64_or_null(&params, rule->review_above);
        florin_params_u32_or_null(&params, rule->window_s);
        florin_params_u32_or_null(&params, rule->window_count_max);
        florin_params_u64_or_null(&params, rule->window_sum_max);
    }
    int result = run_alone(control, none ? FLORIN_SQL_LEDGER_RULE_DROP : FLORIN_SQL_LEDGER_RULE_SET,
                           &params, error);
    florin_arena_destroy(&arena);
    return result;
}

int florin_admin_account_rule_set(const char *control, florin_id_t account_id,
                                  florin_rule_kind_t kind, florin_error_t *error)
{
    florin_arena_t *arena = florin_arena_new(ARENA_BYTES);
    if (!arena)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for parameters");
    florin_params_t params;
    florin_params_init(&params, arena);
    florin_params_id(&params, account_id);
    if (kind != FLORIN_RULE_NONE)
        florin_params_bool(&params, kind == FLORIN_RULE_BLOCKED);
    int result = run_alone(control,
                           kind == FLORIN_RULE_NONE ? FLORIN_SQL_ACCOUNT_RULE_DROP
                                                    : FLORIN_SQL_ACCOUNT_RULE_SET,
                           &params, error);
    florin_arena_destroy(&arena);
    return result;
}
