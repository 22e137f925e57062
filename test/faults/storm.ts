// Clients publish while one fault after another happens at random moments. All random choices come from one seed. After
// every fault the acknowledged messages are compared with the stored rows.

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { below, pick, seededRandom } from '../../src/model/testing/random.ts'
import { until } from '../harness.ts'
import { Device, type Sent } from './device.ts'
import { judgeAcknowledged, judgeAll, judgeCounters, query } from './judge.ts'
import type { Postgres } from './postgres.ts'
import { Reader } from './reader.ts'
import type { ServerProcess } from './serverProcess.ts'

/** Twice the promised time. */
const stopMsMax = 20_000

export interface StormOptions {
  readonly seed: number
  readonly certs: string
  readonly server: ServerProcess
  readonly postgres: Postgres
  readonly databaseUrl: string
  readonly clients: number
  /** The least number of messages of each client. */
  readonly messages: number
  readonly faults: readonly FaultName[]
  /** The time in ms that a lock or a stopped process lasts. */
  readonly holdMs: number
  /** Issues a certificate. */
  readonly issue: (name: string, role?: 'consumer') => Promise<void>
  readonly say: (line: string) => void
}

type Fault = (storm: StormOptions, random: () => number, devices: readonly Device[]) => Promise<void>

const ingestBackends = "application_name = 'chargelift ingest' AND datname = current_database()"

const faults = {
  async 'server kill -9'({ server }) {
    await server.end('SIGKILL')
    server.start()
  },
  async 'server kill -9 twice'({ server }, random) {
    await server.end('SIGKILL')
    server.start()
    await sleep(random() * 1_500)
    await server.end('SIGKILL')
    server.start()
  },
  async 'server SIGTERM'({ server }) {
    const startedMs = performance.now()
    assert.equal(await server.end('SIGTERM'), 0, server.log)
    const tookMs = performance.now() - startedMs
    assert.ok(tookMs < stopMsMax, `SIGTERM ended it after ${tookMs} ms`)
    server.start()
  },
  async 'server SIGSTOP'({ server, holdMs }) {
    server.pause()
    await sleep(holdMs)
    server.resume()
  },
  async 'killed between commit and acknowledgement'({ server, databaseUrl }) {
    // The table has changed. The server is stopped before it can acknowledge the change, or just after it did.
    const before = await rowCount(databaseUrl)
    await until(
      () => rowCount(databaseUrl),
      rows => rows > before
    )
    server.pause()
    await server.end('SIGKILL')
    server.start()
  },
  async 'ingest backends terminated'({ databaseUrl }) {
    await query(databaseUrl, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${ingestBackends}`)
  },
  async 'ingest backends terminated in the middle of a COPY'({ databaseUrl }) {
    const client = new pg.Client({ connectionString: databaseUrl })
    client.on('error', () => {})
    await client.connect()
    // A COPY that waits for a lock is certain to be in its middle. After a restart with resent messages, a merge may
    // wait instead of a COPY. The merge is let through, and the next Batch is checked.
    const waiting = `${ingestBackends} AND wait_event_type = 'Lock'`
    for (let isKilled = false; !isKilled; ) {
      await client.query('BEGIN; LOCK TABLE ev_readings IN SHARE MODE')
      await until(
        () => query(databaseUrl, `SELECT pid FROM pg_stat_activity WHERE ${waiting}`),
        backends => backends.length > 0
      )
      const killed = await query(
        databaseUrl,
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${waiting} AND query LIKE 'COPY%'`
      )
      isKilled = killed.length > 0
      await client.query('ROLLBACK')
    }
    await client.end()
  },
  async 'table locked'({ databaseUrl, holdMs }) {
    const client = new pg.Client({ connectionString: databaseUrl })
    client.on('error', () => {})
    await client.connect()
    await client.query('BEGIN; LOCK TABLE ev_readings IN ACCESS EXCLUSIVE MODE')
    await sleep(holdMs)
    await client.query('ROLLBACK')
    await client.end()
  },
  async 'PostgreSQL stopped immediately, and started'({ postgres }, random) {
    await postgres.stopImmediately()
    await sleep(random() * 2_000)
    await postgres.start()
  },
  async 'all client sockets cut'(_storm, _random, devices) {
    for (const device of devices) device.cut()
  }
} satisfies Record<string, Fault>

export type FaultName = keyof typeof faults
export const faultNames = Object.keys(faults) as FaultName[]

