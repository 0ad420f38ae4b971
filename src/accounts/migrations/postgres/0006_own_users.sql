-- Whether a client vouches for users of its own, and for which services it asks: names joined by one space.
ALTER TABLE clients ADD COLUMN own_users BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN services TEXT COLLATE "C" NOT NULL DEFAULT '';
