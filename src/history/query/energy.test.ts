// Buckets of energy, and how a range is queried a page at a time.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Zone, Zones } from '../zone.ts'
import {
  bucketEnd,
  bucketStart,
  type EnergyKey,
  type EnergyPlan,
  type EnergyResolution,
  energyPage,
  energyQuery,
  meanPower
} from './energy.ts'

const ms = (text: string): number => Date.parse(text)
const hourMs = 3_600_000
const berlin = new Zone('Europe/Berlin')

describe('a bucket', () => {
  const buckets: [at: string, resolution: EnergyResolution, start: string, hours: number][] = [
    ['2026-10-01T10:14:59.999Z', '15m', '2026-10-01T10:00:00Z', 0.25],
    ['2026-10-01T10:15:00.000Z', '15m', '2026-10-01T10:15:00Z', 0.25],
    ['2026-10-01T10:59:59.999Z', '1h', '2026-10-01T10:00:00Z', 1],
    ['2026-10-01T22:00:00.000Z', '1d', '2026-10-01T22:00:00Z', 24],
    ['2026-10-01T21:59:59.999Z', '1d', '2026-09-30T22:00:00Z', 24],
    ['2026-03-29T12:00:00.000Z', '1d', '2026-03-28T23:00:00Z', 23],
    ['2026-10-25T12:00:00.000Z', '1d', '2026-10-24T22:00:00Z', 25],
    ['2026-10-31T22:59:59.999Z', '1mo', '2026-09-30T22:00:00Z', 745],
    ['2026-10-31T23:00:00.000Z', '1mo', '2026-10-31T23:00:00Z', 720],
    ['2026-12-31T12:00:00.000Z', '1mo', '2026-11-30T23:00:00Z', 744]
  ]
  for (const [at, resolution, start, hours] of buckets) {
    it(`of ${resolution} that holds ${at} in Berlin begins ${start} and has ${hours} hours`, () => {
      const startMs = bucketStart(ms(at), resolution, berlin)
      assert.equal(startMs, ms(start))
      assert.equal((bucketEnd(startMs, resolution, berlin) - startMs) / hourMs, hours)
    })
  }
})

describe('mean power', () => {
  const means: [wh: number, startMs: number, endMs: number, nowMs: number, watts: number | null][] = [
    [1_000, 0, hourMs, 2 * hourMs, 1_000],
    [1_000, 0, hourMs, hourMs, 1_000],
    [1_000, 0, hourMs, hourMs / 2, 2_000],
    [1_000, 0, hourMs, 1, 3_600_000_000],
    [1_000, 0, hourMs, 0, null],
    [1_000, 10, hourMs, 0, null],
    [0, 0, hourMs, hourMs, 0],
    [1, 0, 3 * hourMs, 3 * hourMs, 0.333]
  ]
  for (const [wh, startMs, endMs, nowMs, watts] of means) {
    it(`of ${wh} Wh from ${startMs} to ${endMs}, at ${nowMs}, is ${watts} W`, () =>
      assert.equal(meanPower(wh, startMs, endMs, nowMs), watts))
  }
})

const zones = new Zones()
const plan = (more: Partial<EnergyPlan> = {}): EnergyPlan => ({
  chargers: ['a', 'b', 'c'].map((name, i) => ({ id: i + 1, name, timeZone: 'UTC' })),
  within: { from: { timeUs: 0 }, to: { timeUs: 2 * hourMs * 1000 } },
  resolution: '1h',
  nowMs: 100 * hourMs,
  zones,
  bucketsMax: 100,
  quartersMax: 1_000,
  ...more
})
/** `a 0-2` is charger a from hour 0 to hour 2. `last` is the last bucket of the page, where more buckets follow. */
function pageOf(of: EnergyPlan, after?: EnergyKey): { asked: string[]; last: string | undefined } {
  const { asked, last } = energyPage(of, after)
  const name = (id: number): string => of.chargers.find(charger => charger.id === id)!.name
  return {
    asked: asked.map(({ id, fromMs, toMs }) => `${name(id)} ${fromMs / hourMs}-${toMs / hourMs}`),
    last: last && `${last.charger} ${last.ms / hourMs}`
  }
}
const key = (charger: string, hour: number): EnergyKey => ({ charger, ms: hour * hourMs })

