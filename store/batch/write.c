/* The second half of a try: what the ledger changed, sorted by shard and written. */
#include "store/batch/write.h"

void florin_batch_add_writes(florin_plan_t *self, size_t shard)
{
    florin_session_t *session = &self->store->shards[shard];
    const florin_part_t *part = &self->parts[shard];
    florin_params_t params;
    if (part->opened_count > 0) {
        florin_params_init(&params, self->store->arena);
        florin_rows_insert_accounts(&params, part->opened, part->opened_count);
        florin_session_call(session, FLORIN_SQL_ACCOUNTS_INSERT, &params);
    }
    if (part->changed_count > 0) {
        florin_params_init(&params, self->store->arena);
        florin_rows_update_accounts(&params, part->changed, part->changed_count);
        florin_session_call(session, FLORIN_SQL_ACCOUNTS_UPDATE, &params);
    }
    if (part->rows_count > 0) {
        florin_params_init(&params, self->store->arena);
        florin_rows_insert_transfers(&params, part->rows, part->rows_count);
        florin_session_call(session, FLORIN_SQL_TRANSFERS_INSERT, &params);
    }
    if (part->pendings_count > 0) {
        florin_params_init(&params, self->store->arena);
        florin_rows_write_pendings(&params, part->pendings, part->pendings_count);
        florin_session_call(session, FLORIN_SQL_PENDINGS_WRITE, &params);
    }
    if (self->credit_limits && part->changed_count > 0) {
        florin_params_init(&params, self->store->arena);
        florin_rows_write_limits(&params, part->changed, part->changed_count);
        florin_session_call(session, FLORIN_SQL_LIMITS_WRITE, &params);
    }
}
