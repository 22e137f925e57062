import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { age, duration, monthAt, monthOfKey, plusMonths } from './format.ts'

describe('months', () => {
  it('are those of the time zone', () => {
    const moment = Date.parse('2026-10-31T23:30:00Z')
    assert.deepEqual(monthAt(moment, 'Europe/Berlin'), { year: 2026, month: 11 })
    assert.deepEqual(monthAt(moment, 'UTC'), { year: 2026, month: 10 })
  })

  it('go over the ends of years, and are read strictly', () => {
    assert.deepEqual(plusMonths({ year: 2026, month: 1 }, -1), { year: 2025, month: 12 })
    assert.deepEqual(plusMonths({ year: 2026, month: 12 }, 1), { year: 2027, month: 1 })
    assert.deepEqual(monthOfKey('2026-09'), { year: 2026, month: 9 })
    assert.equal(monthOfKey('2026-13'), undefined)
  })
})

describe('times as text', () => {
  it('ages have one unit', () => {
    assert.deepEqual([-5, 59_999, 60_000, 3_599_999, 3_600_000, 3 * 86_400_000].map(age), [
      '0 s',
      '59 s',
      '1 min',
      '59 min',
      '1 h',
      '3 d'
    ])
  })

  it('durations have hours and minutes', () => {
    assert.deepEqual([4_000, 60_000, 3_900_000].map(duration), ['4 s', '1 min', '1 h 05 min'])
  })
})
