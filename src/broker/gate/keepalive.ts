// How long a client may send nothing: until its CONNECT a fixed time, then one and a half times its keepalive (MQTT
// 3.1.1, 3.1.2.10), and a moment to close a connection that the server has ended.

import { closeTimeoutMs, connectTimeoutMs } from '../limits.ts'
import { keepaliveSecondsMax } from './limits.ts'

export class Keepalive {
  readonly #expired: (seconds: number) => void
  #timer: NodeJS.Timeout | undefined
  #limitMs = 0
  /** On the monotonic clock: when the client was heard last. */
  #heardMs = 0
  #openLimitMs = 1_500 * keepaliveSecondsMax

  /** The time runs from now on. `expired` gets its length, and may call `refresh` to start it again. */
  constructor(expired: (seconds: number) => void) {
    this.#expired = expired
    this.#begin(connectTimeoutMs)
  }

  /**
   * Takes over the keepalive from Aedes, which does not see telemetry. 0 and more than the limit count as the limit.
   */
  keepAlive(seconds: number): void {
    this.#openLimitMs = 1_500 * Math.min(seconds || keepaliveSecondsMax, keepaliveSecondsMax)
  }

  /** From now on the keepalive counts. */
  open(): void {
    this.#begin(this.#openLimitMs)
  }

  /** The server has ended the connection: the client has this long to close it. */
  close(): void {
    this.#begin(closeTimeoutMs)
  }

  /**
   * The client was heard, or was not read: its time begins anew. The timer stays as it is, and looks again when it
   * fires: to move it to the end of Node's list with each read would touch two other timers, whose memory is cold.
   */
  refresh(): void {
    this.#heardMs = performance.now()
  }

  forget(): void {
    this.#limitMs = Number.NEGATIVE_INFINITY
    clearTimeout(this.#timer)
  }

  #begin(limitMs: number): void {
    clearTimeout(this.#timer)
    this.#limitMs = limitMs
    this.refresh()
    this.#look()
  }

  #look(): void {
    if (this.#leftMs <= 0) this.#expired(this.#limitMs / 1000)
    if (this.#leftMs > 0) this.#timer = setTimeout(() => this.#look(), this.#leftMs)
  }

  get #leftMs(): number {
    return this.#heardMs + this.#limitMs - performance.now()
  }
}
