// The times and energies at which the course of a charger decides differently: each one at its bound, and just beyond
// it.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SessionRow } from '../counters.ts'
import type { Session } from '../session.ts'
import { Course } from './sessionMachine.ts'

const minuteUs = 60_000_000
const hourUs = 60 * minuteUs
const nothing = { state: null, totalWh: null, sessionWh: null, powerW: null, vehicle: null, status: null }
type Line = readonly [timeUs: number, told: Partial<Omit<SessionRow, 'timeUs'>>]

function derive(lines: readonly Line[]): Session[] {
  const sessions = new Map<number, Session>()
  const course = new Course(session => sessions.set(session.startedUs, session))
  for (const [timeUs, told] of lines) course.take({ timeUs, ...nothing, ...told })
  for (const session of course.unsettled) sessions.set(session.startedUs, session)
  return [...sessions.values()].sort((a, b) => a.startedUs - b.startedUs)
}
/** For example `120min to 180min: 7000 Wh`, in minutes and whole microseconds. */
const brief = ({ startedUs, endedUs, energyWh, estimated }: Session): string =>
  `${timeText(startedUs)} to ${endedUs === null ? 'now' : timeText(endedUs)}: ${energyWh} Wh${estimated ? ', estimated' : ''}`
const timeText = (us: number): string => {
  const minutes = Math.floor(us / minuteUs)
  return us === minutes * minuteUs ? `${minutes}min` : `${minutes}min+${us - minutes * minuteUs}`
}

const idle = { state: 'idle', status: 'Idle', vehicle: '' }
const charging = { state: 'charging', status: 'Charging', vehicle: 'A' }
/** A session from minute 10 to minute 30 of 3,000 Wh. */
const plain: readonly Line[] = [
  [0, { ...idle, totalWh: 0 }],
  [10 * minuteUs, { ...charging, totalWh: 0 }],
  [20 * minuteUs, { totalWh: 3_000 }],
  [30 * minuteUs, idle]
]

describe('a counter that rises after the end of a session', () => {
  const tails: [afterUs: number, wh: number, sessions: string[]][] = [
    [10 * minuteUs, 150, ['10min to 30min: 3150 Wh']],
    [10 * minuteUs, 5, ['10min to 30min: 3005 Wh']],
    [10 * minuteUs + 1, 99, ['10min to 30min: 3000 Wh']],
    [10 * minuteUs + 1, 100, ['10min to 30min: 3000 Wh', '30min+1000 to 40min+1: 100 Wh, estimated']]
  ]
  for (const [afterUs, wh, sessions] of tails) {
    it(`by ${wh} Wh ${timeText(afterUs)} later: ${sessions.join(', ')}`, () => {
      const last: Line = [30 * minuteUs + afterUs, { totalWh: 3_000 + wh }]
      assert.deepEqual(derive([...plain, last]).map(brief), sessions)
    })
  }
})

describe('energy of a session across a time in which nothing was told', () => {
  const silences: [silentUs: number, wh: number, isEstimated: boolean][] = [
    [hourUs, 5_000, false],
    [hourUs + 1, 5_000, true],
    [hourUs + 1, 100, true],
    [hourUs + 1, 99, false]
  ]
  for (const [silentUs, wh, isEstimated] of silences) {
    it(`of ${timeText(silentUs)} with ${wh} Wh is ${isEstimated ? 'estimated' : 'seen'}`, () => {
      const [session] = derive([
        [-minuteUs, { ...idle, totalWh: 0 }],
        [0, { ...charging, totalWh: 0 }],
        [silentUs, { totalWh: wh }]
      ])
      assert.deepEqual([session!.energyWh, session!.estimated], [wh, isEstimated])
    })
  }
})

describe('an end after a long silence', () => {
  it('is the row that tells it, where the charger was silent for a day', () => {
    const sessions = derive([
      [0, { ...charging, totalWh: 0, powerW: 6_000 }],
      [24 * hourUs, { ...idle, totalWh: 6_000 }]
    ])
    assert.deepEqual(sessions.map(brief), ['0min to 1440min: 6000 Wh, estimated'])
  })

  it('is when its energy was delivered, where the charger was silent for longer', () => {
    const sessions = derive([
      [0, { ...charging, totalWh: 0, powerW: 6_000 }],
      [24 * hourUs + 1, { ...idle, totalWh: 6_000 }]
    ])
    assert.deepEqual(sessions.map(brief), ['0min to 60min: 6000 Wh, estimated'])
  })

  it('is when its energy was delivered, where the edge said that it saw nothing', () => {
    const sessions = derive([
      [0, { ...charging, totalWh: 0, powerW: 6_000 }],
      [minuteUs, { state: 'unknown' }],
      [3 * hourUs, { ...idle, totalWh: 6_000 }]
    ])
    assert.deepEqual(sessions.map(brief), ['0min to 60min: 6000 Wh, estimated'])
  })

  it('is never after the row that tells it', () => {
    const sessions = derive([
      [0, { ...charging, totalWh: 0, powerW: 6_000 }],
      [minuteUs, { state: 'unknown' }],
      [30 * minuteUs, { ...idle, totalWh: 6_000 }]
    ])
    assert.deepEqual(sessions.map(brief), ['0min to 30min: 6000 Wh, estimated'])
  })
})

