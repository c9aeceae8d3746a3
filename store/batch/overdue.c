#include "store/batch/overdue.h"

#include <assert.h>
#include <stdlib.h>

/* A request that was stopped by an obstacle, if something that is overdue makes it one. */
typedef struct florin_stopped {
    florin_store_request_t *request;
    florin_id_t account_id;
    bool credits;
} stopped_t;

/* ------------------------------------------------------------------------------- the obstacles */

static void add_stopped(florin_held_t *held, florin_store_request_t *request, florin_id_t account,
                        bool credits)
{
    if (account == 0)
        return;
    if (held->stopped)
        held->stopped[held->stopped_count] = (stopped_t){request, account, credits};
    held->stopped_count++;
}

static void add_event(florin_plan_t *self, florin_store_request_t *request, size_t event, void *arg)
{
    const florin_sides_t sides = self->kind->obstacles(self, event);
    add_stopped(arg, request, sides.debit, false);
    add_stopped(arg, request, sides.credit, true);
}

static int compare(const void *one, const void *other)
{
    const florin_obstacle_t *a = one, *b = other;
    if (a->account_id != b->account_id)
        return a->account_id > b->account_id ? 1 : -1;
    return a->credits - b->credits;
}

static florin_obstacle_t *find(const florin_held_t *held, florin_id_t account, bool credits)
{
    const florin_obstacle_t wanted = {.account_id = account, .credits = credits};
    return bsearch(&wanted, held->obstacles, held->obstacles_count, sizeof wanted, compare);
}

/* Who was stopped, and by what: that, each once. */
static bool collect(florin_plan_t *self, florin_held_t *held)
{
    florin_arena_t *arena = self->store->arena;
    florin_plan_each(self, add_event, held);
    if (held->stopped_count == 0)
        return true;
    held->stopped = florin_arena_calloc(arena, held->stopped_count, sizeof *held->stopped);
    held->obstacles = florin_arena_calloc(arena, held->stopped_count, sizeof *held->obstacles);
    if (!held->stopped || !held->obstacles)
        return false;
    held->stopped_count = 0;
    florin_plan_each(self, add_event, held);
    for (size_t i = 0; i < held->stopped_count; i++)
        held->obstacles[i] = (florin_obstacle_t){.account_id = held->stopped[i].account_id,
                                                 .credits = held->stopped[i].credits};
    qsort(held->obstacles, held->stopped_count, sizeof *held->obstacles, compare);
    for (size_t i = 0; i < held->stopped_count; i++)
        if (i == 0 || compare(&held->obstacles[i], &held->obstacles[i - 1]) != 0)
            held->obstacles[held->obstacles_count++] = held->obstacles[i];
    return true;
}

/* ------------------------------------------------------------------------------------ the look */

/* Of each obstacle the same number, so that none hides another. */
static size_t most_of_each(const florin_held_t *held)
{
    assert(held->obstacles_count > 0); /* else nobody looks */
    size_t most = FLORIN_OVERDUE_MAX / held->obstacles_count;
    return most > 0 ? most : 1;
}

typedef struct {
    const florin_plan_t *plan;
    const florin_held_t *held;
} look_t;

static void add_look(florin_session_t *session, size_t shard, void *arg)
{
    static const florin_column_t columns[] = {FLORIN_COLUMN_ID, FLORIN_COLUMN_ID};
    const look_t *look = arg;
    const florin_held_t *held = look->held;
    florin_array_t arrays[2];
    florin_params_t params;
    florin_params_init(&params, look->plan->store->arena);
    if (florin_params_arrays(&params, arrays, columns, 2, held->obstacles_count)) {
        for (size_t i = 0; i < held->obstacles_count; i++)
            if (florin_store_shard_of(look->plan->store, held->obstacles[i].account_id) == shard)
                florin_array_id(&arrays[held->obstacles[i].credits], held->obstacles[i].account_id);
        florin_params_arrays_end(&params, arrays, 2);
    }
    florin_params_u64(&params, look->plan->now);
    florin_params_u64(&params, most_of_each(held));
    florin_session_call(session, FLORIN_SQL_OVERDUE_OF, &params);
}

