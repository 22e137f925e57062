// What is computed from two rows: which of two counters is believed, and up to which bound.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { chargingTimeUs, countedWh, deliverableWh, type InForce, inForce, isHiddenReset } from './counters.ts'

const none: InForce = { state: null, totalWh: null, sessionWh: null, powerW: null, vehicle: null, status: null }
const told = (totalWh: number | null, sessionWh: number | null, more: Partial<InForce> = {}): InForce => {
  return { ...none, totalWh, sessionWh, ...more }
}
const hourUs = 3_600_000_000
const minuteUs = 60_000_000

describe('the values in force', () => {
  it('a value that is not told stays, one that is told counts, also when it is zero or empty', () => {
    const was = told(1, 2, { state: 'charging', powerW: 11_000, vehicle: 'A', status: 'Charging' })
    assert.deepEqual(inForce(was, { timeUs: 5, ...none }), was)
    const row = { timeUs: 5, ...told(0, 0, { state: 'idle', powerW: 0, vehicle: '', status: '' }) }
    assert.deepEqual(inForce(was, row), told(0, 0, { state: 'idle', powerW: 0, vehicle: '', status: '' }))
  })
})

describe('what was counted between two rows', () => {
  interface Case {
    readonly what: string
    readonly before: InForce
    readonly now: InForce
    readonly isReset?: boolean
    readonly elapsedUs?: number
    readonly energyWh: number
    readonly leapWh?: number
    readonly isGuess?: boolean
    readonly isFirst?: boolean
  }
  const cases: Case[] = [
    { what: 'the lifetime counter', before: told(100, 10), now: told(150, 60), energyWh: 50 },
    { what: 'the lifetime counter also where both differ', before: told(100, 10), now: told(150, 40), energyWh: 50 },
    { what: 'nothing while no counter moves', before: told(100, 10), now: told(100, 10), energyWh: 0 },
    { what: 'the session counter alone', before: told(null, 10), now: told(null, 40), energyWh: 30 },
    {
      what: 'all of a session counter that began anew',
      before: told(null, 500),
      now: told(null, 40),
      isReset: true,
      energyWh: 40
    },
    { what: 'the first counter: nothing, yet', before: none, now: told(100, 10), energyWh: 0, isFirst: true },
    { what: 'the first session counter', before: none, now: told(null, 10), energyWh: 0, isFirst: true },
    { what: 'a second counter beside one that is known', before: told(100, null), now: told(100, 10), energyWh: 0 },
    {
      what: 'a lifetime counter that fell: what the session counter gained',
      before: told(100, 10),
      now: told(40, 30),
      energyWh: 20,
      isGuess: true
    },
    {
      what: 'a lifetime counter that fell, and nothing beside it',
      before: told(100, null),
      now: told(99, null),
      energyWh: 0,
      isGuess: true
    },
    {
      what: 'a lifetime counter up to 500 Wh above the session counter',
      before: told(0, 0),
      now: told(2_500, 2_000),
      energyWh: 2_500
    },
    {
      what: 'a lifetime counter more than 500 Wh above the session counter, and above what can be delivered',
      before: told(0, 0),
      now: told(2_501, 2_000),
      energyWh: 2_000,
      leapWh: 501
    },
    {
      what: 'what 50 kW deliver in the time and its lag, without a session counter',
      before: told(0, null),
      now: told(51_666, null),
      elapsedUs: hourUs,
      energyWh: 51_666
    },
    {
      what: 'one Wh more than 50 kW deliver',
      before: told(0, null),
      now: told(51_667, null),
      elapsedUs: hourUs,
      energyWh: 0,
      leapWh: 51_667
    },
    {
      what: 'what half more than the told power delivers',
      before: told(0, null, { powerW: 100_000 }),
      now: told(155_000, null),
      elapsedUs: hourUs,
      energyWh: 155_000
    },
    {
      what: 'the power of the later row counts as well',
      before: told(0, null),
      now: told(155_001, null, { powerW: 100_000 }),
      elapsedUs: hourUs,
      energyWh: 0,
      leapWh: 155_001
    },
    {
      what: 'a session counter that falls without a beginning',
      before: told(null, 10),
      now: told(null, 9),
      energyWh: 0,
      isGuess: true
    },
    {
      what: 'the most that 1 MW delivers',
      before: told(null, 0),
      now: told(null, 1_000_000 / 30),
      energyWh: 1_000_000 / 30
    },
    {
      what: 'more than 1 MW delivers',
      before: told(null, 0),
      now: told(null, 33_334),
      energyWh: 0,
      isGuess: true
    },
    {
      what: 'power over time where there is no counter',
      before: { ...none, powerW: 6_000 },
      now: none,
      elapsedUs: 10 * minuteUs,
      energyWh: 1_000,
      isGuess: true
    },
    { what: 'no power and no counter', before: { ...none, powerW: 0 }, now: none, elapsedUs: hourUs, energyWh: 0 },
    { what: 'negative power is none', before: { ...none, powerW: -5 }, now: none, elapsedUs: hourUs, energyWh: 0 }
  ]
  for (const { what, before, now, isReset = false, elapsedUs = 0, ...expected } of cases) {
    it(`is ${what}`, () => {
      const { energyWh, leapWh = 0, isGuess = false, isFirst = false } = expected
      assert.deepEqual(countedWh(before, now, isReset, elapsedUs), { energyWh, leapWh, isGuess, isFirst })
    })
  }
})

