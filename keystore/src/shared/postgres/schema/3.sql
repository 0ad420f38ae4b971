-- The end of all sessions is a new era: records of earlier ones aren't there any more, and are taken away afterwards. A
-- program of an earlier layout puts a record into the era that it comes in by the default.
ALTER TABLE keystore_meta ADD COLUMN era bigint NOT NULL DEFAULT 0;
CREATE FUNCTION keystore_era() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT era FROM keystore_meta';
ALTER TABLE keystore_sessions ADD COLUMN era bigint NOT NULL DEFAULT 0;
ALTER TABLE keystore_sessions ALTER COLUMN era SET DEFAULT keystore_era();

-- The eras that have ended, while records of them may be left: what to leave of each, and when one was taken away last.
CREATE TABLE keystore_emptied (
    era bigint PRIMARY KEY,
    at bigint,
    writer text NOT NULL,
    content bytea,
    touched_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
