// Tests presence from both sides: the messages that subscribers of `Connection` see, and the rows of the table, while
// edges come and go and servers end. The grace is shortened. To prove that an event is not reported, a test waits for a
// later event that is reported.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type pg from 'pg'
import type { RunningServer } from '../../src/server/server.ts'
import { envelope, Harness, until } from '../harness.ts'
import { WireClient } from '../wire.ts'

const harness = Harness.use()
const presenceGraceMs = 300
/** The grace for clients that must be back in time, also on a busy machine. */
const longGraceMs = 8_000

interface Told {
  readonly charger: string
  readonly value: string
  readonly atMs: number
}

/** The `Connection` messages that a client received, in order. */
const toldTo = (client: WireClient): Told[] =>
  client.delivered().flatMap(([topic, payload]) => {
    const charger = /^chargers\/([^/]+)\/Connection$/.exec(topic)?.[1]
    if (charger === undefined) return []
    const { SamplingTime, Value } = JSON.parse(payload)
    assert.equal(payload, JSON.stringify({ SamplingTime, Value }))
    assert.match(SamplingTime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    return [{ charger, value: Value, atMs: Date.parse(SamplingTime) }]
  })
const valuesTo = (client: WireClient): string[] => toldTo(client).map(({ charger, value }) => `${charger} ${value}`)

/** Waits until a client has received this message `times` times. */
const told = (client: WireClient, text: string, times = 1): Promise<unknown> =>
  until(
    () => valuesTo(client),
    values => values.filter(value => value === text).length >= times
  )

async function leave(client: WireClient): Promise<void> {
  client.destroy()
  await client.wait(() => client.closed)
}

interface Row {
  readonly identity: string
  readonly client_id: string
  readonly charger: string
  readonly state: string
  readonly since: Date
  readonly address: string
  readonly node: string
}

const rowsOf = async (db: pg.Client): Promise<Row[]> =>
  (await db.query<Row>('SELECT * FROM edge_connections ORDER BY charger, identity')).rows
const statesOf = async (db: pg.Client): Promise<string[]> =>
  (await rowsOf(db)).map(({ charger, state }) => `${charger} ${state}`)
const stored = (db: pg.Client, ...states: string[]): Promise<unknown> =>
  until(
    () => statesOf(db),
    found => states.every(state => found.includes(state))
  )

const edges = ['c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7']
const issueDevices = async (): Promise<void> => {
  for (const name of edges) await harness.device(name)
  await harness.device('site', 'edge', ['c6', 'site-a'])
  await harness.device('dash', 'consumer')
}

describe('presence', { concurrency: true }, () => {
  before(issueDevices)

  describe('coming and going', { concurrency: false }, () => {
    let server: RunningServer
    let db: pg.Client
    let watcher: WireClient

    before(async () => {
      const url = await harness.database()
      server = await harness.server(url, { presenceGraceMs, nodeId: 'here' })
      db = await harness.session(url)
      watcher = await harness.client(server, 'dash', { clientId: 'dash:watcher' })
      await watcher.subscribe('chargers/#')
    })

    it('online at once, offline after the grace with the time of the close; retained, and in the table', async () => {
      const beginMs = Date.now()
      const edge = await harness.client(server, 'c1')
      await told(watcher, 'c1 online')
      await stored(db, 'c1 online')
      const [row] = await rowsOf(db)
      assert.deepEqual(
        { ...row, since: row!.since.getTime(), address: /^127\.0\.0\.1:\d+$/.test(row!.address) },
        {
          identity: 'c1',
          client_id: 'c1',
          charger: 'c1',
          state: 'online',
          since: toldTo(watcher)[0]!.atMs,
          address: true,
          node: 'here'
        }
      )
      for (const [i, filter] of ['chargers/#', 'chargers/+/Connection', 'chargers/c1/Connection'].entries()) {
        const late = await harness.client(server, 'dash', { clientId: `dash:late${i}` })
        await late.subscribe(filter)
        await told(late, 'c1 online')
        assert.deepEqual(toldTo(late), toldTo(watcher), filter)
      }
      const closeMs = Date.now()
      await leave(edge)
      await told(watcher, 'c1 offline')
      const offlineMs = Date.now()
      await stored(db, 'c1 offline')
      assert.deepEqual(valuesTo(watcher), ['c1 online', 'c1 offline'])
      const [online, offline] = toldTo(watcher)
      assert.ok(beginMs <= online!.atMs && online!.atMs < closeMs)
      assert.ok(closeMs <= offline!.atMs && offline!.atMs <= offlineMs - presenceGraceMs + 5, JSON.stringify(offline))
      assert.equal((await rowsOf(db))[0]!.since.getTime(), offline!.atMs)
    })

    it('a charger that two certificates name is online while one of them is', async () => {
      const own = await harness.client(server, 'c6')
      const site = await harness.client(server, 'site')
      await told(watcher, 'site-a online')
      await leave(own)
      await until(
        async () =>
          (await rowsOf(db)).filter(({ charger }) => charger === 'c6').map(row => `${row.identity} ${row.state}`),
        rows => rows.join() === 'c6 offline,site online'
      )
      await leave(site)
      await told(watcher, 'c6 offline')
      assert.deepEqual(
        valuesTo(watcher).filter(text => text.startsWith('c6')),
        ['c6 online', 'c6 offline']
      )
    })

    it('an edge that subscribes to its own Connection gets the time of that moment, once, by any filter', async () => {
      const edge = await harness.client(server, 'c5')
      const tool = await harness.client(server, 'c5', { clientId: 'c5:tool' })
      await told(watcher, 'c5 online')
      for (const client of [edge, tool, edge]) {
        for (const filter of ['chargers/c5/Connection', 'chargers/c5/#', 'chargers/c5/+']) {
          const { length } = toldTo(client)
          await until(Date.now, nowMs => nowMs > (toldTo(watcher).at(-1)?.atMs ?? 0))
          const beforeMs = Date.now()
          assert.deepEqual(await client.subscribe(filter), [1])
          await told(client, 'c5 online', length + 1)
          await client.ping()
          const [fresh, ...more] = toldTo(client).slice(length)
          assert.deepEqual([fresh!.value, more.length], ['online', 0], filter)
          assert.ok(beforeMs <= fresh!.atMs && fresh!.atMs <= Date.now(), `${filter} ${fresh!.atMs - beforeMs}`)
        }
      }
      // Other clients do not see these messages, and no client sees the time go back.
      await leave(edge)
      await told(watcher, 'c5 offline')
      await told(tool, 'c5 offline')
      const ofC5 = toldTo(watcher).filter(({ charger }) => charger === 'c5')
      assert.deepEqual(
        ofC5.map(({ value }) => value),
        ['online', 'offline']
      )
      for (const times of [ofC5, toldTo(tool)].map(all => all.map(({ atMs }) => atMs)))
        assert.deepEqual(
          times,
          [...times].sort((a, b) => a - b)
        )
    })

    it('an edge whose connection never counted is answered all the same, and nobody else is told', async () => {
      const reader = await harness.client(server, 'c7', { clientId: 'c7:reader' })
      await reader.subscribe('chargers/c7/commands/#', 'chargers/c7/PowerOutput')
      const dash = await harness.client(server, 'dash')
      await dash.subscribe('chargers/c7/Connection')
      for (const client of [reader, dash]) await client.ping()
      assert.deepEqual([...reader.delivered(), ...dash.delivered()], [])
      const tool = await harness.client(server, 'c7', { clientId: 'c7:tool' })
      const beforeMs = Date.now()
      await tool.subscribe('chargers/c7/Connection')
      await told(tool, 'c7 offline')
      await tool.ping()
      assert.equal(toldTo(tool).length, 1)
      assert.ok(beforeMs <= toldTo(tool)[0]!.atMs)
      await harness.client(server, 'c7')
      await told(tool, 'c7 online')
      await told(dash, 'c7 online')
      assert.deepEqual(
        [watcher, dash].map(client => valuesTo(client).filter(text => text.startsWith('c7'))),
        [['c7 online'], ['c7 online']]
      )
    })

    it("a client's own word, as publish or as will, changes nothing", async () => {
      const topic = 'chargers/c4/Connection'
      const { length } = toldTo(watcher)
      const edge = await harness.client(server, 'c4', { will: { topic, payload: envelope('gone') } })
      await edge.acked(edge.publish(topic, envelope('away')))
      await leave(edge)
      await told(watcher, 'c4 offline')
      assert.deepEqual(valuesTo(watcher).slice(length), ['c4 online', 'c4 offline'])
    })

    it('it is no reading, and time never goes back on a topic', async () => {
      for (const table of ['ev_readings', 'latest_readings', 'rejected_messages', 'chargers'])
        assert.equal((await db.query(`SELECT FROM ${table}`)).rowCount, 0, table)
      const newest = new Map<string, number>()
      for (const { charger, atMs } of toldTo(watcher)) {
        assert.ok(atMs > (newest.get(charger) ?? 0), charger)
        newest.set(charger, atMs)
      }
    })
  })

  describe('coming back', { concurrency: true }, () => {
    /** Starts a server as a separate process that can be killed. */
    const spawnServer = async (databaseUrl: string): Promise<{ port: number; kill: () => Promise<unknown> }> => {
      const { tls } = harness.config(databaseUrl)
      const flags = ['--mqtt-host=127.0.0.1', '--mqtt-port=0', '--http-port=0', '--node-id=n', '--workers=1']
      const files = Object.entries(tls).flatMap(([name, path]) => [`--tls-${name}`, path])
      const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
      const child = spawn(process.execPath, [cli, 'server', ...flags, ...files, '--database-url', databaseUrl])
      harness.onEnd(async () => child.kill('SIGKILL'))
      let output = ''
      child.stdout.on('data', chunk => {
        output += chunk
      })
      child.stderr.on('data', chunk => {
        output += chunk
      })
      const listening = await until(
        () => /"mqttPort":(\d+)/.exec(output)?.[1] ?? (child.exitCode === null ? undefined : assert.fail(output)),
        Boolean
      )
      const exit = once(child, 'exit')
      return {
        port: Number(listening),
        kill: () => {
          child.kill('SIGKILL')
          return exit
        }
      }
    }

    it('takeover and reconnect are not reported, nor connections that do not count', async () => {
      const url = await harness.database()
      const db = await harness.session(url)
      const server = await harness.server(url, { presenceGraceMs: longGraceMs })
      const watcher = await harness.client(server, 'dash')
      await watcher.subscribe('chargers/#')
      const first = await harness.client(server, 'c2')
      await told(watcher, 'c2 online')
      await harness.client(server, 'c3', { clientId: 'c3:tool' })
      const second = await harness.client(server, 'c2')
      await first.wait(() => first.closed)
      await leave(second)
      const third = await harness.client(server, 'c2')
      // All reports that the earlier connections could cause are due before this one.
      const last = await harness.client(server, 'c4')
      await leave(last)
      await told(watcher, 'c4 offline')
      assert.deepEqual(valuesTo(watcher), ['c2 online', 'c4 online', 'c4 offline'])
      await stored(db, 'c2 online', 'c4 offline')
      const row = (await rowsOf(db)).find(({ charger }) => charger === 'c2')!
      assert.equal(row.address, `127.0.0.1:${third.socket.localPort}`)
    })

    it('after kill -9 nobody stays online: who comes back is not reported, the others are offline', async () => {
      const url = await harness.database()
      const first = await spawnServer(url)
      for (const name of ['c1', 'c2', 'c3']) {
        const client = new WireClient({ certs: harness.certs, name, port: first.port, clientId: name })
        assert.equal(await client.connect(), 0)
      }
      const db = await harness.session(url)
      await stored(db, 'c1 online', 'c2 online', 'c3 online')
      await first.kill()
      const before = await rowsOf(db)
      const bootMs = Date.now()
      const second = await harness.server(url, { presenceGraceMs: longGraceMs, nodeId: 'n' })
      const back = await harness.client(second, 'c2')
      const watcher = await harness.client(second, 'dash')
      await watcher.subscribe('chargers/+/Connection')
      await told(watcher, 'c3 online')
      assert.deepEqual(valuesTo(watcher).sort(), ['c1 online', 'c2 online', 'c3 online'])
      assert.equal(toldTo(watcher).find(({ charger }) => charger === 'c1')!.atMs, before[0]!.since.getTime())
      await told(watcher, 'c1 offline')
      await told(watcher, 'c3 offline')
      for (const { value, atMs } of toldTo(watcher))
        assert.equal(value === 'offline', atMs >= bootMs && value !== 'online')
      await stored(db, 'c1 offline', 'c2 online', 'c3 offline')
      assert.deepEqual(
        valuesTo(watcher).filter(text => text.startsWith('c2')),
        ['c2 online']
      )
      assert.equal(back.closed, false)
    })

    it('a stop leaves the rows; at the next start the same rule holds, and what was offline stays so', async () => {
      const url = await harness.database()
      const db = await harness.session(url)
      const first = await harness.server(url, { presenceGraceMs, nodeId: 'n' })
      const gone = await harness.client(first, 'c4')
      await leave(gone)
      for (const name of ['c1', 'c2']) await harness.client(first, name)
      await stored(db, 'c1 online', 'c2 online', 'c4 offline')
      const offline = (await rowsOf(db)).find(({ charger }) => charger === 'c4')
      assert.equal(await first.stop(), true)
      assert.deepEqual(await statesOf(db), ['c1 online', 'c2 online', 'c4 offline'])
      const second = await harness.server(url, { presenceGraceMs: longGraceMs, nodeId: 'n' })
      await harness.client(second, 'c2')
      await stored(db, 'c1 offline', 'c2 online', 'c4 offline')
      assert.deepEqual(
        (await rowsOf(db)).find(({ charger }) => charger === 'c4'),
        offline
      )
    })

    it('a charger that goes to another server is not reported as offline by the one it left', async () => {
      const url = await harness.database()
      const db = await harness.session(url)
      const left = await harness.server(url, { presenceGraceMs, nodeId: 'left' })
      const right = await harness.server(url, { presenceGraceMs, nodeId: 'right' })
      const watcher = await harness.client(left, 'dash')
      await watcher.subscribe('chargers/#')
      const there = await harness.client(left, 'c1')
      const other = await harness.client(left, 'c2')
      await stored(db, 'c1 online', 'c2 online')
      const here = await harness.client(right, 'c1')
      await until(
        async () => (await rowsOf(db))[0]!.node,
        node => node === 'right'
      )
      await leave(there)
      await leave(other)
      await told(watcher, 'c2 offline')
      await stored(db, 'c2 offline')
      assert.deepEqual(valuesTo(watcher), ['c1 online', 'c2 online', 'c2 offline'])
      assert.deepEqual(
        (await rowsOf(db)).map(({ state, node }) => `${state} ${node}`),
        ['online right', 'offline left']
      )
      await leave(here)
      await stored(db, 'c1 offline')
    })
  })
})
