/* Holding back what would be refused: a service that answers BUSY is sent, in each window, a little
 * more than it took in the one before, and all there is again once nobody was refused for a window.
 * Pure: no clock, no I/O. */
#ifndef FLORIN_CLIENT_THROTTLE_H
#define FLORIN_CLIENT_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#define FLORIN_THROTTLE_WINDOW_MS 100

/* Zeroed: nothing is known of the service, and nothing held back. */
typedef struct {
    uint64_t window_ms;    /* when this window began */
    uint32_t sent;         /* in this window */
    uint32_t taken;        /* answers other than BUSY */
    uint32_t refused;      /* answers that were BUSY */
    uint32_t taken_before; /* in the window before */
    bool limited;          /* BUSY was among that one's answers */
} florin_throttle_t;

/* Whether one more request may be sent at now_ms, and that it was. */
bool florin_throttle_allows(florin_throttle_t *self, uint64_t now_ms);
void florin_throttle_sent(florin_throttle_t *self);

/* An answer came at now_ms. */
void florin_throttle_answered(florin_throttle_t *self, bool busy, uint64_t now_ms);

#endif
