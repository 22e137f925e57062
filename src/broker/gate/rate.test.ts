import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rateBurstMs } from './limits.ts'
import { Rate } from './rate.ts'

const limits = { messagesPerSecond: 100, bytesPerSecond: 10_000 }
const secondOf = limits.messagesPerSecond

test('a burst of a second is free, and what goes beyond is waited for', () => {
  const rate = new Rate(limits)
  assert.ok(rate.spend(secondOf, 0, 5_000) <= 0)
  assert.equal(rate.spend(10, 0, 5_000), 100)
  assert.equal(rate.spend(0, 0, 5_040), 60)
  assert.ok(rate.spend(0, 0, 5_100) <= 0)
})

test('messages and bytes are limited each for itself', () => {
  const rate = new Rate(limits)
  assert.equal(rate.spend(1, 20_000, 0), 1_000)
  assert.equal(new Rate(limits).spend(200, 1, 0), 1_000)
})

test('whoever keeps to the rate never waits, however long', () => {
  const rate = new Rate(limits)
  for (let ms = 0; ms < 600_000; ms += 50) assert.ok(rate.spend(5, 500, ms) <= 0)
})

test('silence saves up a burst and no more', () => {
  const rate = new Rate(limits)
  rate.spend(1, 1, 0)
  assert.ok(rate.spend(secondOf, 0, 3_600_000) <= 0)
  assert.equal(rate.spend(1, 0, 3_600_000), 10)
})

test('over any time nobody sends more than the rate and one burst, if he waits as told', () => {
  const rate = new Rate(limits)
  let sent = 0
  let nowMs = 0
  while (nowMs < 60_000) {
    sent += 37
    nowMs += Math.max(1, rate.spend(37, 0, nowMs))
  }
  assert.ok(sent <= (nowMs / 1000 + rateBurstMs / 1000) * secondOf + 37, `${sent} in ${nowMs} ms`)
  assert.ok(sent >= (nowMs / 1000) * secondOf * 0.95)
})

test('it tells when nothing counts any more', () => {
  const rate = new Rate(limits)
  assert.equal(rate.restsInMs(0), 0)
  rate.spend(150, 0, 1_000)
  assert.equal(rate.restsInMs(1_000), 1_500)
  assert.equal(rate.restsInMs(3_000), 0)
})
