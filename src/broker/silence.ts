// How long a client may say nothing: the time until its CONNECT, then one and a half of its keepalive (MQTT 3.1.1, 3.1.2.10).

import { closeTimeoutMs, connectTimeoutMs, keepaliveSecondsMax } from '../model/limits.ts'

export class Silence {
  readonly #ended: (seconds: number) => void
  #timer: NodeJS.Timeout
  #openMs = 1_500 * keepaliveSecondsMax

  /** Time runs from now on; `ended` gets how long it was. */
  constructor(ended: (seconds: number) => void) {
    this.#ended = ended
    this.#timer = this.#endAfter(connectTimeoutMs)
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

  /** It said something, or was not asked: its time begins anew. */
  refresh(): void {
    this.#timer.refresh()
  }

  forget(): void {
    clearTimeout(this.#timer)
  }

  #begin(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = this.#endAfter(ms)
  }

  #endAfter(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#ended(ms / 1000), ms)
  }
}
