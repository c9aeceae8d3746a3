-- One shard of the books. All amounts are minor units of the ledger's currency, all timestamps
-- nanoseconds since 1970-01-01 UTC.

CREATE TABLE shard_identity (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    cluster    uuid NOT NULL,
    shard      integer NOT NULL CHECK (shard BETWEEN 0 AND 63),
    claimed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE shard_identity IS
    'Which shard of which cluster this database is. Programs refuse one that is not the one they look for.';

CREATE TABLE accounts (
    id              uuid PRIMARY KEY,
    user_data       uuid,
    debits_pending  bigint NOT NULL CHECK (debits_pending >= 0),
    debits_posted   bigint NOT NULL CHECK (debits_posted >= 0),
    credits_pending bigint NOT NULL CHECK (credits_pending >= 0),
    credits_posted  bigint NOT NULL CHECK (credits_posted >= 0),
    credit_limit    bigint NOT NULL CHECK (credit_limit >= 0),
    timestamp       bigint NOT NULL CHECK (timestamp > 0),
    timestamp_last  bigint NOT NULL CHECK (timestamp_last >= timestamp),
    ledger          bigint NOT NULL CHECK (ledger BETWEEN 1 AND 4294967295),
    code            integer NOT NULL CHECK (code BETWEEN 1 AND 65535),
    flags           integer NOT NULL CHECK (flags >= 0),
    -- The books refuse these before they get here; should they ever fail to, the database does.
    CONSTRAINT debits_must_not_exceed_credits CHECK
        (flags & 2 = 0 OR debits_pending + debits_posted - credits_posted <= credit_limit),
    CONSTRAINT credits_must_not_exceed_debits CHECK
        (flags & 4 = 0 OR credits_pending + credits_posted - debits_posted <= credit_limit)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE accounts IS
    'The accounts of this shard''s slots. No index but the key, and room in each page: balances change in place (HOT).';
COMMENT ON COLUMN accounts.user_data IS 'Free for whoever opened the account.';
COMMENT ON COLUMN accounts.credit_limit IS 'How far the bound that the flags set may be crossed.';
COMMENT ON COLUMN accounts.timestamp IS 'When it was opened.';
COMMENT ON COLUMN accounts.timestamp_last IS
    'Of the latest transfer on it, or its opening: the next one is later.';
COMMENT ON COLUMN accounts.ledger IS 'ISO 4217 number of the currency.';
COMMENT ON COLUMN accounts.code IS 'Type in the chart of accounts.';
COMMENT ON COLUMN accounts.flags IS
    'Sum of: 1 linked, 2 debits must not exceed credits, 4 credits must not exceed debits, 8 history, 16 imported, 32 closed.';

CREATE TABLE transfers (
    id                     uuid PRIMARY KEY,
    debit_account_id       uuid NOT NULL,
    credit_account_id      uuid NOT NULL,
    pending_id             uuid,
    user_data              uuid,
    amount                 bigint NOT NULL CHECK (amount >= 0),
    timestamp              bigint NOT NULL CHECK (timestamp > 0),
    timeout_s              bigint NOT NULL CHECK (timeout_s BETWEEN 0 AND 4294967295),
    ledger                 bigint NOT NULL CHECK (ledger BETWEEN 0 AND 4294967295),
    code                   integer NOT NULL CHECK (code BETWEEN 0 AND 65535),
    flags                  integer NOT NULL CHECK (flags >= 0),
    result                 integer NOT NULL CHECK (result >= 0),
    reference              text CHECK (octet_length(reference) BETWEEN 1 AND 140),
    debit_debits_pending   bigint,
    debit_debits_posted    bigint,
    debit_credits_pending  bigint,
    debit_credits_posted   bigint,
    credit_debits_pending  bigint,
    credit_debits_posted   bigint,
    credit_credits_pending bigint,
    credit_credits_posted  bigint,
    CHECK (result <> 0 OR debit_account_id <> credit_account_id),
    CHECK (result = 0 OR (debit_debits_posted IS NULL AND credit_debits_posted IS NULL))
);
COMMENT ON TABLE transfers IS
    'Transfers whose id is spent; rows are never changed. Each is on the shard of its id''s slot and, when it was created, on the shards of its debit and of its credit account (one row a shard).';
COMMENT ON COLUMN transfers.timeout_s IS 'Of a pending transfer, seconds; 0: none.';
COMMENT ON COLUMN transfers.flags IS
    'Sum of: 1 linked, 2 pending, 4 post, 8 void, 16 balancing debit, 32 balancing credit, 64 closing debit, 128 closing credit, 256 imported.';
COMMENT ON COLUMN transfers.result IS
    '0: created. Any other number: refused for good, with that result; nothing was moved.';
COMMENT ON COLUMN transfers.debit_debits_posted IS
    'The debit account''s balances just after the transfer (four columns); NULL where that account lives on another shard.';
COMMENT ON COLUMN transfers.credit_debits_posted IS
    'The credit account''s balances just after the transfer (four columns); NULL where that account lives on another shard.';

CREATE INDEX transfers_by_debit_account ON transfers (debit_account_id, timestamp)
    WHERE debit_debits_posted IS NOT NULL;
CREATE INDEX transfers_by_credit_account ON transfers (credit_account_id, timestamp)
    WHERE credit_debits_posted IS NOT NULL;
COMMENT ON INDEX transfers_by_debit_account IS 'Statements, and the rolling windows of risk.';
COMMENT ON INDEX transfers_by_credit_account IS 'Statements.';

CREATE TABLE decisions (
    batch      uuid PRIMARY KEY,
    decision   text NOT NULL CHECK (decision IN ('commit', 'abort')),
    decided_at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE decisions IS
    'How batches ended that wrote to several shards with this one as their home. A commit is forgotten when every shard has done it. An abort fences a late coordinator out, and is kept for a day.';

-- For people.

CREATE FUNCTION time_of(nanoseconds bigint) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN timestamptz 'epoch' + (nanoseconds / 1000) * interval '1 microsecond';
COMMENT ON FUNCTION time_of(bigint) IS 'A timestamp of the books as a date and time.';

CREATE VIEW balances AS
SELECT id, ledger, code, debits_pending, debits_posted, credits_pending, credits_posted,
       credits_posted - debits_posted AS balance, credit_limit,
       flags & 32 <> 0 AS closed, time_of(timestamp) AS opened_at, time_of(timestamp_last) AS moved_at
  FROM accounts;
COMMENT ON VIEW balances IS 'The accounts with readable times; balance: credits less debits, posted.';

CREATE VIEW entries AS
SELECT debit_account_id AS account_id, 'debit' AS side, credit_account_id AS counterparty_id,
       id AS transfer_id, ledger, amount, debit_credits_posted - debit_debits_posted AS balance_after,
       code, reference, timestamp, time_of(timestamp) AS booked_at
  FROM transfers
 WHERE debit_debits_posted IS NOT NULL
UNION ALL
SELECT credit_account_id, 'credit', debit_account_id, id, ledger, amount,
       credit_credits_posted - credit_debits_posted, code, reference, timestamp, time_of(timestamp)
  FROM transfers
 WHERE credit_debits_posted IS NOT NULL;
COMMENT ON VIEW entries IS
    'One line a side of a transfer: WHERE account_id = ... ORDER BY timestamp is a statement.';

CREATE VIEW in_doubt AS
SELECT gid, split_part(gid, ':', 2)::integer AS home_shard, split_part(gid, ':', 3)::uuid AS batch,
       prepared AS prepared_at, clock_timestamp() - prepared AS age
  FROM pg_prepared_xacts
 WHERE database = current_database() AND gid LIKE 'florin:%';
COMMENT ON VIEW in_doubt IS
    'Batches that wait for their second phase here. Older than a few seconds: is the home shard away?';
