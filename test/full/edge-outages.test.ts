// Whatever happens between an edge and its server, the table holds every sample once and in order. All parts are real:
// an edge process, its disk, TLS, a server, a database. A network between edge and server refuses connections, swallows
// bytes, mutes the server, or leads to a false server. Each outage lasts at least 10 s.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { daysFromNow, type Keyed, TestAuthority } from '../../src/edge/testing/certificates.ts'
import { FakeBroker } from '../../src/edge/testing/fakeBroker.ts'
import { answer, type FakeCharger, json, startFakeCharger } from '../../src/edge/testing/fakeCharger.ts'
import type { RunningServer } from '../../src/server/server.ts'
import { EdgeProcess, quickName, writeEdgeConfig } from '../edgeProcess.ts'
import { Harness, until } from '../harness.ts'

const outageMs = 10_000
const patienceMs = 150_000
const harness = Harness.use()

/** A charger whose power and counter are new at every poll. It counts its samples. */
class Box {
  /**
   * The number of the last sample. A sample contains its number: the power in W is 1,000 plus the number, and the
   * counter in Wh is the number.
   */
  told = 0
  readonly #startedMs = Date.now()
  #frozen = false
  #server!: FakeCharger

  async start(): Promise<void> {
    this.#server = await startFakeCharger((socket, path) => {
      const reply = path.includes('/ChargeData') ? json(this.#next()) : answer(404, '')
      reply(socket, path)
    })
    harness.onEnd(() => this.#server.stop())
  }

  get url(): string {
    return this.#server.url
  }

  /** Stops all changes of the values. */
  freeze(): void {
    this.#frozen = true
  }

