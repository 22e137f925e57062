// Tests `--redis-url` with a real redis-server. Sessions outlive a server, and two servers are one broker to their
// clients.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { Redis } from 'ioredis'
import { freePort } from '../../src/server/ports.ts'
import { envelope, Harness, until } from '../harness.ts'
import { WireClient } from '../wire.ts'

const missing = spawnSync('redis-server', ['--version']).error && 'apt-get install redis-server'
const harness = Harness.use()

describe('redis', { skip: missing }, () => {
  let redis: ChildProcess
  let redisUrl: string

  before(async () => {
    const port = await freePort()
    redisUrl = `redis://127.0.0.1:${port}`
    redis = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', harness.dir], {
      stdio: 'ignore'
    })
    const probe = new Redis(redisUrl, { retryStrategy: () => 50 })
    probe.on('error', () => {})
    await until(
      () => probe.ping().catch(() => ''),
      answer => answer === 'PONG'
    )
    await probe.quit()
    for (const name of ['c1', 'c2']) await harness.device(name)
    await harness.device('dash', 'consumer')
    await harness.device('boss', 'operator')
  })

  after(() => redis.kill())

  it("an operator's command on one server reaches the edge on the other; a session outlives its server", async () => {
    const databaseUrl = await harness.database()
    const one = await harness.server(databaseUrl, { redisUrl })
    const two = await harness.server(databaseUrl, { redisUrl })
    const edge = await harness.client(one, 'c1')
    await edge.subscribe('chargers/c1/commands/#')
    const boss = await harness.client(two, 'boss')
    await boss.acked(boss.publish('chargers/c1/commands/pause', 'now'))
    await until(
      () => edge.delivered(),
      messages => messages.length === 1
    )

    const dash = await harness.client(one, 'dash', { clean: false })
    await dash.subscribe('chargers/c1/PowerOutput')
    dash.destroy()
    await until(() => dash.closed, Boolean)
    await edge.acked(edge.publish('chargers/c1/PowerOutput', envelope(77)))
    const again = await harness.client(two, 'dash', { clean: false })
    const [topic, payload] = (
      await until(
        () => again.delivered(),
        messages => messages.length > 0
      )
    )[0]!
    assert.deepEqual([topic, JSON.parse(payload).Value], ['chargers/c1/PowerOutput', 77])
    assert.equal(await one.stop(), true)
    assert.equal(await two.stop(), true)
  })

  it('an edge that goes to another server is told there, and is offline nowhere', async () => {
    const databaseUrl = await harness.database()
    const options = { redisUrl, presenceGraceMs: 5_000 }
    const one = await harness.server(databaseUrl, { ...options, nodeId: 'one' })
    const two = await harness.server(databaseUrl, { ...options, nodeId: 'two' })
    const dash = await harness.client(one, 'dash', { clientId: 'dash:presence' })
    await dash.subscribe('chargers/+/Connection')
    const told = (): string[] =>
      dash.delivered().map(([topic, payload]) => `${topic.split('/')[1]} ${JSON.parse(payload).Value}`)
    const left = await harness.client(one, 'c1')
    const canary = await harness.client(one, 'c2')
    await until(told, seen => seen.length === 2)
    await harness.client(two, 'c1')
    await left.wait(() => left.closed)
    canary.destroy()
    await until(told, seen => seen.includes('c2 offline'))
    assert.deepEqual(told().sort(), ['c1 online', 'c1 online', 'c2 offline', 'c2 online'])
    const db = await harness.session(databaseUrl)
    const { rows } = await db.query('SELECT charger, state, node FROM edge_connections ORDER BY charger')
    assert.deepEqual(rows[0], { charger: 'c1', state: 'online', node: 'two' })
  })
  it('a server stops without a fault while Redis is away', async () => {
    const port = await freePort()
    const away = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', ''], {
      stdio: 'ignore'
    })
    harness.onEnd(async () => away.kill())
    const server = await harness.server(await harness.database(), { redisUrl: `redis://127.0.0.1:${port}` })
    const edges = await Promise.all(['c1', 'c2'].map(name => harness.client(server, name)))
    away.kill('SIGKILL')
    await until(() => harness.warnings.some(({ event }) => event === 'redis_away'), Boolean)
    const late = new WireClient({ certs: harness.certs, name: 'dash', port: server.mqttPorts[0]!, clientId: 'dash' })
    await late.open()
    late.send({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'dash', clean: true, keepalive: 60 })
    for (const edge of edges) edge.destroy()
    assert.equal(await server.stop(), true)
  })
  it('a server stops without a fault beside a Redis that hangs', async () => {
    const port = await freePort()
    const hung = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', ''], {
      stdio: 'ignore'
    })
    harness.onEnd(async () => hung.kill('SIGKILL'))
    const server = await harness.server(await harness.database(), { redisUrl: `redis://127.0.0.1:${port}` })
    hung.kill('SIGSTOP')
    assert.equal(await server.stop(), true)
    const ended = once(hung, 'exit')
    hung.kill('SIGKILL') // all calls that still wait for Redis now fail
    await ended
  })
})
