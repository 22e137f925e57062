import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SessionRow } from '../counters.ts'
import { curveMilliWh, type Session } from '../session.ts'
import { Course } from './sessionMachine.ts'

type Told = Partial<Omit<SessionRow, 'timeUs'>>
const nothing = { state: null, totalWh: null, sessionWh: null, powerW: null, vehicle: null, status: null }

/** `3T10:00`, `10:00` or `10:00:30`, in November 2026. Without a day it is the 2nd. */
function at(time: string): number {
  const [day, clock] = time.includes('T') ? time.split('T') : ['2', time]
  const iso = `2026-11-${day!.padStart(2, '0')}T${clock!.length === 5 ? `${clock}:00` : clock}Z`
  return Date.parse(iso) * 1000
}
const clock = (timeUs: number): string => {
  const [day, time] = new Date(timeUs / 1000).toISOString().slice(8, 19).split('T')
  return `${day === '02' ? '' : `${Number(day)}T`}${time!.endsWith(':00') ? time!.slice(0, 5) : time}`
}

type Line = readonly [time: string, told: Told]

function derive(lines: readonly Line[]): Session[] {
  const sessions = new Map<number, Session>()
  let course = new Course(session => sessions.set(session.startedUs, session))
  for (const [time, told] of lines) {
    course.take({ timeUs: at(time), ...nothing, ...told })
    // Storing and restoring the course between any two rows changes nothing.
    course = new Course(session => sessions.set(session.startedUs, session), course.store())
  }
  for (const session of course.unsettled) sessions.set(session.startedUs, session)
  for (const session of sessions.values()) {
    const sum = curveMilliWh(session).reduce((sum, part) => sum + part, 0)
    assert.equal(sum, Math.round(session.energyWh * 1000), 'the quarter hours are the whole energy')
  }
  return [...sessions.values()].sort((a, b) => a.startedUs - b.startedUs)
}

const brief = ({ startedUs, endedUs, energyWh, vehicle, interruptions, estimated }: Session): string =>
  [
    `${clock(startedUs)}-${endedUs === null ? '' : clock(endedUs)} ${energyWh} Wh`,
    vehicle || '-',
    ...(interruptions > 0 ? [`${interruptions}x`] : []),
    ...(estimated ? ['estimated'] : [])
  ].join(' ')

const idle = { state: 'idle', status: 'Idle', vehicle: '', powerW: 0 }
const waits = (vehicle: string): Told => ({ state: 'idle', status: 'StandbyConnect', vehicle })
const charges = (powerW = 11_000): Told => ({ state: 'charging', status: 'Charging', powerW })
const pauses = { state: 'idle', status: 'Paused', powerW: 0 }
const ends = { state: 'idle', status: 'Terminated', powerW: 0 }
const counts = (totalWh: number, sessionWh: number): Told => ({ totalWh, sessionWh })

const plain: readonly Line[] = [
  ['09:00', { ...idle, ...counts(50_000, 7_000) }],
  ['10:00', waits('A')],
  ['10:01', { ...charges(), ...counts(50_000, 0) }],
  ['10:31', counts(55_500, 5_500)],
  ['10:40', { ...pauses, ...counts(57_000, 7_000) }],
  ['11:00', charges(7_000)],
  ['12:00', { ...ends, ...counts(64_000, 14_000) }],
  ['13:00', idle]
]

