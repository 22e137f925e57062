import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type RejectCode, RejectedError } from '../errors.ts'
import { below, pick, seededRandom } from '../testing/random.ts'
import { type ValueName, valueSpecs } from './chargerState.ts'
import {
  type AcceptWindow,
  decodeEnvelope,
  decodeObject,
  encodeEnvelope,
  excerpt,
  formatTime,
  parseTime
} from './envelope.ts'
import {
  chargerStatusCodePointsMax,
  connectedVehicleCodePointsMax,
  numberMagnitudeMax,
  payloadLevelsMax
} from './limits.ts'

const everything: AcceptWindow = { fromUs: Number.NEGATIVE_INFINITY, toUs: Number.POSITIVE_INFINITY }
const time = '2026-03-01T12:00:00.000Z'
const timeUs = Date.parse(time) * 1000

const specOf = (name: ValueName) => valueSpecs.find(spec => spec.name === name)!
const decode = (payload: Buffer | string, name: ValueName = 'PowerOutput', window = everything) =>
  decodeEnvelope(Buffer.from(payload as string), specOf(name), window)
const withValue = (json: string): string => `{"SamplingTime":"${time}","Value":${json}}`
const withTime = (json: string): string => `{"SamplingTime":${json},"Value":1}`

function rejectionOf(attempt: () => unknown): RejectedError {
  try {
    attempt()
  } catch (error) {
    assert.ok(error instanceof RejectedError, String(error))
    return error
  }
  return assert.fail('it was accepted')
}

function assertRejected(code: RejectCode, payload: Buffer | string, name?: ValueName, window?: AcceptWindow): void {
  const error = rejectionOf(() => decode(payload, name, window))
  assert.equal(error.code, code, String(payload).slice(0, 100))
  // The message is written into a log line and a text column.
  assert.ok(error.message.length < 400, `${error.message.length} characters`)
  assert.ok(error.message.isWellFormed() && !error.message.includes('\0'))
  assert.match(error.message, /^expected .*, found /s)
}

// --- the canonical form

const canonical: [number, number | string, string][] = [
  [0, 0, '{"SamplingTime":"1970-01-01T00:00:00.000Z","Value":0}'],
  [1_767_225_600_000_000, 1.5, '{"SamplingTime":"2026-01-01T00:00:00.000Z","Value":1.5}'],
  [1_767_225_600_123_000, 0.1, '{"SamplingTime":"2026-01-01T00:00:00.123Z","Value":0.1}'],
  [1_767_225_600_123_004, -0, '{"SamplingTime":"2026-01-01T00:00:00.123004Z","Value":0}'],
  [1_767_225_600_000_001, 1e21, '{"SamplingTime":"2026-01-01T00:00:00.000001Z","Value":1e+21}'],
  [-1, 'a"\\\n', '{"SamplingTime":"1969-12-31T23:59:59.999999Z","Value":"a\\"\\\\\\n"}'],
  [-1000, 'ü€😀', '{"SamplingTime":"1969-12-31T23:59:59.999Z","Value":"ü€😀"}']
]
test('an envelope has one canonical form: milliseconds, or six digits where the time has microseconds', () => {
  for (const [timeUs, value, payload] of canonical) assert.equal(encodeEnvelope({ timeUs, value }), payload)
})

test('what is encoded decodes to the same time and value', () => {
  const random = seededRandom(1)
  for (let i = 0; i < 2_000; i++) {
    const envelope = { timeUs: below(random, 4e15), value: (random() - 0.5) * 10 ** (below(random, 300) - 284) }
    assert.deepEqual(decode(encodeEnvelope(envelope)), envelope)
    const text = { timeUs: below(random, 4e15), value: pick(random, ['', 'RFID 04:a2', 'ü€😀', '\u2028\u007f"\\/']) }
    assert.deepEqual(decode(encodeEnvelope(text), 'ConnectedVehicle'), text)
  }
})

// --- SamplingTime

