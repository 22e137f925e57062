-- Charging sessions, what they cost, whose card it was, and the closed months. All of it is stored and outlives the raw rows.
-- Evidence for cost allocation and reimbursement, not metering under calibration law.

CREATE TABLE cards (
  uid        text NOT NULL CHECK (uid <> ''),
  label      text NOT NULL DEFAULT '',
  person     text NOT NULL DEFAULT '',
  valid_from date NOT NULL DEFAULT '-infinity',
  valid_to   date CHECK (valid_to >= valid_from),
  PRIMARY KEY (uid, valid_from)
);
COMMENT ON TABLE cards IS 'Whose card it is, or was: by "chargelift import cards".';
COMMENT ON COLUMN cards.uid IS 'As the charger tells it: ConnectedVehicle.';
COMMENT ON COLUMN cards.valid_to IS 'The last day, at the site of the charger; null = until further notice.';

CREATE TABLE tariffs (
  name          text NOT NULL CHECK (name <> ''),
  valid_from    date NOT NULL DEFAULT '-infinity',
  valid_to      date CHECK (valid_to >= valid_from),
  window_from   time NOT NULL DEFAULT '00:00',
  window_to     time NOT NULL DEFAULT '24:00',
  price_per_kwh numeric(12, 6) NOT NULL CHECK (price_per_kwh >= 0),
  currency      text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  PRIMARY KEY (name, valid_from, window_from),
  -- Energy of a session is kept by quarter hours.
  CHECK (extract(epoch FROM window_from)::integer % 900 = 0 AND extract(epoch FROM window_to)::integer % 900 = 0)
);
COMMENT ON TABLE tariffs IS 'A row per time-of-day window of a tariff, in the time zone of the site: by "chargelift import tariffs".';
COMMENT ON COLUMN tariffs.valid_to IS 'The last day, at the site; null = until further notice.';
COMMENT ON COLUMN tariffs.window_to IS 'Not included. Where it lies before window_from, the window goes over midnight.';

CREATE TABLE charging_sessions (
  charger          text NOT NULL,
  charger_id       integer NOT NULL,
  started_at       timestamptz NOT NULL,
  ended_at         timestamptz,
  energy_wh        double precision NOT NULL,
  peak_power_w     double precision,
  vehicle          text NOT NULL,
  interruptions    integer NOT NULL,
  meter_start_wh   double precision,
  meter_end_wh     double precision,
  estimated        boolean NOT NULL,
  charged_until    timestamptz NOT NULL,
  cost_amount      numeric(14, 2),
  currency         text,
  cost_parts       jsonb,
  quarter_milli_wh bigint[] NOT NULL,
  decided_at       timestamptz NOT NULL,
  PRIMARY KEY (charger_id, started_at)
);
-- A month is asked for by the end; what is open now, without one.
CREATE INDEX charging_sessions_ended_at ON charging_sessions (ended_at);
-- What rows of a range decided.
CREATE INDEX charging_sessions_decided_at ON charging_sessions (charger_id, decided_at);
COMMENT ON TABLE charging_sessions IS 'Derived from ev_readings by the server, the same from the same rows in any order of arrival. Not for editing.';
COMMENT ON COLUMN charging_sessions.started_at IS 'The first charging sample.';
COMMENT ON COLUMN charging_sessions.ended_at IS 'When the vehicle was gone, another card was shown or the session counter began anew; null while open. A pause ends nothing.';
COMMENT ON COLUMN charging_sessions.vehicle IS 'The last card within that is not empty; empty for none.';
COMMENT ON COLUMN charging_sessions.interruptions IS 'Pauses after which it went on.';
COMMENT ON COLUMN charging_sessions.estimated IS 'Its beginning, its end or its energy is concluded (nobody looked, or a counter fell), not seen.';
COMMENT ON COLUMN charging_sessions.charged_until IS 'When it charged last; what follows until ended_at is the vehicle standing there.';
COMMENT ON COLUMN charging_sessions.cost_amount IS 'Rounded, of ended sessions whose charger has a tariff for all of it. A month is the sum of these.';
COMMENT ON COLUMN charging_sessions.cost_parts IS 'By window of the tariff: price, energy, and the amount before rounding.';
COMMENT ON COLUMN charging_sessions.quarter_milli_wh IS 'Thousandths of a Wh by quarter hour (UTC) from that of started_at on; their sum is energy_wh.';
COMMENT ON COLUMN charging_sessions.decided_at IS 'Sampling time of the row that changed it last.';

-- Where the derivation can go on from: what it knew after all rows before a moment. Midnights (UTC), and one near the newest row.
CREATE TABLE session_states (
  charger_id integer NOT NULL,
  at         timestamptz NOT NULL,
  state      text NOT NULL,
  PRIMARY KEY (charger_id, at)
);
CREATE TABLE session_heads (
  charger_id integer PRIMARY KEY,
  at         timestamptz NOT NULL,
  state      text NOT NULL,
  tip_at     timestamptz NOT NULL,
  tip_state  text NOT NULL
);
COMMENT ON TABLE session_states IS 'Of the derivation of charging_sessions, by day: so that late rows are not a reason to read everything.';
COMMENT ON TABLE session_heads IS 'The same at the beginning of the time in which rows may still come; tip: after the newest row of all.';

-- Closed months. Nothing here is ever changed: what changes later is a correction in the statement of a later month.
CREATE TABLE month_statements (
  id        integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  site      text NOT NULL,
  month     date NOT NULL CHECK (extract(day FROM month) = 1),
  closed_at timestamptz NOT NULL,
  forced    boolean NOT NULL,
  content   text NOT NULL,
  sha256    text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  UNIQUE (site, month)
);
COMMENT ON TABLE month_statements IS 'By "chargelift month close". site: name of the site, empty for chargers without one.';
COMMENT ON COLUMN month_statements.forced IS 'Closed although chargers had gaps or a backlog: content names them.';
COMMENT ON COLUMN month_statements.content IS 'Canonical JSON, as "chargelift month show --json" prints it; sha256 is of exactly these bytes in UTF-8.';

CREATE TABLE month_lines (
  statement_id integer NOT NULL REFERENCES month_statements (id),
  line         integer NOT NULL,
  kind         text NOT NULL CHECK (kind IN ('session', 'correction')),
  of_month     date NOT NULL,
  charger      text NOT NULL,
  started_at   timestamptz NOT NULL,
  ended_at     timestamptz,
  vehicle      text NOT NULL,
  energy_wh    numeric(16, 3) NOT NULL,
  amount       numeric(14, 2),
  currency     text,
  PRIMARY KEY (statement_id, line)
);
CREATE INDEX month_lines_session ON month_lines (charger, started_at);
COMMENT ON TABLE month_lines IS 'What each statement counts: sessions of its month, and by how much sessions of months closed before have changed.';
COMMENT ON COLUMN month_lines.of_month IS 'The month to which the session belongs, or belonged.';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% holds closed months: nothing in it is changed or deleted', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER month_statements_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON month_statements
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER month_lines_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON month_lines
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Readings that were derived from before there were sessions have theirs, too.
UPDATE history_state SET derived_to = NULL;
