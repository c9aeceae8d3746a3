-- florin: reads 2, writes 2
-- What the shard itself says it holds, beside what the control database's map says.

CREATE TABLE shard_slots (
    slot integer PRIMARY KEY CHECK (slot BETWEEN 0 AND 1023)
);
COMMENT ON TABLE shard_slots IS
    'The slots that this shard has claimed. A slot that the map moved by mistake is seen by it, also while the slot is empty.';
