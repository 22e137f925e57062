// The payload of a telemetry message: `{"SamplingTime": RFC 3339, "Value": number or string}`.
// Encodes it in its one canonical form, and decodes the bytes of a device into a value, or a reason to reject them.
// Never throws on input other than RejectedError, never reads a clock. Times are microseconds since the Unix epoch.

import { isUtf8 } from 'node:buffer'
import { RejectedError } from '../errors.ts'
import { operationStates, type ValueSpec } from './chargerState.ts'
import { numberMagnitudeMax, payloadLevelsMax } from './limits.ts'

export type Value = number | string
export interface Envelope {
  /** Microseconds since the Unix epoch, a whole number. */
  readonly timeUs: number
  readonly value: Value
}

/** SamplingTime must lie within [fromUs, toUs]. */
export interface AcceptWindow {
  readonly fromUs: number
  readonly toUs: number
}

/** Canonical payload. Milliseconds, or microseconds where the time has them. */
export const encodeEnvelope = ({ timeUs, value }: Envelope): string =>
  `{"SamplingTime":"${formatTime(timeUs)}","Value":${JSON.stringify(value)}}`

/** `YYYY-MM-DDTHH:MM:SS.fffZ`, with six digits only where the microseconds are not whole milliseconds. */
export function formatTime(timeUs: number): string {
  const ms = Math.floor(timeUs / 1000)
  const minute = Math.floor(ms / minuteMs)
  if (minute !== lastMinute.number) {
    lastMinute.text = new Date(minute * minuteMs).toISOString().slice(0, -'00.000Z'.length)
    lastMinute.number = minute
  }
  const second = Math.floor((ms - minute * minuteMs) / 1000)
  const text = `${lastMinute.text}${twoDigits[second]}.${threeDigits[ms - minute * minuteMs - second * 1000]}`
  const us = timeUs - ms * 1000 // from the year 2255 on a double holds no single ones, and this may be anything
  return us > 0 && us < 1000 ? `${text}${threeDigits[us]}Z` : `${text}Z`
}

const minuteMs = 60_000
/** Times come in minutes, and a Date is most of the cost of a time: of a payload more than half. */
const lastMinute = { number: Number.NaN, text: '' }
const twoDigits = Array.from({ length: 60 }, (_, i) => String(i).padStart(2, '0'))
const threeDigits = Array.from({ length: 1000 }, (_, i) => String(i).padStart(3, '0'))

/** The envelope in `payload`, which is not kept. Throws RejectedError with the code and a sentence for the operator. */
export function decodeEnvelope(payload: Buffer, spec: ValueSpec, window: AcceptWindow): Envelope {
  const { SamplingTime, Value } = decodeObject(payload)
  const timeUs = decodeTime(SamplingTime, window)
  return { timeUs, value: checkValue(Value, spec) }
}

/** The JSON object in `payload`: every message of the contract is one. Throws RejectedError. */
export function decodeObject(payload: Buffer): Record<string, unknown> {
  if (payload.length === 0) throw new RejectedError('empty_payload', 'expected a JSON object, found an empty payload')
  if (!isUtf8(payload)) throw new RejectedError('not_utf8', 'expected a JSON object in UTF-8, found invalid UTF-8')
  const text = payload.toString('utf8')
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw new RejectedError('not_json', `expected a JSON object, found ${excerpt(text)}`)
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new RejectedError('not_an_object', `expected a JSON object, found ${excerpt(text)}`)
  }
  checkMembers(text, parsed)
  return parsed as Record<string, unknown>
}

/**
 * Refuses what JSON.parse lets pass: a member that is there twice, of which readers take different ones; `__proto__`
 * and depth, which harm later readers. `text` is legal JSON.
 */
function checkMembers(text: string, object: object): void {
  let levels = 0
  let members = 0
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at)
    if (character === quote) at = endOfString(text, at)
    else if (character === openingBrace || character === openingBracket) levels++
    else if (character === closingBrace || character === closingBracket) levels--
    else if (character === colon && levels === 1) members++
    if (levels > payloadLevelsMax) throw badMember(`at most ${payloadLevelsMax} levels`, 'more')
  }
  if (members > Object.keys(object).length) throw badMember('each member once', 'one of them again')
  if (Object.hasOwn(object, '__proto__')) throw badMember('no member __proto__', 'one')
}

function endOfString(text: string, at: number): number {
  let end = at + 1
  while (text.charCodeAt(end) !== quote) end += text.charCodeAt(end) === backslash ? 2 : 1
  return end
}

export const badMember = (expected: string, found: string): RejectedError =>
  new RejectedError('bad_member', `expected a JSON object with ${expected}, found ${found}`)

const quote = 0x22
const colon = 0x3a
const openingBracket = 0x5b
const backslash = 0x5c
const closingBracket = 0x5d
const openingBrace = 0x7b
const closingBrace = 0x7d

/** Throws RejectedError `bad_time` or `time_out_of_window`. */
export function decodeTime(text: unknown, window: AcceptWindow): number {
  const timeUs = typeof text === 'string' ? parseTime(text) : undefined
  if (timeUs === undefined) {
    throw new RejectedError('bad_time', `expected SamplingTime as RFC 3339 with an offset, found ${describe(text)}`)
  }
  if (timeUs < window.fromUs || timeUs > window.toUs) {
    const range = `${formatTime(window.fromUs)} to ${formatTime(window.toUs)}`
    throw new RejectedError(
      'time_out_of_window',
      `expected SamplingTime within ${range}, found ${excerpt(String(text))}`
    )
  }
  return timeUs
}

