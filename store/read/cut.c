#include "store/read/cut.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *left, const void *right)
{
    const florin_crossing_t *a = left, *b = right;
    int batch = (a->batch > b->batch) - (a->batch < b->batch);
    return batch != 0 ? batch : (a->shard > b->shard) - (a->shard < b->shard);
}

static bool sees(const florin_cut_t *self, const florin_crossing_t *line)
{
    return florin_snapshot_sees(&self->snapshots[line->shard], line->transaction);
}

static bool is_in(const florin_crossing_t *lines, size_t count, const florin_crossing_t *line)
{
    return count > 0 && bsearch(line, lines, count, sizeof *lines, compare);
}

/* What was prepared only after the look may have written a row just after that was read: then the
 * row does not tell. */
static bool concerns(const florin_cut_t *self, const florin_crossing_t *line)
{
    return !self->concerns || !is_in(self->prepared, self->prepared_count, line) ||
           self->concerns(self->arg, line->shard, line->transaction);
}

/* The end of a batch's lines; *seen: a shard shows it; *lacking: the first that does not, and
 * should. */
static size_t look_at_batch(const florin_cut_t *self, size_t first, bool *seen,
                            const florin_crossing_t **lacking)
{
    size_t i = first;
    *seen = false;
    *lacking = NULL;
    for (; i < self->traces_count && self->traces[i].batch == self->traces[first].batch; i++) {
        const florin_crossing_t *line = &self->traces[i];
        if (!florin_shards_has(self->shards, line->shard))
            continue;
        if (sees(self, line))
            *seen = true;
        else if (!*lacking && concerns(self, line))
            *lacking = line;
    }
    return i;
}

florin_cut_verdict_t florin_cut_check(florin_cut_t *self, florin_crossing_t *doubt)
{
    if (self->traces_count > 0)
        qsort(self->traces, self->traces_count, sizeof *self->traces, compare);
    if (self->prepared_count > 0)
        qsort(self->prepared, self->prepared_count, sizeof *self->prepared, compare);
    for (size_t i = 0; i < self->traces_count;) {
        bool seen;
        const florin_crossing_t *lacking;
        i = look_at_batch(self, i, &seen, &lacking);
        if (seen && lacking) {
            *doubt = *lacking;
            return FLORIN_CUT_SPLIT;
        }
    }
    for (size_t i = 0; i < self->prepared_count && self->rounds == 0; i++) {
        const florin_crossing_t *line = &self->prepared[i];
        if (!sees(self, line) && concerns(self, line) &&
            !is_in(self->traces, self->traces_count, line)) {
            *doubt = *line;
            return FLORIN_CUT_UNKNOWN;
        }
    }
    return FLORIN_CUT_WHOLE;
}

/* All snapshots of the round before last were there before this round looked at what is prepared:
 * what was prepared later ended later. */
void florin_cut_go_on(florin_cut_t *self, florin_id_t *asked)
{
    self->asked = asked;
    self->asked_count = self->prepared_count;
    for (size_t i = 0; i < self->prepared_count; i++)
        asked[i] = self->prepared[i].batch;
    if (self->rounds++ > 0)
        memcpy(self->before, self->previous, sizeof self->before);
    memcpy(self->previous, self->looks, sizeof self->previous);
}
