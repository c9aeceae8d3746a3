-- Transfers in two phases, credit limits that change, and what it takes to list the books.

-- A post or a void may leave its accounts to the pending transfer; refused, it has none.
ALTER TABLE transfers
    ALTER COLUMN debit_account_id DROP NOT NULL,
    ALTER COLUMN credit_account_id DROP NOT NULL,
    ADD CHECK (result <> 0 OR (debit_account_id IS NOT NULL AND credit_account_id IS NOT NULL));
COMMENT ON COLUMN transfers.pending_id IS 'The pending transfer that this one posts or voids.';
COMMENT ON COLUMN transfers.flags IS
    'Sum of: 1 linked, 2 pending, 4 post, 8 void, 16 balancing debit, 32 balancing credit, 64 closing debit, 128 closing credit, 256 imported, 512 held for review.';

CREATE TABLE pending_transfers (
    id                     uuid PRIMARY KEY,
    debit_account_id       uuid NOT NULL,
    credit_account_id      uuid NOT NULL,
    amount                 bigint NOT NULL CHECK (amount >= 0),
    expires_at             bigint CHECK (expires_at > 0),
    status                 integer NOT NULL CHECK (status BETWEEN 1 AND 4),
    resolved_at            bigint CHECK (resolved_at > 0),
    debit_debits_pending   bigint,
    debit_debits_posted    bigint,
    debit_credits_pending  bigint,
    debit_credits_posted   bigint,
    credit_debits_pending  bigint,
    credit_debits_posted   bigint,
    credit_credits_pending bigint,
    credit_credits_posted  bigint,
    CHECK ((status = 1) = (resolved_at IS NULL)),
    CHECK (status = 4 OR (debit_debits_posted IS NULL AND credit_debits_posted IS NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE pending_transfers IS
    'What became of the pending transfers, on every shard that has the transfer''s row.';
COMMENT ON COLUMN pending_transfers.expires_at IS 'NULL: never.';
COMMENT ON COLUMN pending_transfers.status IS '1 open, 2 posted, 3 voided, 4 expired.';
COMMENT ON COLUMN pending_transfers.resolved_at IS 'When it was posted, voided or expired.';
COMMENT ON COLUMN pending_transfers.debit_debits_posted IS
    'Of an expired one, the debit account''s balances just after that (four columns); NULL where that account lives on another shard.';
COMMENT ON COLUMN pending_transfers.credit_debits_posted IS
    'Of an expired one, the credit account''s balances just after that (four columns); NULL where that account lives on another shard.';

CREATE INDEX pending_transfers_by_expiry ON pending_transfers (expires_at) WHERE status = 1;
CREATE INDEX pending_transfers_by_debit_account ON pending_transfers (debit_account_id, resolved_at)
    WHERE status = 4 AND debit_debits_posted IS NOT NULL;
CREATE INDEX pending_transfers_by_credit_account ON pending_transfers (credit_account_id, resolved_at)
    WHERE status = 4 AND credit_debits_posted IS NOT NULL;
COMMENT ON INDEX pending_transfers_by_expiry IS 'What has to be released, and when.';
COMMENT ON INDEX pending_transfers_by_debit_account IS 'Statements: expiry is a line of them.';
COMMENT ON INDEX pending_transfers_by_credit_account IS 'Statements: expiry is a line of them.';

CREATE TABLE credit_limits (
    account_id   uuid NOT NULL,
    timestamp    bigint NOT NULL CHECK (timestamp > 0),
    credit_limit bigint NOT NULL CHECK (credit_limit >= 0),
    PRIMARY KEY (account_id, timestamp)
);
COMMENT ON TABLE credit_limits IS
    'Changes of accounts'' credit limits, each from its timestamp on; rows are never changed.';

-- Lists: each transfer once, from its debit account's shard.
CREATE INDEX transfers_by_time ON transfers (timestamp, id) WHERE debit_debits_posted IS NOT NULL;
CREATE INDEX transfers_by_user_data ON transfers (user_data, timestamp, id)
    WHERE user_data IS NOT NULL AND debit_debits_posted IS NOT NULL;
CREATE INDEX accounts_by_time ON accounts (timestamp, id);
CREATE INDEX accounts_by_user_data ON accounts (user_data, timestamp, id)
    WHERE user_data IS NOT NULL;

-- For people.

CREATE OR REPLACE VIEW entries AS
SELECT debit_account_id AS account_id, 'debit' AS side, credit_account_id AS counterparty_id,
       id AS transfer_id, ledger, amount, debit_credits_posted - debit_debits_posted AS balance_after,
       code, reference, timestamp, time_of(timestamp) AS booked_at,
       CASE WHEN flags & 2 <> 0 THEN 'pending' WHEN flags & 4 <> 0 THEN 'post'
            WHEN flags & 8 <> 0 THEN 'void' ELSE 'transfer' END AS kind
  FROM transfers
 WHERE debit_debits_posted IS NOT NULL
UNION ALL
SELECT credit_account_id, 'credit', debit_account_id, id, ledger, amount,
       credit_credits_posted - credit_debits_posted, code, reference, timestamp, time_of(timestamp),
       CASE WHEN flags & 2 <> 0 THEN 'pending' WHEN flags & 4 <> 0 THEN 'post'
            WHEN flags & 8 <> 0 THEN 'void' ELSE 'transfer' END
  FROM transfers
 WHERE credit_debits_posted IS NOT NULL
UNION ALL
SELECT p.debit_account_id, 'debit', p.credit_account_id, id, t.ledger, p.amount,
       p.debit_credits_posted - p.debit_debits_posted, t.code, t.reference, p.resolved_at,
       time_of(p.resolved_at), 'expiry'
  FROM pending_transfers p JOIN transfers t USING (id)
 WHERE p.status = 4 AND p.debit_debits_posted IS NOT NULL
UNION ALL
SELECT p.credit_account_id, 'credit', p.debit_account_id, id, t.ledger, p.amount,
       p.credit_credits_posted - p.credit_debits_posted, t.code, t.reference, p.resolved_at,
       time_of(p.resolved_at), 'expiry'
  FROM pending_transfers p JOIN transfers t USING (id)
 WHERE p.status = 4 AND p.credit_debits_posted IS NOT NULL;
COMMENT ON VIEW entries IS
    'One line a side of a transfer or an expiry: WHERE account_id = ... ORDER BY timestamp is a statement. What is pending, or expires, leaves the balance as it is.';

CREATE VIEW open_pending_transfers AS
SELECT id, debit_account_id, credit_account_id, amount, time_of(expires_at) AS expires_at
  FROM pending_transfers
 WHERE status = 1;
COMMENT ON VIEW open_pending_transfers IS 'What is neither posted nor voided nor expired.';
