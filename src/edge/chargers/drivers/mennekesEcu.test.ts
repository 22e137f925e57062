import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { chargerContract } from '../../testing/chargerContract.ts'
import { mapState, mennekesEcu } from './mennekesEcu.ts'

const good = ['conn_state:vehicle_charging_type2', 'meter_wh:11558', 'power_w:10717', 'current_a:15.6', 'wlan_state:up']

describe('the contract of a driver', () =>
  chargerContract({
    driver: mennekesEcu,
    fixtures: new URL('./fixtures/mennekes-ecu/', import.meta.url),
    bodyOf: ({ fullState }) => `${(fullState as string[]).join('\r\n')}\r\n`,
    call: '/rest/full_state',
    good: { body: good.join('\n'), powerWatts: 10_717 }
  }))

describe('every word and IEC letter has its operation state', () => {
  const table: [word: string | undefined, letter: string | undefined, state: string][] = [
    ['vehicle_charging_type2', 'c', 'charging'],
    ['vehicle_charging_schuko', undefined, 'charging'],
    ['vehicle_connected_type2', 'b', 'idle'],
    ['no_vehicle_connected', 'a', 'idle'],
    ['no_vehicle_connected', 'F1', 'unscheduled_downtime'],
    ['vehicle_charging_type2', 'e', 'unscheduled_downtime'],
    [undefined, 'C2', 'charging'],
    [undefined, 'd', 'charging'],
    [undefined, 'a1', 'idle'],
    [undefined, 'b', 'idle'],
    [undefined, undefined, 'unknown'],
    ['rebooting', 'a', 'unknown'],
    ['', '', 'unknown']
  ]
  for (const [word, letter, state] of table) {
    test(`${word} with ${letter} is ${state}`, () => {
      const lines = Object.entries({ conn_state: word, type2_state: letter }).filter(([, value]) => value !== undefined)
      assert.equal(mapState(new Map(lines as [string, string][])).values.OperationState, state)
    })
  }
})

test('the limit is what is signalled to the vehicle, and without one what would be', () => {
  const limitOf = (lines: Record<string, string>) =>
    mapState(new Map(Object.entries(lines))).values.MaximumOutputCurrent
  const limits = { sig_current: '0', energy_man_current: '10', max_current: '32' }
  assert.equal(limitOf({ conn_state: 'vehicle_connected_type2', ...limits }), 0)
  assert.equal(limitOf({ conn_state: 'no_vehicle_connected', ...limits }), 10)
  assert.equal(limitOf({ type2_state: 'a', sig_current: '0', max_current: '32' }), 32)
  assert.equal(limitOf({ type2_state: 'b', ...limits, sig_current: '16' }), 16)
  assert.equal(limitOf({ type2_state: 'a', sig_current: '0' }), 0)
})

test('power is plausible up to phases x 80 A x 400 V, and never above 50 kW', () => {
  const powerOf = (watts: number, phases?: number) =>
    mapState(new Map([['power_w', String(watts)]]), phases).values.PowerOutput
  assert.deepEqual([powerOf(50_000), powerOf(50_001), powerOf(-1)], [50_000, undefined, undefined])
  assert.deepEqual([powerOf(32_000, 1), powerOf(32_001, 1)], [32_000, undefined])
})
