-- Ends of records of a store elsewhere that may lose them: each is written here before it is made there. Those of one
-- write have one number, which is greater than those of writes before. The key is that of a record, the tag of a user,
-- or empty for all records; one of a user's may be kept.
CREATE TABLE keystore_journal (
    number bigint NOT NULL,
    place integer NOT NULL,
    key bytea NOT NULL,
    keep bytea,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (number, place)
);
CREATE INDEX keystore_journal_written ON keystore_journal (written_at);
CREATE SEQUENCE keystore_journal_number;

-- For how many seconds an end stays written down: as long as a record may live. And a number that is raised before the
-- journal is read, which shows that the server still takes changes.
ALTER TABLE keystore_meta ADD COLUMN journal_kept bigint NOT NULL DEFAULT 0;
ALTER TABLE keystore_meta ADD COLUMN journal_read bigint NOT NULL DEFAULT 0;
