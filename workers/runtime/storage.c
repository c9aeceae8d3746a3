#include "workers/runtime/storage.h"

#include "lib/log.h"

static uint32_t milliseconds(const florin_config_t *config, const char *path, uint64_t fallback)
{
    return (uint32_t)florin_config_number(config, path, fallback);
}

static florin_store_options_t read_options(const florin_config_t *config, uint64_t connect_ms,
                                           uint64_t statement_ms, florin_metrics_t *metrics)
{
    return (florin_store_options_t){
        .control = florin_config_text(config, "store/control", NULL),
        .connect_timeout_ms = milliseconds(config, "store/connect_timeout_ms", connect_ms),
        .statement_timeout_ms = milliseconds(config, "store/statement_timeout_ms", statement_ms),
        .in_doubt_after_ms = milliseconds(config, "store/in_doubt_after_ms", 1000),
        .metrics = metrics,
    };
}

static uint32_t at_most(uint32_t value, uint32_t most)
{
    return value < most ? value : most;
}

int florin_storage_beside(const florin_config_t *config, uint32_t connect_ms_max,
                          uint32_t statement_ms_max, florin_metrics_t *metrics,
                          florin_store_t **store, florin_error_t *error)
{
    florin_store_options_t options =
        read_options(config, connect_ms_max, statement_ms_max, metrics);
    options.connect_timeout_ms = at_most(options.connect_timeout_ms, connect_ms_max);
    options.statement_timeout_ms = at_most(options.statement_timeout_ms, statement_ms_max);
    return florin_store_new(&options, store, error);
}

int florin_storage_open(const florin_config_t *config, uint64_t connect_ms, uint64_t statement_ms,
                        florin_metrics_t *metrics, florin_store_t **store, florin_error_t *error)
{
    const florin_store_options_t options = read_options(config, connect_ms, statement_ms, metrics);
    if (florin_store_new(&options, store, error))
        return error->code;
    int code = florin_store_connect(*store, error);
    if (code == 0)
        return 0;
    if (code == FLORIN_ERROR_CONFIG) {
        florin_store_destroy(store);
        return code;
    }
    florin_log(FLORIN_LOG_WARN, "store_away", "%s; trying again when it is needed", error->message);
    return 0;
}
