-- What a refresh writes, as procedures: a view with a trigger instead of inserts, of which each connection that writes
-- has its own. One statement does it all or, by ABORT, nothing.

-- Writes events into a connection's history, and drops what is too old in it: at once, since that costs a few steps along
-- an index, and finding it later a walk through everybody's history.
CREATE TEMP VIEW record_events AS SELECT NULL AS connection, NULL AS events;
CREATE TEMP TRIGGER record_events INSTEAD OF INSERT ON record_events BEGIN
    INSERT INTO events (connection, at, what)
    SELECT NEW.connection, value ->> 'at', value -> 'what' FROM json_each(NEW.events);

    DELETE FROM events WHERE connection = NEW.connection AND seq <=
        (SELECT seq FROM events WHERE connection = NEW.connection ORDER BY seq DESC LIMIT 1 OFFSET 100);
END;

-- Changes a connection. `generation`: that of the grant which comes next.
CREATE TEMP VIEW update_connection AS SELECT
    NULL AS connection, NULL AS expected, NULL AS generation, NULL AS state, NULL AS state_data, NULL AS policy,
    NULL AS due_at, NULL AS dies_at, NULL AS warned_at, NULL AS events;
CREATE TEMP TRIGGER update_connection INSTEAD OF INSERT ON update_connection BEGIN
    SELECT RAISE(ABORT, 'refused') WHERE NOT EXISTS (
        SELECT 1 FROM revisions WHERE id = NEW.connection AND revision = NEW.expected
            AND (NEW.generation IS NULL OR NEW.generation > coalesce(generation, 0)));

    UPDATE connections SET revision = revision + 1, state_data = NEW.state_data, policy = NEW.policy,
        due_at = NEW.due_at, dies_at = NEW.dies_at, warned_at = NEW.warned_at
    WHERE id = NEW.connection;
    -- By itself, since SQLite writes an index anew for a column that is set to what it was.
    UPDATE connections SET state = NEW.state WHERE id = NEW.connection AND state <> NEW.state;

    INSERT INTO record_events VALUES (NEW.connection, NEW.events);
END;

-- Takes the lease and writes the attempt down. The attempt that may be open is that of the lease before.
CREATE TEMP VIEW begin_attempt AS SELECT
    NULL AS connection, NULL AS expected, NULL AS now, NULL AS attempt, NULL AS node, NULL AS grant_id,
    NULL AS generation, NULL AS fingerprint, NULL AS started_at, NULL AS lease_until;
CREATE TEMP TRIGGER begin_attempt INSTEAD OF INSERT ON begin_attempt BEGIN
    SELECT RAISE(ABORT, 'refused') WHERE NOT EXISTS (
        SELECT 1 FROM revisions WHERE id = NEW.connection AND revision = NEW.expected
            AND (until IS NULL OR until <= NEW.now));

    UPDATE attempts SET status = 'abandoned', closed_at = NEW.now
    WHERE id = (SELECT attempt FROM leases WHERE connection = NEW.connection) AND status = 'open';

    INSERT INTO attempts (id, connection, node, grant_id, generation, fingerprint, started_at, status)
    VALUES (NEW.attempt, NEW.connection, NEW.node, NEW.grant_id, NEW.generation, NEW.fingerprint, NEW.started_at, 'open');

    INSERT INTO leases (connection, attempt, until, steps) VALUES (NEW.connection, NEW.attempt, NEW.lease_until, 1)
    ON CONFLICT (connection) DO UPDATE SET attempt = excluded.attempt, until = excluded.until, steps = steps + 1;
END;

-- Stores an attempt's outcome. `next`: the generation of the token set that it brought. The attempt may have been pruned
-- since it was given up, and its answer come only now: then it is kept like any other.
CREATE TEMP VIEW finish_attempt AS SELECT
    NULL AS connection, NULL AS expected, NULL AS attempt, NULL AS next, NULL AS state, NULL AS state_data,
    NULL AS due_at, NULL AS dies_at, NULL AS warned_at, NULL AS status, NULL AS closed_at, NULL AS events,
    NULL AS generation, NULL AS issued_at, NULL AS expires_at, NULL AS token_type, NULL AS scope, NULL AS access_token,
    NULL AS refresh_token, NULL AS refresh_fingerprint, NULL AS refresh_end, NULL AS id_token, NULL AS extra,
    NULL AS kept_at, NULL AS why, NULL AS raw;
