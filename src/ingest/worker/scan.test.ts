import assert from 'node:assert/strict'
import { test } from 'node:test'
import { below, pick, seededRandom } from '../../model/testing/random.ts'
import { type ValueSpec, valueSpecs } from '../../model/wire/chargerState.ts'
import { decodeEnvelope, type Envelope, encodeEnvelope } from '../../model/wire/envelope.ts'
import { Scanner } from './scan.ts'

const window = { fromUs: Number.NEGATIVE_INFINITY, toUs: Number.POSITIVE_INFINITY }
const numberSpec = valueSpecs.find(({ kind }) => kind === 'number')!
const textSpec: ValueSpec = { ...valueSpecs.find(({ kind }) => kind === 'text')!, codePointsMax: 1_000 }

const scanner = new Scanner()
/** Scans the payload in the middle of other bytes. Undefined when the payload is not canonical. */
function scan(payload: string | Buffer): Envelope | undefined {
  const bytes = Buffer.from(payload as string)
  const around = Buffer.concat([Buffer.from('}"1'), bytes, Buffer.from('1"}')])
  const view = new DataView(around.buffer, around.byteOffset, around.length)
  return scanner.scan(around, view, 3, 3 + bytes.length) ? { timeUs: scanner.timeUs, value: scanner.value } : undefined
}
/** The value that the envelope decodes. Undefined for a reject. */
function decoded(payload: string | Buffer): Envelope | undefined {
  for (const spec of [numberSpec, textSpec]) {
    try {
      return decodeEnvelope(Buffer.from(payload as string), spec, window)
    } catch {}
  }
  return undefined
}
const time = '2026-11-23T10:20:30.456Z'
const withValue = (value: string): string => `{"SamplingTime":"${time}","Value":${value}}`
const withTime = (text: string): string => `{"SamplingTime":"${text}","Value":1}`

test('what our own edge writes is scanned, and to the same as the envelope reads', () => {
  const values = [
    0,
    7,
    7.25,
    0.1,
    123456.789,
    -1,
    -0.5,
    11_000,
    999_999_999_999_999,
    '',
    'charging',
    '04A2 ~!',
    'x'.repeat(64)
  ]
  for (const value of values) {
    for (const ms of [0, 1, 86_399_999, Date.UTC(2026, 10, 23, 10, 20, 30, 456), Date.UTC(2099, 0, 1)]) {
      const payload = encodeEnvelope({ timeUs: ms * 1000, value })
      assert.deepEqual(scan(payload), { timeUs: ms * 1000, value }, payload)
      assert.deepEqual(decoded(payload), { timeUs: ms * 1000, value }, payload)
    }
  }
})

test('minus zero keeps its sign', () => {
  assert.ok(Object.is(scan(withValue('-0'))?.value, -0))
  assert.ok(Object.is(scan(withValue('-0.00'))?.value, -0))
})

