// Tests the contract between edges and servers of neighbouring versions. test/fixtures/contract/VERSION.json records
// what the edges and servers of former releases sent. The edges and servers of this version understand the recorded
// messages. Their own messages contain everything that was sent before. At a release, RECORD_CONTRACT=1 npm run
// test:full writes the file of its version. Files of releases are never changed.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { pino } from 'pino'
import { loadEdgeConfig } from '../../src/edge/config.ts'
import { startEdge } from '../../src/edge/edge.ts'
import { FakeBroker } from '../../src/edge/testing/fakeBroker.ts'
import { json, startFakeCharger } from '../../src/edge/testing/fakeCharger.ts'
import { readVersion } from '../../src/model/assets.ts'
import { Harness, until } from '../harness.ts'
import { root } from '../products.ts'

interface Message {
  readonly topic: string
  readonly payload: Readonly<Record<string, unknown>>
}

interface Contract {
  readonly version: string
  readonly edge: {
    readonly connect: { readonly protocolId: string; readonly protocolVersion: number; readonly clean: boolean }
    readonly subscribes: readonly string[]
    readonly publishes: readonly (Message & { readonly qos: number; readonly retain: boolean })[]
  }
  /** The messages that a server delivers to a subscribed edge. */
  readonly server: { readonly delivers: readonly Message[] }
}

const folder = join(root, 'test/fixtures/contract')
const charger = 'wallbox-1'
const idle = { ChgState: 'Idle', Uid: '', ChgDuration: 60, ChgNrg: 500, ActPwr: 0, ActCurr: 16 }
const charging = { ChgState: 'Charging', Uid: 'A1', ChgDuration: 5, ChgNrg: 510, ActPwr: 7_400, ActCurr: 16 }
const h = Harness.use()

const stored = (): Contract[] =>
  existsSync(folder) ? readdirSync(folder).map(file => JSON.parse(readFileSync(join(folder, file), 'utf8'))) : []

/** Records every message that an edge of this version sends from its start until a vehicle charges. */
async function recordEdge(): Promise<Contract['edge']> {
  const read = (name: string): string => readFileSync(join(h.certs, name), 'utf8')
  const broker = await FakeBroker.start({ ca: read('ca.pem'), cert: read('server.pem'), key: read('server.key') })
  h.onEnd(() => broker.stop())
  const box = await startFakeCharger(json(idle))
  h.onEnd(() => box.stop())
  const dir = join(h.dir, 'edge')
  mkdirSync(dir)
  const at = (name: string): string => JSON.stringify(join(h.certs, name))
  const entry = { name: charger, driver: 'mennekes-amtron', url: box.url, devKey: '0000', pollIntervalMs: 100 }
  writeFileSync(
    join(dir, 'edge.yaml'),
    `broker: mqtts://localhost:${broker.port}
tls: {ca: ${at('ca.pem')}, cert: ${at(`devices/${charger}.pem`)}, key: ${at(`devices/${charger}.key`)}}
chargers: [${JSON.stringify(entry)}]
`
  )
  const edge = await startEdge(loadEdgeConfig(join(dir, 'edge.yaml')), { log: pino({ level: 'silent' }) })
  h.onEnd(() => edge.stop())
  const has = (value: unknown): boolean => broker.published.some(message => message.value === value)
  await broker.until(() => has('idle') && broker.statuses.length > 0)
  box.reply = json(charging)
  await broker.until(() => has('charging') && has(7_400))
  await edge.stop()
  const { protocolId = '', protocolVersion = 0, clean = false } = broker.connects[0]!
  return {
    connect: { protocolId, protocolVersion, clean },
    subscribes: [...new Set(broker.subscribed)].sort(),
    publishes: [
      ...broker.published.map(({ topic, value, timeMs, qos, retain }) => ({
        topic,
        payload: { SamplingTime: new Date(timeMs).toISOString(), Value: value },
        qos,
        retain
      })),
      ...broker.statuses.map(({ topic, status, qos, retain }) => ({ topic, payload: status, qos, retain }))
    ]
  }
}

