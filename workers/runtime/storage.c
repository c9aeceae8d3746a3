#include "workers/runtime/storage.h"

#include <limits.h>

#include "lib/log.h"

/* What a read asks for (florin.proto). */
enum { IDS = 1 };

const florin_lane_kind_t florin_books_lanes[FLORIN_BOOKS_LANES] = {
    [FLORIN_BOOKS_SHARD] = {"shard", .by_shard = true},
    [FLORIN_BOOKS_CROSSING] = {"crossing"},
    [FLORIN_BOOKS_LOOKUPS] = {"lookups", .by_shard = true, .part = 3},
    [FLORIN_BOOKS_LOOKUPS_CROSSING] = {"lookups-crossing", .part = 3},
    [FLORIN_BOOKS_SCANS] = {"scans", .by_shard = true, .part = 96, .one_by_one = true},
    [FLORIN_BOOKS_SCANS_CROSSING] = {"scans-crossing", .part = 96, .one_by_one = true},
};

florin_route_t florin_books_route(florin_books_lane_t alone, const florin_places_t *places,
                                  bool known)
{
    if (places->slots->shards_count == 1)
        return (florin_route_t){.kind = alone};
    if (!known || places->shards == 0 || florin_places_several(places))
        return (florin_route_t){.kind = (size_t)alone + 1};
    return (florin_route_t){alone, (size_t)__builtin_ctzll(places->shards)};
}

florin_route_t florin_books_route_read(florin_books_lane_t alone, const florin_slots_t *slots,
                                       florin_wire_t request)
{
    florin_wire_field_t id;
    florin_places_t places = {.slots = slots};
    while (!florin_places_several(&places) && florin_wire_next(&request, &id))
        if (id.number == IDS)
            florin_places_add(&places, id.contents);
    return florin_books_route(alone, &places, true);
}

static uint32_t milliseconds(const florin_config_t *config, const char *path, uint64_t fallback)
{
    return (uint32_t)florin_config_number(config, path, fallback);
}

static florin_store_options_t read_options(const florin_setup_t *setup, uint64_t connect_ms,
                                           uint64_t statement_ms)
{
    const florin_config_t *config = setup->config;
    return (florin_store_options_t){
        .control = florin_config_text(config, "store/control", NULL),
        .connect_timeout_ms = milliseconds(config, "store/connect_timeout_ms", connect_ms),
        .statement_timeout_ms = milliseconds(config, "store/statement_timeout_ms", statement_ms),
        .in_doubt_after_ms = milliseconds(config, "store/in_doubt_after_ms", 1000),
        .metrics = setup->metrics,
        .clocks = setup->clocks,
        .mapped = florin_slot_map_publish,
        .mapped_arg = setup->slot_map,
    };
}

/* The store reads the key's file, which `path` names. */
static int add_seal_key(florin_store_options_t *options, const florin_config_t *config,
                        char path[PATH_MAX], florin_error_t *error)
{
    options->seal_key = path;
    return florin_config_path(config, "store/seal_key", path, error);
}

static uint32_t at_most(uint32_t value, uint32_t most)
{
    return value < most ? value : most;
}

int florin_storage_beside(const florin_setup_t *setup, uint32_t connect_ms_max,
                          uint32_t statement_ms_max, florin_store_t **store, florin_error_t *error)
{
    florin_store_options_t options = read_options(setup, connect_ms_max, statement_ms_max);
    options.connect_timeout_ms = at_most(options.connect_timeout_ms, connect_ms_max);
    options.statement_timeout_ms = at_most(options.statement_timeout_ms, statement_ms_max);
    char path[PATH_MAX];
    if (add_seal_key(&options, setup->config, path, error))
        return error->code;
    return florin_store_new(&options, store, error);
}

int florin_storage_open(const florin_setup_t *setup, uint64_t connect_ms, uint64_t statement_ms,
                        bool connect, florin_store_t **store, florin_error_t *error)
{
    florin_store_options_t options = read_options(setup, connect_ms, statement_ms);
    char path[PATH_MAX];
    if (add_seal_key(&options, setup->config, path, error) ||
        florin_store_new(&options, store, error))
        return error->code;
    int code = connect ? florin_store_connect(*store, error) : florin_store_map(*store, error);
    if (code == 0)
        return 0;
    if (code == FLORIN_ERROR_CONFIG) {
        florin_store_destroy(store);
        return code;
    }
    if (connect) /* else another lane says so */
        florin_log(FLORIN_LOG_WARN, "store_away", "%s; trying again when it is needed",
                   error->message);
    return 0;
}
