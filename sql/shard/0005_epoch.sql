-- florin: reads 2, writes 5
-- Which of the databases that were this shard this one is, and whether it still is. Every batch reads both first.

ALTER TABLE shard_identity
    ADD COLUMN epoch   bigint NOT NULL DEFAULT 1,
    ADD COLUMN retired boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN shard_identity.epoch IS
    'The shard''s epoch in the control database when this database took it over.';
COMMENT ON COLUMN shard_identity.retired IS
    'No batch is written here any more, and none is under way: a copy that says so, too, lacks nothing.';
