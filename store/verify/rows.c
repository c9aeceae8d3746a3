#include "store/verify/rows.h"

#include <stdio.h>
#include <string.h>

#define PAGE_ROWS 4096
#define CURSOR    "florin_verify"
#define SQL_BYTES 8192

static void add_fetch(florin_session_t *session)
{
    char sql[64];
    snprintf(sql, sizeof sql, "FETCH %d FROM " CURSOR, PAGE_ROWS);
    florin_session_command(session, sql);
}

/* Takes the page that was fetched, the result of that number. */
static int turn(florin_verify_rows_t *self, size_t shard, size_t result, florin_error_t *error)
{
    const florin_session_t *session = &self->store->shards[shard];
    if (session->fault != FLORIN_FAULT_NONE)
        return florin_error_set(error, session->error.code, "%s", session->error.message);
    const PGresult *page = florin_session_result(session, result);
    self->at[shard].page = PQntuples(page) > 0 ? page : NULL;
    self->at[shard].row = 0;
    return 0;
}

static void add_cursor(florin_session_t *session, size_t shard, void *arg)
{
    (void)shard;
    florin_session_command(session, "CLOSE ALL");
    florin_session_command(session, arg);
    add_fetch(session);
}

int florin_verify_rows_open(florin_verify_rows_t *self, florin_store_t *store, const char *sql,
                            uint64_t deadline_ms, florin_error_t *error)
{
    char declare[SQL_BYTES];
    int length =
        snprintf(declare, sizeof declare, "DECLARE " CURSOR " NO SCROLL CURSOR FOR %s", sql);
    if (length < 0 || (size_t)length >= sizeof declare)
        return florin_error_set(error, FLORIN_ERROR_INTERNAL, "a query is too long");
    *self = (florin_verify_rows_t){.store = store, .deadline_ms = deadline_ms};
    int result = florin_store_round_all(store, add_cursor, declare, deadline_ms, error);
    for (size_t i = 0; i < store->shards_count && result == 0; i++)
        result = turn(self, i, 2, error);
    return result;
}

static int compare_keys(const florin_verify_rows_t *self, size_t a, size_t b)
{
    const PGresult *left = self->at[a].page, *right = self->at[b].page;
    int left_length = PQgetlength(left, self->at[a].row, 0);
    int right_length = PQgetlength(right, self->at[b].row, 0);
    int shorter = left_length < right_length ? left_length : right_length;
    int order = memcmp(PQgetvalue(left, self->at[a].row, 0), PQgetvalue(right, self->at[b].row, 0),
                       (size_t)shorter);
    return order != 0 ? order : left_length - right_length;
}

florin_shards_t florin_verify_rows_least(const florin_verify_rows_t *self)
{
    florin_shards_t shards = 0;
    size_t least = 0;
    for (size_t i = 0; i < self->store->shards_count; i++) {
        if (!self->at[i].page)
            continue;
        int order = shards ? compare_keys(self, i, least) : -1;
        if (order < 0) {
            shards = 0;
            least = i;
        }
        if (order <= 0)
            shards |= florin_shards_of(i);
    }
    return shards;
}

int florin_verify_rows_next(florin_verify_rows_t *self, florin_shards_t shards,
                            florin_error_t *error)
{
    florin_shards_t turning = 0;
    int result = 0;
    for (size_t i = 0; i < self->store->shards_count; i++) {
        if (!florin_shards_has(shards, i) || ++self->at[i].row < PQntuples(self->at[i].page))
            continue;
        florin_session_begin(&self->store->shards[i]);
        add_fetch(&self->store->shards[i]);
        florin_session_sync(&self->store->shards[i]);
        turning |= florin_shards_of(i);
    }
    if (!turning)
        return 0;
    florin_store_wait(self->store, turning, self->deadline_ms);
    for (size_t i = 0; i < self->store->shards_count && result == 0; i++)
        if (florin_shards_has(turning, i))
            result = turn(self, i, 0, error);
    return result;
}
