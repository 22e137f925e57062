// How much one identity sends, over all its connections. Above its limits its sockets are read more slowly: nothing is
// lost. Asked once per read, not per message; the clock is given.

import { rateBurstMs } from './limits.ts'

export interface RateLimits {
  readonly messagesPerSecond: number
  readonly bytesPerSecond: number
}

export class Rate {
  readonly #msPerMessage: number
  readonly #msPerByte: number
  /** Until when what was sent would have been allowed at an even pace. */
  #messagesUntilMs = Number.NEGATIVE_INFINITY
  #bytesUntilMs = Number.NEGATIVE_INFINITY

  constructor({ messagesPerSecond, bytesPerSecond }: RateLimits) {
    this.#msPerMessage = 1000 / messagesPerSecond
    this.#msPerByte = 1000 / bytesPerSecond
  }

  /** So much was read; returns for how many ms nothing more may be, none when not positive. */
  spend(messages: number, bytes: number, nowMs: number): number {
    this.#messagesUntilMs = Math.max(this.#messagesUntilMs, nowMs) + messages * this.#msPerMessage
    this.#bytesUntilMs = Math.max(this.#bytesUntilMs, nowMs) + bytes * this.#msPerByte
    return this.#untilMs - nowMs - rateBurstMs
  }

  /** In how many ms nothing of what was sent counts any more. */
  restsInMs(nowMs: number): number {
    return Math.max(0, this.#untilMs - nowMs)
  }

  get #untilMs(): number {
    return Math.max(this.#messagesUntilMs, this.#bytesUntilMs)
  }
}
