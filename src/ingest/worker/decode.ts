// Decodes a packed batch in a worker. It validates each envelope, merges the values of one (charger, SamplingTime) into
// one row, and notes which messages must be rejected and why. Pure: no clock, no database, never throws on input.

import { type RejectCode, RejectedError } from '../../model/errors.ts'
import { operationStates, type ValueSpec, valueSpecs } from '../../model/wire/chargerState.ts'
import {
  type AcceptWindow,
  badMember,
  decodeEnvelope,
  decodeObject,
  decodeTime,
  type Envelope,
  excerpt,
  type Value
} from '../../model/wire/envelope.ts'
import { edgeStatusName } from '../../model/wire/topics.ts'
import { Records } from '../batch.ts'
import { payloadBytesMax } from './limits.ts'
import type { Row } from './row.ts'
import { Scanner } from './scan.ts'
import { knownNames, type Topic, Topics } from './topics.ts'

/**
 * The value messages that passed the checks. They are in parallel arrays, because a batch has thousands of them. Their
 * rows hold the outcomes.
 */
export class ValueMessages {
  /** The places of the messages in the batch. */
  readonly indices: number[] = []
  readonly topics: Topic[] = []
  readonly rows: Row[] = []
  readonly values: Value[] = []
  /** True when some message has another value than its row. */
  disputed = false

  get length(): number {
    return this.indices.length
  }

  push(index: number, topic: Topic, row: Row, value: Value): void {
    this.indices.push(index)
    this.topics.push(topic)
    this.rows.push(row)
    this.values.push(value)
  }
}

export interface Reject {
  readonly index: number
  readonly code: RejectCode
  readonly reason: string
}

/** An EdgeStatus. Of each charger, only the newest one in the batch is stored. */
export interface Status {
  readonly index: number
  readonly topic: string
  readonly charger: string
  chargerId: number
  readonly timeUs: number
  readonly payload: string
}

export interface Decoded {
  readonly count: number
  readonly rows: Row[]
  readonly messages: ValueMessages
  readonly statuses: Status[]
  readonly rejects: Reject[]
  /** The messages that are left to the late lane. */
  readonly late: number[]
  /** The numbers of the identities that sent rows older than the columnstore age. */
  readonly lateIdentities: Set<number>
}

/**
 * Decides when a row counts as late, and which identities' messages are left to the late lane. `lateIdentities` is
 * undefined in the late lane itself.
 */
export interface LateRule {
  readonly lateBeforeUs: number
  readonly lateIdentities: readonly number[] | undefined
}

/** Decodes a batch. `topics` may be kept from batch to batch. */
export function decode(packed: ArrayBuffer, window: AcceptWindow, rule: LateRule, topics = new Topics()): Decoded {
  const leavesLate = rule.lateIdentities !== undefined
  const lateIdentities = new Set(rule.lateIdentities)
  const rows: Row[] = []
  const messages = new ValueMessages()
  const statuses: Status[] = []
  const rejects: Reject[] = []
  const late: number[] = []
  topics.begin()
  const records = new Records(packed)
  const scanner = new Scanner()
  while (records.next()) {
    const { index } = records
    if (leavesLate && lateIdentities.size > 0 && lateIdentities.has(records.identity)) {
      late.push(index)
      continue
    }
    const topic = topics.of(records)
    const { column, charger } = topic
    try {
      if (column === undefined) statuses.push(decodeStatus(index, topic, records.payload, window))
      else {
        const { timeUs, value } = decodeValue(records, valueSpecs[column]!, window, scanner)
        if (timeUs < rule.lateBeforeUs) lateIdentities.add(records.identity)
        if (timeUs < rule.lateBeforeUs && leavesLate) late.push(index)
        else {
          const row = topics.row(rows, charger, timeUs)
          const first = row.values[column]
          if (first === undefined) row.values[column] = value
          else if (first !== value) messages.disputed = true
          row.dup ||= records.dup
          messages.push(index, topic, row, value)
        }
      }
    } catch (error) {
      rejects.push({ index, ...rejectionOf(error) })
    }
  }
  return { count: records.index + 1, rows, messages, statuses, rejects, late, lateIdentities }
}

/** A canonical and legal message is used as it was scanned. The envelope judges all other messages, and all faults. */
function decodeValue(records: Records, spec: ValueSpec, window: AcceptWindow, scanner: Scanner): Envelope {
  if (
    scanner.scan(records.bytes, records.view, records.payloadAt, records.end) &&
    scanner.timeUs >= window.fromUs &&
    scanner.timeUs <= window.toUs &&
    isRight(scanner.value, spec)
  ) {
    return scanner
  }
  refuseLarge(records.payload)
  return decodeEnvelope(records.payload, spec, window)
}

const states: ReadonlySet<unknown> = new Set(operationStates)
/** Scanned texts are ASCII, so their length is the number of their code points. */
function isRight(value: Value, { kind, codePointsMax }: ValueSpec): boolean {
  if (kind === 'number') return typeof value === 'number'
  if (kind === 'state') return states.has(value)
  return typeof value === 'string' && value.length <= codePointsMax
}

/** An error that a payload causes rejects only that message, and never stops the lane. */
const rejectionOf = (error: unknown): Pick<Reject, 'code' | 'reason'> =>
  error instanceof RejectedError
    ? { code: error.code, reason: error.message }
    : { code: 'undecodable', reason: `expected a payload that can be decoded, found one that provokes: ${error}` }

/**
 * Rejects a payload that is too large. The cost of decoding grows with the bytes, and all identities of a lane pay it.
 */
function refuseLarge({ length }: Buffer): void {
  if (length <= payloadBytesMax) return
  throw new RejectedError('too_large', `expected a payload of at most ${payloadBytesMax} bytes, found ${length}`)
}

/** An EdgeStatus is any JSON object with a SamplingTime. It is stored as it is, without its white space. */
function decodeStatus(index: number, { topic, name, charger }: Topic, payload: Buffer, window: AcceptWindow): Status {
  if (name !== edgeStatusName) {
    throw new RejectedError('unknown_value_name', `expected one of ${knownNames}, found ${name}`)
  }
  refuseLarge(payload)
  const object = decodeObject(payload)
  const timeUs = decodeTime(object.SamplingTime, window)
  const text = JSON.stringify(object)
  // Later readers of the status may be less careful, so no member at any level may be named __proto__.
  if (text.includes('"__proto__":')) throw badMember('no member __proto__', 'one')
  // JSON escapes exactly the characters that jsonb cannot hold: NUL and lone surrogates. An escaped backslash does not
  // escape the characters after it.
  if (/(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/i.test(text)) {
    throw new RejectedError('bad_text', `expected text without NUL and lone surrogates, found ${excerpt(text)}`)
  }
  return { index, topic, charger: charger.charger, chargerId: 0, timeUs, payload: text }
}