  #next(): object {
    if (!this.#frozen) this.told++
    const ChgDuration = Math.floor((Date.now() - this.#startedMs) / 1_000)
    return { ChgState: 'Charging', Uid: 'A1', ChgDuration, ChgNrg: this.told, ActPwr: 1_000 + this.told, ActCurr: 16 }
  }
}

/** The network between the edge and the listener at `target`. Every change cuts all open connections. */
class Network {
  port = 0
  #target: number | undefined
  #muted = false
  #server: Server | undefined
  readonly #sockets = new Set<Socket>()

  async start(target: number): Promise<void> {
    await this.forward(target)
    harness.onEnd(() => this.refuse())
  }

  async forward(target: number): Promise<void> {
    this.#target = target
    this.#muted = false
    await this.#listen()
    this.#cut()
  }

  /** Accepts connections and never sends anything back. */
  swallow(): void {
    this.#target = undefined
    this.#cut()
  }

  /** Drops all bytes of the server from now on. Bytes of the edge still arrive. */
  mute(): void {
    this.#muted = true
  }

  async refuse(): Promise<void> {
    const closed = this.#server && once(this.#server, 'close')
    this.#server?.close()
    this.#server = undefined
    this.#cut()
    await closed
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async #listen(): Promise<void> {
    if (this.#server !== undefined) return
    this.#server = createServer(edge => this.#accept(edge))
    this.#server.listen(this.port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.port = (this.#server.address() as AddressInfo).port
  }

  #accept(edge: Socket): void {
    this.#keep(edge)
    if (this.#target === undefined) return void edge.resume()
    const server = connect(this.#target, '127.0.0.1')
    this.#keep(server)
    edge.pipe(server)
    server.on('data', chunk => {
      if (!this.#muted) edge.write(chunk)
    })
    edge.on('close', () => server.destroy())
    server.on('close', () => {
      if (!this.#muted) edge.destroy()
    })
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
  }
}

interface StoredRow {
  readonly power_output: number | null
  readonly total_energy_consumption: number | null
}

/** One charger, its edge, the network, and the rows of the charger in the server's table. */
class Scene {
  readonly name: string
  readonly box = new Box()
  readonly network = new Network()
  /** The samples that a killed edge may have received without appending them to its Spool. */
  readonly #excused = new Set<number>()
  readonly #db: pg.Client
  edge!: EdgeProcess

  private constructor(name: string, db: pg.Client) {
    this.name = quickName(name)
    this.#db = db
  }

  /** Starts the scene and waits until some samples are stored. */
  static async start(name: string, databaseUrl: string, server: RunningServer): Promise<Scene> {
    const scene = new Scene(name, await harness.session(databaseUrl))
    await harness.device(scene.name)
    await scene.box.start()
    await scene.network.start(server.mqttPorts[0]!)
    const config = writeEdgeConfig(harness, {
      name: scene.name,
      brokerPort: scene.network.port,
      spool: join(harness.dir, `${scene.name}.sqlite`),
      chargers: [{ name: scene.name, url: scene.box.url }]
    })
    scene.edge = new EdgeProcess(config, harness)
    scene.edge.start()
    await scene.stored(10)
    return scene
  }

  async rows(): Promise<StoredRow[]> {
    const { rows } = await this.#db.query(
      `SELECT power_output, total_energy_consumption FROM ev_readings
       JOIN chargers ON chargers.id = charger_id WHERE name = $1 ORDER BY time`,
      [this.name]
    )
    return rows
  }

  async count(): Promise<number> {
    return (await this.rows()).length
  }

  /** Waits until at least this number of rows is stored. */
  async stored(atLeast: number): Promise<void> {
    await until(
      () => this.count(),
      count => count >= atLeast,
      patienceMs
    )
  }

  /**
   * Waits for this number of further samples of the charger. While the server stores nothing, the samples are on the
   * disk.
   */
  async sampled(more: number): Promise<void> {
    const target = this.box.told + more
    await until(
      () => this.box.told,
      told => told >= target,
      patienceMs
    )
  }

  /** Waits for a line of the edge's log. */
  async logged(event: string, reason?: RegExp, times = 1): Promise<void> {
    await until(
      () => this.edge.count(event, reason),
      count => count >= times,
      patienceMs
    )
  }

  async kill(): Promise<void> {
    const { told } = this.box
    await this.edge.end('SIGKILL')
    // The edge may have polled one sample without appending it, and one more while the process died.
    for (let number = told; number <= this.box.told; number++) this.#excused.add(number)
  }

  /** Ends the edge with SIGTERM and compares the table with the charger's samples. */
  async assertWhole(): Promise<void> {
    this.box.freeze()
    await this.stored(this.box.told - this.#excused.size)
    await until(
      async () => (await this.rows()).at(-1)?.power_output,
      power => power === 1_000 + this.box.told,
      patienceMs
    )
    assert.equal(await this.edge.end('SIGTERM'), 0)
    const rows = await this.rows()
    const numbers = rows.map(({ power_output }) => (power_output ?? Number.NaN) - 1_000)
    const stored = new Set(numbers)
    const expected = Array.from({ length: this.box.told }, (_, i) => i + 1)
    assert.deepEqual(
      numbers,
      expected.filter(number => stored.has(number) || !this.#excused.has(number)),
      'every sample once, in order'
    )
    assert.deepEqual(
      rows.map(({ total_energy_consumption }) => total_energy_consumption),
      numbers,
      'lifetime energy is right in every row'
    )
    const { rows: rejected } = await this.#db.query(
      `SELECT count(*)::integer AS count FROM rejected_messages WHERE topic LIKE $1 AND topic NOT LIKE '%/EdgeStatus'`,
      [`chargers/${this.name}/%`]
    )
    assert.equal(rejected[0].count, 0)
    assert.equal(
      this.edge.count('stderr'),
      0,
      JSON.stringify(this.edge.lines.filter(({ event }) => event === 'stderr'))
    )
  }
}

/** Three outages run at a time, because most of an outage is waiting. */
describe('outages', { concurrency: 3 }, () => {
  let server: RunningServer
  let url: string
  let authority: TestAuthority
  let genuine: Keyed

  before(async () => {
    url = await harness.database()
    server = await harness.server(url)
    const file = (name: string) => readFileSync(join(harness.certs, name), 'utf8')
    authority = await TestAuthority.load(file('ca.pem'), file('ca.key'))
    genuine = { cert: file('server.pem'), key: file('server.key') }
  })

  const impostor = async (keyed: Keyed): Promise<FakeBroker> => {
    const broker = await FakeBroker.start({ ca: authority.ca, ...keyed })
    broker.keeps = false
    harness.onEnd(() => broker.stop())
    return broker
  }

  /**
   * Waits until the edge has noticed the outage, the outage has lasted its time, and the charger has given 20 further
   * samples.
   */
  async function outlast(scene: Scene, event: string, reason?: RegExp): Promise<void> {
    await Promise.all([scene.logged(event, reason), sleep(outageMs), scene.sampled(20)])
  }

  async function recover(scene: Scene): Promise<void> {
    await scene.network.forward(server.mqttPorts[0]!)
    await scene.assertWhole()
  }

  it('connections are refused', async () => {
    const scene = await Scene.start('refused', url, server)
    await scene.network.refuse()
    await outlast(scene, 'connect_failed', /ECONNREFUSED/)
    await recover(scene)
  })

  it('a black hole: accepted, and never a byte', async () => {
    const scene = await Scene.start('hole', url, server)
    scene.network.swallow()
    await outlast(scene, 'connect_failed', /timeout/)
    await recover(scene)
  })

  it('a server that accepts MQTT and never acknowledges', async () => {
    const scene = await Scene.start('deaf', url, server)
    const deaf = await impostor(genuine)
    deaf.acks = false
    await scene.network.forward(deaf.port)
    await Promise.all([
      until(
        () => deaf.publishes,
        count => count >= 60,
        patienceMs
      ),
      sleep(outageMs)
    ])
    await recover(scene)
  })

  for (const code of [3, 5]) {
    it(`CONNACK ${code}`, async () => {
      const scene = await Scene.start(`connack${code}`, url, server)
      const refusing = await impostor(genuine)
      refusing.connack = code
      await scene.network.forward(refusing.port)
      await outlast(scene, 'connect_failed', new RegExp(`^CONNACK ${code}$`))
      assert.ok(refusing.connects.length <= 8, `asked ${refusing.connects.length} times`)
      assert.equal(refusing.publishes, 0)
      await recover(scene)
    })
  }

  const impostors: Record<string, { edge: string; make: () => Promise<Keyed>; reason: RegExp }> = {
    'of another CA': {
      edge: 'stranger',
      make: async () => (await TestAuthority.make()).issue('server', { dns: ['localhost'] }),
      reason: /UNABLE_TO_VERIFY|SIGNATURE|SELF_SIGNED/
    },
    'of another name': {
      edge: 'misnamed',
      make: () => authority.issue('server', { dns: ['example.org'] }),
      reason: /ALTNAME_INVALID/
    },
    'with an expired certificate': {
      edge: 'expired',
      make: () =>
        authority.issue('server', { dns: ['localhost'], notBefore: daysFromNow(-3), notAfter: daysFromNow(-1) }),
      reason: /CERT_HAS_EXPIRED/
    }
  }
  for (const [name, { edge, make, reason }] of Object.entries(impostors)) {
    it(`an impostor ${name} gets nothing`, async () => {
      const scene = await Scene.start(edge, url, server)
      const thief = await impostor(await make())
      await scene.network.forward(thief.port)
      await outlast(scene, 'connect_failed', reason)
      assert.deepEqual([thief.connects.length, thief.publishes], [0, 0])
      await recover(scene)
    })
  }

  it('the server restarts in the middle of a window, twice, and the last acknowledgements are lost', async () => {
    const ownUrl = await harness.database()
    let own = await harness.server(ownUrl)
    const scene = await Scene.start('restart', ownUrl, own)
    for (let round = 0; round < 2; round++) {
      const before = await scene.count()
      scene.network.mute()
      await scene.stored(before + 10)
      await own.stop()
      await scene.sampled(20)
      own = await harness.server(ownUrl)
      const restarted = await scene.count()
      await scene.network.forward(own.mqttPorts[0]!)
      await scene.stored(restarted + 30)
    }
    assert.ok(scene.edge.count('connected') >= 3)
    await scene.assertWhole()
  })

  it('the edge is killed twice: with stored samples that it does not know of, and while it drains', async () => {
    const scene = await Scene.start('killed', url, server)
    const before = await scene.count()
    scene.network.mute()
    await scene.stored(before + 20)
    await scene.kill()
    await scene.network.refuse()
    scene.edge.start()
    await scene.sampled(60)
    const spooled = await scene.count()
    await scene.network.forward(server.mqttPorts[0]!)
    await scene.stored(spooled + 1)
    await scene.kill()
    scene.edge.start()
    await scene.sampled(20)
    await scene.assertWhole()
  })
})
