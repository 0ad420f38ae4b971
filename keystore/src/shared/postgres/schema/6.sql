-- For how long a process may go by what it keeps once the records are in this database again; nothing while `lease_us`
-- says so. While they are elsewhere the database has a longer lease: what it is for changes rarely.
ALTER TABLE keystore_meta ADD COLUMN records_lease_us bigint;