describe('the course of a charger', () => {
  it('a session begins with the first charging row, a pause ends nothing, and it ends when the vehicle is gone', () => {
    const sessions = derive(plain)
    assert.deepEqual(sessions.map(brief), ['10:01-13:00 14000 Wh A 1x'])
    const [{ peakPowerW, meterStartWh, meterEndWh, chargedUntilUs }] = sessions as [Session]
    assert.deepEqual([peakPowerW, meterStartWh, meterEndWh], [11_000, 50_000, 64_000])
    assert.equal(clock(chargedUntilUs), '12:00')
  })

  it('it is open while it charges, pauses, or waits with the same card', () => {
    for (const length of [3, 4, 5, 6, 7]) {
      const [session, ...more] = derive(plain.slice(0, length))
      assert.equal(session?.endedUs, null, `after ${length} rows`)
      assert.deepEqual(more, [])
    }
    assert.deepEqual(derive(plain.slice(0, 2)), [])
  })

  it('values that are told again change nothing', () => {
    const full: Line[] = []
    let inForce: Told = {}
    for (const [time, told] of plain) {
      inForce = { ...inForce, ...told }
      full.push([time, inForce], [`${time}:20`, inForce])
    }
    assert.deepEqual(derive(full).map(brief), ['10:01-13:00 14000 Wh A 1x'])
  })

  it('another card while nothing charges ends it, a card that is taken away too', () => {
    const begun = plain.slice(0, 5)
    const next: readonly Line[] = [
      ['11:10', { ...charges(), ...counts(57_100, 100) }],
      ['11:20', { ...idle, ...counts(58_000, 1_000) }]
    ]
    assert.deepEqual(derive([...begun, ['11:00', { vehicle: 'B' }], ...next]).map(brief), [
      '10:01-11:00 7000 Wh A',
      '11:10-11:20 1000 Wh B'
    ])
    assert.deepEqual(derive([...begun, ['11:00', { vehicle: '' }], ...next]).map(brief), [
      '10:01-11:00 7000 Wh A',
      '11:10-11:20 1000 Wh -'
    ])
  })

  it('a card that is shown while it charges is its card; the last one counts', () => {
    const lines: readonly Line[] = [
      ['10:00', { ...idle, ...counts(0, 0) }],
      ['10:01', charges()],
      ['10:02', { vehicle: 'A', ...counts(100, 100) }],
      ['10:03', { vehicle: 'B', ...counts(300, 300) }],
      ['10:04', { vehicle: '', ...counts(500, 500) }],
      ['10:05', { ...idle, ...counts(600, 600) }]
    ]
    assert.deepEqual(derive(lines).map(brief), ['10:01-10:05 600 Wh B'])
  })

  it('a counter that begins anew is another session, with the same card and without a word between', () => {
    const lines: readonly Line[] = [
      ...plain.slice(0, 4),
      ['10:50', counts(60_100, 600)],
      ['11:20', { ...idle, ...counts(65_500, 6_000) }]
    ]
    assert.deepEqual(derive(lines).map(brief), ['10:01-10:50 9500 Wh A', '10:50-11:20 6000 Wh A'])
  })

  it('a counter that is cleared some rows after the beginning is no second session', () => {
    const late: readonly Line[] = [
      ['09:00', { ...idle, ...counts(50_000, 7_000) }],
      ['10:00', { ...charges(), vehicle: 'A' }],
      ['10:01', counts(50_020, 20)],
      ['10:30', counts(55_000, 5_000)],
      ['11:00', { ...ends, ...counts(60_000, 10_000) }],
      // The next vehicle has the same card, and no row was idle in between.
      ['11:10', charges()],
      ['11:11', counts(60_030, 30)],
      ['11:40', { ...idle, ...counts(64_000, 4_000) }]
    ]
    assert.deepEqual(derive(late).map(brief), ['10:00-11:10 10000 Wh A', '11:10-11:40 4000 Wh A'])
  })

  it('a counter that rises after the end belongs to the session that ended', () => {
    const lines: readonly Line[] = [...plain, ['13:00:30', counts(64_040, 14_040)], ['15:00', waits('B')]]
    assert.deepEqual(derive(lines).map(brief), ['10:01-13:00 14040 Wh A 1x'])
  })

  it('an edge that sees nothing of the charger for a while changes nothing where the counter goes on', () => {
    const lines: readonly Line[] = [
      ...plain.slice(0, 4),
      ['10:33', { state: 'unknown' }],
      ['10:40', { ...pauses, ...counts(57_000, 7_000) }],
      ['11:00', charges(7_000)],
      ['11:05', { state: 'unknown' }],
      ['11:30', { state: 'charging', ...counts(60_500, 10_500) }],
      ...plain.slice(6)
    ]
    assert.deepEqual(derive(lines).map(brief), ['10:01-13:00 14000 Wh A 1x'])
  })

  it('an end that nobody saw is when its energy was delivered', () => {
    const lines: readonly Line[] = [
      ...plain.slice(0, 4),
      ['10:33', { state: 'unknown' }],
      ['18:00', { ...idle, ...counts(61_000, 11_000) }]
    ]
    assert.deepEqual(derive(lines).map(brief), ['10:01-11:01 11000 Wh A estimated'])
    const weeks: readonly Line[] = [...plain.slice(0, 4), ['23T18:00', { ...idle, ...counts(61_000, 11_000) }]]
    assert.deepEqual(derive(weeks).map(brief), ['10:01-11:01 11000 Wh A estimated'])
  })

  it('the end is missing, and the next session shows it', () => {
    const lines: readonly Line[] = [
      ...plain.slice(0, 4),
      ['10:33', { state: 'unknown' }],
      ['18:00', { ...charges(), vehicle: 'B', ...counts(63_000, 2_000) }],
      ['19:00', { ...idle, ...counts(74_000, 13_000) }]
    ]
    const sessions = derive(lines)
    assert.deepEqual(
      sessions.map(({ energyWh, vehicle, estimated }) => [energyWh, vehicle, estimated]),
      [
        [11_000, 'A', true],
        [13_000, 'B', true]
      ]
    )
    assert.equal(clock(sessions[0]!.endedUs!), '11:01')
  })

  it('a whole session that nobody saw is one, estimated', () => {
    const lines: readonly Line[] = [
      ['09:00', { ...idle, ...counts(50_000, 7_000) }],
      ['09:10', { state: 'unknown' }],
      ['18:00', { ...idle, ...counts(54_000, 4_000) }]
    ]
    assert.deepEqual(
      derive(lines).map(({ energyWh, estimated }) => [energyWh, estimated]),
      [[4_000, true]]
    )
    const records: readonly Line[] = [
      ...lines.slice(0, 2),
      ['18:00', { ...charges(), vehicle: 'B', ...counts(52_000, 2_000) }],
      ['18:00:30', counts(67_090, 2_090)],
      ['18:30', { ...idle, ...counts(70_000, 5_000) }]
    ]
    assert.deepEqual(
      derive(records).map(({ energyWh, vehicle }) => [energyWh, vehicle]),
      [
        [15_000, ''],
        [5_000, 'B']
      ]
    )
  })

  it('a lifetime counter that falls takes nothing away, and one that leaps adds nothing', () => {
    const falls: readonly Line[] = [
      ...plain.slice(0, 4),
      ['10:40', counts(1_500, 7_000)],
      ['11:00', { ...idle, ...counts(2_500, 8_000) }]
    ]
    assert.deepEqual(derive(falls).map(brief), ['10:01-11:00 8000 Wh A estimated'])
    const leaps: readonly Line[] = [
      ...plain.slice(0, 4),
      ['10:40', counts(957_000, 7_000)],
      ['11:00', { ...idle, ...counts(958_000, 8_000) }]
    ]
    assert.deepEqual(derive(leaps).map(brief), ['10:01-11:00 8000 Wh A estimated'])
  })

  it('numbers that nothing on earth can have change no other session, and add nothing', () => {
    const absurd: Told = { totalWh: 9e15, sessionWh: 9e15, powerW: 9e15 }
    const lines: readonly Line[] = [
      ...plain,
      ['14:00', { ...charges(), vehicle: 'B', ...counts(64_000, 0) }],
      ['14:10', absurd],
      ['14:20', { ...idle, ...counts(66_000, 2_000) }],
      ['15:00', { ...charges(), vehicle: 'C', ...counts(66_000, 0) }],
      ['16:00', { ...idle, ...counts(70_000, 4_000) }]
    ]
    const sessions = derive(lines)
    assert.equal(brief(sessions[0]!), '10:01-13:00 14000 Wh A 1x')
    assert.equal(brief(sessions.at(-1)!), '15:00-16:00 4000 Wh C')
    assert.ok(sessions.every(({ energyWh }) => energyWh >= 0 && energyWh <= 20_000))
  })

  it('a fast charger is one too, by the power that it tells', () => {
    const lines: readonly Line[] = [
      ['10:00', { state: 'idle', status: 'Idle', totalWh: 0 }],
      ['10:01', { state: 'charging', status: 'Charging', powerW: 300_000, vehicle: 'A' }],
      ['10:11', { totalWh: 50_000 }],
      ['10:21', { ...idle, totalWh: 100_000 }]
    ]
    assert.deepEqual(derive(lines).map(brief), ['10:01-10:21 100000 Wh A'])
  })

  it('without card and status, idle ends it, unless its counter goes on', () => {
    const bare = (state: string, totalWh: number, sessionWh?: number): Told => ({
      state,
      totalWh,
      ...(sessionWh === undefined ? {} : { sessionWh })
    })
    const meter: readonly Line[] = [
      ['10:00', bare('idle', 0)],
      ['10:01', bare('charging', 100)],
      ['11:00', bare('idle', 5_000)],
      ['12:00', bare('charging', 5_100)],
      ['13:00', bare('idle', 9_000)]
    ]
    assert.deepEqual(derive(meter).map(brief), ['10:01-11:00 5000 Wh -', '12:00-13:00 4000 Wh -'])
    const counter: readonly Line[] = [
      ['10:00', bare('idle', 0, 0)],
      ['10:01', bare('charging', 100, 100)],
      ['11:00', bare('idle', 5_000, 5_000)],
      ['12:00', bare('charging', 5_100, 5_100)],
      ['13:00', bare('idle', 9_000, 9_000)],
      ['14:00', bare('charging', 9_000)],
      ['14:01', bare('charging', 9_100, 100)],
      ['15:00', bare('idle', 12_000, 3_000)]
    ]
    assert.deepEqual(derive(counter).map(brief), ['10:01-13:00 9000 Wh - 1x', '14:00-15:00 3000 Wh -'])
  })

  it('a box with an ECU ends it when no vehicle is connected', () => {
    const ecu = (state: string, status: string, totalWh: number, vehicle: string): Told => ({
      state,
      status,
      totalWh,
      vehicle
    })
    const lines: readonly Line[] = [
      ['10:00', ecu('idle', 'vehicle_connected_type2', 900, 'A')],
      ['10:01', ecu('charging', 'vehicle_charging_type2', 900, 'A')],
      ['11:00', ecu('idle', 'vehicle_connected_type2', 8_000, 'A')],
      ['11:30', ecu('charging', 'vehicle_charging_type2', 8_010, 'A')],
      ['12:00', ecu('idle', 'vehicle_connected_type2', 9_000, 'A')],
      ['13:00', ecu('idle', 'no_vehicle_connected', 9_000, '')]
    ]
    assert.deepEqual(derive(lines).map(brief), ['10:01-13:00 8100 Wh A 1x'])
  })

  it('an edge that is installed in the middle of a session counts what its counter shows', () => {
    const lines: readonly Line[] = [
      ['10:00', { ...charges(), vehicle: 'A', ...counts(4_000, 4_000) }],
      ['11:00', { ...idle, ...counts(9_000, 9_000) }]
    ]
    assert.deepEqual(derive(lines).map(brief), ['10:00-11:00 9000 Wh A estimated'])
  })

  it('energy counts in the quarter hour in which it was delivered', () => {
    const [session] = derive(plain) as [Session]
    const watts = session.curve.map(energyWh => Math.round(energyWh * 4))
    // 10:01 to 10:40 at about 11 kW, nothing until 11:00, an hour of 7 kW, then no more charging.
    assert.equal(watts.length, 8)
    assert.ok(watts[0]! > 9_000 && watts[1]! > 10_500)
    assert.deepEqual(watts.slice(3), [0, 7_000, 7_000, 7_000, 7_000])
  })
})
