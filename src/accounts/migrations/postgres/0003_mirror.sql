-- Keys that are worth nothing outside of this database.
CREATE TABLE secrets (
    name  TEXT NOT NULL PRIMARY KEY,
    value BYTEA NOT NULL
);

-- A log-in by a name that nobody has finds another account by it; so it must be as quick as by a name.
CREATE INDEX accounts_by_revision ON accounts (revision);
