-- florin: reads 2, writes 7
-- Seals: what makes an edit, an insertion or a deletion by hand visible. docs/decisions/seals.md

ALTER TABLE accounts ADD COLUMN place bigint, ADD COLUMN seal bigint;
ALTER TABLE transfers ADD COLUMN place bigint, ADD COLUMN seal bigint;
ALTER TABLE pending_transfers ADD COLUMN seal bigint;
ALTER TABLE credit_limits ADD COLUMN place bigint, ADD COLUMN seal bigint;
COMMENT ON COLUMN transfers.place IS
    'The chain of the session that wrote it (upper 32 bits) and the number in it, without gaps. Chains run through accounts, transfers and credit_limits. NULL: it was written without a key.';
COMMENT ON COLUMN transfers.seal IS
    'A digest of the row under a key that no database has. NULL: it was written without a key.';

CREATE SEQUENCE seal_chains AS integer;
COMMENT ON SEQUENCE seal_chains IS 'Numbers of chains. Some are never used.';

CREATE TABLE seal_heads (
    chain bigint PRIMARY KEY,
    place bigint NOT NULL,
    seal  bigint NOT NULL
);
COMMENT ON TABLE seal_heads IS
    'How far a chain has come at least, as of its latest row that nothing else in the books would miss. Chain 0: when (as a timestamp) sealing began here.';
