-- Sealed records by key. The order of bytea is that of its bytes, so a user's records are neighbours.
CREATE TABLE keystore_sessions (
    key bytea PRIMARY KEY,
    sealed bytea NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX keystore_sessions_expiry ON keystore_sessions (expires_at);

-- What has ended, by the transaction that ended it. A process reads it by snapshot: those rows that the
-- snapshot of its last poll didn't show. A number from a sequence would not do: it becomes visible out of order.
CREATE TABLE keystore_ends (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    key bytea NOT NULL,
    gone boolean NOT NULL,
    node bigint NOT NULL
);
CREATE INDEX keystore_ends_xid ON keystore_ends (xid);

-- The processes at work: each changes its row with each poll, which proves that the server still takes changes,
-- and says up to where it has applied what has ended. Room in each page keeps the changes in one place.
CREATE TABLE keystore_nodes (
    id bigint PRIMARY KEY,
    beat bigint NOT NULL DEFAULT 0,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_xmin xid8 NOT NULL,
    about text NOT NULL DEFAULT ''
) WITH (fillfactor = 10);

-- One row: the layout, the oldest layout whose programs may go on using these tables, and for how long a process
-- may go by what it keeps.
CREATE TABLE keystore_meta (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version integer NOT NULL,
    oldest integer NOT NULL CHECK (oldest <= version),
    lease_us bigint NOT NULL CHECK (lease_us BETWEEN 1000 AND 10000000)
);

-- At most one row: sealed bytes that all processes go by. Each change raises the version.
CREATE TABLE keystore_common (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version bigint NOT NULL CHECK (version > 0),
    sealed bytea NOT NULL
);

-- Work that one process does for all: when it was last begun.
CREATE TABLE keystore_chores (
    name text PRIMARY KEY,
    begun_at timestamptz NOT NULL
);
