/* Which lane a request belongs to, told from its packed bytes. That is a hint and no more: every
 * lane can do every request, so bytes that are no request and a map that is old do no harm. */
#ifndef FLORIN_ROUTE_H
#define FLORIN_ROUTE_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/store.h"
#include "workers/runtime/messages/wire.h"

/* ------------------------------------------------------------- what a body says */

typedef struct {
    size_t kind;  /* of lane, in the handler's table */
    size_t shard; /* for a kind that has lanes by shard */
} florin_route_t;

/* The operation's number and what stands in it; 0 when there is none. */
uint32_t florin_route_operation(florin_wire_t body, florin_wire_t *contents);

/* Shards, as ids that lie on them are met. */
typedef struct {
    const florin_slots_t *slots;
    uint64_t shards; /* bit s is shard s */
} florin_places_t;

/* Adds the shard of an id; an empty one, or one that is none, is on no shard. */
void florin_places_add(florin_places_t *self, florin_wire_t id);
/* Whether they are more than one. */
bool florin_places_several(const florin_places_t *self);

/* ------------------------------------------------------------- where the slots are */

/* The slot map as one of the worker's stores read it last. */
typedef struct {
    pthread_mutex_t lock;
    atomic_uint version; /* 0: nobody has read it yet */
    florin_slots_t slots;
} florin_slot_map_t;

void florin_slot_map_init(florin_slot_map_t *self);
void florin_slot_map_clear(florin_slot_map_t *self);
/* For florin_store_options_t.mapped. */
void florin_slot_map_publish(void *self, const florin_slots_t *slots);
/* Brings a copy up to date; *version is what it had, at first 0. */
void florin_slot_map_follow(florin_slot_map_t *self, florin_slots_t *copy, unsigned *version);

#endif
