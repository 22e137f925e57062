// The bytes that a client has not taken yet. A client that takes nothing for a while, or lets too much pile up, is cut:
// subscribers that do not read, and devices that do not read their acknowledgements.

import type { TLSSocket } from 'node:tls'
import { drainTimeoutMs } from '../limits.ts'
import { slowConsumerBytesMax, unsentWaitBytes } from './limits.ts'

export class Unsent {
  readonly #socket: TLSSocket
  readonly #cut: (found: string) => void
  #timer: NodeJS.Timeout | undefined
  #gathered: Buffer[] = []
  #gatheredBytes = 0
  #flushing: NodeJS.Immediate | undefined
  #isOpen = false
  #isGone = false
  readonly #early: Buffer[] = []
  #earlyBytes = 0
  /** Callbacks that wait for room. */
  #waiting: (() => void)[] = []

  /** `cut` gets what was found. */
  constructor(socket: TLSSocket, cut: (found: string) => void) {
    this.#socket = socket
    this.#cut = cut
  }

  /** Writes, and watches the socket if it does not take everything at once. After the socket's end it does nothing. */
  write(bytes: Buffer): boolean {
    if (this.#socket.writableEnded) return true
    const isTaken = this.#socket.write(bytes)
    if (!isTaken) this.#watch()
    return isTaken
  }

  /**
   * Writes the bytes together with everything else of this turn, for each write is a TLS record and a system call.
   * `done`: there is room for more, or the client is gone.
   */
  gather(bytes: Buffer, done: () => void): void {
    this.#gathered.push(bytes)
    this.#gatheredBytes += bytes.length
    this.#flushing ??= setImmediate(() => this.flush())
    if (this.bytes < unsentWaitBytes || this.flush() || this.#isGone) done()
    else this.#waiting.push(done)
  }

  /** Like `gather`. Before CONNACK, packets wait for it [MQTT-3.2.0-1]. */
  deliver(packet: Buffer, done: () => void): void {
    if (this.#isGone) setImmediate(done)
    else if (this.#isOpen) this.gather(packet, done)
    else {
      this.#early.push(packet)
      this.#earlyBytes += packet.length
      done()
    }
  }

  /** CONNACK is written. */
  open(): void {
    this.#isOpen = true
    this.#earlyBytes = 0
    for (const packet of this.#early.splice(0)) this.deliver(packet, () => {})
  }

  get bytes(): number {
    return this.#socket.writableLength + this.#gatheredBytes + this.#earlyBytes
  }

  /** Writes the gathered bytes. */
  flush(): boolean {
    clearImmediate(this.#flushing)
    this.#flushing = undefined
    const gathered = this.#gathered
    if (gathered.length === 0) return true
    this.#gathered = []
    this.#gatheredBytes = 0
    return this.write(gathered.length === 1 ? gathered[0]! : Buffer.concat(gathered))
  }

  /** Writes the gathered bytes, and ends the socket behind them. */
  end(): void {
    this.flush()
    this.#socket.end()
  }

  /** False when too much is unsent, and the client was cut. `more` bytes wait in front of this. */
  isBearable(more: number): boolean {
    const bytes = this.bytes + more
    if (bytes < slowConsumerBytesMax) return true
    this.#cut(`${bytes} bytes unsent`)
    return false
  }

  /** To be called before the socket is destroyed: the last bytes may be a refusal. */
  forget(): void {
    this.#isGone = true
    if (!this.#socket.destroyed) this.flush()
    clearImmediate(this.#flushing)
    clearTimeout(this.#timer)
    this.#goOn()
  }

  #goOn(): void {
    for (const done of this.#waiting.splice(0)) done()
  }

  #watch(): void {
    if (!this.isBearable(0) || this.#timer !== undefined) return
    this.#timer = setTimeout(() => this.#cut(`nothing taken for ${drainTimeoutMs / 1000} s`), drainTimeoutMs)
    this.#socket.once('drain', () => {
      clearTimeout(this.#timer)
      this.#timer = undefined
      this.#goOn()
    })
  }
}
