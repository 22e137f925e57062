import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Identity, Role } from '../model/server/admission.ts'
import { seededRandom } from '../model/testing/random.ts'
import { mayPublish, mayRead, maySubscribe } from './access.ts'
import { topicBytesMax, topicLevelsMax } from './limits.ts'
import { matches, randomFilter } from './testing/filters.ts'

const identity = (role: Role, chargers?: readonly string[]): Identity => ({
  name: 'c1',
  role,
  chargers,
  issuer: 'CN=test',
  serial: '01',
  validToMs: 0
})

const edge = identity('edge', ['c1'])
const site = identity('edge', ['c1', 'c2'])
const consumer = identity('consumer')
const bounded = identity('consumer', ['c1', 'c2'])
const operator = identity('operator')
const everybody = { edge, site, consumer, bounded, operator }
type Who = keyof typeof everybody

const all: Who[] = ['edge', 'site', 'consumer', 'bounded', 'operator']
const ofC1 = all
const ofC2: Who[] = ['site', 'consumer', 'bounded', 'operator']
const ofEvery: Who[] = ['consumer', 'operator']
const ofOperator: Who[] = ['operator']
const ofNobody: Who[] = []

// Each filter with the roles that may subscribe to it. All other roles may not.
const filters: [string, Who[]][] = [
  ['chargers/c1/PowerOutput', ofC1],
  ['chargers/c1/+', ofC1],
  ['chargers/c1/#', ofC1],
  ['chargers/c1/+/+', ofC1],
  ['chargers/c1/commands/#', ofC1],
  ['chargers/c1/commands/start', ofC1],
  ['chargers/c1/Connection', ofC1],
  ['chargers/c2/PowerOutput', ofC2],
  ['chargers/c2/#', ofC2],
  ['chargers/c3/PowerOutput', ofEvery],
  ['chargers/c3/#', ofEvery],
  ['chargers/#', ofEvery],
  ['chargers/+', ofEvery],
  ['chargers/+/#', ofEvery],
  ['chargers/+/PowerOutput', ofEvery],
  ['chargers/+/commands/#', ofEvery],
  ['#', ofOperator],
  ['+', ofOperator],
  ['+/#', ofOperator],
  ['+/x', ofOperator],
  ['+/c1/PowerOutput', ofOperator],
  ['+/+/PowerOutput', ofOperator],
  ['other/c1/PowerOutput', ofOperator],
  ['other', ofOperator],
  ['$SYS/#', ofOperator],
  ['$SYS/+/new/clients', ofOperator],
  ['$SYS', ofOperator],
  // Prefixes of a name, and names that begin with the name.
  ['chargers/c10/PowerOutput', ofEvery],
  ['chargers/c1x/#', ofEvery],
  ['chargers/c/#', ofEvery],
  ['chargers/C1/#', ofEvery],
  ['chargers/c1.', ofEvery],
  ['chargers/.c1/#', ofEvery],
  ['chargers/c1 /#', ofEvery],
  ['chargersc1/PowerOutput', ofOperator],
  ['Chargers/c1/PowerOutput', ofOperator],
  ['chargers', ofOperator],
  ['/chargers/c1/PowerOutput', ofNobody],
  ['//c1/#', ofNobody],
  ['', ofNobody],
  ['chargers//PowerOutput', ofNobody],
  ['chargers//#', ofNobody],
  ['chargers/', ofNobody],
  ['chargers/c1', ofEvery],
  ['chargers/c1/', ofNobody],
  ['chargers/c1#', ofEvery],
  ['chargers/c1+/x', ofEvery],
  // Longer and deeper than every real topic.
  [`chargers/c1/${'x'.repeat(topicBytesMax - 12)}`, ofC1],
  [`chargers/c1/${'x'.repeat(topicBytesMax - 11)}`, ofNobody],
  [`chargers/c1/${'x/'.repeat(topicLevelsMax - 3)}#`, ofC1],
  [`chargers/c1/${'+/'.repeat(topicLevelsMax - 2)}#`, ofNobody],
  // Shared subscriptions match nothing in Aedes. They are refused, so that no client waits for messages that never
  // come.
  ['$share/g/chargers/c1/#', ofNobody],
  ['$share/g/#', ofNobody],
  ['$share', ofNobody],
  ['$SYSTEM/#', ofNobody],
  ['$sys/#', ofNobody],
  ['$', ofNobody],
  ['$chargers/c1/#', ofNobody],
  ['$SYS\0/#', ofNobody]
]
test('each role subscribes to what it may read, and to nothing else', () => {
  for (const [filter, allowed] of filters) {
    for (const who of all) {
      assert.equal(maySubscribe(everybody[who], filter), allowed.includes(who), `${who} ${JSON.stringify(filter)}`)
    }
  }
})

