// What is derived from raw rows, on a real database: TEST_DATABASE_URL names a TimescaleDB or a plain PostgreSQL; without it the
// embedded one serves. The truth is worked out here, from the same rows, in another way.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type pg from 'pg'
import { Maintenance, type MaintenanceOptions } from '../../src/history/maintenance.ts'
import { migrateDatabase } from '../../src/ingest/migrate.ts'
import { Harness } from '../harness.ts'

const harness = Harness.use()
const quarterMs = 900_000
const dayMs = 86_400_000

interface Opened {
  readonly url: string
  readonly db: pg.Client
}

async function opened(): Promise<Opened> {
  const url = await harness.database()
  await migrateDatabase(url)
  const db = await harness.session(url)
  await db.query("SET timezone = 'UTC'")
  return { url, db }
}

async function maintained(url: string, options: Partial<MaintenanceOptions> = {}): Promise<void> {
  const failures: Error[] = []
  const failed = (error: Error): unknown => failures.push(error)
  const maintenance = new Maintenance({
    databaseUrl: url,
    node: 'test',
    retentionMs: undefined,
    derive: [],
    failed,
    ...options
  })
  assert.equal(await maintenance.run(), true)
  assert.deepEqual(failures, [])
  assert.equal(maintenance.last?.failure, undefined)
}

interface Sample {
  readonly charger: number
  readonly ms: number
  readonly energy?: number
  readonly power?: number
  readonly state?: string
}

async function store(db: pg.Client, samples: readonly Sample[]): Promise<void> {
  await db.query(
    `INSERT INTO ev_readings (charger_id, time, total_energy_consumption, power_output, operation_state)
     SELECT * FROM unnest($1::integer[], $2::timestamptz[], $3::float8[], $4::float8[], $5::operation_state[])`,
    [
      samples.map(s => s.charger),
      samples.map(s => new Date(s.ms)),
      samples.map(s => s.energy ?? null),
      samples.map(s => s.power ?? null),
      samples.map(s => s.state ?? null)
    ]
  )
}

/** As the ingest worker notes it. */
async function note(db: pg.Client, samples: readonly Sample[]): Promise<void> {
  await db.query(
    `INSERT INTO history_changes (charger_id, from_time, to_time)
     SELECT charger_id, min(time), max(time) FROM unnest($1::integer[], $2::timestamptz[]) s (charger_id, time) GROUP BY 1`,
    [samples.map(s => s.charger), samples.map(s => new Date(s.ms))]
  )
}

async function chargers(db: pg.Client, count: number): Promise<void> {
  await db.query("INSERT INTO chargers (id, name) SELECT i, 'c' || i FROM generate_series(1, $1::integer) i", [count])
}

describe('history', () => {
  it('quarter hours hold the energy of each, from rows of every age and of this minute', async () => {
    const { url, db } = await opened()
    await chargers(db, 1)
    const start = Math.floor((Date.now() - 3 * dayMs) / quarterMs) * quarterMs
    const samples: Sample[] = []
    for (let ms = start, energy = 1000; ms < Date.now(); ms += 240_000, energy += 40)
      samples.push({ charger: 1, ms, energy, power: 600 })
    await store(db, samples)
    await maintained(url)
    const expected = new Map<number, number>()
    samples.forEach(({ ms, energy }, i) => {
      const bucket = Math.floor(ms / quarterMs) * quarterMs
      expected.set(bucket, (expected.get(bucket) ?? 0) + energy! - (samples[i - 1]?.energy ?? energy!))
    })
    for (const view of ['energy_quarter_hours', `quarter_hour_energy('-infinity', 'infinity')`]) {
      const { rows } = await db.query(`SELECT bucket, energy_wh, max_power_w FROM ${view} ORDER BY bucket`)
      assert.deepEqual(
        rows.map(({ bucket, energy_wh }) => [bucket.getTime(), energy_wh]),
        [...expected]
      )
      assert.ok(rows.every(({ max_power_w }) => max_power_w === 600))
    }
    // A row that came late changes its quarter hour and the one after it, once it is noted.
    const late = { charger: 1, ms: start + dayMs + 1, energy: samples.find(({ ms }) => ms >= start + dayMs)!.energy! }
    await store(db, [{ ...late, power: 999 }])
    await note(db, [late])
    await maintained(url)
    const { rows } = await db.query('SELECT max(max_power_w) AS power, sum(energy_wh) AS energy FROM energy_days')
    assert.deepEqual(rows, [{ power: 999, energy: samples.at(-1)!.energy! - 1000 }])
    const left = await db.query('SELECT count(*)::integer AS count FROM history_changes')
    assert.deepEqual(left.rows, [{ count: 0 }])
  })
})
