// Stores the rows of chargers with every kind of odd behaviour in any order of arrival on a real database. The derived
// sessions must equal the sessions that are derived from all rows at once. TEST_DATABASE_URL names a database. Without
// it, the embedded PostgreSQL is used.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type pg from 'pg'
import { deriveSessions } from '../../src/history/derive/sessions.ts'
import { migrateDatabase } from '../../src/ingest/migrate.ts'
import { envelope, freshTime, Harness, until } from '../harness.ts'

const harness = Harness.use()
const dayMs = 86_400_000
const fromMs = Date.UTC(2026, 9, 1)
const days = 12
/** Charger i has a twin with the number i + `twin`. The twin gets all rows at once. */
const twin = 1_000
const chargersCount = 40

interface Row {
  readonly ms: number
  readonly values: readonly (string | number | null)[]
}

/** Returns a generator of numbers from 0 to 1. */
function randomOf(seed: number): () => number {
  let x = (Math.imul(seed + 1, 0x9e3779b1) ^ 0x85ebca6b) >>> 0
  return () => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    x >>>= 0
    return x / 2 ** 32
  }
}

/** States, cards and words that do not fit together, counters that fall, leap and restart, and silences. */
function oddRows(seed: number): Row[] {
  const random = randomOf(seed)
  const one = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!
  const rows: Row[] = []
  let ms = fromMs + Math.floor(random() * 3_600_000)
  let [total, session] = [Math.floor(random() * 1e6), 0]
  while (ms < fromMs + days * dayMs) {
    const added = random() < 0.6 ? Math.floor(random() * 3_000) : 0
    total += added
    session += added
    if (random() < 0.12) session = Math.floor(random() * 500)
    if (random() < 0.01) total = Math.floor(random() * 1e6)
    const maybe = <T>(share: number, value: T): T | null => (random() < share ? value : null)
    rows.push({
      ms,
      values: [
        maybe(0.5, one(['charging', 'charging', 'idle', 'idle', 'unknown', 'off', 'unscheduled_downtime'])),
        maybe(0.7, total),
        maybe(0.7, session),
        maybe(0.5, one([0, 3_700, 11_000])),
        maybe(0.3, one(['', 'A', 'B'])),
        maybe(0.3, one(['Idle', 'Charging', 'Paused', 'Terminated']))
      ]
    })
    ms += Math.ceil(random() * (random() < 0.03 ? 2 * dayMs : 2_400_000))
  }
  return rows
}

async function opened(): Promise<pg.Client> {
  const url = await harness.database()
  await migrateDatabase(url)
  const db = await harness.session(url)
  await db.query("SET timezone = 'UTC'")
  await db.query(
    "INSERT INTO chargers (id, name) SELECT i + t, 'c' || i + t FROM generate_series(1, $1::integer) i, unnest($2::integer[]) t",
    [chargersCount, [0, twin]]
  )
  return db
}

async function store(db: pg.Client, charger: number, rows: readonly Row[]): Promise<void> {
  await db.query(
    `INSERT INTO ev_readings (charger_id, time, operation_state, total_energy_consumption, session_energy, power_output,
       connected_vehicle, charger_status)
     SELECT $1::integer, * FROM jsonb_to_recordset($2::jsonb)
       AS d (time timestamptz, state operation_state, total float8, session float8, power float8, vehicle text, status text)
     ON CONFLICT DO NOTHING`,
    [
      charger,
      JSON.stringify(
        rows.map(({ ms, values: [state, total, session, power, vehicle, status] }) => {
          return { time: new Date(ms), state, total, session, power, vehicle, status }
        })
      )
    ]
  )
}

const rangeOf = (chargerId: number, rows: readonly Row[]) => ({
  chargerId,
  fromMs: Math.min(...rows.map(({ ms }) => ms)),
  toMs: Math.max(...rows.map(({ ms }) => ms)) + 1
})

