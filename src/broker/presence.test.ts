import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Identity } from '../model/server/admission.ts'
import { below, pick, seededRandom } from '../model/testing/random.ts'
import { type EdgeConnection, Presence } from './presence.ts'

const graceMs = 30_000
const bootMs = Date.UTC(2026, 0, 1)

/** A presence with the test's clocks and timers. Times are seconds since the start. */
class Bench {
  readonly presence: Presence
  /** The retained state of each charger as `state@seconds`. */
  readonly retained = new Map<string, string>()
  readonly news: string[] = []
  /** The newest row of each identity and charger: `state@seconds address`. */
  readonly rows = new Map<string, string>()
  readonly asked: string[][] = []
  elsewhere = new Set<string>()
  isDatabaseAway = false
  /** If set, the answer about other nodes waits for this promise. */
  held: Promise<void> | undefined
  /** A step of the wall clock in ms. */
  steppedMs = 0
  readonly #t: TestContext
  readonly #lastUs = new Map<string, number>()
  #elapsedMs = 0

  constructor(t: TestContext, options: { node?: string } = {}) {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    this.#t = t
    this.presence = new Presence({
      node: options.node ?? 'a',
      graceMs,
      clock: { nowMs: () => bootMs + this.#elapsedMs + this.steppedMs, monotonicMs: () => this.#elapsedMs },
      report: (charger, timeUs, payload, isNews) => {
        assert.ok(timeUs > (this.#lastUs.get(charger) ?? 0), 'stamps rise')
        this.#lastUs.set(charger, timeUs)
        this.retained.set(charger, shown(payload))
        if (isNews) this.news.push(`${charger} ${shown(payload)}`)
      },
      store: ({ identity, clientId, charger, state, sinceUs, address, node }) => {
        assert.deepEqual([clientId, node], [identity, options.node ?? 'a'])
        this.rows.set(`${identity} ${charger}`, `${state}@${seconds(sinceUs)} ${address}`)
      },
      onlineElsewhere: async chargers => {
        this.asked.push([...chargers])
        await this.held
        if (this.isDatabaseAway) throw new Error('away')
        return this.elsewhere
      }
    })
  }

  connect(name: string, { chargers = [name], address = '1' } = {}): { close: () => void } {
    const connection = {}
    const identity = edge(name, chargers)
    this.presence.connect(connection, identity, address)
    return { close: () => this.presence.close(connection, identity) }
  }

  /** Holds the answer about other nodes back. Returns a function that releases it. */
  hold(): () => Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.held = promise
    return async () => {
      resolve()
      await turn()
    }
  }

  async pass(passedSeconds: number): Promise<void> {
    this.#elapsedMs += passedSeconds * 1000
    this.#t.mock.timers.tick(passedSeconds * 1000)
    await turn()
    await turn()
  }
}

const edge = (name: string, chargers: readonly string[]): Identity => ({
  name,
  role: 'edge',
  chargers,
  issuer: 'CN=ca',
  serial: '01',
  validToMs: Number.POSITIVE_INFINITY
})
const seconds = (us: number): number => (us / 1000 - bootMs) / 1000
const shown = (payload: string): string => {
  const { SamplingTime, Value, ...rest } = JSON.parse(payload)
  assert.deepEqual(rest, {})
  return `${Value}@${seconds(Date.parse(SamplingTime) * 1000)}`
}
const row = (identity: string, state: 'online' | 'offline', at: number, given: Partial<EdgeConnection> = {}) => ({
  identity,
  clientId: identity,
  charger: identity,
  state,
  sinceUs: (bootMs + at * 1000) * 1000,
  address: 'old',
  node: 'a',
  ...given
})

test('a connection is online at once, for every charger that the certificate names', t => {
  const bench = new Bench(t)
  bench.connect('site', { chargers: ['s1', 's2', 's1'], address: '10.0.0.1:5' })
  assert.deepEqual(bench.news, ['s1 online@0', 's2 online@0'])
  assert.deepEqual([...bench.rows], [...['s1', 's2'].map(name => [`site ${name}`, 'online@0 10.0.0.1:5'])])
})

test('offline is said when it has lasted for the grace, and carries the time of the close', async t => {
  const bench = new Bench(t)
  const { close } = bench.connect('c1')
  await bench.pass(100)
  close()
  await bench.pass(29.999)
  assert.deepEqual([bench.news, bench.retained.get('c1')], [['c1 online@0'], 'online@0'])
  assert.equal(bench.rows.get('c1 c1'), 'online@0 1')
  await bench.pass(0.001)
  assert.deepEqual(bench.news, ['c1 online@0', 'c1 offline@100'])
  assert.equal(bench.rows.get('c1 c1'), 'offline@100 1')
})

test('back within the grace is no news; the retained state and the row are of the newest connection', async t => {
  const bench = new Bench(t)
  bench.connect('c1').close()
  await bench.pass(29)
  bench.connect('c1', { address: '2' })
  await bench.pass(3_600)
  assert.deepEqual(bench.news, ['c1 online@0'])
  assert.equal(bench.retained.get('c1'), 'online@29')
  assert.equal(bench.rows.get('c1 c1'), 'online@29 2')
})

test('after the grace a connection is news again', async t => {
  const bench = new Bench(t)
  bench.connect('c1').close()
  await bench.pass(31)
  bench.connect('c1')
  assert.deepEqual(bench.news, ['c1 online@0', 'c1 offline@0.001', 'c1 online@31'])
})

test('the end of a connection that was replaced says nothing, before and after the new one', async t => {
  const bench = new Bench(t)
  const older = bench.connect('c1')
  await bench.pass(1)
  const newer = bench.connect('c1')
  older.close()
  await bench.pass(60)
  older.close()
  await bench.pass(60)
  assert.deepEqual(bench.news, ['c1 online@0'])
  newer.close()
  await bench.pass(60)
  assert.deepEqual(bench.news, ['c1 online@0', 'c1 offline@121'])
})

test('each close has the whole grace, also in a row of short connections', async t => {
  const bench = new Bench(t)
  for (let i = 0; i < 5; i++) {
    const { close } = bench.connect('c1')
    await bench.pass(1)
    close()
    await bench.pass(20)
  }
  assert.deepEqual(bench.news, ['c1 online@0'])
  await bench.pass(10)
  assert.deepEqual(bench.news, ['c1 online@0', 'c1 offline@85'])
})

test('of many closes at different times each goes offline when its own grace is over', async t => {
  const bench = new Bench(t)
  const connections = ['c1', 'c2', 'c3'].map(name => bench.connect(name))
  bench.news.length = 0
  for (const { close } of connections) {
    await bench.pass(10)
    close()
  }
  await bench.pass(9.999)
  assert.deepEqual(bench.news, [])
  await bench.pass(0.001)
  assert.deepEqual(bench.news, ['c1 offline@10'])
  await bench.pass(10)
  await bench.pass(10)
  assert.deepEqual(bench.news, ['c1 offline@10', 'c2 offline@20', 'c3 offline@30'])
})

test('thousands that close at once all go offline, asked for in parts', async t => {
  const bench = new Bench(t)
  const connections = Array.from({ length: 2_500 }, (_, i) => bench.connect(`c${i}`))
  for (const { close } of connections) close()
  await bench.pass(30)
  for (let i = 0; i < 5; i++) await bench.pass(0.001)
  assert.equal(bench.news.filter(text => text.includes('offline')).length, 2_500)
  assert.deepEqual(
    bench.asked.map(({ length }) => length),
    [1_000, 1_000, 500]
  )
})

test('a charger that several identities name is online while any of them is', async t => {
  const bench = new Bench(t)
  const own = bench.connect('c1')
  await bench.pass(10)
  const site = bench.connect('site', { chargers: ['c1', 'c2'] })
  await bench.pass(10)
  own.close()
  await bench.pass(100)
  assert.deepEqual(bench.news, ['c1 online@0', 'c2 online@10'])
  assert.equal(bench.rows.get('c1 c1'), 'offline@20 1')
  assert.equal(bench.rows.get('site c1'), 'online@10 1')
  site.close()
  await bench.pass(100)
  assert.deepEqual(bench.news.slice(2).sort(), ['c1 offline@120', 'c2 offline@120'])
  assert.equal(bench.rows.get('site c1'), 'offline@120 1')
})

test('a charger that a new certificate no longer names goes offline, the others stay', async t => {
  const bench = new Bench(t)
  bench.connect('site', { chargers: ['s1', 's2'] })
  await bench.pass(10)
  bench.connect('site', { chargers: ['s2', 's3'] })
  await bench.pass(30)
  assert.deepEqual(bench.news, ['s1 online@0', 's2 online@0', 's3 online@10', 's1 offline@10'])
})

test('after a restart nobody stays online for ever: who does not come back was offline from the start', async t => {
  const bench = new Bench(t)
  bench.presence.load([row('c1', 'online', -500), row('c2', 'online', -400), row('c3', 'offline', -300)])
  assert.deepEqual(
    [...bench.retained],
    [...Object.entries({ c1: 'online@-500', c2: 'online@-400', c3: 'offline@-300' })]
  )
  await bench.pass(29)
  bench.connect('c1', { address: '2' })
  await bench.pass(1)
  assert.deepEqual(bench.news, ['c2 offline@0'])
  assert.deepEqual([...bench.rows], [...Object.entries({ 'c1 c1': 'online@29 2', 'c2 c2': 'offline@0 old' })])
  await bench.pass(100)
  assert.deepEqual(bench.news, ['c2 offline@0'])
})

test("other nodes' rows are retained and left alone; a connection here is news then", async t => {
  const bench = new Bench(t)
  bench.presence.load([row('c1', 'online', -500, { node: 'b' })])
  await bench.pass(100)
  assert.deepEqual([bench.retained.get('c1'), bench.news, bench.rows.size], ['online@-500', [], 0])
  bench.connect('c1')
  assert.deepEqual(bench.news, ['c1 online@100'])
})

test('of several rows of one charger, one that is online makes it online, and time does not go back', async t => {
  const bench = new Bench(t)
  bench.presence.load([row('c1', 'online', -500), row('site', 'offline', -10, { charger: 'c1' })])
  assert.equal(bench.retained.get('c1'), 'online@-10')
  await bench.pass(30)
  assert.deepEqual(bench.news, ['c1 offline@0'])
})

test('a row of a clock that was ahead is not turned back', async t => {
  const bench = new Bench(t)
  bench.presence.load([row('c1', 'online', 50), row('site', 'online', -10, { charger: 'c1' })])
  bench.connect('site', { chargers: ['c1'] })
  await bench.pass(30)
  assert.deepEqual([...bench.rows], [...Object.entries({ 'site c1': 'online@50.001 1', 'c1 c1': 'offline@50 old' })])
})

test('a charger that went to another node is not reported as offline; back here it is news', async t => {
  const bench = new Bench(t)
  bench.connect('c1').close()
  bench.connect('c2').close()
  bench.elsewhere = new Set(['c1'])
  await bench.pass(30)
  assert.deepEqual(bench.asked, [['c1', 'c2']])
  assert.deepEqual(bench.news, ['c1 online@0', 'c2 online@0', 'c2 offline@0.001'])
  bench.connect('c1')
  assert.equal(bench.news.at(-1), 'c1 online@30')
})

test('while it cannot be known whether another node has it, it is asked again', async t => {
  const bench = new Bench(t)
  bench.connect('c1').close()
  bench.isDatabaseAway = true
  await bench.pass(30)
  await bench.pass(2)
  assert.deepEqual([bench.news, bench.asked.length], [['c1 online@0'], 2])
  bench.isDatabaseAway = false
  await bench.pass(2)
  assert.deepEqual(bench.news, ['c1 online@0', 'c1 offline@0.001'])
})

test('who comes back while other nodes are asked is not reported, nor who has come and gone', async t => {
  const bench = new Bench(t)
  for (const name of ['c1', 'c2', 'c3']) bench.connect(name).close()
  await bench.pass(10)
  bench.connect('c4').close()
  bench.news.length = 0
  const answer = bench.hold()
  await bench.pass(20)
  bench.connect('c2')
  bench.connect('c3').close()
  await answer()
  assert.deepEqual([bench.asked, bench.news], [[['c1', 'c2', 'c3']], ['c1 offline@0.001']])
  await bench.pass(10)
  assert.deepEqual(bench.news, ['c1 offline@0.001', 'c4 offline@10.001'])
  await bench.pass(19)
  assert.equal(bench.news.length, 2)
  await bench.pass(1)
  assert.deepEqual(bench.news, ['c1 offline@0.001', 'c4 offline@10.001', 'c3 offline@30.001'])
})

test('a server that goes away while it asks reports nobody, and asks no more', async t => {
  const bench = new Bench(t)
  bench.connect('c1').close()
  await bench.pass(10)
  bench.connect('c2').close()
  const answer = bench.hold()
  await bench.pass(20)
  bench.presence.stop()
  await answer()
  await bench.pass(60)
  assert.deepEqual([bench.asked, bench.news], [[['c1']], ['c1 online@0', 'c2 online@10']])
})

test('a fresh copy has the time of its moment; what is said later is not older, and nothing else moves', async t => {
  const bench = new Bench(t)
  const { close } = bench.connect('c1')
  await bench.pass(10)
  assert.equal(shown(bench.presence.fresh('c1')), 'online@10')
  assert.deepEqual([bench.retained.get('c1'), bench.news.length], ['online@0', 1])
  await bench.pass(10)
  close()
  await bench.pass(5)
  assert.equal(shown(bench.presence.fresh('c1')), 'online@25')
  await bench.pass(25)
  assert.equal(bench.news.at(-1), 'c1 offline@25.001')
  await bench.pass(1)
  assert.equal(shown(bench.presence.fresh('c1')), 'offline@51')
})

test('a charger that was never connected is offline to who asks, without being news or a row', t => {
  const bench = new Bench(t)
  bench.presence.introduce('c1')
  assert.equal(shown(bench.presence.fresh('c1')), 'offline@0')
  assert.deepEqual([bench.retained.get('c1'), bench.news, bench.rows.size], ['offline@0', [], 0])
  bench.connect('c1')
  bench.presence.introduce('c1')
  assert.deepEqual([bench.retained.get('c1'), bench.news], ['online@0.001', ['c1 online@0.001']])
})

test('a clock that steps back turns no stamp back, and a fresh copy tells the time that it is', async t => {
  const bench = new Bench(t)
  const { close } = bench.connect('c1')
  await bench.pass(10)
  bench.steppedMs = -3_600_000
  assert.equal(shown(bench.presence.fresh('c1')), 'online@-3590')
  close()
  await bench.pass(30)
  assert.deepEqual(bench.news, ['c1 online@0', 'c1 offline@0.001'])
  assert.equal(bench.rows.get('c1 c1'), 'offline@0.001 1')
})

test('a server that goes away reports nobody, and keeps the rows for its next start', async t => {
  const bench = new Bench(t)
  const closed = bench.connect('c1')
  const open = bench.connect('c2')
  closed.close()
  bench.presence.stop()
  open.close()
  await bench.pass(60)
  assert.deepEqual(bench.news, ['c1 online@0', 'c2 online@0'])
  assert.deepEqual([...bench.rows.values()], ['online@0 1', 'online@0 1'])
})

test('stamps rise, and the last word is right, whatever happens', async t => {
  const bench = new Bench(t)
  const random = seededRandom(7)
  const open = new Map<string, { close: () => void }>()
  const naming: Record<string, string[]> = { c1: ['c1'], c2: ['c2'], site: ['c1', 'c2', 'c3'] }
  for (let i = 0; i < 2_000; i++) {
    const name = pick(random, ['c1', 'c2', 'site'])
    const before = open.get(name)
    if (below(random, 2) === 0) open.set(name, bench.connect(name, { chargers: naming[name]! }))
    if (before !== undefined && below(random, 3) > 0) before.close()
    if (open.get(name) === before) open.delete(name)
    if (before !== undefined && !open.has(name)) before.close()
    if (below(random, 3) === 0) bench.presence.fresh(naming[name]!.at(-1)!)
    await bench.pass(below(random, 20))
  }
  await bench.pass(100)
  for (const charger of ['c1', 'c2', 'c3']) {
    const isOnline = [...open.keys()].some(name => naming[name]!.includes(charger))
    assert.match(bench.retained.get(charger)!, isOnline ? /^online/ : /^offline/)
    const told = bench.news.filter(text => text.startsWith(`${charger} `))
    assert.equal(told.length > 20, true)
    for (const [n, text] of told.entries()) assert.match(text, n % 2 === 0 ? / online@/ : / offline@/)
  }
})
