-- The control database: which shards there are, which slot lives where, and the rules of risk.

CREATE TABLE cluster (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id       uuid NOT NULL DEFAULT gen_random_uuid()
);
COMMENT ON TABLE cluster IS
    'Who we are. Every shard carries the same id, so that no program writes to another cluster''s.';
INSERT INTO cluster DEFAULT VALUES;

CREATE TABLE shards (
    shard    integer PRIMARY KEY CHECK (shard BETWEEN 0 AND 63),
    conninfo text NOT NULL UNIQUE CHECK (conninfo <> '')
);
COMMENT ON TABLE shards IS 'The databases that hold the books.';
COMMENT ON COLUMN shards.conninfo IS
    'libpq connection string. Keep passwords out of it: name a service or a passfile.';

CREATE TABLE slots (
    slot  integer PRIMARY KEY CHECK (slot BETWEEN 0 AND 1023),
    shard integer NOT NULL REFERENCES shards
);
COMMENT ON TABLE slots IS 'Where ids live: an id''s slot is its low 10 bits.';
COMMENT ON COLUMN slots.shard IS 'The shard that holds every id of this slot.';

CREATE TABLE risk_ledger_rules (
    ledger           bigint PRIMARY KEY CHECK (ledger BETWEEN 1 AND 4294967295),
    amount_max       bigint CHECK (amount_max > 0),
    review_above     bigint CHECK (review_above > 0),
    window_s         integer CHECK (window_s > 0),
    window_count_max integer CHECK (window_count_max BETWEEN 1 AND 10000),
    window_sum_max   bigint CHECK (window_sum_max > 0),
    CHECK ((window_s IS NULL) = (window_count_max IS NULL AND window_sum_max IS NULL))
);
COMMENT ON TABLE risk_ledger_rules IS
    'What risk allows in a currency (ledger: its ISO 4217 number). Minor units; NULL: no limit.';
COMMENT ON COLUMN risk_ledger_rules.amount_max IS 'A transfer above it is declined.';
COMMENT ON COLUMN risk_ledger_rules.review_above IS 'A transfer above it waits for a person.';
COMMENT ON COLUMN risk_ledger_rules.window_s IS
    'Length in seconds of the rolling window that the next two columns count in.';
COMMENT ON COLUMN risk_ledger_rules.window_count_max IS
    'How many debits one account may have in any window.';
COMMENT ON COLUMN risk_ledger_rules.window_sum_max IS
    'What one account may debit in any window.';

CREATE TABLE risk_account_rules (
    account_id uuid PRIMARY KEY,
    blocked    boolean NOT NULL
);
COMMENT ON TABLE risk_account_rules IS 'Accounts that risk treats apart.';
COMMENT ON COLUMN risk_account_rules.blocked IS
    'true: no transfer from it or to it. false: as debit account it is exempt from the currency''s rules.';

CREATE FUNCTION risk_rules_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY florin_risk_rules;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION risk_rules_changed() IS 'Tells the risk workers to read the rules again.';

CREATE TRIGGER risk_ledger_rules_changed
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON risk_ledger_rules
    FOR EACH STATEMENT EXECUTE FUNCTION risk_rules_changed();
CREATE TRIGGER risk_account_rules_changed
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON risk_account_rules
    FOR EACH STATEMENT EXECUTE FUNCTION risk_rules_changed();
