import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ChargerSummary } from '../../model/api/api.ts'
import { FleetStore } from './fleetStore.ts'

const at = (second: number): string => `2026-11-28T10:00:${String(second).padStart(2, '0')}.000Z`
const summary = (name: string, values: ChargerSummary['values'] = {}): ChargerSummary => ({
  name,
  site: null,
  label: null,
  serial: null,
  connection: 'online',
  connectionSince: at(0),
  lastSampleTime: at(0),
  values,
  energyTodayWh: 1_000,
  problems: []
})
const power = (second: number, value: number) =>
  ({ charger: 'a', name: 'PowerOutput', time: at(second), value }) as const

describe('fleet store', () => {
  it('a value only moves forward in time, whether it comes live or with the list', () => {
    const fleet = new FleetStore()
    fleet.readings([power(5, 5_000)])
    fleet.load([summary('a', { PowerOutput: { time: at(3), value: 3_000 } })])
    assert.equal(fleet.chargers.get('a')!.values.PowerOutput!.value, 5_000)
    assert.equal(fleet.chargers.get('a')!.lastSampleTime, at(5))
    fleet.readings([power(4, 4_000), power(6, 6_000), power(6, 1)])
    assert.equal(fleet.chargers.get('a')!.values.PowerOutput!.value, 6_000)
    fleet.load([summary('a', { PowerOutput: { time: at(9), value: 9_000 } })])
    assert.equal(fleet.chargers.get('a')!.values.PowerOutput!.value, 9_000)
  })

  it('a charger that no list told of appears with its first live value, and goes when the list has it no more', () => {
    const fleet = new FleetStore()
    fleet.load([summary('b')])
    fleet.readings([power(1, 1)])
    assert.deepEqual([...fleet.chargers.keys()], ['b', 'a'])
    fleet.load([summary('b')])
    assert.deepEqual([...fleet.chargers.keys()], ['b'])
  })

  it('energy of today grows with the lifetime counter', () => {
    const fleet = new FleetStore()
    fleet.load([summary('a', { TotalEnergyConsumption: { time: at(0), value: 50_000 } })])
    fleet.readings([{ charger: 'a', name: 'TotalEnergyConsumption', time: at(2), value: 50_250 }])
    assert.equal(fleet.chargers.get('a')!.energyTodayWh, 1_250)
  })

  it('an older connection never overrides a newer one', () => {
    const fleet = new FleetStore()
    fleet.connections([{ charger: 'a', state: 'offline', since: at(7) }])
    fleet.connections([{ charger: 'a', state: 'online', since: at(6) }])
    fleet.load([summary('a')])
    assert.equal(fleet.chargers.get('a')!.connection, 'offline')
  })
})
