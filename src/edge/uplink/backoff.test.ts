import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Backoff, reconnectBoundMs } from './backoff.ts'
import { connectStartDelayMsMax, reconnectDeniedDelayMsMin, reconnectLostDelayMsMax } from './limits.ts'

const names = Array.from({ length: 10_000 }, (_, i) => `charger-${String(i).padStart(5, '0')}`)

/** Counts the delays in each tenth of the bound. */
function tenths(delays: readonly number[], boundMs: number): number[] {
  const counts = new Array<number>(10).fill(0)
  for (const delay of delays) counts[Math.floor((10 * delay) / boundMs)]!++
  return counts
}

describe('ten thousand edges that lose their server in one moment come back spread out', () => {
  test('after a good connection: evenly over ten seconds, the same for a name every time', () => {
    const delays = names.map(name => new Backoff(name).nextMs('lost'))
    for (const count of tenths(delays, reconnectLostDelayMsMax)) assert.ok(count > 900 && count < 1_100, `${count}`)
    assert.deepEqual(
      delays,
      names.map(name => new Backoff(name).nextMs('lost'))
    )
  })

  test('at process start: over one second, so that an installer hardly notices', () => {
    const delays = names.map(name => new Backoff(name).startMs())
    for (const count of tenths(delays, connectStartDelayMsMax)) assert.ok(count > 900 && count < 1_100, `${count}`)
  })

  test('when the server stays away: by chance, not by name', () => {
    const delays = names.map(name => {
      const backoff = new Backoff(name)
      for (let i = 0; i < 8; i++) backoff.nextMs('failed')
      return backoff.nextMs('failed')
    })
    for (const count of tenths(delays, 120_001)) assert.ok(count > 850 && count < 1_150, `${count}`)
  })
})

test('the pause doubles from one second to two minutes', () => {
  const seconds = Array.from({ length: 10 }, (_, failures) => reconnectBoundMs(failures) / 1_000)
  assert.deepEqual(seconds, [1, 2, 4, 8, 16, 32, 64, 120, 120, 120])
  assert.equal(reconnectBoundMs(100_000), 120_000)
})

test('only a proven connection makes the pause small again', () => {
  const backoff = new Backoff('wb', () => 1)
  const first = backoff.nextMs('lost')
  assert.deepEqual(
    [backoff.nextMs('lost'), backoff.nextMs('failed'), backoff.nextMs('lost')],
    [2_000, 4_000, 8_000],
    'a connection that is lost early does not start over'
  )
  backoff.proven()
  assert.equal(backoff.nextMs('lost'), first)
})

test('who is denied by name waits for half a minute at least, and for two minutes at most', () => {
  for (const random of [0, 0.5, 1]) {
    const backoff = new Backoff('wb', () => random)
    const delays = Array.from({ length: 12 }, () => backoff.nextMs('denied'))
    assert.ok(delays.every(delay => delay >= reconnectDeniedDelayMsMin && delay <= 120_000))
    assert.equal(delays.at(-1), 30_000 + random * 90_000)
  }
})
