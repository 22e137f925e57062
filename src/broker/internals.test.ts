// Tests the contract with our dependencies. Each test names one assumption of internals.ts and proves it against the
// installed dependency. If a test fails after an update, the broker must be changed at this point.

import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type AddressInfo, connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { duplexPair, Readable } from 'node:stream'
import { after, before, type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { connect as connectTls, createServer, type Server, type TLSSocket } from 'node:tls'
import { Aedes, type AedesOptions, type AuthenticateError, type Client } from 'aedes'
import RedisPersistence from 'aedes-persistence-redis/asyncPersistence.js'
import mqemitterRedis from 'mqemitter-redis'
import { generate, parser } from 'mqtt-packet'
import { initAuthority } from '../pki/authority/authority.ts'
import { deliverDirectly } from './aedes/delivery.ts'
import * as internals from './internals.ts'
import * as packets from './testing/packets.ts'

// --- Node

const dir = mkdtempSync(join(tmpdir(), 'chargelift-internals-'))
let server: Server

before(async () => {
  await initAuthority({ dir })
  const file = (name: string): Buffer => readFileSync(join(dir, name))
  server = createServer({ cert: file('server.pem'), key: file('server.key') })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})

after(() => {
  server.close()
  rmSync(dir, { recursive: true })
})

/** Opens a TLS connection and returns both ends. `accept` is called within the event, as the listener does. */
async function connectedTls(accept: (socket: TLSSocket) => void): Promise<[client: TLSSocket, accepted: TLSSocket]> {
  const accepting = once(server, 'secureConnection').then(([socket]) => socket as TLSSocket)
  server.once('secureConnection', accept)
  const { port } = server.address() as AddressInfo
  const client = connectTls({ ca: readFileSync(join(dir, 'ca.pem')), host: '127.0.0.1', port })
  await once(client, 'secureConnect')
  return [client, await accepting]
}

test('Node reads a socket that a server has accepted into the buffer that is put into it', async () => {
  const buffer = Buffer.alloc(1_024)
  const read: string[] = []
  let isInto: boolean | undefined
  const [client, accepted] = await connectedTls(socket => {
    isInto = internals.readInto(socket, buffer, bytes => read.push(buffer.toString('utf8', 0, bytes)) > 0)
    socket.resume()
  })
  client.end('one')
  await once(accepted, 'end')
  assert.deepEqual([isInto, read], [true, ['one']])
})

test('Node keeps the TCP socket below a TLS socket that has failed, and it remembers an address that was asked once', async () => {
  server.once('connection', tcp => tcp.remoteAddress)
  const failed = once(server, 'tlsClientError') as Promise<[Error, TLSSocket]>
  const client = connectTcp((server.address() as AddressInfo).port, '127.0.0.1')
  await once(client, 'connect')
  const { localAddress, localPort } = client
  client.on('error', () => {}).end('not TLS')
  const [, socket] = await failed
  assert.equal(socket.remotePort, undefined, 'internals.tcpBelow is needed no more')
  const { remoteAddress, remotePort } = internals.tcpBelow(socket)
  assert.deepEqual([remoteAddress, remotePort], [localAddress, localPort])
  socket.destroy()
})

// --- mqtt-packet

test('mqtt-packet makes no cache of numbers when it is told so', () => {
  const { cache } = createRequire(import.meta.url)('mqtt-packet/numbers') as { cache: object }
  internals.dropNumberCache()
  assert.deepEqual([...generate({ cmd: 'puback', messageId: 258 })], [0x40, 2, 1, 2])
  assert.equal(Object.keys(cache).length, 0)
})

// --- Aedes

type Packet = Record<string, unknown> & { readonly cmd: string }

/** The far end of a connection to Aedes. It reads and writes bytes. */
class Far {
  readonly client: Client
  readonly received: Packet[] = []
  readonly #stream: ReturnType<typeof duplexPair>[0]
  readonly #news = new EventEmitter()

  constructor(aedes: Aedes) {
    const [near, far] = duplexPair()
    this.#stream = far
    this.client = aedes.handle(near)
    const parse = parser()
    parse.on('packet', packet => {
      this.received.push(packet as unknown as Packet)
      this.#news.emit('packet')
    })
    far.on('data', bytes => parse.parse(bytes))
    far.on('error', () => {})
  }

  write(...bytes: readonly Buffer[]): void {
    for (const each of bytes) this.#stream.write(each)
  }

  /** Waits for the next packet of this kind and removes it. */
  async next(cmd: string): Promise<Packet> {
    for (;;) {
      const at = this.received.findIndex(packet => packet.cmd === cmd)
      if (at >= 0) return this.received.splice(at, 1)[0]!
      await once(this.#news, 'packet')
    }
  }

  /** Breaks the connection without DISCONNECT. */
  async breakOff(): Promise<void> {
    const closed = once(this.client.conn as Readable, 'close')
    this.#stream.destroy()
    ;(this.client.conn as Readable).destroy()
    await closed
  }
}

async function open(t: TestContext, options: AedesOptions = {}): Promise<Aedes> {
  const aedes = await Aedes.createBroker(options)
  t.after(() => new Promise<void>(resolve => aedes.close(resolve)))
  return aedes
}

async function connected(aedes: Aedes, options: packets.ConnectOptions = {}): Promise<Far> {
  const far = new Far(aedes)
  const ready = once(aedes, 'clientReady')
  far.write(packets.connect({ keepalive: 0, ...options }))
  assert.equal((await far.next('connack')).returnCode, 0)
  await ready
  return far
}

const topic = 'chargers/c1/PowerOutput'
const news = { cmd: 'publish', topic, payload: Buffer.from('1'), qos: 1, retain: false, dup: false } as const
const published = (aedes: Aedes): Promise<void> =>
  new Promise((resolve, reject) => aedes.publish(news, error => (error ? reject(error) : resolve())))

interface Persistence {
  addSubscriptions(client: object, subscriptions: readonly object[]): Promise<void>
  subscriptionsByTopic(topic: string): Promise<object[]>
  outgoingUpdate(client: object, packet: object): Promise<void>
  createRetainedStreamCombi(filters: readonly string[]): Readable
}
const persistenceOf = (aedes: Aedes): Persistence => (aedes as unknown as { persistence: Persistence }).persistence

test('Aedes has its connected clients by their ids', async t => {
  const aedes = await open(t)
  const far = await connected(aedes, { clientId: 'constructor' })
  const found = ['constructor', 'toString'].map(id => internals.isConnected(aedes, id))
  const left = once(aedes, 'clientDisconnect')
  await far.breakOff()
  await left
  assert.deepEqual([...found, internals.isConnected(aedes, 'constructor')], [true, false, false])
})

test('what is given to the emitter of Aedes reaches subscribers, and no search for sessions', async t => {
  const aedes = await open(t)
  const far = await connected(aedes)
  far.write(packets.subscribe(topic))
  await far.next('suback')
  const search = t.mock.method(persistenceOf(aedes), 'subscriptionsByTopic')
  await new Promise<void>(resolve => internals.emitterOf(aedes).emit(news, resolve))
  assert.equal((await far.next('publish')).topic, topic)
  assert.equal(search.mock.callCount(), 0)
  await published(aedes)
  assert.equal(search.mock.callCount(), 1, 'which is there for what is published')
})

test("a persistence that fails is an 'error' event of Aedes", async t => {
  const aedes = await open(t)
  t.mock.method(persistenceOf(aedes), 'subscriptionsByTopic', async () => {
    throw new Error('away')
  })
  const failures: string[] = []
  internals.onBrokerError(aedes, ({ message }) => failures.push(message))
  aedes.publish(news, () => {})
  for (let i = 0; i < 10 && failures.length === 0; i++) await turn()
  assert.deepEqual(failures, ['away'])
})

test('Aedes starts no keepalive timer when preConnect has put the keepalive to 0', async t => {
  const timers: boolean[] = []
  for (const isPutTo0 of [false, true]) {
    const aedes = await open(t, {
      preConnect: (_client, packet, done) => {
        if (isPutTo0) internals.connectPacketOf(packet).keepalive = 0
        done(null, true)
      }
    })
    const { client } = await connected(aedes, { keepalive: 60 })
    timers.push((client as unknown as { _keepaliveTimer: unknown })._keepaliveTimer !== null)
  }
  assert.deepEqual(timers, [true, false])
})

test('a will reaches authorizePublish, and a will that preConnect has deleted does not', async t => {
  const asked: string[] = []
  for (const isDeleted of [false, true]) {
    const aedes = await open(t, {
      preConnect: (_client, packet, done) => {
        if (isDeleted) delete internals.connectPacketOf(packet).will
        done(null, true)
      },
      authorizePublish: (_client, packet, done) => {
        asked.push(`${isDeleted} ${packet.topic}`)
        done(null)
      }
    })
    const far = await connected(aedes, { will: { topic, payload: 'gone', qos: 1 } })
    const left = once(aedes, 'clientDisconnect')
    await far.breakOff()
    await left
  }
  assert.deepEqual(asked, [`false ${topic}`])
})

test('CONNACK has the return code of the error that authenticate is answered with', async t => {
  for (const returnCode of [2, 3] as const) {
    const aedes = await open(t, {
      authenticate: (_client, _name, _password, done) =>
        done(internals.refusalWith(new Error('no'), returnCode) as AuthenticateError, false)
    })
    const far = new Far(aedes)
    far.write(packets.connect())
    assert.equal((await far.next('connack')).returnCode, returnCode)
  }
})

/** A SUBSCRIBE with three filters. The second filter is denied. */
const threeFilters = packets.packet(
  0x82,
  packets.uint16(7),
  ...['a', 'b', 'c'].flatMap(name => [packets.text(`chargers/${name}/x`), [1]])
)
const denyingB = (asked: (filter: string) => void = () => {}): AedesOptions => ({
  authorizeSubscribe: (_client, subscription, done) => {
    asked(subscription.topic)
    done(null, subscription.topic.includes('/b/') ? null : subscription)
  }
})

test("a filter that is denied has the QoS of a denial in the event 'subscribe'", async t => {
  const aedes = await open(t, denyingB())
  const far = await connected(aedes)
  const subscribed = once(aedes, 'subscribe')
  far.write(threeFilters)
  const [subscriptions] = (await subscribed) as [{ qos: number }[]]
  assert.deepEqual(
    subscriptions.map(({ qos }) => qos),
    [1, internals.deniedQos, 1]
  )
})

test('Aedes stores all filters of a SUBSCRIBE for each that is granted, before it asks for the next one', async t => {
  const events: string[] = []
  const arrays = new Set<object>()
  const aedes = await open(
    t,
    denyingB(filter => events.push(`ask ${filter}`))
  )
  const persistence = persistenceOf(aedes)
  const store = persistence.addSubscriptions.bind(persistence)
  t.mock.method(persistence, 'addSubscriptions', (client: object, subscriptions: readonly object[]) => {
    events.push(`store ${subscriptions.length}`)
    arrays.add(subscriptions)
    return store(client, subscriptions)
  })
  const far = await connected(aedes, { clean: false })
  far.write(threeFilters)
  await far.next('suback')
  assert.deepEqual(events, ['ask chargers/a/x', 'store 3', 'ask chargers/b/x', 'ask chargers/c/x', 'store 3'])
  assert.equal(arrays.size, 1, 'each time the same array')
})

test('what is retained comes from the persistence, whatever the number of filters', async t => {
  const aedes = await open(t)
  t.mock.method(persistenceOf(aedes), 'createRetainedStreamCombi', (filters: readonly string[]) =>
    Readable.from(filters.map(filter => ({ cmd: 'publish', topic: filter, payload: 'kept', qos: 0, retain: true })))
  )
  const far = await connected(aedes)
  far.write(packets.subscribe(topic))
  const { topic: sent, retain, qos } = await far.next('publish')
  assert.deepEqual([sent, retain, qos], [topic, true, 0])
})

test('a client that closes unsubscribes, and is closed by then', async t => {
  const aedes = await open(t)
  const far = await connected(aedes)
  far.write(packets.subscribe(topic))
  await far.next('suback')
  const unsubscribed = once(aedes, 'unsubscribe')
  await far.breakOff()
  const [filters, client] = await unsubscribed
  assert.deepEqual([filters, (client as Client).closed], [[topic], true])
})

test('Aedes delivers by what is put in the place of deliver0', async t => {
  const aedes = await open(t)
  const { client } = await connected(aedes)
  const heard: string[] = []
  const deliver = (packet: Buffer, done: () => void): void => {
    heard.push(packet.toString())
    done()
  }
  deliverDirectly(client, { deliver }, () => true)
  await new Promise<void>((resolve, reject) =>
    client.subscribe({ topic: 'chargers/#', qos: 0 }, error => (error ? reject(error) : resolve()))
  )
  await published(aedes)
  assert.equal(heard.length, 1)
  assert.match(heard[0]!, /PowerOutput1$/)
})

test('a client knows the newest message of each broker that it was sent, by a number that rises', async t => {
  const aedes = await open(t)
  const far = await connected(aedes)
  far.write(packets.subscribe(topic))
  await far.next('suback')
  const { duplicates } = internals.insideOfClient(far.client)
  const numbers: number[] = []
  for (let i = 0; i < 2; i++) {
    await published(aedes)
    await far.next('publish')
    numbers.push(duplicates[aedes.id]!)
  }
  assert.ok(numbers[0]! > 0 && numbers[1]! > numbers[0]!, `${numbers}`)
})

test('only a message from the queue of a session has a message id when it is judged', async t => {
  const queued: boolean[] = []
  const aedes = await open(t, {
    authorizeForward: (_client, packet) => {
      queued.push(internals.isQueued(packet))
      return packet
    }
  })
  const first = await connected(aedes, { clean: false })
  first.write(packets.subscribe(topic))
  await first.next('suback')
  await published(aedes)
  first.write(packets.puback((await first.next('publish')).messageId as number))
  const left = once(aedes, 'clientDisconnect')
  await first.breakOff()
  await left
  await published(aedes)
  const second = new Far(aedes)
  second.write(packets.connect({ clean: false, keepalive: 0 }))
  await second.next('publish')
  assert.deepEqual(queued.slice(0, 2), [false, true])
})

test('the PUBREL that takes the place of a queued message has no number of a broker', async t => {
  const aedes = await open(t)
  const update = t.mock.method(persistenceOf(aedes), 'outgoingUpdate')
  const far = await connected(aedes, { clean: false })
  far.write(packets.packet(0x82, packets.uint16(1), packets.text(topic), [2]))
  await far.next('suback')
  aedes.publish({ ...news, qos: 2 }, () => {})
  far.write(packets.pubrec((await far.next('publish')).messageId as number))
  await far.next('pubrel')
  const updates = update.mock.calls.map(({ arguments: [, packet] }) => packet as Packet & { brokerId?: string })
  assert.deepEqual(
    updates.map(({ cmd, brokerId }) => [cmd, brokerId]),
    [
      ['publish', aedes.id],
      ['pubrel', undefined]
    ]
  )
})

test('a PUBREL that nobody knows is answered with PUBCOMP', async t => {
  const far = await connected(await open(t))
  far.write(packets.pubrel(9))
  assert.equal((await far.next('pubcomp')).messageId, 9)
})

// --- mqemitter-redis

function openEmitter(t: TestContext) {
  const said: Buffer[] = []
  const { subConn, pubConn, hear } = internals.emitterConnections(body => said.push(body))
  const mq = mqemitterRedis({ subConn: subConn as never, pubConn: pubConn as never, matchEmptyLevels: true })
  t.after(() => new Promise<void>(resolve => mq.close(resolve)))
  const heard: unknown[] = []
  mq.on('a/#', (message, done) => {
    heard.push((message as { text?: string }).text)
    done()
  })
  return { mq, said, heard, hear, pubConn }
}

test('mqemitter-redis works with our connections: what it says is heard here once, and what others say', async t => {
  const [here, there] = [openEmitter(t), openEmitter(t)]
  await new Promise<void>(resolve => here.mq.emit({ topic: 'a/b', text: 'hello' } as never, () => resolve()))
  assert.deepEqual([here.heard, here.said.length, there.heard], [['hello'], 1, []])
  for (const body of [...here.said, ...here.said]) there.hear(body)
  assert.deepEqual(there.heard, ['hello'], 'the same one is heard once')
})

test('mqemitter-redis has a way to its own subscribers alone', t => {
  const { mq, said, heard } = openEmitter(t)
  internals.emitLocally(mq, { topic: 'a/b', text: 'hello' })
  assert.deepEqual([heard, said], [['hello'], []])
})

test("a connection of mqemitter-redis that fails is an 'error' event of its state", t => {
  const { mq, pubConn } = openEmitter(t)
  assert.throws(() => pubConn.emit('error', new Error('away')), /away/)
  internals.ignoreFaults(mq)
  pubConn.emit('error', new Error('away'))
})

// --- aedes-persistence-redis

type Value = Buffer | string | number

/** The Redis commands that the library needs, in memory. Records the names of the called commands. */
class FakeRedis {
  readonly called = new Set<string>()
  readonly #hashes = new Map<string, Record<string, Buffer>>()
  readonly #lists = new Map<string, string[]>()
  readonly #strings = new Map<string, Buffer>()

  readonly connection = new Proxy(this, {
    get: (_target, name: string) => {
      this.called.add(name)
      const command = (this as unknown as Record<string, ((...args: unknown[]) => unknown) | undefined>)[name]
      return async (...args: unknown[]) => (command === undefined ? assert.fail(name) : command.apply(this, args))
    }
  })

  #hash(key: string): Record<string, Buffer> {
    const hash = this.#hashes.get(key) ?? {}
    this.#hashes.set(key, hash)
    return hash
  }

  smembers = (): string[] => []
  sadd = (): void => {}
  srem = (): void => {}
  exists = (key: string): number => (Object.keys(this.#hash(key)).length > 0 ? 1 : 0)
  hmsetBuffer = (key: string, fields: Record<string, Buffer>): void => void Object.assign(this.#hash(key), fields)
  hgetallBuffer = (key: string): Record<string, Buffer> => this.#hash(key)
  hgetBuffer = (key: string, field: Value): Buffer | null => this.#hash(key)[field as string] ?? null
  setBuffer = (key: string, value: Buffer): void => void this.#strings.set(key, value)
  getBuffer = (key: string): Buffer | null => this.#strings.get(key) ?? null
  rpush = (key: string, value: string): void => void this.#lists.set(key, [...(this.#lists.get(key) ?? []), value])
  lrange = (key: string): string[] => this.#lists.get(key) ?? []

  hset(key: string, field: Value, value: Buffer): void {
    this.#hash(key)[field as string] = value
  }

  hdel(key: string, fields: Value | readonly Value[]): void {
    for (const field of [fields].flat()) delete this.#hash(key)[field as string]
  }

  del(key: string): void {
    this.#hashes.delete(key)
    this.#strings.delete(key)
  }

  lrem(key: string, _count: number, value: string): void {
    const values = this.lrange(key).filter(each => each !== value)
    this.#lists.set(key, values)
  }
}

test('aedes-persistence-redis needs these commands, and asks for the members of one set in its setup alone', async () => {
  const redis = new FakeRedis()
  const store = new RedisPersistence({ conn: redis.connection, cluster: false }) as unknown as Record<
    string,
    (...args: unknown[]) => Promise<unknown>
  >
  const members = redis.smembers
  const sets: unknown[] = []
  redis.smembers = ((key: string) => {
    sets.push(key)
    return members()
  }) as never
  await store.setup!(internals.loneBroker('b1'))
  assert.deepEqual([[...redis.called], sets], [['smembers'], [internals.redisClientsKey]])
  redis.called.clear()
  const client = { id: 'c1', brokerId: 'b1' }
  const message = { messageId: 3, cmd: 'publish', topic, payload: Buffer.from('1'), qos: 2 }
  await store.addSubscriptions!(client, [{ topic, qos: 1 }])
  assert.deepEqual(await store.subscriptionsByClient!(client), [{ topic, qos: 1 }])
  assert.deepEqual(await store.subscriptionsByTopic!(topic), [], 'it has no copy of filters that grows')
  await store.removeSubscriptions!(client, [topic])
  await store.cleanSubscriptions!(client)
  await store.incomingStorePacket!(client, message)
  assert.equal(((await store.incomingGetPacket!(client, message)) as Packet).topic, topic)
  await store.incomingDelPacket!(client, message)
  await store.cleanIncoming!(client)
  await store.putWill!(client, { topic, payload: Buffer.from('gone'), qos: 0, retain: false })
  const wills: unknown[] = []
  for await (const will of store.streamWill!({}) as unknown as AsyncIterable<Packet>) wills.push(will.topic)
  assert.deepEqual(wills, [topic])
  assert.equal(((await store.delWill!(client)) as Packet).topic, topic)
  assert.deepEqual([...redis.called].sort(), [...internals.redisCommands].sort())
})
