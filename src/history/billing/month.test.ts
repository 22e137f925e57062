// The decisions of closing a month: when a month is over, what prevents closing, and what the statement contains. The
// SQL statements are tested on a database (test/full/month.test.ts).

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ConfigError } from '../../model/errors.ts'
import { type Answer, RecordedDb } from '../testing/recordedDb.ts'
import { type CloseOrder, canonical, closeMonth, sha256Of, spanOf, sum, totalsOf } from './month.ts'

describe('a month at a site', () => {
  const spans: [month: string, zone: string, from: string, to: string, hours: number][] = [
    ['2026-01', 'UTC', '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z', 744],
    ['2026-12', 'UTC', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z', 744],
    ['2028-02', 'UTC', '2028-02-01T00:00:00Z', '2028-03-01T00:00:00Z', 696],
    ['2026-03', 'Europe/Berlin', '2026-02-28T23:00:00Z', '2026-03-31T22:00:00Z', 743],
    ['2026-10', 'Europe/Berlin', '2026-09-30T22:00:00Z', '2026-10-31T23:00:00Z', 745],
    ['2026-11', 'America/St_Johns', '2026-11-01T02:30:00Z', '2026-12-01T03:30:00Z', 721]
  ]
  for (const [month, zone, from, to, hours] of spans) {
    it(`${month} in ${zone} has ${hours} hours`, () => {
      const [fromMs, toMs] = spanOf(month, zone)
      assert.deepEqual([fromMs, toMs], [Date.parse(from), Date.parse(to)])
      assert.equal((toMs - fromMs) / 3_600_000, hours)
    })
  }
})

describe('a sum of decimals', () => {
  const sums: [decimals: string[], digits: number, total: string][] = [
    [[], 2, '0.00'],
    [['0.10', '0.20'], 2, '0.30'],
    [['0.05'], 2, '0.05'],
    [['-0.05'], 2, '-0.05'],
    [['1.00', '-1.01'], 2, '-0.01'],
    [['1.00', '-1.00'], 2, '0.00'],
    [['99999999999999.999', '0.001'], 3, '100000000000000.000'],
    [['0.001'], 3, '0.001']
  ]
  for (const [decimals, digits, total] of sums) {
    it(`[${decimals}] is ${total}`, () => assert.equal(sum(decimals, digits), total))
  }
})

const line = (kind: 'session' | 'correction', energyWh: string, amount: string | null, currency: string | null) => {
  return { kind, energyWh, amount, currency }
}

describe('the totals of a statement', () => {
  it('are by currency, sessions and corrections apart; without a price there is energy alone', () => {
    const lines = [
      line('session', '1000.500', '0.30', 'EUR'),
      line('session', '2000.000', '0.60', 'EUR'),
      line('correction', '-500.000', '-0.15', 'EUR'),
      line('session', '10.000', '1.00', 'CHF'),
      line('correction', '7.000', null, null)
    ]
    assert.deepEqual(totalsOf(lines), [
      total('CHF', 1, '10.000', '1.00', '0.000', '0.00'),
      total('EUR', 2, '3000.500', '0.90', '-500.000', '-0.15'),
      total(null, 0, '0.000', null, '7.000', null)
    ])
    assert.deepEqual(totalsOf([]), [])
  })
  const total = (
    currency: string | null,
    sessions: number,
    energyWh: string,
    amount: string | null,
    correctionsEnergyWh: string,
    correctionsAmount: string | null
  ) => ({ currency, sessions, energyWh, amount, correctionsEnergyWh, correctionsAmount })
})

describe('the content of a statement', () => {
  it('is the same bytes for the same content, whatever the order of its members', () => {
    const text = '{"a":[{"c":null,"d":2}],"b":{"x":"\u00fc","y":true}}\n'
    assert.equal(canonical({ b: { y: true, x: '\u00fc' }, a: [{ d: 2, c: null }] }), text)
    assert.equal(canonical({ a: [{ c: null, d: 2 }], b: { x: '\u00fc', y: true } }), text)
  })

  it('has its SHA-256 over its bytes in UTF-8', () => {
    assert.equal(sha256Of('\u00fc'), '607474ca475a9724d7360aba71a56d5df77e61350e3f724cfa1f46e857e2d85f')
    assert.equal(sha256Of(''), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  })
})

const endMs = Date.parse('2026-10-31T23:00:00Z')
const order = (more: Partial<CloseOrder> = {}): CloseOrder => {
  return { month: '2026-10', site: undefined, force: false, nowMs: endMs, ...more }
}
const sites = ['SELECT name AS site, time_zone', [{ site: 'home', timeZone: 'Europe/Berlin' }]] as const
const backlog = ['OldestUnsent', [{ charger: 'w1', problem: 'a backlog' }]] as const
const inserted = ['INSERT INTO month_statements', [{ id: 7 }]] as const
const stored = {
  ofMonth: '2026-10',
  charger: 'w1',
  startedAt: '2026-10-02T10:00:00.000Z',
  endedAt: '2026-10-02T11:00:00.000Z',
  vehicle: 'A',
  person: 'Ann',
  energyWh: '1000.000',
  amount: '0.30',
  currency: 'EUR',
  estimated: false,
  interruptions: 0,
  meterStartWh: 0,
  meterEndWh: 1000
}

async function close(more: Partial<CloseOrder>, ...answers: Answer[]) {
  const recorded = new RecordedDb([...answers, sites, inserted])
  const outcome = await closeMonth(recorded.db, order(more)).catch((error: unknown) => error)
  const ends = recorded.asked.map(({ text }) => text).filter(text => /^(BEGIN|COMMIT|ROLLBACK)$/.test(text))
  const closed = outcome instanceof Error ? undefined : (outcome as Awaited<ReturnType<typeof closeMonth>>)
  const faults =
    outcome instanceof ConfigError ? outcome.faults.map(({ path, found }) => `${path}: ${found}`) : undefined
  return { recorded, ends, closed, faults }
}

describe('closing a month', () => {
  it('is possible from the very end of the month at the site', async () => {
    const early = await close({ nowMs: endMs - 1 })
    assert.deepEqual(early.faults, ['2026-10: it is 2026-10-31T22:59:59.999Z'])
    assert.deepEqual(early.ends, ['BEGIN', 'ROLLBACK'])
    const { closed, ends } = await close({ nowMs: endMs })
    assert.deepEqual(ends, ['BEGIN', 'COMMIT'])
    const { from, to, closedAt, forced, problems } = closed![0]!.statement
    assert.deepEqual([from, to], ['2026-09-30T22:00:00.000Z', '2026-10-31T23:00:00.000Z'])
    assert.deepEqual([closedAt, forced, problems], ['2026-10-31T23:00:00.000Z', false, []])
  })

  it('is refused while data may come, and names all of it', async () => {
    const waiting = ['history_changes', [{ charger: 'w2', problem: 'late rows' }]] as const
    const { faults, ends, recorded } = await close({}, backlog, waiting)
    assert.deepEqual(faults, ['home, w1: a backlog', 'home, w2: late rows'])
    assert.deepEqual(ends, ['BEGIN', 'ROLLBACK'])
    assert.deepEqual(recorded.of('COMMIT'), [])
  })

  it('is forced only where something was missing, and then says what', async () => {
    const forced = await close({ force: true }, backlog)
    assert.equal(forced.closed![0]!.statement.forced, true)
    assert.deepEqual(forced.closed![0]!.statement.problems, [{ charger: 'w1', problem: 'a backlog' }])
    assert.deepEqual(forced.ends, ['BEGIN', 'COMMIT'])
    const needless = await close({ force: true })
    assert.equal(needless.closed![0]!.statement.forced, false)
  })

  it('leaves out what is closed, and is refused when all of it is', async () => {
    const two = ['SELECT name AS site', [sites[1][0], { site: '', timeZone: 'UTC' }]] as const
    const closedHome = ['FROM month_statements WHERE $1::date', [{ site: 'home' }]] as const
    const { closed } = await close({ nowMs: endMs + 3_600_000 }, two, closedHome)
    assert.deepEqual(
      closed!.map(({ statement }) => statement.site),
      ['']
    )
    const again = await close({}, closedHome)
    assert.match(again.faults![0]!, /^2026-10: that it is/)
  })

  it('is of one site where it is named; a site that is not there is refused', async () => {
    const two = ['SELECT name AS site', [sites[1][0], { site: '', timeZone: 'UTC' }]] as const
    const { closed } = await close({ site: 'home' }, two)
    assert.deepEqual(
      closed!.map(({ statement }) => statement.site),
      ['home']
    )
    assert.deepEqual((await close({ site: 'moon' }, two)).faults, ['--site: "moon"'])
    assert.deepEqual((await close({}, ['SELECT name AS site', []])).faults, ['--site: no site'])
  })

  it('puts sessions and corrections apart, and stores the content with its hash', async () => {
    const lines = [
      { ...stored, kind: 'session' },
      { ...stored, kind: 'correction', ofMonth: '2026-09', energyWh: '-1.000', amount: '-0.01' }
    ]
    const { closed, recorded } = await close({}, ['WITH closed AS', lines])
    const { statement, sha256 } = closed![0]!
    const { ofMonth: _, ...session } = stored
    assert.deepEqual(statement.sessions, [session])
    assert.equal(statement.corrections.length, 1)
    assert.equal(statement.corrections[0]!.ofMonth, '2026-09')
    assert.deepEqual([statement.totals[0]!.amount, statement.totals[0]!.correctionsAmount], ['0.30', '-0.01'])
    const [site, month, closedAt, forced, content, hash] = recorded.of('INSERT INTO month_statements')[0]!.values
    assert.deepEqual([site, month, closedAt, forced], ['home', '2026-10-01', new Date(endMs), false])
    assert.equal(content, canonical(statement))
    assert.equal(hash, sha256)
    assert.equal(sha256, sha256Of(canonical(statement)))
    const [id, records] = recorded.of('INSERT INTO month_lines')[0]!.values
    assert.equal(id, 7)
    assert.deepEqual(
      (JSON.parse(records as string) as { line: number; ofMonth: string }[]).map(one => [one.line, one.ofMonth]),
      [
        [1, '2026-10-01'],
        [2, '2026-09-01']
      ]
    )
  })
})
