// Decodes a packed batch in a worker: validates each envelope, merges the values of one (charger, SamplingTime)
// into one row, and notes what must be rejected and why. Pure: no clock, no database, never throws on input.

import { type ChargerValues, operationStates, type ValueSpec, valueSpecs } from '../model/chargerState.ts'
import {
  type AcceptWindow,
  decodeEnvelope,
  decodeObject,
  decodeTime,
  type Envelope,
  excerpt,
  type Value
} from '../model/envelope.ts'
import { type RejectCode, RejectedError } from '../model/errors.ts'
import { edgeStatusName, topicRoot } from '../model/topics.ts'
import { Records } from './batch.ts'
import { Scanner } from './scan.ts'

/** One row of `ev_readings` in the making. `values` stand in the order of `valueSpecs`. */
export interface Row {
  readonly charger: string
  chargerId: number
  readonly timeUs: number
  values: (Value | undefined)[]
  /** Some message of it carried the DUP flag: it may be stored already. */
  dup: boolean
  /** Why the database refused this row alone, once it has. */
  refusal?: { readonly code: RejectCode; readonly reason: string }
}

/** A value message that passed the checks; what its outcome is, its row tells after the commit. */
export interface ValueMessage {
  readonly index: number
  readonly topic: Topic
  readonly row: Row
  readonly column: number
  readonly value: Value
}

export interface Reject {
  readonly index: number
  readonly code: RejectCode
  readonly reason: string
}

/** An EdgeStatus: the newest of the batch per charger is stored. */
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
  readonly messages: ValueMessage[]
  readonly statuses: Status[]
  readonly rejects: Reject[]
  /** What the late lane stores instead. */
  readonly late: number[]
  /** Who sent rows older than the columnstore age, by number. */
  readonly lateIdentities: Set<number>
}

/** When a row counts as late, and whose messages are left to the late lane; undefined = nobody's, this is the late lane. */
export interface LateRule {
  readonly lateBeforeUs: number
  readonly lateIdentities: readonly number[] | undefined
}

/** A topic of the batch, taken apart. */
export interface Topic {
  readonly topic: string
  readonly charger: string
  readonly name: string
  /** Undefined for a name that the contract does not know. */
  readonly column: number | undefined
  /** The rows of its charger in this batch, by SamplingTime. */
  readonly rows: Map<number, Row>
  /** For whoever looks for it: the newest message of this topic. */
  newest: ValueMessage | undefined
}

const columns = new Map<string, number>(
  valueSpecs.map((spec, column) => [spec.name satisfies keyof ChargerValues, column])
)

export function decode(packed: ArrayBuffer, window: AcceptWindow, rule: LateRule): Decoded {
  const leaves = rule.lateIdentities !== undefined
  const lateIdentities = new Set(rule.lateIdentities)
  const decoded: Decoded & { count: number } = {
    count: 0,
    rows: [],
    messages: [],
    statuses: [],
    rejects: [],
    late: [],
    lateIdentities
  }
  const topics = new Topics()
  const records = new Records(packed)
  const scanner = new Scanner()
  while (records.next()) {
    const { index } = records
    decoded.count++
    if (leaves && lateIdentities.size > 0 && lateIdentities.has(records.identity)) {
      decoded.late.push(index)
      continue
    }
    try {
      const topic = topics.get(records.topic)
      const { charger, name, column, rows } = topic
      if (column !== undefined) {
        const { timeUs, value } = decodeValue(records, specOf(column), window, scanner)
        if (timeUs < rule.lateBeforeUs) {
          lateIdentities.add(records.identity)
          if (leaves) {
            decoded.late.push(index)
            continue
          }
        }
        const row = rowOf(decoded, rows, charger, timeUs)
        row.values[column] ??= value
        row.dup ||= records.dup
        decoded.messages.push({ index, topic, row, column, value })
      } else if (name === edgeStatusName) {
        decoded.statuses.push(decodeStatus(index, topic.topic, charger, records.payload, window))
      } else {
        throw new RejectedError(
          'unknown_value_name',
          `expected one of ${[...columns.keys()].join(', ')}, found ${name}`
        )
      }
    } catch (error) {
      decoded.rejects.push({ index, ...rejectionOf(error) })
    }
  }
  return decoded
}