const legalTimes: [string, string, number?][] = [
  ['2026-03-01T12:00:00Z', '2026-03-01T12:00:00.000Z'],
  ['2026-03-01t12:00:00z', '2026-03-01T12:00:00.000Z'],
  ['2026-03-01T12:00:00.1Z', '2026-03-01T12:00:00.100Z'],
  ['2026-03-01T12:00:00.12Z', '2026-03-01T12:00:00.120Z'],
  ['2026-03-01T12:00:00.123Z', '2026-03-01T12:00:00.123Z'],
  ['2026-03-01T12:00:00.1234Z', '2026-03-01T12:00:00.123Z', 400],
  ['2026-03-01T12:00:00.12345Z', '2026-03-01T12:00:00.123Z', 450],
  ['2026-03-01T12:00:00.123456Z', '2026-03-01T12:00:00.123Z', 456],
  ['2026-03-01T12:00:00.1234567Z', '2026-03-01T12:00:00.123Z', 456],
  ['2026-03-01T12:00:00.12345678Z', '2026-03-01T12:00:00.123Z', 456],
  ['2026-03-01T12:00:00.123456789Z', '2026-03-01T12:00:00.123Z', 456],
  ['2026-03-01T12:00:00.999999999Z', '2026-03-01T12:00:00.999Z', 999],
  ['2026-03-01T12:00:00+00:00', '2026-03-01T12:00:00.000Z'],
  ['2026-03-01T12:00:00-00:00', '2026-03-01T12:00:00.000Z'],
  ['2026-03-01T12:00:00+01:00', '2026-03-01T11:00:00.000Z'],
  ['2026-03-01T12:00:00-05:30', '2026-03-01T17:30:00.000Z'],
  ['2026-03-01T00:00:00+23:59', '2026-02-28T00:01:00.000Z'],
  ['2026-03-01T00:00:00.5-23:59', '2026-03-01T23:59:00.500Z'],
  ['2024-02-29T23:59:59Z', '2024-02-29T23:59:59.000Z'],
  ['2000-02-29T00:00:00Z', '2000-02-29T00:00:00.000Z'],
  ['2026-12-31T23:59:59Z', '2026-12-31T23:59:59.000Z'],
  ['1969-12-31T23:59:59.999999Z', '1969-12-31T23:59:59.999Z', 999],
  ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
  ['2016-12-31T23:59:60.25Z', '2017-01-01T00:00:00.250Z'],
  ['2017-01-01T00:59:60+01:00', '2017-01-01T00:00:00.000Z'],
  ['2015-06-30T18:59:60-05:00', '2015-07-01T00:00:00.000Z']
]
test('SamplingTime may have any offset and up to nine digits of a fraction, cut to the microsecond', () => {
  for (const [text, iso, us = 0] of legalTimes) assert.equal(parseTime(text), Date.parse(iso) * 1000 + us, text)
})

test('a time is written as Date writes it, whatever was written before, and with its microseconds', () => {
  const random = seededRandom(29)
  const minutes = [0, -1, 29_400_000, Date.UTC(2255, 0, 1) / 60_000, Date.UTC(1700, 1, 28, 23, 59) / 60_000]
  for (let i = 0; i < 5_000; i++) {
    const ms = pick(random, minutes) * 60_000 + below(random, 60_000)
    const us = below(random, 1_000)
    const iso = new Date(ms).toISOString()
    assert.equal(formatTime(ms * 1000), iso)
    const text = us === 0 ? iso : iso.replace('Z', `${`${us}`.padStart(3, '0')}Z`)
    assert.equal(formatTime(ms * 1000 + us), text)
  }
  assert.match(formatTime(Date.UTC(9999, 11, 31, 23, 59, 59, 999) * 1000), /^9999-12-31T23:59:59\.\d{3,6}Z$/)
  assert.throws(() => formatTime(Number.NaN), RangeError)
})

