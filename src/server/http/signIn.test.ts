// Tests signing in: the cookie that a browser gets, how long the cookie lasts, and the page that follows.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Access } from '../access/access.ts'
import type { TokenCache } from '../access/tokenCache.ts'
import { makeApp } from './routes.ts'
import { signInRoutes } from './signIn.ts'

const nowMs = Date.parse('2026-10-01T00:00:00Z')

function open({ isTls = false, isAway = false } = {}) {
  const closed: string[] = []
  const away = (): void => {
    if (isAway) throw new Error('away')
  }
  const tokenCache = {
    isGuarded: true,
    find: async (kind: string, secret: string) =>
      kind === 'token' && secret === 'good' ? { name: 'n', role: 'viewer', expiresMs: Infinity } : undefined,
    openSession: async () => {
      away()
      return { id: 'ID', expiresMs: nowMs + 90_999 }
    },
    closeSession: async (id: string) => {
      away()
      closed.push(id)
    }
  } as unknown as TokenCache
  const access = new Access({ tokenCache: () => tokenCache, isLoopback: true, isTls, report() {} })
  const app = makeApp({
    routes: signInRoutes(access, () => tokenCache),
    access,
    failed: (_, error) => assert.ifError(error)
  })
  const post = async (path: string, body: string, headers: Record<string, string> = {}): Promise<Response> =>
    app.request(path, { method: 'POST', body, headers: { host: 'localhost', ...headers } })
  const form = (next: string, headers: Record<string, string> = {}): Promise<Response> =>
    post('/sign-in', new URLSearchParams({ token: 'good', next }).toString(), {
      'content-type': 'application/x-www-form-urlencoded',
      ...headers
    })
  return { app, closed, post, form }
}

const paths: [next: string, location: string][] = [
  ['/sessions?from=2026-10-01', '/sessions?from=2026-10-01'],
  ['/', '/'],
  ['', '/'],
  ['//evil.example', '/'],
  ['/\\evil.example', '/'],
  ['https://evil.example', '/'],
  ['/a b', '/'],
  ['/\u00fc', '/'],
  [`/${'x'.repeat(1_023)}`, `/${'x'.repeat(1_023)}`],
  [`/${'x'.repeat(1_024)}`, '/']
]
for (const [next, location] of paths) {
  test(`who signs in to go to ${JSON.stringify(next.slice(0, 40))} (${next.length}) is led to a path of this server`, async () => {
    const response = await open().form(next)
    assert.deepEqual([response.status, response.headers.get('location')], [303, location])
  })
}

const cookies: [what: string, isTls: boolean, headers: Record<string, string>, cookie: string][] = [
  ['plain', false, {}, 'chargelift=ID; Max-Age=90; Path=/; HttpOnly; SameSite=Lax'],
  ['TLS', true, {}, '__Host-chargelift=ID; Max-Age=90; Path=/; HttpOnly; Secure; SameSite=Lax'],
  [
    'a proxy that speaks TLS',
    false,
    { origin: 'https://localhost' },
    '__Host-chargelift=ID; Max-Age=90; Path=/; HttpOnly; Secure; SameSite=Lax'
  ]
]
for (const [what, isTls, headers, cookie] of cookies) {
  test(`over ${what} the cookie is ${cookie.split('=')[0]}, and lives as long as the session`, async t => {
    t.mock.timers.enable({ apis: ['Date'], now: nowMs })
    const response = await open({ isTls }).form('/', headers)
    assert.equal(response.headers.get('set-cookie'), cookie)
  })
}

test('a program gets its name and role, and is told what is wrong', async () => {
  const { post } = open()
  assert.deepEqual(await (await post('/sign-in', '{"token":"good"}')).json(), {
    name: 'n',
    role: 'viewer',
    expires: new Date(nowMs + 90_999).toISOString()
  })
  for (const [body, status] of [
    ['{"token":"bad"}', 401],
    ['{"token":5}', 400],
    ['null', 400],
    ['{', 400],
    ['x'.repeat(16 * 1024 + 1), 413]
  ] as const)
    assert.equal((await post('/sign-in', body)).status, status, body.slice(0, 20))
})

test('a database that is away is told, to who signs in and to who signs out', async () => {
  const { post } = open({ isAway: true })
  assert.equal((await post('/sign-in', '{"token":"good"}')).status, 503)
  assert.equal((await post('/sign-out', '', { cookie: 'chargelift=ID' })).status, 503)
})

test('who signs out has neither session nor cookie any more', async () => {
  const { post, closed } = open()
  const program = await post('/sign-out', '', { cookie: 'chargelift=ID' })
  assert.deepEqual([program.status, closed], [204, ['ID']])
  assert.match(program.headers.get('set-cookie')!, /chargelift=; Max-Age=0/)
  const browser = await post('/sign-out', '', { accept: 'text/html' })
  assert.deepEqual([browser.status, browser.headers.get('location'), closed], [303, '/sign-in', ['ID']])
})