/** Moves recorded times to now, because a server accepts nothing that is older than a year. */
function moved(publishes: Contract['edge']['publishes']): [topic: string, payload: string][] {
  const timeOf = ({ payload }: Message): number => Date.parse(String(payload.SamplingTime))
  const shiftMs = Date.now() - Math.max(...publishes.map(timeOf))
  return publishes.map(message => {
    const SamplingTime = new Date(timeOf(message) + shiftMs).toISOString()
    return [message.topic, JSON.stringify({ ...message.payload, SamplingTime })]
  })
}

/**
 * Lets an edge of `contract` publish everything and subscribe at a fresh server. Returns the messages that the server
 * delivers, and the problems. No message may be rejected.
 */
async function replay(contract: Contract['edge']): Promise<{ delivers: Message[]; problems: string[] }> {
  const url = await h.database()
  const server = await h.server(url)
  const client = await h.client(server, charger)
  await client.acked(...client.publishAll(moved(contract.publishes)))
  const granted = await client.subscribe(...contract.subscribes)
  const answered = (): number => new Set(client.delivered().map(([topic]) => topic)).size
  await client.wait(() => answered() >= contract.subscribes.length)
  const delivers = client.delivered().map(([topic, payload]) => ({ topic, payload: JSON.parse(payload) }))
  const db = await h.session(url)
  const { rows: rejected } = await db.query('SELECT * FROM rejected_messages')
  const states =
    'SELECT DISTINCT operation_state::text AS state FROM ev_readings WHERE operation_state IS NOT NULL ORDER BY 1'
  const kept = await until(
    async () => (await db.query(states)).rows.map(({ state }) => state).join(),
    seen => seen !== ''
  )
  const statuses = (await db.query('SELECT * FROM edge_status')).rows.length
  const problems = [
    ...rejected.map(row => `rejected: ${JSON.stringify(row)}`),
    ...granted.filter(code => code !== 0 && code !== 1).map(code => `a filter was refused: ${JSON.stringify(code)}`),
    ...(kept === 'charging,idle' || kept === 'idle,charging' ? [] : [`stored states: ${kept}`]),
    ...(statuses === 1 ? [] : [`edge_status has ${statuses} rows`])
  ]
  return { delivers, problems }
}

/** The members of EdgeStatus that are absent if the edge cannot know them or has nothing to report. */
const optional = new Set([
  'Clock',
  'OldestUnsent',
  'Thinned',
  'Implausible',
  'MeterEpochs',
  'Reachability',
  'ReachabilitySince'
])

/** Returns `topic member type`, each once, for all members that are always present. */
const shapesOf = (messages: readonly Message[]): Set<string> =>
  new Set(
    messages.flatMap(({ topic, payload }) =>
      Object.entries(payload)
        .filter(([name]) => !optional.has(name))
        .map(([name, value]) => `${topic} ${name} ${typeof value}`)
    )
  )

const lacking = (before: readonly Message[], now: readonly Message[]): string[] => {
  const known = shapesOf(now)
  return [...shapesOf(before)].filter(shape => !known.has(shape))
}

describe('edges and servers of neighbouring versions', () => {
  let present: Contract

  before(async () => {
    await h.device(charger)
    const edge = await recordEdge()
    const { delivers } = await replay(edge)
    present = { version: readVersion(), edge, server: { delivers } }
    if (process.env.RECORD_CONTRACT === undefined) return
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `${present.version}.json`), `${JSON.stringify(present, null, 2)}\n`)
  })

  it('there is what former versions said', () => {
    assert.ok(stored().length > 0, 'RECORD_CONTRACT=1 records this one')
    for (const { edge } of stored()) assert.ok(edge.publishes.length > 8)
  })

  it('this server stores all that an edge of each recorded version publishes, and grants its filters', async () => {
    for (const { version, edge } of stored()) assert.deepEqual((await replay(edge)).problems, [], version)
  })

  it('this edge publishes at least what the recorded ones did, in the same types, and connects as they did', () => {
    for (const { version, edge } of stored()) {
      assert.deepEqual(lacking(edge.publishes, present.edge.publishes), [], version)
      assert.deepEqual(present.edge.connect, edge.connect, version)
      assert.deepEqual(
        edge.subscribes.filter(filter => !present.edge.subscribes.includes(filter)),
        [],
        version
      )
    }
  })

  it('this server tells an edge at least what the recorded ones did, in the same types', () => {
    for (const { version, server } of stored())
      assert.deepEqual(lacking(server.delivers, present.server.delivers), [], version)
  })
})
