#include "store/verify/seals.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/verify/sql.h"

#define CHAINS_FIRST 64
#define CHAINS_MAX   (1u << 24)

/* What was seen of a chain. Its numbers are those from 1 on when they are as many as the greatest,
 * and make its sum. */
typedef struct {
    uint64_t chain; /* 0: none is here */
    uint64_t sum;
    uint32_t count, greatest;
    uint32_t owed; /* the greatest number that the head has to have come to */
    uint32_t head; /* 0: it has none */
} chain_t;

struct florin_verify_seals {
    chain_t *chains; /* a table by number; its size is a power of two, and it is half empty */
    size_t chains_count, chains_size;
    uint64_t began; /* when sealing did; 0: it has not */
    uint64_t unsealed;
    bool full; /* there are too many chains */
};

/* -------------------------------------------------------------------------------- the chains */

static chain_t *slot_of(const florin_verify_seals_t *seals, uint64_t chain)
{
    size_t at = (size_t)(chain * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (seals->chains_size - 1);
    while (seals->chains[at].chain != 0 && seals->chains[at].chain != chain)
        at = (at + 1) & (seals->chains_size - 1);
    return &seals->chains[at];
}

static bool grow(florin_verify_seals_t *seals)
{
    florin_verify_seals_t grown = *seals;
    grown.chains_size = seals->chains_size ? 2 * seals->chains_size : CHAINS_FIRST;
    grown.chains =
        grown.chains_size <= CHAINS_MAX ? calloc(grown.chains_size, sizeof *grown.chains) : NULL;
    if (!grown.chains)
        return false;
    for (size_t i = 0; i < seals->chains_size; i++)
        if (seals->chains[i].chain != 0)
            *slot_of(&grown, seals->chains[i].chain) = seals->chains[i];
    free(seals->chains);
    *seals = grown;
    return true;
}

/* NULL, and full, when there is no room. */
static chain_t *chain_of(florin_verify_seals_t *seals, uint64_t chain)
{
    if (2 * seals->chains_count >= seals->chains_size && !grow(seals)) {
        seals->full = true;
        return NULL;
    }
    chain_t *slot = slot_of(seals, chain);
    seals->chains_count += slot->chain == 0;
    slot->chain = chain;
    return slot;
}

/* `owed`: nothing else in the books would miss the row. */
static void take_place(florin_verify_seals_t *seals, uint64_t place, bool owed)
{
    uint32_t number = florin_place_number(place);
    chain_t *chain = place ? chain_of(seals, florin_place_chain(place)) : NULL;
    if (!chain)
        return;
    chain->count++;
    chain->sum += number;
    chain->greatest = number > chain->greatest ? number : chain->greatest;
    if (owed && number > chain->owed)
        chain->owed = number;
}

/* --------------------------------------------------------------------------------- the rows */

void florin_verify_seal(florin_verify_run_t *self, size_t shard, const PGresult *page, int row,
                        const char *subject, florin_sealed_fn *read)
{
    const florin_sealed_row_t sealed = read(&self->store->chains[shard].key, page, row);
    florin_verify_seals_t *seals = self->seals ? &self->seals[shard] : NULL;
    if (sealed.why)
        florin_verify_tell(self, false, (int)shard, subject, "can't be so: %s", sealed.why);
    if (!seals)
        return;
    if (!PQgetisnull(page, row, sealed.column)) {
        if (florin_column_u64(page, row, sealed.column) != sealed.seal)
            florin_verify_tell(self, false, (int)shard, subject,
                               "is not as it was sealed: it was edited, or put in, by hand");
    } else {
        if (seals->began && sealed.since >= seals->began)
            florin_verify_tell(self, false, (int)shard, subject,
                               "has no seal, and was written after sealing had begun: by hand, or "
                               "by a worker without store/seal_key");
        seals->unsealed++;
    }
    take_place(seals, sealed.place, sealed.owed);
}

static void see_limit(florin_verify_run_t *self, florin_shards_t shards)
{
    for (size_t i = 0; i < self->store->shards_count; i++) {
        const PGresult *page;
        int row = florin_verify_row(self, i, &page);
        char subject[FLORIN_VERIFY_SUBJECT_BYTES], id[FLORIN_ID_TEXT_BYTES];
        if (!florin_shards_has(shards, i))
            continue;
        (void)snprintf(subject, sizeof subject, "limit of account %s since %" PRIu64,
                       florin_id_format(florin_column_id(page, row, 0), id),
                       florin_column_u64(page, row, 1));
        florin_verify_seal(self, i, page, row, subject, florin_sealed_limit);
    }
}

/* -------------------------------------------------------------------------------- the heads */

static void see_head(florin_verify_run_t *self, florin_shards_t shards)
{
    enum { CHAIN, PLACE, SEAL };
    for (size_t i = 0; i < self->store->shards_count; i++) {
        const PGresult *page;
        int row = florin_verify_row(self, i, &page);
        if (!florin_shards_has(shards, i))
            continue;
        uint64_t number = florin_column_u64(page, row, CHAIN);
        uint64_t place = florin_column_u64(page, row, PLACE);
        uint64_t seal = florin_seal_head(&self->store->chains[i].key, number, place);
        bool genuine = seal == florin_column_u64(page, row, SEAL);
        if (number == 0 && genuine)
            self->seals[i].began = place;
        chain_t *chain = number && genuine ? chain_of(&self->seals[i], number) : NULL;
        if (chain)
            chain->head = florin_place_number(place);
    }
}

int florin_verify_seals_begin(florin_verify_run_t *self, florin_error_t *error)
{
    if (!self->store->seals)
        return 0;
    self->seals = calloc(self->store->shards_count, sizeof *self->seals);
    if (!self->seals)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory to check seals");
    return florin_verify_walk(self, florin_verify_sql_heads, see_head, error);
}

void florin_verify_seals_end(florin_verify_run_t *self)
{
    for (size_t i = 0; self->seals && i < self->store->shards_count; i++)
        free(self->seals[i].chains);
    free(self->seals);
    self->seals = NULL;
}

/* ------------------------------------------------------------------------------- the conclusion */

static void conclude_chain(florin_verify_run_t *self, size_t shard, const chain_t *chain,
                           bool *gaps)
{
    char subject[FLORIN_VERIFY_SUBJECT_BYTES];
    (void)snprintf(subject, sizeof subject, "chain %" PRIu64, chain->chain);
    self->check->checked += chain->count;
    if (chain->count != chain->greatest ||
        chain->sum != (uint64_t)chain->greatest * (chain->greatest + UINT64_C(1)) / 2)
        *gaps = true;
    if (chain->head > chain->greatest)
        florin_verify_tell(self, false, (int)shard, subject,
                           "its rows %" PRIu32 " to %" PRIu32 ", the last ones, are gone",
                           chain->greatest + 1, chain->head);
    if (chain->head < chain->owed)
        florin_verify_tell(self, false, (int)shard, subject,
                           "its head in seal_heads is gone, edited or old: it says %" PRIu32
                           ", and row %" PRIu32 " is there",
                           chain->head, chain->owed);
}

static void conclude_shard(florin_verify_run_t *self, size_t shard, bool *gaps)
{
    const florin_verify_seals_t *seals = &self->seals[shard];
    if (seals->full)
        florin_verify_tell(self, false, (int)shard, "seals", "of too many chains to be checked");
    /* Only who has seen all rows can miss one. */
    for (size_t i = 0; i < seals->chains_size && !self->options->since; i++)
        if (seals->chains[i].chain != 0)
            conclude_chain(self, shard, &seals->chains[i], gaps);
    if (seals->chains_count > 0 && !seals->began)
        florin_verify_tell(self, false, (int)shard, "chain 0",
                           "when sealing began is gone from seal_heads, or edited; or the key is "
                           "not the one that sealed the books");
    if (seals->unsealed > 0)
        florin_verify_tell(self, true, (int)shard, "seals",
                           "%" PRIu64 " rows have none: what was edited in those of before sealing "
                           "began can't be told",
                           seals->unsealed);
}

int florin_verify_seals(florin_verify_run_t *self, const char *limits, bool *gaps,
                        florin_error_t *error)
{
    if (!self->seals) {
        florin_verify_tell(self, true, -1, "seals",
                           "were not checked: there is no key (store/seal_key)");
        return 0;
    }
    int result = florin_verify_walk(self, limits, see_limit, error);
    for (size_t i = 0; i < self->store->shards_count && result == 0; i++)
        conclude_shard(self, i, gaps);
    return result;
}
