import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DeniedError } from '../../model/errors.ts'
import type { SecurityEvent } from '../../model/server/security.ts'
import { makeApp, type Route } from '../http/routes.ts'
import { Access, type AccessOptions, networkOf, unknown } from './access.ts'
import type { TokenCache } from './tokenCache.ts'
import { type AccessRole, accessRoles, hashOf } from './tokens.ts'

const tokens: Record<string, AccessRole> = { clft_v: 'viewer', clft_b: 'billing', clft_o: 'operator' }
const guarded = (isGuarded = true): TokenCache =>
  ({
    isGuarded,
    find: async (kind: string, secret: string) => {
      const role = tokens[kind === 'token' ? secret : secret.replace('clft_', 'x').replace('session-', 'clft_')]
      return role && { hash: hashOf(secret), kind, name: role, role, expiresMs: Number.POSITIVE_INFINITY }
    }
  }) as unknown as TokenCache

function open(options: Partial<AccessOptions> = {}) {
  const events: SecurityEvent[] = []
  const report = (event: SecurityEvent): unknown => events.push(event)
  const access = new Access({ tokenCache: () => guarded(), isLoopback: true, isTls: false, report, ...options })
  const who = async (headers: Record<string, string> = {}, method = 'GET'): Promise<string> => {
    const found = await access.identify({ method, header: name => headers[name], address: '127.0.0.1:1' })
    return found === unknown ? found : found instanceof DeniedError ? found.code : `${found.name} ${found.role}`
  }
  return { access, who, events }
}

const local = { host: 'localhost:8080' }
const loopback = (): ReturnType<typeof open> => open({ tokenCache: () => guarded(false) })

test('until the first token, a program on this machine may do everything on loopback, and nobody anywhere else', async () => {
  for (const host of ['localhost', 'localhost:8080', '127.0.0.1:8080', '[::1]:8080', 'LocalHost']) {
    assert.equal(await loopback().who({ host }), 'local operator', host)
  }
  assert.equal(
    await open({ tokenCache: () => guarded(false), isLoopback: false, isTls: true }).who(local),
    'http_no_token'
  )
  assert.equal(await open().who(local), 'http_no_token')
})

test('before the tokens are known nobody is let in', async () => {
  assert.equal(await open({ tokenCache: () => undefined }).who(local), unknown)
  assert.equal(await open({ tokenCache: () => undefined }).who({ ...local, authorization: 'Bearer clft_o' }), unknown)
})

