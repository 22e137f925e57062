// Tests a charger whose history cannot be derived. The histories of all other chargers are still derived, and no noted
// change of the failing charger is forgotten. TEST_DATABASE_URL names a real database. Without it, the embedded
// PostgreSQL is used.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type pg from 'pg'
import { historyFailingNamesMax, historyFailingRestMs } from '../../src/history/derive/limits.ts'
import { type Derive, Maintenance, type MaintenanceOptions } from '../../src/history/derive/maintenance.ts'
import type { ChargerRange } from '../../src/history/derive/ranges.ts'
import { deriveSessions } from '../../src/history/derive/sessions.ts'
import { databaseStatus } from '../../src/history/query/databaseStatus.ts'
import { migrateDatabase } from '../../src/ingest/migrate.ts'
import { acceptFutureMs } from '../../src/model/wire/limits.ts'
import { Harness, until } from '../harness.ts'

const harness = Harness.use()
const minuteMs = 60_000
const dayMs = 86_400_000

interface Scene {
  readonly url: string
  readonly db: pg.Client
  /** The reported failures. A failure names a charger or concerns a whole run. */
  readonly told: string[]
  /** The clock of the rests between attempts, in ms. It decides nothing else. */
  nowMs: number
  maintenance(options: Partial<MaintenanceOptions>): Maintenance
}

/** Creates a database with chargers c1, c2, ... */
async function scene(chargers: number): Promise<Scene> {
  const url = await harness.database()
  await migrateDatabase(url)
  const db = await harness.session(url)
  await db.query("SET timezone = 'UTC'")
  await db.query("INSERT INTO chargers (id, name) SELECT i, 'c' || i FROM generate_series(1, $1::integer) i", [
    chargers
  ])
  const told: string[] = []
  const opened: Scene = {
    url,
    db,
    told,
    nowMs: 0,
    maintenance: options =>
      new Maintenance({
        databaseUrl: url,
        node: 'test',
        retentionMs: undefined,
        derive: [],
        failed: ({ message }, charger) => told.push(charger === undefined ? message : `${charger}: ${message}`),
        now: () => opened.nowMs,
        ...options
      })
  }
  return opened
}

/** Stores a charger that charges 1 kWh in half an hour. */
async function charge({ db }: Scene, charger: number, fromMs: number): Promise<void> {
  for (const [i, state] of ['charging', 'charging', 'charging', 'idle'].entries()) {
    await db.query(
      `INSERT INTO ev_readings (charger_id, time, operation_state, total_energy_consumption, charger_status)
       VALUES ($1, $2, $3, $4, 'Idle')`,
      [charger, new Date(fromMs + i * 10 * minuteMs), state, 5_000 + (i * 1_000) / 3]
    )
  }
}

async function note({ db }: Scene, charger: number, fromMs: number): Promise<void> {
  await db.query('INSERT INTO history_changes (charger_id, from_time, to_time) VALUES ($1, $2, $3)', [
    charger,
    new Date(fromMs),
    new Date(fromMs + 30 * minuteMs)
  ])
}

async function noted({ db }: Scene): Promise<{ charger: number; fromMs: number; toMs: number }[]> {
  const { rows } = await db.query('SELECT * FROM history_changes ORDER BY charger_id, from_time')
  return rows.map(({ charger_id, from_time, to_time }) => {
    return { charger: charger_id, fromMs: from_time.getTime(), toMs: to_time.getTime() }
  })
}

const chargersIn = async ({ db }: Scene, table: string): Promise<number[]> =>
  (await db.query(`SELECT DISTINCT charger_id FROM ${table} ORDER BY 1`)).rows.map(({ charger_id }) => charger_id)

const derivedTo = async ({ db }: Scene): Promise<number> =>
  (await db.query('SELECT derived_to FROM history_state')).rows[0].derived_to?.getTime()

/**
 * Throws if a range belongs to a charger in `broken`. Otherwise the chargers are in `derived` once the transaction is
 * committed.
 */