const illegalTimes = [
  '',
  'now',
  '1767225600',
  '2026-03-01',
  '12:00:00Z',
  '2026-03-01T12:00:00',
  '2026-03-01T12:00Z',
  '2026-03-01 12:00:00Z',
  ' 2026-03-01T12:00:00Z',
  '2026-03-01T12:00:00Z ',
  '2026-03-01T12:00:00Z\n',
  '2026-03-01T12:00:00 Z',
  '2026-03-01T12:00:00.Z',
  '2026-03-01T12:00:00,5Z',
  '2026-03-01T12:00:00.1234567890Z',
  '2026-03-01T12:00:00ZZ',
  '2026-03-01T12:00:00+01',
  '2026-03-01T12:00:00+0100',
  '2026-03-01T12:00:00+1:00',
  '2026-03-01T12:00:00+24:00',
  '2026-03-01T12:00:00+00:60',
  '2026-03-01T12:00:00Z+01:00',
  '2026-03-01T12:00:00.000Z ',
  '2026-03-01T12:00:00.000Z\n',
  '2026-03-01T12:00:00.000Z+01:00',
  '2026-03-01T12:00:00.00Z0',
  '2026-03-01T24:00:00Z',
  '2026-03-01T12:60:00Z',
  '2026-03-01T12:00:61Z',
  '2026-00-01T12:00:00Z',
  '2026-13-01T12:00:00Z',
  '2026-03-00T12:00:00Z',
  '2026-04-31T12:00:00Z',
  '2026-02-29T12:00:00Z',
  '1900-02-29T12:00:00Z',
  '2100-02-29T12:00:00Z',
  '2024-02-30T12:00:00Z',
  '26-03-01T12:00:00Z',
  '+2026-03-01T12:00:00Z',
  '-2026-03-01T12:00:00Z',
  '02026-03-01T12:00:00Z',
  '20260301T120000Z',
  '2026-060T12:00:00Z',
  '2026-W09-7T12:00:00Z',
  '2026/03/01T12:00:00Z',
  '２０２６-03-01T12:00:00Z',
  'Sun, 01 Mar 2026 12:00:00 GMT'
]
test('a SamplingTime that is looser than RFC 3339 is rejected', () => {
  for (const text of illegalTimes) {
    assert.equal(parseTime(text), undefined, text)
    assertRejected('bad_time', withTime(JSON.stringify(text)))
  }
})

test("our own form of a time is read like any other: 'Z' and '+00:00' are the same moment, or the same fault", () => {
  const random = seededRandom(12)
  const two = (limit: number) => `${below(random, limit)}`.padStart(2, '0')
  let legal = 0
  for (let i = 0; i < 20_000; i++) {
    const year = pick(random, ['0000', '1969', '1970', '2023', '2024', '2026', '9999'])
    const characters = [
      ...`${year}-${two(14)}-${two(33)}T${two(25)}:${two(61)}:${two(62)}.${two(100)}${below(random, 10)}`
    ]
    if (random() < 0.2) characters[below(random, characters.length)] = pick(random, [...' :-+./aTZ٣', '\n', '\0'])
    const local = characters.join('')
    assert.equal(parseTime(`${local}Z`), parseTime(`${local}+00:00`), local)
    if (parseTime(`${local}Z`) !== undefined) legal++
  }
  assert.ok(legal > 5_000 && legal < 15_000, `${legal}`)
})

test('second 60 is legal only where UTC has leap seconds: at the end of a month', () => {
  for (const text of [
    '2026-03-01T12:30:60Z',
    '2016-12-30T23:59:60Z',
    '2016-12-31T23:58:60Z',
    '2016-12-31T23:59:60+01:00'
  ])
    assert.equal(parseTime(text), undefined, text)
})

test('a SamplingTime that is no text is rejected', () => {
  for (const json of ['null', '0', '1767225600000', 'true', '[]', `["${time}"]`, '{}', `{"SamplingTime":"${time}"}`])
    assertRejected('bad_time', withTime(json))
  assertRejected('bad_time', '{"Value":1}')
  assertRejected('bad_time', `{"samplingTime":"${time}","Value":1}`)
})