const foreign: [string, Record<string, string>, string][] = [
  ['a name that was made to lead here (DNS rebinding)', { host: 'evil.example:8080' }, 'http_host'],
  ['a name that begins like an address', { host: '127.0.0.1.evil.example' }, 'http_host'],
  ['no host', {}, 'http_host'],
  ['a proxy', { ...local, 'x-forwarded-for': '203.0.113.1' }, 'http_host'],
  ['a proxy by the standard', { ...local, forwarded: 'for=203.0.113.1' }, 'http_host'],
  [
    'a script or image of another site',
    { ...local, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' },
    'http_origin'
  ],
  [
    'another port of this machine',
    { ...local, 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' },
    'http_origin'
  ],
  ['an old browser', { ...local, origin: 'https://evil.example' }, 'http_origin'],
  ['a sandboxed frame', { ...local, origin: 'null' }, 'http_origin']
]
for (const [what, headers, code] of foreign) {
  test(`on loopback without a token: ${what} is refused`, async () => assert.equal(await loopback().who(headers), code))
}

test('on loopback without a token: our own pages, a typed address and a followed link are let in', async () => {
  const { who } = loopback()
  assert.equal(await who({ ...local, 'sec-fetch-site': 'same-origin' }, 'POST'), 'local operator')
  assert.equal(await who({ ...local, 'sec-fetch-site': 'none' }), 'local operator')
  assert.equal(await who({ ...local, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }), 'local operator')
  assert.equal(
    await who({ ...local, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }, 'POST'),
    'http_origin'
  )
  assert.equal(await who({ ...local, origin: 'http://localhost:8080' }, 'POST'), 'local operator')
})

test('a token is named by its scheme, in any case, and nothing else is one', async () => {
  const { who } = open()
  assert.equal(await who({ authorization: 'Bearer clft_v' }), 'viewer viewer')
  assert.equal(await who({ authorization: 'bearer  clft_b ' }), 'billing billing')
  for (const authorization of [
    '',
    'clft_v',
    'Basic clft_v',
    'Bearer',
    'Bearer ',
    'Bearer clft_v x',
    'Bearer clft_x',
    'Bearer session-v'
  ]) {
    assert.equal(await who({ authorization }), 'http_wrong_token', authorization)
  }
  assert.equal(
    await loopback().who({ ...local, authorization: 'Bearer clft_x' }),
    'http_wrong_token',
    'also where none is needed'
  )
})

test('a session is no token and a token is no session', async () => {
  const { who } = open()
  assert.equal(await who({ cookie: 'a=b; chargelift=session-v; c=d' }), 'viewer viewer')
  assert.equal(await who({ cookie: 'chargelift=clft_v' }), 'http_no_token')
  assert.equal(await who({ cookie: 'chargelift=unknown' }), 'http_no_token')
  assert.equal(await who({ cookie: 'xchargelift=session-v' }), 'http_no_token')
})

test('over TLS only the cookie counts that no other host and no plain page can have set', async () => {
  const { who } = open({ isTls: true, isLoopback: false })
  assert.equal(await who({ cookie: 'chargelift=session-v' }), 'http_no_token')
  assert.equal(await who({ cookie: '__Host-chargelift=session-v' }), 'viewer viewer')
})

test('no route changes anything for a page of another site, whatever the browser sends along; reading changes nothing', async () => {
  const { access, events } = open()
  const post: Route = { method: 'POST', path: '/x', needs: 'anyone', answer: () => new Response('in') }
  const app = makeApp({ routes: [post, { ...post, method: 'GET' }], access, failed: assert.ifError })
  const status = async (method: string, headers: Record<string, string>): Promise<number> =>
    (await app.request('/x', { method, headers: { host: 'h', cookie: 'chargelift=session-o', ...headers } })).status
  for (const headers of [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'https://evil.example' },
    { origin: 'null' }
  ] as Record<string, string>[]) {
    assert.deepEqual([await status('POST', headers), await status('GET', headers)], [403, 200])
  }
  assert.equal(await status('POST', {}), 200)
  assert.equal(await status('POST', { origin: 'https://h' }), 200)
  assert.equal(await status('POST', { 'sec-fetch-site': 'same-origin', origin: 'https://outside.example' }), 200)
  assert.equal(events.length, 4)
})

const network: [string, string][] = [
  ['10.0.0.1:5', '10.0.0.1'],
  ['::ffff:10.0.0.1:5', '10.0.0.1'],
  ['::1:5', '::/64'],
  ['2001:db8:1:2:3:4:5:6:443', '2001:db8:1:2::/64'],
  ['2001:db8::9:443', '2001:db8::/64']
]
test('attempts are counted by address, and by network where a host has as many addresses as it likes', async () => {
  for (const [address, expected] of network) assert.equal(networkOf(address), expected)
})

test('who keeps signing in with wrong tokens is told to slow down; the right one is let in from there too', async () => {
  const { access } = open()
  const signIn = async (token: string, address: string): Promise<string> => {
    const found = await access.signIn(token, { method: 'POST', header: () => undefined, address })
    return found === unknown ? found : found instanceof DeniedError ? found.code : found.name
  }
  const answers: string[] = []
  for (let port = 0; port < 12; port++) answers.push(await signIn('clft_x', `10.0.0.1:${port}`))
  assert.deepEqual(answers, [...Array(10).fill('http_wrong_token'), 'http_rate', 'http_rate'])
  assert.equal(await signIn('clft_v', '10.0.0.1:99'), 'viewer')
  assert.equal(await signIn('clft_x', '10.0.0.2:1'), 'http_wrong_token')
})

const routeOf = (needs: Route['needs']): Route =>
  ({ method: 'GET', path: `/${needs}`, needs, answer: () => new Response('in') }) as Route

test('every route is behind the check: a role may what its own and lower routes are', async () => {
  const { access, events } = open()
  const needs = ['anyone', ...accessRoles] as const
  const app = makeApp({ routes: needs.map(routeOf), access, failed: assert.ifError })
  const seen: Record<string, number[]> = {}
  for (const token of [undefined, ...Object.keys(tokens)]) {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
    seen[String(token)] = await Promise.all(
      needs.map(async path => (await app.request(`/${path}`, { headers })).status)
    )
  }
  assert.deepEqual(seen, {
    undefined: [200, 401, 401, 401],
    clft_v: [200, 200, 403, 403],
    clft_b: [200, 200, 200, 403],
    clft_o: [200, 200, 200, 200]
  })
  const rules = events.map(event => event.event === 'denied' && `${event.rule} ${event.identity}`)
  assert.deepEqual(rules, [
    ...Array(3).fill('http_no_token '),
    'http_role viewer',
    'http_role viewer',
    'http_role billing'
  ])
})

test('a route that does not say who may call it, or is there twice, cannot be added', async () => {
  const { access } = open()
  const make = (...routes: Route[]) => makeApp({ routes, access, failed: assert.ifError })
  const silent = { method: 'GET', path: '/x', answer: () => new Response('in') }
  // @ts-expect-error: the type says so, too
  assert.throws(() => make(silent), /GET \/x does not say who may call it/)
  assert.throws(() => make(routeOf('root' as AccessRole)), /does not say/)
  assert.throws(() => make(routeOf('viewer'), routeOf('viewer')), /GET \/viewer is there twice/)
})

test('a browser that is nobody yet gets the page to sign in, with the status of a refusal; a program gets a sentence', async () => {
  const { access } = open()
  const app = makeApp({ routes: [routeOf('viewer')], access, failed: assert.ifError })
  const page = await app.request('/viewer', { headers: { accept: 'text/html,*/*' } })
  assert.deepEqual([page.status, page.headers.get('www-authenticate')], [401, 'Bearer realm="chargelift"'])
  assert.match(
    await page.text(),
    /<form method="post" action="\/sign-in">\n<input type="hidden" name="next" value="\/viewer">/
  )
  const plain = await app.request('/viewer')
  assert.equal(((await plain.json()) as { code: string }).code, 'http_no_token')
})

test('every answer carries the headers of a page that nobody frames, reads or guesses at; HSTS over TLS alone', async () => {
  for (const isTls of [false, true]) {
    const { access } = open({ isTls })
    const app = makeApp({ routes: [routeOf('anyone'), routeOf('viewer')], access, failed: assert.ifError })
    for (const path of ['/anyone', '/viewer', '/nowhere']) {
      const { headers } = await app.request(path)
      assert.match(headers.get('content-security-policy')!, /^default-src 'self'; .*frame-ancestors 'none'$/)
      for (const name of ['x-content-type-options', 'x-frame-options', 'referrer-policy', 'cache-control']) {
        assert.ok(headers.get(name), `${path} ${name}`)
      }
      assert.equal(headers.get('strict-transport-security'), isTls ? 'max-age=31536000' : null)
    }
  }
})
