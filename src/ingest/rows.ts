// Rows as PostgreSQL's binary COPY format. Pure.
// Source: PostgreSQL documentation, COPY, "Binary Format"; an enum travels as its label, timestamptz as microseconds since 2000.

import { valueSpecs } from '../model/chargerState.ts'
import type { Value } from '../model/envelope.ts'
import type { Row } from './decode.ts'

/** The columns of a reading in the order in which `encodeRows` writes them. */
export const readingColumns: readonly string[] = ['charger_id', 'time', ...valueSpecs.map(({ column }) => column)]

const header = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')
const postgresEpochUs = 946_684_800_000_000
const fieldCount = readingColumns.length
const fixedBytes = 2 + (4 + 4) + (4 + 8) + valueSpecs.length * (4 + 8)
// A UTF-16 code unit takes at most three bytes of UTF-8.
const bytesPerCodeUnit = 3

/**
 * A whole COPY stream for `rows`; with `ordinals` a leading integer column counts them from 0.
 * The buffer is fresh each time: the socket owns it until the COPY has finished.
 */
export function encodeRows(rows: readonly Row[], ordinals = false): Buffer {
  const out = Buffer.allocUnsafe(rows.reduce((bytes, row) => bytes + rowBytesMax(row), header.length + 2))
  let at = header.copy(out)
  rows.forEach((row, ordinal) => {
    at = out.writeInt16BE(fieldCount + (ordinals ? 1 : 0), at)
    if (ordinals) at = writeInt(out, ordinal, at)
    at = writeInt(out, row.chargerId, at)
    at = writeTime(out, row.timeUs, at)
    for (const value of row.values) at = writeValue(out, value, at)
  })
  at = out.writeInt16BE(-1, at)
  return out.subarray(0, at)
}

function rowBytesMax(row: Row): number {
  let bytes = fixedBytes + 8
  for (const value of row.values) if (typeof value === 'string') bytes += value.length * bytesPerCodeUnit
  return bytes
}

function writeInt(out: Buffer, value: number, at: number): number {
  return out.writeInt32BE(value, out.writeInt32BE(4, at))
}

function writeTime(out: Buffer, timeUs: number, at: number): number {
  const us = timeUs - postgresEpochUs
  const high = Math.floor(us / 2 ** 32)
  const next = out.writeInt32BE(high, out.writeInt32BE(8, at))
  return out.writeUInt32BE(us - high * 2 ** 32, next)
}

function writeValue(out: Buffer, value: Value | undefined, at: number): number {
  if (value === undefined) return out.writeInt32BE(-1, at)
  if (typeof value === 'number') return out.writeDoubleBE(value, out.writeInt32BE(8, at))
  const length = out.write(value, at + 4, 'utf8')
  out.writeInt32BE(length, at)
  return at + 4 + length
}
