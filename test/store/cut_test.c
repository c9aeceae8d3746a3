/* Reads of several shards in a simulated world, in which any step may come between any two: batches
 * take numbers and locks, are prepared, decided, committed shard by shard, or given up; foreign
 * transactions come and stay; a reader looks, shard by shard. After each of its rounds the verdict
 * is held against what it has seen indeed. FLORIN_SEED overrides the seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* cmocka wants those above first. */
#include <cmocka.h>

#include "store/read/cut.h"

enum {
    STEPS = 3000000,
    SHARDS = 4,
    ACCOUNTS = 3, /* on each shard */
    BATCHES = 48,
    RUNNING = 6,
    FOREIGN = 3,
    ROUNDS_MAX = 40,
    LOOK_BYTES = 1024,
    LINES_MAX = BATCHES * SHARDS * SHARDS
};

static uint64_t seed, state;

static uint64_t draw(uint64_t below)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state % below;
}

/* ------------------------------------------------------------------------------------- the world
 */

typedef enum { AWAY, NUMBERED, LOCKED, PREPARED, COMMITTED, ROLLED_BACK } part_t;

typedef struct {
    florin_id_t id; /* 0: free */
    florin_shards_t writes;
    bool gives_up;
    struct {
        part_t state;
        unsigned accounts; /* bits */
        uint64_t number, locked_at, committed_at;
    } on[SHARDS];
    uint64_t ended_at; /* 0: it runs */
} batch_t;

static batch_t batches[BATCHES];
static uint64_t foreign[SHARDS][FOREIGN]; /* numbers; 0: none */
static uint64_t next_number[SHARDS], now, last_id;

static bool runs_on(const batch_t *batch, size_t shard)
{
    part_t at = batch->on[shard].state;
    return batch->id && (at == NUMBERED || at == LOCKED || at == PREPARED);
}

static bool holds(const batch_t *batch, size_t shard)
{
    return runs_on(batch, shard) && batch->on[shard].state != NUMBERED;
}

/* On all of its shards but the home. */
static bool others_are(const batch_t *batch, part_t wanted)
{
    for (size_t i = florin_shards_lowest(batch->writes) + 1; i < SHARDS; i++)
        if (florin_shards_has(batch->writes, i) && batch->on[i].state != wanted)
            return false;
    return true;
}

static void begin_batch(uint64_t reader_began)
{
    size_t running = 0;
    batch_t *room = NULL;
    for (size_t i = 0; i < BATCHES; i++) {
        running += batches[i].id && !batches[i].ended_at;
        if (!batches[i].id || (batches[i].ended_at && batches[i].ended_at < reader_began))
            room = &batches[i];
    }
    if (!room || running >= RUNNING)
        return;
    *room = (batch_t){
        .id = ++last_id, .writes = 1 + draw((1 << SHARDS) - 1), .gives_up = draw(10) == 0};
    for (size_t i = 0; i < SHARDS; i++)
        if (florin_shards_has(room->writes, i))
            room->on[i].accounts = 1 + (unsigned)draw((1 << ACCOUNTS) - 1);
}

static bool is_free(const batch_t *batch, size_t shard)
{
    for (size_t i = 0; i < BATCHES; i++)
        if (&batches[i] != batch && holds(&batches[i], shard) &&
            batches[i].on[shard].accounts & batch->on[shard].accounts)
            return false;
    return true;
}

/* False when all of its shards are locked. */
static bool lock_next(batch_t *batch)
{
    for (size_t i = 0; i < SHARDS; i++) {
        if (!florin_shards_has(batch->writes, i) || batch->on[i].state > NUMBERED)
            continue;
        if (batch->on[i].state == AWAY) {
            batch->on[i].state = NUMBERED;
            batch->on[i].number = next_number[i]++;
        } else if (is_free(batch, i)) {
            batch->on[i].state = LOCKED;
            batch->on[i].locked_at = now;
        }
        return true;
    }
    return false;
}

static void end_on(batch_t *batch, size_t shard, part_t how)
{
    batch->on[shard].state = how;
    batch->on[shard].committed_at = now;
    bool ended = true;
    for (size_t i = 0; i < SHARDS; i++)
        ended = ended && !runs_on(batch, i);
    batch->ended_at = ended ? now : 0;
}

