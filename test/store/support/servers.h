/* PostgreSQL servers of a test program's own, by ops/cluster, in a folder under /tmp: one a shard,
 * the control database on the first. They are gone when the program has ended, however it ends.
 * Programs run from the root of the repository. */
#ifndef FLORIN_TEST_STORE_SERVERS_H
#define FLORIN_TEST_STORE_SERVERS_H

#include <libpq-fe.h>
#include <stddef.h>

#include "store/store.h"

/* Starts empty servers; with `books`, migrated and named as the shards of one cluster. */
void servers_start(size_t count, bool books);
void servers_stop(void);
size_t servers_count(void);

/* Connection strings, good until the servers stop. */
const char *servers_control(void);
const char *servers_shard(size_t shard);
/* The file of the key that seals these books. */
const char *servers_seal_key(void);

/* Sends a signal to every process of one server. After SIGKILL it is gone; servers_again starts all
 * that are gone. */
void servers_signal(size_t shard, int signal);
void servers_again(void);

/* One value, as text, in a buffer that the next call overwrites; "" for no row. Ends the test when
 * the statement fails. */
const char *servers_ask(const char *conninfo, const char *sql);
/* Asks until that is the value; ends the test, and says what was asked, after 20 s. */
void servers_await(const char *conninfo, const char *sql, const char *expected);
/* As servers_ask, by the superuser, in a database of one of the servers. */
const char *servers_command(size_t shard, const char *database, const char *sql);

/* Lets nobody into a shard's database, nor stay there; and in again. */
void servers_take_away(size_t shard);
void servers_give_back(size_t shard);

#endif