const timePattern = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/
const commonMonths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** NaN for an illegal month. */
export function daysOfMonth(year: number, month: number): number {
  const isLeapYear = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  return month === 2 && isLeapYear ? 29 : (commonMonths[month - 1] ?? Number.NaN)
}

/** Strict RFC 3339, cut to the microsecond; undefined for anything looser. A leap second is its following second. */
export const parseTime = (text: string): number | undefined => parseCanonicalTime(text) ?? parseAnyTime(text)

/** The form that our edge writes, `YYYY-MM-DDTHH:MM:SS.fffZ`, ten times as fast; undefined for any other. */
function parseCanonicalTime(text: string): number | undefined {
  if (text.length !== 24 || text[4] !== '-' || text[7] !== '-' || text[10] !== 'T') return undefined
  if (text[13] !== ':' || text[16] !== ':' || text[19] !== '.' || text[23] !== 'Z') return undefined
  const year = digits(text, 0, 4)
  const month = digits(text, 5, 7)
  const day = digits(text, 8, 10)
  const hour = digits(text, 11, 13)
  const minute = digits(text, 14, 16)
  const second = digits(text, 17, 19)
  const ms = digits(text, 20, 23)
  // Rare or wrong texts are left to the other function: a NaN fails every comparison.
  if (!(year >= 1970 && day >= 1 && day <= daysOfMonth(year, month))) return undefined
  if (!(hour < 24 && minute < 60 && second < 60 && ms < 1000)) return undefined
  return Date.UTC(year, month - 1, day, hour, minute, second, ms) * 1000
}

/** NaN when one of the bytes is no digit. */
function digits(text: string, from: number, to: number): number {
  let value = 0
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - 48
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  return value
}

function parseAnyTime(text: string): number | undefined {
  const parts = timePattern.exec(text)
  if (parts === null) return undefined
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number
  ]
  if (!(day >= 1 && day <= daysOfMonth(year, month)) || hour > 23 || minute > 59 || second > 60) return undefined
  const offsetHours = Number(parts[9] ?? 0)
  const offsetMinutes = Number(parts[10] ?? 0)
  if (offsetHours > 23 || offsetMinutes > 59) return undefined
  const offset = (parts[8] === '-' ? -1 : 1) * (offsetHours * 60 + offsetMinutes)
  // Date.UTC reads years below 100 as 19xx; the calendar repeats every 400 years.
  const ms = Date.UTC(year + 400, month - 1, day, hour, minute, second) - calendarMs - offset * 60_000
  if (second === 60 && !beginsMonth(ms)) return undefined
  const us = Number((parts[7] ?? '').slice(0, 6).padEnd(6, '0'))
  return ms * 1000 + us
}

const calendarMs = 146_097 * 86_400_000

/** A leap second is the last one of a month in UTC (RFC 3339, section 5.7). */
const beginsMonth = (ms: number): boolean => ms % 86_400_000 === 0 && new Date(ms).getUTCDate() === 1

/** Throws RejectedError when `value` is not of the type that the name fixes. */
export function checkValue(value: unknown, spec: ValueSpec): Value {
  if (spec.kind === 'number') return checkNumber(value, spec)
  if (typeof value !== 'string') throw wrongType('a string', value, spec)
  return spec.kind === 'state' ? checkState(value, spec) : checkText(value, spec)
}

function checkNumber(value: unknown, spec: ValueSpec): number {
  if (typeof value !== 'number') throw wrongType('a number', value, spec)
  if (!Number.isFinite(value)) {
    throw new RejectedError(
      'not_finite',
      `expected a finite number for ${spec.name}, found one beyond the range of a double`
    )
  }
  if (Math.abs(value) > numberMagnitudeMax) {
    throw new RejectedError(
      'out_of_range',
      `expected a number for ${spec.name} of at most ${numberMagnitudeMax} in magnitude, found ${value}`
    )
  }
  return value
}

const states: ReadonlySet<string> = new Set(operationStates)
function checkState(value: string, spec: ValueSpec): string {
  if (states.has(value)) return value
  const expected = operationStates.join('|')
  throw new RejectedError('unknown_state', `expected ${expected} for ${spec.name}, found ${excerpt(value)}`)
}

function checkText(value: string, spec: ValueSpec): string {
  if (value.includes('\0') || !value.isWellFormed()) {
    throw new RejectedError('bad_text', `expected text without NUL and lone surrogates for ${spec.name}, found one`)
  }
  // Code units bound code points from above, so the exact count is taken only for what might be too long.
  if (value.length > spec.codePointsMax && [...value.slice(0, 4 * spec.codePointsMax)].length > spec.codePointsMax) {
    const expected = `at most ${spec.codePointsMax} characters`
    throw new RejectedError('bad_text', `expected ${expected} for ${spec.name}, found ${excerpt(value)}`)
  }
  return value
}

const wrongType = (expected: string, found: unknown, spec: ValueSpec): RejectedError =>
  new RejectedError('wrong_type', `expected ${expected} as Value of ${spec.name}, found ${describe(found)}`)

// Never JSON.stringify what a device sent: deep nesting overflows the stack there.
function describe(value: unknown): string {
  if (value === undefined) return 'none'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : excerpt(JSON.stringify(value))
}

/** Short enough for a log line and a table, and storable: no NUL, no lone surrogate. */
export const excerpt = (text: string): string =>
  (text.length > 80 ? `${text.slice(0, 80)}...` : text).toWellFormed().replaceAll('\0', '\\0')
