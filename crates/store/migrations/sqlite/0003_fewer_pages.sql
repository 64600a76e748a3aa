-- What a refresh reads and writes lies on fewer pages: among a million connections each is another one.

-- Leases by themselves, of which none outlasts its connection: whoever takes one, renews it or gives it back writes into
-- a table of a few rows that are always at hand, and of the many connections none is written before there is an outcome.
CREATE TABLE leases (
    connection BLOB PRIMARY KEY NOT NULL,
    attempt    BLOB NOT NULL,
    until      INTEGER NOT NULL,
    steps      INTEGER NOT NULL -- by how much the connection's revision is more than its row says
) STRICT, WITHOUT ROWID;
INSERT INTO leases SELECT id, lease_attempt, lease_until, 0 FROM connections WHERE lease_until IS NOT NULL AND lease_attempt IS NOT NULL;

-- From here on an attempt that is open is its lease's: nobody would come upon another one, to find out what became of it.
UPDATE attempts SET status = 'abandoned', closed_at = started_at
    WHERE status = 'open' AND id NOT IN (SELECT attempt FROM leases);

-- An attempt that is open is its lease's, and those that are old are the first ones: identifiers begin with the time.
DROP INDEX attempts_open;
DROP INDEX attempts_closed;

-- What the revisions are in truth.
CREATE VIEW revisions AS
SELECT id, revision + coalesce(steps, 0) AS revision, generation, attempt, until
FROM connections LEFT JOIN leases ON connection = id;

DROP INDEX connections_look_at;
ALTER TABLE connections DROP COLUMN look_at;
ALTER TABLE connections DROP COLUMN lease_attempt;
ALTER TABLE connections DROP COLUMN lease_until;

-- What is due is found in this one, with all that is needed to sort it by death, without a look at the rows.
DROP INDEX connections_dies_at;
CREATE INDEX connections_due_at ON connections (due_at, dies_at, id, client) WHERE due_at IS NOT NULL;

-- The current grant and its token set in the connection's own row, and beside it the one before, whose refresh token is kept
-- until the new one has worked: all that a refresh changes is on one page.
ALTER TABLE connections ADD COLUMN consented_at INTEGER;
ALTER TABLE connections ADD COLUMN renewal TEXT;
ALTER TABLE connections ADD COLUMN issued_at INTEGER;
ALTER TABLE connections ADD COLUMN expires_at INTEGER;
ALTER TABLE connections ADD COLUMN token_type TEXT;
ALTER TABLE connections ADD COLUMN scope TEXT;
ALTER TABLE connections ADD COLUMN access_token BLOB;
ALTER TABLE connections ADD COLUMN refresh_token BLOB;
ALTER TABLE connections ADD COLUMN refresh_fingerprint BLOB;
ALTER TABLE connections ADD COLUMN refresh_end TEXT; -- JSON
ALTER TABLE connections ADD COLUMN id_token BLOB;
ALTER TABLE connections ADD COLUMN extra BLOB;
ALTER TABLE connections ADD COLUMN previous_generation INTEGER;
ALTER TABLE connections ADD COLUMN previous_issued_at INTEGER;
ALTER TABLE connections ADD COLUMN previous_expires_at INTEGER;
ALTER TABLE connections ADD COLUMN previous_token_type TEXT;
ALTER TABLE connections ADD COLUMN previous_scope TEXT;
ALTER TABLE connections ADD COLUMN previous_access_token BLOB;
ALTER TABLE connections ADD COLUMN previous_refresh_token BLOB;
ALTER TABLE connections ADD COLUMN previous_refresh_fingerprint BLOB;
ALTER TABLE connections ADD COLUMN previous_refresh_end TEXT;
ALTER TABLE connections ADD COLUMN previous_id_token BLOB;
ALTER TABLE connections ADD COLUMN previous_extra BLOB;
UPDATE connections SET
    (consented_at, renewal) = (SELECT g.consented_at, g.renewal FROM grants g WHERE g.id = connections.grant_id),
    (issued_at, expires_at, token_type, scope, access_token, refresh_token, refresh_fingerprint,
        refresh_end, id_token, extra) = (
        SELECT issued_at, expires_at, token_type, scope, access_token, refresh_token, refresh_fingerprint,
        refresh_end, id_token, extra
        FROM token_sets t WHERE t.grant_id = connections.grant_id AND t.generation = connections.generation),
    (previous_generation, previous_issued_at, previous_expires_at, previous_token_type, previous_scope,
        previous_access_token, previous_refresh_token, previous_refresh_fingerprint,
        previous_refresh_end, previous_id_token, previous_extra) = (
        SELECT generation, issued_at, expires_at, token_type, scope, access_token, refresh_token, refresh_fingerprint,
        refresh_end, id_token, extra
        FROM token_sets t WHERE t.grant_id = connections.grant_id AND t.generation < connections.generation
        ORDER BY generation DESC LIMIT 1)
