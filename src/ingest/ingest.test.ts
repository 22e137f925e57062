import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Budget } from '../model/server/budget.ts'
import { Ingest, IngestCounters, type IngestOptions } from './ingest.ts'
import { FakeSource, runIn } from './testing/messages.ts'

/** An ingest without a database: every admitted message is kept. */
function homelessIngest(
  t: TestContext,
  options: Partial<IngestOptions> = {}
): { ingest: Ingest; kept: Promise<string> } {
  const { promise: kept, resolve } = Promise.withResolvers<string>()
  const ingest = new Ingest({
    databaseUrl: 'postgres://nobody@%2Fnowhere/none',
    workers: 1,
    acceptPastMs: 1_000,
    budget: new Budget(1_000_000),
    now: () => 0,
    committed: () => {},
    report: {
      stored: () => {},
      kept: ({ code }) => resolve(code),
      acknowledged: () => {},
      recovered: () => {},
      workerDied: () => {}
    },
    ...options
  })
  t.after(() => ingest.close(0))
  return { ingest, kept }
}

const run = (ticket: number, payload: string) => runIn({ topic: 'chargers/c1/PowerOutput', payload }, ticket)
const backlogOf = ({ lanes }: Ingest): number => lanes.reduce((sum, { backlog }) => sum + backlog, 0)

test('received = committed + rejected + in flight + dropped', () => {
  const counters = new IngestCounters()
  assert.deepEqual([counters.inFlight, counters.rejectedTotal], [0, 0])
  counters.received = 100
  counters.committed = 60
  counters.dropped = 5
  counters.rejected.set('not_json', 7).set('conflict', 3)
  assert.deepEqual([counters.inFlight, counters.rejectedTotal], [25, 10])
})

test('without its database nothing is settled and nothing is lost: what is in flight is what the lanes hold', async t => {
  const { ingest, kept } = homelessIngest(t, { workers: 2 })
  const sources = Array.from({ length: 20 }, (_, i) => new FakeSource(`c${i}`))
  for (const source of sources) {
    assert.equal(ingest.admit(source, run(1, '{}')), true)
    assert.equal(ingest.admit(source, run(0, '{}')), true)
  }
  assert.equal(await kept, 'unavailable')
  assert.ok(ingest.trouble)
  assert.equal(ingest.counters.inFlight, 40)
  assert.equal(backlogOf(ingest), 40)
  assert.equal(await ingest.close(0), false)
  for (const { told } of sources) assert.deepEqual(told, [])
})

test('over the budget QoS 0 is dropped and counted, and what will be acknowledged is admitted all the same', t => {
  const budget = new Budget(200)
  const { ingest } = homelessIngest(t, { budget })
  const source = new FakeSource('c1')
  assert.equal(budget.usedBytes, 0)
  assert.equal(ingest.admit(source, run(0, 'x'.repeat(50))), true)
  assert.equal(budget.isOver, false)
  assert.equal(ingest.admit(source, run(1, 'x'.repeat(50))), true)
  assert.equal(budget.isOver, true)
  assert.equal(ingest.admit(source, run(0, 'x')), false)
  assert.equal(ingest.admit(source, run(2, 'x')), true)
  assert.equal(ingest.admit(source, run(0x1_0003, 'x')), true)
  const { received, committed, rejectedTotal, dropped, inFlight } = ingest.counters
  assert.deepEqual([received, committed, rejectedTotal, dropped, inFlight], [5, 0, 0, 1, 4])
  assert.equal(backlogOf(ingest), 4)
})