describe('energy that nobody saw charging', () => {
  const unseen: [wh: number, sessions: string[]][] = [
    [99, []],
    [100, ['0min+1000 to 10min: 100 Wh, estimated']]
  ]
  for (const [wh, sessions] of unseen) {
    it(`of ${wh} Wh makes ${sessions.length} sessions`, () =>
      assert.deepEqual(
        derive([
          [0, { ...idle, totalWh: 0 }],
          [10 * minuteUs, { totalWh: wh }]
        ]).map(brief),
        sessions
      ))
  }

  const resets: [wh: number, sessions: string[]][] = [
    [99, ['10min to now: 99 Wh']],
    [100, ['0min+1000 to 5min: 100 Wh, estimated', '10min to now: 0 Wh']]
  ]
  for (const [wh, sessions] of resets) {
    it(`of ${wh} Wh after a counter began anew ${wh < 100 ? "is the next session's" : 'is a session'}`, () =>
      assert.deepEqual(
        derive([
          [0, { ...idle, sessionWh: 500 }],
          [5 * minuteUs, { sessionWh: wh }],
          [10 * minuteUs, { ...charging }]
        ]).map(brief),
        sessions
      ))
  }
})

describe('a leap of the lifetime counter', () => {
  const silent: readonly Line[] = [
    [0, { ...idle, totalWh: 0 }],
    [minuteUs, { state: 'unknown' }],
    [2 * hourUs, { ...idle }]
  ]
  it('within half an hour of a gap is what the charger recorded in it', () => {
    const sessions = derive([...silent, [2.5 * hourUs, { totalWh: 500_000 }]])
    assert.deepEqual(sessions.map(brief), ['0min+1000 to 120min: 500000 Wh, estimated'])
  })
  it('later is another counter, whose past is not ours', () => {
    assert.deepEqual(derive([...silent, [2.5 * hourUs + 1, { totalWh: 500_000 }]]).map(brief), [])
  })
  it('within a session makes it an estimate, and adds what the session counter gained', () => {
    const [session] = derive([
      [0, { ...charging, totalWh: 0, sessionWh: 0 }],
      [minuteUs, { totalWh: 500_000, sessionWh: 150 }]
    ])
    assert.deepEqual([session!.energyWh, session!.estimated], [150, true])
  })
})

describe('a session under way that is seen first', () => {
  const firsts: [shown: number, counted: number][] = [
    [0, 0],
    [1_500, 1_500],
    [1_000_000, 1_000_000],
    [1_000_001, 1_000_000],
    [-5, 0]
  ]
  for (const [shown, counted] of firsts) {
    it(`with ${shown} Wh has ${counted} Wh`, () =>
      assert.deepEqual(
        derive([[0, { ...charging, sessionWh: shown }]]).map(({ energyWh, estimated }) => [energyWh, estimated]),
        [[counted, true]]
      ))
  }
})

describe('whether it charges', () => {
  const words: [what: string, told: Line[1], isCharging: boolean][] = [
    ['the state says so', { state: 'charging', powerW: 0 }, true],
    ['the state says no, whatever the power', { state: 'idle', powerW: 11_000 }, false],
    ['without a state power decides', { powerW: 1 }, true],
    ['without a state no power is no charging', { powerW: 0 }, false],
    ['nothing is told', {}, false],
    ['the edge sees nothing', { state: 'unknown', powerW: 11_000 }, false]
  ]
  for (const [what, told, isCharging] of words) {
    it(`${what}: ${isCharging}`, () => assert.equal(derive([[0, told]]).length, isCharging ? 1 : 0))
  }
})

describe('the word of a charger without a vehicle', () => {
  const words: [status: string, isEnd: boolean][] = [
    ['Idle', true],
    ['IDLE', true],
    ['no_vehicle_connected', true],
    ['Available', true],
    ['Unavailable', false],
    ['Idle soon', false],
    ['Suspended', false]
  ]
  for (const [status, isEnd] of words) {
    it(`${status} ${isEnd ? 'ends a session' : 'is a pause'}`, () => {
      const [session] = derive([
        [0, charging],
        [minuteUs, { state: 'idle', status }]
      ])
      assert.equal(session!.endedUs, isEnd ? minuteUs : null)
    })
  }
})
