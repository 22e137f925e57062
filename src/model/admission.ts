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
  settle(messageId: number): void
  /** Called once per settled batch, after its `settle` calls: write what they gathered. */
  acknowledge(): void
}

/**
 * Takes one telemetry message; copies the two ranges of `chunk` before it returns.
 * `messageId` 0 is QoS 0. `dup` is the packet's DUP flag. Returns false when it was dropped (QoS 0, over budget).
 */
export interface Admission {
  admit(
    source: Source,
    messageId: number,
    dup: boolean,
    chunk: Buffer,
    topicAt: number,
    topicLength: number,
    payloadAt: number,
    payloadLength: number
  ): boolean
  /** Bytes admitted and not settled, against the budget: 1 and above is over it. */
  pressure(): number
}

/** What advanced: per topic the newest committed value of a batch, in parallel arrays. */
export interface Newest {
  readonly topics: readonly string[]
  readonly timesUs: Float64Array
  /** Canonical payloads. */
  readonly payloads: readonly string[]
}
