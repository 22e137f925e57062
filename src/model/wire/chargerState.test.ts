import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { operationStates, valueNames, valueSpecs } from './chargerState.ts'
import { chargerStatusCodePointsMax, connectedVehicleCodePointsMax } from './limits.ts'
import { connectionName, edgeStatusName, parseTopic, topicOf } from './topics.ts'

const migration = await readFile(new URL('../../../sql/000001_readings.sql', import.meta.url), 'utf8')

test('the values stand in the order and with the types of the columns of ev_readings', () => {
  const [, body] = /CREATE TABLE ev_readings_columns \(\n(.*?)\n\);/s.exec(migration)!
  const columns = body!.split(',\n').map(line => line.trim().split(/\s+(.*)/))
  assert.deepEqual(columns.slice(0, 2).flat().filter(Boolean), [
    'charger_id',
    'integer NOT NULL',
    'time',
    'timestamptz NOT NULL'
  ])
  const types = { state: 'operation_state', number: 'double precision', text: 'text' }
  assert.deepEqual(
    columns.slice(2).map(([name, type]) => [name, type]),
    valueSpecs.map(({ column, kind }) => [column, types[kind]])
  )
})

test('the operation states are the labels of the enum, in its order', () => {
  const [, labels] = /CREATE TYPE operation_state AS ENUM\s+\(([^)]*)\)/.exec(migration)!
  assert.deepEqual(
    labels!.split(',').map(label => label.trim().slice(1, -1)),
    [...operationStates]
  )
})

test('a column is its value name in snake case, and names are distinct and legal in a topic', () => {
  for (const { name, column } of valueSpecs) {
    assert.equal(column, name.replace(/(?<!^)[A-Z]/g, '_$&').toLowerCase())
    assert.deepEqual(parseTopic(topicOf('c1', name)), { charger: 'c1', name })
  }
  assert.equal(new Set([...valueNames, connectionName, edgeStatusName]).size, valueNames.length + 2)
})

test('only text has a longest length, and the two texts have theirs', () => {
  const lengths = valueSpecs.filter(({ codePointsMax }) => codePointsMax > 0)
  assert.deepEqual(
    lengths.map(({ name, kind, codePointsMax }) => [name, kind, codePointsMax]),
    [
      ['ConnectedVehicle', 'text', connectedVehicleCodePointsMax],
      ['ChargerStatus', 'text', chargerStatusCodePointsMax]
    ]
  )
})

test('every number has a unit, and nothing else has', () => {
  for (const { name, kind, unit } of valueSpecs) assert.equal(unit !== '', kind === 'number', name)
})
