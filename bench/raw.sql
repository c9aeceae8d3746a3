-- What pgbench needs beside the schema of a shard: accounts, and ids made from its numbers.

CREATE FUNCTION bench_account(number bigint) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN ('bec40000-0000-7000-0000-' || lpad(to_hex(number), 12, '0'))::uuid;

-- Ordered by time, as Florin's are, so that the index grows at its end.
CREATE FUNCTION bench_transfer(nanoseconds bigint, client bigint, random bigint) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (lpad(to_hex(nanoseconds), 16, '0') || lpad(to_hex(client), 4, '0')
            || lpad(to_hex(random), 12, '0'))::uuid;

INSERT INTO accounts (id, ledger, code, flags, debits_pending, debits_posted, credits_pending,
                      credits_posted, credit_limit, timestamp, timestamp_last)
SELECT bench_account(number), 978, 7077, 0, 0, 0, 0, 0, 0, 1, 1
  FROM generate_series(0, :accounts - 1) AS number;