static void take_found(florin_held_t *held, const PGresult *rows)
{
    for (int i = 0; i < PQntuples(rows) && held->overdue_count < FLORIN_BATCH_EVENTS_MAX; i++) {
        const florin_overdue_t found = florin_row_overdue(rows, i);
        bool credits = florin_column_bool(rows, i, 3);
        held->overdue[held->overdue_count++] = found;
        find(held, credits ? found.sides.credit : found.sides.debit, credits)->held = true;
    }
}

static florin_step_t no_memory(florin_plan_t *self)
{
    florin_error_t error;
    florin_error_set(&error, FLORIN_ERROR_MEMORY, "no memory to look for what is overdue");
    florin_plan_fail(self, ~(florin_shards_t)0, &error);
    return FLORIN_STEP_AGAIN;
}

florin_step_t florin_overdue_look(florin_plan_t *self, florin_held_t *held)
{
    florin_shards_t shards = 0;
    *held = (florin_held_t){.obstacles = NULL};
    if (!self->kind->obstacles)
        return FLORIN_STEP_DONE;
    if (!collect(self, held))
        return no_memory(self);
    if (held->obstacles_count == 0)
        return FLORIN_STEP_DONE;
    for (size_t i = 0; i < held->obstacles_count; i++)
        shards |= florin_plan_place(self, held->obstacles[i].account_id);
    held->overdue = florin_arena_calloc(
        self->store->arena, held->obstacles_count * most_of_each(held), sizeof *held->overdue);
    if (!held->overdue)
        return no_memory(self);
    look_t look = {self, held};
    (void)florin_store_round(self->store, shards, add_look, &look,
                             florin_store_deadline(self->store));
    if (florin_plan_faults(self, shards, true))
        return FLORIN_STEP_AGAIN;
    for (size_t i = 0; i < self->store->shards_count; i++)
        if (florin_shards_has(shards, i))
            take_found(held, florin_session_result(&self->store->shards[i], 0));
    return held->overdue_count > 0 ? FLORIN_STEP_SWEEP : FLORIN_STEP_DONE;
}

/* ------------------------------------------------------------------------- what can't be released
 */

/* `why`: NULL when there is not the time to release it. */
static void fail(const stopped_t *stopped, const florin_error_t *why)
{
    char id[FLORIN_ID_TEXT_BYTES];
    florin_id_format_uuid(stopped->account_id, id);
    if (why)
        florin_error_set(&stopped->request->error, why->code,
                         "transfers that expired still hold something on account %s, which cannot "
                         "be released now; ask again with the same ids (%.300s)",
                         id, why->message);
    else
        florin_error_set(
            &stopped->request->error, FLORIN_ERROR_CONFLICT,
            "transfers that expired still hold something on account %s, which is being "
            "released; ask again with the same ids",
            id);
}

void florin_overdue_judge(florin_held_t *held, florin_store_request_t *releases)
{
    for (size_t i = 0; i < held->overdue_count; i++) {
        florin_obstacle_t *sides[] = {find(held, held->overdue[i].sides.debit, false),
                                      find(held, held->overdue[i].sides.credit, true)};
        for (size_t j = 0; j < 2; j++) {
            if (!sides[j])
                continue;
            if (releases[i].error.code == 0)
                sides[j]->released = true;
            else
                sides[j]->failed = &releases[i];
        }
    }
    for (size_t i = 0; i < held->stopped_count; i++) {
        const stopped_t *stopped = &held->stopped[i];
        const florin_obstacle_t *obstacle = find(held, stopped->account_id, stopped->credits);
        if (obstacle->failed && !obstacle->released)
            fail(stopped, &obstacle->failed->error);
    }
}

void florin_overdue_give_up(florin_held_t *held)
{
    for (size_t i = 0; i < held->stopped_count; i++) {
        const stopped_t *stopped = &held->stopped[i];
        if (find(held, stopped->account_id, stopped->credits)->held)
            fail(stopped, NULL);
    }
}
