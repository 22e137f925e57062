import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ReadingsAnswer } from '../../model/api/api.ts'
import { chartData, continued, resolutionFor, spans, stateSpans } from './chartData.ts'

const at = (second: number): string => `2026-11-28T10:00:${String(second).padStart(2, '0')}.000Z`
const answer = (rows: ReadingsAnswer['rows']): ReadingsAnswer => ({
  charger: 'a',
  from: at(0),
  to: at(59),
  resolution: 'raw',
  timeZone: 'UTC',
  columns: ['time', 'OperationState', 'PowerOutput', 'OutputCurrent', 'MaximumOutputCurrent'],
  rows
})

describe('chart data', () => {
  it('is what the answer has: power in kW, current in A beside its limit, states', () => {
    const readings = answer([
      [at(1), 'idle', 0, null, 16],
      [at(5), 'charging', 7_200, 10.5, 16]
    ])
    const power = chartData(readings, 'power')
    assert.deepEqual(power.times, [Date.parse(at(1)) / 1000, Date.parse(at(5)) / 1000])
    assert.deepEqual(power.values, [0, 7.2])
    assert.deepEqual(power.bounds, [])
    assert.deepEqual(power.states, ['idle', 'charging'])
    const current = chartData(readings, 'current')
    assert.deepEqual(
      [current.values, current.bounds],
      [
        [null, 10.5],
        [16, 16]
      ]
    )
  })

  it('of buckets is mean and most, and energy in kWh', () => {
    const buckets: Pick<ReadingsAnswer, 'columns' | 'rows'> = {
      columns: ['time', 'powerMeanW', 'powerMaxW', 'energyWh', 'state'],
      rows: [[at(0), 5_000, 7_000, 1_250, 'charging']]
    }
    const power = chartData(buckets, 'power')
    assert.deepEqual([power.values, power.bounds], [[5], [7]])
    assert.deepEqual(chartData(buckets, 'energy').values, [1.25])
  })

  it('what is asked for again replaces the row from which it was asked, and what is too old goes', () => {
    const before = answer([
      [at(1), 'idle', 1, 0, 16],
      [at(5), 'idle', 5, 0, 16],
      [at(9), 'idle', 9, 0, 16]
    ])
    const tail = answer([
      [at(9), 'idle', 9, 0, 16],
      [at(12), 'idle', 12, 0, 16]
    ])
    assert.deepEqual(
      continued(before, tail, Date.parse(at(4))).rows.map(row => row[0]),
      [at(5), at(9), at(12)]
    )
    assert.deepEqual(
      continued(before, answer([]), Date.parse(at(4))).rows.map(row => row[0]),
      [at(5), at(9)]
    )
  })

  it('no span has more points than can be drawn', () => {
    const bucketSeconds = { raw: 5, '1m': 60, '15m': 900, '1h': 3_600, '1d': 86_400 }
    for (const { ms } of spans) {
      for (const kind of ['power', 'energy'] as const) {
        const points = ms / 1000 / bucketSeconds[resolutionFor(ms, kind)]
        assert.ok(points >= 24 && points <= 1_500, `${ms} ms, ${kind}: ${points}`)
      }
    }
  })

  it('neighbours of one state are one span, and what is not known is none', () => {
    const spansFound = stateSpans({ times: [1, 2, 3, 5, 8], states: ['idle', 'idle', null, 'charging', 'off'] }, 10)
    assert.deepEqual(spansFound, [
      { state: 'idle', from: 1, to: 3 },
      { state: 'charging', from: 5, to: 8 },
      { state: 'off', from: 8, to: 10 }
    ])
  })
})
