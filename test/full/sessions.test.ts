// Stores a generated year of 250 chargers on a real database in any order of arrival. The derived sessions equal the
// truth in number, energy and cost. GENERATED_CHARGERS=1000 takes more chargers. TEST_DATABASE_URL names a TimescaleDB
// or a plain PostgreSQL. Without it, the embedded PostgreSQL is used.

import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, it } from 'node:test'
import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { closeMonth, type Statement } from '../../src/history/billing/month.ts'
import type { SessionRow } from '../../src/history/counters.ts'
import { deriveSessions } from '../../src/history/derive/sessions.ts'
import {
  dayPrice,
  type GeneratedCharger,
  generateCharger,
  generatedTimeZone,
  nightPrice
} from '../../src/history/testing/generatedCharger.ts'
import { migrateDatabase } from '../../src/ingest/migrate.ts'
import { formatTime } from '../../src/model/wire/envelope.ts'
import { Harness } from '../harness.ts'

const harness = Harness.use()
const chargersCount = Number(process.env.GENERATED_CHARGERS ?? 250)
const dayMs = 86_400_000
const fromMs = Date.UTC(2025, 0, 1)
const toMs = Date.UTC(2026, 0, 1)
/** One of `awayEvery` chargers has no network in the last three weeks of October and on the first day of November. */
const awayEvery = 20
const awayFromMs = Date.UTC(2025, 9, 11)
const awayToMs = Date.UTC(2025, 10, 2)

/** The life of a charger, computed from its number. It is generated again whenever it is needed. */
const lifeOf = (charger: number): GeneratedCharger =>
  generateCharger({ seed: charger, fromMs, toMs, pauseHours: 70, swapEvery: charger % 5 === 0 ? 10 : 0 })

interface Block {
  readonly charger: number
  readonly rows: readonly SessionRow[]
}

describe(`a generated year of ${chargersCount} chargers`, () => {
  it('sessions equal the truth in number, energy and cost, in any order, after duplicates, a late backlog and a Pi swap', async t => {
    const db = await opened()
    const blocks: Block[] = []
    const late: Block[] = []
    for (let charger = 1; charger <= chargersCount; charger++) {
      for (const block of blocksOf(charger)) (isAway(block) ? late : blocks).push(block)
    }
    shuffle(blocks)
    let rows = 0
    const started = Date.now()
    for (let i = 0; i < blocks.length; i += blocks.length / 6) {
      const wave = blocks.slice(i, i + blocks.length / 6)
      rows += await arrive(db, wave)
      if (i === 0) await db.query('ANALYZE ev_readings')
    }
    t.diagnostic(`${rows} rows in ${Date.now() - started} ms`)
    const october = await close(db, '2025-10', Date.UTC(2025, 10, 1))
    assert.ok(centsOf(october.totals[0]?.amount) < truthOf('2025-10').cents, 'chargers without a network are missing')
    // Three weeks of rows arrive after the end of the month.
    await arrive(db, late)
    await compare(db)
    const before = await versions(db)
    await derive(db, [...blocks.slice(0, 1_000), ...late])
    assert.deepEqual(await versions(db), before, 'the same rows again write nothing')
    const november = await close(db, '2025-11', Date.UTC(2025, 11, 1))
    assert.deepEqual([...new Set(november.corrections.map(({ ofMonth }) => ofMonth))], ['2025-10'])
    const [total] = november.totals
    assert.equal(centsOf(october.totals[0]?.amount) + centsOf(total?.correctionsAmount), truthOf('2025-10').cents)
    assert.equal(countOf([...october.sessions, ...november.corrections]), truthOf('2025-10').count)
    assert.deepEqual([centsOf(total?.amount), total?.sessions], [truthOf('2025-11').cents, truthOf('2025-11').count])
  })
})

async function close(db: pg.Client, month: string, nowMs: number): Promise<Statement> {
  const [closed] = await closeMonth(db, { month, site: 'home', force: true, nowMs })
  return closed!.statement
}

const centsOf = (amount: string | null | undefined): number => Math.round(Number(amount) * 100)

/** The number of sessions that have energy after all lines of a session are added. */
function countOf(lines: readonly { charger: string; startedAt: string; energyWh: string }[]): number {
  const energies = new Map<string, number>()
  for (const { charger, startedAt, energyWh } of lines) {
    const key = `${charger} ${startedAt}`
    energies.set(key, (energies.get(key) ?? 0) + Number(energyWh))
  }
  return [...energies.values()].filter(energyWh => energyWh !== 0).length
}

/** The months on the clock of Berlin. Until 26 October it is two hours ahead of UTC, and then one hour. */
const months: Readonly<Record<string, readonly [from: string, to: string]>> = {
  '2025-10': ['2025-09-30T22:00:00Z', '2025-10-31T23:00:00Z'],
  '2025-11': ['2025-10-31T23:00:00Z', '2025-11-30T23:00:00Z']
}

function truthOf(month: string): { count: number; cents: number } {
  const [fromUs, toUs] = months[month]!.map(time => Date.parse(time) * 1000) as [number, number]
  const truth = { count: 0, cents: 0 }
  for (let charger = 1; charger <= chargersCount; charger++) {
    for (const { endedUs, costCents } of lifeOf(charger).sessions) {
      if (endedUs! < fromUs || endedUs! >= toUs) continue
      truth.count++
      truth.cents += costCents
    }
  }
  return truth
}

