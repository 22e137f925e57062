// The cost of work as counts that are the same on every machine: the statements and tasks of a Batch, and the
// statements of an API page. A change that makes a count larger is slower on all machines. `npm run bench -- budgets`
// measures the times.

import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type pg from 'pg'
import { Piscina } from 'piscina'
import type { RunningServer } from '../src/server/server.ts'
import { CountingProxy } from './countingProxy.ts'
import { envelope, freshTime, Harness, until } from './harness.ts'
import type { WireClient } from './wire.ts'

describe('what work costs', () => {
  const harness = Harness.use()
  const names = Array.from({ length: 10 }, (_, i) => `c${i}`)
  let proxy: CountingProxy
  let server: RunningServer
  let db: pg.Client
  let clients: WireClient[]

  before(async () => {
    const url = await harness.database()
    proxy = await CountingProxy.open(url)
    harness.onEnd(() => proxy.close())
    server = await harness.server(proxy.url, { workers: 1 })
    db = await harness.session(url)
    for (const name of names) await harness.device(name)
    clients = await Promise.all(names.map(name => harness.client(server, name)))
  })

  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text()
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
  }

  type Message = readonly [topic: string, payload: string]
  const power = (i: number, value: unknown, time = freshTime()): Message => [
    `chargers/c${i}/PowerOutput`,
    envelope(value, time)
  ]

  /**
   * Sends all messages as one Batch: they gather while the Batch before them waits for a lock. Returns the statements
   * and the number of tasks of that Batch.
   */
  async function batchOf(messages: readonly (readonly Message[])[]): Promise<{ statements: string[]; tasks: number }> {
    await clients[0]!.acked(...clients[0]!.publishAll([power(0, 1)]))
    const received = await metric('chargelift_messages_received_total')
    await db.query('BEGIN; LOCK TABLE ev_readings IN ACCESS EXCLUSIVE MODE')
    const first = clients[0]!.publishAll([power(0, 2)])
    await until(
      async () => (await db.query(waitingIngest)).rows.length,
      waiting => waiting === 1
    )
    const sent = messages.map((own, i) => clients[i]!.publishAll(own))
    const count = messages.reduce((sum, { length }) => sum + length, 0)
    await until(
      () => metric('chargelift_messages_received_total'),
      seen => seen === received + 1 + count
    )
    proxy.taken('chargelift ingest') // the statement of the first message waits in the database
    const batches = await metric('chargelift_batch_rows_count')
    await db.query('ROLLBACK')
    await clients[0]!.acked(...first)
    await Promise.all(messages.map((_, i) => clients[i]!.acked(...sent[i]!)))
    const tasks = (await metric('chargelift_batch_rows_count')) - batches - 1
    return { statements: proxy.taken('chargelift ingest').map(kindOf), tasks }
  }

  it('10 chargers that are new cost three statements once, however many they are', async () => {
    const { statements, tasks } = await batchOf(names.map((_, i) => [power(i, 1)]))
    assert.deepEqual(statements, ['SELECT', 'INSERT', 'SELECT', 'COPY'])
    assert.equal(tasks, 1)
  })

  it('1,000 messages of 10 chargers are one task for a thread and one COPY, which is the transaction', async t => {
    const run = t.mock.method(Piscina.prototype, 'run')
    const { statements, tasks } = await batchOf(names.map((_, i) => Array.from({ length: 100 }, (_, n) => power(i, n))))
    assert.deepEqual(statements, ['COPY'])
    assert.equal(tasks, 1)
    // Two tasks came before it: the task of the acknowledged message, and the task that waited for the lock.
    assert.equal(run.mock.callCount(), 1 + 2)
  })

  it('1,000 messages with some that are rejected and statuses are one transaction of five statements', async () => {
    const status = (i: number): Message => [`chargers/c${i}/EdgeStatus`, JSON.stringify({ SamplingTime: freshTime() })]
    const { statements, tasks } = await batchOf(
      names.map((_, i) => [...Array.from({ length: 98 }, (_, n) => power(i, n)), power(i, 'much'), status(i)])
    )
    assert.deepEqual(statements, ['BEGIN', 'COPY', 'INSERT', 'INSERT', 'COMMIT'])
    assert.equal(tasks, 1)
  })

  it('1,000 messages that are stored already cost one transaction more, of six statements', async () => {
    const repeated = names.map((_, i) => Array.from({ length: 100 }, (_, n) => power(i, n)))
    await batchOf(repeated)
    const { statements, tasks } = await batchOf(repeated)
    assert.deepEqual(statements, ['COPY', 'ROLLBACK', 'BEGIN', 'DELETE', 'COPY', 'INSERT', 'SELECT', 'COMMIT'])
    assert.equal(tasks, 1)
  })

  it('a page of the API is so many queries, whatever its size; the fleet is read once for all of them', async () => {
    const ask = async (path: string): Promise<string[]> => {
      const response = await fetch(`http://127.0.0.1:${server.httpPort}${path}`)
      assert.equal(response.status, 200, await response.text())
      return proxy.taken('chargelift reader').filter(sql => kindOf(sql) !== 'SET')
    }
    const fleet = await ask('/api/v1/chargers')
    assert.equal(fleet.length, 2, 'the chargers, and their energy of today')
    const from = '2026-01-01T00:00:00Z'
    const queries: Record<string, number> = {
      '/api/v1/chargers': 0,
      '/api/v1/chargers?limit=2': 0,
      '/api/v1/chargers/c1': 0,
      '/api/v1/chargers/c1/messages?limit=1': 1,
      '/api/v1/chargers/c1/messages?limit=200': 1,
      // The query steps back in time until the page is full. This charger has too few messages to fill the page.
      '/api/v1/chargers/c1/messages?limit=500': 4,
      [`/api/v1/chargers/c1/readings?name=PowerOutput&from=${from}&resolution=15m`]: 2,
      '/api/v1/sessions': 1,
      [`/api/v1/energy?from=${from}`]: 1,
      '/api/v1/sites': 1,
      '/api/v1/problems': 0,
      '/api/v1/ingest': 0
    }
    const found: Record<string, number> = {}
    for (const path of Object.keys(queries)) {
      // The shared statements are left out. They run again when the shared data is some seconds old.
      const own = (await ask(path)).filter(sql => !fleet.includes(sql))
      found[path] = own.length
    }
    assert.deepEqual(found, queries)
  })
})

const waitingIngest = `
  SELECT FROM pg_stat_activity
  WHERE datname = current_database() AND application_name = 'chargelift ingest' AND wait_event_type = 'Lock'`

const kindOf = (sql: string): string => /^\s*(\w+)/.exec(sql)![1]!
