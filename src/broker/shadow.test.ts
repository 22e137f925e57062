import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Payload } from '../model/server/admission.ts'
import { below, pick, seededRandom } from '../model/testing/random.ts'
import { encodeEnvelope } from '../model/wire/envelope.ts'
import { covers, Shadow, type ShadowEntry } from './shadow.ts'
import { matches, randomFilter } from './testing/filters.ts'

type News = [topic: string, timeUs: number, payload: Payload][]

const movedOf = new WeakMap<Shadow, string[]>()

/** Advances the Shadow and returns the topics that moved, in order. */
function advance(shadow: Shadow, news: News): string[] {
  const moved = movedOf.get(shadow) ?? watched(shadow)
  shadow.advance(
    {
      topics: news.map(([topic]) => topic),
      timesUs: Float64Array.from(news, ([, timeUs]) => timeUs),
      payloads: news.map(([, , payload]) => payload)
    },
    'committed'
  )
  return moved.splice(0)
}

function watched(shadow: Shadow): string[] {
  const moved: string[] = []
  movedOf.set(shadow, moved)
  shadow.watch((topic, entry, mover) => {
    assert.deepEqual([shadow.get(topic), mover], [entry, 'committed'])
    moved.push(`${topic} ${entry.payload}`)
  })
  return moved
}

const matched = (shadow: Shadow, filter: string): string[] => [...shadow.match(filter)].map(({ topic }) => topic).sort()

/** Returns what the Shadow knows of a topic. */
function known(shadow: Shadow, topic: string): ShadowEntry {
  const { timeUs, payload } = shadow.get(topic)!
  return { timeUs, payload }
}

const power = 'chargers/c1/PowerOutput'

test('a topic moves forward in time only', () => {
  const shadow = new Shadow()
  assert.deepEqual(advance(shadow, [[power, 10, 'a']]), [`${power} a`])
  assert.deepEqual(advance(shadow, [[power, 9, 'older']]), [])
  assert.deepEqual(known(shadow, power), { timeUs: 10, payload: 'a' })
  assert.deepEqual(advance(shadow, [[power, 11, 'newer']]), [`${power} newer`])
  assert.deepEqual(known(shadow, power), { timeUs: 11, payload: 'newer' })
})

test('a number is the value of a payload, which is of its time however late and often it is read', () => {
  const shadow = new Shadow()
  advance(shadow, [[power, 1_000_000, 7.5]])
  const first = encodeEnvelope({ timeUs: 1_000_000, value: 7.5 })
  assert.deepEqual(known(shadow, power), { timeUs: 1_000_000, payload: first })
  assert.deepEqual(known(shadow, power), { timeUs: 1_000_000, payload: first })
  assert.deepEqual([...shadow.match('#')], [{ topic: power, payload: first }])
  const second = encodeEnvelope({ timeUs: 2_000_001, value: -0.25 })
  assert.deepEqual(advance(shadow, [[power, 2_000_001, -0.25]]), [`${power} ${second}`])
  advance(shadow, [[power, 3_000_000, 0]])
  advance(shadow, [[power, 2_500_000, 1]])
  assert.equal(known(shadow, power).payload, encodeEnvelope({ timeUs: 3_000_000, value: 0 }))
})

test('of two values with the same time the first stays', () => {
  const shadow = new Shadow()
  advance(shadow, [[power, 10, 'first']])
  assert.deepEqual(advance(shadow, [[power, 10, 'second']]), [])
  assert.equal(shadow.get(power)!.payload, 'first')
})

test('one value set moves its topic forward only, and tells whether it did', () => {
  const shadow = new Shadow()
  assert.equal(shadow.move(power, 10, 'a', 'presented'), shadow.get(power))
  assert.deepEqual(
    [shadow.move(power, 10, 'b', 'presented'), shadow.move(power, 9, 'c', 'presented')],
    [undefined, undefined]
  )
  assert.deepEqual(known(shadow, power), { timeUs: 10, payload: 'a' })
  assert.deepEqual(matched(shadow, '#'), [power])
})

test('time before 1970 and time 0 are times like others', () => {
  const shadow = new Shadow()
  assert.deepEqual(advance(shadow, [[power, -5, 'a']]), [`${power} a`])
  assert.deepEqual(advance(shadow, [[power, 0, 'b']]), [`${power} b`])
  assert.deepEqual(advance(shadow, [[power, -1, 'c']]), [])
})

test('topics move independently of each other', () => {
  const shadow = new Shadow()
  advance(shadow, [[power, 10, 'a']])
  const moved = advance(shadow, [
    [power, 5, 'old'],
    ['chargers/c1/SessionEnergy', 5, 'b'],
    ['chargers/c10/PowerOutput', 5, 'c'],
    [power, 12, 'd']
  ])
  assert.deepEqual(moved, ['chargers/c1/SessionEnergy b', 'chargers/c10/PowerOutput c', `${power} d`])
})

test('a topic that nothing was committed for has no entry', () => {
  const shadow = new Shadow()
  advance(shadow, [[power, 1, 'a']])
  const others = [
    'chargers/c1',
    'chargers/c1/SessionEnergy',
    'chargers/c2/PowerOutput',
    'chargers/c1/PowerOutput/x',
    '',
    'x'
  ]
  for (const topic of others) assert.equal(shadow.get(topic), undefined, topic)
  assert.deepEqual(matched(new Shadow(), '#'), [])
})

