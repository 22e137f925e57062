// Tests the history that is derived from raw rows on a real database. TEST_DATABASE_URL names a TimescaleDB or a plain
// PostgreSQL. Without it, the embedded PostgreSQL is used. The tests compute the truth from the same rows in another
// way.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type pg from 'pg'
import { Maintenance, type MaintenanceOptions } from '../../src/history/derive/maintenance.ts'
import type { ChargerRange } from '../../src/history/derive/ranges.ts'
import { databaseStatus, failedJobs } from '../../src/history/query/databaseStatus.ts'
import { type Engine, migrateDatabase } from '../../src/ingest/migrate.ts'
import { seededRandom } from '../../src/model/testing/random.ts'
import { envelope, Harness, until } from '../harness.ts'

const harness = Harness.use()
const quarterMs = 900_000
const dayMs = 86_400_000

interface Opened {
  readonly url: string
  readonly db: pg.Client
  readonly engine: Engine
}

async function opened(): Promise<Opened> {
  const url = await harness.database()
  const engine = await migrateDatabase(url)
  const db = await harness.session(url)
  await db.query("SET timezone = 'UTC'")
  return { url, db, engine }
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

/** Notes changes as the ingest worker does. */
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
    // A late row changes its quarter hour and the quarter hour after it, once the row is noted.
    const late = { charger: 1, ms: start + dayMs + 1, energy: samples.find(({ ms }) => ms >= start + dayMs)!.energy! }
    await store(db, [{ ...late, power: 999 }])
    await note(db, [late])
    await maintained(url)
    const { rows } = await db.query('SELECT max(max_power_w) AS power, sum(energy_wh) AS energy FROM energy_days')
    assert.deepEqual(rows, [{ power: 999, energy: samples.at(-1)!.energy! - 1000 }])
    const left = await db.query('SELECT count(*)::integer AS count FROM history_changes')
    assert.deepEqual(left.rows, [{ count: 0 }])
  })

  it('energy and minutes per state of each day are those of its site, over changes of the clock, in any order of arrival', async () => {
    const { url, db } = await opened()
    await chargers(db, 3)
    await db.query(
      "INSERT INTO sites (id, name, time_zone) VALUES (1, 'a', 'Europe/Berlin'), (2, 'b', 'America/New_York')"
    )
    await db.query('UPDATE chargers SET site = nullif(id, 3)')
    const zones = ['Europe/Berlin', 'America/New_York', 'UTC']
    const random = seededRandom(8)
    const samples = zones.flatMap((_, i) => chargerDays(i + 1, Date.UTC(2026, 9, 23), Date.UTC(2026, 10, 4), random))
    const parts: Sample[][] = [[], [], [], []]
    for (const sample of samples) parts[Math.floor(random() * parts.length)]!.push(sample)
    for (const [i, part] of parts.entries()) {
      await store(db, part)
      if (i > 0) await note(db, part)
      await maintained(url)
    }
    const energy = new Map<string, number>()
    const minutes = new Map<string, number>()
    const add = (sums: Map<string, number>, key: string, more: number): unknown =>
      sums.set(key, (sums.get(key) ?? 0) + more)
    for (const [i, zone] of zones.entries()) {
      const dayOf = new Intl.DateTimeFormat('en-CA', { timeZone: zone, dateStyle: 'short' })
      const own = samples.filter(({ charger }) => charger === i + 1).sort((a, b) => a.ms - b.ms)
      let counter: number | undefined
      for (const sample of own) {
        add(energy, `${i + 1} ${dayOf.format(sample.ms)}`, 0)
        if (sample.energy === undefined) continue
        add(energy, `${i + 1} ${dayOf.format(sample.ms)}`, Math.max(0, sample.energy - (counter ?? sample.energy)))
        counter = sample.energy
      }
      const told = own.filter(({ state }) => state !== undefined)
      told.forEach(({ ms, state }, at) => {
        const end = told[at + 1]?.ms ?? ms // the last state has no end
        for (let from = ms; from < end; ) {
          const to = Math.min(end, Math.floor(from / quarterMs + 1) * quarterMs)
          add(minutes, `${i + 1} ${dayOf.format(from)} ${state}`, (to - from) / 60_000)
          from = to
        }
      })
    }
    const { rows } = await db.query(`SELECT charger_id || ' ' || day AS key, energy_wh FROM energy_days ORDER BY 1`)
    assert.ok(rows.length > 36)
    for (const { key, energy_wh } of rows) near(energy_wh, energy.get(key), key)
    assert.equal(rows.length, energy.size)
    const { rows: states } = await db.query(
      `SELECT charger_id || ' ' || day || ' ' || state AS key, minutes FROM state_minutes_days WHERE state <> 'off'`
    )
    for (const { key, minutes: found } of states) near(found, minutes.get(key), key)
    assert.equal(states.length, minutes.size)
    const { rows: long } = await db.query(
      `SELECT day::text, sum(minutes)::float8 / 60 AS hours FROM state_minutes_days
       WHERE (charger_id, day) IN ((1, '2026-10-24'), (1, '2026-10-25'), (2, '2026-11-01'), (3, '2026-11-01'))
       GROUP BY charger_id, day ORDER BY charger_id, day`
    )
    assert.deepEqual(
      long.map(({ hours }) => Math.round(hours)),
      [24, 25, 25, 24]
    )
    const { rows: months } = await db.query(
      'SELECT charger_id, month::text, energy_wh FROM energy_months ORDER BY charger_id, month'
    )
    for (const { charger_id, month, energy_wh } of months) {
      const days = [...energy].filter(([key]) => key.startsWith(`${charger_id} ${month.slice(0, 7)}`))
      near(
        energy_wh,
        days.reduce((sum, [, wh]) => sum + wh, 0),
        month
      )
    }
    assert.equal(months.length, 6)
    const { rows: quarters } = await db.query(
      `SELECT charger_id, sum(minutes)::float8 AS minutes FROM state_minutes_quarter_hours WHERE state <> 'off' GROUP BY 1`
    )
    for (const { charger_id, minutes: found } of quarters) {
      const own = [...minutes].filter(([key]) => key.startsWith(`${charger_id} `))
      near(
        found,
        own.reduce((sum, [, more]) => sum + more, 0),
        charger_id
      )
    }
  })

  it('a counter that begins anew never makes energy negative, and what is not known counts as the least', async () => {
    const { db } = await opened()
    // The columns: before, first, last, min, max and the expected rise.
    const cases: [number | null, number, number, number, number, number][] = [
      [null, 5, 9, 5, 9, 4],
      [5, 7, 9, 7, 9, 4],
      [100, 0, 9, 0, 9, 9], // fell between two quarter hours
      [5, 7, 3, 0, 9, 7], // fell within the quarter hour: 5 to 9, then 0 to 3
      [5, 7, 20, 0, 20, 22], // fell, then rose above its former value
      [5, 7, 9, 7, 11, 6] // fell, but not below its first value
    ]
    for (const [before, first, last, min, max, rise] of cases) {
      const { rows } = await db.query('SELECT counter_rise($1, $2, $3, $4, $5) AS rise', [
        before,
        first,
        last,
        min,
        max
      ])
      assert.equal(rows[0].rise, rise, JSON.stringify([before, first, last, min, max]))
    }
  })

  it('mean power is energy by time, and the power that held at the begin of a quarter hour counts for its highest', async () => {
    const { url, db } = await opened()
    await chargers(db, 1)
    const at = (minute: number): number => Date.UTC(2026, 9, 1, 10, minute)
    await store(db, [
      { charger: 1, ms: at(0), energy: 0, power: 8000 },
      { charger: 1, ms: at(14), energy: 1500, power: 8000 },
      { charger: 1, ms: at(16), energy: 2000, power: 0 },
      { charger: 1, ms: at(29), energy: 2000 },
      { charger: 1, ms: at(31), energy: 2000, power: 100 }
    ])
    await maintained(url)
    const expected = [
      ['10:00', 1500, 6000, 8000],
      ['10:15', 500, 2000, 8000],
      ['10:30', 0, 0, 100]
    ]
    for (const view of ['energy_quarter_hours', `quarter_hour_energy('2026-10-01', '2026-10-02', ARRAY[1])`]) {
      const { rows } = await db.query(
        `SELECT to_char(bucket, 'HH24:MI') AS at, energy_wh, mean_power_w, max_power_w FROM ${view} ORDER BY bucket`
      )
      assert.deepEqual(
        rows.map(row => Object.values(row)),
        expected
      )
    }
    // A query for a part of the range still knows the counter before it.
    const { rows } = await db.query(
      `SELECT energy_wh FROM quarter_hour_energy('2026-10-01 10:15', '2026-10-01 10:30', NULL)`
    )
    assert.deepEqual(rows, [{ energy_wh: 500 }])
  })

  it('what was derived outlives its raw rows, and nothing of a time whose raw rows are gone is derived anew', async () => {
    const { url, db } = await opened()
    await chargers(db, 2)
    const today = Math.floor(Date.now() / dayMs) * dayMs
    const samples: Sample[] = []
    for (const charger of [1, 2]) {
      for (let ms = today - 40 * dayMs; ms < today; ms += 4 * 3_600_000)
        samples.push({ charger, ms, energy: ms / 1e6, power: 1000, state: 'charging' })
    }
    await store(db, samples)
    await maintained(url)
    const quarters = async (): Promise<unknown[]> =>
      (await db.query('SELECT * FROM quarter_hours ORDER BY charger_id, bucket')).rows
    const before = await quarters()
    assert.equal(before.length, samples.length)

    const derived: ChargerRange[][] = []
    const retained = {
      retentionMs: 30 * dayMs,
      derive: [async (_: unknown, ranges: readonly ChargerRange[]) => void derived.push([...ranges])]
    }
    await maintained(url, retained)
    const raw = async (): Promise<Date> =>
      (await db.query('SELECT min(time) AS oldest FROM ev_readings')).rows[0].oldest
    assert.equal((await raw()).getTime(), today - 30 * dayMs)
    assert.deepEqual(await quarters(), before)
    const { rows: stated } = await db.query('SELECT raw_from FROM history_state')
    assert.deepEqual(stated, [{ raw_from: new Date(today - 30 * dayMs) }])

    // One row of a dropped day and one row of the first kept day. Both are noted.
    const gone = { charger: 1, ms: today - 35 * dayMs, energy: 1, power: 5 }
    const left = { charger: 1, ms: today - 30 * dayMs + 60_000, energy: (today - 30 * dayMs) / 1e6, power: 2222 }
    await store(db, [gone, left])
    await note(db, [gone])
    await note(db, [left])
    await note(db, [gone, left]) // and a range across the border of retention
    derived.length = 0
    await maintained(url, retained)
    assert.deepEqual((await db.query('SELECT count(*)::integer AS count FROM history_changes')).rows, [{ count: 0 }])
    const after = (await quarters()) as { charger_id: number; bucket: Date; max_power_w: number }[]
    const changed = after.filter((row, i) => JSON.stringify(row) !== JSON.stringify(before[i]))
    assert.deepEqual(
      changed.map(({ charger_id, bucket, max_power_w }) => [charger_id, bucket.getTime(), max_power_w]),
      [[1, today - 30 * dayMs, 2222]]
    )
    assert.equal(after.length, before.length)
    assert.ok(derived.flat().some(({ chargerId }) => chargerId === 1))
    assert.deepEqual(
      derived.flat().filter(({ fromMs }) => fromMs < today - 30 * dayMs),
      []
    )
    assert.equal((await raw()).getTime(), today - 30 * dayMs) // the new row of the dropped day was dropped, too
    await maintained(url, retained)
    assert.deepEqual(await quarters(), after)
  })

  it('readings are dropped only after what late rows have changed is derived', async () => {
    const { url, db } = await opened()
    await chargers(db, 1)
    const start = Math.floor(Date.now() / dayMs) * dayMs - 40 * dayMs
    await store(db, [{ charger: 1, ms: start, energy: 1 }])
    await maintained(url)
    const late = { charger: 1, ms: start + 2 * quarterMs, energy: 500 }
    await store(db, [late])
    await note(db, [late])
    const failures: Error[] = []
    const fails = new Maintenance({
      databaseUrl: url,
      node: 'test',
      retentionMs: 30 * dayMs,
      derive: [() => Promise.reject(new Error('no sessions today'))],
      failed: error => failures.push(error)
    })
    await fails.run()
    assert.deepEqual(
      failures.map(({ message }) => message),
      ['no sessions today']
    )
    assert.deepEqual(fails.last?.failing, [{ charger: 'c1', reason: 'no sessions today' }])
    assert.equal((await databaseStatus(db)).maintenance.failure, 'charger c1: no sessions today')
    const counts = async (): Promise<unknown> =>
      (
        await db.query(`SELECT (SELECT count(*)::integer FROM ev_readings) AS raw,
          (SELECT count(*)::integer FROM history_changes) AS changes, (SELECT sum(energy_wh) FROM energy_months) AS energy`)
      ).rows[0]
    assert.deepEqual({ ...((await counts()) as object), energy: 0 }, { raw: 2, changes: 1, energy: 0 })
    await maintained(url, { retentionMs: 30 * dayMs })
    assert.deepEqual(await counts(), { raw: 0, changes: 0, energy: 499 })
  })

  it('one server at a time does it, and one that is cut off leaves it to the next', async () => {
    const { url, db } = await opened()
    await chargers(db, 1)
    await store(db, [{ charger: 1, ms: Date.now() - dayMs, energy: 1 }])
    const { promise: entered, resolve: enter } = Promise.withResolvers<void>()
    const options = { databaseUrl: url, retentionMs: undefined, failed: assert.fail }
    const first = new Maintenance({
      ...options,
      node: 'first',
      derive: [
        async client => {
          enter()
          await client.query('SELECT pg_sleep(600)')
        }
      ]
    })
    const stop = first.start(() => {})
    await entered
    const second = new Maintenance({ ...options, node: 'second', derive: [] })
    assert.equal(await second.run(), false)
    assert.equal(second.last, undefined)
    await stop()
    assert.equal(first.last, undefined)
    await until(
      () => second.run(),
      isMine => isMine
    )
    assert.equal((await databaseStatus(db)).maintenance.node, 'second')
  })

  it('the ingest worker notes what came late, and nothing of what is fresh', async () => {
    const { url, db } = await opened()
    const server = await harness.server(url)
    await harness.device('fresh')
    await harness.device('late')
    const send = async (name: string, ages: readonly number[]): Promise<number[]> => {
      const client = await harness.client(server, name)
      const times = ages.map(age => Date.now() - age)
      const topic = `chargers/${name}/PowerOutput`
      await client.acked(...times.map((ms, i) => client.publish(topic, envelope(i, new Date(ms).toISOString()))))
      client.destroy()
      return times
    }
    await send('fresh', [60_000, 30_000, 0])
    const [oldest, , newest] = await send('late', [5 * dayMs, 5 * dayMs - 60_000, 7_200_000])
    const { rows } = await db.query(
      `SELECT name, min(from_time) AS oldest, max(to_time) AS newest FROM history_changes
       JOIN chargers ON chargers.id = charger_id GROUP BY 1`
    )
    assert.deepEqual(rows, [{ name: 'late', oldest: new Date(oldest!), newest: new Date(newest!) }])
    // The server's own thread runs some seconds after the start.
    const { maintenance } = await until(
      () => databaseStatus(db),
      ({ maintenance: { ranAt, changesWaiting } }) => ranAt !== undefined && changesWaiting === 0
    )
    assert.equal(maintenance.failure, undefined)
    const { rows: quarters } = await db.query('SELECT sum(samples)::integer AS samples FROM quarter_hours')
    assert.deepEqual(quarters, [{ samples: 6 }])
  })

  it('late values in compressed days reach the quarter hours', async t => {
    const { url, db, engine } = await opened()
    if (!engine.hypertable || engine.description.includes('apache')) {
      return t.skip('set TEST_DATABASE_URL to a server with TimescaleDB, community licence')
    }
    await chargers(db, 50)
    const start = Math.floor(Date.now() / dayMs) * dayMs - 6 * dayMs
    const samples: Sample[] = []
    for (let charger = 1; charger <= 50; charger++) {
      for (let ms = start; ms < start + 2 * dayMs; ms += 60_000)
        samples.push({ charger, ms, energy: ms / 1e6, power: 50 })
    }
    await store(db, samples)
    await maintained(url)
    await db.query("SELECT compress_chunk(c) FROM show_chunks('ev_readings') c")
    const late = { charger: 7, ms: start + dayMs + 30_000, power: 999 }
    await store(db, [late])
    await note(db, [late])
    await maintained(url)
    const { rows } = await db.query('SELECT charger_id, bucket FROM quarter_hours WHERE max_power_w > 50')
    assert.deepEqual(rows, [{ charger_id: 7, bucket: new Date(start + dayMs) }])
    const status = await databaseStatus(db)
    assert.equal(status.quarterHours, 'continuous aggregate')
    assert.deepEqual(status.columnstore, { afterDays: 3 })
    assert.equal(status.compression?.days, 2)
    assert.ok(status.compression.ratio > 5, String(status.compression.ratio))
    assert.equal(status.days.count, 2)
    assert.ok(status.relations.every(({ bytes }) => bytes > 0))
  })

  it('the state of the database is told for what it is', async () => {
    const { url, db, engine } = await opened()
    await maintained(url)
    const status = await databaseStatus(db)
    assert.equal(status.hypertable, engine.hypertable)
    const isFull = engine.description.includes('(timescale licence)')
    assert.equal(status.quarterHours, isFull ? 'continuous aggregate' : 'table')
    assert.equal(status.columnstore !== undefined, isFull)
    assert.ok(status.relations.some(({ name, bytes }) => name === 'quarter_hours' && bytes > 0))
    assert.equal(status.maintenance.changesWaiting, 0)
    assert.ok(status.maintenance.ranAt && status.maintenance.derivedTo)
    if (!isFull) return assert.deepEqual(await failedJobs(db), [])
    const [job] = status.jobs.filter(({ relation }) => relation === 'ev_readings')
    assert.ok(job)
    const failed = await failedJobs(db)
    assert.ok(failed.every(({ lastStatus }) => lastStatus === 'Failed'))
  })
})

/** Twelve days of a charger. Rows come on change, some samples have no counter, and the counter restarts once. */
function chargerDays(charger: number, from: number, to: number, random: () => number): Sample[] {
  const samples: Sample[] = []
  let energy = 100_000 + charger
  let state = 'idle'
  const falls = from + Math.floor((0.3 + 0.4 * random()) * (to - from))
  let hasFallen = false
  for (let ms = from; ms < to; ms += 1 + Math.floor(random() * 1_800_000)) {
    if (random() < 0.3) state = state === 'idle' ? 'charging' : 'idle'
    if (state === 'charging') energy += Math.floor(random() * 3_000)
    if (!hasFallen && ms > falls) {
      energy = 0
      hasFallen = true
    }
    samples.push({ charger, ms, ...(random() < 0.7 && { energy }), ...(random() < 0.6 && { state }) })
  }
  return [...samples, { charger, ms: to, state: 'off' }]
}

function near(found: number, expected: number | undefined, what: string): void {
  assert.ok(
    expected !== undefined && Math.abs(found - expected) < 1e-3,
    `${what}: expected ${expected}, found ${found}`
  )
}
