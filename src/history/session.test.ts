// Energy by quarter hour: no energy is lost, and each Wh counts in the quarter hour in which it was delivered.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { addToCurve, curveMilliWh, quarterUs, type Session } from './session.ts'

const minuteUs = 60_000_000
const sessionFrom = (startedUs: number): Session => ({
  startedUs,
  endedUs: null,
  energyWh: 0,
  peakPowerW: null,
  vehicle: '',
  interruptions: 0,
  meterStartWh: null,
  meterEndWh: null,
  estimated: false,
  chargedUntilUs: startedUs,
  curve: [],
  lastRowUs: startedUs
})

const q = quarterUs
const spreads: [what: string, startUs: number, fromUs: number, toUs: number, wh: number, curve: number[]][] = [
  ['no energy', 0, 0, q, 0, []],
  ['a whole quarter hour', 0, 0, q, 60, [60]],
  ['its last microsecond', 0, q - 1, q, 1, [1]],
  ['one microsecond beyond it', 0, q - 1, q + 1, 2, [1, 1]],
  ['two quarter hours evenly', 0, 0, 2 * q, 60, [30, 30]],
  ['a part of the first and of the last', 5 * minuteUs, 10 * minuteUs, 35 * minuteUs, 25, [5, 15, 5]],
  ['the quarter hours before it stay empty', 0, 2 * q, 3 * q, 7, [0, 0, 7]],
  ['what lies before the start counts from the start on', q, 0, 2 * q, 8, [8]],
  ['all of it before the start counts at the start', 2 * q, 0, q, 8, [8]],
  ['a moment within a quarter hour', 0, q + 1, q + 1, 9, [0, 9]],
  ['the moment at which a quarter hour begins', 0, q, q, 9, [0, 9]],
  ['energy that is taken back', 0, 0, q, -3, [-3]]
]

describe('energy over a time', () => {
  for (const [what, startUs, fromUs, toUs, wh, curve] of spreads) {
    it(`counts by quarter hour: ${what}`, () => {
      const session = sessionFrom(startUs)
      addToCurve(session, fromUs, toUs, wh)
      assert.deepEqual(session.curve, curve)
    })
  }

  it('adds to what is there', () => {
    const session = sessionFrom(0)
    addToCurve(session, 0, q, 10)
    addToCurve(session, 0, 2 * q, 10)
    assert.deepEqual(session.curve, [15, 5])
  })
})

describe('the curve in thousandths', () => {
  const cases: [curve: number[], energyWh: number, parts: number[]][] = [
    [[], 0, []],
    [[1], 1, [1_000]],
    // If each part were rounded alone, it would be 333, and a thousandth would be lost.
    [[1 / 3, 1 / 3, 1 / 3], 1, [333, 334, 333]],
    [[0.0004, 0.0004, 0.0004], 0.0012, [0, 1, 0]],
    // The sum of the curve and the energy may differ by a rounding of doubles. The last part takes the difference.
    [[1, 2], 3.001, [1_000, 2_001]],
    [[1, 2], 2.999, [1_000, 1_999]]
  ]
  for (const [curve, energyWh, parts] of cases) {
    it(`[${curve.map(wh => wh.toFixed(4))}] of ${energyWh} Wh is ${parts}`, () => {
      assert.deepEqual(curveMilliWh({ curve, energyWh }), parts)
      if (parts.length > 0)
        assert.equal(
          parts.reduce((sum, part) => sum + part),
          Math.round(energyWh * 1000)
        )
    })
  }
})