async function sessionsOf(db: pg.Client, charger: number): Promise<unknown[]> {
  const { rows } = await db.query(
    `SELECT started_at, ended_at, energy_wh, peak_power_w, vehicle, interruptions, meter_start_wh, meter_end_wh, estimated,
       charged_until, quarter_milli_wh, decided_at
     FROM charging_sessions WHERE charger_id = $1 ORDER BY started_at`,
    [charger]
  )
  return rows
}

/** The version of each session row. It changes when the row is written again. */
const versions = async (db: pg.Client): Promise<unknown[]> =>
  (await db.query('SELECT charger_id, started_at, xmin::text, ctid::text FROM charging_sessions ORDER BY 1, 2')).rows

describe('rows in any order', () => {
  it('give the sessions that they give at once; the same rows again write nothing', async () => {
    const db = await opened()
    for (let charger = 1; charger <= chargersCount; charger++) {
      const rows = oddRows(charger)
      const random = randomOf(charger + 7_000)
      // Runs of rows of some hours to days arrive in any order, some of them together.
      const pieces: Row[][] = []
      for (let i = 0; i < rows.length; ) {
        const length = 1 + Math.floor(random() * 60)
        pieces.push(rows.slice(i, i + length))
        i += length
      }
      pieces.sort(() => random() - 0.5)
      while (pieces.length > 0) {
        const now = pieces.splice(0, 1 + Math.floor(random() * 3))
        for (const piece of now) await store(db, charger, piece)
        await deriveSessions(
          db,
          now.map(piece => rangeOf(charger, piece))
        )
      }
      await store(db, charger + twin, rows)
      await deriveSessions(db, [rangeOf(charger + twin, rows)])
      const expected = await sessionsOf(db, charger + twin)
      assert.ok(expected.length > 5)
      assert.deepEqual(await sessionsOf(db, charger), expected, `charger ${charger}`)
    }
    const before = await versions(db)
    for (let charger = 1; charger <= chargersCount; charger++) {
      await store(db, charger, oddRows(charger))
      await deriveSessions(db, [rangeOf(charger, oddRows(charger))])
    }
    assert.deepEqual(await versions(db), before)
  })

  it('in turns, as a server asks for them: what is younger than half an hour, of which some came late', async () => {
    const db = await opened()
    for (let charger = 1; charger <= 5; charger++) {
      const rows = oddRows(charger + 300)
      const random = randomOf(charger + 9_000)
      const coming = rows
        .map(row => ({ row, arrivesMs: row.ms + (random() < 0.3 ? random() * 1_500_000 : 0) }))
        .sort((a, b) => a.arrivesMs - b.arrivesMs)
      const endMs = coming.at(-1)!.arrivesMs
      for (let nowMs = fromMs; nowMs < endMs + 600_000; nowMs += 600_000) {
        const arrived = coming.filter(({ arrivesMs }) => arrivesMs < nowMs && arrivesMs >= nowMs - 600_000)
        if (arrived.length === 0) continue
        await store(
          db,
          charger,
          arrived.map(({ row }) => row)
        )
        await deriveSessions(db, [{ chargerId: charger, fromMs: nowMs - 2_400_000, toMs: nowMs }])
      }
      await store(db, charger + twin, rows)
      await deriveSessions(db, [rangeOf(charger + twin, rows)])
      assert.deepEqual(await sessionsOf(db, charger), await sessionsOf(db, charger + twin), `charger ${charger}`)
    }
  })

  it('late rows write the sessions that they touch, and no other', async () => {
    const db = await opened()
    const rows = oddRows(3)
    const late = rows.splice(Math.floor(rows.length / 2), 5)
    await store(db, 1, rows)
    await deriveSessions(db, [rangeOf(1, rows)])
    const before = new Set((await versions(db)).map(row => JSON.stringify(row)))
    await store(db, 1, late)
    await deriveSessions(db, [rangeOf(1, late)])
    const written = (
      await db.query('SELECT started_at, ended_at, xmin::text, ctid::text, charger_id FROM charging_sessions')
    ).rows.filter(
      ({ charger_id, started_at, xmin, ctid }) => !before.has(JSON.stringify({ charger_id, started_at, xmin, ctid }))
    )
    for (const { started_at, ended_at } of written) {
      assert.ok(started_at.getTime() <= late.at(-1)!.ms + dayMs, `begun ${started_at.toISOString()}`)
      assert.ok(ended_at === null || ended_at.getTime() >= late[0]!.ms - dayMs, `ended ${ended_at?.toISOString()}`)
    }
    assert.ok(written.length < before.size / 2, `${written.length} of ${before.size}`)
  })

  it('what was derived from rows that are gone stays as it is, whatever comes later', async () => {
    const db = await opened()
    const rows = oddRows(5)
    const goneMs = fromMs + 6 * dayMs
    const newest = rows.splice(-20)
    await store(db, 1, rows)
    await deriveSessions(db, [rangeOf(1, rows)])
    const kept = await sessionsOf(db, 1)
    await db.query('DELETE FROM ev_readings WHERE time < $1', [new Date(goneMs)])
    const late: Row = { ms: goneMs + 1_000, values: [null, null, null, 3_700, null, null] }
    const early: Row = { ms: goneMs - dayMs, values: ['charging', 5, 5, 1, 'Z', 'Charging'] }
    await store(db, 1, [late, ...newest])
    await deriveSessions(db, [rangeOf(1, [early, late]), rangeOf(1, newest)], goneMs)
    const endedBefore = (sessions: readonly unknown[]) =>
      (sessions as { ended_at: Date | null }[]).filter(one => one.ended_at !== null && one.ended_at.getTime() < goneMs)
    assert.ok(endedBefore(kept).length > 5)
    assert.deepEqual(endedBefore(await sessionsOf(db, 1)), endedBefore(kept))
    // A charger that lost its newest rows too continues from its last known state.
    const idle = oddRows(6)
    await store(db, 2, idle.slice(0, 100))
    await deriveSessions(db, [rangeOf(2, idle.slice(0, 100))])
    const idleKept = await sessionsOf(db, 2)
    await db.query('DELETE FROM ev_readings WHERE charger_id = 2')
    const nextMs = fromMs + 30 * dayMs
    const next: Row = { ms: nextMs, values: ['idle', null, null, 0, '', 'Idle'] }
    await store(db, 2, [next])
    await deriveSessions(db, [rangeOf(2, [next])], nextMs - dayMs)
    const ended = (sessions: readonly unknown[]) =>
      (sessions as { ended_at: Date | null }[]).filter(one => one.ended_at)
    assert.deepEqual(ended(await sessionsOf(db, 2)).slice(0, ended(idleKept).length), ended(idleKept))
  })
})

