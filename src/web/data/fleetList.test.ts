import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ChargerSummary, ProblemCondition } from '../../model/api/api.ts'
import { visibleRows } from '../visible.ts'
import { compareNames, type ListSettings, listFleet, type Row } from './fleetList.ts'

const time = '2026-11-28T10:00:00.000Z'
const row = (
  name: string,
  state: string,
  watts: number | undefined,
  { site = null, problems = [] }: { site?: string | null; problems?: readonly ProblemCondition[] } = {}
): Row => {
  const values: ChargerSummary['values'] = {
    OperationState: { time, value: state },
    ...(watts !== undefined && { PowerOutput: { time, value: watts } })
  }
  const charger = { name, site, label: null, serial: null, connection: null, connectionSince: null, problems: [] }
  return { charger: { ...charger, lastSampleTime: null, values, energyTodayWh: 500 }, problems }
}
const rows = [
  row('box-1', 'charging', 7_000, { site: 'Harbour' }),
  row('box-2', 'idle', undefined, { problems: ['backlog', 'clock'] }),
  row('box-10', 'charging', 11_000, { problems: ['clock'] }),
  row('car-1', 'off', 0)
]
const usual: ListSettings = { search: '', state: '', problem: '', sort: 'name', isDescending: false }
const names = (changed: Partial<ListSettings>): readonly string[] => listFleet(rows, { ...usual, ...changed }).names

describe('fleet list', () => {
  it('searches all words in name and site, whatever their case', () => {
    assert.deepEqual(names({ search: 'BOX har' }), ['box-1'])
    assert.deepEqual(names({ search: 'nothing' }), [])
  })

  it('filters by state and by problem', () => {
    assert.deepEqual(names({ state: 'charging' }), ['box-1', 'box-10'])
    assert.deepEqual(names({ problem: 'any' }), ['box-2', 'box-10'])
    assert.deepEqual(names({ problem: 'backlog', state: 'charging' }), [])
  })

  it('sorts both ways, what is not known last, equals by name', () => {
    assert.deepEqual(names({ sort: 'power' }), ['car-1', 'box-1', 'box-10', 'box-2'])
    assert.deepEqual(names({ sort: 'power', isDescending: true }), ['box-10', 'box-1', 'car-1', 'box-2'])
    assert.deepEqual(names({ sort: 'energy', isDescending: true }), ['box-1', 'box-2', 'box-10', 'car-1'])
    assert.deepEqual(names({ isDescending: true }), ['car-1', 'box-10', 'box-2', 'box-1'])
  })

  it('counts by state and problem what the search finds, whatever the filters show', () => {
    const list = listFleet(rows, { ...usual, search: 'box', state: 'idle', problem: 'clock' })
    assert.equal(list.found, 3)
    assert.equal(list.countByState.get('charging'), 2)
    assert.equal(list.countByProblem.get('clock'), 2)
    assert.equal(list.withProblems, 2)
    assert.equal(list.powerW, 18_000)
    assert.equal(list.energyTodayWh, 1_500)
  })

  it('numbers in names count as numbers', () => {
    assert.deepEqual(['b-10', 'b-9', 'B-1', 'a'].sort(compareNames), ['a', 'B-1', 'b-9', 'b-10'])
  })
})

describe('visible rows', () => {
  it('are those in view, with some to spare, and never more than there are', () => {
    assert.deepEqual(visibleRows(-300, 800, 50, 5_000, 4), { first: 0, end: 14 })
    assert.deepEqual(visibleRows(10_000, 800, 50, 5_000, 4), { first: 196, end: 220 })
    assert.deepEqual(visibleRows(249_500, 800, 50, 5_000, 4), { first: 4_986, end: 5_000 })
    assert.deepEqual(visibleRows(90_000, 800, 50, 3, 4), { first: 3, end: 3 })
    assert.deepEqual(visibleRows(0, 800, 50, 0, 4), { first: 0, end: 0 })
  })
})