// The scan leaves these payloads to the envelope, right or wrong.
const leftToTheEnvelope = [
  '',
  '{}',
  'null',
  '[]',
  withValue(''),
  withValue('null'),
  withValue('true'),
  withValue('{}'),
  withValue('[1]'),
  withValue('01'),
  withValue('1.'),
  withValue('.5'),
  withValue('+1'),
  withValue('-'),
  withValue('--1'),
  withValue('1e3'),
  withValue('1 '),
  withValue(' 1'),
  withValue('1.2.3'),
  withValue('NaN'),
  withValue('1234567890123456'),
  withValue('0.1234567890123456'),
  withValue('"a'),
  withValue('a"'),
  withValue('"'),
  withValue('"a"b"'),
  withValue('"\\n"'),
  withValue('"\\u0041"'),
  withValue('"\u00e9"'),
  withValue('"\u0000"'),
  withValue('"\u007f"'),
  withValue('1}'),
  withValue('1,"Extra":2'),
  `${withValue('1')} `,
  ` ${withValue('1')}`,
  withValue('1').slice(0, -1),
  withTime('2026-11-23T10:20:30Z'),
  withTime('2026-11-23T10:20:30.456789Z'),
  withTime('2026-11-23t10:20:30.456Z'),
  withTime('2026-11-23T10:20:30.456z'),
  withTime('2026-11-23T24:00:00.000Z'),
  withTime('2026-11-23T10:60:30.456Z'),
  withTime('2026-11-23T10:20:60.456Z'),
  withTime('2026-13-23T10:20:30.456Z'),
  withTime('2026-00-23T10:20:30.456Z'),
  withTime('2026-11-00T10:20:30.456Z'),
  withTime('2026-11-31T10:20:30.456Z'),
  withTime('2026-02-29T10:20:30.456Z'),
  withTime('1969-11-23T10:20:30.456Z'),
  withTime('2026-11-2aT10:20:30.456Z'),
  withTime('2026-1a-23T10:20:30.456Z'),
  withTime('a026-11-23T10:20:30.456Z'),
  withTime('2026-11-23Ta0:20:30.456Z'),
  withTime('2026-11-23T10:20:30.45aZ'),
  withTime('2026/11-23T10:20:30.456Z'),
  withTime('2026-11/23T10:20:30.456Z'),
  withTime('2026-11-23 10:20:30.456Z'),
  withTime('2026-11-23T10.20:30.456Z'),
  withTime('2026-11-23T10:20.30.456Z'),
  withTime('2026-11-23T10:20:30:456Z'),
  '{"samplingTime":"2026-11-23T10:20:30.456Z","Value":1}',
  '{"Value":1,"SamplingTime":"2026-11-23T10:20:30.456Z"}',
  '{"SamplingTime":"2026-11-23T10:20:30.456Z","value":1}',
  '{"SamplingTime":"2026-11-23T10:20:30.456Z", "Value":1}'
]
test('whatever is not exactly canonical is left to the envelope', () => {
  for (const payload of leftToTheEnvelope) assert.equal(scan(payload), undefined, payload)
})

// The last days of a month were once left to the other parser, at twice the CPU of a worker.
test('every day from 1970 to 2100 is scanned, and the days after the end of a month are not', () => {
  const endMs = Date.UTC(2101, 0, 1)
  for (let ms = 0; ms < endMs; ms += 86_400_000) {
    const payload = encodeEnvelope({ timeUs: ms * 1000, value: 1 })
    assert.equal(scan(payload)?.timeUs, ms * 1000, payload)
  }
  for (const day of ['2026-01-32', '2028-02-30', '2100-02-29', '2026-04-31', '2026-12-32']) {
    assert.equal(scan(withTime(`${day}T00:00:00.000Z`)), undefined, day)
  }
})

test('a date is checked again after another one, wrong ones among them', () => {
  const dates = ['2026-11-23', '2026-13-23', '2026-11-23', '2026-11-24', '2026-11-23']
  const found = dates.map(date => scan(withTime(`${date}T00:00:00.000Z`))?.timeUs)
  assert.deepEqual(
    found,
    dates.map(date => (date === '2026-13-23' ? undefined : Date.parse(date) * 1000))
  )
})

test('20,000 mutations: what the scanner takes, the envelope reads as exactly the same', () => {
  const random = seededRandom(61)
  const alphabet = Buffer.from('0123456789.-+eE":,{}\\ TZtzaSV\u00e9\0', 'utf8')
  let taken = 0
  for (let i = 0; i < 20_000; i++) {
    const number = below(random, 10 ** 9) / 10 ** below(random, 12)
    const value = random() < 0.7 ? number : pick(random, ['idle', '04A2', ''])
    const bytes = Buffer.from(encodeEnvelope({ timeUs: below(random, 4_000_000_000) * 1_000_000, value }))
    for (let n = below(random, 4); n > 0; n--) bytes[below(random, bytes.length)] = pick(random, [...alphabet])
    const scanned = scan(bytes)
    if (scanned === undefined) continue
    taken++
    assert.deepEqual(scanned, decoded(bytes), bytes.toString('latin1'))
  }
  assert.ok(taken > 3_000, `${taken} taken`)
})
