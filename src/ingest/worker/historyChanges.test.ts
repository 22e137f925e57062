import assert from 'node:assert/strict'
import { test } from 'node:test'
import { historyChanges } from './historyChanges.ts'
import { Row } from './row.ts'

function row(chargerId: number, timeUs: number): Row {
  const made = new Row(`c${chargerId}`, timeUs)
  made.chargerId = chargerId
  return made
}

test('of fresh rows nothing is noted', () => {
  assert.deepEqual(historyChanges([row(1, 100), row(1, 101), row(2, 100)], 100), [])
})

test('of older rows each charger has one range, from its oldest to its newest', () => {
  const rows = [row(1, 10), row(1, 20), row(1, 99), row(1, 100), row(2, 100), row(3, 7)]
  assert.deepEqual(historyChanges(rows, 100), [
    { chargerId: 1, fromUs: 10, toUs: 99 },
    { chargerId: 3, fromUs: 7, toUs: 7 }
  ])
})
