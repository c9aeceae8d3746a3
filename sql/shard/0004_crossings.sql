-- florin: reads 2, writes 4
-- What it takes to see a batch whole, or not at all, on several shards.

CREATE TABLE crossings (
    batch        uuid PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT now(),
    own          xid8 NOT NULL DEFAULT pg_current_xact_id(),
    shards       integer[] NOT NULL,
    transactions bigint[] NOT NULL,
    CHECK (cardinality(shards) = cardinality(transactions) AND cardinality(shards) > 1)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE crossings IS
    'Traces of the latest batches that wrote to several shards, on each of these. Whoever reads several shards at one moment finds out with them whether a batch is there on one and not yet on another.';
COMMENT ON COLUMN crossings.own IS 'The number of the batch''s transaction on this shard.';
COMMENT ON COLUMN crossings.shards IS 'The shards that it wrote to, ascending.';
COMMENT ON COLUMN crossings.transactions IS 'The number of its transaction on each of them.';

CREATE INDEX crossings_by_own ON crossings (own);
COMMENT ON INDEX crossings_by_own IS 'What came since an earlier look.';
