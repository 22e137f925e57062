// Tests that no client reads, writes, replaces or disturbs what belongs to another. Each attempt is judged by its
// effect on the victim and on the watchers. The answer to the attacker does not count, because return codes are for
// polite clients.

import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type pg from 'pg'
import * as packets from '../../src/broker/testing/packets.ts'
import { issueDevice } from '../../src/pki/authority/devices.ts'
import type { RunningServer } from '../../src/server/server.ts'
import { envelope, Harness, until } from '../harness.ts'
import { WireClient } from '../wire.ts'

/**
 * The roles. thief: an edge. site: an edge for other chargers. reader: a consumer of the same chargers as site. dash: a
 * consumer of all chargers. op: an operator.
 */
type Who = 'thief' | 'site' | 'reader' | 'dash' | 'op'

/** Several edges for the charger thief, because the sessions of one Identity are limited. */
const thieves = ['thief', 'thief-b', 'thief-c']

// --- publish: no message may arrive anywhere

const nowhere = [
  'chargers/victim/PowerOutput',
  'chargers/victim/OperationState',
  'chargers/victim/EdgeStatus',
  'chargers/victim/Connection',
  'chargers/victim/Unknown',
  'chargers/victim',
  'chargers/victim/',
  'chargers/victim/PowerOutput/',
  'chargers/victim/PowerOutput/x',
  'chargers/victim//PowerOutput',
  'chargers//victim/PowerOutput',
  'chargers//PowerOutput',
  '/chargers/victim/PowerOutput',
  'chargers/thief/../victim/PowerOutput',
  'chargers/thief/victim/PowerOutput',
  'chargers/thief/commands/start/x/..',
  'chargers/VICTIM/PowerOutput',
  'Chargers/victim/PowerOutput',
  'chargers/thief2/PowerOutput',
  'chargers/thie/PowerOutput',
  'chargers/victim/PowerOutput\0',
  'chargers/thief\0/../victim/PowerOutput',
  'chargers/victim/Power\u200bOutput',
  'chargers/+/PowerOutput',
  'chargers/victim/#',
  '#',
  '$SYS/thief/new/clients',
  '$SYS/thief/heartbeat',
  '$SYS/thief/birth',
  '$share/g/chargers/victim/PowerOutput',
  '$chargers/victim/PowerOutput',
  'other/topic',
  `chargers/victim/${'x'.repeat(300)}`,
  `chargers/victim${'/x'.repeat(120)}`
]
const commands = ['chargers/victim/commands/start', 'chargers/thief/commands/start', 'chargers/site-a/commands/stop']
const publishers: [Who, readonly number[], readonly string[]][] = [
  ['thief', [0, 1, 2], [...nowhere, ...commands]],
  ['site', [1], [...nowhere.slice(0, 12), 'chargers/site/PowerOutput', ...commands]],
  ['reader', [1], [...nowhere.slice(0, 6), 'chargers/site-a/PowerOutput', ...commands]],
  ['dash', [1], [...nowhere.slice(0, 6), '$SYS/thief/new/clients', ...commands]],
  [
    'op',
    [0, 1],
    [...nowhere.slice(0, 10), '$SYS/thief/new/clients', 'chargers/victim/commands', 'chargers/+/commands/x']
  ]
]
const willTopics = [
  ...nowhere.slice(0, 6),
  'chargers/+/PowerOutput',
  '$SYS/thief/new/clients',
  'chargers/thief/PowerOutput',
  'chargers/victim/commands/start',
  'chargers/thief/commands/start'
]

// --- subscribe: no message of the victim and none of $SYS may be delivered

