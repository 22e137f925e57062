import assert from 'node:assert/strict'
import { test } from 'node:test'
import { progressTimeoutMs } from './limits.ts'
import { Progress } from './progress.ts'

/** A progress check with the test's counters and clock. It keeps the reports. */
function bench() {
  const counters = { inFlight: 0, committed: 0, rejectedTotal: 0 }
  const state = { nowMs: 0, fault: undefined as string | undefined, told: [] as string[] }
  const progress = new Progress({
    counters,
    now: () => state.nowMs,
    databaseFault: async () => state.fault,
    report: { stalled: reason => state.told.push(reason), resumed: () => state.told.push('resumed') }
  })
  const after = async (ms: number): Promise<void> => {
    state.nowMs += ms
    await progress.look()
  }
  return { counters, state, progress, after }
}

test('messages that wait for 30 s while none is settled and the database answers are told once', async () => {
  const { counters, state, progress, after } = bench()
  counters.inFlight = 5
  await after(progressTimeoutMs - 1)
  assert.equal(progress.stall, undefined)
  await after(1)
  const expected = 'none of the messages that wait (5) was settled for 30 s although the database answers'
  assert.equal(progress.stall, expected)
  await after(1_000)
  assert.deepEqual(state.told, [expected])
})

test('one settled message, committed or rejected, ends it', async () => {
  for (const settled of ['committed', 'rejectedTotal'] as const) {
    const { counters, state, progress, after } = bench()
    counters.inFlight = 5
    await after(progressTimeoutMs)
    counters[settled]++
    await after(1_000)
    assert.equal(progress.stall, undefined)
    await after(progressTimeoutMs - 1)
    assert.equal(state.told.length, 2)
    assert.equal(state.told[1], 'resumed')
  }
})

test('with nothing in flight there is nothing to settle', async () => {
  const { counters, state, progress, after } = bench()
  await after(progressTimeoutMs * 10)
  counters.inFlight = 1
  await after(progressTimeoutMs - 1)
  assert.equal(progress.stall, undefined)
  assert.deepEqual(state.told, [])
})

test('a database that is away is the reason itself: nothing is told until it answers', async () => {
  const { counters, state, after } = bench()
  counters.inFlight = 1
  state.fault = 'refused'
  await after(progressTimeoutMs)
  assert.deepEqual(state.told, [])
  state.fault = undefined
  await after(1_000)
  assert.equal(state.told.length, 1)
})
