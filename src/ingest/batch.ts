// A batch: the messages of one lane between admission and settlement, packed into one preallocated buffer.
// The main thread appends bytes and remembers whom to answer in parallel arrays, no object per message;
// the worker unpacks. Nothing here looks at a payload.
//
// Record: u16 topic length, u16 payload length, u16 number of the identity, u8 flags, u8 zero, topic, payload (little endian).

import { type Source, Telemetry } from '../model/admission.ts'
import { batchBytesMax, batchMessagesMax, packetBytesMax } from '../model/limits.ts'

const headerBytes = 8
const recordBytesMax = headerBytes + packetBytesMax
const dupFlag = 1

export class Batch {
  /** Survives retries: `rejected_messages` is keyed by it. */
  id = ''
  sealedAtMs = 0
  used = 0
  readonly identities: string[] = []
  /** How many messages each of them sent. */
  readonly counts: number[] = []
  /** Whom to answer, and with which ticket, per message. */
  readonly sources: Source[] = []
  readonly tickets: number[] = []
  readonly #bytes = Buffer.from(new ArrayBuffer(batchBytesMax))
  readonly #numbers = new Map<string, number>()
  #lastIdentity = ''
  #lastNumber = 0

  get count(): number {
    return this.tickets.length
  }

  /** True when one more record of the largest size might not fit, or the count is reached. */
  get full(): boolean {
    return this.used > batchBytesMax - recordBytesMax || this.tickets.length >= batchMessagesMax
  }

  /** Copies topic and payload; returns the bytes of the record. Call only while not full. */
  add(source: Source, { ticket, dup, chunk, topicAt, topicEnd, payloadAt, payloadEnd }: Telemetry): number {
    const bytes = this.#bytes
    const topicLength = topicEnd - topicAt
    const payloadLength = payloadEnd - payloadAt
    const number = this.#numberOf(source.identity.name)
    let at = this.used
    bytes[at++] = topicLength
    bytes[at++] = topicLength >> 8
    bytes[at++] = payloadLength
    bytes[at++] = payloadLength >> 8
    bytes[at++] = number
    bytes[at++] = number >> 8
    bytes[at++] = dup ? dupFlag : 0
    bytes[at++] = 0
    at += chunk.copy(bytes, at, topicAt, topicEnd)
    at += chunk.copy(bytes, at, payloadAt, payloadEnd)
    const added = at - this.used
    this.used = at
    this.counts[number]!++
    this.sources.push(source)
    this.tickets.push(ticket)
    return added
  }

  /** The packed bytes as an own copy to transfer: the batch keeps its own until it is settled, a worker may die. */
  pack(): ArrayBuffer {
    return this.#bytes.buffer.slice(0, this.used) as ArrayBuffer
  }

  /** Calls `visit` for the messages that `isWanted`, in admission order, as they were admitted. */
  each(isWanted: (index: number) => boolean, visit: (source: Source, telemetry: Telemetry) => void): void {
    const telemetry = new Telemetry()
    telemetry.chunk = this.#bytes
    for (let at = 0, index = 0; at < this.used; index++, at = telemetry.payloadEnd) {
      telemetry.topicAt = at + headerBytes
      telemetry.topicEnd = telemetry.payloadAt = telemetry.topicAt + this.#bytes.readUInt16LE(at)
      telemetry.payloadEnd = telemetry.payloadAt + this.#bytes.readUInt16LE(at + 2)
      telemetry.dup = (this.#bytes[at + 6]! & dupFlag) !== 0
      telemetry.ticket = this.tickets[index]!
      if (isWanted(index)) visit(this.sources[index]!, telemetry)
    }
  }

  /** Ready to be filled again. */
  clear(): void {
    this.id = ''
    this.used = 0
    this.identities.length = 0
    this.counts.length = 0
    this.sources.length = 0
    this.tickets.length = 0
    this.#numbers.clear()
    this.#lastIdentity = ''
  }

  #numberOf(identity: string): number {
    if (identity === this.#lastIdentity) return this.#lastNumber
    let number = this.#numbers.get(identity)
    if (number === undefined) {
      number = this.identities.push(identity) - 1
      this.counts.push(0)
      this.#numbers.set(identity, number)
    }
    this.#lastIdentity = identity
    this.#lastNumber = number
    return number
  }
}

/** Walks over the records of a packed batch in admission order, without an object per record. */
export class Records {
  readonly bytes: Buffer
  /** The same memory. */
  readonly view: DataView
  index = -1
  topicAt = 0
  /** Where the payload begins. */
  topicEnd = 0
  end = 0

  constructor(packed: ArrayBuffer) {
    this.bytes = Buffer.from(packed)
    this.view = new DataView(packed)
  }

  /** False after the last record. */
  next(): boolean {
    const { bytes, end } = this
    if (end >= bytes.length) return false
    this.index++
    this.topicAt = end + headerBytes
    this.topicEnd = this.topicAt + bytes[end]! + (bytes[end + 1]! << 8)
    this.end = this.topicEnd + bytes[end + 2]! + (bytes[end + 3]! << 8)
    return true
  }

  get identity(): number {
    return this.bytes.readUInt16LE(this.topicAt - headerBytes + 4)
  }

  get dup(): boolean {
    return (this.bytes[this.topicAt - headerBytes + 6]! & dupFlag) !== 0
  }

  /** Topics that are admitted are ASCII: the names' patterns say so. */
  get topic(): string {
    return this.bytes.toString('latin1', this.topicAt, this.topicEnd)
  }

  /** A view of the packed bytes. */
  get payload(): Buffer {
    return this.bytes.subarray(this.topicEnd, this.end)
  }
}
