/* The store, as a worker's configuration describes it. */
#ifndef FLORIN_STORAGE_H
#define FLORIN_STORAGE_H

#include "workers/runtime/worker.h"

/* The lanes of a pool that reads and writes the books: of what touches one shard alone, by shard;
 * and after each of what touches several, and what cannot be told. */
typedef enum {
    FLORIN_BOOKS_SHARD, /* writes */
    FLORIN_BOOKS_CROSSING,
    FLORIN_BOOKS_LOOKUPS, /* reads by id: a few rows each */
    FLORIN_BOOKS_LOOKUPS_CROSSING,
    FLORIN_BOOKS_SCANS, /* all other reads, however long they take */
    FLORIN_BOOKS_SCANS_CROSSING,
    FLORIN_BOOKS_LANES
} florin_books_lane_t;
extern const florin_lane_kind_t florin_books_lanes[FLORIN_BOOKS_LANES];

/* A request's lane, once all its ids were met: one of the kind `alone`, or of the crossing kind
 * beside it. `known`: the ids are all that it touches. */
florin_route_t florin_books_route(florin_books_lane_t alone, const florin_places_t *places,
                                  bool known);

/* The same of a read by ids, or of an account: these are the first field of each such message. */
florin_route_t florin_books_route_read(florin_books_lane_t alone, const florin_slots_t *slots,
                                       florin_wire_t request);

/* The settings that florin_storage_open reads, for a handler's table; the timeouts (ms) are what
 * holds when the file names none. */
#define FLORIN_STORAGE_SETTINGS(connect_ms, statement_ms)                                          \
    {"store/control",                                                                              \
     FLORIN_SETTING_TEXT,                                                                          \
     NULL,                                                                                         \
     0,                                                                                            \
     0,                                                                                            \
     "libpq connection string of the control database"},                                           \
        {"store/seal_key",                                                                         \
         FLORIN_SETTING_TEXT,                                                                      \
         "",                                                                                       \
         0,                                                                                        \
         0,                                                                                        \
         "file of the key that seals what is written"},                                            \
        {"store/connect_timeout_ms",     FLORIN_SETTING_NUMBER, #connect_ms, 10, 60000,            \
         "longest wait for a connection"},                                                         \
        {"store/statement_timeout_ms",  FLORIN_SETTING_NUMBER, #statement_ms, 10, 60000,           \
         "longest wait for a statement"},                                                          \
        {"store/clock_bound_ms",                                                                   \
         FLORIN_SETTING_NUMBER,                                                                    \
         "5000",                                                                                   \
         100,                                                                                      \
         3600000,                                                                                  \
         "how far the clocks that it writes by may be off"},                                       \
    {                                                                                              \
        "store/in_doubt_after_ms", FLORIN_SETTING_NUMBER, "1000", 100, 3600000,                    \
            "how long a coordinator that lives may keep a batch prepared"                          \
    }

/* Makes a lane's store and tries to read the slot map and, to `connect`, to open its sessions;
 * without it each is opened when it is first needed. A database that is away is logged and may come
 * later; what only an operator can mend, such as a schema of another version, is an error. The
 * timeouts are those of the table. */
int florin_storage_open(const florin_setup_t *setup, uint64_t connect_ms, uint64_t statement_ms,
                        bool connect, florin_store_t **store,
                        florin_error_t *error) FLORIN_MUST_USE;

/* A store for a thread beside the lanes, which waits no longer than these times (ms), whatever the
 * file names. It does not connect yet. */
int florin_storage_beside(const florin_setup_t *setup, uint32_t connect_ms_max,
                          uint32_t statement_ms_max, florin_store_t **store,
                          florin_error_t *error) FLORIN_MUST_USE;

#endif
