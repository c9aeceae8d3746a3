#include "broker/packs.h"

#include <stdlib.h>
#include <string.h>

#define WORKERS_MAX          16 /* with a pack in one turn; more make it be sent sooner */
#define ROUTING_ID_BYTES_MAX 255

typedef struct {
    uint8_t worker[ROUTING_ID_BYTES_MAX];
    size_t worker_bytes;
    size_t used;
    uint8_t bytes[FLORIN_PACK_BYTES_MAX];
} pack_t;

struct florin_packs {
    size_t count;
    pack_t packs[WORKERS_MAX];
};

florin_packs_t *florin_packs_new(void)
{
    return calloc(1, sizeof(florin_packs_t));
}

void florin_packs_destroy(florin_packs_t **self_p)
{
    free(*self_p);
    *self_p = NULL;
}

/* The worker's pack, a new one if need be; NULL when there are too many. */
static pack_t *pack_of(florin_packs_t *self, florin_slice_t worker)
{
    for (size_t i = 0; i < self->count; i++) {
        pack_t *pack = &self->packs[i];
        if (pack->worker_bytes == worker.size &&
            memcmp(pack->worker, worker.data, worker.size) == 0)
            return pack;
    }
    if (self->count == WORKERS_MAX)
        return NULL;
    pack_t *pack = &self->packs[self->count++];
    memcpy(pack->worker, worker.data, worker.size);
    pack->worker_bytes = worker.size;
    pack->used = 0;
    return pack;
}

bool florin_packs_add(florin_packs_t *self, florin_slice_t worker, florin_slice_t token,
                      florin_slice_t context, florin_slice_t body)
{
    size_t bytes = FLORIN_MDP_PART_BYTES(token.size) + FLORIN_MDP_PART_BYTES(context.size) +
                   FLORIN_MDP_PART_BYTES(body.size);
    pack_t *pack = pack_of(self, worker);
    if (pack == NULL || bytes > FLORIN_PACK_BYTES_MAX - pack->used)
        return false;
    florin_mdp_part_put(pack->bytes, &pack->used, token);
    florin_mdp_part_put(pack->bytes, &pack->used, context);
    florin_mdp_part_put(pack->bytes, &pack->used, body);
    return true;
}

void florin_packs_send(florin_packs_t *self, void *socket, florin_packs_lost_fn *lost, void *arg)
{
    static const uint8_t command = FLORIN_MDP_REQUESTS;
    while (self->count > 0) {
        pack_t *pack = &self->packs[self->count - 1];
        const florin_slice_t worker = {pack->worker, pack->worker_bytes};
        const florin_frame_t frames[] = {
            {"", 0},
            {FLORIN_MDP_WORKER, FLORIN_MDP_HEADER_BYTES},
            {&command, sizeof command},
            {pack->bytes, pack->used},
        };
        self->count--;
        if (florin_message_send(socket, worker, frames, sizeof frames / sizeof frames[0], false) !=
            FLORIN_SENT) {
            /* The callback may take this very place for a new pack. */
            uint8_t id[ROUTING_ID_BYTES_MAX];
            memcpy(id, worker.data, worker.size);
            lost(arg, (florin_slice_t){id, worker.size});
        }
    }
}
