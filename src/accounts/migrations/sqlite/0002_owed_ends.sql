-- What a change of an account owes: the end of sessions, which another store keeps. Written with the
-- change, taken away once the sessions have ended.
CREATE TABLE owed_ends (
    id         TEXT    NOT NULL PRIMARY KEY,
    keystore   TEXT    NOT NULL,
    user_id    TEXT    NOT NULL,
    reach      TEXT    NOT NULL,
    kept       TEXT,
    kept_since INTEGER,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
