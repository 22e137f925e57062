// Tests the sessions that two servers keep in a real Redis, also while Redis is away: filters, incoming QoS 2 messages,
// wills.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { after, afterEach, before, describe, it } from 'node:test'
import { RedisLink } from '../../src/broker/redis/redisLink.ts'
import { SharedPersistence, type Subscription } from '../../src/broker/redis/sharedPersistence.ts'
import { freePort } from '../../src/server/ports.ts'
import { until } from '../harness.ts'

const missing = spawnSync('redis-server', ['--version']).error && 'apt-get install redis-server'

describe('sessions in Redis', { skip: missing }, () => {
  let port: number
  let redis: ChildProcess
  const links: RedisLink[] = []

  const startRedis = (): void => {
    redis = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', ''], { stdio: 'ignore' })
  }
  const cli = (...args: string[]): string => spawnSync('redis-cli', ['-p', String(port), ...args]).stdout.toString()

  interface Server {
    readonly link: RedisLink
    readonly persistence: SharedPersistence
    readonly known: string[]
  }

  /** Opens a persistence as Aedes does. */
  async function serve(id: string): Promise<Server> {
    const link = await RedisLink.open({ url: `redis://127.0.0.1:${port}`, node: id, away() {}, restored() {} })
    links.push(link)
    const known: string[] = []
    const persistence = new SharedPersistence({
      link,
      known: clientId => known.push(clientId),
      failed: error => assert.fail(error)
    })
    await persistence.setup({ id })
    return { link, persistence, known }
  }

  async function willsOf({ persistence }: Server, alive?: Record<string, number>): Promise<unknown[]> {
    const found: unknown[] = []
    for await (const { brokerId, clientId, topic, payload } of persistence.streamWill(alive))
      found.push([brokerId, clientId, topic, payload.toString()])
    return found
  }
  const filtersOf = async ({ persistence }: Server, id: string): Promise<Subscription[]> =>
    (await persistence.subscriptionsByClient({ id })).map(({ topic, qos }) => ({ topic, qos }))
  const fields = (id: string): string[] => cli('hkeys', `chargelift:client:${id}`).split('\n').filter(Boolean).sort()

  before(async () => {
    port = await freePort()
    startRedis()
    await until(
      () => cli('ping'),
      answer => answer.includes('PONG')
    )
  })
  afterEach(async () => {
    for (const link of links.splice(0)) await link.close()
  })
  after(() => redis.kill('SIGKILL'))

  it('what a client subscribed on one server is its session on the other, until it ends there; no key is another name', async () => {
    const [one, two] = [await serve('one'), await serve('two')]
    const filters = [
      { topic: 'chargers/+/Ä', qos: 1 },
      { topic: 'chargers/c1/#', qos: 0 }
    ]
    await one.persistence.addSubscriptions({ id: 'dash:1' }, filters)
    assert.deepEqual(await filtersOf(two, 'dash:1'), filters)
    const late = await serve('late')
    assert.deepEqual(late.known, ['dash:1'])
    await two.persistence.removeSubscriptions({ id: 'dash:1' }, ['chargers/c1/#'])
    assert.deepEqual(await filtersOf(one, 'dash:1'), filters.slice(0, 1))
    await late.persistence.outgoingEnqueue(
      { clientId: 'dash:1' },
      { cmd: 'publish', brokerId: 'late', brokerCounter: 1, topic: 't', payload: 'x' }
    )
    for (const key of cli('keys', '*').split('\n').filter(Boolean)) assert.match(key, /^chargelift:/)
    await late.persistence.cleanSubscriptions({ id: 'dash:1' })
    assert.deepEqual(await filtersOf(one, 'dash:1'), [])
    assert.equal(cli('keys', 'chargelift:*').trim(), 'chargelift:epoch', 'its queue is gone as well')
  })

  it('what a client subscribes while its session is read is not lost to what was read', async () => {
    const one = await serve('one')
    const filters = [{ topic: 'r/1', qos: 1 }]
    const [read] = await Promise.all([filtersOf(one, 'r'), one.persistence.addSubscriptions({ id: 'r' }, filters)])
    assert.deepEqual(read, filters)
    const [again] = await Promise.all([filtersOf(one, 'r'), one.persistence.cleanSubscriptions({ id: 'r' })])
    assert.deepEqual(again, [])
  })

  it('a QoS 2 message that one server received is known to the other, and released once', async () => {
    const [one, two] = [await serve('one'), await serve('two')]
    const client = { id: 'c1', clean: false }
    const packet = { cmd: 'publish', messageId: 7, topic: 't', payload: Buffer.from([0, 255]), qos: 2 } as const
    await one.persistence.incomingStorePacket(client, packet)
    const found = (await two.persistence.incomingGetPacket(client, packet)) as typeof packet
    assert.deepEqual([found.topic, [...found.payload], found.messageId], ['t', [0, 255], 7])
    await two.persistence.incomingDelPacket(client, packet)
    const late = await serve('late')
    await assert.rejects(late.persistence.incomingGetPacket(client, packet), /no such packet/)
    await one.persistence.incomingStorePacket(client, packet)
    await late.persistence.cleanSubscriptions(client)
    await assert.rejects(late.persistence.incomingGetPacket(client, packet), /no such packet/)
  })

  it('the will of a client is published by another server when its own is gone, and only then', async () => {
    const [one, two] = [await serve('one'), await serve('two')]
    const will = { topic: 'gone', payload: Buffer.from('x'), qos: 1, retain: false }
    await one.persistence.putWill({ id: 'c:1' }, { ...will })
    await one.persistence.putWill({ id: 'c:1' }, { ...will }) // a repeated will is stored once
    assert.deepEqual(await willsOf(one, {}), [])
    assert.deepEqual(await willsOf(two, { one: 1 }), [])
    assert.deepEqual(await willsOf(two, { two: 1 }), [['one', 'c:1', 'gone', 'x']])
    await two.persistence.delWill({ id: 'c:1', brokerId: 'one' })
    assert.deepEqual(await willsOf(two, {}), [])
    assert.equal((await one.persistence.delWill({ id: 'c:1' }))?.topic, 'gone')
  })

  it('while Redis hangs everything is answered in 2 s, and is there when it is back; so it is when it is back empty', async t => {
    const unhandled: unknown[] = []
    const note = (error: unknown): number => unhandled.push(error)
    process.on('unhandledRejection', note)
    const one = await serve('one')
    await one.persistence.addSubscriptions({ id: 'a' }, [{ topic: 'a/1', qos: 1 }])
    await one.persistence.addSubscriptions({ id: 'b' }, [{ topic: 'b/1', qos: 1 }])
    redis.kill('SIGSTOP')
    const startMs = performance.now()
    const client = { id: 'a', clean: false }
    const will = { topic: 'gone', payload: Buffer.from('x'), qos: 1, retain: false }
    await Promise.all([
      one.persistence.addSubscriptions(client, [{ topic: 'a/2', qos: 1 }]),
      one.persistence.putWill(client, will),
      one.persistence.incomingStorePacket(client, { cmd: 'publish', messageId: 7, topic: 't', payload: 'x' }),
      one.persistence.cleanSubscriptions({ id: 'b' })
    ])
    await one.persistence.removeSubscriptions(client, ['a/1'])
    assert.deepEqual(await filtersOf(one, 'a'), [{ topic: 'a/2', qos: 1 }])
    await one.persistence.delWill(client)
    assert.deepEqual(await willsOf(one), [])
    const tookMs = performance.now() - startMs
    t.diagnostic(`answered after ${tookMs.toFixed()} ms`)
    // Twice the promised 2 s. If each call waited separately, it would be 10 s.
    assert.ok(tookMs < 4_000, `all of it in one wait of 2 s: ${tookMs}`)
    assert.equal(one.link.isReachable, false)
    await one.persistence.putWill({ id: 'w' }, { ...will })
    const two = await serve('two') // the server starts without Redis
    assert.equal(two.link.isReachable, false)
    await two.persistence.addSubscriptions({ id: 'd' }, [{ topic: 'd/1', qos: 1 }])
    redis.kill('SIGCONT')
    const isBack = ({ link }: Server): Promise<unknown> => until(() => link.isReachable, Boolean)
    await Promise.all([isBack(one), isBack(two)])
    const stored = (): string => ['a', 'b', 'd'].map(id => `${id}: ${fields(id)}`).join('; ')
    await until(stored, text => text === 'a: a/2; b: ; d: d/1')
    await until(
      () => filtersOf(two, 'a'),
      filters => filters.length === 1
    )
    const wills = (): string => cli('lrange', 'chargelift:will', '0', '-1').trim()
    await until(wills, keys => keys === 'will:one:w')
    const ended = once(redis, 'exit')
    redis.kill('SIGKILL')
    await ended
    await one.persistence.addSubscriptions(client, [{ topic: 'a/3', qos: 1 }])
    startRedis()
    await until(stored, text => text === 'a: a/2,a/3; b: ; d: d/1')
    assert.deepEqual(cli('smembers', 'chargelift:clients').split('\n').filter(Boolean).sort(), ['a', 'd'])
    await until(
      () => willsOf(two),
      ([found]) => String(found) === 'one,w,gone,x'
    )
    process.off('unhandledRejection', note)
    assert.deepEqual(unhandled, [])
  })
})
