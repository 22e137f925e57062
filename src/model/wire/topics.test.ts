import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chargerNameCharactersMax, valueNameCharactersMax } from './limits.ts'
import { commandChargerOf, isChargerName, parseTopic, topicOf } from './topics.ts'

const longestCharger = `c${'-'.repeat(chargerNameCharactersMax - 1)}`
const longestValue = '_'.repeat(valueNameCharactersMax)

const chargerNames = ['a', '0', 'Z9', 'wallbox-17.site_3', 'c..', 'c--', longestCharger]
const noChargerNames = [
  '',
  '.c',
  '-c',
  '_c',
  '..',
  'c d',
  'c/d',
  'c+',
  '#',
  'c\n',
  '\nc',
  'c\0',
  'ç',
  'c:d',
  'c,d',
  'c"',
  `${longestCharger}x`
]
test('a charger name is 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter or digit', () => {
  for (const name of chargerNames) assert.equal(isChargerName(name), true, name)
  for (const name of noChargerNames) assert.equal(isChargerName(name), false, JSON.stringify(name))
})

test('a value name is 1 to 64 of A-Z a-z 0-9 _', () => {
  for (const name of ['PowerOutput', 'x', '_', '9', longestValue])
    assert.equal(parseTopic(topicOf('c1', name))?.name, name)
  for (const name of ['', 'a-b', 'a.b', 'a/b', '+', '#', 'a\n', 'ä', 'a b', `${longestValue}x`]) {
    assert.equal(parseTopic(topicOf('c1', name)), undefined, JSON.stringify(name))
  }
})

test('a value topic reads back what it was made of', () => {
  for (const charger of chargerNames) {
    for (const name of ['PowerOutput', longestValue]) {
      assert.equal(topicOf(charger, name), `chargers/${charger}/${name}`)
      assert.deepEqual(parseTopic(topicOf(charger, name)), { charger, name })
    }
  }
})

test('whatever is not chargers/{charger}/{name} is no value topic', () => {
  const topics = [
    '',
    'chargers',
    'chargers/',
    'chargers/c1',
    'chargers/c1/',
    'chargers//PowerOutput',
    '/chargers/c1/PowerOutput',
    'Chargers/c1/PowerOutput',
    'charger/c1/PowerOutput',
    'chargers/c1/PowerOutput/',
    'chargers/c1/PowerOutput/x',
    'chargers/c1/commands/start',
    'chargers/+/PowerOutput',
    'chargers/c1/+',
    'chargers/c1/#',
    'chargers/#',
    'chargers/.c1/PowerOutput',
    'chargers/c1/Power-Output',
    'chargers/c1/PowerOutput\n',
    `chargers/${longestCharger}x/PowerOutput`,
    `chargers/c1/${longestValue}x`,
    '$SYS/c1/PowerOutput'
  ]
  for (const topic of topics) assert.equal(parseTopic(topic), undefined, topic)
})

test('a command names its charger, and at least one level after commands', () => {
  assert.equal(commandChargerOf('chargers/c1/commands/start'), 'c1')
  assert.equal(commandChargerOf('chargers/c-1.x/commands/limit/set'), 'c-1.x')
  const others = [
    '',
    'chargers/c1/commands',
    'chargers/c1/commands/',
    'chargers/c1/commands//start',
    'chargers/c1/commands/start/',
    'chargers//commands/start',
    'chargers/+/commands/start',
    'chargers/.c1/commands/start',
    'chargers/c1/Commands/start',
    'chargers/c1/commandsx/start',
    'chargers/c1/x/commands/start',
    '/chargers/c1/commands/start',
    'chargersx/c1/commands/start',
    'c1/commands/start'
  ]
  for (const topic of others) assert.equal(commandChargerOf(topic), undefined, topic)
})
