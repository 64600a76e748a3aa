-- What a refresh reads and writes lies on fewer pages: among a million connections each is another one.

-- Leases by themselves, of which none outlasts its connection: whoever takes one, renews it or gives it back writes into a table of a few rows that are always at
-- hand, and of the many connections none is written before there is an outcome.
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

-- Each grant has two places for token sets, beside each other: 2 * seq and the next. One holds the current token set, the
-- other the one before, and the next one takes the place of that. So they are found without an index.
CREATE TABLE grants_by_seq (
    seq          INTEGER PRIMARY KEY,
    id           BLOB NOT NULL,
    connection   BLOB NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    consented_at INTEGER NOT NULL,
    renewal      TEXT NOT NULL
) STRICT;
CREATE TABLE token_sets_by_place (
    place               INTEGER PRIMARY KEY,
    generation          INTEGER NOT NULL,
    issued_at           INTEGER NOT NULL,
    expires_at          INTEGER,
    token_type          TEXT NOT NULL,
    scope               TEXT,
    access_token        BLOB NOT NULL,
    refresh_token       BLOB,
    refresh_fingerprint BLOB,
    refresh_end         TEXT, -- JSON
    id_token            BLOB,
    extra               BLOB
) STRICT;
INSERT INTO grants_by_seq (id, connection, consented_at, renewal)
    SELECT id, connection, consented_at, renewal FROM grants
    WHERE connection IN (SELECT id FROM connections) ORDER BY rowid;
CREATE TEMP TABLE seqs AS SELECT id, seq FROM grants_by_seq;
CREATE UNIQUE INDEX temp.seqs_id ON seqs (id);
-- There are two at most of each grant.
INSERT INTO token_sets_by_place
    SELECT 2 * seq + age, generation, issued_at, expires_at, token_type, scope, access_token, refresh_token,
        refresh_fingerprint, refresh_end, id_token, extra
    FROM (SELECT *, row_number() OVER (PARTITION BY grant_id ORDER BY generation DESC) - 1 AS age FROM token_sets)
        JOIN seqs ON id = grant_id
    WHERE age < 2;

ALTER TABLE connections ADD COLUMN tokens INTEGER; -- the place of its current token set
-- Where the grant is not there, the connection is damaged, and stays so: there is no place 0.
UPDATE connections SET tokens = coalesce((SELECT 2 * seq FROM seqs WHERE seqs.id = grant_id), 0)
    WHERE grant_id IS NOT NULL;
ALTER TABLE connections DROP COLUMN grant_id;

DROP TABLE seqs;
DROP TABLE token_sets;
DROP TABLE grants;
ALTER TABLE grants_by_seq RENAME TO grants;
ALTER TABLE token_sets_by_place RENAME TO token_sets;
CREATE INDEX grants_connection ON grants (connection);
CREATE TRIGGER grants_deleted AFTER DELETE ON grants BEGIN
    DELETE FROM token_sets WHERE place BETWEEN 2 * OLD.seq AND 2 * OLD.seq + 1;
END;

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