describe('a session counter that began anew unseen', () => {
  const cases: [what: string, vehicle: string, before: InForce, now: InForce, energyWh: number, isReset: boolean][] = [
    [
      'another card, and all that the counter shows was gained',
      'A',
      told(0, 50),
      told(0, 90, { vehicle: 'B' }),
      90,
      true
    ],
    ['within 2 Wh', 'A', told(0, 50), told(0, 90, { vehicle: 'B' }), 92, true],
    ['2 Wh less', 'A', told(0, 50), told(0, 90, { vehicle: 'B' }), 88, true],
    ['more than 2 Wh beside it', 'A', told(0, 50), told(0, 90, { vehicle: 'B' }), 92.5, false],
    ['the same card', 'A', told(0, 50), told(0, 90, { vehicle: 'A' }), 90, false],
    ['no card now', 'A', told(0, 50), told(0, 90, { vehicle: '' }), 90, false],
    ['no card before', '', told(0, 50), told(0, 90, { vehicle: 'B' }), 90, false],
    ['no session counter before', 'A', told(0, null), told(0, 90, { vehicle: 'B' }), 90, false],
    ['no session counter now', 'A', told(0, 50), told(0, null, { vehicle: 'B' }), 90, false],
    ['the counter just went on', 'A', told(0, 2), told(0, 90, { vehicle: 'B' }), 90, false],
    ['the counter began above what going on explains', 'A', told(0, 3), told(0, 90, { vehicle: 'B' }), 90, true]
  ]
  for (const [what, vehicle, before, now, energyWh, isReset] of cases) {
    it(`${what}: ${isReset}`, () => assert.equal(isHiddenReset(vehicle, before, now, energyWh), isReset))
  }
})

it('50 kW deliver 50 kWh in an hour', () => {
  assert.equal(deliverableWh(hourUs), 50_000)
  assert.equal(deliverableWh(0), 0)
})

it('energy takes its time at the power in force, at most the time that there was', () => {
  assert.equal(chargingTimeUs(1_000, { ...none, powerW: 6_000 }, hourUs), 10 * minuteUs)
  assert.equal(chargingTimeUs(7_000, { ...none, powerW: 6_000 }, hourUs), hourUs)
  assert.equal(chargingTimeUs(1_000, { ...none, powerW: 0 }, hourUs), hourUs)
  assert.equal(chargingTimeUs(1_000, none, hourUs), hourUs)
})
