import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ValueName, valueNames } from '../../model/wire/chargerState.ts'
import { type Message, packed } from '../testing/messages.ts'
import { type Decoded, decode } from './decode.ts'

const time = '2026-03-01T12:00:00.000Z'
const timeUs = Date.parse(time) * 1000
const window = { fromUs: timeUs - 1_000_000, toUs: timeUs + 1_000_000 }

const envelope = (value: unknown, at = time): string => JSON.stringify({ SamplingTime: at, Value: value })
const message = (name: string, value: unknown, at = time, charger = 'c1'): Message => ({
  topic: `chargers/${charger}/${name}`,
  payload: envelope(value, at)
})
/** No row is late. */
const noLateRule = { lateBeforeUs: 0, lateIdentities: [] }
const decodeAll = (...messages: readonly Message[]): Decoded => decode(packed(messages), window, noLateRule)
const columnOf = (name: ValueName): number => valueNames.indexOf(name)
const rowsOf = ({ rows }: Decoded) =>
  rows.map(({ charger, timeUs: at, values, dup }) => ({
    charger,
    at: at - timeUs,
    dup,
    values: Object.fromEntries(valueNames.flatMap((name, i) => (values[i] === undefined ? [] : [[name, values[i]]])))
  }))
const messagesOf = ({ messages: { indices, topics, rows, values } }: Decoded) =>
  indices.map((index, i) => ({ index, topic: topics[i]!.topic, row: rows[i]!, value: values[i]! }))
const indicesOf = ({ messages }: Decoded) => messages.indices
const codesOf = ({ rejects }: Decoded) => rejects.map(({ index, code }) => [index, code])

const oneOfEach: [ValueName, number | string][] = [
  ['OperationState', 'charging'],
  ['TotalEnergyConsumption', 1000.5],
  ['SessionEnergy', 0],
  ['PowerOutput', 11_000],
  ['OutputCurrent', 16],
  ['MaximumOutputCurrent', 32],
  ['ConnectedVehicle', ''],
  ['ChargerStatus', 'Charging, phase 3']
]

test('the values of one charger and one SamplingTime are one row, in the order of the columns', () => {
  const decoded = decodeAll(...oneOfEach.map(([name, value]) => message(name, value)))
  assert.deepEqual(rowsOf(decoded), [{ charger: 'c1', at: 0, dup: false, values: Object.fromEntries(oneOfEach) }])
  assert.deepEqual(
    decoded.rows[0]!.values,
    oneOfEach.map(([, value]) => value)
  )
  assert.deepEqual(
    messagesOf(decoded).map(({ index, topic, row, value }) => [index, topic, row === decoded.rows[0], value]),
    oneOfEach.map(([name, value], i) => [i, `chargers/c1/${name}`, true, value])
  )
  assert.deepEqual([decoded.count, decoded.rejects, decoded.statuses], [8, [], []])
})

test('another time, be it a microsecond later, or another charger is another row; a value that is not there is absent', () => {
  const decoded = decodeAll(
    message('PowerOutput', 1),
    message('PowerOutput', 2, '2026-03-01T12:00:00.000001Z'),
    message('PowerOutput', 3, time, 'c2'),
    message('SessionEnergy', 4)
  )
  assert.deepEqual(rowsOf(decoded), [
    { charger: 'c1', at: 0, dup: false, values: { PowerOutput: 1, SessionEnergy: 4 } },
    { charger: 'c1', at: 1, dup: false, values: { PowerOutput: 2 } },
    { charger: 'c2', at: 0, dup: false, values: { PowerOutput: 3 } }
  ])
})

test('the same moment with another offset is the same row', () => {
  const decoded = decodeAll(message('PowerOutput', 1), message('SessionEnergy', 2, '2026-03-01T13:00:00.0000009+01:00'))
  assert.equal(decoded.rows.length, 1)
})

test('of two values for the same column and time the first wins, and each message keeps its own', () => {
  for (const [first, second] of [
    [1, 2],
    [0, 5],
    [7, 7]
  ]) {
    const decoded = decodeAll(message('PowerOutput', first), message('PowerOutput', second))
    assert.deepEqual(rowsOf(decoded)[0]!.values, { PowerOutput: first })
    assert.deepEqual(
      messagesOf(decoded).map(({ value }) => value),
      [first, second]
    )
    assert.equal(decoded.messages.disputed, first !== second)
  }
  const texts = decodeAll(message('ConnectedVehicle', ''), message('ConnectedVehicle', 'x'))
  assert.equal(texts.rows[0]!.values[columnOf('ConnectedVehicle')], '')
})

test('a row carries DUP when any of its messages does', () => {
  const decoded = decodeAll(
    message('PowerOutput', 1),
    { ...message('SessionEnergy', 1), dup: true },
    message('OutputCurrent', 1),
    message('PowerOutput', 1, time, 'c2')
  )
  assert.deepEqual(
    decoded.rows.map(({ charger, dup }) => [charger, dup]),
    [
      ['c1', true],
      ['c2', false]
    ]
  )
})

