import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { valueNames } from '../../model/wire/chargerState.ts'
import { stateNames, Thinner, type ThinRow, type ThinStep, type Values } from './thin.ts'

const row = (seq: number, seconds: number, values: Values, more: Partial<ThinRow> = {}): ThinRow => ({
  seq,
  group: 'wb',
  timeMs: seconds * 1_000,
  values,
  repeats: false,
  ...more
})

/** The remaining rows after one step, as [seq, names]. */
function left(step: ThinStep, rows: readonly ThinRow[], thinner = new Thinner()): [number, string[]][] {
  const changed = thinner.thin(step, rows)
  return rows
    .map(({ seq, values }): [number, string[]] => [seq, Object.keys(changed.get(seq)?.values ?? values)])
    .filter(([, names]) => names.length > 0)
}

const polled = { PowerOutput: 1, OutputCurrent: 2, SessionEnergy: 3, TotalEnergyConsumption: 4 }

test('measurements stay once a minute, then once a quarter of an hour, then not; the total stays', () => {
  const rows = Array.from({ length: 200 }, (_, i) => row(i, i * 10, polled))
  const whole = (step: ThinStep) => left(step, rows).filter(([, names]) => names.length === 4)
  assert.deepEqual(
    whole(1)
      .map(([seq]) => seq)
      .slice(0, 4),
    [0, 6, 12, 18]
  )
  assert.deepEqual(
    whole(2).map(([seq]) => seq),
    [0, 90, 180]
  )
  assert.deepEqual(whole(3), [])
  for (const step of [1, 2, 3] as const) {
    assert.equal(left(step, rows).length, 200)
    assert.ok(left(step, rows).every(([, names]) => names.includes('TotalEnergyConsumption')))
  }
})

test('a minute is kept over the end of a page, for each charger by itself', () => {
  const thinner = new Thinner()
  const power = { PowerOutput: 1 }
  assert.deepEqual(left(1, [row(1, 0, power), row(2, 10, power)], thinner), [[1, ['PowerOutput']]])
  const next = [row(3, 20, power), row(4, 20, power, { group: 'other' }), row(5, 60, power)]
  assert.deepEqual(
    left(1, next, thinner).map(([seq]) => seq),
    [4, 5]
  )
})

test('a sample that tells a change loses its measurements and nothing else', () => {
  const change: Values = { ...polled, OperationState: 'charging', ChargerStatus: 'Charging' }
  assert.deepEqual(left(3, [row(1, 0, change)]), [[1, ['TotalEnergyConsumption', 'OperationState', 'ChargerStatus']]])
})

test('states go only where they repeat what was known', () => {
  const state: Values = { OperationState: 'idle', ChargerStatus: 'Idle', TotalEnergyConsumption: 1 }
  assert.deepEqual(left(4, [row(1, 0, state), row(2, 10, state, { repeats: true })]), [
    [1, ['OperationState', 'ChargerStatus', 'TotalEnergyConsumption']],
    [2, ['TotalEnergyConsumption']]
  ])
})

describe('of an hour the first and the last total stay', () => {
  const total = (seq: number, seconds: number) => row(seq, seconds, { TotalEnergyConsumption: seq })

  test('within a page', () => {
    const rows = [0, 10, 20, 3_599, 3_600, 3_610, 7_200].map((seconds, i) => total(i, seconds))
    assert.deepEqual(
      left(5, rows).map(([seq]) => seq),
      [0, 3, 4, 5, 6]
    )
  })

  test('over pages of any size', () => {
    const rows = Array.from({ length: 1_000 }, (_, i) => total(i, i * 30))
    for (const size of [1, 7, 128]) {
      const thinner = new Thinner()
      const gone = new Set<number>()
      for (let at = 0; at < rows.length; at += size) {
        for (const seq of thinner.thin(5, rows.slice(at, at + size)).keys()) gone.add(seq)
      }
      const stays = rows.filter(({ seq }) => !gone.has(seq)).map(({ seq }) => seq % 120)
      assert.deepEqual(new Set(stays), new Set([0, 119, (1_000 % 120) - 1]))
    }
  })

  test('and a step that is applied again takes no more', () => {
    const rows = Array.from({ length: 500 }, (_, i) => total(i, i * 30))
    const once = new Set(new Thinner().thin(5, rows).keys())
    const rest = rows.filter(({ seq }) => !once.has(seq))
    assert.equal(new Thinner().thin(5, rest).size, 0)
  })
})

test('every value is a measurement, the energy counter or a state', () => {
  assert.equal(stateNames.length, valueNames.length - 4)
})
