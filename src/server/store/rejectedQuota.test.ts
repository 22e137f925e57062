// Tests how many rejected messages each sender may keep, and when the quotas are checked.

import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { type Answer, RecordedDb } from '../../history/testing/recordedDb.ts'
import { rejectedRunMessages, rejectedRunMs } from './limits.ts'
import { evictRejected, type Quota, shareOf, watchQuotas } from './rejectedQuota.ts'

describe('the most that each may have', () => {
  const all = Number.MAX_SAFE_INTEGER
  const shares: [amounts: number[], total: number, share: number][] = [
    [[], 10, all],
    [[10], 10, all],
    [[11], 10, 10],
    [[5, 5], 10, all],
    [[5, 6], 10, 5],
    [[1, 100], 10, 9],
    [[100, 1], 10, 9],
    [[1, 2, 100, 100], 10, 3],
    [[4, 4, 4], 10, 3],
    [[7], 0, 0]
  ]
  for (const [amounts, total, share] of shares) {
    it(`of [${amounts}] with ${total} is ${share === all ? 'all' : share}`, () =>
      assert.equal(shareOf(amounts, total), share))
  }
})

function poolOf(recorded: RecordedDb) {
  const released: unknown[] = []
  const client = {
    query: recorded.query.bind(recorded),
    on() {},
    off() {},
    release: (error: unknown) => released.push(error)
  }
  return { pool: { connect: async () => client } as never, released }
}
const mine: Answer = ['pg_try_advisory_lock', [{ mine: true }]]
const limits = { recoverableBytes: 10, otherBytes: 10, days: 30 }

async function evict(...answers: Answer[]) {
  const recorded = new RecordedDb([...answers, mine])
  const { pool, released } = poolOf(recorded)
  const evicted: [Quota, number][] = []
  const report = { evicted: (quota: Quota, count: number) => void evicted.push([quota, count]) }
  const error = await evictRejected(pool, limits, report).catch((error: unknown) => error)
  return { recorded, evicted, released, error }
}
const senders = (...bytes: number[]): Answer => [
  'GROUP BY identity',
  bytes.map((size, i) => ({ identity: `c${i}`, bytes: String(size) }))
]
const oldest: Answer = ['AS newer', [{ received_at: 't', batch_id: 'b', message_index: 3 }]]

describe('rejected messages over a quota', () => {
  it('are not looked at while another server does it', async () => {
    const { recorded } = await evict(['pg_try_advisory_lock', [{ mine: false }]])
    assert.equal(recorded.asked.length, 1)
  })

  it('are taken from the senders that fill it, each down to its share', async () => {
    const { recorded } = await evict(senders(4, 8), oldest)
    assert.deepEqual(
      recorded.of('AS newer').map(({ values }) => values.slice(1)),
      [
        ['c1', 6],
        ['c1', 6]
      ],
      'in both quotas'
    )
    assert.deepEqual(recorded.of('DELETE')[1]!.values.slice(1), ['c1', 't', 'b', 3])
  })

  it('are none where a sender has exactly its share', async () => {
    const { recorded, error } = await evict(senders(5, 6), oldest)
    assert.equal(error, undefined)
    assert.deepEqual(
      recorded.of('AS newer').map(({ values }) => values[1]),
      ['c1', 'c1']
    )
  })

  it('are none where all of it fits', async () =>
    assert.equal((await evict(senders(5, 5))).recorded.of('AS newer').length, 0))

  it('are deleted in parts, and counted', async () => {
    const parts = [new Array(10_000).fill({}), new Array(5).fill({})]
    const { evicted } = await evict(['DELETE', () => parts.shift() ?? []])
    assert.deepEqual(evicted, [
      ['recoverable', 10_000],
      ['recoverable', 5]
    ])
  })

  it('give back lock and connection also when a statement fails', async () => {
    const { recorded, released, error } = await evict(['DELETE', new Error('away')])
    assert.match(String(error), /away/)
    assert.equal(recorded.of('pg_advisory_unlock').length, 1)
    assert.equal(released.length, 1)
  })
})

test('quotas are looked at first at once, then every hour, or after 100,000 more were rejected', async t => {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: 1e12 })
  const recorded = new RecordedDb([mine])
  let rejected = 0
  const stop = watchQuotas(poolOf(recorded).pool, () => rejected, { evicted() {}, failed: assert.ifError })
  const looksAfter = async (ms: number, more: number): Promise<number> => {
    const before = recorded.of('pg_try_advisory_lock').length
    rejected += more
    t.mock.timers.tick(ms)
    for (let i = 0; i < 5; i++) await turn()
    return recorded.of('pg_try_advisory_lock').length - before
  }
  assert.equal(await looksAfter(2_000, 0), 1)
  assert.equal(await looksAfter(2_000, rejectedRunMessages - 1), 0)
  assert.equal(await looksAfter(2_000, 1), 1)
  for (let ms = 2_000; ms < rejectedRunMs; ms += 2_000) assert.equal(await looksAfter(2_000, 0), 0)
  assert.equal(await looksAfter(2_000, 0), 1)
  await stop()
  assert.equal(await looksAfter(rejectedRunMs, rejectedRunMessages), 0)
})
