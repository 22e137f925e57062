-- Who may use the HTTP port, and what happened at the doors. Only hashes are kept: a token is shown once, when it is made.

CREATE TABLE access_tokens (
  name         text PRIMARY KEY,
  role         text NOT NULL CHECK (role IN ('viewer', 'billing', 'operator')),
  token_hash   bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
  created_at   timestamptz NOT NULL DEFAULT now(),
  expires_at   timestamptz,
  last_used_at timestamptz,
  revoked_at   timestamptz
);
COMMENT ON TABLE access_tokens IS 'Named tokens of the HTTP port, by "chargelift tokens". While there is a row, revoked or not, nobody gets in without a token.';
COMMENT ON COLUMN access_tokens.token_hash IS 'SHA-256 of the token, which is 256 random bits: there is nothing to guess.';
COMMENT ON COLUMN access_tokens.last_used_at IS 'Written at most once an hour.';

-- Browsers that signed in with a token. The cookie holds a random id, the table its SHA-256.
CREATE TABLE access_sessions (
  session_hash bytea PRIMARY KEY CHECK (octet_length(session_hash) = 32),
  token_name   text NOT NULL REFERENCES access_tokens (name) ON DELETE CASCADE,
  created_at   timestamptz NOT NULL DEFAULT now(),
  expires_at   timestamptz NOT NULL
);
CREATE INDEX access_sessions_token_name ON access_sessions (token_name);

-- Refusals, revocations, and changes of the tokens. The same again within some minutes is one row with a count.
CREATE TABLE audit_events (
  id       uuid PRIMARY KEY,
  at       timestamptz NOT NULL,
  last_at  timestamptz NOT NULL,
  count    integer NOT NULL DEFAULT 1,
  event    text NOT NULL,
  rule     text,
  identity text NOT NULL DEFAULT '',
  serial   text NOT NULL DEFAULT '',
  address  text NOT NULL DEFAULT '',
  reason   text NOT NULL DEFAULT '',
  node     text NOT NULL DEFAULT ''
);
CREATE INDEX audit_events_at ON audit_events (at, id);
COMMENT ON TABLE audit_events IS 'Written behind by the server. Bounded: of strangers and of known identities the oldest rows go when there are too many.';
COMMENT ON COLUMN audit_events.at IS 'The first of them; last_at the last, of which address and reason are.';
COMMENT ON COLUMN audit_events.identity IS 'CN of the certificate or name of the token; empty for strangers.';
COMMENT ON COLUMN audit_events.node IS 'The server that reports it: its --node-id; empty for the command line.';
