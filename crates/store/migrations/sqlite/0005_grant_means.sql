-- What renewing a grant needs besides its tokens and its client, sealed: a key of its own, or what is exchanged.
ALTER TABLE connections ADD COLUMN means BLOB;
ALTER TABLE earlier_token_sets ADD COLUMN means BLOB;
