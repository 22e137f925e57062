import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Access } from '../access/access.ts'
import type { TokenCache } from '../access/tokenCache.ts'
import { makeApp } from '../http/routes.ts'
import { testStartup } from '../testing/startup.ts'
import { routesOf } from './routes.ts'
import { type Running, Serving } from './serving.ts'

const unguarded = { isGuarded: false, find: async () => undefined } as unknown as TokenCache

function open(processLink?: Parameters<typeof routesOf>[3]) {
  const serving = new Serving()
  serving.tokenCache = unguarded
  const access = new Access({ tokenCache: () => serving.tokenCache, isLoopback: true, isTls: false, report() {} })
  const app = makeApp({ routes: routesOf(testStartup(), access, serving, processLink), access, failed: assert.ifError })
  const ask = async (path: string) => {
    const response = await app.request(path, { headers: { host: 'localhost' } })
    return [response.status, await response.text()] as const
  }
  return { serving, ask }
}

const exposition = {
  contentType: 'text/plain',
  json: async () => [],
  text: async () => ({ contentType: 'a/b', body: 'own' })
}
const running = { exposition } as unknown as Running

test('metrics are there when the start is complete', async () => {
  const { serving, ask } = open()
  assert.deepEqual(await ask('/metrics'), [503, '{"error":"starting: no metrics yet"}\n'])
  serving.running = running
  assert.deepEqual(await ask('/metrics'), [200, 'own'])
})

test('of several processes the answers are those of all together', async () => {
  const { serving, ask } = open({
    readiness: async () => ({ ready: false, reasons: ['process 2: stopping'] }),
    metrics: async contentType => ({ contentType, body: 'all' })
  })
  assert.deepEqual(await ask('/readyz'), [503, '{"status":"not ready","reasons":["process 2: stopping"]}\n'])
  assert.equal((await ask('/metrics'))[0], 503, 'not before this process has its own')
  serving.running = running
  assert.deepEqual(await ask('/metrics'), [200, 'all'])
})
