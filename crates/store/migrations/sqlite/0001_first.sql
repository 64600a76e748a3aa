-- Identifiers are UUIDs in 16 bytes; times are milliseconds since 1970; secrets are sealed before they come here.

CREATE TABLE store (
    one             INTEGER PRIMARY KEY CHECK (one = 1),
    id              BLOB NOT NULL,
    fingerprint_key BLOB NOT NULL
) STRICT;

CREATE TABLE clients (
    id           BLOB PRIMARY KEY NOT NULL,
    name         TEXT NOT NULL UNIQUE,
    provider     TEXT NOT NULL,
    client_id    TEXT NOT NULL,
    auth         TEXT NOT NULL,
    secret       BLOB,
    redirect_uri TEXT NOT NULL,
    scopes       TEXT NOT NULL, -- JSON
    endpoints    TEXT NOT NULL, -- JSON
    created_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE connections (
    id            BLOB PRIMARY KEY NOT NULL,
    revision      INTEGER NOT NULL,
    name          TEXT NOT NULL UNIQUE,
    client        BLOB NOT NULL REFERENCES clients (id),
    external_id   TEXT,
    tags          TEXT NOT NULL, -- JSON
    policy        TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    last_read_at  INTEGER,
    state         TEXT NOT NULL, -- its name, to filter and to count
    state_data    TEXT NOT NULL, -- JSON
    due_at        INTEGER,
    dies_at       INTEGER,
    grant_id      BLOB,          -- the current grant
    generation    INTEGER,       -- its current token set
    lease_attempt BLOB,
    lease_until   INTEGER,
    -- When somebody is to look at it: at the end of its lease if there is one, whatever its plan says, since
    -- the outcome of that attempt must be found out.
    look_at       INTEGER GENERATED ALWAYS AS (coalesce(lease_until, due_at)) VIRTUAL,
    UNIQUE (client, external_id)
) STRICT;
CREATE INDEX connections_look_at ON connections (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX connections_state ON connections (state, name);
CREATE INDEX connections_lease ON connections (lease_attempt) WHERE lease_attempt IS NOT NULL;

CREATE TABLE grants (
    id           BLOB PRIMARY KEY NOT NULL,
    connection   BLOB NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    consented_at INTEGER NOT NULL,
    renewal      TEXT NOT NULL
) STRICT;
CREATE INDEX grants_connection ON grants (connection);

CREATE TABLE token_sets (
    grant_id            BLOB NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
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
    extra               BLOB,
    PRIMARY KEY (grant_id, generation)
) STRICT;

CREATE TABLE attempts (
    id          BLOB PRIMARY KEY NOT NULL,
    connection  BLOB NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    node        BLOB NOT NULL,
    grant_id    BLOB NOT NULL, -- may be gone
    generation  INTEGER NOT NULL,
    fingerprint BLOB,
    started_at  INTEGER NOT NULL,
    status      TEXT NOT NULL CHECK (status IN ('open', 'abandoned', 'finished')),
    closed_at   INTEGER CHECK ((closed_at IS NULL) = (status = 'open'))
) STRICT;
CREATE INDEX attempts_connection ON attempts (connection);
CREATE INDEX attempts_open ON attempts (node) WHERE status = 'open';
CREATE INDEX attempts_closed ON attempts (closed_at) WHERE closed_at IS NOT NULL;

-- Answers that could not be applied. Never overwritten. Either a token set or `raw`.
CREATE TABLE candidates (
    seq                 INTEGER PRIMARY KEY,
    attempt             BLOB NOT NULL UNIQUE,
    connection          BLOB NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    kept_at             INTEGER NOT NULL,
    why                 TEXT NOT NULL,
    raw                 BLOB,
    generation          INTEGER,
    issued_at           INTEGER,
    expires_at          INTEGER,
    token_type          TEXT,
    scope               TEXT,
    access_token        BLOB,
    refresh_token       BLOB,
    refresh_fingerprint BLOB,
    refresh_end         TEXT, -- JSON
    id_token            BLOB,
    extra               BLOB,
    CHECK ((raw IS NULL) = (access_token IS NOT NULL))
) STRICT;
CREATE INDEX candidates_connection ON candidates (connection, kept_at);

CREATE TABLE authorizations (
    state_hash    BLOB PRIMARY KEY NOT NULL,
    connection    BLOB NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    client        BLOB NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    endpoints     TEXT NOT NULL, -- JSON
    redirect_uri  TEXT NOT NULL,
    scopes        TEXT NOT NULL, -- JSON
    code_verifier BLOB NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX authorizations_connection ON authorizations (connection);
CREATE INDEX authorizations_client ON authorizations (client);
CREATE INDEX authorizations_expires_at ON authorizations (expires_at);

-- AUTOINCREMENT: a number is never used twice, also when the newest events are gone.
CREATE TABLE events (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    connection BLOB NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    at         INTEGER NOT NULL,
    what       TEXT NOT NULL -- JSON
) STRICT;
CREATE INDEX events_connection ON events (connection, seq);
CREATE INDEX events_at ON events (at);

-- Written to see whether an answer could be saved.
CREATE TABLE probe (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    filler BLOB NOT NULL
) STRICT;
