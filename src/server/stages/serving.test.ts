import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDatabase } from '../testing/startup.ts'
import { type Running, Serving } from './serving.ts'

const running = {
  db: testDatabase(() => [1]).db,
  ingest: { trouble: undefined, lanes: [] },
  progress: { stall: undefined },
  credentials: { warnings: [] },
  maintenance: { last: undefined },
  link: undefined,
  exposition: { contentType: '', json: async () => [{ name: 'a' }], text: async () => ({ contentType: '', body: '' }) },
  meter: { share: () => ({ commits: [1], acks: [2] }) }
} as unknown as Running

test('readiness is "starting", then what the parts say, then "stopping"', async () => {
  const serving = new Serving()
  assert.match((await serving.readiness()).reasons[0]!, /^starting/)
  serving.running = running
  assert.deepEqual(await serving.readiness(), { ready: true, reasons: [], warnings: [] })
  serving.isStopping = true
  assert.deepEqual((await serving.readiness()).reasons, ['stopping'])
})

test('metrics and ingest figures are undefined until the start is complete', async () => {
  const serving = new Serving()
  assert.deepEqual([serving.metrics(), serving.ingest()], [undefined, undefined])
  serving.running = running
  assert.deepEqual([await serving.metrics(), serving.ingest()], [[{ name: 'a' }], { commits: [1], acks: [2] }])
})
