#include "store/verify/schema.h"

#include <stdio.h>
#include <string.h>

/* A trigger or a rule on a table changes what is written to it; the migrations make none. */
#define BOUND_TO(catalog, name, table, definition, kind)                                           \
    " UNION ALL SELECT '" kind " ' || c.relname || '.' || " name ", " definition " FROM " catalog  \
    " o JOIN pg_class c ON c.oid = " table " WHERE c.relkind = 'r'"                                \
    " AND c.relnamespace = current_schema::regnamespace"

/* An index that stands for a constraint goes with that. */
const char florin_verify_sql_schema[] =
    "SELECT * FROM (SELECT 'index ' || c.relname AS key, pg_get_indexdef(i.indexrelid)"
    " || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END FROM pg_index i"
    " JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace = current_schema::regnamespace"
    " AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)" //
    BOUND_TO("pg_constraint", "conname", "conrelid", "pg_get_constraintdef(o.oid)", "constraint")
        BOUND_TO("pg_trigger", "tgname", "tgrelid", "pg_get_triggerdef(o.oid)",
                 "trigger") " AND NOT tgisinternal" BOUND_TO("pg_rewrite", "rulename", "ev_class",
                                                             "pg_get_ruledef(o.oid)", "rule")
            BOUND_TO("pg_attribute", "attname", "attrelid",
                     "format_type(atttypid, atttypmod) || ' NOT NULL'",
                     "column") " AND attnotnull AND attnum > 0"
                               " UNION ALL SELECT 'table ' || relname, CASE relpersistence WHEN "
                               "'p' THEN 'LOGGED'"
                               " ELSE 'UNLOGGED' END || CASE WHEN relrowsecurity THEN ', ROW LEVEL "
                               "SECURITY' ELSE '' END"
                               " FROM pg_class WHERE relkind = 'r' AND relnamespace = "
                               "current_schema::regnamespace) o"
                               " ORDER BY key COLLATE \"C\"";