const own = 'chargers/thief/#'
const foreignFilters: readonly (readonly string[])[] = [
  ['chargers/victim/#'],
  ['chargers/victim/+'],
  ['chargers/victim/PowerOutput'],
  ['chargers/victim/Connection'],
  ['chargers/victim/EdgeStatus'],
  ['chargers/victim/commands/#'],
  ['chargers/victim/commands/secret'],
  ['chargers/victim'],
  ['chargers/#'],
  ['chargers/+/#'],
  ['chargers/+/PowerOutput'],
  ['chargers/+/+'],
  ['chargers/+/commands/+'],
  ['#'],
  ['+/#'],
  ['+/victim/#'],
  ['+/+/PowerOutput'],
  ['+/+/+'],
  ['+/+/commands/secret'],
  ['$SYS/#'],
  ['$SYS/+/new/clients'],
  ['$SYS/+/new/subscribes'],
  ['$share/g/chargers/victim/#'],
  ['$share/g/#'],
  ['$queue/chargers/victim/#'],
  ['chargers//victim/#'],
  ['chargers/thief/../victim/#'],
  [`${'+/'.repeat(20)}#`],
  ['chargers/thief/#', 'chargers/victim/#'],
  ['chargers/victim/PowerOutput', own, '#'],
  [own, 'chargers/+/PowerOutput', 'chargers/victim/commands/#'],
  ['$SYS/#', own],
  [own, own, 'chargers/#', own]
]
const subscribers: [Who, readonly (readonly string[])[]][] = [
  ['thief', foreignFilters],
  ['site', [...foreignFilters.slice(0, 15), ['chargers/site-a/#', 'chargers/victim/#']]],
  ['reader', [...foreignFilters.slice(0, 15), ['chargers/site-a/#', 'chargers/+/#']]],
  ['dash', [['$SYS/#'], ['$SYS/+/new/clients'], ['+/+/new/clients'], ['chargers/#', '$SYS/#']]]
]

// --- client ids: no client may become the victim, end its connection, or take or wipe its session

const clientIds = [
  'victim',
  'victim:away',
  'victim:thief',
  'victim ',
  ' victim',
  'victim\0',
  'VICTIM',
  'victi',
  'victim:',
  'thief/victim',
  'thief:\0victim',
  'thiefvictim',
  `thief:${'x'.repeat(200)}`,
  'thief:\n',
  '',
  '+',
  '#',
  '$SYS',
  '__proto__',
  'constructor',
  'aedes_1'
]

