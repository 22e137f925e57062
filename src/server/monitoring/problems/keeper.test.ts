// Tests the keeper of the problems, which runs on one of several servers. The tests check when it reads and writes the
// problems, and when it repeats a webhook.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { RecordedDb } from '../../../history/testing/recordedDb.ts'
import type { Problem } from '../../../model/api/api.ts'
import { ProblemKeeper } from './keeper.ts'
import { webhookAfterMs, webhookPauseMsMax, webhookPauseMsMin } from './limits.ts'
import { signatureOf, type WebhookTarget } from './webhook.ts'

const startMs = Date.parse('2026-10-01T00:00:00Z')
const problem: Problem = { charger: 'w1', condition: 'offline', cause: 'Away.', since: '2026-10-01T00:00:00.000Z' }

function bench(webhook?: WebhookTarget) {
  const state = { nowMs: startMs, hasLease: true, looked: 1, problems: [problem], isAway: false }
  const told: string[] = []
  const recorded = new RecordedDb([
    [
      'INSERT INTO problems_lease',
      () => {
        if (state.isAway) throw new Error('away')
        return state.hasLease ? [{}] : []
      }
    ],
    ['FROM problems WHERE', []]
  ])
  const keeper = new ProblemKeeper({
    db: recorded.db,
    node: 'n1',
    problems: {
      list: () => state.problems.values() as never,
      get looked() {
        return state.looked
      },
      chargers: 3
    },
    webhook,
    now: () => state.nowMs,
    report: {
      notKept: ({ message }) => told.push(`not kept: ${message}`),
      told: (opened, closed) => told.push(`told ${opened} ${closed}`),
      notTold: ({ message }) => told.push(`not told: ${message}`)
    }
  })
  const after = async (ms: number): Promise<void> => {
    state.nowMs += ms
    await keeper.round()
  }
  /** Lets `ms` pass in rounds of at most a minute, which keep the lease. */
  const later = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 60_000) await after(Math.min(left, 60_000))
  }
  const loads = (): number => recorded.of('FROM problems WHERE').length
  return { state, told, recorded, keeper, after, later, loads }
}

test('before the first look nothing is known, and nothing written', async () => {
  const { state, recorded, after } = bench()
  state.looked = 0
  await after(0)
  assert.deepEqual(recorded.asked, [])
})

test('without the lease another server keeps the problems', async () => {
  const { state, recorded, after, loads } = bench()
  state.hasLease = false
  await after(0)
  assert.equal(recorded.of('INSERT INTO problems (').length + loads(), 0)
})

test('problems are read once and written when they change, as long as rounds keep the lease', async () => {
  const { recorded, after, loads } = bench()
  await after(0)
  await after(10_000)
  await after(60_000)
  assert.equal(loads(), 1)
  assert.equal(recorded.of('INSERT INTO problems (').length, 1)
})

test('after a pause longer than the lease they are read anew: another server may have written', async () => {
  const { after, loads } = bench()
  await after(0)
  await after(60_001)
  assert.equal(loads(), 2)
})

test('after the lease was with another server they are read anew', async () => {
  const { state, after, loads } = bench()
  await after(0)
  state.hasLease = false
  await after(10_000)
  state.hasLease = true
  await after(10_000)
  assert.equal(loads(), 2)
})

test('a database that is away is told once, until it answers', async () => {
  const { state, told, after } = bench()
  for (const isAway of [true, true, false, true]) {
    state.isAway = isAway
    await after(10_000)
  }
  assert.deepEqual(told, ['not kept: away', 'not kept: away'])
})

test('what is gone is deleted at once where nobody is told', async () => {
  const { state, recorded, after } = bench()
  await after(0)
  state.problems = []
  await after(10_000)
  assert.deepEqual(recorded.of('DELETE FROM problems')[0]!.values, [['w1'], ['offline']])
})

/** Starts a receiver that answers with the status of the test. It keeps the posts that it received. */
async function receiver(t: TestContext) {
  const state = { status: 500 }
  const posts: { signature: string; body: string }[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    posts.push({ signature: String(request.headers['x-chargelift-signature']), body })
    response.writeHead(state.status).end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return { state, posts, target: { url, secret: 'a secret of 20 signs' } }
}

test('a message that is not taken is made again after a pause that doubles, up to a bound', async t => {
  const { state: answer, posts, target } = await receiver(t)
  const { told, keeper, after, later } = bench(target)
  await after(0)
  await later(webhookAfterMs - 1)
  assert.equal(posts.length, 0)
  await later(1)
  assert.equal(posts.length, 1)
  for (
    let pauseMs = webhookPauseMsMin, sent = 1;
    sent < 10;
    pauseMs = Math.min(pauseMs * 2, webhookPauseMsMax), sent++
  ) {
    await later(pauseMs - 1)
    assert.equal(posts.length, sent, `${pauseMs - 1} ms after attempt ${sent}`)
    await later(1)
    assert.equal(posts.length, sent + 1, `${pauseMs} ms after attempt ${sent}`)
  }
  assert.deepEqual(told, ['not told: expected an answer of 200 to 299, found 500'])

  answer.status = 204
  await later(webhookPauseMsMax)
  await later(webhookPauseMsMax)
  assert.deepEqual(told.slice(1), ['told 1 0'], 'once')
  assert.deepEqual(
    [...keeper.posts],
    [
      ['delivered', 1],
      ['failed', 10]
    ]
  )
})

test('a message is signed over its time and its body', async t => {
  const { state, posts, target } = await receiver(t)
  state.status = 200
  const { after, later } = bench(target)
  await after(0)
  await later(webhookAfterMs)
  const [{ signature, body }] = posts as [(typeof posts)[0]]
  const seconds = Number(/^t=(\d+),v1=/.exec(signature)![1])
  assert.equal(signature, signatureOf(target.secret, seconds, body))
  assert.notEqual(signature, signatureOf('another secret', seconds, body))
  assert.notEqual(signature.split(',')[1], signatureOf(target.secret, seconds + 1, body).split(',')[1])
})
