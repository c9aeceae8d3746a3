#include "lib/agreed.h"

#include <assert.h>

static int64_t drift_ns(const florin_agreed_source_t *source, uint64_t now_ns)
{
    uint64_t age_ns = now_ns > source->at_ns ? now_ns - source->at_ns : 0;
    return (int64_t)(age_ns / (1000000 / FLORIN_AGREED_DRIFT_PPM));
}

static int64_t width_ns(const florin_agreed_source_t *source, uint64_t now_ns)
{
    return source->most - source->least + 2 * drift_ns(source, now_ns);
}

static bool overlap(const florin_agreed_source_t *a, const florin_agreed_source_t *b,
                    int64_t slack_ns)
{
    return a->least - slack_ns <= b->most && b->least <= a->most + slack_ns;
}

/* An answer that was long on its way says less than an earlier one, which stays unless the source
 * cannot be there any more. */
void florin_agreed_take(florin_agreed_t *self, size_t source, uint64_t sent_ns,
                        uint64_t received_ns, uint64_t unix_ns)
{
    assert(source < FLORIN_AGREED_SOURCES_MAX && sent_ns <= received_ns);
    florin_agreed_source_t *known = &self->sources[source];
    const florin_agreed_source_t sample = {.least = (int64_t)(unix_ns - received_ns),
                                           .most = (int64_t)(unix_ns - sent_ns),
                                           .at_ns = received_ns,
                                           .known = true};
    if (!known->known || width_ns(&sample, received_ns) <= width_ns(known, received_ns) ||
        !overlap(known, &sample, drift_ns(known, received_ns)))
        *known = sample;
}

/* Where a source begins or ceases to agree. */
typedef struct {
    int64_t at;
    int step; /* 1 or -1 */
} edge_t;

static size_t add_edge(edge_t *edges, size_t count, int64_t at, int step)
{
    size_t place = count;
    /* Those that begin come before those that end at the same place: they touch. */
    while (place > 0 && (edges[place - 1].at > at ||
                         (edges[place - 1].at == at && edges[place - 1].step < step))) {
        edges[place] = edges[place - 1];
        place--;
    }
    edges[place] = (edge_t){at, step};
    return count + 1;
}

bool florin_agreed_at(const florin_agreed_t *self, uint64_t now_ns, uint64_t bound_ns,
                      florin_agreed_time_t *time)
{
    edge_t edges[2 * FLORIN_AGREED_SOURCES_MAX];
    size_t count = 0, agree = 0;
    int64_t quarter = (int64_t)(bound_ns / 4);
    *time = (florin_agreed_time_t){0};
    for (size_t i = 0; i < FLORIN_AGREED_SOURCES_MAX; i++) {
        const florin_agreed_source_t *source = &self->sources[i];
        if (!source->known || width_ns(source, now_ns) > quarter)
            continue;
        int64_t slack = drift_ns(source, now_ns) + quarter;
        count = add_edge(edges, count, source->least - slack, 1);
        count = add_edge(edges, count, source->most + slack, -1);
        time->voters++;
    }
    for (size_t i = 0; i < count; i++) {
        agree = edges[i].step > 0 ? agree + 1 : agree - 1;
        if (edges[i].step < 0 || agree <= time->agree)
            continue;
        time->agree = agree;
        time->earliest = now_ns + (uint64_t)edges[i].at;
        time->latest = now_ns + (uint64_t)edges[i + 1].at; /* the next edge ends this place */
    }
    return time->voters >= 2 && 2 * time->agree > time->voters;
}

int64_t florin_agreed_ahead(const florin_agreed_t *self, size_t source, uint64_t now_ns,
                            uint64_t unix_ns)
{
    const florin_agreed_source_t *known = &self->sources[source];
    if (!known->known)
        return 0;
    return known->least + (known->most - known->least) / 2 - (int64_t)(unix_ns - now_ns);
}
