-- What was tried how often, at all nodes together: for each key the time up to which its count is used up
-- (GCRA), in microseconds. A key is a keyed digest, from which no name and no address can be had.
-- Unlogged: it waits for no disk and no standby, and a crash of the server forgets it.
CREATE UNLOGGED TABLE attempts (
    key        BIGINT NOT NULL PRIMARY KEY,
    used_up_to BIGINT NOT NULL
) WITH (fillfactor = 50);

-- Gives back what is in the list of pairs [key, microseconds], then counts one attempt at each key that isn't NULL,
-- or at none. Rows are locked in the order of their keys, so that no two of these wait for each other.
--
-- Answers 1 as "refused" where the first key has nothing left, 2 where the pair hasn't, otherwise 0, and how long to
-- wait then. Where the account is beyond its count, one attempt uses up the whole count of the pair: "times".
CREATE FUNCTION count_attempt(
    given_back TEXT,
    first_key BIGINT, first_share BIGINT, first_count BIGINT,
    account_key BIGINT, account_share BIGINT, account_count BIGINT,
    pair_key BIGINT, pair_share BIGINT, pair_count BIGINT
) RETURNS TABLE (refused BIGINT, wait BIGINT, times BIGINT) LANGUAGE plpgsql AS $$
DECLARE
    moment BIGINT;
    used BIGINT;
BEGIN
    INSERT INTO attempts AS a (key, used_up_to)
    SELECT changed.key, -sum(changed.time) FROM (
        SELECT (pair ->> 0)::BIGINT AS key, (pair ->> 1)::BIGINT AS time
        FROM json_array_elements(given_back::JSON) AS pair
        UNION ALL SELECT k, 0 FROM unnest(ARRAY[first_key, account_key, pair_key]) AS k WHERE k IS NOT NULL
    ) AS changed GROUP BY changed.key ORDER BY changed.key
    ON CONFLICT (key) DO UPDATE SET used_up_to = a.used_up_to + excluded.used_up_to;

    moment := (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT;
    refused := 0;
    times := 1;
    IF first_key IS NOT NULL THEN
        SELECT a.used_up_to INTO used FROM attempts a WHERE a.key = first_key;
        wait := used + first_share - moment - first_share * first_count;
        IF wait > 0 THEN
            refused := 1;
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    IF pair_key IS NOT NULL THEN
        SELECT a.used_up_to INTO used FROM attempts a WHERE a.key = account_key;
        IF greatest(used, moment) + 2 * account_share > moment + account_share * account_count THEN
            times := pair_count;
        END IF;
        SELECT a.used_up_to INTO used FROM attempts a WHERE a.key = pair_key;
        wait := used + pair_share - moment - pair_share * pair_count;
        IF wait > 0 THEN
            refused := 2;
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    UPDATE attempts AS a SET used_up_to = greatest(a.used_up_to, moment) + CASE a.key
        WHEN first_key THEN first_share WHEN account_key THEN account_share ELSE pair_share * times END
    WHERE a.key IN (first_key, account_key, pair_key);
    wait := 0;
    RETURN NEXT;
END
$$;
