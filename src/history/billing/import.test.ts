// What an import counts, when it is rolled back, and for which chargers it computes the costs again.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ConfigError } from '../../model/errors.ts'
import { type Answer, RecordedDb } from '../testing/recordedDb.ts'
import { type ImportOrder, importMasterData } from './import.ts'

const order = (more: Partial<ImportOrder>): ImportOrder => {
  return {
    kind: 'sites',
    text: 'name,time_zone\nhome,UTC\nwork,UTC\nbarn,UTC',
    file: 'f.csv',
    isDryRun: false,
    ...more
  }
}
/** The rows of a table before and after the import. */
const snapshots = (table: string, before: object[], after: object[]): Answer => {
  const both = [before, after]
  return [`AS row FROM ${table} t`, () => both.shift()!]
}
const row = (key: string, text = key): object => ({ key, row: text })

async function run(more: Partial<ImportOrder>, ...answers: Answer[]) {
  const recorded = new RecordedDb(answers)
  const outcome = await importMasterData(recorded.db, order(more)).catch((error: unknown) => error)
  const ends = recorded.asked.map(({ text }) => text).filter(text => /^(BEGIN|COMMIT|ROLLBACK)$/.test(text))
  return { recorded, outcome, ends }
}

const freshSites = (): Answer =>
  snapshots('sites', [row('home', 'old'), row('work')], [row('home', 'new'), row('work'), row('barn')])

describe('an import', () => {
  it('tells what was added, what has changed, and what was like that already', async () => {
    const { outcome, ends } = await run({}, freshSites())
    assert.deepEqual(outcome, { added: 1, changed: 1, unchanged: 1, sessions: { changed: 0, closed: 0 } })
    assert.deepEqual(ends, ['BEGIN', 'COMMIT'])
  })

  it('that is a dry run tells the same, and takes it back', async () => {
    const { outcome, ends } = await run({ isDryRun: true }, freshSites())
    assert.deepEqual(outcome, { added: 1, changed: 1, unchanged: 1, sessions: { changed: 0, closed: 0 } })
    assert.deepEqual(ends, ['BEGIN', 'ROLLBACK'])
  })

  it('with a fault in a line writes nothing', async () => {
    const { outcome, ends, recorded } = await run({ text: 'name,time_zone\nhome,Europe/Atlantis' })
    assert.ok(outcome instanceof ConfigError)
    assert.deepEqual(ends, ['BEGIN', 'ROLLBACK'])
    assert.deepEqual(recorded.of('INSERT'), [])
  })

  it('whose lines do not fit to what is stored is taken back after the writing', async () => {
    const stored = [
      'FROM tariffs WHERE name',
      [{ name: 'house', validFrom: '-infinity', validTo: null, from: '06:00', to: '22:00', currency: 'EUR' }]
    ] as const
    const text = 'name,from,to,price_per_kwh,currency\nhouse,06:00,22:00,0.3,EUR'
    const { outcome, ends, recorded } = await run({ kind: 'tariffs', text }, snapshots('tariffs', [], []), stored)
    assert.match((outcome as ConfigError).faults[0]!.found, /^none at 00:00$/)
    assert.deepEqual(ends, ['BEGIN', 'ROLLBACK'])
    assert.equal(recorded.of('INSERT INTO tariffs').length, 1)
  })

  it('of cards that overlap with stored ones is taken back', async () => {
    const stored = [
      'FROM cards WHERE uid',
      [
        { uid: 'A', validFrom: '-infinity', validTo: null },
        { uid: 'A', validFrom: '2026-01-01', validTo: null }
      ]
    ] as const
    const { outcome, ends } = await run({ kind: 'cards', text: 'uid\nA' }, snapshots('cards', [], []), stored)
    assert.deepEqual(
      (outcome as ConfigError).faults.map(({ path, found }) => `${path}: ${found}`),
      ['f.csv A: no end']
    )
    assert.deepEqual(ends, ['BEGIN', 'ROLLBACK'])
  })

  it('that the database refuses is taken back, and the error is told', async () => {
    const { outcome, ends } = await run({}, ['INSERT INTO sites', new Error('away')])
    assert.equal((outcome as Error).message, 'away')
    assert.deepEqual(ends, ['BEGIN', 'ROLLBACK'])
  })

  const affected: [kind: ImportOrder['kind'], text: string, condition: string | undefined, names: string[]][] = [
    ['sites', 'name,time_zone\nhome,UTC', 's.name = ANY', ['home']],
    ['chargers', 'name,label\nw1,x', 'c.name = ANY', ['w1']],
    ['tariffs', 'name,price_per_kwh,currency\nhouse,1,EUR', 'c.tariff = ANY', ['house']],
    ['cards', 'uid\nA', undefined, []]
  ]
  for (const [kind, text, condition, names] of affected) {
    it(`of ${kind} computes ${condition === undefined ? 'no costs' : `the costs of the chargers where ${condition}`}`, async () => {
      const { recorded } = await run({ kind, text }, snapshots(kind, [], []), ['SELECT c.id', [{ id: 4 }]])
      const asked = recorded.of('SELECT c.id FROM chargers c')
      assert.equal(asked.length, condition === undefined ? 0 : 1)
      if (condition === undefined) return assert.equal(recorded.of('charging_sessions').length, 0)
      assert.ok(asked[0]!.text.includes(condition), asked[0]!.text)
      assert.deepEqual(asked[0]!.values, [names])
      assert.deepEqual(recorded.of('FROM charging_sessions')[0]!.values[0], [4])
    })
  }

  it('of chargers writes the columns that the file has, and leaves the others', async () => {
    const columnsOf = async (text: string): Promise<string> => {
      const { recorded } = await run({ kind: 'chargers', text }, snapshots('chargers', [], []))
      return recorded.of('INSERT INTO chargers')[0]!.text
    }
    assert.match(await columnsOf('name,serial\nw1,x'), /\(name, serial\).*UPDATE SET serial = excluded\.serial WHERE/)
    assert.match(await columnsOf('name\nw1'), /\(name\).*DO NOTHING$/)
  })
})
