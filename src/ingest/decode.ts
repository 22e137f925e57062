// Decodes a packed batch in a worker: validates each envelope, merges the values of one (charger, SamplingTime)
// into one row, and notes what must be rejected and why. Pure: no clock, no database, never throws on input.

import { type ChargerValues, type ValueSpec, valueSpecs } from '../model/chargerState.ts'
import { type AcceptWindow, decodeEnvelope, decodeObject, decodeTime, excerpt, type Value } from '../model/envelope.ts'
import { type RejectCode, RejectedError } from '../model/errors.ts'
import { edgeStatusName, topicRoot } from '../model/topics.ts'
import { unpack } from './batch.ts'

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
  readonly topic: string
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

interface TopicParts {
  readonly charger: string
  readonly name: string
  /** Undefined for a name that the contract does not know. */
  readonly column: number | undefined
  /** The rows of its charger in this batch, by SamplingTime. */
  readonly rows: Map<number, Row>
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
  unpack(packed, ({ topic, payload, dup, identity }, index) => {
    decoded.count++
    if (leaves && lateIdentities.has(identity)) {
      decoded.late.push(index)
      return
    }
    try {
      const { charger, name, column, rows } = topics.get(topic)
      if (column !== undefined) {
        const { timeUs, value } = decodeEnvelope(payload, specOf(column), window)
        if (timeUs < rule.lateBeforeUs) {
          lateIdentities.add(identity)
          if (leaves) {
            decoded.late.push(index)
            return
          }
        }
        const row = rowOf(decoded, rows, charger, timeUs)
        row.values[column] ??= value
        row.dup ||= dup
        decoded.messages.push({ index, topic, row, column, value })
      } else if (name === edgeStatusName) {
        decoded.statuses.push(decodeStatus(index, topic, charger, payload, window))
      } else {
        throw new RejectedError(
          'unknown_value_name',
          `expected one of ${[...columns.keys()].join(', ')}, found ${name}`
        )
      }
    } catch (error) {
      decoded.rejects.push({ index, ...rejectionOf(error) })
    }
  })
  return decoded
}

/** Whatever a payload provokes, it costs that message alone and never stops the lane. */
const rejectionOf = (error: unknown): Pick<Reject, 'code' | 'reason'> =>
  error instanceof RejectedError
    ? { code: error.code, reason: error.message }
    : { code: 'undecodable', reason: `expected a payload that can be decoded, found one that provokes: ${error}` }

const specOf = (column: number): ValueSpec => valueSpecs[column]!

/** The topics of one batch, each taken apart once: a batch has many messages of few topics. */
class Topics {
  readonly #parts = new Map<string, TopicParts>()
  readonly #rows = new Map<string, Map<number, Row>>()

  get(topic: string): TopicParts {
    let parts = this.#parts.get(topic)
    if (parts === undefined) {
      parts = this.#takeApart(topic)
      this.#parts.set(topic, parts)
    }
    return parts
  }

  #takeApart(topic: string): TopicParts {
    const slash = topic.indexOf('/', topicRoot.length)
    const charger = topic.slice(topicRoot.length, slash)
    const name = topic.slice(slash + 1)
    const rows = this.#rows.get(charger) ?? new Map<number, Row>()
    this.#rows.set(charger, rows)
    return { charger, name, column: columns.get(name), rows }
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
