/* The store, as a worker's configuration describes it. */
#ifndef FLORIN_STORAGE_H
#define FLORIN_STORAGE_H

#include "lib/config.h"
#include "lib/metrics.h"
#include "store/store.h"

/* The settings that florin_storage_open reads, for a handler's table; the timeouts (ms) are what
 * holds when the file names none. */
#define FLORIN_STORAGE_SETTINGS(connect_ms, statement_ms)                                          \
    {"store/control",                                                                              \
     FLORIN_SETTING_TEXT,                                                                          \
     NULL,                                                                                         \
     0,                                                                                            \
     0,                                                                                            \
     "libpq connection string of the control database"},                                           \
        {"store/connect_timeout_ms",     FLORIN_SETTING_NUMBER, #connect_ms, 10, 60000,            \
         "longest wait for a connection"},                                                         \
        {"store/statement_timeout_ms",  FLORIN_SETTING_NUMBER, #statement_ms, 10, 60000,           \
         "longest wait for a statement"},                                                          \
    {                                                                                              \
        "store/in_doubt_after_ms", FLORIN_SETTING_NUMBER, "1000", 100, 3600000,                    \
            "how long a coordinator that lives may keep a batch prepared"                          \
    }

/* Makes the store and tries to connect. A database that is away is logged and may come later; what
 * only an operator can mend, such as a schema of another version, is an error. The timeouts are
 * those of the table. */
int florin_storage_open(const florin_config_t *config, uint64_t connect_ms, uint64_t statement_ms,
                        florin_metrics_t *metrics, florin_store_t **store,
                        florin_error_t *error) FLORIN_MUST_USE;

/* A second store, for a thread beside the batches, which waits no longer than these times (ms),
 * whatever the file names. It does not connect yet. */
int florin_storage_beside(const florin_config_t *config, uint32_t connect_ms_max,
                          uint32_t statement_ms_max, florin_metrics_t *metrics,
                          florin_store_t **store, florin_error_t *error) FLORIN_MUST_USE;

#endif