test('the accept window includes its ends and nothing beyond them', () => {
  const window = { fromUs: timeUs - 1, toUs: timeUs + 1 }
  for (const us of [timeUs - 1, timeUs, timeUs + 1]) {
    assert.equal(decode(encodeEnvelope({ timeUs: us, value: 1 }), 'PowerOutput', window).timeUs, us)
  }
  for (const us of [timeUs - 2, timeUs + 2]) {
    assertRejected('time_out_of_window', encodeEnvelope({ timeUs: us, value: 1 }), 'PowerOutput', window)
  }
})

test('the first and the last years are out of the window, and do no harm', () => {
  const window = { fromUs: timeUs - 400 * 86_400_000_000, toUs: timeUs + 300_000_000 }
  const years = ['0000-01-01', '0000-02-29', '0001-01-01', '0026-03-01', '0099-12-31', '1970-01-01', '9999-12-31']
  for (const day of years) {
    assertRejected('time_out_of_window', withTime(`"${day}T23:59:59.999999999-23:59"`), 'PowerOutput', window)
  }
})

test('the first years are years of their own, however long the window', () => {
  const window = { fromUs: timeUs - 36_500 * 86_400_000_000, toUs: timeUs + 300_000_000 }
  for (const year of ['0000', '0070', '0099']) {
    assertRejected('time_out_of_window', withTime(`"${year}-03-01T12:00:00Z"`), 'PowerOutput', window)
  }
})

// --- Value

const numberNames = ['TotalEnergyConsumption', 'SessionEnergy', 'PowerOutput', 'OutputCurrent', 'MaximumOutputCurrent']
const legalValues: [ValueName, string, number | string][] = [
  ...(numberNames as ValueName[]).flatMap(
    name =>
      [
        [name, '0', 0],
        [name, '-12.5', -12.5],
        [name, '1e3', 1000],
        [name, '5e-324', 5e-324],
        [name, '9007199254740991', numberMagnitudeMax],
        [name, '-9007199254740991.0000000000000000000000', -numberMagnitudeMax],
        [name, '0.1000000000000000000000000000000000000000', 0.1]
      ] as [ValueName, string, number][]
  ),
  ['OperationState', '"charging"', 'charging'],
  ['OperationState', '"unknown"', 'unknown'],
  ['OperationState', '"\\u0069dle"', 'idle'],
  ['ConnectedVehicle', '""', ''],
  ['ConnectedVehicle', '"\\ud83d\\ude00"', '😀'],
  ['ChargerStatus', '"\\u0001\\t"', '\u0001\t']
]
test('a value of the type that its name fixes is accepted as it is', () => {
  for (const [name, json, value] of legalValues) assert.deepEqual(decode(withValue(json), name), { timeUs, value })
})

const wrongTypes: [ValueName, string[]][] = [
  ['PowerOutput', ['"1"', '""', 'null', 'true', '[1]', '{}', '{"Value":1}']],
  ['OperationState', ['0', 'null', 'false', '["idle"]', '{}']],
  ['ConnectedVehicle', ['0', '1e400', 'null', 'true', '[]', '{"a":"b"}']],
  ['ChargerStatus', ['7', 'null', 'false', '[""]', '{}']]
]
test('a value of another type is rejected, null too', () => {
  for (const [name, values] of wrongTypes)
    for (const json of values) assertRejected('wrong_type', withValue(json), name)
  assertRejected('wrong_type', `{"SamplingTime":"${time}"}`)
  assertRejected('wrong_type', `{"SamplingTime":"${time}","value":1}`)
})

