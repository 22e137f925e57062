import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Records } from '../batch.ts'
import { packed } from '../testing/messages.ts'
import { topicsKeptMax } from './limits.ts'
import type { Row } from './row.ts'
import { type Topic, Topics } from './topics.ts'

function topicsOf(topics: Topics, ...texts: readonly string[]): Topic[] {
  const found: Topic[] = []
  for (const records = new Records(packed(texts.map(topic => ({ topic, payload: '{}' })))); records.next(); ) {
    found.push(topics.of(records))
  }
  return found
}
const textsOf = (topics: readonly Topic[]): string[] => topics.map(({ topic }) => topic)

test('every topic is found, whatever followed it before', () => {
  const texts = ['chargers/a/PowerOutput', 'chargers/a/OutputCurrent', 'chargers/b/PowerOutput', 'chargers/ab/X']
  const topics = new Topics()
  let state = 7
  const random = () => {
    state = (state * 48_271) % 2_147_483_647
    return state
  }
  const sequence = Array.from({ length: 400 }, () => texts[random() % texts.length]!)
  assert.deepEqual(textsOf(topicsOf(topics, ...sequence)), sequence)
})

test('a topic that begins or ends like another one, or has its length, is not taken for it', () => {
  const sequence = ['chargers/a/Power', 'chargers/a/Powe', 'chargers/a/Power', 'chargers/a/Powex', 'chargers/a/Power']
  const padded = [...sequence, 'chargers/a/Power', 'chargers/a/PowerOutput', 'chargers/a/Power', 'chargers/a/Pxwer']
  assert.deepEqual(textsOf(topicsOf(new Topics(), ...padded, ...padded)), [...padded, ...padded])
})

test('topics are taken apart once, and know their column and the rows of their charger', () => {
  const topics = new Topics()
  const [power, again, current, other] = topicsOf(
    topics,
    'chargers/a/PowerOutput',
    'chargers/a/PowerOutput',
    'chargers/a/OutputCurrent',
    'chargers/b/Humidity'
  )
  assert.equal(power, again)
  assert.equal(power!.charger, current!.charger)
  assert.deepEqual([power!.name, power!.column, power!.charger.charger], ['PowerOutput', 3, 'a'])
  assert.deepEqual([other!.name, other!.column, other!.charger.charger], ['Humidity', undefined, 'b'])
})

test('a time has one row, in whatever order the times come', () => {
  const topics = new Topics()
  const [topic] = topicsOf(topics, 'chargers/a/PowerOutput')
  const rows: Row[] = []
  const times = [10, 20, 30, 20, 10, 5, 25, 40, 25, 5, 30, 40, 50, 50]
  const found = times.map(timeUs => topics.row(rows, topic!.charger, timeUs))
  assert.deepEqual(
    found.map(({ timeUs, charger }) => [timeUs, charger]),
    times.map(timeUs => [timeUs, 'a'])
  )
  assert.deepEqual(
    rows.map(({ timeUs }) => timeUs),
    [10, 20, 30, 5, 25, 40, 50]
  )
  assert.equal(new Set(found).size, rows.length)
})

test('the next batch begins without rows, with the same topics', () => {
  const topics = new Topics()
  const [topic] = topicsOf(topics, 'chargers/a/PowerOutput')
  const rows: Row[] = []
  const before = topics.row(rows, topic!.charger, 10)
  topics.row(rows, topic!.charger, 5)
  topics.begin()
  const next: Row[] = []
  const [after, earlier] = [topics.row(next, topic!.charger, 10), topics.row(next, topic!.charger, 5)]
  assert.notEqual(after, before)
  assert.deepEqual(next, [after, earlier])
  assert.equal(topicsOf(topics, 'chargers/a/PowerOutput')[0], topic)
})

test('too many topics are forgotten when the next batch begins', () => {
  const topics = new Topics()
  const [first] = topicsOf(topics, 'chargers/a/PowerOutput')
  const batchOf = (from: number) => Array.from({ length: 8_192 }, (_, i) => `chargers/a/N${from + i}`)
  for (let from = 0; from < topicsKeptMax - 8_192; from += 8_192) topicsOf(topics, ...batchOf(from))
  topics.begin()
  assert.equal(topicsOf(topics, 'chargers/a/PowerOutput')[0], first)
  topicsOf(topics, ...batchOf(topicsKeptMax))
  topics.begin()
  assert.notEqual(topicsOf(topics, 'chargers/a/PowerOutput')[0], first)
})
