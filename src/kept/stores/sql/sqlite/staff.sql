-- Who may ask: staff, their sessions, API tokens, write keys, failed sign-ins, and who looked at whom.

-- save_staff --
-- Insert or replace a member of staff.
INSERT OR REPLACE INTO staff (staff_id, body) VALUES (?, ?);

-- load_staff --
-- Return all staff.
SELECT staff_id, body FROM staff ORDER BY staff_id;

-- save_session --
-- Insert or replace a session.
INSERT OR REPLACE INTO sessions (digest, body) VALUES (?, ?);

-- drop_sessions --
-- End sessions.
DELETE FROM sessions WHERE digest IN (SELECT value FROM json_each(?));

-- load_sessions --
-- Return all sessions.
SELECT digest, body FROM sessions ORDER BY digest;

-- save_token --
-- Insert or replace an API token.
INSERT OR REPLACE INTO tokens (digest, body) VALUES (?, ?);

-- drop_tokens --
-- Revoke API tokens.
DELETE FROM tokens WHERE digest IN (SELECT value FROM json_each(?));

-- load_tokens --
-- Return all API tokens.
SELECT body FROM tokens ORDER BY digest;

-- save_write_key --
-- Insert or replace a write key.
INSERT OR REPLACE INTO write_keys (digest, body) VALUES (?, ?);

-- drop_write_keys --
-- Revoke write keys.
DELETE FROM write_keys WHERE digest IN (SELECT value FROM json_each(?));

-- load_write_keys --
-- Return all write keys.
SELECT body FROM write_keys ORDER BY digest;

-- save_failures --
-- Insert or replace failed sign-ins.
INSERT OR REPLACE INTO failures (name, last_at, body) VALUES (?, ?, ?);

-- drop_failures --
-- Forget failed sign-ins.
DELETE FROM failures WHERE name IN (SELECT value FROM json_each(?));

-- load_failures --
-- Return all failed sign-ins, the oldest last failure first.
SELECT name, body FROM failures ORDER BY last_at, name;

-- insert_access --
-- Note that an audit entry tells of somebody who saw values of a part.
INSERT OR IGNORE INTO accesses (part_id, entry_id) VALUES (?, ?);

-- read_accesses --
-- Return the newest audit entries of who saw values of these parts (a JSON list), newest first.
SELECT entry_id, at, actor, verb, detail FROM audit WHERE entry_id IN (
    SELECT entry_id FROM accesses WHERE part_id IN (SELECT value FROM json_each(?)))
ORDER BY entry_id DESC LIMIT ?;
