// Tests the charger of the load generator (bench/load/session.ts). The true sessions come from all values that the
// charger shows at every poll. They must equal the sessions that are derived from the changes.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { cards, columns, states, words } from '../../bench/load/columns.ts'
import { Session as SimulatedCharger } from '../../bench/load/session.ts'
import { Course } from '../../src/history/derive/sessionMachine.ts'
import { changedRow } from '../../src/history/testing/generatedCharger.ts'

const pollSeconds = 30
const polls = (30 * 86_400) / pollSeconds
const fromUs = Date.UTC(2026, 9, 1) * 1000

interface Shown {
  readonly powerW: number
  readonly totalWh: number
  readonly state: string
  readonly sessionWh: number
  readonly vehicle: string
  readonly status: string
}

function shownBy(charger: SimulatedCharger): Shown {
  const units = new Float64Array(columns.length)
  charger.show(units, 0, columns.length)
  const [powerW, totalWh, , , state, sessionWh, card, word] = units as unknown as number[]
  return {
    powerW: powerW!,
    totalWh: totalWh!,
    state: states[state! - 1]!,
    sessionWh: sessionWh!,
    vehicle: cards[card! - 1]!,
    status: words[word! - 1]!
  }
}

type Told = readonly [startedUs: number, endedUs: number | null, energyWh: number, vehicle: string]

describe('the charger of the load generator', () => {
  it('its sessions of a month are derived from what changed, in number, time, energy and card', () => {
    let count = 0
    for (let seed = 1; seed <= 40; seed++) {
      const charger = new SimulatedCharger(seed)
      const truth: Told[] = []
      const derived = new Map<number, Told>()
      const course = new Course(({ startedUs, endedUs, energyWh, vehicle }) => {
        derived.set(startedUs, [startedUs, endedUs, energyWh, vehicle])
      })
      let before: Shown | undefined
      let open: { startedUs: number; totalWh: number; vehicle: string } | undefined
      // A session that began before the first poll is left out, because its beginning is unknown.
      let seenIdle = false
      for (let poll = 0; poll < polls; poll++) {
        const timeUs = fromUs + poll * pollSeconds * 1_000_000
        const shown = shownBy(charger)
        seenIdle ||= shown.status === 'Idle'
        if (seenIdle) {
          if (open === undefined && shown.state === 'charging') {
            open = { startedUs: timeUs, totalWh: before!.totalWh, vehicle: shown.vehicle }
          } else if (open !== undefined && (shown.status === 'Idle' || shown.vehicle !== open.vehicle)) {
            truth.push([open.startedUs, timeUs, shown.totalWh - open.totalWh, open.vehicle])
            open = undefined
          }
          course.take(changedRow(timeUs, before, shown))
          before = shown
        }
        charger.advance(pollSeconds)
      }
      assert.deepEqual([...derived.values()], truth, `seed ${seed}`)
      count += truth.length
    }
    assert.ok(count > 1_000, `${count} sessions`)
  })
})
