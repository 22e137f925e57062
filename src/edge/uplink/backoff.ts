// How long the edge waits before it connects: so long that ten thousand edges do not all meet a server that comes
// back. The first pause is hashed from the name: a fleet that loses its server in one moment is spread evenly. Later
// pauses are random, below a bound that doubles. It only computes: the caller waits.

import { createHash } from 'node:crypto'
import {
  connectStartDelayMsMax,
  reconnectDelayMsMax,
  reconnectDelayMsMin,
  reconnectDeniedDelayMsMin,
  reconnectLostDelayMsMax
} from './limits.ts'

/** Bounds of the pause in ms; the random pause lies between 0 and a bound that doubles from `min` to `max`. */
export interface ReconnectDelay {
  readonly min: number
  readonly max: number
}

/**
 * How a connection ended. `lost`: after CONNACK 0. `failed`: before it. `denied`: the server refused this very client,
 * and will do so until somebody changes something.
 */
export type Ending = 'lost' | 'failed' | 'denied'

export class Backoff {
  readonly #share: number
  readonly #random: () => number
  readonly #delay: ReconnectDelay
  /** Connections in a row that were not good. */
  #failures = 0

  constructor(
    name: string,
    random: () => number = Math.random,
    delay: ReconnectDelay = { min: reconnectDelayMsMin, max: reconnectDelayMsMax }
  ) {
    this.#share = shareOf(name)
    this.#random = random
    this.#delay = delay
  }

  /**
   * The pause before the first connection: short for an installer who waits, spread for a region whose power is back.
   */
  startMs(): number {
    return Math.floor(this.#share * Math.min(connectStartDelayMsMax, this.#delay.min))
  }

  /** The pause after a connection. */
  nextMs(ending: Ending): number {
    const { min, max } = this.#delay
    const bound = reconnectBoundMs(this.#failures, this.#delay)
    const isFirst = this.#failures === 0
    this.#failures++
    if (ending === 'lost' && isFirst) return Math.floor(this.#share * Math.min(reconnectLostDelayMsMax, max))
    if (ending !== 'denied') return Math.round(this.#random() * bound)
    const floor = Math.min(reconnectDeniedDelayMsMin, max)
    const ceiling = Math.min(max, Math.max(bound, 2 * floor, min))
    return Math.round(floor + this.#random() * (ceiling - floor))
  }

  /** The connection was good. */
  proven(): void {
    this.#failures = 0
  }
}

/** The longest pause after this many failures, in ms. */
export const reconnectBoundMs = (
  failures: number,
  { min, max }: ReconnectDelay = { min: reconnectDelayMsMin, max: reconnectDelayMsMax }
): number => Math.min(max, min * 2 ** Math.min(failures, 30))

/** 0 to 1: always the same for a name, and spread evenly over similar names. */
const shareOf = (name: string): number => createHash('sha256').update(name).digest().readUInt32BE(0) / 2 ** 32
