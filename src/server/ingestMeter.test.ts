import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Registry } from 'prom-client'
import { IngestCounters } from '../ingest/ingest.ts'
import { IngestMeter } from './ingestMeter.ts'
import { WeightedHistogram } from './weightedHistogram.ts'

const histogram = (name: string): WeightedHistogram =>
  new WeightedHistogram({ name, help: name, buckets: [0.01, 0.1, 1], registers: [new Registry()] })

it('the ingest figures have the rates of the last seconds and the quantiles of the last minute', () => {
  const counters = new IngestCounters()
  const metrics = { commitSeconds: histogram('a'), ackSeconds: histogram('b'), rows: 0 }
  const database: { fault: string | undefined; failedJobs: number } = { fault: undefined, failedJobs: 0 }
  let nowMs = 0
  const meter = new IngestMeter({
    node: 'a:8883',
    version: '0.1.0',
    ingest: { counters, trouble: undefined, lanes: [{ backlog: 3 }, { backlog: 4 }] as never },
    metrics,
    database,
    budget: { usedBytes: 10, limitBytes: 100 },
    credentials: { current: { validToMs: Date.now() + 12.5 * 86_400_000 } as never },
    connections: () => 7,
    problems: { counts: new Map([['offline', 2]]) as never, chargers: 9 },
    monotonicMs: () => nowMs
  })
  const second = (messages: number, seconds: number): void => {
    nowMs += 1_000
    counters.received += messages
    counters.committed += messages
    metrics.rows += messages / 4
    if (messages > 0) metrics.commitSeconds.observe(seconds)
    metrics.ackSeconds.observe(seconds, messages)
    meter.look()
  }
  assert.equal(meter.figures().receivedPerSecond, 0)
  assert.equal(meter.figures().ackSeconds, null)
  for (let i = 0; i < 30; i++) second(4_000, 0.5)
  for (let i = 0; i < 5; i++) second(100, 0.05)
  const busy = meter.figures()
  assert.deepEqual([busy.receivedPerSecond, busy.committedPerSecond, busy.rowsPerSecond], [100, 100, 25])
  assert.ok(busy.ackSeconds!.p50 > 0.1 && busy.ackSeconds!.p50 < 1, `${busy.ackSeconds!.p50}`)
  assert.deepEqual(busy.lanes, [
    { lane: 0, backlog: 3, late: false },
    { lane: 1, backlog: 4, late: true }
  ])
  assert.deepEqual(busy.database, { up: true, reason: null, failedJobs: 0 })
  assert.equal(busy.certificateDays, 12)
  assert.equal(busy.connections, 7)

  for (let i = 0; i < 61; i++) second(0, 0)
  database.fault = 'nothing within 2 s'
  const idle = meter.figures()
  assert.deepEqual([idle.receivedPerSecond, idle.batchSeconds, idle.ackSeconds], [0, null, null])
  assert.deepEqual(idle.database, { up: false, reason: 'nothing within 2 s', failedJobs: 0 })
  assert.equal(idle.received, 120_500)
})