static void step_batch(batch_t *batch)
{
    size_t home = florin_shards_lowest(batch->writes), shard = draw(SHARDS);
    bool decided = batch->on[home].state == COMMITTED;
    if (batch->gives_up && draw(8) == 0 && !decided) {
        batch->gives_up = false;
        for (size_t i = 0; i < SHARDS; i++)
            if (runs_on(batch, i))
                batch->on[i].state = ROLLED_BACK;
        batch->ended_at = now;
        return;
    }
    if (!decided && lock_next(batch))
        return;
    if (!decided && others_are(batch, PREPARED))
        end_on(batch, home, COMMITTED);
    else if (shard != home && florin_shards_has(batch->writes, shard) && runs_on(batch, shard)) {
        if (decided)
            end_on(batch, shard, COMMITTED);
        else
            batch->on[shard].state = PREPARED;
    }
}

static void step_foreign(void)
{
    size_t shard = draw(SHARDS);
    uint64_t *number = &foreign[shard][draw(FOREIGN)];
    if (*number == 0)
        *number = next_number[shard]++;
    else if (draw(20) == 0)
        *number = 0;
}

/* ------------------------------------------------------------------------------------ the reader
 */

typedef enum { LOOKS_BEFORE, LOOKS_PREPARED, TAKES_SNAPSHOT, READS_ROWS, DONE } phase_t;

static struct {
    bool busy, of_rows;
    uint64_t began, pace; /* one step of so many */
    phase_t phase[SHARDS];
    uint64_t snapshot_at[SHARDS];
    unsigned wanted[SHARDS];                           /* accounts */
    uint64_t xmax[SHARDS][ACCOUNTS];                   /* of their rows, as read */
    uint8_t bytes[ROUNDS_MAX + 3][SHARDS][LOOK_BYTES]; /* of looks: one before, one a round */
    florin_crossing_t traces[LINES_MAX], prepared[LINES_MAX];
    florin_id_t asked[2][LINES_MAX];
    florin_cut_t cut;
} reader;

/* What earlier reads have left. */
typedef struct {
    uint8_t bytes[LOOK_BYTES];
    size_t size;
} left_t;

static left_t seen[SHARDS];
static struct {
    florin_shards_t shards;
    left_t before[SHARDS];
    florin_id_t asked[LINES_MAX];
    size_t asked_count;
} earlier;

static size_t rounds, wholes, splits, unknowns, needless;

static void put(uint8_t **at, uint64_t value, size_t bytes)
{
    for (size_t i = bytes; i-- > 0; value >>= 8)
        (*at)[i] = (uint8_t)value;
    *at += bytes;
}

