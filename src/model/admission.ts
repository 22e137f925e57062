// What the broker and the ingest path say to each other: who sent a message, and what became of it.
// The broker is given `admit`; it does not know the lanes behind it. An admitted message is settled exactly once.

/** Roles by certificate OU. */
export const roles = ['edge', 'consumer', 'operator'] as const
export type Role = (typeof roles)[number]

/** Who is at the other end, from the client certificate alone. */
export interface Identity {
  /** The one CN. */
  readonly name: string
  readonly role: Role
  /** The chargers that this identity reads and, as an edge, writes; undefined = all (consumer without a list, operator). */
  readonly chargers: readonly string[] | undefined
  readonly issuer: string
  /** Upper-case hex. */
  readonly serial: string
  readonly validToMs: number
}

/** A connection as the ingest path sees it. */
export interface Source {
  readonly identity: Identity
  /** The message is stored or rejected: answer it. Called once per message, in admission order. */
  settle(ticket: number): void
  /** Called once per settled batch, after its `settle` calls: write what they gathered. */
  acknowledge(): void
}

/**
 * One telemetry message as it lies in a chunk. The sender reuses the object and the chunk: who keeps something copies it.
 * The ticket is what `settle` gets back; 0 is QoS 0, which nobody waits for.
 */
export class Telemetry {
  ticket = 0
  /** The packet's DUP flag: it may be stored already. */
  dup = false
  chunk: Buffer = Buffer.alloc(0)
  topicAt = 0
  topicEnd = 0
  payloadAt = 0
  payloadEnd = 0
}

export interface Admission {
  /** Copies what it needs before it returns. False when the message was dropped (QoS 0, over budget). */
  admit(source: Source, telemetry: Telemetry): boolean
}

/** What advanced: per topic the newest committed value of a batch, in parallel arrays. */
export interface Newest {
  readonly topics: readonly string[]
  readonly timesUs: Float64Array
  /** Canonical payloads. */
  readonly payloads: readonly string[]
}
