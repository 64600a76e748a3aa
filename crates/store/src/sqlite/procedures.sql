-- What is decided by a connection's revision, as procedures: a view with a trigger instead of inserts, of which each
-- connection that writes has its own. What is refused has changed nothing. Whatever else fails undoes the whole piece of
-- work that it is a part of; so they are called with OR FAIL, and SQLite need not keep how each page was before a statement.

-- Changes a connection. `generation`: that of the grant which comes next.
CREATE TEMP VIEW update_connection AS SELECT
    NULL AS connection, NULL AS expected, NULL AS generation, NULL AS state, NULL AS state_data, NULL AS policy,
    NULL AS due_at, NULL AS dies_at, NULL AS warned_at;
CREATE TEMP TRIGGER update_connection INSTEAD OF INSERT ON update_connection BEGIN
    SELECT RAISE(FAIL, 'refused') WHERE NOT EXISTS (
        SELECT 1 FROM revisions WHERE id = NEW.connection AND revision = NEW.expected
            AND (NEW.generation IS NULL OR NEW.generation > coalesce(generation, 0)));

    UPDATE connections SET revision = revision + 1, state_data = NEW.state_data, policy = NEW.policy,
        due_at = NEW.due_at, dies_at = NEW.dies_at, warned_at = NEW.warned_at
    WHERE id = NEW.connection;
    -- By itself, since SQLite writes an index anew for a column that is set to what it was.
    UPDATE connections SET state = NEW.state WHERE id = NEW.connection AND state <> NEW.state;
END;

-- Takes the lease and writes the attempt down. The attempt that may be open is that of the lease before.
CREATE TEMP VIEW begin_attempt AS SELECT
    NULL AS connection, NULL AS expected, NULL AS now, NULL AS attempt, NULL AS node, NULL AS grant_id,
    NULL AS generation, NULL AS fingerprint, NULL AS started_at, NULL AS lease_until;
CREATE TEMP TRIGGER begin_attempt INSTEAD OF INSERT ON begin_attempt BEGIN
    SELECT RAISE(FAIL, 'refused') WHERE NOT EXISTS (
        SELECT 1 FROM revisions WHERE id = NEW.connection AND revision = NEW.expected
            AND (until IS NULL OR until <= NEW.now));

    UPDATE attempts SET status = 'abandoned', closed_at = NEW.now
    WHERE id = (SELECT attempt FROM leases WHERE connection = NEW.connection) AND status = 'open';

    INSERT INTO attempts (id, connection, node, grant_id, generation, fingerprint, started_at, status)
    VALUES (NEW.attempt, NEW.connection, NEW.node, NEW.grant_id, NEW.generation, NEW.fingerprint, NEW.started_at, 'open');

    INSERT INTO leases (connection, attempt, until, steps) VALUES (NEW.connection, NEW.attempt, NEW.lease_until, 1)
    ON CONFLICT (connection) DO UPDATE SET attempt = excluded.attempt, until = excluded.until, steps = steps + 1;
END;

-- Stores an attempt's outcome. `next`: the generation of the token set that it brought, which is stored afterwards. The attempt
-- may have been pruned since it was given up, and its answer come only now: then it is kept like any other.
CREATE TEMP VIEW finish_attempt AS SELECT
    NULL AS connection, NULL AS expected, NULL AS attempt, NULL AS next, NULL AS state, NULL AS state_data,
    NULL AS due_at, NULL AS dies_at, NULL AS warned_at, NULL AS status, NULL AS closed_at;
CREATE TEMP TRIGGER finish_attempt INSTEAD OF INSERT ON finish_attempt BEGIN
    SELECT RAISE(FAIL, 'refused') WHERE NOT EXISTS (
            SELECT 1 FROM revisions WHERE id = NEW.connection AND revision = NEW.expected
                AND (NEW.next IS NULL OR NEW.next > generation))
        OR EXISTS (SELECT 1 FROM attempts WHERE id = NEW.attempt AND status = 'finished')
        OR EXISTS (SELECT 1 FROM candidates WHERE attempt = NEW.attempt);

    -- The lease may be another attempt's by now, and then stays.
    UPDATE connections SET revision = revision + 1 + coalesce(
            (SELECT steps FROM leases WHERE connection = NEW.connection AND attempt = NEW.attempt), 0),
        state_data = NEW.state_data,
        due_at = NEW.due_at, dies_at = NEW.dies_at, warned_at = NEW.warned_at
    WHERE id = NEW.connection;
    DELETE FROM leases WHERE connection = NEW.connection AND attempt = NEW.attempt;
    UPDATE connections SET state = NEW.state WHERE id = NEW.connection AND state <> NEW.state;

    UPDATE attempts SET status = NEW.status, closed_at = NEW.closed_at WHERE id = NEW.attempt;
END;
