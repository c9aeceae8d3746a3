#include "client/throttle.h"

/* A window that ended long ago says nothing about now. */
static void turn(florin_throttle_t *self, uint64_t now_ms)
{
    uint64_t age_ms = now_ms - self->window_ms;
    if (age_ms < FLORIN_THROTTLE_WINDOW_MS)
        return;
    *self = (florin_throttle_t){
        .window_ms = now_ms,
        .taken_before = self->taken,
        .limited = self->refused > 0 && age_ms < 2 * FLORIN_THROTTLE_WINDOW_MS,
    };
}

/* The eighth more keeps asking for what may have become free; the one keeps asking where nothing
 * was taken. */
bool florin_throttle_allows(florin_throttle_t *self, uint64_t now_ms)
{
    turn(self, now_ms);
    return !self->limited || self->sent <= self->taken_before + self->taken_before / 8;
}

void florin_throttle_sent(florin_throttle_t *self)
{
    self->sent++;
}

void florin_throttle_answered(florin_throttle_t *self, bool busy, uint64_t now_ms)
{
    turn(self, now_ms);
    if (busy)
        self->refused++;
    else
        self->taken++;
}