function deriveBut(broken: ReadonlySet<number>, tried: number[][] = []): Derive {
  return async (db, ranges: readonly ChargerRange[]) => {
    tried.push(ranges.map(({ chargerId }) => chargerId))
    await db.query('CREATE TABLE IF NOT EXISTS derived (charger_id integer)')
    await db.query('INSERT INTO derived SELECT unnest($1::integer[])', [ranges.map(({ chargerId }) => chargerId)])
    for (const { chargerId } of ranges) if (broken.has(chargerId)) throw new Error('its data is bad')
  }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1)
const sorted = (told: readonly string[]): string[] =>
  [...told].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))

describe('a charger whose data makes its history fail', () => {
  it('stays noted, and all others are derived, in the step over all chargers', async () => {
    const at = await scene(40)
    const startMs = Date.now() - 3 * dayMs
    for (const charger of upTo(40)) await charge(at, charger, startMs)
    const maintenance = at.maintenance({ derive: [deriveBut(new Set([7, 8, 40]))] })
    await maintenance.run()

    assert.deepEqual(
      await chargersIn(at, 'derived'),
      upTo(40).filter(id => ![7, 8, 40].includes(id))
    )
    assert.deepEqual(sorted(at.told), ['c7: its data is bad', 'c8: its data is bad', 'c40: its data is bad'])
    assert.equal(maintenance.last?.failure, undefined)
    assert.deepEqual(sorted(maintenance.last!.failing.map(({ charger }) => charger)), ['c7', 'c8', 'c40'])
    assert.ok(maintenance.succeededAtMs)
    assert.ok((await derivedTo(at)) > Date.now() - minuteMs)
    const changes = await noted(at)
    assert.deepEqual([...new Set(changes.map(({ charger }) => charger))], [7, 8, 40])
    assert.ok(changes.every(({ fromMs, toMs }) => fromMs <= startMs && toMs >= startMs + 30 * minuteMs))
    const { maintenance: status } = await databaseStatus(at.db)
    assert.match(status.failure ?? '', /^charger c\d+ \(and 2 more\): its data is bad$/)
  })

  it('is tried again once an hour, told once, and caught up with from the rows of all that time when it is mended', async () => {
    const at = await scene(3)
    const broken = new Set([2])
    const tried: number[][] = []
    const maintenance = at.maintenance({ derive: [deriveBut(broken, tried)] })
    const startMs = Date.now() - 30 * minuteMs
    for (const charger of upTo(3)) await charge(at, charger, startMs)
    await maintenance.run()
    const triedOf = (charger: number): number => tried.flat().filter(id => id === charger).length
    const before = triedOf(2)
    assert.ok(before > 0)

    const [first] = await noted(at)
    for (let turn = 0; turn < 3; turn++) await maintenance.run()
    assert.equal(triedOf(2), before)
    const [grown, ...others] = await noted(at)
    assert.deepEqual(others, [])
    assert.equal(grown!.fromMs, first!.fromMs)
    assert.ok(grown!.toMs > first!.toMs && grown!.toMs > Date.now() + acceptFutureMs - minuteMs)

    await note(at, 2, Date.now() - 5 * dayMs) // its late rows wait, too
    await maintenance.run()
    assert.equal(triedOf(2), before)
    at.nowMs += historyFailingRestMs
    await maintenance.run()
    assert.ok(triedOf(2) > before)
    assert.equal((await noted(at)).length, 2)
    assert.equal(maintenance.last?.failing.length, 1)
    const again = triedOf(2)
    await maintenance.run()
    assert.equal(triedOf(2), again)

    broken.clear()
    at.nowMs += historyFailingRestMs
    await maintenance.run()
    assert.deepEqual(await noted(at), [])
    assert.deepEqual(maintenance.last?.failing, [])
    assert.equal((await databaseStatus(at.db)).maintenance.failure, undefined)
    assert.deepEqual(await chargersIn(at, 'derived'), [1, 2, 3])
    assert.deepEqual(at.told, ['c2: its data is bad'])
    const mended = triedOf(2)
    await maintenance.run()
    assert.ok(triedOf(2) > mended) // charger 2 is derived with all others again
  })

  it('keeps its late rows noted; those of others before and behind them are derived', async () => {
    const at = await scene(5)
    const maintenance = at.maintenance({ derive: [deriveBut(new Set([3]))] })
    const startMs = Math.floor(Date.now() / 1000) * 1000 - 5 * dayMs
    await maintenance.run()
    for (const charger of [1, 3, 2, 3, 5]) await note(at, charger, startMs)
    await maintenance.run()
    assert.deepEqual(await chargersIn(at, 'derived'), [1, 2, 5])
    assert.deepEqual(await noted(at), [{ charger: 3, fromMs: startMs, toMs: startMs + 30 * minuteMs }])
    // A server that does not know of the failure tries the charger at once.
    const other = at.maintenance({ derive: [deriveBut(new Set())] })
    await other.run()
    assert.deepEqual(await chargersIn(at, 'derived'), [1, 2, 3, 5])
    assert.deepEqual(await noted(at), [])
    // The first server also learns that the charger works again.
    await maintenance.run()
    assert.deepEqual(maintenance.last?.failing, [])
  })

  it('by a time zone, a price or a constraint has no sessions; all others have theirs', async () => {
    const at = await scene(12)
    // PostgreSQL accepts this as a POSIX time zone. JavaScript does not.
    await at.db.query("INSERT INTO sites (id, name, time_zone) VALUES (1, 'odd', 'FOO-3')")
    await at.db.query(
      `INSERT INTO tariffs (name, price_per_kwh, currency) VALUES ('sound', 0.3, 'EUR'), ('odd', 'NaN', 'EUR')`
    )
    await at.db.query("UPDATE chargers SET tariff = 'sound'")
    await at.db.query('UPDATE chargers SET site = 1 WHERE id = 4')
    await at.db.query("UPDATE chargers SET tariff = 'odd' WHERE id = 6")
    await at.db.query('ALTER TABLE charging_sessions ADD CONSTRAINT whim CHECK (charger_id <> 9)')
    const startMs = Date.now() - 3 * dayMs
    for (const charger of upTo(12)) await charge(at, charger, startMs)
    const maintenance = at.maintenance({ derive: [deriveSessions] })
    await maintenance.run()

    const sessions = await at.db.query(
      'SELECT charger_id, energy_wh, cost_amount FROM charging_sessions WHERE ended_at IS NOT NULL ORDER BY 1'
    )
    assert.deepEqual(
      sessions.rows,
      upTo(12)
        .filter(id => ![4, 6, 9].includes(id))
        .map(charger_id => ({ charger_id, energy_wh: 1000, cost_amount: '0.30' }))
    )
    assert.deepEqual(await chargersIn(at, 'quarter_hours'), upTo(12))
    const [zone, price, constraint] = sorted(at.told)
    assert.match(zone!, /^c4: Invalid time zone specified: FOO-3$/)
    assert.match(price!, /^c6: .*NaN/)
    assert.match(constraint!, /^c9: .*"whim"/)

    await at.db.query("UPDATE sites SET time_zone = 'Europe/Berlin'")
    await at.db.query("UPDATE tariffs SET price_per_kwh = 0.5 WHERE name = 'odd'")
    await at.db.query('ALTER TABLE charging_sessions DROP CONSTRAINT whim')
    at.nowMs += historyFailingRestMs
    await maintenance.run()
    assert.deepEqual(await noted(at), [])
    const { rows } = await at.db.query(
      'SELECT cost_amount FROM charging_sessions WHERE charger_id IN (4, 6, 9) ORDER BY charger_id'
    )
    assert.deepEqual(
      rows.map(({ cost_amount }) => cost_amount),
      ['0.30', '0.50', '0.30']
    )
  })

  it('is told in the log, by a metric and by /readyz, and not as a failed turn', async () => {
    const at = await scene(2)
    await at.db.query('ALTER TABLE charging_sessions ADD CONSTRAINT whim CHECK (charger_id <> 2)')
    for (const charger of upTo(2)) await charge(at, charger, Date.now() - 3 * dayMs)
    const server = await harness.server(at.url)
    const text = async (path: string): Promise<string> =>
      (await fetch(`http://127.0.0.1:${server.httpPort}${path}`)).text()
    const metrics = await until(
      () => text('/metrics'),
      body => /^chargelift_maintenance_failing_chargers 1$/m.test(body)
    )
    assert.match(metrics, /^chargelift_maintenance_failed 0$/m)
    assert.doesNotMatch(metrics, /^chargelift_maintenance_last_success_timestamp_seconds 0$/m)
    assert.match(await text('/readyz'), /"status":"ready".*history is not brought up to date: charger c2: .*whim/)
    const lines = (harness.warnings as Record<string, unknown>[]).filter(({ event }) => event === 'history_failed')
    assert.deepEqual(
      lines.map(({ charger }) => charger),
      ['c2']
    )
    assert.match(String(lines[0]!.reason), /"whim"/)
    assert.deepEqual(await chargersIn(at, 'charging_sessions'), [1])
  })

  it('is named in the log only while few are', async () => {
    const count = historyFailingNamesMax + 5
    const at = await scene(count)
    for (const charger of upTo(count)) await note(at, charger, Date.now() - 5 * dayMs)
    const maintenance = at.maintenance({ derive: [deriveBut(new Set(upTo(count)))] })
    await maintenance.run()
    assert.equal(at.told.length, historyFailingNamesMax)
    assert.equal(maintenance.last?.failing.length, count)
    assert.equal((await noted(at)).length, count)
  })
})

