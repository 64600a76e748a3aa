-- What is known of a grant besides its tokens: where its provider is, what its redirect brought, whose it is.
ALTER TABLE connections ADD COLUMN about TEXT; -- JSON
ALTER TABLE earlier_token_sets ADD COLUMN about TEXT; -- JSON

-- At which of the provider's places somebody is being asked for consent.
ALTER TABLE authorizations ADD COLUMN site TEXT NOT NULL DEFAULT '{}'; -- JSON
