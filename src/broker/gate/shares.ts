// The window of messages in flight and the rate, which all connections of an identity share.

import { Rate, type RateLimits } from './rate.ts'
import { Window } from './window.ts'

export interface Share {
  readonly window: Window
  readonly rate: Rate
}

export class Shares {
  readonly #limits: RateLimits
  readonly #shares = new Map<string, Share>()

  constructor(limits: RateLimits) {
    this.#limits = limits
  }

  /** Kept until neither window nor rate count any more: a reconnect neither empties a window nor renews a rate. */
  of(identity: string): Share {
    let share = this.#shares.get(identity)
    if (share === undefined) {
      const rate = new Rate(this.#limits)
      const window = new Window(() => {
        const forget = (): void => {
          if (window.isUnused && this.#shares.get(identity)?.window === window) this.#shares.delete(identity)
        }
        setTimeout(forget, rate.restsInMs(performance.now())).unref()
      })
      share = { window, rate }
      this.#shares.set(identity, share)
    }
    return share
  }
}
