import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../src/model/testing/random.ts'
import { Histogram, highestUs } from './histogram.ts'

test('percentiles are those of the sorted values, within 1.6 %', () => {
  const random = seededRandom(1)
  const histogram = new Histogram()
  const values = Array.from({ length: 20_000 }, () => Math.exp(random() * 14) / 1000)
  for (const ms of values) histogram.recordMs(ms)
  const sorted = values.sort((a, b) => a - b)
  for (const share of [0.01, 0.5, 0.9, 0.99, 0.999, 1]) {
    const exact = sorted[Math.ceil(share * sorted.length) - 1]!
    const found = histogram.atMs(share)
    assert.ok(Math.abs(found - exact) <= exact * 0.016 + 0.001, `${share}: expected ${exact}, found ${found}`)
  }
})

test('what several processes recorded is merged without loss, through JSON', () => {
  const [whole, one, two] = [new Histogram(), new Histogram(), new Histogram()]
  for (let i = 1; i <= 1_000; i++) {
    whole.recordMs(i / 3)
    ;(i % 2 === 0 ? one : two).recordMs(i / 3)
  }
  const merged = new Histogram()
  for (const part of [one, two]) merged.add(JSON.parse(JSON.stringify(part.counts())), part.maxUs)
  assert.equal(merged.count, whole.count)
  assert.deepEqual(merged.percentilesMs(), whole.percentilesMs())
})

test('the maximum is exact, nothing recorded is not a number, and reset forgets', () => {
  const histogram = new Histogram()
  assert.ok(Number.isNaN(histogram.atMs(0.5)))
  for (const ms of [0, 0.001, 12.345]) histogram.recordMs(ms)
  assert.equal(histogram.percentilesMs().max, 12.345)
  histogram.reset()
  assert.equal(histogram.count, 0)
  assert.ok(Number.isNaN(histogram.percentilesMs().max))
})

test('buckets follow one another without gap or overlap', () => {
  for (let bucket = 1; bucket < 1_500; bucket++) {
    const histogram = new Histogram()
    histogram.recordMs((highestUs(bucket - 1) + 1) / 1000)
    histogram.recordMs(highestUs(bucket) / 1000)
    assert.deepEqual(histogram.counts(), [[bucket, 2]])
  }
})
