// Tests all limits of src/: their names, their units and how they fit together.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { topicOf } from '../src/model/wire/topics.ts'

const src = fileURLToPath(new URL('../src/', import.meta.url))
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(name => /(^|\/)limits\.ts$/.test(name))
const rooms: Record<string, number>[] = await Promise.all(
  files.map(name => import(pathToFileURL(join(src, name)).href))
)
const limits: Record<string, number> = Object.assign({}, ...rooms)

test('every room with limits is read, and a name stands in one room', () => {
  assert.ok(rooms.length > 20)
  assert.equal(
    Object.keys(limits).length,
    rooms.reduce((sum, room) => sum + Object.keys(room).length, 0)
  )
})

test('every limit is a positive whole number', () => {
  for (const [name, value] of Object.entries(limits)) assert.ok(Number.isSafeInteger(value) && value > 0, name)
})

test('every limit in time, bytes or counts says its unit in its name', () => {
  // A plural noun in the name counts as a unit: it says what is counted.
  const unit = /[a-z]s([A-Z]|$)|(Ms|Count|Window|Waiting|Backlog|Magnitude)([A-Z]|$)|Stop/
  for (const name of Object.keys(limits)) assert.match(name, unit)
})

test('the longest legal topic of a value fits', () => {
  const longest = topicOf('c'.repeat(limits.chargerNameCharactersMax!), 'v'.repeat(limits.valueNameCharactersMax!))
  assert.ok(longest.length <= limits.topicBytesMax!)
})

test("a packed message's lengths and identity fit in 16 bits", () => {
  assert.ok(limits.packetBytesMax! <= 0xffff)
  assert.ok(limits.batchMessagesMax! <= 0x1_0000)
  assert.ok(limits.batchBytesMax! > 2 * limits.packetBytesMax!)
})

test('our own edge keeps within the window of the server', () => {
  assert.ok(limits.publishWindowMax! <= limits.windowMessagesMax!)
  assert.ok(limits.edgeKeepaliveSeconds! <= limits.keepaliveSecondsMax!)
  assert.ok(4 * limits.certificateChargersMax! <= limits.clientFiltersMax!)
})

test('no connection is held below its fair share, and QoS 2 has room for a whole window', () => {
  assert.ok(limits.fairShareMessagesMin! < limits.windowMessagesMax!)
  assert.ok(limits.receivedMessagesMax! >= limits.windowMessagesMax!)
})

test('every pair of bounds is in order', () => {
  assert.ok(limits.retryDelayMinMs! < limits.retryDelayMaxMs!)
  assert.ok(limits.reconnectDelayMsMin! < limits.reconnectDelayMsMax!)
  assert.ok(limits.pollIntervalMsMin! <= limits.pollIntervalMsKind!)
  assert.ok(limits.pollConnectTimeoutMs! <= limits.pollTimeoutMs!)
  assert.ok(limits.spoolBytesMin! <= limits.spoolBytesDefault!)
  assert.ok(limits.certificateDaysDefault! <= limits.certificateDaysMax!)
  assert.ok(limits.acceptFutureMs! < limits.acceptPastMsDefault!)
  assert.ok(limits.batchBytesMax! < limits.budgetBytesDefault!)
})