/* What sql/shard makes, as PostgreSQL shows it. An operator may add indexes of his own. */
static const struct {
    const char *name, *definition;
} expected[] = {
    {"column accounts.code", "integer NOT NULL"},
    {"column accounts.credit_limit", "bigint NOT NULL"},
    {"column accounts.credits_pending", "bigint NOT NULL"},
    {"column accounts.credits_posted", "bigint NOT NULL"},
    {"column accounts.debits_pending", "bigint NOT NULL"},
    {"column accounts.debits_posted", "bigint NOT NULL"},
    {"column accounts.flags", "integer NOT NULL"},
    {"column accounts.id", "uuid NOT NULL"},
    {"column accounts.ledger", "bigint NOT NULL"},
    {"column accounts.timestamp", "bigint NOT NULL"},
    {"column accounts.timestamp_last", "bigint NOT NULL"},
    {"column credit_limits.account_id", "uuid NOT NULL"},
    {"column credit_limits.credit_limit", "bigint NOT NULL"},
    {"column credit_limits.timestamp", "bigint NOT NULL"},
    {"column crossings.at", "timestamp with time zone NOT NULL"},
    {"column crossings.batch", "uuid NOT NULL"},
    {"column crossings.own", "xid8 NOT NULL"},
    {"column crossings.shards", "integer[] NOT NULL"},
    {"column crossings.transactions", "bigint[] NOT NULL"},
    {"column decisions.batch", "uuid NOT NULL"},
    {"column decisions.decided_at", "timestamp with time zone NOT NULL"},
    {"column decisions.decision", "text NOT NULL"},
    {"column pending_transfers.amount", "bigint NOT NULL"},
    {"column pending_transfers.credit_account_id", "uuid NOT NULL"},
    {"column pending_transfers.debit_account_id", "uuid NOT NULL"},
    {"column pending_transfers.id", "uuid NOT NULL"},
    {"column pending_transfers.status", "integer NOT NULL"},
    {"column schema_migrations.applied_at", "timestamp with time zone NOT NULL"},
    {"column schema_migrations.name", "text NOT NULL"},
    {"column schema_migrations.sha256", "bytea NOT NULL"},
    {"column schema_migrations.version", "integer NOT NULL"},
    {"column seal_heads.chain", "bigint NOT NULL"},
    {"column seal_heads.place", "bigint NOT NULL"},
    {"column seal_heads.seal", "bigint NOT NULL"},
    {"column shard_identity.claimed_at", "timestamp with time zone NOT NULL"},
    {"column shard_identity.cluster", "uuid NOT NULL"},
    {"column shard_identity.epoch", "bigint NOT NULL"},
    {"column shard_identity.only_row", "boolean NOT NULL"},
    {"column shard_identity.retired", "boolean NOT NULL"},
    {"column shard_identity.shard", "integer NOT NULL"},
    {"column shard_slots.slot", "integer NOT NULL"},
    {"column transfers.amount", "bigint NOT NULL"},
    {"column transfers.code", "integer NOT NULL"},
    {"column transfers.flags", "integer NOT NULL"},
    {"column transfers.id", "uuid NOT NULL"},
    {"column transfers.ledger", "bigint NOT NULL"},
    {"column transfers.result", "integer NOT NULL"},
    {"column transfers.timeout_s", "bigint NOT NULL"},
    {"column transfers.timestamp", "bigint NOT NULL"},
    {"constraint accounts.accounts_check", "CHECK ((timestamp_last >= \"timestamp\"))"},
    {"constraint accounts.accounts_code_check", "CHECK (((code >= 1) AND (code <= 65535)))"},
    {"constraint accounts.accounts_credit_limit_check", "CHECK ((credit_limit >= 0))"},
    {"constraint accounts.accounts_credits_pending_check", "CHECK ((credits_pending >= 0))"},
    {"constraint accounts.accounts_credits_posted_check", "CHECK ((credits_posted >= 0))"},
    {"constraint accounts.accounts_debits_pending_check", "CHECK ((debits_pending >= 0))"},
    {"constraint accounts.accounts_debits_posted_check", "CHECK ((debits_posted >= 0))"},
    {"constraint accounts.accounts_flags_check", "CHECK ((flags >= 0))"},
    {"constraint accounts.accounts_ledger_check",
     "CHECK (((ledger >= 1) AND (ledger <= '4294967295'::bigint)))"},
    {"constraint accounts.accounts_pkey", "PRIMARY KEY (id)"},
    {"constraint accounts.accounts_timestamp_check", "CHECK ((\"timestamp\" > 0))"},
    {"constraint accounts.credits_must_not_exceed_debits",
     "CHECK ((((flags & 4) = 0) OR (((credits_pending + credits_posted) - debits_posted) <= "
     "credit_limit)))"},
    {"constraint accounts.debits_must_not_exceed_credits",
     "CHECK ((((flags & 2) = 0) OR (((debits_pending + debits_posted) - credits_posted) <= "
     "credit_limit)))"},
    {"constraint credit_limits.credit_limits_credit_limit_check", "CHECK ((credit_limit >= 0))"},
    {"constraint credit_limits.credit_limits_pkey", "PRIMARY KEY (account_id, \"timestamp\")"},
    {"constraint credit_limits.credit_limits_timestamp_check", "CHECK ((\"timestamp\" > 0))"},
    {"constraint crossings.crossings_check",
     "CHECK (((cardinality(shards) = cardinality(transactions)) AND (cardinality(shards) > 1)))"},
    {"constraint crossings.crossings_pkey", "PRIMARY KEY (batch)"},
    {"constraint decisions.decisions_decision_check",
     "CHECK ((decision = ANY (ARRAY['commit'::text, 'abort'::text])))"},
    {"constraint decisions.decisions_pkey", "PRIMARY KEY (batch)"},
    {"constraint pending_transfers.pending_transfers_amount_check", "CHECK ((amount >= 0))"},
    {"constraint pending_transfers.pending_transfers_check",
     "CHECK (((status = 1) = (resolved_at IS NULL)))"},
    {"constraint pending_transfers.pending_transfers_check1",
     "CHECK (((status = 4) OR ((debit_debits_posted IS NULL) AND (credit_debits_posted IS "
     "NULL))))"},
    {"constraint pending_transfers.pending_transfers_expires_at_check", "CHECK ((expires_at > 0))"},
    {"constraint pending_transfers.pending_transfers_pkey", "PRIMARY KEY (id)"},
    {"constraint pending_transfers.pending_transfers_resolved_at_check",
     "CHECK ((resolved_at > 0))"},
    {"constraint pending_transfers.pending_transfers_status_check",
     "CHECK (((status >= 1) AND (status <= 4)))"},
    {"constraint schema_migrations.schema_migrations_pkey", "PRIMARY KEY (version)"},
    {"constraint schema_migrations.schema_migrations_sha256_check",
     "CHECK ((octet_length(sha256) = 32))"},
    {"constraint schema_migrations.schema_migrations_version_check", "CHECK ((version > 0))"},
    {"constraint seal_heads.seal_heads_pkey", "PRIMARY KEY (chain)"},
    {"constraint shard_identity.shard_identity_only_row_check", "CHECK (only_row)"},
    {"constraint shard_identity.shard_identity_pkey", "PRIMARY KEY (only_row)"},
    {"constraint shard_identity.shard_identity_shard_check",
     "CHECK (((shard >= 0) AND (shard <= 63)))"},
    {"constraint shard_slots.shard_slots_pkey", "PRIMARY KEY (slot)"},
    {"constraint shard_slots.shard_slots_slot_check", "CHECK (((slot >= 0) AND (slot <= 1023)))"},
    {"constraint transfers.transfers_amount_check", "CHECK ((amount >= 0))"},
    {"constraint transfers.transfers_check",
     "CHECK (((result <> 0) OR (debit_account_id <> credit_account_id)))"},
    {"constraint transfers.transfers_check1", "CHECK (((result = 0) OR ((debit_debits_posted IS "
                                              "NULL) AND (credit_debits_posted IS NULL))))"},
    {"constraint transfers.transfers_check2", "CHECK (((result <> 0) OR ((debit_account_id IS NOT "
                                              "NULL) AND (credit_account_id IS NOT NULL))))"},
    {"constraint transfers.transfers_code_check", "CHECK (((code >= 0) AND (code <= 65535)))"},
    {"constraint transfers.transfers_flags_check", "CHECK ((flags >= 0))"},
    {"constraint transfers.transfers_ledger_check",
     "CHECK (((ledger >= 0) AND (ledger <= '4294967295'::bigint)))"},
    {"constraint transfers.transfers_pkey", "PRIMARY KEY (id)"},
    {"constraint transfers.transfers_reference_check",
     "CHECK (((octet_length(reference) >= 1) AND (octet_length(reference) <= 140)))"},
    {"constraint transfers.transfers_result_check", "CHECK ((result >= 0))"},
    {"constraint transfers.transfers_timeout_s_check",
     "CHECK (((timeout_s >= 0) AND (timeout_s <= '4294967295'::bigint)))"},
    {"constraint transfers.transfers_timestamp_check", "CHECK ((\"timestamp\" > 0))"},
    {"index accounts_by_time",
     "CREATE INDEX accounts_by_time ON public.accounts USING btree (\"timestamp\", id)"},
    {"index accounts_by_user_data",
     "CREATE INDEX accounts_by_user_data ON public.accounts USING btree (user_data, \"timestamp\", "
     "id) WHERE (user_data IS NOT NULL)"},
    {"index crossings_by_own",
     "CREATE INDEX crossings_by_own ON public.crossings USING btree (own)"},
    {"index pending_transfers_by_credit_account",
     "CREATE INDEX pending_transfers_by_credit_account ON public.pending_transfers USING btree "
     "(credit_account_id, resolved_at) WHERE ((status = 4) AND (credit_debits_posted IS NOT "
     "NULL))"},
    {"index pending_transfers_by_debit_account",
     "CREATE INDEX pending_transfers_by_debit_account ON public.pending_transfers USING btree "
     "(debit_account_id, resolved_at) WHERE ((status = 4) AND (debit_debits_posted IS NOT NULL))"},
    {"index pending_transfers_by_expiry",
     "CREATE INDEX pending_transfers_by_expiry ON public.pending_transfers USING btree "
     "(expires_at) WHERE (status = 1)"},
    {"index pending_transfers_open_by_credit_account",
     "CREATE INDEX pending_transfers_open_by_credit_account ON public.pending_transfers USING "
     "btree (credit_account_id, expires_at) WHERE ((status = 1) AND (expires_at IS NOT NULL))"},
    {"index pending_transfers_open_by_debit_account",
     "CREATE INDEX pending_transfers_open_by_debit_account ON public.pending_transfers USING btree "
     "(debit_account_id, expires_at) WHERE ((status = 1) AND (expires_at IS NOT NULL))"},
    {"index transfers_by_credit_account",
     "CREATE INDEX transfers_by_credit_account ON public.transfers USING btree (credit_account_id, "
     "\"timestamp\") WHERE (credit_debits_posted IS NOT NULL)"},
    {"index transfers_by_debit_account",
     "CREATE INDEX transfers_by_debit_account ON public.transfers USING btree (debit_account_id, "
     "\"timestamp\") WHERE (debit_debits_posted IS NOT NULL)"},
    {"index transfers_by_time", "CREATE INDEX transfers_by_time ON public.transfers USING btree "
                                "(\"timestamp\", id) WHERE (debit_debits_posted IS NOT NULL)"},
    {"index transfers_by_user_data",
     "CREATE INDEX transfers_by_user_data ON public.transfers USING btree (user_data, "
     "\"timestamp\", id) WHERE ((user_data IS NOT NULL) AND (debit_debits_posted IS NOT NULL))"},
    {"table accounts", "LOGGED"},
    {"table credit_limits", "LOGGED"},
    {"table crossings", "LOGGED"},
    {"table decisions", "LOGGED"},
    {"table pending_transfers", "LOGGED"},
    {"table schema_migrations", "LOGGED"},
    {"table seal_heads", "LOGGED"},
    {"table shard_identity", "LOGGED"},
    {"table shard_slots", "LOGGED"},
    {"table transfers", "LOGGED"},
};
#define EXPECTED (sizeof expected / sizeof *expected)

