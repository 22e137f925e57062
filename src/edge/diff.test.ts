import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ChargerValues } from '../model/wire/chargerState.ts'
import { diff, type KnownValues, remember } from './diff.ts'

const heartbeatMs = 1_000
const known: KnownValues = {
  OperationState: { value: 'idle', timeMs: 5_000 },
  PowerOutput: { value: 0, timeMs: 5_500 },
  ConnectedVehicle: { value: '', timeMs: 5_900 }
}

describe('only news is spooled', () => {
  const table: [name: string, values: Partial<ChargerValues>, timeMs: number, expected: Partial<ChargerValues>][] = [
    ['nothing changed', { OperationState: 'idle', PowerOutput: 0 }, 5_999, {}],
    ['one value changed', { OperationState: 'charging', PowerOutput: 0 }, 5_999, { OperationState: 'charging' }],
    ['a value told for the first time', { SessionEnergy: 0 }, 5_999, { SessionEnergy: 0 }],
    ['a value not told stays as it was', {}, 5_999, {}],
    ['the empty text is a value', { ConnectedVehicle: '' }, 5_999, {}],
    [
      'a silent value has a heartbeat, the others have not',
      { OperationState: 'idle', PowerOutput: 0 },
      6_000,
      { OperationState: 'idle' }
    ],
    ['a silent value that is not told has none', { PowerOutput: 0 }, 6_000, {}],
    ['a text that looks like a number', { ConnectedVehicle: '0' }, 5_999, { ConnectedVehicle: '0' }]
  ]
  for (const [name, values, timeMs, expected] of table) {
    test(name, () =>
      assert.deepEqual(
        diff(known, values, last => timeMs - last.timeMs, heartbeatMs),
        expected
      )
    )
  }
})

test('a remembered value keeps its own sampling time', () => {
  const next = remember(known, { PowerOutput: 7 }, { timeMs: 6_100 })
  assert.deepEqual(next, { ...known, PowerOutput: { value: 7, timeMs: 6_100 } })
  assert.equal(known.PowerOutput?.value, 0)
})

test('the order on the wire is the order of the model, whatever the driver said first', () => {
  const changed = diff({}, { ChargerStatus: 'Idle', PowerOutput: 1, OperationState: 'idle' }, () => 0, 1)
  assert.deepEqual(Object.keys(changed), ['OperationState', 'PowerOutput', 'ChargerStatus'])
})
