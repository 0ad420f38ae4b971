-- Notes of ends, each written by the transaction of its end. The number of a note begins with that transaction's: what is
-- below the oldest transaction under way is there as a whole, whoever wrote it. The base keeps numbers growing where the
-- tables come from a server that was further.
CREATE TABLE keystore_notes (
    number bigint NOT NULL,
    key bytea NOT NULL,
    at bigint NOT NULL,
    writer text NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (number, key)
);
CREATE INDEX keystore_notes_writer ON keystore_notes (writer, number, key);
CREATE SEQUENCE keystore_notes_number MINVALUE 0 MAXVALUE 65535 CYCLE;
ALTER TABLE keystore_meta ADD COLUMN note_base bigint NOT NULL DEFAULT 0;

-- Who writes notes down elsewhere: how far, and which process does it now. The notes from there on are kept.
CREATE TABLE keystore_writers (
    name text PRIMARY KEY,
    node bigint NOT NULL,
    kept_from bigint NOT NULL DEFAULT 0,
    head bytea,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
