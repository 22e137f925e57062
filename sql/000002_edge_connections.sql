-- Presence: for each charger and each certificate that names it, the newest connection and what became of it.
-- A charger is online while any of its rows is. By charger first: that is how it is asked.
CREATE TABLE edge_connections (
  identity  text NOT NULL,
  client_id text NOT NULL,
  charger   text NOT NULL,
  state     text NOT NULL CHECK (state IN ('online', 'offline')),
  since     timestamptz NOT NULL,
  address   text NOT NULL,
  node      text NOT NULL,
  PRIMARY KEY (charger, identity)
);

COMMENT ON TABLE edge_connections IS 'Which edge is connected for which charger, written behind by the server.';
COMMENT ON COLUMN edge_connections.identity IS 'CN of the certificate that names the charger.';
COMMENT ON COLUMN edge_connections.since IS 'When the newest connection began, or when it was closed; a server that was killed: when it started again.';
COMMENT ON COLUMN edge_connections.address IS 'Address and port of the newest connection.';
COMMENT ON COLUMN edge_connections.node IS 'The server that has, or had, the connection: its --node-id.';
