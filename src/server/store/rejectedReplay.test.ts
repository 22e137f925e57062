// Tests a replay of rejected messages: which messages are sent, with which time, and which messages stay.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecordedDb } from '../../history/testing/recordedDb.ts'
import type { Source } from '../../model/server/admission.ts'
import { type ReplayCounts, replayRejected } from './rejectedReplay.ts'

const row = (payload: string, index = 0): object => {
  return {
    arrival: `t${index}`,
    batch_id: 'b',
    message_index: index,
    identity: 'c1',
    topic: 'chargers/w1/PowerOutput',
    payload: Buffer.from(payload)
  }
}
const payload = (time: string): string => JSON.stringify({ SamplingTime: time, Value: 7 })

async function replay(shiftUs: number, ...pages: object[][]) {
  const sent: string[] = []
  const recorded = new RecordedDb([
    ['max(received_at)', [{ last: pages.length > 0 ? 't' : null }]],
    ['received_at <= $4', () => pages.shift() ?? []]
  ])
  const steps: ReplayCounts[] = []
  const counts = await replayRejected({
    db: recorded.db,
    ingest: {
      admit: (source: Source, run) => {
        const text = Buffer.from(run.chunk).toString('latin1')
        sent.push(text.slice(text.indexOf('{')))
        source.settle([1], 0, 1)
        return true
      }
    },
    filter: {},
    shiftUs,
    progress: step => steps.push({ ...step })
  })
  return { sent, recorded, counts, steps }
}

test('without a shift payloads go as they came, and leave the table', async () => {
  const { sent, recorded, counts } = await replay(0, [row('no JSON {', 1), row(payload('x'), 2)])
  assert.deepEqual(sent, ['{', payload('x')])
  assert.deepEqual(counts, { replayed: 2, skipped: 0 })
  assert.deepEqual(recorded.of('DELETE')[0]!.values, [
    ['b', 'b'],
    [1, 2]
  ])
})

const shifts: [time: string, shiftUs: number, shifted: string | undefined][] = [
  ['2026-10-01T00:00:00Z', 3_600_000_000, '2026-10-01T01:00:00.000Z'],
  ['2026-10-01T00:00:00Z', -1, '2026-09-30T23:59:59.999999Z'],
  ['2026-10-01T02:00:00+02:00', 1_000, '2026-10-01T00:00:00.001Z'],
  ['soon', 1, undefined]
]
for (const [time, shiftUs, shifted] of shifts) {
  test(`${time} by ${shiftUs} us is ${shifted ?? 'not sent, and stays'}`, async () => {
    const { sent, counts, recorded } = await replay(shiftUs, [row(payload(time))])
    assert.deepEqual(sent, shifted === undefined ? [] : [payload(shifted)])
    assert.deepEqual(counts, shifted === undefined ? { replayed: 0, skipped: 1 } : { replayed: 1, skipped: 0 })
    assert.equal((recorded.of('DELETE')[0]!.values[1] as number[]).length, shifted === undefined ? 0 : 1)
  })
}

test('what has no time cannot be shifted', async () => {
  for (const odd of ['null', '5', '{}', '{"SamplingTime":5}', 'no JSON'])
    assert.deepEqual((await replay(1, [row(odd)])).counts, { replayed: 0, skipped: 1 }, odd)
})

test('each page goes on behind the last one', async () => {
  const { recorded, steps } = await replay(0, [row(payload('a'), 1)], [row(payload('b'), 2)])
  assert.deepEqual(
    recorded.of('received_at <= $4').map(({ values }) => values.slice(4)),
    [
      [null, null, null],
      ['t1', 'b', 1],
      ['t2', 'b', 2]
    ]
  )
  assert.deepEqual(steps, [
    { replayed: 1, skipped: 0 },
    { replayed: 2, skipped: 0 }
  ])
})

test('of an empty table nothing is sent', async () =>
  assert.deepEqual((await replay(0)).counts, { replayed: 0, skipped: 0 }))
