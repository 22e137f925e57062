// Tests two servers with a Redis that ends, hangs, and comes back empty: what the servers share, what continues without
// Redis, and what is caught up.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { Redis } from 'ioredis'
import { freePort } from '../../src/server/ports.ts'
import { envelope, freshTime, Harness, until } from '../harness.ts'
import type { WireClient } from '../wire.ts'

const missing = spawnSync('redis-server', ['--version']).error && 'apt-get install redis-server'
const harness = Harness.use()

describe('Redis away', { skip: missing }, () => {
  let port: number
  let redis: ChildProcess
  let redisUrl: string

  async function startRedis(): Promise<void> {
    redis = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', harness.dir], {
      stdio: 'ignore'
    })
    const probe = new Redis(redisUrl, { retryStrategy: () => 50 })
    probe.on('error', () => {})
    await until(
      () => probe.ping().catch(() => ''),
      answer => answer === 'PONG'
    )
    probe.disconnect()
  }

  before(async () => {
    port = await freePort()
    redisUrl = `redis://127.0.0.1:${port}`
    await startRedis()
    for (const name of ['c1', 'c2', 'c3']) await harness.device(name)
    await harness.device('dash', 'consumer')
    await harness.device('boss', 'operator')
  })
  after(() => redis.kill('SIGKILL'))

  const valueIn = (payload: string): unknown => JSON.parse(payload).Value
  const retained = async (client: WireClient, filter: string): Promise<unknown[]> => {
    const from = client.delivered().length
    await client.subscribe(filter)
    return (
      await until(
        () => client.delivered().slice(from),
        messages => messages.length > 0
      )
    ).map(([, payload]) => valueIn(payload))
  }

  it('a server serves as retained what another one stored, and its connected subscribers hear it', async () => {
    const databaseUrl = await harness.database()
    const one = await harness.server(databaseUrl, { redisUrl, nodeId: 'one' })
    const two = await harness.server(databaseUrl, { redisUrl, nodeId: 'two' })
    const dash = await harness.client(two, 'dash')
    await dash.subscribe('chargers/c1/PowerOutput')
    const edge = await harness.client(one, 'c1')
    await edge.acked(edge.publish('chargers/c1/PowerOutput', envelope(1)))
    await until(
      () => dash.delivered().map(([, payload]) => valueIn(payload)),
      values => values.includes(1)
    )
    const late = await harness.client(two, 'dash', { clientId: 'dash:late' })
    assert.deepEqual(await retained(late, 'chargers/c1/PowerOutput'), [1])
    // An older value that another server receives is not delivered, and the Shadow does not go back.
    const elsewhere = await harness.client(two, 'c1')
    await elsewhere.acked(elsewhere.publish('chargers/c1/PowerOutput', envelope(2, freshTime())))
    await elsewhere.acked(elsewhere.publish('chargers/c1/PowerOutput', envelope(0, '2026-01-01T00:00:00.000Z')))
    const there = await harness.client(one, 'dash', { clientId: 'dash:there' })
    await until(
      async () => (await retained(there, 'chargers/c1/PowerOutput')).at(-1),
      value => value === 2
    )
    assert.deepEqual(
      dash.delivered().map(([, payload]) => valueIn(payload)),
      [1, 2]
    )
    await one.stop()
    await two.stop()
  })

  it('while Redis hangs clients connect, values are stored, and afterwards both servers know the same', async () => {
    const databaseUrl = await harness.database()
    const one = await harness.server(databaseUrl, { redisUrl, nodeId: 'one' })
    const two = await harness.server(databaseUrl, { redisUrl, nodeId: 'two' })
    redis.kill('SIGSTOP')
    const edge = await harness.client(one, 'c1', {
      clean: false,
      will: { topic: 'chargers/c1/PowerOutput', payload: '' }
    })
    const other = await harness.client(two, 'c2')
    await edge.acked(edge.publish('chargers/c1/PowerOutput', envelope(11)))
    await other.acked(other.publish('chargers/c2/PowerOutput', envelope(12)))
    const dash = await harness.client(one, 'dash', { clean: false })
    assert.deepEqual(await retained(dash, 'chargers/c1/PowerOutput'), [11])
    const { warnings } = (await (await fetch(`http://127.0.0.1:${one.httpPort}/readyz`)).json()) as {
      warnings: string[]
    }
    assert.match(warnings.join(), /Redis is away/)
    redis.kill('SIGCONT')
    const watch = await harness.client(one, 'dash', { clientId: 'dash:one' })
    const watchTwo = await harness.client(two, 'dash', { clientId: 'dash:two' })
    await until(
      async () => (await retained(watch, 'chargers/c2/PowerOutput')).at(-1),
      value => value === 12
    )
    await until(
      async () => (await retained(watchTwo, 'chargers/c1/PowerOutput')).at(-1),
      value => value === 11
    )
    await one.stop()
    await two.stop()
  })

  it('a Redis that comes back empty is filled again: sessions and the shadow', async () => {
    const databaseUrl = await harness.database()
    const one = await harness.server(databaseUrl, { redisUrl, nodeId: 'one' })
    const dash = await harness.client(one, 'dash', { clean: false, clientId: 'dash:kept' })
    await dash.subscribe('chargers/c3/PowerOutput')
    const edge = await harness.client(one, 'c3')
    await edge.acked(edge.publish('chargers/c3/PowerOutput', envelope(31)))
    dash.destroy()
    const ended = once(redis, 'exit')
    redis.kill('SIGKILL')
    await ended
    await edge.acked(edge.publish('chargers/c3/PowerOutput', envelope(32)))
    await startRedis()
    const probe = new Redis(redisUrl)
    harness.onEnd(async () => probe.disconnect())
    await until(
      () => probe.hgetall('chargelift:shadow:{0}'),
      fields => /"Value":32/.test(fields['chargers/c3/PowerOutput'] ?? '')
    )
    await until(
      () => probe.smembers('chargelift:clients'),
      ids => ids.includes('dash:kept')
    )
    // A server that starts now knows the session, although it never met the client.
    const two = await harness.server(databaseUrl, { redisUrl, nodeId: 'two' })
    await edge.acked(edge.publish('chargers/c3/PowerOutput', envelope(33)))
    const again = await harness.client(two, 'dash', { clean: false, clientId: 'dash:kept' })
    await until(
      () => again.delivered().map(([, payload]) => valueIn(payload)),
      values => values.includes(33)
    )
    await one.stop()
    await two.stop()
  })
  it('the chargers of a server that says nothing any more are taken offline by another, unless they are there', async () => {
    const databaseUrl = await harness.database()
    const options = { redisUrl, nodeSilentMs: 10_000 }
    const one = await harness.server(databaseUrl, { ...options, nodeId: 'one' })
    const two = await harness.server(databaseUrl, { ...options, nodeId: 'two' })
    await harness.client(one, 'c1')
    await harness.client(one, 'c2')
    const dash = await harness.client(two, 'dash')
    await dash.subscribe('chargers/+/Connection')
    const told = (): string[] =>
      dash.delivered().map(([topic, payload]) => `${topic.split('/')[1]} ${valueIn(payload)}`)
    await until(told, seen => seen.includes('c1 online') && seen.includes('c2 online'))
    await one.stop()
    await harness.client(two, 'c2')
    await until(told, seen => seen.includes('c1 offline'))
    const db = await harness.session(databaseUrl)
    const { rows } = await db.query('SELECT charger, state, node FROM edge_connections ORDER BY charger')
    assert.deepEqual(rows, [
      { charger: 'c1', state: 'offline', node: 'one' },
      { charger: 'c2', state: 'online', node: 'two' }
    ])
    assert.equal(told().includes('c2 offline'), false)
    await two.stop()
  })
})
