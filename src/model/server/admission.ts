// The interface between the broker and the ingest path: who sent a message, and what became of it.
// The broker is given `admit`; it does not know the lanes behind it. An admitted message is settled exactly once.

import { type Envelope, encodeEnvelope } from '../wire/envelope.ts'

/** Roles by certificate OU. */
export const roles = ['edge', 'consumer', 'operator'] as const
export type Role = (typeof roles)[number]

/** The client's identity, from its certificate alone. */
export interface Identity {
  /** The one CN. */
  readonly name: string
  readonly role: Role
  /**
   * The chargers that this identity reads and, as an edge, writes; undefined = all (consumer without a list,
   * operator).
   */
  readonly chargers: readonly string[] | undefined
  readonly issuer: string
  /** Upper-case hex. */
  readonly serial: string
  readonly validToMs: number
}

/** A connection as the ingest path sees it. */
export interface Source {
  readonly identity: Identity
  /**
   * Messages are stored or rejected: answer these tickets, `from` to `end` (exclusive). Each comes once, in admission
   * order.
   */
  settle(tickets: readonly number[], from: number, end: number): void
  /**
   * Called after the `settle` calls of a batch, for each run: write the answers that are gathered, if there are any.
   */
  acknowledge(): void
}

/**
 * Telemetry of one connection as it lies in a chunk: whole PUBLISH packets of MQTT 3.1.1, judged to be well-formed, one
 * behind the other. Either all of them wait for an answer (QoS 1 and 2) or none does (QoS 0). The sender reuses the
 * object and the chunk: the receiver copies what it keeps.
 */
export class Run {
  chunk: Buffer = noBytes
  from = 0
  end = 0
  /** One per packet: `settle` gets it back. 0 is QoS 0, which has no answer. */
  readonly tickets: number[] = []

  get isEmpty(): boolean {
    return this.tickets.length === 0
  }

  clear(): void {
    this.chunk = noBytes // a kept chunk is memory
    this.tickets.length = 0
  }
}

const noBytes = Buffer.alloc(0)

export interface RunOptions {
  /** ASCII. */
  readonly topic: string
  readonly payload: Buffer
  readonly ticket: number
  readonly dup: boolean
}

/** Makes a run of one message that is not a packet: of QoS 0 when its ticket is 0, else of QoS 1. */
export function runOf({ topic, payload, ticket, dup }: RunOptions): Run {
  const body = Buffer.concat([
    Buffer.from([topic.length >> 8, topic.length]),
    Buffer.from(topic, 'latin1'),
    Buffer.from(ticket === 0 ? [] : [ticket >> 8, ticket]),
    payload
  ])
  const { length } = body
  // A remaining length of three bytes serves every packet; it need not be the shortest.
  const fixed = [0x30 | (dup ? 8 : 0) | (ticket === 0 ? 0 : 2), length | 128, (length >> 7) | 128, length >> 14]
  const run = new Run()
  run.chunk = Buffer.concat([Buffer.from(fixed), body])
  run.end = run.chunk.length
  run.tickets.push(ticket)
  return run
}

export interface Admission {
  /** Copies what it needs before it returns. False when the run was dropped (QoS 0, over budget). */
  admit(source: Source, run: Run): boolean
}

/** Per topic the newest committed value of a batch, in parallel arrays. */
export interface Newest {
  readonly topics: readonly string[]
  readonly timesUs: Float64Array
  readonly payloads: readonly Payload[]
}

/**
 * Canonical JSON; or a number, for the envelope of that number and its time. The envelope is made when it is read: most
 * are replaced unread.
 */
export type Payload = string | number

export const payloadOf = (envelope: Envelope): Payload =>
  typeof envelope.value === 'number' ? envelope.value : encodeEnvelope(envelope)
