import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ConfigError } from '../../model/errors.ts'
import { Http, type HttpOptions } from '../http/http.ts'
import { testStartup } from '../testing/startup.ts'
import type { Credentials } from '../trust/credentials.ts'
import { openFront } from './front.ts'

function fakes() {
  const told: string[] = []
  return {
    told,
    credentials: () => ({ reload: () => told.push('credentials reload') }) as unknown as Credentials,
    httpTls: (): never => assert.fail('no certificate is configured'),
    http: async (options: HttpOptions) => {
      told.push(`http ${options.host}`)
      return { port: 81, replaceTls() {}, close: async () => void told.push('http closed') }
    },
    probePort: async (_host: string, port: number) => {
      told.push(`probe ${port}`)
      return port
    }
  }
}

const taken = (port: number): Error => Object.assign(new Error('taken'), { code: 'EADDRINUSE', port })

test('until the start is complete the HTTP port answers that the server is starting', async () => {
  const startup = testStartup({ httpHost: '127.0.0.1' })
  const { httpPort, serving } = await openFront(startup, { ...fakes(), http: options => Http.open(options) })
  const ask = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${httpPort}${path}`)
    return [response.status, await response.text()] as const
  }
  const reasons = '"reasons":["starting: waiting for the database, or for Redis"]'
  assert.deepEqual(await ask('/healthz'), [200, '{"status":"ok"}\n'])
  assert.deepEqual(await ask('/readyz'), [503, `{"status":"not ready",${reasons}}\n`])
  for (const path of ['/metrics', '/api/v1/chargers', '/'])
    assert.deepEqual(await ask(path), [503, '{"error":"starting: the tokens are not known yet"}\n'])
  serving.isStopping = true
  assert.deepEqual(await ask('/readyz'), [503, '{"status":"not ready","reasons":["stopping"]}\n'])
  await startup.lifetime.close()
  await assert.rejects(fetch(`http://127.0.0.1:${httpPort}/healthz`))
})

test('ports are tried before anything else is started; a taken one is a fault of the configuration', async () => {
  const startup = testStartup({ mqttPorts: [8883, 8884] })
  const open = fakes()
  const probePort = async (host: string, port: number): Promise<number> => {
    if (port === 8884) throw taken(port)
    return open.probePort(host, port)
  }
  const opening = openFront(startup, { ...open, probePort }).catch(error => startup.lifetime.fail(error))
  await assert.rejects(opening, (error: ConfigError) => {
    assert.ok(error instanceof ConfigError)
    assert.match(error.message, /^--mqtt-port: .*port 8884 in use already/)
    return true
  })
  assert.deepEqual(open.told, ['http 127.0.0.1', 'probe 8883', 'http closed'])
})

test('a taken HTTP port is told with its flag, and there is nothing to close', async () => {
  const startup = testStartup()
  const http = (): Promise<never> => Promise.reject(taken(8080))
  await assert.rejects(openFront(startup, { ...fakes(), http }), /^ConfigError: --http-port: .*port 8080 in use/)
  await startup.lifetime.close()
})

/**
 * One of two processes, with a message channel to the supervising process. The test removes the listeners at its end.
 */
const part = (t: TestContext, number: number) => {
  const before = process.listeners('message')
  t.after(() => {
    for (const listener of process.listeners('message'))
      if (!before.includes(listener)) process.off('message', listener)
  })
  return { number, of: 2, mqttPorts: [8883], httpPort: 8080, databaseUrl: '' }
}

test('of several processes the first one alone opens the HTTP port, and none tries the MQTT ports', async t => {
  for (const [number, told] of [
    [1, ['http 127.0.0.1']],
    [2, []]
  ] as const) {
    const open = fakes()
    const front = await openFront(testStartup({ part: part(t, number), httpPort: 8080 }), open)
    assert.deepEqual(open.told, told)
    assert.ok(front.processLink)
    assert.equal(front.httpPort, number === 1 ? 81 : 8080)
  }
})

test('a reload reads the certificates of both ports; those of the HTTP port are in force at once', async () => {
  const startup = testStartup({ httpTls: { cert: 'cert', key: 'key' } })
  const open = fakes()
  let replaced = (_next: unknown): void => {}
  const httpTls = {
    current: {},
    watch: (replace: typeof replaced) => {
      replaced = replace
      return () => open.told.push('watch ended')
    },
    reload: () => open.told.push('http reload')
  }
  const http = async () => ({
    port: 1,
    replaceTls: (next: unknown) => open.told.push(`in force ${next}`),
    close: async () => void open.told.push('closed')
  })
  const front = await openFront(startup, { ...open, http, httpTls: () => httpTls as never })
  front.reload()
  replaced('new files')
  await startup.lifetime.close()
  assert.deepEqual(open.told, [
    'probe 0',
    'credentials reload',
    'http reload',
    'in force new files',
    'watch ended',
    'closed'
  ])
})
