// Tests `--processes`, one server of several processes, with a real redis-server. A process is killed, every process
// resumes TLS sessions, the metrics cover all processes, and nothing is lost.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { connect } from 'node:tls'
import type { IngestFigures } from '../../src/model/api/api.ts'
import { freePort } from '../../src/server/ports.ts'
import { envelope, Harness, until } from '../harness.ts'
import { anyPorts, folder, Program, run } from '../programs.ts'
import { WireClient } from '../wire.ts'

const missing = spawnSync('redis-server', ['--version']).error && 'apt-get install redis-server'
const harness = Harness.use()

describe('processes', { skip: missing }, () => {
  let redis: ChildProcess
  let redisUrl: string
  before(async () => {
    const port = await freePort()
    redisUrl = `redis://127.0.0.1:${port}`
    redis = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', ''], { stdio: 'ignore' })
    for (let i = 1; i <= 8; i++) await harness.device(`c${i}`)
    await harness.device('boss', 'operator')
  })
  after(() => redis.kill('SIGKILL'))

  const flags = async (): Promise<string[]> => {
    const at = (name: string): string => join(harness.certs, name)
    const tls = ['--tls-ca', at('ca.pem'), '--tls-cert', at('server.pem'), '--tls-key', at('server.key')]
    const url = await harness.database()
    return [...anyPorts, ...tls, '--tls-crl', at('crl.pem'), '--database-url', url, '--redis-url', redisUrl]
  }

  it('without Redis several processes are a fault of the configuration', async () => {
    const { code, stderr } = await run(folder(), 'server', '--processes', '2')
    assert.equal(code, 78)
    assert.match(stderr, /--processes: expected --redis-url beside it/)
  })

  it('are one server: connections spread evenly, one answer of /readyz and /metrics for all, TLS sessions go on at any', async () => {
    const server = new Program(folder(), ['server', '--processes', '2', '--workers', '1', ...(await flags())])
    const { mqttPort, httpPort } = (await server.line('listening')) as { mqttPort: number; httpPort: number }
    const clients: WireClient[] = []
    for (let i = 1; i <= 8; i++) {
      const client = new WireClient({ certs: harness.certs, name: `c${i}`, port: mqttPort, clientId: `c${i}` })
      assert.equal(await client.connect(), 0)
      await client.subscribe(`chargers/c${i}/commands/#`)
      await client.acked(client.publish(`chargers/c${i}/PowerOutput`, envelope(i)))
      clients.push(client)
    }
    const http = `http://127.0.0.1:${httpPort}`
    const metrics = await (await fetch(`${http}/metrics`)).text()
    assert.match(metrics, /^chargelift_connections 8$/m)
    assert.match(metrics, /^chargelift_messages_committed_total 8$/m)
    assert.match(metrics, /^chargelift_ack_seconds_count 8$/m)
    const ingest = await until(
      async () => (await (await fetch(`${http}/api/v1/ingest`)).json()) as IngestFigures,
      ({ committed, chargers }) => committed === 8 && chargers === 8
    )
    assert.deepEqual([ingest.connections, ingest.lanes.length], [8, 4])
    assert.ok(ingest.ackSeconds!.p99 >= ingest.ackSeconds!.p50)
    assert.equal((await fetch(`${http}/readyz`)).status, 200)
    const db = await harness.session(databaseOf(server))
    const nodes = await until(
      async () =>
        (await db.query("SELECT count(*)::int n FROM edge_connections WHERE state = 'online' GROUP BY node")).rows,
      rows => rows.length === 2 && rows[0].n + rows[1].n === 8
    )
    assert.deepEqual(
      nodes.map(({ n }) => n),
      [4, 4]
    )
    const boss = new WireClient({ certs: harness.certs, name: 'boss', port: mqttPort, clientId: 'boss' })
    await boss.connect()
    for (let i = 1; i <= 8; i++) await boss.acked(boss.publish(`chargers/c${i}/commands/x`, 'now'))
    for (const client of clients)
      await until(
        () => client.delivered().length,
        count => count === 1
      )

    // Each connection goes to the next process. Without shared tickets, half of the connections could not resume the
    // first session.
    const reused = await resumptions(mqttPort, 6)
    assert.deepEqual(reused, [true, true, true, true, true, true])
    server.kill('SIGTERM')
    assert.equal(await server.exit, 0)
    for (const client of clients) assert.equal(client.closed || (await client.wait(() => client.closed)), client.closed)
  })

  it('one that is killed is started again, and what it had acknowledged is stored', async () => {
    const server = new Program(folder(), ['server', '--processes', '2', '--workers', '1', ...(await flags())])
    const { mqttPort, httpPort } = (await server.line('listening')) as { mqttPort: number; httpPort: number }
    const pids = lines(server, 'a process listens').map(({ pid }) => pid as number)
    assert.equal(pids.length, 2)
    const open = async (name: string): Promise<WireClient> => {
      const client = new WireClient({ certs: harness.certs, name, port: mqttPort, clientId: name })
      assert.equal(await client.connect(), 0)
      return client
    }
    const clients = [await open('c1'), await open('c2')]
    let acked = 0
    for (let round = 0; round < 200; round++) {
      for (const [i, client] of clients.entries()) client.publish(`chargers/c${i + 1}/PowerOutput`, envelope(round))
    }
    await until(
      () => clients.reduce((sum, client) => sum + client.acks().length, 0),
      count => count > 50
    )
    process.kill(pids[0]!, 'SIGKILL')
    await until(
      () => clients.filter(({ closed }) => closed).length,
      count => count === 1
    )
    await until(
      () => lines(server, 'a process listens').length,
      count => count === 3
    )
    acked = clients.reduce((sum, client) => sum + client.acks().length, 0)
    const db = await harness.session(databaseOf(server))
    const { rows } = await db.query(
      'SELECT count(*)::int AS n, count(DISTINCT (charger_id, time))::int AS d FROM ev_readings'
    )
    assert.ok(rows[0].n >= acked, `${rows[0].n} stored of ${acked} acknowledged`)
    assert.equal(rows[0].n, rows[0].d)
    const again = [await open('c3'), await open('c4')]
    for (const [i, client] of again.entries())
      await client.acked(client.publish(`chargers/c${i + 3}/PowerOutput`, envelope(1)))
    await until(
      async () => (await fetch(`http://127.0.0.1:${httpPort}/readyz`).catch(() => ({ status: 0 }))).status,
      status => status === 200
    )
    server.kill('SIGTERM')
    assert.equal(await server.exit, 0)
  })

  const lines = (server: Program, msg: string): Record<string, unknown>[] =>
    server.stdout
      .split('\n')
      .filter(line => line.startsWith('{') && line.endsWith('}'))
      .map(line => JSON.parse(line))
      .filter(line => line.msg === msg)

  const databaseOf = (server: Program): string =>
    server.child.spawnargs[server.child.spawnargs.indexOf('--database-url') + 1]!

  async function resumptions(port: number, count: number): Promise<boolean[]> {
    const file = (name: string): Buffer => readFileSync(join(harness.certs, name))
    const base = {
      host: '127.0.0.1',
      port,
      ca: file('ca.pem'),
      cert: file('devices/c1.pem'),
      key: file('devices/c1.key')
    }
    let session: Buffer | undefined
    const seen: boolean[] = []
    for (let i = 0; i <= count; i++) {
      const socket = connect({ ...base, ...(session && { session }) })
      let ticket: Buffer | undefined
      socket.on('session', found => (ticket = found))
      socket.on('error', () => {}).resume()
      await new Promise(resolve => socket.once('secureConnect', resolve))
      if (session) seen.push(socket.isSessionReused())
      else session = await until(() => ticket!, Boolean)
      socket.destroy()
    }
    return seen
  }
})
