// How much one identity sends, over all its connections. Above its limits its sockets are read more slowly: nothing is
// lost. Asked once per read, not per message; the caller gives the time.

import { rateBurstMs } from './limits.ts'

export interface RateLimits {
  readonly messagesPerSecond: number
  readonly bytesPerSecond: number
}

export class Rate {
  readonly #msPerMessage: number
  readonly #msPerByte: number
  /** When an even pace would have reached the number of messages that were sent; the same for bytes. */
  #messagesUntilMs = Number.NEGATIVE_INFINITY
  #bytesUntilMs = Number.NEGATIVE_INFINITY

  constructor({ messagesPerSecond, bytesPerSecond }: RateLimits) {
    this.#msPerMessage = 1000 / messagesPerSecond
    this.#msPerByte = 1000 / bytesPerSecond
  }

  /** Counts what was read. Returns for how many ms nothing more may be read; not positive = no pause. */
  spend(messages: number, bytes: number, nowMs: number): number {
    this.#messagesUntilMs = Math.max(this.#messagesUntilMs, nowMs) + messages * this.#msPerMessage
    this.#bytesUntilMs = Math.max(this.#bytesUntilMs, nowMs) + bytes * this.#msPerByte
    return this.#untilMs - nowMs - rateBurstMs
  }

  /** In how many ms everything that was sent is forgiven. */
  restsInMs(nowMs: number): number {
    return Math.max(0, this.#untilMs - nowMs)
  }

  get #untilMs(): number {
    return Math.max(this.#messagesUntilMs, this.#bytesUntilMs)
  }
}
