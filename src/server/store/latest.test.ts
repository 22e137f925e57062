// Tests the newest values of all chargers at the start, also after a server was killed before it wrote them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecordedDb } from '../../history/testing/recordedDb.ts'
import { valueSpecs } from '../../model/wire/chargerState.ts'
import { LatestWriter, loadLatest } from './latest.ts'

const dayUs = 86_400_000_000
const latest = (id: number, us: number, value: number): object => {
  return { id, charger: `w${id}`, name: 'PowerOutput', time_us: String(us), value }
}
const silent = (id: number): object => ({ id, charger: `w${id}`, name: null, time_us: null, value: null })

async function load(rows: object[], recent: unknown[][] = [], statuses: object[] = []) {
  const recorded = new RecordedDb([
    ['LEFT JOIN latest_readings', rows],
    ['CROSS JOIN LATERAL', () => recent.splice(0)],
    ['FROM edge_status', statuses]
  ])
  const told: string[] = []
  for await (const { topics, timesUs, payloads } of loadLatest(recorded.db))
    topics.forEach((topic, i) => {
      told.push(`${topic} ${timesUs[i]} ${payloads[i]}`)
    })
  return { told, topUps: recorded.of('CROSS JOIN LATERAL').map(({ values }) => values) }
}

test('each value has its time; a charger that told nothing has none', async () => {
  const { told } = await load([latest(1, 5, 7), silent(2)])
  assert.equal(told.length, 1)
  assert.match(told[0]!, /^chargers\/w1\/PowerOutput 5 /)
})

test('chargers whose newest values are of one day are topped up together, from the oldest of them on', async () => {
  const { topUps } = await load([
    latest(1, 10 * dayUs, 7),
    latest(1, 10 * dayUs + 5e6, 7),
    latest(2, 11 * dayUs - 1, 7),
    latest(3, 11 * dayUs, 7),
    silent(4)
  ])
  assert.deepEqual(topUps, [
    [[1, 2], ['1970-01-11T00:00:05.000Z', '1970-01-11T23:59:59.999999Z'], '1970-01-11T00:00:05.000Z'],
    [[3], ['1970-01-12T00:00:00.000Z'], '1970-01-12T00:00:00.000Z'],
    [[4], ['-infinity'], '-infinity']
  ])
})

test('what is topped up are the values that are there', async () => {
  const fields = valueSpecs.flatMap(({ name }) => (name === 'ChargerStatus' ? ['Idle', '9'] : [null, null]))
  const { told } = await load([latest(1, 5, 7)], [['w1', ...fields]])
  assert.match(told[1]!, /^chargers\/w1\/ChargerStatus 9 /)
  assert.equal(told.length, 2)
})

test('an EdgeStatus is its JSON', async () => {
  const { told } = await load([], [], [{ charger: 'w1', time_us: '3', status: { Clock: 'system' } }])
  assert.deepEqual(told, ['chargers/w1/EdgeStatus 3 {"Clock":"system"}'])
})

test('values are written behind, an EdgeStatus is not: it has a table of its own', async () => {
  const recorded = new RecordedDb()
  const writer = new LatestWriter(recorded.db, assert.ifError)
  const entry = { timeUs: 1_000, payload: '{"SamplingTime":"1970-01-01T00:00:00.001Z","Value":7}' }
  writer.note('chargers/w1/EdgeStatus', entry)
  writer.note('chargers/w1/PowerOutput', entry)
  await writer.close()
  assert.deepEqual(
    recorded.asked.map(({ values }) => values),
    [[['w1'], ['PowerOutput'], ['1970-01-01T00:00:00.001Z'], [entry.payload]]]
  )
})
