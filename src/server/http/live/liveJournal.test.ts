// Tests the journal of live events: how far back it reaches, and how much it sends at once.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeEnvelope } from '../../../model/wire/envelope.ts'
import { eventText, LiveJournal, partsOf } from './liveJournal.ts'

const reading = (charger: string, value: string | number, name = 'PowerOutput'): [string, string] => [
  `chargers/${charger}/${name}`,
  encodeEnvelope({ timeUs: 1e6, value })
]
const chargers = (entries: readonly { readonly charger: string }[]): string =>
  entries.map(({ charger }) => charger).join('')

test('an event has one kind; kinds come in their order, and each event has the next number', () => {
  const journal = new LiveJournal(10)
  const events = journal.add([['chargers/a/EdgeStatus', '{}'], reading('b', 'online', 'Connection'), reading('c', 1)])
  assert.deepEqual(
    events.map(([entry]) => `${entry!.kind} ${entry!.number}`),
    ['reading 1', 'connection 2', 'status 3']
  )
  assert.equal(journal.number, 3)
  assert.deepEqual(journal.add([]), [])
})

test('what is newer comes as a whole event, at least as much as is asked for', () => {
  const journal = new LiveJournal(10)
  journal.add([reading('a', 1), reading('b', 1)])
  journal.add([reading('c', 1), reading('d', 1)])
  assert.equal(chargers(journal.since(0, 1)), 'ab')
  assert.equal(chargers(journal.since(0, 2)), 'ab')
  assert.equal(chargers(journal.since(0, 3)), 'abcd')
  assert.equal(chargers(journal.since(1, 1)), 'cd')
  assert.equal(chargers(journal.since(2, 1)), '')
})

test('a topic is there once, where it moved last', () => {
  const journal = new LiveJournal(10)
  journal.add([reading('a', 1), reading('b', 1)])
  journal.add([reading('a', 2)])
  assert.equal(chargers(journal.since(0, 9)), 'ba')
})

test('what was forgotten for want of room cannot be gone on from', () => {
  const journal = new LiveJournal(2)
  journal.add([reading('a', 1)])
  journal.add([reading('b', 1)])
  assert.equal(journal.reaches(0), true)
  journal.add([reading('c', 1)])
  assert.deepEqual(
    [0, 1, 3, 4].map(number => journal.reaches(number)),
    [false, true, true, false]
  )
  assert.equal(chargers(journal.since(1, 9)), 'bc')
})

test('an id leads on in its own epoch alone', () => {
  const journal = new LiveJournal(10)
  journal.add([reading('a', 1)])
  assert.equal(journal.numberOf(journal.idOf(1)), 1)
  assert.equal(journal.numberOf(journal.idOf(0)), 0)
  for (const id of [journal.idOf(2), 'other.1', `${journal.epoch}.`, `${journal.epoch}.-1`, `${journal.epoch}.1x`, ''])
    assert.equal(journal.numberOf(id), undefined, id)
})

test('a card is masked, that there is none is not, and other values are the same for all', () => {
  const journal = new LiveJournal(10)
  const [entries] = journal.add([
    reading('a', 'CARD', 'ConnectedVehicle'),
    reading('b', '', 'ConnectedVehicle'),
    reading('c', 'CARD', 'ChargerStatus')
  ])
  const valuesFor = (mayReadCards: boolean): string[] =>
    JSON.parse(/data: (.*)\n/.exec(eventText(entries!, 'x.1', mayReadCards))![1]!).map(
      (one: { value: string }) => one.value
    )
  assert.deepEqual(valuesFor(true), ['CARD', '', 'CARD'])
  assert.deepEqual(valuesFor(false), ['***', '', 'CARD'])
})

test('time and value are cut out of a canonical payload', () => {
  for (const value of [0, -1.5, '', 'a "b" \\ \u00fc', '","Value":']) {
    const { time, value: json } = partsOf(encodeEnvelope({ timeUs: 1_000_001, value }))
    assert.deepEqual([time, JSON.parse(json)], ['1970-01-01T00:00:01.000001Z', value])
  }
})
