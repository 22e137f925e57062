import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IngestCounters } from '../../ingest/ingest.ts'
import { Exposition } from './exposition.ts'
import { Recorder } from './recorder.ts'

const day = 86_400_000

function open() {
  const recorder = new Recorder()
  const counters = new IngestCounters()
  const database = { isUp: true, failedJobs: 0 }
  let connections = 0
  const exposition = new Exposition({
    recorder,
    ingest: { counters, lanes: [{ backlog: 1 }, { backlog: 2 }] as never, trouble: undefined },
    budget: { usedBytes: 3, limitBytes: 4 },
    audit: { handshakes: new Map([['ok', 5]]) as never, denied: new Map(), evicted: new Map(), waiting: 0 },
    credentials: {
      current: { validToMs: Date.now() + day, trust: { revocation: { nextUpdateMs: Date.now() - day } } } as never,
      fault: undefined,
      crlExpired: true
    },
    database,
    problems: { counts: new Map([['offline', 2]]) as never, chargers: 6 },
    webhookPosts: new Map([['delivered', 1]]),
    maintenance: { last: undefined, succeededAtMs: undefined },
    connections: () => connections,
    handshakesWaiting: () => 0,
    offlineDropped: () => 0
  })
  const value = async (name: string): Promise<number | undefined> => {
    const { body } = await exposition.text()
    const line = body.split('\n').find(text => text.startsWith(`${name} `))
    return line === undefined ? undefined : Number(line.slice(name.length + 1))
  }
  const connect = (count: number): void => {
    connections = count
  }
  return { recorder, counters, database, exposition, value, connect }
}

test('the parts are read when metrics are asked for', async () => {
  const { counters, database, value, connect } = open()
  assert.deepEqual([await value('chargelift_messages_received_total'), await value('chargelift_connections')], [0, 0])
  counters.received = 9
  database.isUp = false
  connect(7)
  assert.equal(await value('chargelift_messages_received_total'), 9)
  assert.equal(await value('chargelift_connections'), 7)
  assert.equal(await value('chargelift_database_up'), 0)
  assert.equal(await value('chargelift_lane_backlog_messages{lane="late"}'), 2)
})

test('what is not counted yet is there at 0, so that an alert sees its first increase', async () => {
  const { value } = open()
  assert.equal(await value('chargelift_messages_rejected_total{reason="conflict"}'), 0)
  assert.equal(await value('chargelift_denied_total{rule="revoked"}'), 0)
})

test('what the recorder counted before there was an exposition is shown', async () => {
  const { recorder, value, exposition } = open()
  recorder.batchStored(0.2, 12)
  recorder.rejectedEvicted('other', 3)
  recorder.acknowledged(
    {
      eachWait: (_nowMs: number, _outcomes: unknown, visit: (seconds: number, messages: number) => void) =>
        visit(0.5, 4)
    } as never,
    new Uint8Array()
  )
  assert.equal(recorder.rows, 12)
  assert.equal(await value('chargelift_batch_commit_seconds_count'), 1)
  assert.equal(await value('chargelift_batch_rows_sum'), 12)
  assert.equal(await value('chargelift_ack_seconds_count'), 4)
  assert.equal(await value('chargelift_rejected_evicted_total{quota="other"}'), 3)
  const names = ((await exposition.json()) as { name: string }[]).map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
  assert.match(exposition.contentType, /^text\/plain/)
})
