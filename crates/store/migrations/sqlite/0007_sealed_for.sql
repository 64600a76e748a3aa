-- What an answer that was kept aside is sealed for, since its attempt is forgotten long before it.
ALTER TABLE candidates ADD COLUMN sealed_for_grant BLOB;
ALTER TABLE candidates ADD COLUMN sealed_for_generation INTEGER;
UPDATE candidates SET (sealed_for_grant, sealed_for_generation) =
    (SELECT a.grant_id, a.generation FROM attempts a WHERE a.id = candidates.attempt);