/* Its place in the list, or EXPECTED. */
static size_t find(const char *name)
{
    size_t i = 0;
    while (i < EXPECTED && strcmp(expected[i].name, name) != 0)
        i++;
    return i;
}

bool florin_verify_schema_lists(const char *name)
{
    return find(name) < EXPECTED;
}

static bool may_be_added(const char *name)
{
    return strncmp(name, "trigger ", strlen("trigger ")) != 0 &&
           strncmp(name, "rule ", strlen("rule ")) != 0;
}

static void see_object(florin_verify_run_t *self, florin_shards_t shards)
{
    for (size_t i = 0; i < self->store->shards_count; i++) {
        const PGresult *page;
        int row = florin_verify_row(self, i, &page);
        if (!florin_shards_has(shards, i))
            continue;
        const char *name = PQgetvalue(page, row, 0), *definition = PQgetvalue(page, row, 1);
        size_t place = find(name);
        self->check->checked++;
        if (place < EXPECTED)
            self->seen[place] |= florin_shards_of(i);
        if (place == EXPECTED && !may_be_added(name))
            florin_verify_tell(self, false, (int)i, name, "is not of the schema: %.400s",
                               definition);
        else if (place < EXPECTED && strcmp(expected[place].definition, definition) != 0)
            florin_verify_tell(self, false, (int)i, name, "is %.200s, and the schema has %.200s",
                               definition, expected[place].definition);
    }
}

_Static_assert(EXPECTED <= FLORIN_VERIFY_SEEN_MAX, "each object has a place");

int florin_verify_schema(florin_verify_run_t *self, const char *const *sql, florin_error_t *error)
{
    memset(self->seen, 0, sizeof self->seen);
    int result = florin_verify_walk(self, sql[0], see_object, error);
    for (size_t place = 0; place < EXPECTED && result == 0; place++)
        for (size_t i = 0; i < self->store->shards_count; i++)
            if (!florin_shards_has(self->seen[place], i))
                florin_verify_tell(self, false, (int)i, expected[place].name,
                                   "is missing; the schema has %.400s", expected[place].definition);
    return result;
}
