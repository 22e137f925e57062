import assert from 'node:assert/strict'
import { test } from 'node:test'
import { columns, states } from './columns.ts'
import { Session } from './session.ts'

const power = 0
const total = 1
const current = 2
const limit = 3
const state = 4
const sessionEnergy = 5

/** One day of polls, 5 s apart. */
function day(seed: number): Float64Array[] {
  const session = new Session(seed)
  return Array.from({ length: 17_280 }, () => {
    session.advance(5)
    const units = new Float64Array(columns.length)
    session.show(units, 0, columns.length)
    return units
  })
}

test('energy is the sum of the power that was shown, and the lifetime total never falls', () => {
  for (let seed = 0; seed < 5; seed++) {
    const polls = day(seed)
    let wh = 0
    for (const [i, units] of polls.entries()) {
      const before = polls[i - 1]
      if (before === undefined) continue
      assert.ok(units[total]! >= before[total]!)
      wh += (before[power]! * 5) / 3_600
    }
    assert.ok(Math.abs(polls.at(-1)![total]! - polls[0]![total]! - wh) <= 1.001, `seed ${seed}`)
  }
})

test('power flows only while charging, below the limit, and fits the current', () => {
  for (const units of day(3)) {
    if (units[power]! > 0) assert.equal(states[units[state]! - 1], 'charging')
    assert.ok(units[current]! <= units[limit]! * 10)
    assert.equal(units[current] === 0, units[power]! < 12 || Math.round((units[power]! / 690) * 10) === 0)
  }
})

test('a day has sessions that ramp up, hold and taper off', () => {
  const polls = day(11)
  const seen = new Set(polls.map(units => states[units[state]! - 1]))
  assert.ok(seen.has('idle') && seen.has('charging'))
  const powers = polls.map(units => units[power]!)
  const most = Math.max(...powers)
  assert.ok(
    powers.some(watts => watts > 0 && watts < most / 4),
    'a ramp or a taper'
  )
  assert.ok(powers.filter(watts => watts > most * 0.9).length > 100, 'a plateau')
  assert.ok(
    polls.some((units, i) => i > 0 && units[sessionEnergy]! < polls[i - 1]![sessionEnergy]!),
    'a new session'
  )
})

test('chargers differ, and the same charger is always the same', () => {
  assert.deepEqual(day(5), day(5))
  assert.notDeepEqual(day(5), day(6))
})
