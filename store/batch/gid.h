/* Names of prepared transactions: florin:<home shard>:<batch as a UUID>:<shard>. The last part lets
 * several shards be databases of one server, whose names are common to all its databases. */
#ifndef FLORIN_STORE_GID_H
#define FLORIN_STORE_GID_H

#include "lib/id.h"

#define FLORIN_GID_BYTES 64

typedef struct {
    size_t home;
    florin_id_t batch;
    size_t shard;
} florin_gid_t;

/* Writes the name; returns text. */
char *florin_gid_format(const florin_gid_t *gid, char text[FLORIN_GID_BYTES]);
/* False for a name that florin_gid_format has not written. */
bool florin_gid_parse(const char *text, florin_gid_t *gid);

#endif
