// A batch: the messages of one lane between admission and settlement, packed into one preallocated buffer. The main
// thread copies whole runs of packets as they came. Parallel arrays hold the sources and tickets for the answers,
// without an object per message. The worker parses the packets. This file never looks at a payload.
//
// A packed run: u32 bytes of its packets, u32 number of the identity (little endian), then PUBLISH packets (MQTT 3.1.1,
// 3.3).

import { Run, type Source } from '../model/server/admission.ts'
import { batchBytesMax, batchMessagesMax, runBytesMax } from './limits.ts'
import { late } from './outcome.ts'

const headerBytes = 8

export class Batch {
  /** The id survives retries, because it is the key in `rejected_messages`. */
  id = ''
  sealedAtMs = 0
  used = 0
  readonly identities: string[] = []
  /** The number of messages from each identity. */
  readonly counts: number[] = []
  /** The data for the answers: per message the ticket, per run the source and the end of its tickets. */
  readonly tickets: number[] = []
  readonly sources: Source[] = []
  readonly ends: number[] = []
  /** Per run, the time of its admission in ms, by the clock that never steps. */
  readonly admittedMs: number[] = []
  readonly #bytes = Buffer.from(new ArrayBuffer(batchBytesMax))
  readonly #view = new DataView(this.#bytes.buffer)
  readonly #numbers = new Map<string, number>()
  #lastIdentity = ''
  #lastNumber = 0

  get count(): number {
    return this.tickets.length
  }

  /** True when one more run of the largest size might not fit, or when the message count is reached. */
  get full(): boolean {
    return this.used > batchBytesMax - headerBytes - runBytesMax || this.tickets.length >= batchMessagesMax
  }

  /** Copies the packets, and returns the number of bytes that they take. Call this only while the batch is not full. */
  add(source: Source, { chunk, from, end, tickets }: Run): number {
    const bytes = this.#bytes
    const length = end - from
    const number = this.#numberOf(source.identity.name)
    const at = this.used
    this.#view.setUint32(at, length, true)
    this.#view.setUint32(at + 4, number, true)
    chunk.copy(bytes, at + headerBytes, from, end)
    this.used = at + headerBytes + length
    this.counts[number]! += tickets.length
    for (let i = 0; i < tickets.length; i++) this.tickets.push(tickets[i]!)
    this.sources.push(source)
    this.ends.push(this.tickets.length)
    this.admittedMs.push(performance.now())
    return headerBytes + length
  }

  /**
   * A copy of the packed bytes for the transfer. The batch keeps its bytes until it is settled, because a worker may
   * die.
   */
  pack(): ArrayBuffer {
    return this.#bytes.buffer.slice(0, this.used) as ArrayBuffer
  }

  /** Calls `visit` for each message that `isWanted`, in admission order. Each message is a run of its own. */
  each(isWanted: (index: number) => boolean, visit: (source: Source, run: Run) => void): void {
    const run = new Run()
    const records = new Records(this.#bytes.buffer as ArrayBuffer, this.used)
    for (let place = 0; records.next(); ) {
      const { index, packetAt, end } = records
      while (index >= this.ends[place]!) place++
      if (!isWanted(index)) continue
      run.chunk = this.#bytes
      run.from = packetAt
      run.end = end
      run.tickets[0] = this.tickets[index]!
      visit(this.sources[place]!, run)
    }
  }

  /**
   * Calls `visit` for each run, with the seconds since its admission and the number of its messages. Messages with the
   * outcome `late` are left out. They wait in another batch, which counts from its own admission.
   */
  eachWait(nowMs: number, outcomes: Uint8Array, visit: (seconds: number, messages: number) => void): void {
    const hasLate = outcomes.includes(late)
    let from = 0
    for (const [i, end] of this.ends.entries()) {
      const lates = hasLate ? outcomes.subarray(from, end).filter(outcome => outcome === late).length : 0
      if (end - from > lates) visit((nowMs - this.admittedMs[i]!) / 1000, end - from - lates)
      from = end
    }
  }

  /** Empties the batch, so that it can be filled again. */
  clear(): void {
    this.id = ''
    this.used = 0
    this.identities.length = 0
    this.counts.length = 0
    this.tickets.length = 0
    this.sources.length = 0
    this.ends.length = 0
    this.admittedMs.length = 0
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

/** Walks over the messages of a packed batch in admission order, without an object per message. */
export class Records {
  readonly bytes: Buffer
  /** A view of the same memory. */
  readonly view: DataView
  index = -1
  /** The number of the identity that sent the message. */
  identity = 0
  dup = false
  packetAt = 0
  topicAt = 0
  topicEnd = 0
  payloadAt = 0
  /** The end of the payload and of the packet. */
  end = 0
  #runEnd = 0

  constructor(packed: ArrayBuffer, length = packed.byteLength) {
    this.bytes = Buffer.from(packed, 0, length)
    this.view = new DataView(packed)
  }

  /** Moves to the next message. False after the last message. */
  next(): boolean {
    const { bytes } = this
    if (this.end === this.#runEnd && !this.#nextRun()) return false
    const at = this.end
    const first = bytes[at]!
    let position = at + 1
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[position++]!
      length |= (byte & 127) << shift
      if (byte < 128) break
    }
    this.index++
    this.dup = (first & 8) !== 0
    this.packetAt = at
    this.end = position + length
    this.topicAt = position + 2
    this.topicEnd = this.topicAt + (bytes[position]! << 8) + bytes[position + 1]!
    this.payloadAt = (first & 6) === 0 ? this.topicEnd : this.topicEnd + 2 // QoS 0 has no message id
    return true
  }

  #nextRun(): boolean {
    const at = this.end
    if (at >= this.bytes.length) return false
    this.identity = this.view.getUint32(at + 4, true)
    this.end = at + headerBytes
    this.#runEnd = this.end + this.view.getUint32(at, true)
    return true
  }

  /** Admitted topics are ASCII, because the patterns of the names allow nothing else. */
  get topic(): string {
    return this.bytes.toString('latin1', this.topicAt, this.topicEnd)
  }

  /** A view of the packed bytes. */
  get payload(): Buffer {
    return this.bytes.subarray(this.payloadAt, this.end)
  }
}
