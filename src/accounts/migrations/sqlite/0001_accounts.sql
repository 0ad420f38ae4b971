-- Names of roles and permissions are joined by one space: their alphabet has none.
CREATE TABLE accounts (
    id            TEXT    NOT NULL PRIMARY KEY,
    email         TEXT    NOT NULL,
    email_lookup  TEXT    NOT NULL UNIQUE,
    name          TEXT,
    name_lookup   TEXT,
    roles         TEXT    NOT NULL,
    permissions   TEXT    NOT NULL,
    active        INTEGER NOT NULL,
    password_hash TEXT,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    revision      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE clients (
    id            TEXT    NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL,
    secret_sha256 BLOB    NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
