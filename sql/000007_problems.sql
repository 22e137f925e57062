-- Problems of chargers as they hold now, so that their beginning, and what the webhook was told, survive a restart.
-- One of several servers keeps them: the one with the lease. A row goes when its problem is over and nobody must be told.

CREATE TABLE problems (
  charger   text NOT NULL,
  condition text NOT NULL,
  cause     text NOT NULL,
  since     timestamptz NOT NULL,
  seen_at   timestamptz NOT NULL,
  told_at   timestamptz,
  closed_at timestamptz,
  PRIMARY KEY (charger, condition)
);
COMMENT ON TABLE problems IS 'What is wrong with which charger, kept by the server; the live list is /api/v1/problems.';
COMMENT ON COLUMN problems.since IS 'Since when it holds.';
COMMENT ON COLUMN problems.seen_at IS 'When a server saw it first: the webhook is told 15 minutes later.';
COMMENT ON COLUMN problems.told_at IS 'When the webhook took the message that it has begun.';
COMMENT ON COLUMN problems.closed_at IS 'When it ended, while the webhook has not been told that yet.';

-- Which server keeps the problems, and until when if it does not say so again.
CREATE TABLE problems_lease (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  node   text NOT NULL,
  until  timestamptz NOT NULL
);