describe('an error that is not for the data of a charger', () => {
  const faults: readonly (readonly [what: string, told: RegExp, derive: Derive])[] = [
    [
      'a statement that takes too long',
      /statement timeout/,
      db => run(db, 'SET statement_timeout = 1; SELECT pg_sleep(60)')
    ],
    [
      'a lock that is not had',
      /lock timeout/,
      db => run(db, "DO $$ BEGIN RAISE 'lock timeout' USING ERRCODE = '55P03'; END $$")
    ],
    ['a deadlock', /deadlock/, db => run(db, "DO $$ BEGIN RAISE 'deadlock' USING ERRCODE = '40P01'; END $$")],
    ['a table that is not there', /nowhere/, db => run(db, 'SELECT * FROM nowhere')],
    ['a connection that is ended', /terminat/, db => run(db, 'SELECT pg_terminate_backend(pg_backend_pid())')],
    [
      'a connection that breaks under an error of ours',
      /socket is gone/,
      db => {
        ;(db as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
        throw new Error('the socket is gone')
      }
    ]
  ]
  const run = async (db: pg.ClientBase, sql: string): Promise<void> => void (await db.query(sql))

  for (const [what, told, derive] of faults) {
    it(`fails the whole turn: ${what}`, async () => {
      const at = await scene(3)
      const maintenance = at.maintenance({})
      await maintenance.run()
      const before = await derivedTo(at)
      const startMs = Date.now() - 5 * minuteMs
      for (const charger of upTo(3)) await charge(at, charger, startMs - 30 * minuteMs)
      await note(at, 1, startMs)
      const changes = await noted(at)
      const failing = at.maintenance({ derive: [derive] })
      await failing.run()
      assert.equal(at.told.length, 1, String(at.told))
      assert.match(at.told[0]!, told)
      assert.match(failing.last?.failure ?? '', told)
      assert.deepEqual(failing.last?.failing, [])
      assert.equal(failing.succeededAtMs, undefined)
      assert.equal(await derivedTo(at), before)
      assert.deepEqual(await noted(at), changes)
    })
  }
})
