import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clipped, merged, mergedByCharger, quarterOf, quartersOf } from './ranges.ts'

const quarter = 900_000
const range = (chargerId: number, fromMs: number, toMs: number) => ({ chargerId, fromMs, toMs })

test('a range touches the quarter hours that hold its first and its last moment', () => {
  assert.equal(quarterOf(quarter - 1), 0)
  assert.equal(quarterOf(quarter), quarter)
  assert.deepEqual(quartersOf(range(1, quarter - 1, quarter)), range(1, 0, quarter))
  assert.deepEqual(quartersOf(range(1, quarter - 1, quarter + 1)), range(1, 0, 2 * quarter))
  assert.deepEqual(quartersOf(range(1, quarter, quarter + 1)), range(1, quarter, 2 * quarter))
})

test('what lies outside of the bounds is left out', () => {
  const ranges = [range(1, 0, 10), range(2, 10, 20), range(3, 5, 15)]
  assert.deepEqual(clipped(ranges, 10), [range(2, 10, 20), range(3, 10, 15)])
  assert.deepEqual(clipped(ranges, -Infinity, 10), [range(1, 0, 10), range(3, 5, 10)])
})

test('ranges of one charger that overlap or are near become one, those of others stay apart', () => {
  const ranges = [range(2, 0, 5), range(1, 20, 30), range(1, 0, 10), range(1, 5, 7), range(1, 12, 15)]
  assert.deepEqual(mergedByCharger(ranges), [range(1, 0, 10), range(1, 12, 15), range(1, 20, 30), range(2, 0, 5)])
  assert.deepEqual(mergedByCharger(ranges, 2), [range(1, 0, 15), range(1, 20, 30), range(2, 0, 5)])
})

test('all ranges together cover each moment once', () => {
  const ranges = [range(1, 10, 20), range(2, 0, 5), range(3, 20, 25), range(4, 12, 13)]
  assert.deepEqual(merged(ranges), [
    { fromMs: 0, toMs: 5 },
    { fromMs: 10, toMs: 25 }
  ])
  assert.deepEqual(merged([]), [])
})
