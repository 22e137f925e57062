// Tests the period of a request: defaults, empty periods, and days of different time zones.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Zone } from '../../../history/zone.ts'
import { ApiFault } from './endpoint.ts'
import { boundText, rangeOf, withinOf } from './ranges.ts'

const us = (text: string): number => Date.parse(text) * 1000
const berlin = new Zone('Europe/Berlin')
const nowMs = Date.parse('2026-10-10T12:00:00Z')
const isEmpty = (error: unknown): boolean =>
  error instanceof ApiFault && error.status === 400 && error.body.faults?.[0]?.parameter === 'from'

describe('a range', () => {
  it('of days begins and ends at midnight of the zone', () => {
    assert.deepEqual(rangeOf({ from: '2026-10-25', to: '2026-10-26' }, berlin, 1), {
      fromUs: us('2026-10-24T22:00:00Z'),
      toUs: us('2026-10-25T23:00:00Z')
    })
  })

  it('ends now, and is as long as is usual, where nothing is said', t => {
    t.mock.timers.enable({ apis: ['Date'], now: nowMs })
    assert.deepEqual(rangeOf({}, berlin, 1_000), { fromUs: (nowMs - 1_000) * 1000, toUs: nowMs * 1000 })
    const { fromUs } = rangeOf({ to: '2026-10-01T00:00:00Z' }, berlin, 1_000)
    assert.equal(fromUs, us('2026-09-30T23:59:59Z'))
  })

  it('of a microsecond is one, and an empty one is a fault', () => {
    const from = '2026-10-01T00:00:00Z'
    assert.ok(rangeOf({ from, to: '2026-10-01T00:00:00.000001Z' }, berlin, 1))
    assert.throws(() => rangeOf({ from, to: from }, berlin, 1), isEmpty)
    assert.throws(() => rangeOf({ from, to: '2026-09-30T23:59:59Z' }, berlin, 1), isEmpty)
    assert.throws(() => rangeOf({ from: '2026-10-01', to: '2026-10-01' }, berlin, 1), isEmpty)
  })
})

describe('a time where every charger has days of its own', () => {
  it('keeps days as days and moments as moments', () => {
    const found = withinOf({ from: '2026-10-01', to: '2026-10-02T00:00:00Z' }, 1)
    assert.deepEqual(found, { from: { day: '2026-10-01' }, to: { timeUs: us('2026-10-02T00:00:00Z') } })
    assert.deepEqual([boundText(found.from), boundText(found.to)], ['2026-10-01', '2026-10-02T00:00:00.000Z'])
  })

  it('is as long as is usual where it does not begin', t => {
    t.mock.timers.enable({ apis: ['Date'], now: nowMs })
    assert.deepEqual(withinOf({}, 5), { from: { timeUs: (nowMs - 5) * 1000 }, to: { timeUs: nowMs * 1000 } })
    assert.deepEqual(withinOf({ to: '2026-10-02' }, 5).from, { timeUs: us('2026-10-02T00:00:00Z') - 5_000 })
  })

  it('is a fault where it is empty whatever the zone', () => {
    assert.throws(() => withinOf({ from: '2026-10-01', to: '2026-10-01' }, 1), isEmpty)
    assert.throws(() => withinOf({ from: '2026-10-01T00:00:00Z', to: '2026-10-01T00:00:00Z' }, 1), isEmpty)
    // In some time zone, the day begins before the moment, so the period is not empty.
    assert.ok(withinOf({ from: '2026-10-02', to: '2026-10-02T00:00:00Z' }, 1))
  })
})