const bad: [string, string | Buffer, string][] = [
  ['PowerOutput', '', 'empty_payload'],
  ['PowerOutput', Buffer.from([0xff, 0xfe]), 'not_utf8'],
  ['PowerOutput', '{', 'not_json'],
  ['PowerOutput', '['.repeat(8_000), 'not_json'],
  ['PowerOutput', '[]', 'not_an_object'],
  ['PowerOutput', envelope('1'), 'wrong_type'],
  ['PowerOutput', envelope(null), 'wrong_type'],
  ['PowerOutput', `{"SamplingTime":"${time}","Value":1e400}`, 'not_finite'],
  ['PowerOutput', `{"SamplingTime":"${time}","Value":123456789012345678901234567890}`, 'out_of_range'],
  ['PowerOutput', `{"SamplingTime":"${time}","Value":1,"Value":2}`, 'bad_member'],
  ['PowerOutput', `{"SamplingTime":"${time}","Value":1,"__proto__":{}}`, 'bad_member'],
  ['PowerOutput', `{"SamplingTime":"${time}","Value":1,"x":${'['.repeat(4_000)}${']'.repeat(4_000)}}`, 'bad_member'],
  ['PowerOutput', `\ufeff${envelope(1)}`, 'not_json'],
  ['PowerOutput', Buffer.from(envelope('\u00ff'), 'latin1'), 'not_utf8'],
  ['PowerOutput', envelope(1, '9999-12-31T23:59:59.999Z'), 'time_out_of_window'],
  ['PowerOutput', envelope(1, '0000-01-01T00:00:00.000Z'), 'time_out_of_window'],
  ['PowerOutput', envelope(1, '2016-12-31T23:59:60Z'), 'time_out_of_window'],
  ['PowerOutput', envelope(1, '2026-03-01T12:00:60Z'), 'bad_time'],
  ['ChargerStatus', envelope('x'.repeat(8_000)), 'bad_text'],
  ['ChargerStatus', envelope('x'.repeat(60_000)), 'too_large'],
  ['PowerOutput', `${' '.repeat(60_000)}${envelope(1)}`, 'too_large'],
  ['ChargerStatus', `{"SamplingTime":"${time}","Value":"\\ud800"}`, 'bad_text'],
  ['OperationState', envelope('flying'), 'unknown_state'],
  ['ConnectedVehicle', envelope('x'.repeat(33)), 'bad_text'],
  ['PowerOutput', envelope(1, 'yesterday'), 'bad_time'],
  ['PowerOutput', envelope(1, '2026-03-01T12:00:01.000001Z'), 'time_out_of_window'],
  ['PowerOutput', envelope(1, '2026-03-01T11:59:58.999999Z'), 'time_out_of_window'],
  ['Power', envelope(1), 'unknown_value_name'],
  ['poweroutput', envelope(1), 'unknown_value_name'],
  ['Connection', envelope('online'), 'unknown_value_name'],
  ['constructor', envelope(1), 'unknown_value_name'],
  ['__proto__', envelope(1), 'unknown_value_name'],
  ['EdgeStatus', '', 'empty_payload'],
  ['EdgeStatus', 'null', 'not_an_object'],
  ['EdgeStatus', '{}', 'bad_time'],
  ['EdgeStatus', `{"SamplingTime":"2020-01-01T00:00:00Z"}`, 'time_out_of_window'],
  ['EdgeStatus', `{"SamplingTime":"${time}","a":[{"__proto\\u005f_":{"isAdmin":true}}]}`, 'bad_member'],
  ['EdgeStatus', `{"SamplingTime":"${time}","a":${'['.repeat(3_000)}${']'.repeat(3_000)}}`, 'bad_member'],
  ['EdgeStatus', `{"SamplingTime":"${time}","a":1,"a":2}`, 'bad_member'],
  ['EdgeStatus', `{"SamplingTime":"${time}","a":"\\u0000"}`, 'bad_text'],
  ['EdgeStatus', `{"SamplingTime":"${time}","\\udc00":1}`, 'bad_text'],
  ['EdgeStatus', `{"SamplingTime":"${time}","a":"\\\\\\ud800"}`, 'bad_text'],
  ['EdgeStatus', `{"SamplingTime":"${time}","a":"${'x'.repeat(8_192)}"}`, 'too_large']
]
test('a bad message is rejected with its code and never hurts its neighbours', () => {
  const good = message('SessionEnergy', 1)
  const messages = bad.flatMap(([name, payload]) => [good, { topic: `chargers/c1/${name}`, payload }])
  const decoded = decodeAll(...messages)
  assert.equal(decoded.count, 2 * bad.length)
  assert.deepEqual(
    codesOf(decoded),
    bad.map(([, , code], i) => [2 * i + 1, code])
  )
  assert.deepEqual(
    indicesOf(decoded),
    bad.map((_, i) => 2 * i)
  )
  assert.deepEqual(rowsOf(decoded), [{ charger: 'c1', at: 0, dup: false, values: { SessionEnergy: 1 } }])
  for (const { reason } of decoded.rejects) assert.match(reason, /^expected .*, found /s)
})

