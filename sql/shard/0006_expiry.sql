-- florin: reads 2, writes 5
-- florin: concurrently
-- What has expired on an account: asked for where that may have been in a transfer's way.

CREATE INDEX CONCURRENTLY IF NOT EXISTS pending_transfers_open_by_debit_account
    ON pending_transfers (debit_account_id, expires_at) WHERE status = 1 AND expires_at IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS pending_transfers_open_by_credit_account
    ON pending_transfers (credit_account_id, expires_at) WHERE status = 1 AND expires_at IS NOT NULL;
COMMENT ON INDEX pending_transfers_open_by_debit_account IS
    'What has to be released, and when, by the account that is debited.';
COMMENT ON INDEX pending_transfers_open_by_credit_account IS
    'What has to be released, and when, by the account that is credited.';