export async function storm(options: StormOptions): Promise<void> {
  const { seed, certs, server, databaseUrl, clients, messages, issue, say } = options
  const random = seededRandom(seed)
  say(`storm with seed ${seed}: ${clients} clients x ${messages} messages, ${options.faults.length} faults`)
  const devices: Device[] = []
  for (let i = 0; i < clients; i++) {
    const name = `storm${i}`
    await issue(name)
    devices.push(new Device({ certs, name, port: server.mqttPort, window: 12, random }))
  }
  await issue('reader', 'consumer')
  const reader = new Reader(certs, 'reader', server.mqttPort)
  const reading = reader.run()
  for (const device of devices) device.start()

  // All devices publish at a steady pace until the faults are over and all messages of the last turn are sent.
  let published = 0
  let areFaultsOver = false
  const isAllPublished = (): boolean => areFaultsOver && published >= messages && published % messagesPerTurn === 0
  const publishing = setInterval(() => {
    if (isAllPublished()) return
    for (const [i, device] of devices.entries()) device.publish(messageOf(i, published))
    published++
  }, paceMs)
  try {
    for (const name of shuffled(options.faults, random)) {
      await sleep(random() * 400)
      say(`  ${name}`)
      await faults[name](options, random, devices)
      const acknowledged = (): number => devices.reduce((sum, device) => sum + device.acknowledged.size, 0)
      const before = acknowledged()
      await until(acknowledged, count => count > before || devices.every(({ isDone }) => isDone), 60_000)
      await judgeAcknowledged(databaseUrl, devices)
      await server.ready()
      await judgeCounters(server)
    }
    areFaultsOver = true
    await until(isAllPublished, isDone => isDone, messages * paceMs * 4 + 10_000)
    await until(
      () =>
        devices
          .filter(({ isDone }) => !isDone)
          .map(({ name, acknowledged, sent }) => `${name} ${acknowledged.size} of ${sent.length}`),
      unfinished => unfinished.length === 0,
      120_000
    )
    await judgeAll(databaseUrl, devices, server)
    await judgeReader(databaseUrl, reader, devices)
    assert.doesNotMatch(server.log, /worker_died|uncaught/i, 'no thread and no process ended by an error of its own')
  } catch (error) {
    throw new Error(`seed ${seed}: ${(error as Error).message}\n${server.log}`, { cause: error })
  } finally {
    clearInterval(publishing)
    for (const device of devices) device.stop()
    reader.stop()
    await reading
  }
}

const paceMs = 25
/** Samples come in turns of ten, and two samples of a turn are swapped. Each sample is two messages. */
const messagesPerTurn = 20
const baseMs = Date.now() - 3_600_000

/**
 * Returns one of the two values of a sampling time. Some messages have an older time than the one before, as in a
 * backlog.
 */
function messageOf(device: number, index: number): Sent {
  const sample = index >> 1
  const swapped = sample % 10 === 4 ? sample + 1 : sample % 10 === 5 ? sample - 1 : sample
  return {
    name: index % 2 === 0 ? 'PowerOutput' : 'SessionEnergy',
    time: new Date(baseMs + swapped * 1_000).toISOString(),
    value: device * 1_000_000 + index
  }
}

/**
 * Throws unless the reader saw only stored messages in the order of time. In the end it must know the newest value of
 * each topic, and that each device is online.
 */
async function judgeReader(databaseUrl: string, reader: Reader, devices: readonly Device[]): Promise<void> {
  const expected = new Map<string, number>()
  for (const { name: charger, sent } of devices) {
    for (const { name, time, value } of sent) expected.set(`chargers/${charger}/${name} ${time}`, value)
  }
  await until(
    () =>
      devices
        .filter(({ name }) => reader.newest.get(`chargers/${name}/Connection`)?.value !== 'online')
        .map(({ name }) => name),
    offline => offline.length === 0
  )
  const { rows } = { rows: await newestStored(databaseUrl) }
  await until(
    () => rows.filter(({ topic, value }) => reader.newest.get(topic)?.value !== value).map(({ topic }) => topic),
    missing => missing.length === 0
  )
  assert.deepEqual(reader.faults, [], 'time never goes back on a topic')
  for (const { topic, time, value } of reader.told) {
    if (!topic.endsWith('/Connection'))
      assert.equal(value, expected.get(`${topic} ${time}`), `${topic} of ${time} was never sent so`)
  }
}

const newestStored = (databaseUrl: string): Promise<{ topic: string; value: number }[]> =>
  query(
    databaseUrl,
    ['PowerOutput:power_output', 'SessionEnergy:session_energy']
      .map(pair => pair.split(':'))
      .map(
        ([name, column]) => `(SELECT DISTINCT ON (name) 'chargers/' || name || '/${name}' AS topic, ${column} AS value
          FROM ev_readings JOIN chargers ON chargers.id = charger_id WHERE ${column} IS NOT NULL ORDER BY name, time DESC)`
      )
      .join(' UNION ALL ')
  )

async function rowCount(databaseUrl: string): Promise<number> {
  const [row] = await query<{ n: number }>(databaseUrl, 'SELECT count(*)::integer AS n FROM ev_readings')
  return row!.n
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const left = [...items]
  return items.map(() => left.splice(left.indexOf(pick(random, left)), 1)[0]!)
}

/** Draws `count` faults: each fault once, then more at random. */
export function drawFaults(count: number, seed: number): FaultName[] {
  const random = seededRandom(seed)
  const drawn = [...faultNames]
  while (drawn.length < count) drawn.push(faultNames[below(random, faultNames.length)]!)
  return drawn.slice(0, count)
}
