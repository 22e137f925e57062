import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Access } from '../../access/access.ts'
import type { TokenCache } from '../../access/tokenCache.ts'
import { makeApp } from '../routes.ts'
import { type ApiParts, apiRoutes } from './api.ts'

interface Operation {
  readonly operationId: string
  readonly 'x-role': string
  readonly parameters: { name: string; in: string; required: boolean; description: string; schema: object }[]
  readonly responses: Record<string, object>
}

const unguarded = { isGuarded: false, find: async () => undefined } as unknown as TokenCache
const access = new Access({ tokenCache: () => unguarded, isLoopback: true, isTls: false, report() {} })
const routes = apiRoutes(() => ({}) as ApiParts)
const app = makeApp({ routes, access, failed: assert.ifError })
const ask = (path: string): Promise<Response> => Promise.resolve(app.request(path, { headers: { host: 'localhost' } }))

async function operations(): Promise<Map<string, Operation>> {
  const response = await ask('/api/v1/openapi.json')
  assert.equal(response.status, 200)
  const document = (await response.json()) as { openapi: string; paths: Record<string, { get: Operation }> }
  assert.equal(document.openapi, '3.1.0')
  return new Map(Object.entries(document.paths).map(([path, { get }]) => [path, get]))
}

test('every route of the API is in the document, under its own name, with its role', async () => {
  const documented = await operations()
  assert.deepEqual(
    [...documented].map(([path, operation]) => `${path} ${operation['x-role']}`),
    routes.map(({ path, needs }) => `${path.replaceAll(/:(\w+)/g, '{$1}')} ${needs}`)
  )
  const names = [...documented.values()].map(({ operationId }) => operationId)
  assert.equal(new Set(names).size, names.length)
})

test('every parameter says what it is for and what it may be, those of the path among them', async () => {
  for (const [path, { parameters }] of await operations()) {
    for (const { name, description, schema, required } of parameters) {
      assert.ok(description.length > 5, `${path} ${name}`)
      assert.ok('type' in schema, `${path} ${name}: ${JSON.stringify(schema)}`)
      assert.equal(required, path.includes(`{${name}}`))
    }
    const inPath = parameters.filter(parameter => parameter.in === 'path').map(({ name }) => name)
    assert.deepEqual(
      inPath,
      [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    )
  }
})

test('what a parameter may not be by the document, the API refuses', async () => {
  for (const [path, { parameters }] of await operations()) {
    const url = path.replaceAll(/\{\w+\}/g, 'c1')
    for (const { name, in: place, schema } of parameters) {
      if (place === 'path') continue
      const isText = !('enum' in schema) && !('minimum' in schema) && !('format' in schema)
      const wrong = isText ? '' : 'certainly-not'
      const response = await ask(`${url}?${name}=${wrong}`)
      assert.equal(response.status, 400, `${url}?${name}=${wrong}`)
      const { faults } = (await response.json()) as { faults: { parameter: string }[] }
      assert.deepEqual(
        faults.map(({ parameter }) => parameter),
        [name]
      )
    }
    const unknown = await ask(`${url}?unknown=1`)
    assert.equal(unknown.status, 400, url)
  }
})

test('the API answers 503 while the server starts', async () => {
  const starting = makeApp({ routes: apiRoutes(() => undefined), access, failed: assert.ifError })
  const response = await starting.request('/api/v1/chargers', { headers: { host: 'localhost' } })
  assert.deepEqual([response.status, response.headers.get('retry-after')], [503, '5'])
})
