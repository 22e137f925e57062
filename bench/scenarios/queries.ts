// Measures queries on a table of ten million rows: the latest state of the fleet, a charger's day, and a month of
// sessions and of energy. The database itself makes the rows, a sample every 30 s for each charger. The server's own
// maintenance derives the quarter hours. Each charger also gets a session a day. Each query runs many times. A query
// about one charger asks for another charger each time.

import pg from 'pg'
import { Maintenance } from '../../src/history/derive/maintenance.ts'
import { migrateDatabase } from '../../src/ingest/migrate.ts'
import { Histogram } from '../load/histogram.ts'
import type { Run } from '../report/result.ts'
import type { Database } from '../rig/database.ts'
import { defined } from '../rig/measure.ts'
import { productName } from '../rig/product.ts'
import { VerifyError } from '../rig/verify.ts'
import type { Bench, Scenario } from './scenario.ts'

export const queries: Scenario = {
  summary: "questions after ten million rows: the fleet's latest state, a charger's day, a month's sessions and energy",
  defaults: { connections: 1_000, rows: 10_000_000 },
  run
}

const pollSeconds = 30
const dayPolls = 86_400 / pollSeconds
const loaders = 2
const asks = { fleet: 20, day: 200, month: 20 }
/** The values that each charger has in latest_readings. */
const names = ['PowerOutput', 'TotalEnergyConsumption', 'OutputCurrent', 'OperationState']

async function run(bench: Bench): Promise<void> {
  for (let repeat = 1; repeat <= bench.settings.repeats; repeat++) {
    await bench.using(await (await bench.databases()).fresh(), async database => {
      bench.versions.database = await database.version()
      await migrateDatabase(database.url)
      const loaded = await load(bench, database)
      const size = { ...loaded, deriveSeconds: await derive(bench, database) }
      bench.progress.show('queries: ANALYZE')
      await database.query('ANALYZE')
      await bench.attempt(productName, repeat, () => ask(bench, database, size, repeat))
    })
  }
}

interface Loaded {
  readonly chargers: number
  readonly polls: number
  readonly seconds: number
}

interface Size extends Loaded {
  readonly deriveSeconds: number
}

/**
 * Makes the rows. Each charger charges for one hour in six and is idle for the rest. Its energy is the energy that it
 * charged.
 */
async function load(bench: Bench, database: Database): Promise<Loaded> {
  const { connections: chargers, rows = 10_000_000 } = bench.settings
  const polls = Math.max(1, Math.floor(rows / chargers))
  const days = Math.ceil(polls / dayPolls)
  await database.query('SELECT ensure_ev_readings_partitions((now() - make_interval(days => $1))::date, now()::date)', [
    days
  ])
  await database.query("INSERT INTO chargers (id, name) SELECT i, 'bench-' || i FROM generate_series(1, $1) i", [
    chargers
  ])
  const startedMs = performance.now()
  const newest = new Date() // one time for all chargers, so that every charger's day has the same number of rows
  let done = 0
  const chunk = Math.max(1, Math.floor(200_000 / polls))
  await Promise.all(
    Array.from({ length: loaders }, async (_, loader) => {
      const client = new pg.Client({ connectionString: database.url })
      await client.connect()
      for (let first = 1 + loader * chunk; first <= chargers; first += loaders * chunk) {
        const last = Math.min(chargers, first + chunk - 1)
        await client.query(insertRows, [first, last, polls, pollSeconds, newest])
        done += last - first + 1
        bench.progress.show('queries: loading rows', done / chargers, `${done * polls} rows`)
      }
      await client.end()
    })
  )
  await database.query(insertLatest, [names])
  return { chargers, polls, seconds: (performance.now() - startedMs) / 1000 }
}

/**
 * Derives the quarter hours of all rows as a server does, and adds a month of sessions. Returns the seconds of the
 * derivation.
 */
async function derive(bench: Bench, database: Database): Promise<number> {
  bench.progress.show('queries: deriving quarter hours')
  const failures: Error[] = []
  const startedMs = performance.now()
  await new Maintenance({
    databaseUrl: database.url,
    node: 'bench',
    retentionMs: undefined,
    derive: [],
    failed: error => failures.push(error)
  }).run()
  if (failures.length > 0) throw failures[0]
  const seconds = (performance.now() - startedMs) / 1000
  await database.query(insertSessions)
  return seconds
}

const insertSessions = `
  INSERT INTO charging_sessions (charger, charger_id, started_at, ended_at, energy_wh, peak_power_w, vehicle, interruptions,
    meter_start_wh, meter_end_wh, estimated, charged_until, cost_amount, currency, quarter_milli_wh, decided_at)
  SELECT c.name, c.id, at, at + interval '1 hour', 11040, 11040, 'card-' || c.id % 300, 0, 0, 11040, false,
    at + interval '1 hour', 3.31, 'EUR', ARRAY[2760000, 2760000, 2760000, 2760000], at + interval '1 hour'
  FROM chargers c, generate_series(now() - interval '30 days', now() - interval '2 hours', interval '1 day') at`

const insertRows = `
  INSERT INTO ev_readings (charger_id, time, operation_state, total_energy_consumption, power_output, output_current)
  SELECT charger, $5::timestamptz - make_interval(secs => ($3::int - poll) * $4::int),
         (CASE WHEN charging THEN 'charging' ELSE 'idle' END)::operation_state,
         1000000 + charger + (poll / 720) * 11040 + CASE WHEN charging THEN (poll % 720) * 92 ELSE 11040 END,
         CASE WHEN charging THEN 11040 ELSE 0 END, CASE WHEN charging THEN 16 ELSE 0 END
  FROM generate_series($1::int, $2::int) charger, generate_series(1, $3::int) poll,
       LATERAL (SELECT (poll + charger) % 720 < 120 AS charging) c`

