// Reads the canonical envelope, `{"SamplingTime":"YYYY-MM-DDTHH:MM:SS.fffZ","Value":...}`, from its bytes. Our own edge
// writes it, so nearly every message has this form. The scan allocates nothing but texts, and reports no errors. A
// message in any other form is left to JSON.parse and the checks of model/wire/envelope.ts. Only these checks decide on
// faults. A profile justifies the scan: JSON.parse and the objects around it took half of the CPU of a worker.

import { daysOfMonth } from '../../model/wire/envelope.ts'
import { isAt, wordsOf } from './byteText.ts'

const head = wordsOf('{"SamplingTime":"')
const middle = wordsOf('","Value":')
const timeBytes = 24
const shortestBytes = head.length + timeBytes + middle.length + 2

const quote = 0x22
const minus = 0x2d
const point = 0x2e
const zero = 0x30
const backslash = 0x5c
const closingBrace = 0x7d

const dayUs = 86_400_000_000
/**
 * Up to this many digits, a decimal is exact in a double. Then one division by a power of ten gives the nearest double.
 */
const digitsMax = 15
const powersOfTen = Array.from({ length: digitsMax + 1 }, (_, exponent) => 10 ** exponent)

export class Scanner {
  timeUs = 0
  value: number | string = 0
  /** The date that was read last, as bytes, and its midnight. Most samples are of the same day. */
  #yearBytes = 0
  #monthBytes = 0
  #dayBytes = 0
  #midnightUs = 0

  /**
   * True when the bytes from `at` to `end` are canonical. Then `timeUs` and `value` are set from them. `view` must be a
   * view of the same memory.
   */
  scan(bytes: Buffer, view: DataView, at: number, end: number): boolean {
    if (end - at < shortestBytes || bytes[end - 1] !== closingBrace) return false
    const timeAt = at + head.length
    const valueAt = timeAt + timeBytes + middle.length
    if (!isAt(view, at, head) || !isAt(view, timeAt + timeBytes, middle)) return false
    if (!this.#time(bytes, view, timeAt)) return false
    return bytes[valueAt] === quote ? this.#text(bytes, valueAt + 1, end - 2) : this.#number(bytes, valueAt, end - 1)
  }

  #time(bytes: Buffer, view: DataView, at: number): boolean {
    if (bytes[at + 10] !== 0x54 || bytes[at + 13] !== 0x3a || bytes[at + 16] !== 0x3a) return false
    if (bytes[at + 19] !== point || bytes[at + 23] !== 0x5a) return false
    const hour = two(bytes, at + 11)
    const minute = two(bytes, at + 14)
    const second = two(bytes, at + 17)
    const ms = two(bytes, at + 20) * 10 + digit(bytes[at + 22]!)
    // A byte that is no digit gives NaN, and NaN fails every comparison.
    if (!(hour < 24 && minute < 60 && second < 60 && ms < 1000)) return false
    if (!this.#isSameDay(view, at) && !this.#startDay(bytes, view, at)) return false
    this.timeUs = this.#midnightUs + ((hour * 60 + minute) * 60 + second) * 1_000_000 + ms * 1000
    return true
  }

  #isSameDay(view: DataView, at: number): boolean {
    return (
      view.getInt16(at + 8) === this.#dayBytes &&
      view.getInt32(at + 4) === this.#monthBytes &&
      view.getInt32(at) === this.#yearBytes
    )
  }

  #startDay(bytes: Buffer, view: DataView, at: number): boolean {
    if (bytes[at + 4] !== minus || bytes[at + 7] !== minus) return false
    const year = two(bytes, at) * 100 + two(bytes, at + 2)
    const month = two(bytes, at + 5)
    const day = two(bytes, at + 8)
    if (!(year >= 1970 && day >= 1 && day <= daysOfMonth(year, month))) return false
    this.#yearBytes = view.getInt32(at)
    this.#monthBytes = view.getInt32(at + 4)
    this.#dayBytes = view.getInt16(at + 8)
    this.#midnightUs = (Date.UTC(year, month - 1, day) / 86_400_000) * dayUs
    return true
  }

  /** Reads a plain decimal of at most 15 digits, without an exponent. */
  #number(bytes: Buffer, from: number, end: number): boolean {
    const isNegative = bytes[from] === minus
    const first = isNegative ? from + 1 : from
    let mantissa = 0
    let digits = 0
    let at = first
    for (; at < end && isDigit(bytes[at]!); at++, digits++) mantissa = mantissa * 10 + bytes[at]! - zero
    const whole = digits
    if (whole === 0 || (whole > 1 && bytes[first] === zero)) return false
    if (at < end && bytes[at] === point) {
      for (at++; at < end && isDigit(bytes[at]!); at++, digits++) mantissa = mantissa * 10 + bytes[at]! - zero
      if (digits === whole) return false
    }
    if (at !== end || digits > digitsMax) return false
    const magnitude = mantissa / powersOfTen[digits - whole]!
    this.value = isNegative ? -magnitude : magnitude
    return true
  }

  /** Reads an ASCII text without escapes. */
  #text(bytes: Buffer, from: number, end: number): boolean {
    if (end < from || bytes[end] !== quote) return false
    for (let at = from; at < end; at++) {
      const byte = bytes[at]!
      if (byte < 0x20 || byte > 0x7e || byte === quote || byte === backslash) return false
    }
    this.value = bytes.toString('latin1', from, end)
    return true
  }
}

const isDigit = (byte: number): boolean => byte >= zero && byte <= zero + 9
const digit = (byte: number): number => (isDigit(byte) ? byte - zero : Number.NaN)
const two = (bytes: Buffer, at: number): number => digit(bytes[at]!) * 10 + digit(bytes[at + 1]!)
