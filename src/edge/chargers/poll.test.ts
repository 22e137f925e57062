import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OperationState } from '../../model/wire/chargerState.ts'
import { PollError, type Sample } from './charger.ts'
import { type PollOptions, pauseMs, pollForever } from './poll.ts'

const sampleOf = (state: OperationState): Sample => ({
  arrivedMonotonicMs: 0,
  values: { OperationState: state },
  implausible: []
})

/**
 * Polls through the script. Each poll takes `tookMs` and uses the next entry. Returns the results and faults that were
 * reported, and the pauses between the starts.
 */
async function run(script: (OperationState | Error)[], options: Partial<PollOptions> = {}, tookMs = 0) {
  const stop = new AbortController()
  const seen: string[] = []
  const starts: number[] = []
  let nowMs = 0
  let running = 0
  await pollForever(
    {
      charger: {
        poll: async () => {
          running++
          assert.equal(running, 1, 'two polls at the same time')
          starts.push(nowMs)
          await new Promise(resolve => setImmediate(resolve))
          nowMs += tookMs
          running--
          const next = script.shift()!
          if (script.length === 0) setImmediate(() => stop.abort())
          if (next instanceof Error) throw next
          return sampleOf(next)
        }
      },
      onSample: sample => seen.push(String(sample.values.OperationState)),
      onMiss: error => seen.push(error.code),
      onFault: error => seen.push((error as Error).message),
      monotonicMs: () => nowMs,
      wait: async ms => {
        assert.ok(ms >= 0)
        nowMs += ms
        await new Promise(resolve => setImmediate(resolve))
      },
      ...options
    },
    stop.signal
  )
  return { seen, pauses: starts.slice(1).map((start, i) => start - starts[i]!) }
}

const timeout = new PollError('timeout', 'late')

test('10 s while charging and 30 s otherwise, from start to start', async () => {
  const { pauses } = await run(['idle', 'charging', 'charging', 'idle', 'idle', 'idle'], {}, 3_000)
  assert.deepEqual(pauses, [30_000, 10_000, 10_000, 30_000, 30_000])
})

test('a given interval holds always', async () => {
  const { pauses } = await run(['idle', 'charging', 'idle', 'idle'], { intervalMs: 700 })
  assert.deepEqual(pauses, [700, 700, 700])
})

test('a poll that takes longer than the interval delays the next one', async () => {
  const { pauses } = await run(['idle', 'idle', 'idle'], { intervalMs: 500 }, 2_000)
  assert.deepEqual(pauses, [2_000, 2_000])
})

test('a charger that does not answer is asked less often, and at the old pace once it answers', async () => {
  const script = ['charging', ...Array(7).fill(timeout), 'charging', 'charging', 'idle'] as (OperationState | Error)[]
  const { pauses, seen } = await run(script)
  assert.deepEqual(
    pauses.map(ms => ms / 1000),
    [10, 10, 10, 20, 40, 80, 120, 120, 10, 10]
  )
  assert.equal(seen.filter(event => event === 'timeout').length, 7)
})

test('an interval longer than the backoff is never shortened by it', () => {
  assert.equal(pauseMs(600_000, 9), 600_000)
  assert.equal(pauseMs(100, 0), 100)
  assert.equal(pauseMs(100, 1_000_000), 120_000)
})

test('a fault of our own is told and polling goes on', async () => {
  const { seen } = await run(['idle', new TypeError('oops'), 'idle', 'idle'])
  assert.deepEqual(seen, ['idle', 'oops', 'idle', 'idle'])
})

test('what throws while a sample is taken does not end the loop', async () => {
  let taken = 0
  const { seen } = await run(['idle', 'idle', 'idle'], {
    onSample: () => {
      taken++
      throw new Error('disk full')
    }
  })
  assert.equal(taken, 3)
  assert.deepEqual(seen, ['disk full', 'disk full', 'disk full'])
})
