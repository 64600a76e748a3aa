-- Leases by themselves: whoever takes one, renews it or gives it back writes into a table of a few rows that are always at
-- hand, and of the many connections none is written before there is an outcome.
CREATE TABLE leases (
    connection BLOB PRIMARY KEY NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    attempt    BLOB NOT NULL,
    until      INTEGER NOT NULL,
    steps      INTEGER NOT NULL -- by how much the connection's revision is more than its row says
) STRICT, WITHOUT ROWID;
INSERT INTO leases SELECT id, lease_attempt, lease_until, 0 FROM connections WHERE lease_until IS NOT NULL;

-- What the revisions are in truth.
CREATE VIEW revisions AS
SELECT id, revision + coalesce(steps, 0) AS revision, generation, attempt, until
FROM connections LEFT JOIN leases ON connection = id;

DROP INDEX connections_look_at;
ALTER TABLE connections DROP COLUMN look_at;
ALTER TABLE connections DROP COLUMN lease_attempt;
ALTER TABLE connections DROP COLUMN lease_until;

-- What is due is found and sorted in this one, without a look at the rows.
CREATE INDEX connections_due_at ON connections (due_at, dies_at, id, client) WHERE due_at IS NOT NULL;
