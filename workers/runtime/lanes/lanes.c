#include "workers/runtime/lanes/lanes.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

#include "lib/limits.h"

static int add(florin_lanes_t *self, const florin_lane_options_t *options, florin_error_t *error)
{
    assert(self->count < FLORIN_LANES_MAX);
    int code = florin_lane_new(options, &self->lanes[self->count], error);
    self->count += code == 0;
    return code;
}

/* The lanes of one kind. */
static int add_kind(florin_lanes_t *self, florin_lane_options_t *options, florin_error_t *error)
{
    const florin_lane_kind_t *kind = &self->handler->lanes[options->kind];
    size_t count = kind->by_shard ? self->by_shard : 1;
    int code = 0;
    self->first[options->kind] = self->count;
    for (size_t i = 0; i < count && code == 0; i++) {
        (void)snprintf(options->name, sizeof options->name, kind->by_shard ? "%s-%zu" : "%s",
                       kind->name, i);
        options->index = i;
        options->of = count;
        code = add(self, options, error);
    }
    return code;
}

int florin_lanes_start(florin_lanes_t *self, const florin_handler_t *handler,
                       const florin_setup_t *setup, size_t credit,
                       const florin_worker_metrics_t *metrics, florin_inbox_t *answered,
                       florin_error_t *error)
{
    assert(handler->lanes_count >= 1 && handler->lanes_count <= FLORIN_LANE_KINDS_MAX);
    florin_setup_t whole = *setup;
    florin_lane_options_t options = {.handler = handler,
                                     .setup = &whole,
                                     .metrics = metrics,
                                     .answered = answered,
                                     .credit = credit,
                                     .begun = &self->begun,
                                     .others_ms = &self->others_ms};
    int code = 0;
    *self = (florin_lanes_t){.handler = handler,
                             .by_shard = (size_t)florin_config_number(
                                 setup->config, "worker/shard_lanes", FLORIN_SHARD_LANES_DEFAULT)};
    florin_slot_map_init(&self->slot_map);
    whole.slot_map = &self->slot_map;
    for (; options.kind < handler->lanes_count && code == 0; options.kind++)
        code = add_kind(self, &options, error);
    for (size_t i = 0; i < self->count; i++)
        if (florin_lane_started(self->lanes[i], code == 0 ? error : &(florin_error_t){0}) &&
            code == 0)
            code = error->code;
    return code;
}

size_t florin_lanes_choose(florin_lanes_t *self, florin_slice_t body)
{
    const florin_handler_t *handler = self->handler;
    florin_route_t route = {0};
    florin_slot_map_follow(&self->slot_map, &self->slots, &self->slots_version);
    if (handler->route)
        route = handler->route(&self->slots, (florin_wire_t){body.data, body.data + body.size});
    assert(route.kind < handler->lanes_count);
    size_t lane = self->first[route.kind];
    return handler->lanes[route.kind].by_shard ? lane + route.shard % self->by_shard : lane;
}

bool florin_lanes_end(florin_lanes_t *self, uint32_t wait_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += wait_ms / 1000;
    for (size_t i = 0; i < self->count; i++)
        florin_lane_end(self->lanes[i]);
    for (size_t i = 0; i < self->count; i++)
        if (!florin_lane_join(self->lanes[i], &until))
            return false;
    for (size_t i = 0; i < self->count; i++)
        florin_lane_destroy(&self->lanes[i]);
    florin_slot_map_clear(&self->slot_map);
    return true;
}
