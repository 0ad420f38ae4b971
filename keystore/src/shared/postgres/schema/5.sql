-- Where the records of the deployment are, when they aren't in this database: nothing for those that are.
ALTER TABLE keystore_meta ADD COLUMN records text;
