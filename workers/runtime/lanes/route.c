#include "workers/runtime/lanes/route.h"

#include <string.h>

#include "florin/v1/florin.pb-c.h"
#include "lib/id.h"

uint32_t florin_route_operation(florin_wire_t body, florin_wire_t *contents)
{
    florin_wire_field_t field;
    uint32_t operation = 0;
    while (florin_wire_next(&body, &field))
        if (field.number >= FLORIN__V1__REQUEST__OPERATION_OPEN_ACCOUNTS) {
            operation = field.number; /* of several, the last one counts */
            *contents = field.contents;
        }
    return operation;
}

void florin_places_add(florin_places_t *self, florin_wire_t id)
{
    if (id.end - id.at != FLORIN_ID_BYTES)
        return;
    florin_id_t value = florin_id_from_bytes(id.at);
    if (value != 0 && self->slots->shards_count > 0)
        self->shards |= (uint64_t)1 << self->slots->shards[florin_id_slot(value)];
}

bool florin_places_several(const florin_places_t *self)
{
    return (self->shards & (self->shards - 1)) != 0;
}

void florin_slot_map_init(florin_slot_map_t *self)
{
    memset(self, 0, sizeof *self);
    (void)pthread_mutex_init(&self->lock, NULL);
}

void florin_slot_map_clear(florin_slot_map_t *self)
{
    (void)pthread_mutex_destroy(&self->lock);
}

void florin_slot_map_publish(void *self_p, const florin_slots_t *slots)
{
    florin_slot_map_t *self = self_p;
    (void)pthread_mutex_lock(&self->lock);
    self->slots = *slots;
    atomic_fetch_add(&self->version, 1);
    (void)pthread_mutex_unlock(&self->lock);
}

void florin_slot_map_follow(florin_slot_map_t *self, florin_slots_t *copy, unsigned *version)
{
    if (atomic_load_explicit(&self->version, memory_order_acquire) == *version)
        return;
    (void)pthread_mutex_lock(&self->lock);
    *copy = self->slots;
    *version = atomic_load(&self->version);
    (void)pthread_mutex_unlock(&self->lock);
}
