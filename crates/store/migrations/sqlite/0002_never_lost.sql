-- A client is changed by whoever decided on its revision; what was learned of it is kept with it.
ALTER TABLE clients ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
ALTER TABLE clients ADD COLUMN second_secret BLOB;
ALTER TABLE clients ADD COLUMN notes TEXT NOT NULL DEFAULT '{}'; -- JSON

-- Up to when it has been said that an end comes which no refresh moves.
ALTER TABLE connections ADD COLUMN warned_at INTEGER;

-- What was noted last of the time and of how connections were planned.
ALTER TABLE store ADD COLUMN mark TEXT; -- JSON

-- What is due is found and sorted in this one, without a look at the rows.
DROP INDEX connections_look_at;
CREATE INDEX connections_look_at ON connections (look_at, dies_at, id, client) WHERE look_at IS NOT NULL;
-- When too much is due to be sorted for each look, it is found along this one. It stays as it is when a lease is taken.
CREATE INDEX connections_dies_at ON connections (dies_at) WHERE dies_at IS NOT NULL;

-- An attempt is found by its identifier alone, and identifiers grow: so that of the many attempts of many connections
-- only the end of the table is written to. What is left of the attempts of a connection that is gone goes when it is old.
DROP INDEX connections_lease;
CREATE TABLE attempts_by_id (
    id          BLOB PRIMARY KEY NOT NULL,
    connection  BLOB NOT NULL, -- may be gone
    node        BLOB NOT NULL,
    grant_id    BLOB NOT NULL, -- may be gone
    generation  INTEGER NOT NULL,
    fingerprint BLOB,
    started_at  INTEGER NOT NULL,
    -- Not as a list: SQLite would make a table of that at each write.
    status      TEXT NOT NULL CHECK (status = 'open' OR status = 'abandoned' OR status = 'finished'),
    closed_at   INTEGER CHECK ((closed_at IS NULL) = (status = 'open'))
) STRICT, WITHOUT ROWID;
INSERT INTO attempts_by_id
    SELECT id, connection, node, grant_id, generation, fingerprint, started_at, status, closed_at FROM attempts;
DROP TABLE attempts;
ALTER TABLE attempts_by_id RENAME TO attempts;
CREATE INDEX attempts_open ON attempts (node) WHERE status = 'open';
CREATE INDEX attempts_closed ON attempts (closed_at) WHERE closed_at IS NOT NULL;
