// Checks the database after the faults. It must hold every acknowledged message exactly once and exactly as it was
// sent.

import assert from 'node:assert/strict'
import pg from 'pg'
import type { Device } from './device.ts'
import type { ServerProcess } from './serverProcess.ts'

interface StoredRow {
  readonly name: string
  readonly time: Date
  readonly power_output: number | null
  readonly session_energy: number | null
}

const columnOf = { PowerOutput: 'power_output', SessionEnergy: 'session_energy' } as const

/** Throws if an acknowledged message is not stored as it was sent. Returns the number of rows. */
export async function judgeAcknowledged(databaseUrl: string, devices: readonly Device[]): Promise<number> {
  // The acknowledged messages are copied before the query. The next judgement checks messages that are acknowledged
  // later.
  const acknowledged = devices.map(device => [...device.acknowledged])
  const rows = await storedRows(databaseUrl)
  const byKey = new Map<string, StoredRow>()
  for (const row of rows) {
    const key = `${row.name} ${row.time.toISOString()}`
    assert.ok(!byKey.has(key), `stored twice: ${key}`)
    byKey.set(key, row)
  }
  for (const [i, device] of devices.entries()) {
    for (const index of acknowledged[i]!) {
      const { name, time, value } = device.sent[index]!
      const found = byKey.get(`${device.name} ${time}`)?.[columnOf[name]]
      assert.equal(found, value, `${device.name}, message ${index} (${name} of ${time}): acknowledged, and not as sent`)
    }
  }
  return rows.length
}

/**
 * Throws unless everything is acknowledged and stored once, nothing else is stored, nothing was rejected, and the
 * counters agree.
 */
export async function judgeAll(databaseUrl: string, devices: readonly Device[], server: ServerProcess): Promise<void> {
  for (const { name, sent, acknowledged } of devices) {
    assert.equal(acknowledged.size, sent.length, `${name}: all acknowledged in the end`)
  }
  const rows = await judgeAcknowledged(databaseUrl, devices)
  const samples = new Set(devices.flatMap(({ name, sent }) => sent.map(({ time }) => `${name} ${time}`)))
  assert.equal(rows, samples.size, 'one row for each sampling time, and no others')
  const rejected = await query(databaseUrl, 'SELECT code, reason FROM rejected_messages LIMIT 3')
  assert.deepEqual(rejected, [], 'nothing is rejected')
  await judgeCounters(server)
}

/**
 * Throws unless received = committed + rejected + in flight + dropped, and the messages in flight are the backlog of
 * the Lanes.
 */
export async function judgeCounters(server: ServerProcess): Promise<void> {
  const metrics = await server.metrics()
  const of = (name: string): number => metrics.get(`chargelift_${name}`) ?? 0
  const accounted =
    of('messages_committed_total') +
    of('messages_rejected_total') +
    of('messages_in_flight') +
    of('messages_dropped_total')
  assert.equal(of('messages_received_total'), accounted)
  assert.equal(of('messages_in_flight'), of('lane_backlog_messages'))
}

const storedRows = (databaseUrl: string): Promise<StoredRow[]> =>
  query(
    databaseUrl,
    `SELECT name, time, power_output, session_energy FROM ev_readings JOIN chargers ON chargers.id = charger_id`
  )

export async function query<Row>(databaseUrl: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: databaseUrl })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(sql)).rows as Row[]
  } finally {
    await client.end().catch(() => {})
  }
}
