-- The deployments whose accounts these are, each by the name that its keyring gives it. A database that is
-- older than this table is taken by the first deployment that opens it.
CREATE TABLE lacre_deployments (
    name TEXT NOT NULL PRIMARY KEY
);

INSERT INTO lacre_deployments (name) VALUES ('unclaimed');
