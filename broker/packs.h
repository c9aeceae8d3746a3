/* Requests on their way to workers that take several in one message: those of one turn of the
 * broker's loop are collected by worker, and sent at its end. A small request costs a worker's link
 * less that way than the frames of a message of its own. */
#ifndef FLORIN_BROKER_PACKS_H
#define FLORIN_BROKER_PACKS_H

#include "broker/message.h"

typedef struct florin_packs florin_packs_t;

/* NULL when there is no memory. */
florin_packs_t *florin_packs_new(void);
void florin_packs_destroy(florin_packs_t **self_p);

/* Adds a request; false when there is no room for it: send it by itself. */
bool florin_packs_add(florin_packs_t *self, florin_slice_t worker, florin_slice_t token,
                      florin_slice_t context, florin_slice_t body) FLORIN_MUST_USE;

/* Sends all packs; calls `lost` for each worker that could not be sent one. The callback may add
 * requests: they are sent, too. */
typedef void(florin_packs_lost_fn)(void *arg, florin_slice_t worker);
void florin_packs_send(florin_packs_t *self, void *socket, florin_packs_lost_fn *lost, void *arg);

#endif
