import assert from 'node:assert/strict'
import { test } from 'node:test'
import { below, pick, seededRandom } from '../../model/testing/random.ts'
import { valueSpecs } from '../../model/wire/chargerState.ts'
import type { Value } from '../../model/wire/envelope.ts'
import type { Row } from './row.ts'
import { encodeRows, readingColumns } from './rows.ts'

const row = (timeUs: number, values: Partial<Record<number, Value>> = {}, chargerId = 1): Row => ({
  charger: 'c1',
  chargerId,
  timeUs,
  values: valueSpecs.map((_, column) => values[column]),
  dup: false,
  stored: undefined,
  refusal: undefined
})

// The bytes are written by hand, from PostgreSQL's documentation of COPY, "Binary Format".
const header = '5047434f50590aff0d0a00 00000000 00000000'
const trailer = 'ffff'
const none = 'ffffffff '
const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\s/g, ''), 'hex')
const assertBytes = (found: Buffer, hex: string): void =>
  assert.equal(found.toString('hex'), bytes(hex).toString('hex'))

test('the columns are those of a reading, in the order of the table', () => {
  assert.deepEqual(readingColumns, [
    'charger_id',
    'time',
    'operation_state',
    'total_energy_consumption',
    'session_energy',
    'power_output',
    'output_current',
    'maximum_output_current',
    'connected_vehicle',
    'charger_status'
  ])
})

test('no rows are a header and a trailer', () => {
  assertBytes(encodeRows([]), `${header} ${trailer}`)
})

test('a row is its field count, then each field with its length; what is absent is null', () => {
  const timeUs = Date.parse('2000-01-01T00:00:00.001Z') * 1000 + 2
  assertBytes(
    encodeRows([row(timeUs, { 0: 'idle', 3: 1.5, 6: 'ü', 7: '' }, 258)]),
    `${header}
     000a
     00000004 00000102
     00000008 00000000000003ea
     00000004 69646c65
     ${none} ${none}
     00000008 3ff8000000000000
     ${none} ${none}
     00000002 c3bc
     00000000
     ${trailer}`
  )
})

// Microseconds since 2000-01-01, as 64 bits of two's complement.
const times: [string, number, string][] = [
  ['2000-01-01T00:00:00.000Z', 0, '0000000000000000'],
  ['2000-01-01T00:00:00.000Z', 1, '0000000000000001'],
  ['1999-12-31T23:59:59.999Z', 999, 'ffffffffffffffff'],
  ['1999-12-31T23:59:59.999Z', 0, 'fffffffffffffc18'],
  ['1970-01-01T00:00:00.000Z', 0, 'fffca2fec4c82000'],
  ['1969-12-31T23:59:59.999Z', 999, 'fffca2fec4c81fff'],
  ['2000-01-01T01:11:34.967Z', 295, '00000000ffffffff'],
  ['2000-01-01T01:11:34.967Z', 296, '0000000100000000'],
  ['1999-12-31T22:48:25.032Z', 704, 'ffffffff00000000'],
  ['2026-03-01T12:00:00.123Z', 456, '0002eef3fa791240']
]
test('a time is microseconds since 2000, before it too', () => {
  for (const [iso, us, hex] of times) {
    const timeUs = Date.parse(iso) * 1000 + us
    const expected = BigInt.asUintN(64, BigInt(timeUs) - 946_684_800_000_000n)
    assert.equal(expected.toString(16).padStart(16, '0'), hex, `${iso} ${us}`)
    const at = 19 + 2 + 8 + 4
    assert.equal(
      encodeRows([row(timeUs)])
        .subarray(at, at + 8)
        .toString('hex'),
      hex,
      `${iso} ${us}`
    )
  }
})

test('with ordinals a leading column counts the rows from 0', () => {
  assertBytes(
    encodeRows([row(946_684_800_000_000), row(946_684_800_000_001, {}, -1)], true),
    `${header}
     000b 00000004 00000000 00000004 00000001 00000008 0000000000000000 ${none.repeat(8)}
     000b 00000004 00000001 00000004 ffffffff 00000008 0000000000000001 ${none.repeat(8)}
     ${trailer}`
  )
})

test('text takes its length in bytes of UTF-8, not in characters', () => {
  for (const [text, length] of [
    ['a'.repeat(64), 64],
    ['é'.repeat(64), 128],
    ['€'.repeat(64), 192],
    ['😀'.repeat(64), 256]
  ] as const) {
    const encoded = encodeRows([row(0, { 7: text })])
    const at = encoded.length - 2 - length
    assert.equal(encoded.readInt32BE(at - 4), length)
    assert.equal(encoded.toString('utf8', at, at + length), text)
  }
})

/** Parses the stream as PostgreSQL reads it. */
function parse(encoded: Buffer): (Buffer | undefined)[][] {
  const rows = []
  for (let at = 19; ; ) {
    const count = encoded.readInt16BE(at)
    at += 2
    if (count === -1) {
      assert.equal(at, encoded.length)
      return rows
    }
    const fields = Array.from({ length: count }, () => {
      const length = encoded.readInt32BE(at)
      at += 4 + Math.max(length, 0)
      return length < 0 ? undefined : encoded.subarray(at - length, at)
    })
    rows.push(fields)
  }
}

test('rows by chance read back as they were, without a byte between them', () => {
  const random = seededRandom(11)
  const texts = ['', 'x', 'ü€😀', '😀'.repeat(64), 'charging']
  const numbers = [0, -0, 1.5, -1e300, 5e-324, Number.MAX_VALUE, 0.1]
  const rows = Array.from({ length: 300 }, (_, i) => ({
    ...row(below(random, 4e15) - 1e15, {}, i),
    values: valueSpecs.map(({ kind }) =>
      random() < 0.3 ? undefined : pick<Value>(random, kind === 'number' ? numbers : texts)
    )
  }))
  const parsed = parse(encodeRows(rows))
  assert.equal(parsed.length, rows.length)
  rows.forEach(({ chargerId, timeUs, values }, i) => {
    const [id, time, ...fields] = parsed[i]!
    assert.deepEqual([id!.readInt32BE(), time!.readBigInt64BE()], [chargerId, BigInt(timeUs) - 946_684_800_000_000n])
    const read = fields.map((field, column) =>
      valueSpecs[column]!.kind === 'number' ? field?.readDoubleBE() : field?.toString('utf8')
    )
    assert.deepEqual(read, values)
  })
})

test('each buffer is fresh: the socket may still own the last one', () => {
  const rows = [row(0, { 3: 1 })]
  const first = encodeRows(rows)
  const copy = Buffer.from(first)
  encodeRows(rows).fill(0)
  assert.deepEqual(first, copy)
})
