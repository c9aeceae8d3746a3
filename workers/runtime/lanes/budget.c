#include "workers/runtime/lanes/budget.h"

/* Where a part of the credit is less, this is: dividing a few requests helps nobody. */
#define LEAST       8
#define BATCH_LEAST 32

/* Lanes that began nothing for so long are at peace; and the longest rest. */
#define PEACE_MS    100
#define REST_MS_MAX 200

static size_t at_least(size_t value, size_t least)
{
    return value > least ? value : least;
}

bool florin_budget_stuck(const florin_load_t *load, uint64_t now_ms)
{
    return load->since_ms != 0 && now_ms >= load->since_ms + FLORIN_LANE_STUCK_MS;
}

size_t florin_budget_batch(size_t credit, size_t begun)
{
    size_t all = 2 * at_least(credit / 3, BATCH_LEAST), least = at_least(credit / 16, LEAST);
    size_t room = begun < all ? at_least(all - begun, least) : least;
    return room < all / 2 ? room : all / 2;
}

size_t florin_budget_waiting(const florin_load_t *load, size_t credit, size_t part, size_t held,
                             uint64_t now_ms)
{
    size_t most = part > 0 ? at_least(credit / part, LEAST) : SIZE_MAX;
    bool scarce = held >= credit - credit / 4;
    if (!scarce || !florin_budget_stuck(load, now_ms))
        return most;
    size_t share = credit / 16;
    size_t left = load->begun < share ? share - load->begun : 0;
    return left < most ? left : most;
}

uint32_t florin_budget_rest_ms(uint64_t took_ms, uint64_t others_ms, uint64_t now_ms)
{
    if (now_ms >= others_ms + PEACE_MS)
        return 0;
    return took_ms < REST_MS_MAX ? (uint32_t)took_ms : REST_MS_MAX;
}
