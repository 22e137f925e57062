// Compares readings by bucket with the values that a reader finds by looking at every second, on random on-change data.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kindOfQuarterHours, refreshQuarterHours } from '../../src/history/derive/quarterHours.ts'
import { bucketBounds, bucketReadings, rawReadings } from '../../src/history/query/readings.ts'
import { Zone } from '../../src/history/zone.ts'
import { makePartitions, migrateDatabase } from '../../src/ingest/migrate.ts'
import { seededRandom } from '../../src/model/testing/random.ts'
import { Harness } from '../harness.ts'

const harness = Harness.use()

interface Sample {
  readonly ms: number
  readonly power: number | null
  readonly state: string | null
  readonly energy: number | null
}

async function stored(samples: readonly Sample[]) {
  const url = await harness.database()
  await migrateDatabase(url)
  const db = await harness.session(url)
  await makePartitions(db as never)
  await db.query("INSERT INTO chargers (id, name) VALUES (1, 'c1'), (2, 'other')")
  await db.query(
    `INSERT INTO ev_readings (charger_id, time, power_output, operation_state, total_energy_consumption)
     SELECT 1, * FROM unnest($1::timestamptz[], $2::float8[], $3::operation_state[], $4::float8[])`,
    [
      samples.map(({ ms }) => new Date(ms).toISOString()),
      samples.map(({ power }) => power),
      samples.map(({ state }) => state),
      samples.map(({ energy }) => energy)
    ]
  )
  // Rows of another charger, which must not count.
  await db.query(
    `INSERT INTO ev_readings (charger_id, time, power_output) SELECT 2, time + interval '1 second', 99999 FROM ev_readings`
  )
  return db
}

const startMs = Date.parse('2026-03-28T00:00:00Z')
const hourMs = 3_600_000

function randomSamples(seed: number): Sample[] {
  const random = seededRandom(seed)
  const samples: Sample[] = []
  let energy = 1_000
  // The samples start a day before. They have long silences, whole minutes without a sample, and several samples close
  // together.
  for (let ms = startMs - 20 * hourMs; ms < startMs + 60 * hourMs; ms += 1_000 * Math.ceil(random() ** 6 * 14_000)) {
    energy += Math.round(random() * 50)
    samples.push({
      ms,
      power: random() < 0.5 ? Math.round(random() * 11_000) : null,
      state: random() < 0.3 ? ['idle', 'charging', 'off'][Math.floor(random() * 3)]! : null,
      energy: random() < 0.4 ? energy : null
    })
  }
  return samples
}

/** Computes the expected row by looking at every second. */
function expectedRow(samples: readonly Sample[], fromMs: number, toMs: number) {
  const holds = <Key extends 'power' | 'state' | 'energy'>(key: Key, ms: number): Sample[Key] =>
    samples.findLast(sample => sample.ms <= ms && sample[key] !== null && ms - sample.ms <= 24 * hourMs)?.[key] ?? null
  let sum = 0
  let known = 0
  let most: number | null = null
  for (let ms = fromMs; ms < toMs; ms += 1_000) {
    const power = holds('power', ms)
    if (power === null) continue
    sum += power
    known++
    most = Math.max(most ?? 0, power)
  }
  const energyBefore = holds('energy', fromMs - 1)
  const energyAfter = holds('energy', toMs - 1)
  return {
    mean: known === 0 ? null : Math.round((sum / known) * 1000) / 1000,
    most,
    state: holds('state', toMs - 1),
    energy: energyBefore === null || energyAfter === null ? undefined : energyAfter - energyBefore
  }
}