describe('a server', () => {
  it('has a session in its table within a minute of its start, and its end within a minute of that', async () => {
    const url = await harness.database()
    const server = await harness.server(url)
    const db = await harness.session(url)
    await harness.device('wallbox')
    const client = await harness.client(server, 'wallbox')
    const told = async (values: Record<string, unknown>): Promise<void> => {
      const time = freshTime()
      const publish = ([name, value]: [string, unknown]) =>
        client.publish(`chargers/wallbox/${name}`, envelope(value, time))
      await client.acked(...Object.entries(values).map(publish))
    }
    const session = async () => (await db.query('SELECT ended_at, energy_wh, vehicle FROM charging_sessions')).rows
    await told({ OperationState: 'idle', TotalEnergyConsumption: 5_000, SessionEnergy: 900, ChargerStatus: 'Idle' })
    await told({ OperationState: 'charging', SessionEnergy: 0, ConnectedVehicle: 'A', ChargerStatus: 'Charging' })
    const [open] = await until(session, rows => rows.length > 0)
    assert.deepEqual(open, { ended_at: null, energy_wh: 0, vehicle: 'A' })
    await told({ TotalEnergyConsumption: 5_010, SessionEnergy: 10 })
    await told({ OperationState: 'idle', ConnectedVehicle: '', ChargerStatus: 'Idle' })
    const [ended] = await until(session, ([row]) => row?.ended_at !== null)
    assert.deepEqual([ended.energy_wh, ended.vehicle], [10, 'A'])
  })
})
