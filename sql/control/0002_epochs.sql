-- florin: reads 1, writes 2
-- Which database is a shard, in the order in which they took turns; and no change of the map by hand.

ALTER TABLE shards ADD COLUMN epoch bigint NOT NULL DEFAULT 1;
COMMENT ON COLUMN shards.epoch IS
    'How often the shard was given a database. That database carries the same number; where they differ, no batch is written.';

CREATE FUNCTION map_is_guarded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('florin.admin', true) IS DISTINCT FROM 'on' THEN
        RAISE EXCEPTION 'table % is changed by florin-admin alone', TG_TABLE_NAME
            USING DETAIL = 'Workers that had read the map before would go on with the old one, and money could be spent twice.',
                  HINT = 'florin-admin shards move gives a shard another database or connection string.';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION map_is_guarded() IS 'Refuses a change of the map unless florin.admin is on, which florin-admin sets.';

CREATE TRIGGER shards_are_guarded BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON shards
    FOR EACH STATEMENT EXECUTE FUNCTION map_is_guarded();
CREATE TRIGGER slots_are_guarded BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON slots
    FOR EACH STATEMENT EXECUTE FUNCTION map_is_guarded();
