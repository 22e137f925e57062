import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isTrustworthy, nextSamplingTime } from './clock.ts'

test('sampling times rise, also when the clock steps back or stands', () => {
  assert.equal(nextSamplingTime(1_000.9, undefined), 1_000)
  assert.equal(nextSamplingTime(1_001, 1_000), 1_001)
  assert.equal(nextSamplingTime(1_000, 1_000), 1_001)
  assert.equal(nextSamplingTime(500, 1_000), 1_001)
})

test('a clock before 2025 was never set', () => {
  assert.equal(isTrustworthy(0), false)
  assert.equal(isTrustworthy(Date.UTC(2024, 11, 31, 23, 59, 59)), false)
  assert.equal(isTrustworthy(Date.UTC(2025, 0, 1)), true)
})