for (const seed of [1, 2]) {
  test(`means, maxima, states and energy of buckets are those of whoever looks every second (${seed})`, async () => {
    const samples = randomSamples(seed)
    const db = await stored(samples)
    const zone = new Zone('Europe/Berlin')
    for (const [resolution, hours] of [
      ['1m', 2],
      ['15m', 12],
      ['1h', 48],
      ['1d', 48]
    ] as const) {
      const range = { fromUs: startMs * 1000, toUs: (startMs + hours * hourMs) * 1000 }
      const bounds = bucketBounds(range, resolution, zone, 10_000)
      const rows = await bucketReadings(db as never, 1, bounds, Date.now())
      assert.equal(rows.length, bounds.length - 1)
      for (const [at, row] of rows.entries()) {
        const label = `${resolution} ${row[0]}`
        const expected = expectedRow(samples, bounds[at]!, bounds[at + 1]!)
        assert.equal(row[0], new Date(bounds[at]!).toISOString())
        assert.deepEqual([row[2], row[6]], [expected.most, expected.state], label)
        assert.ok(
          row[1] === expected.mean || Math.abs((row[1] as number) - expected.mean!) < 0.002,
          `${label}: ${row[1]} is not ${expected.mean}`
        )
        if (expected.energy !== undefined) assert.equal(row[3], expected.energy, label)
      }
    }
  })
}

test('a day of a site has 23 hours where the clock goes ahead, and its energy is all of it', async () => {
  const zone = new Zone('Europe/Berlin')
  const from = zone.startOfDay('2026-03-28')
  const samples = Array.from({ length: 72 }, (_, hour) => ({
    ms: from + hour * hourMs,
    power: 1_000,
    state: 'charging',
    energy: hour * 1_000
  }))
  const db = await stored(samples)
  const range = { fromUs: from * 1000, toUs: (from + 71 * hourMs) * 1000 }
  const rows = await bucketReadings(db as never, 1, bucketBounds(range, '1d', zone, 10), Date.now())
  assert.deepEqual(
    rows.map(([time, , , energyWh]) => [time, energyWh]),
    [
      ['2026-03-27T23:00:00.000Z', 23_000],
      ['2026-03-28T23:00:00.000Z', 23_000],
      ['2026-03-29T22:00:00.000Z', 24_000]
    ]
  )
})

test('raw rows carry forward what did not change, for a day and no longer; pages join without a seam', async () => {
  const at = (hours: number): number => startMs + hours * hourMs
  const db = await stored([
    { ms: at(-30), power: null, state: 'off', energy: null },
    { ms: at(-2), power: 100, state: null, energy: 5 },
    { ms: at(1), power: null, state: 'idle', energy: null },
    { ms: at(2), power: 200, state: null, energy: null },
    { ms: at(23), power: null, state: null, energy: 6 },
    { ms: at(30), power: null, state: 'charging', energy: null }
  ])
  const range = { chargerId: 1, fromUs: at(0) * 1000, toUs: at(31) * 1000 }
  const all = await rawReadings(db as never, range, 100)
  // The columns: time, state, energy, session, power ...
  assert.deepEqual(
    all.rows.map(([, state, energy, , power]) => [state, energy, power]),
    [
      ['idle', 5, 100],
      ['idle', 5, 200],
      ['idle', 6, 200],
      ['charging', 6, null]
    ]
  )
  const pages = []
  for (let afterUs: number | undefined; ; ) {
    const { rows, lastUs } = await rawReadings(db as never, range, 1, afterUs)
    if (rows.length === 0) break
    pages.push(...rows)
    afterUs = lastUs
  }
  assert.deepEqual(pages, all.rows)
})

test('what the counter gained is never negative, whatever becomes of the meter', async () => {
  const at = (minutes: number): number => startMs + minutes * 60_000
  const counter = (minutes: number, energy: number) => ({ ms: at(minutes), power: null, state: null, energy })
  const db = await stored([counter(-10, 500), counter(5, 600), counter(20, 40), counter(25, 90), counter(70, 100)])
  const bounds = bucketBounds({ fromUs: at(0) * 1000, toUs: at(75) * 1000 }, '15m', new Zone('UTC'), 100)
  const rows = await bucketReadings(db as never, 1, bounds, Date.now())
  assert.deepEqual(
    rows.map(row => row[3]),
    [100, 50, 0, 0, 10]
  )
  const range = { chargerId: 1, fromMs: at(-60), toMs: at(90) }
  await refreshQuarterHours(db, await kindOfQuarterHours(db), [range], Date.now())
  const inDatabase = await db.query('SELECT energy_wh FROM energy_quarter_hours WHERE charger_id = 1 ORDER BY bucket')
  assert.deepEqual(
    inDatabase.rows.map(({ energy_wh }) => energy_wh),
    [0, 100, 50, 10],
    'the database has another rule'
  )
})
