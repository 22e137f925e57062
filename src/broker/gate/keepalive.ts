// How long a client may say nothing: the time until its CONNECT, then one and a half of its keepalive (MQTT 3.1.1, 3.1.2.10).

import { closeTimeoutMs, connectTimeoutMs } from '../limits.ts'
import { keepaliveSecondsMax } from './limits.ts'

export class Keepalive {
  readonly #ended: (seconds: number) => void
  #timer: NodeJS.Timeout | undefined
  /** How long it may be, and since when it is. */
  #ms = 0
  #sinceMs = 0
  #openMs = 1_500 * keepaliveSecondsMax

  /** Time runs from now on; `ended` gets how long it was, and may begin it anew. */
  constructor(ended: (seconds: number) => void) {
    this.#ended = ended
    this.#begin(connectTimeoutMs)
  }

  /** Takes over the keepalive from Aedes, which does not see telemetry. 0 and more than the limit count as the limit. */
  keepAlive(seconds: number): void {
    this.#openMs = 1_500 * Math.min(seconds || keepaliveSecondsMax, keepaliveSecondsMax)
  }

  /** From now on the keepalive counts. */
  open(): void {
    this.#begin(this.#openMs)
  }

  /** The connection was ended: the client has the time to close it. */
  close(): void {
    this.#begin(closeTimeoutMs)
  }

  /**
   * It said something, or was not asked: its time begins anew. Of this the timer learns when it runs out: with each read put
   * at the end of the list of all connections' timers, it touched two others, whose memory is cold.
   */
  refresh(): void {
    this.#sinceMs = performance.now()
  }

  forget(): void {
    this.#ms = Number.NEGATIVE_INFINITY
    clearTimeout(this.#timer)
  }

  #begin(ms: number): void {
    clearTimeout(this.#timer)
    this.#ms = ms
    this.refresh()
    this.#look()
  }

  #look(): void {
    if (this.#leftMs <= 0) this.#ended(this.#ms / 1000)
    if (this.#leftMs > 0) this.#timer = setTimeout(() => this.#look(), this.#leftMs)
  }

  get #leftMs(): number {
    return this.#sinceMs + this.#ms - performance.now()
  }
}