test('no filter that is granted matches a topic that may not be read', () => {
  const random = seededRandom(5)
  const topics: string[] = ['other', 'other/c1/x', 'chargers', 'c1/PowerOutput', '$SYS/x/new/clients', '$share/c1/x']
  for (const charger of ['c1', 'c2', 'c3', 'c10', 'c']) {
    for (const rest of ['PowerOutput', 'Connection', 'commands/start', 'x/y/z'])
      topics.push(`chargers/${charger}/${rest}`)
  }
  let granted = 0
  let reached = 0
  for (let i = 0; i < 5_000; i++) {
    const filter = randomFilter(random, ['c1', 'c2', 'c3', 'c10'], ['PowerOutput', 'Connection'])
    for (const who of all) {
      if (!maySubscribe(everybody[who], filter)) continue
      granted++
      for (const topic of topics.filter(topic => matches(filter, topic))) {
        // The bare root holds no messages.
        if (topic !== 'chargers') assert.ok(mayRead(everybody[who], topic), `${who} ${filter} ${topic}`)
        reached++
      }
    }
  }
  assert.ok(granted > 1_000 && reached > 1_000, `${granted} ${reached}`)
})

test("at delivery the same holds for the topic: an edge never gets another charger's value", () => {
  const topics: [string, Who[]][] = [
    ['chargers/c1/PowerOutput', ofC1],
    ['chargers/c1/commands/start', ofC1],
    ['chargers/c2/PowerOutput', ofC2],
    ['chargers/c3/PowerOutput', ofEvery],
    ['chargers/c10/PowerOutput', ofEvery],
    ['$SYS/x/new/clients', ofOperator],
    ['other', ofOperator]
  ]
  for (const [topic, allowed] of topics) {
    for (const who of all) assert.equal(mayRead(everybody[who], topic), allowed.includes(who), `${who} ${topic}`)
  }
})

test('an identity with an empty list reads nothing', () => {
  for (const [filter] of filters) assert.equal(maySubscribe(identity('consumer', []), filter), false, filter)
})

// Telemetry takes another path, so only commands can be published here.
const publishes: [string, Who[]][] = [
  ['chargers/c1/commands/start', ofOperator],
  ['chargers/c9/commands/limit/set', ofOperator],
  ['chargers/c1/PowerOutput', ofNobody],
  ['chargers/c2/PowerOutput', ofNobody],
  ['chargers/c1/Connection', ofNobody],
  ['chargers/c1/commands', ofNobody],
  ['chargers/c1/commands/', ofNobody],
  ['chargers/c1/commands//start', ofNobody],
  ['chargers//commands/start', ofNobody],
  ['chargers/+/commands/start', ofNobody],
  ['chargers/c1/commandsx/start', ofNobody],
  ['/chargers/c1/commands/start', ofNobody],
  ['$SYS/x/new/clients', ofNobody],
  ['$SYS/x/commands/start', ofNobody],
  ['$share/g/chargers/c1/commands/start', ofNobody],
  ['other', ofNobody],
  ['', ofNobody]
]
test('only an operator publishes, and only commands; nobody publishes to $SYS', () => {
  for (const [topic, allowed] of publishes) {
    for (const who of all) assert.equal(mayPublish(everybody[who], topic), allowed.includes(who), `${who} ${topic}`)
  }
})