CREATE TEMP TRIGGER finish_attempt INSTEAD OF INSERT ON finish_attempt BEGIN
    SELECT RAISE(ABORT, 'refused') WHERE NOT EXISTS (
            SELECT 1 FROM revisions WHERE id = NEW.connection AND revision = NEW.expected
                AND (NEW.next IS NULL OR NEW.next > generation))
        OR EXISTS (SELECT 1 FROM attempts WHERE id = NEW.attempt AND status = 'finished')
        OR EXISTS (SELECT 1 FROM candidates WHERE attempt = NEW.attempt);

    -- The token set before the new one is kept; that this one came proves that all others are unneeded. Where the place
    -- that it takes was taken before, they are gone already, and nothing is looked for.
    DELETE FROM grants
    WHERE connection = iif(EXISTS (SELECT 1 FROM token_sets
                WHERE place = (SELECT tokens + 1 - 2 * (tokens % 2) FROM connections WHERE id = NEW.connection)),
            NULL, NEW.connection)
        AND NEW.next IS NOT NULL AND seq <> (SELECT tokens / 2 FROM connections WHERE id = NEW.connection);
    INSERT OR REPLACE INTO token_sets (place, generation, issued_at, expires_at, token_type, scope, access_token,
        refresh_token, refresh_fingerprint, refresh_end, id_token, extra)
    SELECT tokens + 1 - 2 * (tokens % 2), NEW.generation, NEW.issued_at, NEW.expires_at, NEW.token_type, NEW.scope,
        NEW.access_token, NEW.refresh_token, NEW.refresh_fingerprint, NEW.refresh_end, NEW.id_token, NEW.extra
    FROM connections WHERE id = NEW.connection AND NEW.next IS NOT NULL;

    -- Of answers that could not be read, the oldest and the newest are kept.
    INSERT INTO candidates (connection, attempt, kept_at, why, raw, generation, issued_at, expires_at, token_type, scope,
        access_token, refresh_token, refresh_fingerprint, refresh_end, id_token, extra)
    SELECT NEW.connection, NEW.attempt, NEW.kept_at, NEW.why, NEW.raw, NEW.generation, NEW.issued_at, NEW.expires_at,
        NEW.token_type, NEW.scope, NEW.access_token, NEW.refresh_token, NEW.refresh_fingerprint, NEW.refresh_end,
        NEW.id_token, NEW.extra
    WHERE NEW.kept_at IS NOT NULL;
    DELETE FROM candidates
    WHERE NEW.raw IS NOT NULL AND connection = NEW.connection AND raw IS NOT NULL
        AND seq NOT IN (SELECT seq FROM candidates WHERE connection = NEW.connection AND raw IS NOT NULL
            ORDER BY seq LIMIT 4)
        AND seq NOT IN (SELECT seq FROM candidates WHERE connection = NEW.connection AND raw IS NOT NULL
            ORDER BY seq DESC LIMIT 4);

    -- The lease may be another attempt's by now, and then stays.
    UPDATE connections SET revision = revision + 1 + coalesce(
            (SELECT steps FROM leases WHERE connection = NEW.connection AND attempt = NEW.attempt), 0),
        generation = coalesce(NEW.next, generation),
        tokens = CASE WHEN NEW.next IS NULL THEN tokens ELSE tokens + 1 - 2 * (tokens % 2) END,
        state_data = NEW.state_data,
        due_at = NEW.due_at, dies_at = NEW.dies_at, warned_at = NEW.warned_at
    WHERE id = NEW.connection;
    DELETE FROM leases WHERE connection = NEW.connection AND attempt = NEW.attempt;
    UPDATE connections SET state = NEW.state WHERE id = NEW.connection AND state <> NEW.state;

    UPDATE attempts SET status = NEW.status, closed_at = NEW.closed_at WHERE id = NEW.attempt;

    INSERT INTO record_events VALUES (NEW.connection, NEW.events);
END;
