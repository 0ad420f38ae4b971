-- Names of roles and permissions are joined by one space: their alphabet has none.
-- COLLATE "C": pages walk the identifiers in one order that no system library can change.
CREATE TABLE accounts (
    id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    email         TEXT   NOT NULL,
    email_lookup  TEXT   NOT NULL UNIQUE,
    name          TEXT,
    name_lookup   TEXT,
    roles         TEXT   NOT NULL,
    permissions   TEXT   NOT NULL,
    active        BIGINT NOT NULL,
    password_hash TEXT,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    revision      BIGINT NOT NULL
);

CREATE TABLE clients (
    id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name          TEXT   NOT NULL,
    secret_sha256 BYTEA  NOT NULL,
    created_at    BIGINT NOT NULL
);