test('a number beyond the range of a double is rejected, and NaN is no JSON', () => {
  for (const json of ['1e400', '-1e400', `1${'0'.repeat(400)}`]) assertRejected('not_finite', withValue(json))
  const huge = ['9007199254740992', '-9007199254740993', '123456789012345678901234567890', '1.7976931348623157e308']
  for (const json of huge) assertRejected('out_of_range', withValue(json))
  for (const json of ['NaN', 'Infinity', '-Infinity', '0x10', '01', '+1', '.5', '1.'])
    assertRejected('not_json', withValue(json))
})

test('an operation state is one of the contract, letter by letter', () => {
  for (const state of ['', 'Charging', 'charging ', 'faulted', 'constructor', '__proto__', 'x'.repeat(60_000)])
    assertRejected('unknown_state', withValue(JSON.stringify(state)), 'OperationState')
})

test('text is limited in code points, not in code units', () => {
  const limits: [ValueName, number][] = [
    ['ConnectedVehicle', connectedVehicleCodePointsMax],
    ['ChargerStatus', chargerStatusCodePointsMax]
  ]
  for (const [name, max] of limits) {
    for (const character of ['a', 'ü', '€', '😀']) {
      const longest = character.repeat(max)
      assert.equal(decode(withValue(JSON.stringify(longest)), name).value, longest)
      assertRejected('bad_text', withValue(JSON.stringify(longest + character)), name)
      assertRejected('bad_text', withValue(JSON.stringify(character.repeat(15_000))), name)
    }
    // A letter and its accent count as two characters.
    assertRejected('bad_text', withValue(JSON.stringify('e\u0301'.repeat(max / 2 + 1))), name)
    assert.ok(decode(withValue(JSON.stringify(`a${'😀'.repeat(max - 1)}`)), name))
  }
})

test('text with NUL or a lone surrogate is rejected wherever it stands', () => {
  for (const json of ['"\\u0000"', '"a\\u0000"', '"\\ud800"', '"\\udc00"', '"a\\ud83d"', '"\\ude00\\ud83d"']) {
    assertRejected('bad_text', withValue(json), 'ConnectedVehicle')
    assertRejected('bad_text', withValue(json), 'ChargerStatus')
  }
})

// --- the JSON around them

test('members beside SamplingTime and Value are ignored, whatever they hold', () => {
  const extras = [
    '"Unit":"W"',
    '"":null',
    '"constructor":{"prototype":{}}',
    '"x":1e400',
    '"x":"\\ud800\\u0000"',
    '"toJSON":1',
    '"x":{"Value":1,"Value":2,"SamplingTime":"}{\\\\"}',
    '"Value ":"\\":"',
    `"x":${'['.repeat(payloadLevelsMax - 1)}${']'.repeat(payloadLevelsMax - 1)}`
  ]
  for (const extra of extras) {
    const payload = `{${extra},"SamplingTime":"${time}","Value":1}`
    assert.deepEqual(decode(payload), { timeUs, value: 1 }, extra.slice(0, 60))
  }
})

test('a prototype in a payload gives an envelope nothing and leaks nowhere', () => {
  assertRejected('bad_member', `{"__proto__":{"SamplingTime":"${time}","Value":1}}`)
  assertRejected('bad_member', `{"SamplingTime":"${time}","__proto__":{"Value":1}}`)
  assertRejected('bad_member', `{"SamplingTime":"${time}","Value":1,"__proto\\u005f_":1}`)
  assertRejected('wrong_type', withValue('{"__proto__":{"isAdmin":true}}'))
  assert.equal(({} as { isAdmin?: boolean }).isAdmin, undefined)
})

