/* Lookups by id: the ids of all calls in a batch with one read. */
#ifndef FLORIN_LOOKUP_H
#define FLORIN_LOOKUP_H

#include "lib/limits.h"
#include "store/store.h"
#include "workers/runtime/worker.h"

/* What is looked up. */
typedef struct {
    Florin__V1__Request__OperationCase operation; /* LOOKUP_ACCOUNTS or LOOKUP_TRANSFERS */
    /* Writes those found, in the order asked, to `rows`: an array of ids_count. */
    int (*read)(florin_store_t *store, const florin_id_t *ids, size_t ids_count, void *rows,
                size_t *found, florin_error_t *error);
    /* Makes a reply of some of the rows; false when the arena is full. */
    bool (*fill)(Florin__V1__Reply *reply, const void *rows, size_t count, florin_arena_t *arena);
    size_t row_bytes; /* a row begins with its id */
} florin_lookup_kind_t;

/* Room for one batch; taken once. */
typedef struct {
    const florin_lookup_kind_t *kind; /* borrowed from the caller, as the next two */
    florin_store_t *store;
    void *rows;
    florin_id_t ids[FLORIN_BATCH_EVENTS_MAX]; /* of all calls, one after the other */
    struct {
        florin_call_t *call;
        size_t ids_count;
    } asked[FLORIN_BATCH_REQUESTS_MAX];
} florin_lookup_t;

/* Answers those of the calls that ask for this kind. `rows` has FLORIN_BATCH_EVENTS_MAX. */
void florin_lookup_run(florin_lookup_t *self, const florin_lookup_kind_t *kind,
                       florin_store_t *store, void *rows, florin_call_t *calls, size_t count,
                       florin_arena_t *arena);

#endif
