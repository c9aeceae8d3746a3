#include "store/batch/aside.h"

#include "lib/clock.h"
#include "lib/log.h"

#define TELL_AGAIN_MS 60000
#define FORGET_MS     600000 /* nobody has needed it since */

/* ------------------------------------------------------------------------------ those kept in mind
 */

static void drop(florin_store_t *self, size_t place)
{
    self->aside[place] = self->aside[--self->aside_count];
    florin_metric_add(self->aside_metric, -1);
}

static florin_aside_t *find(florin_store_t *self, florin_id_t id)
{
    for (size_t i = 0; i < self->aside_count; i++)
        if (self->aside[i].id == id)
            return &self->aside[i];
    return NULL;
}

/* Room for one more: the one that was not seen for longest goes. */
static florin_aside_t *add(florin_store_t *self, florin_id_t id)
{
    size_t oldest = 0;
    for (size_t i = 1; i < self->aside_count; i++)
        if (self->aside[i].seen_ms < self->aside[oldest].seen_ms)
            oldest = i;
    if (self->aside_count == FLORIN_STORE_ASIDE_MAX)
        drop(self, oldest);
    florin_metric_add(self->aside_metric, 1);
    self->aside[self->aside_count] = (florin_aside_t){.id = id};
    return &self->aside[self->aside_count++];
}

void florin_aside_note(florin_store_t *self, florin_id_t id, const char *why)
{
    char text[FLORIN_ID_TEXT_BYTES];
    uint64_t now_ms = florin_clock_ms();
    for (size_t i = self->aside_count; i > 0; i--)
        if (now_ms - self->aside[i - 1].seen_ms > FORGET_MS)
            drop(self, i - 1);
    florin_aside_t *known = find(self, id);
    florin_aside_t *aside = known ? known : add(self, id);
    aside->seen_ms = now_ms;
    if (known && now_ms - aside->told_ms < TELL_AGAIN_MS)
        return;
    aside->told_ms = now_ms;
    florin_log(FLORIN_LOG_ERROR, "set_aside",
               "%s is set aside: its row in the books cannot be (%s); what needs it is refused; "
               "run florin verify",
               florin_id_format_uuid(id, text), why);
}

void florin_aside_clear(florin_store_t *self, florin_id_t id)
{
    florin_aside_t *known = self->aside_count > 0 ? find(self, id) : NULL;
    if (known)
        drop(self, (size_t)(known - self->aside));
}

/* -------------------------------------------------------------------------------- those of a batch
 */

bool florin_batch_set_aside(florin_plan_t *self, florin_odd_rows_t *odd, size_t most,
                            florin_id_t id, const char *why)
{
    florin_arena_t *arena = self->store->arena;
    if (!odd->ids) {
        odd->ids = florin_arena_calloc(arena, most, sizeof *odd->ids);
        odd->whys = florin_arena_calloc(arena, most, sizeof *odd->whys);
    }
    if (!odd->ids || !odd->whys)
        return false;
    odd->ids[odd->count] = id;
    odd->whys[odd->count++] = why;
    florin_aside_note(self->store, id, why);
    return true;
}

/* Why a row cannot be; NULL when it is not among them. */
static const char *why_odd(const florin_odd_rows_t *odd, florin_id_t id)
{
    size_t low = 0, high = odd->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (odd->ids[middle] == id)
            return odd->whys[middle];
        if (odd->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool fail_for_account(florin_plan_t *self, florin_store_request_t *request, florin_id_t id)
{
    const florin_part_t *part = &self->parts[florin_store_shard_of(self->store, id)];
    const char *why = why_odd(&part->odd_accounts, id);
    if (why)
        (void)florin_row_error("account", id, why, &request->error);
    return why != NULL;
}

/* On whichever shard its row cannot be. */
static bool fail_for_transfer(florin_plan_t *self, florin_store_request_t *request, florin_id_t id)
{
    const char *why = NULL;
    for (size_t i = 0; i < self->store->shards_count && !why; i++)
        why = why_odd(&self->parts[i].odd_transfers, id);
    if (why)
        (void)florin_row_error("transfer", id, why, &request->error);
    return why != NULL;
}

static void fail_if_odd(florin_plan_t *self, florin_store_request_t *request, size_t event,
                        void *arg)
{
    const florin_sides_t sides = florin_plan_accounts(self, event);
    const florin_named_t named = florin_plan_named(self, event);
    (void)arg;
    (void)(fail_for_account(self, request, sides.debit) ||
           fail_for_account(self, request, sides.credit) ||
           fail_for_transfer(self, request, named.id) ||
           fail_for_transfer(self, request, named.pending_id));
}

bool florin_batch_avoid_odd(florin_plan_t *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->store->shards_count; i++)
        count += self->parts[i].odd_accounts.count + self->parts[i].odd_transfers.count;
    if (count == 0)
        return true;
    florin_error_set(&self->conflict, FLORIN_ERROR_ASIDE, "rows of the books cannot be");
    florin_plan_each(self, fail_if_odd, NULL);
    return false;
}

void florin_batch_fail_impossible(florin_plan_t *self, florin_store_request_t *request,
                                  florin_id_t id)
{
    static const char why[] = "it is not there, or holds less than its pending transfers";
    florin_aside_note(self->store, id, why);
    (void)florin_row_error("account", id, why, &request->error);
}
