-- An import asks whether a token was imported before, by the grant that it makes. No refresh writes to this.
CREATE INDEX connections_grant ON connections (grant_id) WHERE grant_id IS NOT NULL;
