// Tests the access to a real server: HTTP over TLS with named tokens, the sessions of browsers, and the records that
// refusals leave.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { request } from 'node:https'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { connect } from 'node:tls'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { initAuthority } from '../../src/pki/authority/authority.ts'
import { type AuditQuota, evictAudit } from '../../src/server/access/auditRows.ts'
import { sessionsPerTokenMax } from '../../src/server/access/limits.ts'
import { type AccessRole, addToken, openSession, revokeToken } from '../../src/server/access/tokens.ts'
import type { RunningServer } from '../../src/server/server.ts'
import { Harness, until } from '../harness.ts'
import { WireClient } from '../wire.ts'

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
let harness: Harness
let url = ''
let db: pg.Client
let pool: pg.Pool
/** Adds a token as the command does, but in this process. Returns the token. */
const add = async (name: string, role: AccessRole = 'viewer'): Promise<string> =>
  (await addToken(pool, { name, role, expiresAt: undefined }))!

const chargelift = (...args: readonly string[]): Promise<{ code: number; out: string; err: string }> =>
  new Promise(resolve => {
    const env = { ...process.env, DATABASE_URL: url }
    execFile(process.execPath, [cli, 'tokens', ...args], { env }, (error, out, err) =>
      resolve({ code: error ? Number(error.code) : 0, out, err })
    )
  })

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Sends a request over TLS and checks the server against our CA. */
function ask(
  port: number,
  path: string,
  {
    headers,
    body,
    method = body === undefined ? 'GET' : 'POST'
  }: { method?: string; headers?: object; body?: string } = {}
): Promise<Answer> {
  const ca = readFileSync(join(harness.certs, 'ca.pem'))
  return new Promise((resolve, reject) => {
    const options = { host: 'localhost', port, path, method, ca, agent: false, headers: { ...headers } }
    const sent = request(options, response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks).toString() })
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

describe('access', () => {
  harness = Harness.use()
  before(async () => {
    url = await harness.database()
    db = await harness.session(url)
    pool = new pg.Pool({ connectionString: url, max: 2 })
    harness.onEnd(() => pool.end())
  })

  describe('HTTP elsewhere than on loopback', () => {
    let server: RunningServer
    const get = async (path: string, headers: object = {}): Promise<number> =>
      (await ask(server.httpPort, path, { headers })).status
    const bearer = (token: string): object => ({ authorization: `Bearer ${token}` })

    /** Copies the certificate of the MQTT ports as a separate certificate of the HTTP port. Returns the paths. */
    const copyPair = (): { cert: string; key: string } => {
      const [cert, key] = [join(harness.dir, 'http.pem'), join(harness.dir, 'http.key')]
      copyFileSync(join(harness.certs, 'server.pem'), cert)
      copyFileSync(join(harness.certs, 'server.key'), key)
      return { cert, key }
    }
    const served = async (): Promise<string> => {
      const socket = connect({ port: server.httpPort, host: 'localhost', rejectUnauthorized: false })
      await once(socket, 'secureConnect')
      const { fingerprint256 } = socket.getPeerCertificate()
      socket.destroy()
      return fingerprint256
    }

    before(async () => {
      server = await harness.server(url, {
        httpHost: '0.0.0.0',
        httpTls: copyPair()
      })
    })

    it('without a token nobody gets anything but whether it lives and is ready', async () => {
      assert.deepEqual(await Promise.all(['/healthz', '/readyz', '/sign-in'].map(path => get(path))), [200, 200, 200])
      assert.equal((await ask(server.httpPort, '/readyz')).body, '{"status":"ready"}\n')
      assert.equal(await get('/metrics'), 401)
      assert.equal(await get('/metrics', { host: 'localhost' }), 401)
      await assert.rejects(fetch(`http://127.0.0.1:${server.httpPort}/healthz`), 'not without TLS')
    })

    it('a token lets in from the moment it is made until it is revoked; the table has only its hash', async () => {
      const added = await chargelift('add', 'prometheus')
      const token = added.out.trim()
      assert.match(token, /^clft_[\w-]{43}$/)
      assert.match(added.err, /Token prometheus, role viewer; .*shown only now/)
      assert.equal((await chargelift('add', 'prometheus')).code, 78)
      assert.equal(await get('/metrics', bearer(token)), 200)
      assert.match((await ask(server.httpPort, '/readyz', { headers: bearer(token) })).body, /"reasons":\[\]/)

      const { rows } = await db.query('SELECT access_tokens::text AS row FROM access_tokens')
      assert.ok(!rows[0].row.includes(token.slice(5)))
      const list = await chargelift('list')
      assert.match(list.out, /^prometheus +viewer .* in force$/m)
      assert.ok(!list.out.includes(token))

      assert.equal((await chargelift('revoke', 'prometheus')).code, 0)
      await until(
        () => get('/metrics', bearer(token)),
        status => status === 401,
        10_000 // twice the promised time
      )
      assert.match((await chargelift('list')).out, /^prometheus .* revoked /m)
      assert.equal((await chargelift('revoke', 'prometheus')).code, 78)
      const again = await chargelift('add', 'prometheus', '--role', 'billing', '--days', '1')
      assert.equal(await get('/metrics', bearer(again.out.trim())), 200)
      assert.equal(await get('/metrics', bearer(token)), 401)
    })

    it('a browser signs in with a token, is remembered by a cookie that no script reads, and signs out', async () => {
      const token = await add('anna', 'operator')
      const form = { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' }
      const post = (body: string, headers: object = form) => ask(server.httpPort, '/sign-in', { headers, body })
      const signedIn = await post(`token=${token}&next=/metrics`)
      assert.equal(signedIn.headers.location, '/metrics')
      const [cookie, ...attributes] = signedIn.headers['set-cookie']![0]!.split('; ')
      assert.match(cookie!, /^__Host-chargelift=[\w-]{43}$/)
      assert.deepEqual(attributes.filter(part => !part.startsWith('Max-Age=')).sort(), [
        'HttpOnly',
        'Path=/',
        'SameSite=Lax',
        'Secure'
      ])
      assert.equal(await get('/metrics', { cookie }), 200)

      assert.equal((await post('token=wrong')).status, 401)
      assert.equal((await post(`token=${token}`, { ...form, 'sec-fetch-site': 'cross-site' })).status, 403)
      for (const next of ['//evil.example', '/\\evil.example', 'https://evil.example', '/a b', '']) {
        assert.equal((await post(new URLSearchParams({ token, next }).toString())).headers.location, '/', next)
      }
      assert.equal((await post('x'.repeat(20_000))).status, 413)
      const asJson = await post(JSON.stringify({ token }), { 'content-type': 'application/json' })
      assert.equal(JSON.parse(asJson.body).role, 'operator')
      for (const body of ['', 'null', '[]', '{"token":1}', '{']) assert.equal((await post(body, {})).status, 400)

      const out = { method: 'POST', headers: { cookie, 'sec-fetch-site': 'cross-site' } }
      assert.equal((await ask(server.httpPort, '/sign-out', out)).status, 403)
      assert.equal(await get('/metrics', { cookie }), 200)
      const ended = await ask(server.httpPort, '/sign-out', { method: 'POST', headers: { cookie } })
      assert.equal(ended.status, 204)
      assert.equal(await get('/metrics', { cookie }), 401)
    })

    it('a session ends with its time, and with its token', async () => {
      const token = await add('bert')
      const signIn = async (): Promise<string> => {
        const answer = await ask(server.httpPort, '/sign-in', { body: JSON.stringify({ token }) })
        return answer.headers['set-cookie']![0]!.split('; ')[0]!
      }
      const [first, second] = [await signIn(), await signIn()]
      assert.deepEqual(
        [await get('/metrics', { cookie: first }), await get('/metrics', { cookie: second })],
        [200, 200]
      )
      const { rows } = await db.query(
        `UPDATE access_sessions SET expires_at = now() WHERE session_hash =
         (SELECT session_hash FROM access_sessions WHERE token_name = 'bert' ORDER BY created_at LIMIT 1)
       RETURNING expires_at - created_at < interval '12 hours 1 second' AS is_short`
      )
      assert.equal(rows[0].is_short, true)
      await until(
        () => get('/metrics', { cookie: first }),
        status => status === 401
      )
      assert.equal(await get('/metrics', { cookie: second }), 200)
      const { rows: used } = await until(
        () => db.query("SELECT last_used_at FROM access_tokens WHERE name = 'bert'"),
        ({ rows }) => rows[0].last_used_at !== null
      )
      assert.ok(used[0].last_used_at <= new Date())
      for (let i = 0; i < sessionsPerTokenMax; i++) await openSession(pool, 'bert', Date.now() + 60_000)
      const { rows: kept } = await db.query("SELECT count(*) FROM access_sessions WHERE token_name = 'bert'")
      assert.equal(kept[0].count, String(sessionsPerTokenMax), 'the oldest made room')
      await revokeToken(pool, 'bert')
      await until(
        () => get('/metrics', { cookie: second }),
        status => status === 401
      )
    })

    it('tokens are known while the database is away', async () => {
      const token = await add('carl')
      assert.equal(await get('/metrics', bearer(token)), 200)
      await db.query('ALTER TABLE access_tokens RENAME TO away')
      try {
        const failures = async (): Promise<number> => {
          const text = 'SELECT xact_rollback AS n FROM pg_stat_database WHERE datname = current_database()'
          return Number((await db.query(text)).rows[0].n)
        }
        const before = await failures()
        await until(failures, n => n > before)
        assert.equal(await get('/metrics', bearer(token)), 200)
      } finally {
        await db.query('ALTER TABLE away RENAME TO access_tokens')
      }
      assert.equal(await get('/metrics', bearer(token)), 200)
    })
    it('a new certificate is in force within seconds; one with the wrong key changes nothing', async () => {
      const [former, key] = [await served(), readFileSync(join(harness.certs, 'server.key'))]
      await initAuthority({ dir: harness.certs, hosts: ['localhost', '127.0.0.1', 'new.example'] })
      const { fingerprint256 } = new X509Certificate(readFileSync(join(harness.certs, 'server.pem')))
      const paths = copyPair()
      await until(served, seen => seen === fingerprint256)
      assert.notEqual(fingerprint256, former)
      writeFileSync(paths.key, key)
      server.reload()
      assert.equal(await served(), fingerprint256)
      copyPair()
    })

    it('all faults of the command are told at once', async () => {
      const bad = await chargelift('add', '../x', 'y', '--role', 'boss', '--days', '0', '--json', '--database-url', 'x')
      assert.equal(bad.code, 78)
      for (const path of ['NAME', '--role', '--days', '--database-url']) {
        assert.match(bad.err, new RegExp(`^${path}: expected `, 'm'))
      }
      assert.match(bad.err, /^Unexpected argument y\./m)
      assert.match(bad.err, /^--json belongs to "tokens list", not to "tokens add"\.$/m)
      assert.match((await chargelift('fly')).err, /^Unknown command tokens fly\. Expected add, list or revoke\.$/m)
      assert.match(
        (await chargelift('list', '--database-url', 'postgres://u:s3cret@127.0.0.1:1/d')).err,
        /^--database-url: expected a database that answers/m
      )
    })
  })

  describe('audit_events', () => {
    it('refusals over MQTT and HTTP are rows with identity, serial, address and reason; changes of tokens, too', async () => {
      const server = await harness.server(url, { nodeId: 'audit-test' })
      await harness.device('c1')
      await new WireClient({
        certs: harness.certs,
        name: undefined,
        port: server.mqttPorts[0]!,
        clientId: 'x'
      }).connect()
      const client = await harness.client(server, 'c1')
      client.publish('chargers/c2/PowerOutput', 'x')
      await client.wait(() => client.closed)
      await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)
      const { rows } = await until(
        () => db.query("SELECT * FROM audit_events WHERE node = 'audit-test' ORDER BY rule"),
        ({ rows }) => rows.length === 3
      )
      assert.deepEqual(
        rows.map(({ event, rule, identity, count }) => ({ event, rule, identity, count })),
        [
          { event: 'denied', rule: 'http_no_token', identity: '', count: 1 },
          { event: 'denied', rule: 'no_certificate', identity: '', count: 1 },
          { event: 'denied', rule: 'publish_topic', identity: 'c1', count: 1 }
        ]
      )
      assert.match(rows[2].serial, /^[0-9A-F]{32}$/)
      assert.match(rows[2].address, /^127\.0\.0\.1:\d+$/)
      assert.match(rows[2].reason, /^expected an own topic, found chargers\/c2\/PowerOutput$/)
      const changes = await db.query("SELECT event FROM audit_events WHERE identity = 'prometheus' ORDER BY at")
      assert.deepEqual(
        changes.rows.map(({ event }) => event),
        ['token_added', 'token_revoked', 'token_added']
      )
    })

    it('over their quota the oldest go, counted: strangers do not push out what happened to the fleet', async () => {
      await db.query('DELETE FROM audit_events')
      await db.query(
        `INSERT INTO audit_events (id, at, last_at, event, identity, reason)
       SELECT gen_random_uuid(), now() - make_interval(mins => 100 - n), now(), 'denied', who, n::text
       FROM generate_series(1, 100) AS n, (VALUES (''), ('c1')) AS of (who)
       UNION ALL SELECT gen_random_uuid(), now() - interval '400 days', now(), 'revoked', 'c2', 'old'`
      )
      const evicted: [AuditQuota, number][] = []
      await evictAudit(pool, (quota, count) => evicted.push([quota, count]), { strangers: 10, known: 200, days: 365 })
      assert.deepEqual(evicted, [
        ['strangers', 90],
        ['known', 1]
      ])
      const { rows } = await db.query(
        'SELECT identity, count(*), min(reason::integer) AS oldest FROM audit_events GROUP BY 1 ORDER BY 1'
      )
      assert.deepEqual(rows, [
        { identity: '', count: '10', oldest: 91 },
        { identity: 'c1', count: '100', oldest: 1 }
      ])
    })
  })
})