/** What is canonical and right is taken as it was scanned; everything else, every fault among it, is the envelope's to judge. */
function decodeValue(records: Records, spec: ValueSpec, window: AcceptWindow, scanner: Scanner): Envelope {
  if (
    scanner.scan(records.bytes, records.topicEnd, records.end) &&
    scanner.timeUs >= window.fromUs &&
    scanner.timeUs <= window.toUs &&
    isRight(scanner.value, spec)
  ) {
    return scanner
  }
  return decodeEnvelope(records.payload, spec, window)
}

const states: ReadonlySet<unknown> = new Set(operationStates)
/** Scanned texts are ASCII: their length is their code points. */
function isRight(value: Value, { kind, codePointsMax }: ValueSpec): boolean {
  if (kind === 'number') return typeof value === 'number'
  if (kind === 'state') return states.has(value)
  return typeof value === 'string' && value.length <= codePointsMax
}

/** Whatever a payload provokes, it costs that message alone and never stops the lane. */
const rejectionOf = (error: unknown): Pick<Reject, 'code' | 'reason'> =>
  error instanceof RejectedError
    ? { code: error.code, reason: error.message }
    : { code: 'undecodable', reason: `expected a payload that can be decoded, found one that provokes: ${error}` }

const specOf = (column: number): ValueSpec => valueSpecs[column]!

/** The topics of one batch, each taken apart once: a batch has many messages of few topics. */
class Topics {
  readonly #topics = new Map<string, Topic>()
  readonly #rows = new Map<string, Map<number, Row>>()

  get(topic: string): Topic {
    let parts = this.#topics.get(topic)
    if (parts === undefined) {
      parts = this.#takeApart(topic)
      this.#topics.set(topic, parts)
    }
    return parts
  }

  #takeApart(topic: string): Topic {
    const slash = topic.indexOf('/', topicRoot.length)
    const charger = topic.slice(topicRoot.length, slash)
    const name = topic.slice(slash + 1)
    const rows = this.#rows.get(charger) ?? new Map<number, Row>()
    this.#rows.set(charger, rows)
    return { topic, charger, name, column: columns.get(name), rows, newest: undefined }
  }
}

function rowOf(decoded: Decoded, rows: Map<number, Row>, charger: string, timeUs: number): Row {
  let row = rows.get(timeUs)
  if (row === undefined) {
    row = { charger, chargerId: 0, timeUs, values: new Array(valueSpecs.length).fill(undefined), dup: false }
    rows.set(timeUs, row)
    decoded.rows.push(row)
  }
  return row
}

const statusBytesMax = 8_192

/** An EdgeStatus is any JSON object with a SamplingTime; it is stored as it is, less its white space. */
function decodeStatus(index: number, topic: string, charger: string, payload: Buffer, window: AcceptWindow): Status {
  if (payload.length > statusBytesMax) {
    throw new RejectedError(
      'bad_text',
      `expected an EdgeStatus of at most ${statusBytesMax} bytes, found ${payload.length}`
    )
  }
  const object = decodeObject(payload)
  const timeUs = decodeTime(object.SamplingTime, window)
  const text = JSON.stringify(object)
  // JSON escapes exactly what jsonb cannot hold: NUL and lone surrogates. An escaped backslash before it escapes nothing.
  if (/(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/i.test(text)) {
    throw new RejectedError('bad_text', `expected text without NUL and lone surrogates, found ${excerpt(text)}`)
  }
  return { index, topic, charger, chargerId: 0, timeUs, payload: text }
}
