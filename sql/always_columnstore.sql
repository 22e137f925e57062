-- Run at every start, after the numbered migrations: compresses day chunks older than three days,
-- where the engine and its licence have the columnstore (TimescaleDB, community licence). Idempotent.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')
    AND current_setting('timescaledb.license', true) = 'timescale'
  THEN
    IF NOT EXISTS (SELECT FROM timescaledb_information.hypertables
                   WHERE hypertable_name = 'ev_readings' AND compression_enabled) THEN
      ALTER TABLE ev_readings SET (
        timescaledb.enable_columnstore = true,
        timescaledb.segmentby = 'charger_id',
        timescaledb.orderby = 'time DESC');
    END IF;
    CALL add_columnstore_policy('ev_readings', after => interval '3 days', if_not_exists => true);
  END IF;
END $$;
