import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ChargingSession } from '../../model/api/api.ts'
import { sumOf, sumsBy } from './sessionSums.ts'

const session = (
  charger: string,
  vehicle: string,
  energyWh: number,
  cost: [number, string] | null
): ChargingSession => ({
  charger,
  vehicle,
  energyWh,
  startedAt: '2026-11-28T10:00:00.000Z',
  endedAt: null,
  peakPowerW: null,
  interruptions: 0,
  meterStartWh: null,
  meterEndWh: null,
  estimated: false,
  costAmount: cost?.[0] ?? null,
  currency: cost?.[1] ?? null
})
const sessions = [
  session('a', 'x', 1_000, [1, 'EUR']),
  session('a', 'y', 2_000, null),
  session('b', 'x', 4_000, [2, 'CHF'])
]

describe('sums of sessions', () => {
  it('count all, and keep currencies apart', () => {
    const { sessions: count, energyWh, costs } = sumOf(sessions)
    assert.deepEqual(
      [count, energyWh, [...costs]],
      [
        3,
        7_000,
        [
          ['EUR', 1],
          ['CHF', 2]
        ]
      ]
    )
  })

  it('by charger and by vehicle, the most energy first', () => {
    assert.deepEqual(
      sumsBy(sessions, 'charger').map(({ key, energyWh }) => [key, energyWh]),
      [
        ['b', 4_000],
        ['a', 3_000]
      ]
    )
    assert.deepEqual(
      sumsBy(sessions, 'vehicle').map(({ key, sessions }) => [key, sessions]),
      [
        ['x', 2],
        ['y', 1]
      ]
    )
  })
})
