-- The refresh token that a grant began with, for as long as it is that: by it two connections are found that hold the same
-- one. The first refresh that replaces it writes here; no other does.
ALTER TABLE connections ADD COLUMN begun_with BLOB;
UPDATE connections SET begun_with = refresh_fingerprint WHERE refresh_fingerprint IS NOT NULL
    AND coalesce(previous_refresh_fingerprint, refresh_fingerprint) = refresh_fingerprint;
CREATE INDEX connections_begun_with ON connections (begun_with) WHERE begun_with IS NOT NULL;
