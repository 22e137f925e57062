// Tests when the database counts as lost, and when its background jobs are checked.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { DatabaseWatch, faultOf } from './databaseWatch.ts'

function bench(t: TestContext) {
  const state = { isAway: false, hasTimescale: true, failedJobs: 0, nowMs: 0, looks: 0 }
  t.mock.method(performance, 'now', () => state.nowMs)
  const told: string[] = []
  const db = {
    query: async (query: string | { text: string }) => {
      if (state.isAway) throw new Error('refused')
      const text = typeof query === 'string' ? query : query.text
      if (text.includes('to_regclass')) {
        state.looks++
        return { rows: [{ yes: state.hasTimescale }] }
      }
      return { rows: [{ count: state.failedJobs }] }
    }
  } as never
  const watch = new DatabaseWatch(db, {
    lost: reason => told.push(`lost: ${reason}`),
    found: () => told.push('found'),
    jobsFailed: count => told.push(`${count} failed`)
  })
  return { state, told, watch, db }
}

test('once may be a moment: only the second look in turn loses the database, the first one finds it', async t => {
  const { state, told, watch } = bench(t)
  state.isAway = true
  await watch.look()
  assert.deepEqual([watch.isUp, told], [true, []])
  await watch.look()
  assert.deepEqual([watch.isUp, watch.fault, told], [false, 'refused', ['lost: refused']])
  await watch.look()
  assert.equal(told.length, 1, 'told once')
  state.isAway = false
  await watch.look()
  assert.deepEqual([watch.isUp, told.slice(1)], [true, ['found']])
})

test('a look that finds it in between begins the count anew', async t => {
  const { state, told, watch } = bench(t)
  for (const isAway of [true, false, true, false]) {
    state.isAway = isAway
    await watch.look()
  }
  assert.deepEqual(told, [])
})

test('jobs are looked at with the first look, then after more than a minute, and told when more of them fail', async t => {
  const { state, told, watch } = bench(t)
  state.failedJobs = 1
  await watch.look()
  state.nowMs = 60_000
  await watch.look()
  assert.equal(state.looks, 1)
  for (const failedJobs of [1, 3, 2, 0, 1]) {
    state.nowMs += 60_001
    state.failedJobs = failedJobs
    await watch.look()
    assert.equal(watch.failedJobs, failedJobs)
  }
  assert.deepEqual(told, ['1 failed', '3 failed', '1 failed'])
})

test('without TimescaleDB no job fails', async t => {
  const { state, watch } = bench(t)
  state.hasTimescale = false
  state.failedJobs = 5
  await watch.look()
  assert.equal(watch.failedJobs, 0)
})

test('jobs are not looked at while the database is away', async t => {
  const { state, watch } = bench(t)
  state.isAway = true
  await watch.look()
  await watch.look()
  assert.equal(state.looks, 0)
})

test('a database has no fault when it answers, and its error is the fault', async t => {
  const { state, db } = bench(t)
  assert.equal(await faultOf(db), undefined)
  state.isAway = true
  assert.equal(await faultOf(db), 'refused')
})
