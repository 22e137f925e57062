import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Access } from '../access/access.ts'
import type { TokenCache } from '../access/tokenCache.ts'
import { type HealthOptions, healthRoutes } from './health.ts'
import { Http, type HttpOptions } from './http.ts'

/** No token was ever created, so every program on this machine may send every request. */
const unguarded = { isGuarded: false, find: async () => undefined } as unknown as TokenCache

type Options = Partial<HealthOptions> & Partial<Pick<HttpOptions, 'port' | 'failed'>>

const open = ({ readiness, metrics, ...options }: Options = {}): Promise<Http> =>
  Http.open({
    host: '127.0.0.1',
    port: 0,
    access: new Access({ tokenCache: () => unguarded, isLoopback: true, isTls: false, report() {} }),
    routes: healthRoutes({
      readiness: readiness ?? (() => ({ ready: true, reasons: [] })),
      metrics: metrics ?? (() => undefined)
    }),
    failed() {},
    ...options
  })

async function opened(t: TestContext, options: Options = {}): Promise<Http> {
  const http = await open(options)
  t.after(() => http.close())
  return http
}

const ask = (http: Http, path: string, method = 'GET'): Promise<Response> =>
  fetch(`http://127.0.0.1:${http.port}${path}`, { method })

async function answerOf(response: Response) {
  return { status: response.status, type: response.headers.get('content-type'), body: await response.text() }
}
const jsonType = 'application/json; charset=utf-8'

test('/healthz answers as long as the process does, ready or not', async t => {
  const http = await opened(t, { readiness: () => assert.fail('asked') })
  assert.deepEqual(await answerOf(await ask(http, '/healthz')), {
    status: 200,
    type: jsonType,
    body: '{"status":"ok"}\n'
  })
})

test('/readyz answers 200 when the server can store', async t => {
  const http = await opened(t)
  const body = '{"status":"ready","reasons":[]}\n'
  assert.deepEqual(await answerOf(await ask(http, '/readyz')), { status: 200, type: jsonType, body })
})

test('/readyz answers 503 with all the reasons when it cannot', async t => {
  const http = await opened(t, { readiness: async () => ({ ready: false, reasons: ['one', 'two'] }) })
  const body = '{"status":"not ready","reasons":["one","two"]}\n'
  assert.deepEqual(await answerOf(await ask(http, '/readyz')), { status: 503, type: jsonType, body })
})

test('/metrics answers what the registry says, and 503 while there is none', async t => {
  const contentType = 'text/plain; version=0.0.4; charset=utf-8'
  const http = await opened(t, { metrics: async () => ({ contentType, body: 'a 1\n' }) })
  assert.deepEqual(await answerOf(await ask(http, '/metrics')), { status: 200, type: contentType, body: 'a 1\n' })
  const starting = await ask(await opened(t), '/metrics')
  assert.equal(starting.status, 503)
})

test('a query is no part of the route', async t => {
  const http = await opened(t)
  assert.equal((await ask(http, '/healthz?x=1')).status, 200)
  assert.equal((await ask(http, '/x?/healthz')).status, 404)
})

test('any other path is 404 and names the ones that there are', async t => {
  const http = await opened(t)
  for (const path of [
    '/',
    '/healthz/',
    '/Healthz',
    '//healthz',
    '/healthz%20',
    '/metrics/x',
    '/constructor',
    '/__proto__'
  ]) {
    const { status, type, body } = await answerOf(await ask(http, path))
    assert.deepEqual(
      [status, type, body],
      [404, jsonType, '{"error":"expected one of /healthz, /readyz, /metrics"}\n'],
      path
    )
  }
})

test('a method that changes something is 405 on a route, and 404 beside it', async t => {
  const http = await opened(t, { readiness: () => assert.fail('asked') })
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    const { status, body } = await answerOf(await ask(http, '/readyz', method))
    assert.deepEqual([status, body], [405, `{"error":"expected GET, found ${method}"}\n`])
    assert.equal((await ask(http, '/x', method)).status, 404)
  }
})

test('HEAD is GET without the body', async t => {
  const http = await opened(t, { readiness: () => ({ ready: false, reasons: ['one'] }) })
  const response = await ask(http, '/readyz', 'HEAD')
  assert.deepEqual([response.status, response.headers.get('content-type'), await response.text()], [503, jsonType, ''])
})

test('a route that fails, at once or later, is 500 without the reason, which is told to us, and the server lives on', async t => {
  const fail = (): never => {
    throw new Error('pool ended')
  }
  const told: string[] = []
  const failed = (path: string, { message }: Error): unknown => told.push(`${path} ${message}`)
  const http = await opened(t, { readiness: fail, metrics: async () => fail(), failed })
  for (const path of ['/readyz', '/metrics']) {
    const { status, body } = await answerOf(await ask(http, path))
    assert.deepEqual([status, body], [500, '{"error":"expected an answer, found a fault of the server"}\n'])
  }
  assert.equal((await ask(http, '/healthz')).status, 200)
  assert.deepEqual(told, ['/readyz pool ended', '/metrics pool ended'])
})

test('no answer is cached or guessed at', async t => {
  const http = await opened(t)
  for (const path of ['/healthz', '/readyz', '/metrics', '/x']) {
    const { headers } = await ask(http, path)
    assert.deepEqual([headers.get('cache-control'), headers.get('x-content-type-options')], ['no-store', 'nosniff'])
  }
})

test('closing does not wait for connections that are kept open', async () => {
  const http = await open({ readiness: () => new Promise(() => {}) })
  const socket = connect(http.port, '127.0.0.1')
  const closed = new Promise(resolve => socket.on('error', () => {}).once('close', resolve))
  await new Promise(resolve => socket.once('connect', resolve))
  socket.write('GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n')
  await http.close()
  await closed
})

test('a taken port is an error that names it', async t => {
  const { port } = await opened(t)
  await assert.rejects(opened(t, { port }), { code: 'EADDRINUSE', port })
})