describe('a page of energy', () => {
  it('has all chargers where there is room for them', () => {
    assert.deepEqual(pageOf(plan()), { asked: ['a 0-2', 'b 0-2', 'c 0-2'], last: undefined })
    assert.deepEqual(pageOf(plan({ bucketsMax: 6 })), { asked: ['a 0-2', 'b 0-2', 'c 0-2'], last: undefined })
  })

  it('has as many whole chargers as there is room for, and tells behind which bucket more follow', () => {
    assert.deepEqual(pageOf(plan({ bucketsMax: 5 })), { asked: ['a 0-2', 'b 0-2'], last: 'b 1' })
    assert.deepEqual(pageOf(plan({ bucketsMax: 5 }), key('b', 1)), { asked: ['c 0-2'], last: undefined })
    assert.deepEqual(pageOf(plan({ bucketsMax: 4 })), { asked: ['a 0-2', 'b 0-2'], last: 'b 1' })
    assert.deepEqual(pageOf(plan({ bucketsMax: 2 })), { asked: ['a 0-2'], last: 'a 1' })
  })

  it('has a part of one charger where there is no room for all of it', () => {
    const small = plan({ bucketsMax: 1 })
    assert.deepEqual(pageOf(small), { asked: ['a 0-1'], last: 'a 0' })
    assert.deepEqual(pageOf(small, key('a', 0)), { asked: ['a 1-2'], last: 'a 1' })
    assert.deepEqual(pageOf(small, key('a', 1)), { asked: ['b 0-1'], last: 'b 0' })
    assert.deepEqual(pageOf(small, key('c', 1)), { asked: [], last: undefined })
  })

  it('is bounded by the quarter hours behind its buckets, and has at least one bucket', () => {
    assert.deepEqual(pageOf(plan({ quartersMax: 8 })), { asked: ['a 0-2'], last: 'a 1' })
    assert.deepEqual(pageOf(plan({ quartersMax: 7 })), { asked: ['a 0-1'], last: 'a 0' })
    assert.deepEqual(pageOf(plan({ quartersMax: 1 })), { asked: ['a 0-1'], last: 'a 0' })
  })

  it('has the buckets that the time touches, as whole ones', () => {
    const within = { from: { timeUs: 30 * 60e6 }, to: { timeUs: 3600e6 + 1000 } }
    assert.deepEqual(pageOf(plan({ within })).asked[0], 'a 0-2')
    assert.deepEqual(pageOf(plan({ within: { ...within, to: { timeUs: 3600e6 } } })).asked[0], 'a 0-1')
  })

  it('has no bucket that begins now or later', () => {
    assert.deepEqual(pageOf(plan({ nowMs: hourMs })).asked, ['a 0-1', 'b 0-1', 'c 0-1'])
    assert.deepEqual(pageOf(plan({ nowMs: hourMs + 1 })).asked, ['a 0-2', 'b 0-2', 'c 0-2'])
    assert.deepEqual(pageOf(plan({ nowMs: 0 })), { asked: [], last: undefined })
  })

  it("has the days of each charger's own zone", () => {
    const chargers = ['UTC', 'Europe/Berlin'].map((timeZone, i) => ({ id: i + 1, name: timeZone, timeZone }))
    const within = { from: { day: '2026-10-25' }, to: { day: '2026-10-26' } }
    const { asked } = energyPage(plan({ chargers, within, resolution: '1d', nowMs: ms('2027-01-01T00:00:00Z') }))
    assert.deepEqual(
      asked.map(({ fromMs, toMs }) => [new Date(fromMs).toISOString(), (toMs - fromMs) / hourMs]),
      [
        ['2026-10-25T00:00:00.000Z', 24],
        ['2026-10-24T22:00:00.000Z', 25]
      ]
    )
  })

  it('goes on behind a key that lies before the range from its beginning', () => {
    const within = { from: { timeUs: 3600e6 }, to: { timeUs: 2 * 3600e6 } }
    assert.deepEqual(pageOf(plan({ within }), key('b', 0)).asked, ['b 1-2', 'c 1-2'])
  })
})

it('the query asks for the whole span, and of each charger for its own time', () => {
  const asked = [
    { id: 1, timeZone: 'UTC', fromMs: 0, toMs: 2 * hourMs },
    { id: 2, timeZone: 'Europe/Berlin', fromMs: -hourMs, toMs: hourMs }
  ]
  const { text, values } = energyQuery(asked, '1d')
  assert.match(text, /date_trunc\('day', e\.bucket, zone\)/)
  assert.deepEqual(values, [
    '1969-12-31T23:00:00.000Z',
    '1970-01-01T02:00:00.000Z',
    [1, 2],
    ['1970-01-01T00:00:00.000Z', '1969-12-31T23:00:00.000Z'],
    ['1970-01-01T02:00:00.000Z', '1970-01-01T01:00:00.000Z'],
    ['UTC', 'Europe/Berlin']
  ])
})
