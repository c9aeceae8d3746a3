/* The way back for books that carry a future. */
#ifndef FLORIN_STORE_MEND_H
#define FLORIN_STORE_MEND_H

#include <stdint.h>

#include "lib/error.h"

typedef struct {
    uint64_t moved_ns;  /* how far back; 0: there was no future */
    uint64_t rows;      /* of all tables and shards */
    uint64_t latest_ns; /* the latest time of the books then, ns since 1970 */
    uint64_t now_ns;
} florin_mended_t;

/* Moves all times of the books that are more than a minute ahead of agreed time back, by as much as
 * brings the first of them just after what comes before it. Their order stays, and so does what
 * lies between them. All shards in one transaction; refused while a worker has a session with one,
 * or anything is prepared. */
int florin_admin_mend_times(const char *control, florin_mended_t *mended,
                            florin_error_t *error) FLORIN_MUST_USE;

#endif
