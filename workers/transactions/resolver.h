/* The thread that ends what a dead coordinator left in doubt. It has sessions of its own, so that
 * neither a batch that waits for locks nor a shard that hangs keeps it from doing so. */
#ifndef FLORIN_RESOLVER_H
#define FLORIN_RESOLVER_H

#include "workers/runtime/worker.h"

typedef struct florin_resolver florin_resolver_t;

/* Starts it. */
int florin_resolver_new(const florin_setup_t *setup, florin_resolver_t **resolver,
                        florin_error_t *error) FLORIN_MUST_USE;

/* Ends it, after the pass that it is in: a few seconds at most. */
void florin_resolver_destroy(florin_resolver_t **self_p);

#endif
