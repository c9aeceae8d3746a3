#include "store/admin/seal_again.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/log.h"
#include "store/internal.h"
#include "store/verify/sealed_rows.h"
#include "store/verify/sql.h"

#define SQL_BYTES 1024

/* The tables that say something of an account, or of a transfer. */
static const struct {
    bool account;
    const char *rows, *table, *id;
    bool timestamp; /* is part of the key, and the second column */
    florin_sealed_fn *sealed;
} tables[] = {
    {true, florin_verify_sql_accounts, "accounts", "id", false, florin_sealed_account},
    {true, florin_verify_sql_sealed_limits, "credit_limits", "account_id", true,
     florin_sealed_limit},
    {false, florin_verify_sql_transfers, "transfers", "id", false, florin_sealed_transfer},
    {false, florin_verify_sql_pendings, "pending_transfers", "id", false, florin_sealed_pending},
};
#define TABLES (sizeof tables / sizeof *tables)

static int run(florin_store_t *self, size_t shard, const char *sql, florin_error_t *error)
{
    florin_session_t *session = &self->shards[shard];
    florin_session_begin(session);
    florin_session_command(session, sql);
    florin_session_sync(session);
    return florin_session_finish(session, florin_store_deadline(self), error);
}

static int write_seal(florin_store_t *self, size_t shard, size_t table, const char *uuid,
                      uint64_t timestamp, uint64_t seal, florin_error_t *error)
{
    char sql[SQL_BYTES], of_time[64] = "";
    if (tables[table].timestamp)
        snprintf(of_time, sizeof of_time, " AND timestamp = %" PRIu64, timestamp);
    snprintf(sql, sizeof sql, "UPDATE %s SET seal = %" PRId64 " WHERE %s = '%s'%s",
             tables[table].table, (int64_t)seal, tables[table].id, uuid, of_time);
    return run(self, shard, sql, error);
}

/* The rows of one table on one shard; the transaction is the caller's. */
static int seal_rows(florin_store_t *self, size_t shard, size_t table, const char *uuid,
                     size_t *count, florin_error_t *error)
{
    enum { ROWS_MAX = 4096 };
    struct {
        uint64_t timestamp, seal;
    } wrong[ROWS_MAX];
    char sql[SQL_BYTES];
    size_t wrong_count = 0;
    snprintf(sql, sizeof sql, "SELECT * FROM (%s) AS r WHERE %s = '%s'", tables[table].rows,
             tables[table].id, uuid);
    int result = run(self, shard, sql, error);
    if (result != 0)
        return result;
    const PGresult *page = florin_session_result(&self->shards[shard], 0);
    for (int row = 0; row < PQntuples(page) && wrong_count < ROWS_MAX; row++) {
        const florin_sealed_row_t sealed =
            tables[table].sealed(&self->chains[shard].key, page, row);
        if (PQgetisnull(page, row, sealed.column) ||
            florin_column_u64(page, row, sealed.column) != sealed.seal) {
            wrong[wrong_count].timestamp = florin_column_u64(page, row, 1);
            wrong[wrong_count++].seal = sealed.seal;
        }
    }
    for (size_t i = 0; i < wrong_count && result == 0; i++)
        result = write_seal(self, shard, table, uuid, wrong[i].timestamp, wrong[i].seal, error);
    for (size_t i = 0; i < wrong_count && result == 0; i++)
        florin_log(FLORIN_LOG_WARN, "sealed_again", "shard %zu: %s %s", shard, tables[table].table,
                   uuid);
    *count += wrong_count;
    return result;
}

int florin_store_seal_again(florin_store_t *self, bool account, florin_id_t id, size_t *count,
                            florin_error_t *error)
{
    char uuid[FLORIN_ID_TEXT_BYTES];
    *count = 0;
    if (!self->seals)
        return florin_error_set(error, FLORIN_ERROR_CONFIG,
                                "there is no key: name it by --seal-key, or by store/seal_key");
    florin_id_format_uuid(id, uuid);
    int result = florin_store_connect(self, error);
    for (size_t i = 0; i < self->shards_count && result == 0; i++) {
        result = run(self, i, "BEGIN ISOLATION LEVEL REPEATABLE READ", error);
        for (size_t table = 0; table < TABLES && result == 0; table++)
            if (tables[table].account == account)
                result = seal_rows(self, i, table, uuid, count, error);
        if (result == 0)
            result = run(self, i, "COMMIT", error);
        else
            florin_session_close(&self->shards[i]);
    }
    return result;
}
