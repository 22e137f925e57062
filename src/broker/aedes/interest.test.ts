import assert from 'node:assert/strict'
import { test } from 'node:test'
import { below, pick, seededRandom } from '../../model/testing/random.ts'
import { matches, randomFilter } from '../testing/filters.ts'
import { Interest } from './interest.ts'

const power = 'chargers/c1/PowerOutput'
const other = 'chargers/c10/PowerOutput'

test('nobody is interested before anybody subscribes', () => {
  assert.equal(new Interest().in(power), false)
})

const filters: [string, boolean, boolean][] = [
  // The columns: filter, whether it matches c1, whether it matches c10.
  [power, true, false],
  ['chargers/c1/#', true, false],
  ['chargers/c1/+', true, false],
  ['+/c1/PowerOutput', true, false],
  ['chargers/+/PowerOutput', true, true],
  ['chargers/#', true, true],
  ['#', true, true],
  ['+/#', true, true],
  ['+/+/+', true, true],
  ['chargers/c2/#', false, false],
  ['chargers/c1/commands/#', false, false],
  ['chargers/c1/commands/start', false, false],
  ['chargers/+/commands/#', false, false],
  ['other/#', false, false],
  ['$SYS/#', false, false],
  ['/chargers/c1/PowerOutput', false, false]
]
test('a filter makes its chargers interesting, commands and foreign topics none', () => {
  for (const [filter, c1, c10] of filters) {
    const interest = new Interest()
    interest.subscribe('a', filter)
    assert.deepEqual([interest.in(power), interest.in(other)], [c1, c10], filter)
    interest.unsubscribe('a', filter)
    assert.deepEqual([interest.in(power), interest.in(other)], [false, false], filter)
  }
})

test('the same filter twice counts once', () => {
  const interest = new Interest()
  interest.subscribe('a', 'chargers/#')
  interest.subscribe('a', 'chargers/#')
  interest.unsubscribe('a', 'chargers/#')
  assert.equal(interest.in(power), false)
})

test('interest lasts until the last of its filters and clients is gone', () => {
  const interest = new Interest()
  interest.subscribe('a', 'chargers/c1/#')
  interest.subscribe('a', power)
  interest.subscribe('b', power)
  interest.unsubscribe('a', power)
  assert.equal(interest.in(power), true)
  interest.forget('a')
  assert.equal(interest.in(power), true)
  interest.forget('b')
  assert.equal(interest.in(power), false)
})

test("forgetting a client takes all its filters and nobody else's", () => {
  const interest = new Interest()
  for (const filter of ['chargers/c1/#', 'chargers/c2/#', '#']) interest.subscribe('a', filter)
  interest.subscribe('b', 'chargers/c10/#')
  interest.forget('a')
  interest.forget('nobody')
  assert.equal(interest.in(power), false)
  assert.equal(interest.in(other), true)
})

test('unsubscribing what was never subscribed changes nothing', () => {
  const interest = new Interest()
  interest.subscribe('a', power)
  for (const [client, filter] of [
    ['a', 'chargers/#'],
    ['b', power],
    ['a', 'chargers/c1/#']
  ] as const) {
    interest.unsubscribe(client, filter)
  }
  assert.equal(interest.in(power), true)
  interest.unsubscribe('a', power)
  interest.unsubscribe('a', power)
  interest.subscribe('a', power)
  assert.equal(interest.in(power), true)
})

test('whenever a filter of anybody matches a value, it is interesting; without any filter nothing is', () => {
  const random = seededRandom(7)
  const topics = ['c1', 'c2', 'c10'].map(charger => `chargers/${charger}/PowerOutput`)
  for (let round = 0; round < 200; round++) {
    const interest = new Interest()
    const held = new Map<string, Set<string>>(['a', 'b', 'c'].map(client => [client, new Set()]))
    for (let i = 0; i < 30; i++) {
      const client = pick(random, [...held.keys()])
      const filter = randomFilter(random, ['c1', 'c2', 'c10'], ['PowerOutput'])
      const step = below(random, 10)
      if (step < 6) {
        interest.subscribe(client, filter)
        held.get(client)!.add(filter)
      } else if (step < 9) {
        const own = pick(random, [...held.get(client)!, filter])
        interest.unsubscribe(client, own)
        held.get(client)!.delete(own)
      } else {
        interest.forget(client)
        held.get(client)!.clear()
      }
      const filters = [...held.values()].flatMap(set => [...set])
      for (const topic of topics) {
        if (filters.some(filter => matches(filter, topic))) assert.ok(interest.in(topic), `${filters} ${topic}`)
        if (filters.length === 0) assert.equal(interest.in(topic), false)
      }
    }
  }
})
