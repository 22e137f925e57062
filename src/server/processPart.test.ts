// Tests how several processes share the limits of the whole server.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { budgetBytesMin } from './limits.ts'
import { partOf } from './processPart.ts'

const config = {
  nodeId: 'a:8883',
  connectionsMax: 10,
  handshakesPerSecond: 3,
  budgetBytes: 9 * budgetBytesMin,
  drainMs: 5
}
const part = (number: number, of: number): string =>
  JSON.stringify({ number, of, mqttPorts: [1, 2], httpPort: 3, databaseUrl: 'postgres://h/d' })

test('the only process has all of it, under its own name', () => assert.equal(partOf(config, undefined), config))

test('one of several has its share, rounded up, and what the first process found for all', () => {
  assert.deepEqual(partOf(config, part(2, 3)), {
    ...config,
    part: JSON.parse(part(2, 3)),
    mqttPorts: [1, 2],
    httpPort: 3,
    databaseUrl: 'postgres://h/d',
    nodeId: 'a:8883.2',
    connectionsMax: 4,
    handshakesPerSecond: 1,
    budgetBytes: 3 * budgetBytesMin
  })
})

test('a share is never less than a process needs', () => {
  const { connectionsMax, handshakesPerSecond, budgetBytes } = partOf(config, part(1, 20))
  assert.deepEqual([connectionsMax, handshakesPerSecond, budgetBytes], [1, 1, budgetBytesMin])
})