/** A checksum of the versions of all session rows. It changes when a row is written again. */
const versions = async (db: pg.Client): Promise<unknown> =>
  (
    await db.query(
      'SELECT count(*), md5(string_agg(xmin::text || ctid::text, $1 ORDER BY ctid)) FROM charging_sessions',
      ['']
    )
  ).rows

async function opened(): Promise<pg.Client> {
  const url = await harness.database()
  await migrateDatabase(url)
  const db = await harness.session(url)
  await db.query("SET timezone = 'UTC'")
  await db.query('SELECT ensure_ev_readings_partitions($1, $2)', [new Date(fromMs), new Date(toMs + 3 * dayMs)])
  await db.query('INSERT INTO sites (name, time_zone) VALUES ($1, $2)', ['home', generatedTimeZone])
  await db.query(
    `INSERT INTO tariffs (name, window_from, window_to, price_per_kwh, currency)
     VALUES ('house', '06:00', '22:00', $1::numeric / 10000, 'EUR'), ('house', '22:00', '06:00', $2::numeric / 10000, 'EUR')`,
    [dayPrice, nightPrice]
  )
  await db.query(
    `INSERT INTO chargers (id, name, site, tariff)
     SELECT i, 'c' || i, (SELECT id FROM sites), 'house' FROM generate_series(1, $1::integer) i`,
    [chargersCount]
  )
  return db
}

/** The rows of a charger in one block for each month. The rows of the time without a network are a separate block. */
function blocksOf(charger: number): Block[] {
  const blocks = new Map<string, SessionRow[]>()
  for (const row of lifeOf(charger).rows) {
    const ms = row.timeUs / 1000
    const key = isAwayAt(charger, ms) ? 'away' : new Date(ms).toISOString().slice(0, 7)
    const rows = blocks.get(key)
    if (rows === undefined) blocks.set(key, [row])
    else rows.push(row)
  }
  return [...blocks.values()].map(rows => ({ charger, rows }))
}

const isAwayAt = (charger: number, ms: number): boolean =>
  charger % awayEvery === 0 && ms >= awayFromMs && ms < awayToMs
const isAway = ({ charger, rows }: Block): boolean => isAwayAt(charger, rows[0]!.timeUs / 1000)

/** Stores the rows and derives the sessions that they touch. Returns the number of rows. */
async function arrive(db: pg.Client, blocks: readonly Block[]): Promise<number> {
  let rows = 0
  const lines = function* (): Generator<string> {
    for (const block of blocks) {
      for (const row of block.rows) {
        rows++
        yield lineOf(block.charger, row)
      }
    }
  }
  const columns =
    'charger_id, time, operation_state, total_energy_consumption, session_energy, power_output, connected_vehicle, charger_status'
  await pipeline(Readable.from(chunked(lines())), db.query(copyFrom(`COPY ev_readings (${columns}) FROM STDIN`)))
  await derive(db, blocks)
  return rows
}

async function derive(db: pg.Client, blocks: readonly Block[]): Promise<void> {
  const ranges = blocks.map(({ charger, rows }) => ({
    chargerId: charger,
    fromMs: rows[0]!.timeUs / 1000,
    toMs: rows.at(-1)!.timeUs / 1000 + 1
  }))
  await db.query('BEGIN')
  await deriveSessions(db, ranges)
  await db.query('COMMIT')
}

function* chunked(lines: Iterable<string>): Generator<string> {
  let chunk = ''
  for (const line of lines) {
    chunk += line
    if (chunk.length < 65_536) continue
    yield chunk
    chunk = ''
  }
  yield chunk
}

const lineOf = (charger: number, { timeUs, state, totalWh, sessionWh, powerW, vehicle, status }: SessionRow): string =>
  `${[charger, formatTime(timeUs), state, totalWh, sessionWh, powerW, vehicle, status].map(value => value ?? '\\N').join('\t')}\n`

/** Shuffles in place, with the same result each time. */
function shuffle(blocks: Block[]): void {
  let x = 0x2545f491
  for (let i = blocks.length - 1; i > 0; i--) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    const j = (x >>> 0) % (i + 1)
    ;[blocks[i], blocks[j]] = [blocks[j]!, blocks[i]!]
  }
}

async function compare(db: pg.Client): Promise<void> {
  let count = 0
  for (let charger = 1; charger <= chargersCount; charger++) {
    const { rows } = await db.query(
      `SELECT started_at, ended_at, energy_wh, vehicle, interruptions, peak_power_w, (cost_amount * 100)::integer AS cents
       FROM charging_sessions WHERE charger_id = $1 ORDER BY started_at`,
      [charger]
    )
    const found = rows.map(row => ({
      startedUs: row.started_at.getTime() * 1000,
      endedUs: row.ended_at === null ? null : row.ended_at.getTime() * 1000,
      energyWh: row.energy_wh,
      vehicle: row.vehicle,
      interruptions: row.interruptions,
      peakPowerW: row.peak_power_w,
      costCents: row.cents
    }))
    assert.deepEqual(found, lifeOf(charger).sessions, `charger ${charger}`)
    count += found.length
  }
  assert.ok(count > chargersCount * 50, `${count} sessions`)
}