test('names of the language are names like others', () => {
  const shadow = new Shadow()
  const topics = ['chargers/constructor/__proto__', 'chargers/constructor/toString', 'chargers/toString/constructor']
  for (const topic of topics) assert.equal(shadow.get(topic), undefined)
  advance(
    shadow,
    topics.map(topic => [topic, 1, topic])
  )
  assert.deepEqual(matched(shadow, 'chargers/#'), [...topics].sort())
})

const stored = ['c1', 'c10', 'c2'].flatMap(charger =>
  ['PowerOutput', 'EdgeStatus', 'OperationState'].map(name => `chargers/${charger}/${name}`)
)
const everything = [...stored].sort()
const ofC1 = everything.filter(topic => topic.startsWith('chargers/c1/'))
const powers = everything.filter(topic => topic.endsWith('/PowerOutput'))

const filters: [string, readonly string[]][] = [
  ['#', everything],
  ['chargers/#', everything],
  ['chargers/+/#', everything],
  ['chargers/+/+', everything],
  ['chargers/+/+/#', everything],
  ['+/#', everything],
  ['+/+/#', everything],
  ['+/+/+', everything],
  ['+/+/+/#', everything],
  ['chargers/c1/#', ofC1],
  ['chargers/c1/+', ofC1],
  ['+/c1/+', ofC1],
  ['+/c1/#', ofC1],
  ['chargers/+/PowerOutput', powers],
  ['+/+/PowerOutput', powers],
  ['chargers/+/PowerOutput/#', powers],
  [power, [power]],
  [`${power}/#`, [power]],
  ['+/c1/PowerOutput', [power]],
  ['chargers/c1', []],
  ['chargers/+', []],
  ['chargers', []],
  ['+', []],
  ['', []],
  ['/', []],
  ['chargers/', []],
  ['chargers//#', []],
  ['chargers/c1/', []],
  ['/chargers/c1/PowerOutput', []],
  ['chargers/c1/PowerOutput/', []],
  ['chargers/c1/PowerOutput/+', []],
  ['chargers/c1/+/+/#', []],
  ['chargers/c3/#', []],
  ['chargers/c/#', []],
  ['Chargers/#', []],
  ['other/#', []],
  ['$SYS/#', []],
  ['$share/g/chargers/#', []],
  ['#/c1', []],
  ['chargers/#/PowerOutput', []],
  ['chargers/c1/#/x', []],
  ['chargers/c+/PowerOutput', []],
  ['chargers/c1/Power#', []]
]
test('a filter of any shape finds exactly the topics that it matches', () => {
  const shadow = new Shadow()
  advance(
    shadow,
    stored.map(topic => [topic, 1, topic])
  )
  for (const [filter, topics] of filters) assert.deepEqual(matched(shadow, filter), [...topics], filter)
})

test('it finds what a plain matcher finds, for filters and contents by chance', () => {
  const random = seededRandom(6)
  const chargers = ['c1', 'c2', 'c10', 'x']
  const names = ['PowerOutput', 'OperationState', 'EdgeStatus']
  let found = 0
  for (let round = 0; round < 100; round++) {
    const shadow = new Shadow()
    const newest = new Map<string, [number, string]>()
    for (let i = 0; i < 20; i++) {
      const topic = `chargers/${pick(random, chargers)}/${pick(random, names)}`
      const timeUs = below(random, 5)
      advance(shadow, [[topic, timeUs, `${i}`]])
      const known = newest.get(topic)
      if (known === undefined || timeUs > known[0]) newest.set(topic, [timeUs, `${i}`])
    }
    for (let i = 0; i < 100; i++) {
      const filter = randomFilter(random, chargers, names)
      const expected = [...newest].filter(([topic]) => matches(filter, topic))
      for (const [topic] of newest) {
        const [, charger, name] = topic.split('/')
        assert.equal(covers(filter, charger!, name!), matches(filter, topic), `${filter} ${topic}`)
      }
      const actual = [...shadow.match(filter)].map(({ topic, payload }) => `${topic} ${payload}`).sort()
      assert.deepEqual(actual, expected.map(([topic, [, payload]]) => `${topic} ${payload}`).sort(), filter)
      found += actual.length
    }
  }
  assert.ok(found > 3_000, `${found}`)
})

test('chargers whose names begin alike are kept apart, in whatever order they come', () => {
  const shadow = new Shadow()
  for (const charger of ['c1', 'c10', 'c1', 'c', 'c10']) {
    for (const name of ['PowerOutput', 'OperationState'])
      shadow.move(`chargers/${charger}/${name}`, 1, `${charger} ${name}`, 'committed')
  }
  for (const charger of ['c', 'c1', 'c10']) {
    assert.deepEqual(
      [...shadow.valuesOf(charger)!].map(([name, { payload }]) => [name, payload]),
      ['PowerOutput', 'OperationState'].map(name => [name, `${charger} ${name}`])
    )
  }
})

test('every watcher is told once what moved forward and who moved it, in the order of watching', () => {
  const shadow = new Shadow()
  const told: string[] = []
  shadow.move(power, 1, 'before', 'committed')
  for (const name of ['first', 'second'])
    shadow.watch((topic, { payload }, mover) => told.push(`${name} ${topic} ${payload} ${mover}`))
  shadow.move(power, 2, 'a', 'heard')
  shadow.move(power, 2, 'b', 'committed')
  assert.deepEqual(told, [`first ${power} a heard`, `second ${power} a heard`])
})
