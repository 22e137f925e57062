// Tests the token cache: when a token is valid, and how soon a new or revoked token takes effect.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { accessRefreshMs, sessionMsMax } from './limits.ts'
import { TokenCache } from './tokenCache.ts'
import { type Grant, hashOf } from './tokens.ts'

const startMs = Date.parse('2026-10-01T00:00:00Z')

interface StoredToken {
  readonly secret: string
  readonly kind?: 'token' | 'session'
  readonly expiresMs?: number
}

/** A database with tokens, and a cache with the test's clock. */
class Bench {
  tokens: StoredToken[] = []
  isAway = false
  loads = 0
  readonly used: string[][] = []
  readonly failures: string[] = []
  /** If set, a read waits for this promise. */
  gate: Promise<void> | undefined
  readonly #t: TestContext
  cache!: TokenCache

  constructor(t: TestContext) {
    this.#t = t
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: startMs })
  }

  async open(...tokens: StoredToken[]): Promise<TokenCache> {
    this.tokens = tokens
    this.cache = await TokenCache.open({ query: this.#query.bind(this) } as never, ({ message }) => {
      this.failures.push(message)
    })
    this.#t.after(() => this.cache.close())
    return this.cache
  }

  /** Lets the time pass and runs everything that becomes due. */
  async pass(ms: number): Promise<void> {
    this.#t.mock.timers.tick(ms)
    for (let i = 0; i < 5; i++) await turn()
  }

  /** Lets the time pass and returns the result of a call that waits for a read of the database. */
  async after<T>(ms: number, waiting: Promise<T>): Promise<T> {
    await turn()
    await this.pass(ms)
    return waiting
  }

  async #query(query: string | { text: string }, values: unknown[] = []): Promise<object> {
    const text = typeof query === 'string' ? query : query.text
    if (this.isAway) throw new Error('away')
    if (text.includes('last_used_at = now()')) this.used.push(values[0] as string[])
    if (!text.includes('AS in_force')) return { rows: [], rowCount: 1 }
    this.loads++
    const rows = this.tokens.map(({ secret, kind = 'token', expiresMs }) => {
      const expires_at = expiresMs === undefined ? null : new Date(expiresMs)
      return { hash: hashOf(secret), kind, name: `name of ${secret}`, role: 'viewer', expires_at, in_force: true }
    })
    await this.gate
    return { rows }
  }
}
const nameOf = (grant: Grant | undefined): string | undefined => grant?.name

test('a token is good until the moment at which it ends', async t => {
  const bench = new Bench(t)
  const cache = await bench.open({ secret: 'a', expiresMs: startMs + 500 })
  await bench.pass(499)
  assert.equal(nameOf(await cache.find('token', 'a')), 'name of a')
  await bench.pass(1)
  assert.equal(await bench.after(200, cache.find('token', 'a')), undefined)
})

test('a token is no session, and a session no token', async t => {
  const bench = new Bench(t)
  const cache = await bench.open({ secret: 'a' }, { secret: 'b', kind: 'session' })
  assert.equal(nameOf(await cache.find('session', 'b')), 'name of b')
  assert.equal(await bench.after(200, cache.find('session', 'a')), undefined)
  assert.equal(await bench.after(200, cache.find('token', 'b')), undefined)
})

test('one that is not known is looked up, so that a token is good as soon as it is made', async t => {
  const bench = new Bench(t)
  const cache = await bench.open()
  bench.tokens = [{ secret: 'new' }]
  assert.equal(nameOf(await bench.after(200, cache.find('token', 'new'))), 'name of new')
  assert.equal(cache.isGuarded, true)
})

test('who comes with wrong secrets shares looks, which keep a distance', async t => {
  const bench = new Bench(t)
  const cache = await bench.open()
  assert.equal(bench.loads, 1)
  const waiting = Promise.all(['x', 'y', 'z'].map(secret => cache.find('token', secret)))
  await bench.pass(199)
  assert.equal(bench.loads, 1, 'too soon after the last one')
  assert.deepEqual(await bench.after(1, waiting), [undefined, undefined, undefined])
  assert.equal(bench.loads, 2)
})

test('what was revoked is refused after the next refresh', async t => {
  const bench = new Bench(t)
  const cache = await bench.open({ secret: 'a' })
  bench.tokens = []
  assert.equal(nameOf(await cache.find('token', 'a')), 'name of a')
  await bench.pass(accessRefreshMs)
  assert.equal(await bench.after(200, cache.find('token', 'a')), undefined)
})

test('while the database is away what was known is in force, and it is told once per outage', async t => {
  const bench = new Bench(t)
  const cache = await bench.open({ secret: 'a' })
  bench.isAway = true
  for (let i = 0; i < 3; i++) await bench.pass(accessRefreshMs)
  assert.equal(nameOf(await cache.find('token', 'a')), 'name of a')
  assert.deepEqual(bench.failures, ['away'])
  bench.isAway = false
  await bench.pass(accessRefreshMs)
  bench.isAway = true
  await bench.pass(accessRefreshMs)
  assert.deepEqual(bench.failures, ['away', 'away'])
})

test('without a database nobody is let in: opening fails', async t => {
  const bench = new Bench(t)
  bench.isAway = true
  await assert.rejects(bench.open(), /away/)
})

const grant = (expiresMs: number): Grant => ({ hash: hashOf('a'), kind: 'token', name: 'a', role: 'viewer', expiresMs })

test('a session ends after half a day, or with its token', async t => {
  const bench = new Bench(t)
  const cache = await bench.open()
  assert.equal((await cache.openSession(grant(Number.POSITIVE_INFINITY))).expiresMs, startMs + sessionMsMax)
  assert.equal((await cache.openSession(grant(startMs + sessionMsMax + 1))).expiresMs, startMs + sessionMsMax)
  assert.equal((await cache.openSession(grant(startMs + 5))).expiresMs, startMs + 5)
})

test('a session is good at once, also where a reading that began before it ends after it', async t => {
  const bench = new Bench(t)
  const cache = await bench.open()
  let finish = (): void => {}
  bench.gate = new Promise(resolve => {
    finish = resolve
  })
  await bench.pass(accessRefreshMs) // the read starts and waits
  const { id } = await cache.openSession(grant(Number.POSITIVE_INFINITY))
  finish()
  bench.gate = undefined
  await bench.pass(0)
  assert.equal(nameOf(await cache.find('session', id)), 'a')
})

test('a session that was closed is over at once', async t => {
  const bench = new Bench(t)
  const cache = await bench.open()
  const { id } = await cache.openSession(grant(Number.POSITIVE_INFINITY))
  await cache.closeSession(id)
  assert.equal(await bench.after(200, cache.find('session', id)), undefined)
})

test('that a token was used is written once an hour', async t => {
  const bench = new Bench(t)
  const cache = await bench.open({ secret: 'a' })
  await bench.pass(accessRefreshMs)
  assert.deepEqual(bench.used, [])
  await cache.find('token', 'a')
  await cache.find('token', 'a')
  await bench.pass(accessRefreshMs)
  await cache.find('token', 'a')
  await bench.pass(accessRefreshMs)
  assert.deepEqual(bench.used, [['name of a']])
  for (let i = 0; i < 3_600; i++) await bench.pass(accessRefreshMs)
  await cache.find('token', 'a')
  await bench.pass(accessRefreshMs)
  assert.equal(bench.used.length, 2)
})

test('a closed cache reads no more', async t => {
  const bench = new Bench(t)
  const cache = await bench.open()
  cache.close()
  await bench.pass(10 * accessRefreshMs)
  assert.equal(bench.loads, 1)
})