test('what nests deeply is rejected, wherever it stands', () => {
  for (const deep of [
    `${'['.repeat(30_000)}${']'.repeat(30_000)}`,
    `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
    `${'['.repeat(payloadLevelsMax)}${']'.repeat(payloadLevelsMax)}`
  ]) {
    assertRejected('bad_member', withTime(deep))
    assertRejected('bad_member', `{"x":${deep},"SamplingTime":"${time}","Value":1}`)
    for (const { name } of valueSpecs) assertRejected('bad_member', withValue(deep), name)
  }
})

test('a member that stands twice is rejected: readers do not agree which one counts', () => {
  for (const members of [
    `"SamplingTime":"${time}","Value":1,"Value":2`,
    `"SamplingTime":"${time}","Value":1,"Value":1`,
    `"SamplingTime":"${time}","SamplingTime":"${time}","Value":1`,
    `"SamplingTime":"${time}","Value":1,"\\u0056alue" : 2`,
    `"x":{"a":":"},"x":[],"SamplingTime":"${time}","Value":1`
  ]) {
    assertRejected('bad_member', `{${members}}`)
  }
})

const notJson: (string | Buffer)[] = [
  ' ',
  'ON',
  '12,5',
  "{'SamplingTime':1}",
  '{SamplingTime:1}',
  `${withValue('1')},`,
  `${withValue('1')}${withValue('1')}`,
  `${withValue('1')}\0`,
  withValue('1').slice(0, -1),
  '['.repeat(60_000),
  '{"a":'.repeat(12_000),
  `\ufeff${withValue('1')}`,
  '{"Value":"a\nb"}',
  '\0'.repeat(500),
  '😀'.repeat(500)
]
test('a payload that is no JSON is rejected', () => {
  for (const payload of notJson) assertRejected('not_json', payload)
})

test('JSON that is no object is rejected', () => {
  const values = ['null', 'true', '1', '"x"', '[]', `[${withValue('1')}]`, `${'['.repeat(30_000)}${']'.repeat(30_000)}`]
  for (const payload of values) assertRejected('not_an_object', payload)
})

test('white space around the JSON is no fault', () => {
  assert.equal(decode(`\r\n\t ${withValue('1')} \n`).value, 1)
})

test('an empty payload is rejected, not a deletion', () => {
  assertRejected('empty_payload', '')
})

test('invalid UTF-8 is rejected before anybody reads it', () => {
  const bytes = [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]]
  for (const some of bytes) {
    assertRejected('not_utf8', Buffer.from(some))
    const payload = Buffer.concat([
      Buffer.from(`{"SamplingTime":"${time}","Value":"`),
      Buffer.from(some),
      Buffer.from('"}')
    ])
    assertRejected('not_utf8', payload, 'ConnectedVehicle')
  }
})

test('no mutation of an envelope provokes anything but a rejection', () => {
  const random = seededRandom(2)
  const seeds = valueSpecs.map(({ kind }) => Buffer.from(withValue(kind === 'number' ? '-1.5e3' : '"a\\ud83d\\ude00"')))
  let rejected = 0
  for (let i = 0; i < 20_000; i++) {
    const column = below(random, seeds.length)
    const payload = Buffer.from(seeds[column]!)
    for (let n = below(random, 3); n >= 0; n--) payload[below(random, payload.length)] = below(random, 256)
    const cut = payload.subarray(0, random() < 0.2 ? below(random, payload.length) : payload.length)
    try {
      decodeEnvelope(cut, valueSpecs[column]!, everything)
    } catch (error) {
      assert.ok(error instanceof RejectedError, `${cut}: ${error}`)
      rejected++
    }
  }
  assert.ok(rejected > 10_000 && rejected < 20_000, `${rejected}`)
})

test('a message of the contract is one JSON object', () => {
  assert.deepEqual(decodeObject(Buffer.from('{"a":[1]}')), { a: [1] })
  assert.equal(rejectionOf(() => decodeObject(Buffer.from('[]'))).code, 'not_an_object')
})

test('an excerpt is short, well formed and without NUL', () => {
  assert.equal(excerpt('short'), 'short')
  assert.equal(excerpt('x'.repeat(80)), 'x'.repeat(80))
  assert.equal(excerpt('x'.repeat(81)), `${'x'.repeat(80)}...`)
  assert.equal(excerpt(`${'x'.repeat(79)}😀`), `${'x'.repeat(79)}\ufffd...`)
  assert.equal(excerpt('a\0b\ud800'), 'a\\0b\ufffd')
})