static int compare_numbers(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static florin_look_t look(size_t shard, uint8_t bytes[LOOK_BYTES])
{
    uint64_t active[BATCHES + FOREIGN];
    size_t count = 0;
    uint8_t *at = bytes;
    for (size_t i = 0; i < BATCHES; i++)
        if (runs_on(&batches[i], shard))
            active[count++] = batches[i].on[shard].number;
    for (size_t i = 0; i < FOREIGN; i++)
        if (foreign[shard][i] > 0)
            active[count++] = foreign[shard][i];
    qsort(active, count, sizeof *active, compare_numbers);
    put(&at, count, 4);
    put(&at, count > 0 ? active[0] : next_number[shard], 8);
    put(&at, next_number[shard], 8);
    for (size_t i = 0; i < count; i++)
        put(&at, active[i], 8);
    return (florin_look_t){bytes, (size_t)(at - bytes)};
}

/* By when it was committed, and no number. */
static bool is_seen(const batch_t *batch, size_t shard)
{
    return batch->on[shard].state == COMMITTED &&
           batch->on[shard].committed_at < reader.snapshot_at[shard];
}

static bool concerns(const void *arg, size_t shard, uint64_t transaction)
{
    (void)arg;
    for (size_t i = 0; i < ACCOUNTS; i++)
        if (reader.wanted[shard] >> i & 1 && reader.xmax[shard][i] == transaction)
            return true;
    return false;
}

static void give(florin_look_t *look, uint8_t bytes[LOOK_BYTES], const left_t *left)
{
    memcpy(bytes, left->bytes, left->size);
    *look = (florin_look_t){bytes, left->size};
}

static void leave(left_t *left, const florin_look_t *look)
{
    memcpy(left->bytes, look->bytes, look->size);
    left->size = look->size;
}

/* A new one, or one that goes on from an earlier one as from a round before. */
static void begin_read(void)
{
    memset(reader.snapshot_at, 0, sizeof reader.snapshot_at);
    reader.busy = true;
    reader.began = now;
    reader.of_rows = draw(2);
    reader.pace = draw(4) == 0 ? 2 + draw(12) : 1;
    reader.cut = (florin_cut_t){.shards = draw(2) ? (1 << SHARDS) - 1 : 1 + draw((1 << SHARDS) - 1),
                                .concerns = reader.of_rows ? concerns : NULL,
                                .traces = reader.traces,
                                .prepared = reader.prepared};
    bool goes_on = (reader.cut.shards & ~earlier.shards) == 0 && draw(2);
    if (goes_on) {
        memcpy(reader.asked[0], earlier.asked, earlier.asked_count * sizeof earlier.asked[0]);
        reader.cut.asked = reader.asked[0];
        reader.cut.asked_count = earlier.asked_count;
        reader.cut.rounds = 1;
    }
    for (size_t i = 0; i < SHARDS; i++) {
        reader.wanted[i] = (unsigned)draw(1 << ACCOUNTS);
        reader.phase[i] = florin_shards_has(reader.cut.shards, i) ? LOOKS_BEFORE : DONE;
        if (reader.phase[i] == DONE || (!goes_on && (seen[i].size == 0 || draw(2))))
            continue;
        give(&reader.cut.before[i], reader.bytes[0][i], goes_on ? &earlier.before[i] : &seen[i]);
        if (goes_on)
            give(&reader.cut.previous[i], reader.bytes[ROUNDS_MAX + 2][i], &seen[i]);
        reader.phase[i] = LOOKS_PREPARED;
    }
}

static void look_at_prepared(size_t shard)
{
    for (size_t i = 0; i < BATCHES; i++)
        if (batches[i].id && batches[i].on[shard].state == PREPARED)
            reader.prepared[reader.cut.prepared_count++] =
                (florin_crossing_t){batches[i].id, shard, batches[i].on[shard].number};
}

static bool is_asked(florin_id_t batch)
{
    for (size_t i = 0; i < reader.cut.asked_count; i++)
        if (reader.cut.asked[i] == batch)
            return true;
    return false;
}

static void take_snapshot(size_t shard)
{
    florin_cut_t *cut = &reader.cut;
    florin_snapshot_t before;
    reader.snapshot_at[shard] = now;
    cut->looks[shard] = look(shard, reader.bytes[cut->rounds + 1][shard]);
    assert_true(florin_snapshot_parse(cut->looks[shard].bytes, cut->looks[shard].size,
                                      &cut->snapshots[shard]));
    assert_true(florin_snapshot_parse(cut->before[shard].bytes, cut->before[shard].size, &before));
    for (size_t i = 0; i < BATCHES; i++) {
        const batch_t *batch = &batches[i];
        if (!batch->id || !florin_shards_has(batch->writes, shard) ||
            batch->writes == florin_shards_of(shard) || !is_seen(batch, shard) ||
            (florin_snapshot_sees(&before, batch->on[shard].number) && !is_asked(batch->id)))
            continue;
        for (size_t k = 0; k < SHARDS; k++)
            if (florin_shards_has(batch->writes, k))
                reader.traces[cut->traces_count++] =
                    (florin_crossing_t){batch->id, k, batch->on[k].number};
    }
}

/* The row's version has the number of who locked it first among those whom the snapshot lacks. */
static void read_rows(size_t shard)
{
    for (size_t account = 0; account < ACCOUNTS; account++) {
        uint64_t first = UINT64_MAX;
        reader.xmax[shard][account] = 0;
        for (size_t i = 0; i < BATCHES; i++) {
            const batch_t *batch = &batches[i];
            bool wrote = holds(batch, shard) || batch->on[shard].state == COMMITTED;
            if (!batch->id || !wrote || is_seen(batch, shard) ||
                !(batch->on[shard].accounts >> account & 1) || batch->on[shard].locked_at >= first)
                continue;
            first = batch->on[shard].locked_at;
            reader.xmax[shard][account] = batch->on[shard].number;
        }
    }
}

/* -------------------------------------------------------------------------------- what was seen */

/* Whether any batch is there on one shard and not on another: in all that it wrote there, or in
 * what was asked for. */
static bool is_split(bool wanted_only)
{
    for (size_t i = 0; i < BATCHES; i++) {
        bool there = false, lacking = false;
        for (size_t k = 0; k < SHARDS && batches[i].id; k++) {
            if (!florin_shards_has(batches[i].writes & reader.cut.shards, k) ||
                (wanted_only && !(batches[i].on[k].accounts & reader.wanted[k])))
                continue;
            *(is_seen(&batches[i], k) ? &there : &lacking) = true;
        }
        if (there && lacking)
            return true;
    }
    return false;
}

static bool comes_after(const batch_t *later, const batch_t *first)
{
    for (size_t i = 0; i < SHARDS; i++)
        if (later->on[i].state >= LOCKED && first->on[i].state == COMMITTED &&
            later->on[i].accounts & first->on[i].accounts &&
            first->on[i].committed_at < later->on[i].locked_at)
            return true;
    return false;
}

/* Whether what is there of the rows asked for came after something that is not. */
static bool lacks_a_cause(void)
{
    bool there[BATCHES] = {false}, changed = true;
    for (size_t i = 0; i < BATCHES; i++)
        for (size_t k = 0; k < SHARDS; k++)
            there[i] |= batches[i].id && batches[i].on[k].accounts & reader.wanted[k] &&
                        is_seen(&batches[i], k);
    while (changed) {
        changed = false;
        for (size_t i = 0; i < BATCHES; i++)
            for (size_t k = 0; k < BATCHES && there[i]; k++)
                if (!there[k] && batches[k].id && comes_after(&batches[i], &batches[k]))
                    there[k] = changed = true;
    }
    for (size_t i = 0; i < BATCHES; i++)
        for (size_t k = 0; k < SHARDS; k++)
            if (there[i] && batches[i].on[k].accounts & reader.wanted[k] &&
                !is_seen(&batches[i], k))
                return true;
    return false;
}

static void fail_here(const char *what)
{
    fail_msg("seed %llu, step %llu: %s", (unsigned long long)seed, (unsigned long long)now, what);
}

static void hold_against(florin_cut_verdict_t verdict)
{
    bool split = is_split(false);
    if (verdict == FLORIN_CUT_SPLIT && !split)
        fail_here("a whole read is called split");
    if (verdict == FLORIN_CUT_UNKNOWN && reader.cut.rounds > 0)
        fail_here("what was asked for by name is not known");
    if (verdict == FLORIN_CUT_WHOLE && !reader.of_rows && split)
        fail_here("a split read is called whole");
    if (verdict == FLORIN_CUT_WHOLE && reader.of_rows && is_split(true))
        fail_here("rows are split");
    bool all = reader.cut.shards == (1 << SHARDS) - 1;
    if (verdict == FLORIN_CUT_WHOLE && reader.of_rows && all && draw(4) == 0 && lacks_a_cause())
        fail_here("rows lack what they came after");
    needless += verdict == FLORIN_CUT_SPLIT && reader.of_rows && !is_split(true);
    wholes += verdict == FLORIN_CUT_WHOLE;
    splits += verdict == FLORIN_CUT_SPLIT;
    unknowns += verdict == FLORIN_CUT_UNKNOWN;
    rounds++;
}

static void end_round(void)
{
    florin_crossing_t doubt;
    florin_cut_t *cut = &reader.cut;
    assert_true(cut->traces_count <= LINES_MAX && cut->prepared_count <= LINES_MAX);
    florin_cut_verdict_t verdict = florin_cut_check(cut, &doubt);
    hold_against(verdict);
    reader.busy = verdict != FLORIN_CUT_WHOLE && cut->rounds + 1 < ROUNDS_MAX;
    florin_cut_go_on(cut, reader.asked[(cut->rounds + 1) % 2]);
    for (size_t i = 0; i < SHARDS; i++)
        if (florin_shards_has(cut->shards, i)) {
            leave(&seen[i], &cut->looks[i]);
            leave(&earlier.before[i], &cut->before[i]);
            reader.phase[i] = LOOKS_PREPARED;
        }
    earlier.shards = cut->shards;
    earlier.asked_count = cut->asked_count;
    memcpy(earlier.asked, cut->asked, cut->asked_count * sizeof *cut->asked);
    cut->traces_count = cut->prepared_count = 0;
}

/* All look before any goes on: a round of its own. */
static bool all_have(phase_t passed)
{
    for (size_t i = 0; i < SHARDS; i++)
        if (reader.phase[i] <= passed)
            return false;
    return true;
}

static void step_reader(void)
{
    size_t shard = draw(SHARDS);
    switch (reader.phase[shard]) {
    case LOOKS_BEFORE:
        reader.cut.before[shard] = look(shard, reader.bytes[0][shard]);
        break;
    case LOOKS_PREPARED:
        if (!all_have(LOOKS_BEFORE))
            return;
        look_at_prepared(shard);
        break;
    case TAKES_SNAPSHOT:
        take_snapshot(shard);
        break;
    case READS_ROWS:
        read_rows(shard);
        break;
    case DONE:
        return;
    }
    reader.phase[shard]++;
    if (all_have(READS_ROWS))
        end_round();
}

static void sees_each_split_and_no_other(void **unused)
{
    (void)unused;
    const char *given = getenv("FLORIN_SEED");
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    state = seed * 2654435761u + 1;
    printf("seed %llu\n", (unsigned long long)seed);
    for (size_t i = 0; i < SHARDS; i++)
        next_number[i] = (UINT64_C(1) << 32) - 1000 + draw(2000);
    for (now = 1; now <= STEPS; now++) {
        uint64_t who = draw(20);
        if (who < 2)
            begin_batch(reader.busy ? reader.began : now);
        else if (who == 2)
            step_foreign();
        else if (who < 8 && !reader.busy)
            begin_read();
        else if (who < 8 && draw(reader.pace) == 0)
            step_reader();
        else {
            batch_t *batch = &batches[draw(BATCHES)];
            if (batch->id && !batch->ended_at)
                step_batch(batch);
        }
    }
    printf(
        "%zu rounds: %zu whole, %zu split (%zu of them beside what was asked for), %zu unknown\n",
        rounds, wholes, splits, needless, unknowns);
    assert_true(wholes > 1000 && splits > 1000 && unknowns > 1000);
}

/* ---------------------------------------------------------------------------------- snapshots */

static void understands_a_snapshot(void **unused)
{
    (void)unused;
    uint8_t bytes[36], *at = bytes;
    florin_snapshot_t snapshot;
    put(&at, 2, 4);
    put(&at, UINT64_C(0x100000003), 8);
    put(&at, UINT64_C(0x100000009), 8);
    put(&at, UINT64_C(0x100000003), 8);
    put(&at, UINT64_C(0x100000007), 8);
    assert_true(florin_snapshot_parse(bytes, sizeof bytes, &snapshot));
    assert_true(florin_snapshot_sees(&snapshot, 7));
    assert_true(florin_snapshot_sees(&snapshot, UINT64_C(0x100000002)));
    assert_false(florin_snapshot_sees(&snapshot, UINT64_C(0x100000003)));
    assert_true(florin_snapshot_sees(&snapshot, UINT64_C(0x100000004)));
    assert_false(florin_snapshot_sees(&snapshot, UINT64_C(0x100000007)));
    assert_true(florin_snapshot_sees(&snapshot, UINT64_C(0x100000008)));
    assert_false(florin_snapshot_sees(&snapshot, UINT64_C(0x100000009)));
    assert_int_equal(florin_snapshot_widen(&snapshot, 8), UINT64_C(0x100000008));
    assert_int_equal(florin_snapshot_widen(&snapshot, 0xfffffffeu), UINT64_C(0xfffffffe));
    for (size_t size = 0; size < sizeof bytes; size++)
        assert_false(florin_snapshot_parse(bytes, size, &snapshot));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(understands_a_snapshot),
        cmocka_unit_test(sees_each_split_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
