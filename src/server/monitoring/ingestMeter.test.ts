import assert from 'node:assert/strict'
import { it } from 'node:test'
import { IngestCounters } from '../../ingest/ingest.ts'
import { IngestMeter } from './ingestMeter.ts'
import { IngestOfAll, type IngestShare, merged } from './ingestOfAll.ts'
import { secondsBuckets } from './recorder.ts'
import { WeightedHistogram } from './weightedHistogram.ts'

const histogram = (name: string): WeightedHistogram =>
  new WeightedHistogram({ name, help: name, buckets: [0.01, 0.1, 1] })

it('the ingest figures have the rates of the last seconds and the quantiles of the last minute', () => {
  const counters = new IngestCounters()
  const recorder = { commitSeconds: histogram('a'), ackSeconds: histogram('b'), rows: 0 }
  const database: { fault: string | undefined; failedJobs: number } = { fault: undefined, failedJobs: 0 }
  let nowMs = 0
  const meter = new IngestMeter({
    node: 'a:8883',
    version: '0.1.0',
    ingest: { counters, trouble: undefined, lanes: [{ backlog: 3 }, { backlog: 4 }] as never },
    recorder,
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
    recorder.rows += messages / 4
    if (messages > 0) recorder.commitSeconds.observe(seconds)
    recorder.ackSeconds.observe(seconds, messages)
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

  for (let i = 0; i < 59; i++) second(0, 0)
  assert.notEqual(meter.figures().ackSeconds, null, 'the last messages came within the minute')
  for (let i = 0; i < 2; i++) second(0, 0)
  database.fault = 'nothing within 2 s'
  const idle = meter.figures()
  assert.deepEqual([idle.receivedPerSecond, idle.batchSeconds, idle.ackSeconds], [0, null, null])
  assert.deepEqual(idle.database, { up: false, reason: 'nothing within 2 s', failedJobs: 0 })
  assert.equal(idle.received, 120_500)
})

it('the figures of several processes are added up; latencies are of all their messages, and one that is down is told', async () => {
  const counts = (bucket: number, count: number): number[] =>
    Array.from({ length: secondsBuckets.length + 1 }, (_, i) => (i === bucket ? count : 0))
  const share = (process: number, isUp: boolean, acks: number[]): IngestShare => ({
    figures: {
      time: '2026-11-28T12:00:00.000Z',
      node: `a:8883.${process}`,
      version: '0.1.0',
      receivedPerSecond: 10.1,
      committedPerSecond: 10,
      rejectedPerSecond: 0.1,
      rowsPerSecond: 2,
      received: 100,
      committed: 90,
      dropped: 1,
      inFlight: 7,
      rejected: process === 1 ? { not_json: 2 } : { not_json: 1, conflict: 1 },
      batchSeconds: null,
      ackSeconds: null,
      lanes: [
        { lane: 0, backlog: process, late: false },
        { lane: 1, backlog: 0, late: true }
      ],
      database: { up: isUp, reason: isUp ? null : 'away', failedJobs: process },
      connections: 5,
      memory: { usedBytes: 1, limitBytes: 10 },
      certificateDays: 100,
      chargers: 9,
      problems: { silent: 1 } as never
    },
    commits: counts(0, 0),
    acks
  })
  // One process has 90 messages below 10 ms, the other has 10 messages of up to 1 s. The percentiles of one process
  // alone would be different.
  const shares = [share(1, true, counts(3, 90)), share(2, false, counts(9, 10))]
  const all = merged(shares)
  assert.deepEqual(
    [all.node, all.received, all.receivedPerSecond, all.connections, all.chargers, all.problems.silent],
    ['a:8883', 200, 20.2, 10, 9, 1]
  )
  assert.deepEqual(all.rejected, { not_json: 3, conflict: 1 })
  assert.deepEqual(
    all.lanes.map(({ lane, backlog, late }) => `${lane} ${backlog} ${late}`),
    ['0 1 false', '1 0 true', '2 2 false', '3 0 true']
  )
  assert.deepEqual(all.database, { up: false, reason: 'away', failedJobs: 2 })
  assert.equal(all.batchSeconds, null)
  assert.ok(all.ackSeconds!.p50 < 0.01 && all.ackSeconds!.p99 > 0.5, JSON.stringify(all.ackSeconds))

  const ofAll = new IngestOfAll(
    () => shares[0]!.figures,
    async () => [shares[0]!, null]
  )
  assert.equal(ofAll.figures().node, 'a:8883.1', 'before the first answer')
  await ofAll.look()
  assert.equal(ofAll.figures().received, 100, 'who does not answer is left out')
})
