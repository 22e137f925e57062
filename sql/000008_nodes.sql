-- Which servers live: each says so every few seconds, by the clock of the database. One that was silent for 30 s is taken out by
-- another, which sets its connections offline.
CREATE TABLE nodes (
  node text PRIMARY KEY,
  seen timestamptz NOT NULL
);

COMMENT ON TABLE nodes IS 'Servers that live, by their --node-id; written every few seconds.';
COMMENT ON COLUMN nodes.seen IS 'When it last said that it lives; after 30 s of silence its row goes, and its connections are offline.';

CREATE INDEX edge_connections_online ON edge_connections (node) WHERE state = 'online';