WHERE grant_id IS NOT NULL;

-- Those of the grants before, which are kept until the current one has worked.
CREATE TABLE earlier_token_sets (
    seq                 INTEGER PRIMARY KEY,
    connection          BLOB NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    grant_id            BLOB NOT NULL,
    consented_at        INTEGER,
    renewal             TEXT,
    generation          INTEGER NOT NULL,
    issued_at           INTEGER,
    expires_at          INTEGER,
    token_type          TEXT,
    scope               TEXT,
    access_token        BLOB,
    refresh_token       BLOB,
    refresh_fingerprint BLOB,
    refresh_end         TEXT, -- JSON
    id_token            BLOB,
    extra               BLOB
) STRICT;
INSERT INTO earlier_token_sets (connection, grant_id, consented_at, renewal, generation,
        issued_at, expires_at, token_type, scope, access_token, refresh_token, refresh_fingerprint,
        refresh_end, id_token, extra)
    SELECT g.connection, g.id, consented_at, renewal, generation,
        issued_at, expires_at, token_type, scope, access_token, refresh_token, refresh_fingerprint,
        refresh_end, id_token, extra
    FROM token_sets JOIN grants g ON g.id = grant_id
    WHERE EXISTS (SELECT 1 FROM connections c WHERE c.id = g.connection AND c.grant_id IS NOT g.id)
    ORDER BY generation;
CREATE INDEX earlier_token_sets_connection ON earlier_token_sets (connection);
DROP TABLE token_sets;
DROP TABLE grants;

-- Events by themselves too. Each names the one before it of the same connection, which names its newest: so that writing
-- one writes no index, and nobody is asked whether the connection is there. Those that are old are the first ones.
CREATE TABLE events_in_chains (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    connection BLOB NOT NULL,
    previous   INTEGER, -- may be gone
    at         INTEGER NOT NULL,
    what       TEXT NOT NULL -- JSON
) STRICT;
INSERT INTO events_in_chains
    SELECT seq, connection, lag(seq) OVER (PARTITION BY connection ORDER BY seq), at, what FROM events ORDER BY seq;
ALTER TABLE connections ADD COLUMN last_event INTEGER;
ALTER TABLE connections ADD COLUMN events INTEGER NOT NULL DEFAULT 0; -- how many there are; fewer when old ones are gone
UPDATE connections SET
    last_event = (SELECT max(seq) FROM events WHERE connection = connections.id),
    events = (SELECT count(*) FROM events WHERE connection = connections.id);
-- No number is used twice, also where the newest events are gone.
INSERT OR IGNORE INTO events_in_chains (seq, connection, at, what)
    SELECT seq, x'', 0, '' FROM sqlite_sequence WHERE name = 'events';
DELETE FROM events_in_chains WHERE connection = x'';
DROP TABLE events;
ALTER TABLE events_in_chains RENAME TO events;