const insertLatest = `
  INSERT INTO latest_readings (charger_id, name, time, value)
  SELECT r.charger_id, n.name, r.time, CASE n.name
    WHEN 'PowerOutput' THEN to_jsonb(r.power_output) WHEN 'OutputCurrent' THEN to_jsonb(r.output_current)
    WHEN 'OperationState' THEN to_jsonb(r.operation_state::text) ELSE to_jsonb(r.total_energy_consumption) END
  FROM (SELECT DISTINCT ON (charger_id) * FROM ev_readings ORDER BY charger_id, time DESC) r, unnest($1::text[]) n(name)`

const latestState = `
  SELECT c.name, l.name AS value_name, l.time, l.value FROM latest_readings l JOIN chargers c ON c.id = l.charger_id`

const newestRows = `
  SELECT c.name, r.* FROM chargers c,
  LATERAL (SELECT * FROM ev_readings WHERE charger_id = c.id ORDER BY time DESC LIMIT 1) r`

const chargerDay = `
  SELECT time, power_output, total_energy_consumption, operation_state FROM ev_readings
  WHERE charger_id = $1 AND time > $2::timestamptz - interval '1 day' AND time <= $2 ORDER BY time`

const monthSessions = `
  SELECT charger, started_at, ended_at, energy_wh, peak_power_w, vehicle, interruptions, meter_start_wh, meter_end_wh,
    estimated, cost_amount, currency
  FROM charging_sessions WHERE ended_at >= $1::timestamptz - interval '30 days' AND ended_at < $1 ORDER BY ended_at`

const chargerEnergy = `
  SELECT bucket, energy_wh, mean_power_w, max_power_w
  FROM quarter_hour_energy($2::timestamptz - interval '1 day', $2, ARRAY[$1::integer])`

const fleetEnergy = `
  SELECT charger_id, date_trunc('day', bucket AT TIME ZONE 'Europe/Berlin') AS day, sum(energy_wh) AS energy_wh
  FROM quarter_hour_energy($1::timestamptz - interval '30 days', $1) GROUP BY 1, 2`

async function ask(bench: Bench, database: Database, size: Size, repeat: number): Promise<Run> {
  const { chargers, polls, seconds, deriveSeconds } = size
  const { rows: counted } = await database.query<{ count: number; newest: Date }>(
    'SELECT count(*)::float8 AS count, max(time) AS newest FROM ev_readings'
  )
  const { count, newest } = counted[0]!
  if (count !== chargers * polls) throw new VerifyError([`${chargers * polls} rows made, ${count} found`])
  const latest = await timed(bench, database, asks.fleet, chargers * names.length, () => [latestState, []])
  const rows = await timed(bench, database, asks.fleet, chargers, () => [newestRows, []])
  const charger = (i: number): number => 1 + ((i * 7_919) % chargers)
  const day = await timed(bench, database, asks.day, Math.min(polls, dayPolls), i => [chargerDay, [charger(i), newest]])
  const countOf = async (sql: string, values: unknown[]): Promise<number> =>
    (await database.query(sql, values)).rows.length
  const sessionCount = await countOf(monthSessions, [newest])
  const sessions = await timed(bench, database, asks.month, sessionCount, () => [monthSessions, [newest]])
  const quarters = await countOf(chargerEnergy, [charger(0), newest])
  const energy = await timed(bench, database, asks.day, quarters, i => [chargerEnergy, [charger(i), newest]])
  const days = await countOf(fleetEnergy, [newest])
  const fleet = await timed(bench, database, 3, days, () => [fleetEnergy, [newest]])
  return {
    target: productName,
    repeat,
    verified: `${count} rows of ${chargers} chargers, ${sessionCount} sessions, and every answer had as many rows as it must`,
    figures: defined({
      loadRowsPerSecond: count / seconds,
      latestP50Ms: latest.atMs(0.5),
      latestMaxMs: latest.atMs(1),
      newestRowP50Ms: rows.atMs(0.5),
      newestRowMaxMs: rows.atMs(1),
      dayP50Ms: day.atMs(0.5),
      dayMaxMs: day.atMs(1),
      deriveRowsPerSecond: count / deriveSeconds,
      sessionsP50Ms: sessions.atMs(0.5),
      sessionsMaxMs: sessions.atMs(1),
      energyDayP50Ms: energy.atMs(0.5),
      energyDayMaxMs: energy.atMs(1),
      energyMonthP50Ms: fleet.atMs(0.5)
    }),
    cpuUs: {},
    moments: [],
    latency: day.counts(),
    batchRows: []
  }
}

async function timed(
  bench: Bench,
  database: Database,
  times: number,
  expected: number,
  question: (i: number) => [sql: string, values: unknown[]]
): Promise<Histogram> {
  const histogram = new Histogram()
  for (let i = 0; i < times; i++) {
    bench.progress.show('queries: asking', i / times)
    const startedMs = performance.now()
    const { rows } = await database.query(...question(i))
    histogram.recordMs(performance.now() - startedMs)
    if (rows.length !== expected)
      throw new VerifyError([`expected ${expected} rows as the answer, found ${rows.length}`])
  }
  return histogram
}