describe('isolation', () => {
  const harness = Harness.use()
  const breaches: string[] = []
  const watchers: WireClient[] = []
  let server: RunningServer
  let db: pg.Client
  let victim: WireClient
  let attempts = 0
  let connections = 0

  before(async () => {
    const url = await harness.database()
    server = await harness.server(url)
    db = await harness.session(url)
    for (const name of ['victim', 'thief']) await harness.device(name)
    for (const name of thieves.slice(1)) await harness.device(name, 'edge', ['thief'])
    await harness.device('site', 'edge', ['site-a', 'site-b'])
    await harness.device('reader', 'consumer', ['site-a'])
    for (const name of ['dash', 'turncoat']) await harness.device(name, 'consumer')
    await harness.device('op', 'operator')
    victim = await harness.client(server, 'victim')
    await victim.subscribe('chargers/victim/#')
    for (const [name, ...filters] of [
      ['op', '#', '$SYS/#'],
      ['dash', 'chargers/#'],
      ['site', 'chargers/site-a/#', 'chargers/site-b/#'],
      ['thief', 'chargers/thief/#']
    ] as const) {
      const watcher = await harness.client(server, name, { clientId: `${name}:watch` })
      await watcher.subscribe(...filters)
      watchers.push(watcher)
    }
    await tell('first')
    watchers.push(victim)
  })

  /** The victim publishes messages and receives a command. The attackers want to read all of them. */
  const tell = async (word: string): Promise<void> => {
    await victim.acked(
      victim.publish('chargers/victim/ChargerStatus', envelope(`secret ${word}`)),
      victim.publish('chargers/victim/PowerOutput', envelope(4_242))
    )
    await command(`secret ${word}`)
  }
  const command = async (word: string): Promise<void> => {
    const op = await harness.client(server, 'op', { clientId: 'op:teller' })
    await op.acked(op.publish('chargers/victim/commands/secret', word))
    await victim.wait(() => victim.closed || victim.delivered().some(([, payload]) => payload === word))
    op.destroy()
  }
  const attack = async (who: Who): Promise<WireClient> => {
    attempts++
    return harness.client(server, who, { clientId: `${who}:${++connections}` })
  }
  /** Runs all rows, six at a time. */
  const each = async <T>(rows: readonly T[], run: (row: T, index: number) => Promise<unknown>): Promise<void> => {
    const queue = rows.entries()
    await Promise.all(
      Array.from({ length: 6 }, async () => {
        for (const [index, row] of queue) await run(row, index)
      })
    )
  }
  /** Waits until the server has seen the end of all closed connections. */
  const settled = (left: number): Promise<unknown> =>
    until(
      async () => {
        const text = await (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text()
        return Number(/^chargelift_connections (\d+)$/m.exec(text)?.[1])
      },
      count => count <= left
    )
  const isForeign = ([topic, payload]: [string, string]): boolean =>
    topic.startsWith('$') || topic.includes('victim') || payload.includes('secret')
  const breach = (what: string, found: unknown): void => {
    breaches.push(`${what}: ${JSON.stringify(found)}`)
  }
  const isMarked = (payload: string): boolean => payload.includes('marker')

  it('nobody publishes for another, whatever the topic, the QoS and the role', async () => {
    const rows = publishers.flatMap(([who, levels, topics]) =>
      topics.flatMap(topic => levels.map(qos => ({ who, qos, topic })))
    )
    await each(rows, async ({ who, qos, topic }, i) => {
      const client = await attack(who)
      const payload = topic.startsWith('$SYS') ? 'victim' : envelope(`marker ${i}`)
      client.socket.write(packets.publish({ topic, qos, payload, id: 7, retain: true }))
      if (qos === 2) client.socket.write(packets.pubrel(7))
      await client.ping()
      client.destroy()
      for (const watcher of watchers) {
        const seen = watcher.delivered().filter(([, payload]) => payload.includes(`marker ${i}"`))
        if (seen.length > 0) breach(`${who} published QoS ${qos} to ${topic}`, seen)
      }
    })
    await settled(watchers.length)
  })

  it('nobody leaves a will for another', async () => {
    const rows = (['thief', 'site', 'dash'] as const).flatMap(who => willTopics.map(topic => ({ who, topic })))
    const withWill = async (who: Who, topic: string, payload: string): Promise<void> => {
      const clientId = `${who}:will${++connections}`
      const client = new WireClient({ certs: harness.certs, name: who, port: server.mqttPorts[0]!, clientId })
      await client.open()
      client.socket.write(packets.connect({ clientId, will: { topic, payload, qos: 1 } }))
      await client.wait(() => client.closed || client.received.length > 0)
      client.destroy()
    }
    await each(rows, async ({ who, topic }, i) => {
      attempts++
      await withWill(who, topic, topic.startsWith('$SYS') ? 'victim' : envelope(`marker will ${i}`))
    })
    await settled(watchers.length)
    // An allowed will shows that the watchers would have seen the others.
    await withWill('op', 'chargers/victim/commands/farewell', 'last will')
    await victim.wait(() => victim.closed || victim.delivered().some(([, payload]) => payload === 'last will'))
    for (const watcher of watchers) {
      const seen = watcher.delivered().filter(([, payload]) => isMarked(payload))
      if (seen.length > 0) breach('a will', seen)
    }
  })

  it('who is revoked says nothing any more, by its will neither', async () => {
    await harness.device('former', 'operator')
    const clientId = 'former'
    const client = new WireClient({ certs: harness.certs, name: 'former', port: server.mqttPorts[0]!, clientId })
    await client.open()
    const topic = 'chargers/victim/commands/farewell'
    client.socket.write(packets.connect({ clientId, will: { topic, payload: 'of the revoked', qos: 1 } }))
    await client.wait(() => client.received.length > 0)
    await harness.revoke('former')
    server.reload()
    await client.wait(() => client.closed)
    await settled(watchers.length)
    await command('secret after the revoked')
    assert.doesNotMatch(JSON.stringify(watchers.map(watcher => watcher.delivered())), /of the revoked/)
  })

  // QoS 0 uses a session that ends. QoS 1 and 2 use a session that stays.
  for (const qos of [0, 1, 2]) {
    it(`nobody is delivered what is of another with QoS ${qos}: live, retained, queued, mixed with its own`, async () => {
      const rows = subscribers
        .filter(([who]) => who === 'thief' || qos === 1)
        .flatMap(([who, filters]) => filters.map(some => ({ who, some })))
      const clients: { who: Who; name: string; clientId: string; client: WireClient; what: string }[] = []
      await each(rows, async ({ who, some }, i) => {
        attempts++
        const name = who === 'thief' ? thieves[i % thieves.length]! : who
        const clientId = `${name}:sub${++connections}`
        const client = await harness.client(server, name, { clientId, clean: qos === 0 })
        const filters = some.flatMap(filter => [packets.text(filter), [qos]])
        client.socket.write(packets.packet(0x82, packets.uint16(9), ...filters))
        await client.ping()
        clients.push({ who, name, clientId, client, what: `${who} subscribed QoS ${qos} to ${some.join(' ')}` })
      })
      const judge = async (): Promise<void> => {
        for (const { client, what, who } of clients) {
          await client.ping()
          const seen = client.delivered().filter(who === 'dash' ? ([topic]) => topic.startsWith('$') : isForeign)
          if (seen.length > 0) breach(what, seen)
          client.destroy()
        }
        await settled(watchers.length)
      }
      await tell(`live ${qos}`)
      await judge()
      await tell(`while you were away ${qos}`)
      await each(clients, async entry => {
        entry.client = await harness.client(server, entry.name, { clientId: entry.clientId, clean: false })
      })
      await tell(`again ${qos}`)
      await judge()
    })
  }

  it('nobody becomes another by a client id, a user name or a password', async () => {
    const away = await harness.client(server, 'victim', { clientId: 'victim:away', clean: false })
    await away.subscribe('chargers/victim/commands/#')
    away.destroy()
    await settled(watchers.length)
    await command('secret for who is away')
    const rows = [...clientIds, 'victim by name'].flatMap(id => [true, false].map(clean => ({ id, clean })))
    await each(rows, async ({ id, clean }) => {
      attempts++
      const clientId = id === 'victim by name' ? 'victim' : id
      const login = id === 'victim by name' ? { userName: 'victim', password: 'victim' } : {}
      const client = new WireClient({ certs: harness.certs, name: 'thief', port: server.mqttPorts[0]!, clientId })
      await client.open()
      client.socket.write(packets.connect({ clientId, clean, ...login }))
      await client.wait(() => client.closed || client.received.length > 0)
      client.socket.write(Buffer.concat([packets.subscribe('chargers/victim/#', 3), packets.pingreq()]))
      await client.wait(() => client.closed || client.received.some(({ cmd }) => cmd === 'pingresp'))
      if (client.delivered().length > 0) breach(`thief as ${JSON.stringify(id)}`, client.delivered())
      client.destroy()
    })
    if (victim.closed) breach('a client id', 'the victim is disconnected')
    const back = await harness.client(server, 'victim', { clientId: 'victim:away', clean: false })
    await back.wait(() => back.delivered().length > 0)
    assert.deepEqual(back.delivered(), [['chargers/victim/commands/secret', 'secret for who is away']])
    back.destroy()
  })

  it('a subscription that outlived its right delivers nothing, and is dropped', async () => {
    const filters = ['chargers/#', 'chargers/victim/commands/#', 'chargers/turncoat/#']
    const former = await harness.client(server, 'turncoat', { clean: false })
    assert.deepEqual(await former.subscribe(...filters), [1, 1, 1])
    former.destroy()
    await settled(watchers.length)
    await tell('for a consumer')
    await issueDevice({ dir: harness.certs, name: 'turncoat', role: 'edge', replace: true })
    const edge = await harness.client(server, 'turncoat', { clean: false })
    await tell('for nobody')
    await edge.ping()
    const seen = edge.delivered().filter(isForeign)
    if (seen.length > 0) breach('turncoat', seen)
    edge.destroy()
    await settled(watchers.length)
    // The right comes back, but the subscription does not.
    await issueDevice({ dir: harness.certs, name: 'turncoat', role: 'consumer', replace: true })
    const again = await harness.client(server, 'turncoat', { clean: false })
    await tell('for a consumer that did not ask')
    await again.ping()
    if (again.delivered().some(isForeign)) breach('turncoat again', again.delivered())
    attempts += filters.length
  })

  it('after all that the victim is as it was, and nothing of anybody else was stored', async () => {
    assert.deepEqual(breaches, [])
    assert.equal(victim.closed, false)
    await tell('last')
    const words = victim.delivered().filter(([topic]) => topic.startsWith('chargers/victim/commands/'))
    assert.deepEqual(
      words.filter(([, payload]) => !payload.startsWith('secret') && payload !== 'last will'),
      []
    )
    const { rows } = await db.query(
      'SELECT DISTINCT name, charger_status AS status, power_output AS power FROM ev_readings JOIN chargers ON id = charger_id'
    )
    assert.ok(rows.length > 0)
    for (const { name, status, power } of rows) {
      assert.equal(name, 'victim')
      assert.ok(status?.startsWith('secret') || power === 4_242, `${status} ${power}`)
    }
    assert.deepEqual((await db.query('SELECT identity, topic FROM rejected_messages')).rows, [])
    for (const watcher of watchers) assert.equal(watcher.closed, false)
    assert.ok(attempts >= 190, `${attempts} attempts`)
  })
})
