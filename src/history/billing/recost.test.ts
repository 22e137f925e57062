// Which costs have changed. All sessions are visited, a page at a time.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RecordedDb } from '../testing/recordedDb.ts'
import { recost } from './recost.ts'

const tariffs = [
  'FROM tariffs',
  [{ name: 'house', currency: 'EUR', price: '0.3', from_day: null, to_day: null, from_minute: 0, to_minute: 1440 }]
] as const
const session = (more: object = {}): object => ({
  charger_id: 1,
  started_at: '2026-10-02 10:00:00+00',
  started_s: Date.parse('2026-10-02T10:00:00Z') / 1000,
  quarter_milli_wh: ['1000000'],
  amount: '0.30',
  currency: 'EUR',
  tariff: 'house',
  time_zone: 'UTC',
  is_closed: false,
  ...more
})

/** The pages that the database returns one after the other. */
function pagesOf(...pages: object[][]): RecordedDb {
  return new RecordedDb([tariffs, ['FROM charging_sessions', () => pages.shift() ?? []]])
}

describe('costs by the tariffs as they are now', () => {
  const changes: [what: string, more: object, counts: { changed: number; closed: number }][] = [
    ['the same amount and currency', {}, { changed: 0, closed: 0 }],
    ['another amount', { amount: '0.20' }, { changed: 1, closed: 0 }],
    ['another currency of the same amount', { currency: 'CHF' }, { changed: 1, closed: 0 }],
    ['a cost where there was none', { amount: null, currency: null }, { changed: 1, closed: 0 }],
    ['no cost where there was one', { tariff: null }, { changed: 1, closed: 0 }],
    ['no cost where there was none', { tariff: null, amount: null, currency: null }, { changed: 0, closed: 0 }],
    ['another amount in a month that is closed', { amount: '0.20', is_closed: true }, { changed: 1, closed: 1 }],
    ['the same in a month that is closed', { is_closed: true }, { changed: 0, closed: 0 }]
  ]
  for (const [what, more, counts] of changes) {
    it(`${what}: ${counts.changed} changed, ${counts.closed} of them closed`, async () =>
      assert.deepEqual(await recost(pagesOf([session(more)]).db, [1]), counts))
  }

  it('are written with their parts', async () => {
    const recorded = pagesOf([session({ amount: null, currency: null }), session({ charger_id: 2, tariff: null })])
    await recost(recorded.db, [1, 2])
    assert.deepEqual(JSON.parse(recorded.of('UPDATE charging_sessions')[0]!.values[0] as string), [
      {
        charger_id: 1,
        started_at: '2026-10-02 10:00:00+00',
        cost_amount: '0.30',
        currency: 'EUR',
        cost_parts: [{ from: '00:00', to: '24:00', pricePerKwh: '0.3', energyWh: 1000, amount: '0.3' }]
      },
      { charger_id: 2, started_at: '2026-10-02 10:00:00+00', cost_amount: null, currency: null, cost_parts: null }
    ])
  })

  it('of more than a page go on behind its last session, and end with the page that is not full', async () => {
    const page = Array.from({ length: 5_000 }, (_, i) => session({ charger_id: i + 1, amount: '0.20' }))
    const recorded = pagesOf(page, [session({ amount: '0.20', is_closed: true })])
    assert.deepEqual(await recost(recorded.db, [9]), { changed: 5_001, closed: 1 })
    assert.deepEqual(
      recorded.of('FROM charging_sessions s').map(({ values }) => values),
      [
        [[9], 0, '-infinity'],
        [[9], 5_000, '2026-10-02 10:00:00+00']
      ]
    )
  })

  it('of no session are none', async () => {
    const recorded = pagesOf([])
    assert.deepEqual(await recost(recorded.db, []), { changed: 0, closed: 0 })
    assert.equal(recorded.of('FROM charging_sessions').length, 1)
  })

  it('of a full page and nothing behind it end there', async () => {
    const page = Array.from({ length: 5_000 }, () => session())
    const recorded = pagesOf(page, [])
    assert.deepEqual(await recost(recorded.db, [9]), { changed: 0, closed: 0 })
    assert.equal(recorded.of('FROM charging_sessions').length, 2)
  })
})