test('a bad message leaves no row behind, and no DUP flag on one', () => {
  const decoded = decodeAll({ ...message('PowerOutput', 'x'), dup: true }, message('PowerOutput', 1))
  assert.deepEqual(rowsOf(decoded), [{ charger: 'c1', at: 0, dup: false, values: { PowerOutput: 1 } }])
  assert.deepEqual(decodeAll(message('PowerOutput', 'x')).rows, [])
})

test('every message is either in a row, a status, or a reject', () => {
  const messages = [
    ...bad.map(([name, payload]) => ({ topic: `chargers/c1/${name}`, payload })),
    message('PowerOutput', 1)
  ]
  const decoded = decodeAll(...messages, { topic: 'chargers/c1/EdgeStatus', payload: `{"SamplingTime":"${time}"}` })
  const named = [
    ...indicesOf(decoded),
    ...[decoded.statuses, decoded.rejects].flatMap(some => some.map(({ index }) => index))
  ]
  assert.deepEqual(
    named.sort((a, b) => a - b),
    Array.from({ length: decoded.count }, (_, i) => i)
  )
})

test('an EdgeStatus is any object with a SamplingTime, kept as it is without its white space', () => {
  const payload = `{ "SamplingTime" : "${time}",\n "version":"1.2", "spool": {"bytes": 1e3, "x": [1, null]} , "ü":"😀\\u0001" }`
  const decoded = decodeAll(
    { topic: 'chargers/c1/EdgeStatus', payload },
    { topic: 'chargers/c2/EdgeStatus', payload: `{"SamplingTime":"${time}","b":2}` }
  )
  assert.deepEqual(codesOf(decoded), [])
  assert.deepEqual(
    decoded.statuses.map(({ index, topic, charger, timeUs: at, payload: text }) => [index, topic, charger, at, text]),
    [
      [
        0,
        'chargers/c1/EdgeStatus',
        'c1',
        timeUs,
        `{"SamplingTime":"${time}","version":"1.2","spool":{"bytes":1000,"x":[1,null]},"ü":"😀\\u0001"}`
      ],
      [1, 'chargers/c2/EdgeStatus', 'c2', timeUs, `{"SamplingTime":"${time}","b":2}`]
    ]
  )
  assert.deepEqual(decoded.rows, [])
})

test('an EdgeStatus may speak of escapes without being one', () => {
  const payload = JSON.stringify({ SamplingTime: time, log: 'found \\u0000 and C:\\udd00 in an answer' })
  assert.deepEqual(codesOf(decodeAll({ topic: 'chargers/c1/EdgeStatus', payload })), [])
})

// --- late rows

/** Two identities, `old` and `young`. A row older than `time` is late. */
const decodeMixed = (lateIdentities: readonly number[] | undefined): Decoded => {
  const at = (ms: number): string => new Date(Date.parse(time) + ms).toISOString()
  const old = { charger: 'c1', by: 'old' }
  const young = { charger: 'c2', by: 'young' }
  const messages = [
    { ...old, ms: 0 },
    { ...young, ms: 0 },
    { ...old, ms: -1 },
    { ...young, ms: 1 },
    { ...old, ms: 2 }
  ].map(({ charger, by, ms }) => ({ ...message('PowerOutput', ms, at(ms), charger), by }))
  return decode(packed(messages), window, { lateBeforeUs: timeUs, lateIdentities })
}

test('from its first late row on, an ordinary lane leaves all of an identity to the late lane, and nothing of the others', () => {
  const { messages, late, lateIdentities, rows, count } = decodeMixed([])
  assert.deepEqual(
    [messages.indices, late],
    [
      [0, 1, 3],
      [2, 4]
    ]
  )
  assert.deepEqual([[...lateIdentities], rows.length, count], [[0], 3, 5])
})

test('an ordinary lane leaves everything of an identity that is known to be late', () => {
  const { messages, late } = decodeMixed([0])
  assert.deepEqual(
    [messages.indices, late],
    [
      [1, 3],
      [0, 2, 4]
    ]
  )
})

test('the late lane stores everything, and tells who sent late rows', () => {
  const { messages, late, lateIdentities } = decodeMixed(undefined)
  assert.deepEqual([messages.indices, late, [...lateIdentities]], [[0, 1, 2, 3, 4], [], [0]])
})
