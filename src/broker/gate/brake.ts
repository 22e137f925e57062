// The brake of one connection: while anything holds it, its socket is not read. Each reason is one bit, so that a brake
// allocates nothing. A connection that is held counts in the budget, for its socket's buffers stay in memory; one that
// waits for our own answer, or for Aedes, does not.

import type { TLSSocket } from 'node:tls'
import type { Budget } from '../../model/server/budget.ts'

/** The identity has too many messages in flight. */
export const overWindow = 1
/** The memory budget is used up, and the connection has more than its share of it. */
export const overBudget = 2
/** The identity sends faster than it may. */
export const overRate = 4
/** A frame must wait until everything in flight is acknowledged. */
export const awaitsAcks = 8
/** The frames behind CONNECT wait for CONNACK. */
export const awaitsConnack = 16
/** Aedes has not taken yet what was pushed. */
export const awaitsAedes = 32
/** The server reads no more. Nothing releases it. */
export const stopped = 64

/** The reasons for which no further frame may be looked at, not even one that has been read already. */
const frameReasons = awaitsAcks | awaitsConnack | awaitsAedes
const countedReasons = overWindow | overBudget | overRate | awaitsAcks

export class Brake {
  readonly #socket: TLSSocket
  readonly #budget: Budget
  readonly #resumed: () => void
  #reasons = 0
  #isCounted = false
  /** The socket is read to its end, or gone: no reason counts any more. */
  #isOff = false
  #timer: NodeJS.Timeout | undefined

  /** `resumed` is called when the last reason has gone and the socket is read again. */
  constructor(socket: TLSSocket, budget: Budget, resumed: () => void) {
    this.#socket = socket
    this.#budget = budget
    this.#resumed = resumed
  }

  get isHeld(): boolean {
    return this.#reasons !== 0
  }

  get holdsFrames(): boolean {
    return (this.#reasons & frameReasons) !== 0
  }

  isHeldBy(reason: number): boolean {
    return (this.#reasons & reason) !== 0
  }

  hold(reason: number): void {
    if (this.#isOff) return
    if (this.#reasons === 0) this.#socket.pause()
    this.#reasons |= reason
    this.#count()
  }

  holdFor(reason: number, ms: number): void {
    if (this.#isOff) return
    this.hold(reason)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.release(reason), ms)
  }

  release(reason: number): void {
    if (this.#isOff || (this.#reasons & reason) === 0) return
    this.#reasons &= ~reason
    this.#count()
    if (this.#reasons !== 0) return
    this.#socket.resume()
    this.#resumed()
  }

  /** Reads on, whatever held: the caller throws away what comes now. */
  letGo(): void {
    this.#reasons |= stopped
    this.#isOff = true
    this.#socket.resume()
  }

  /** The socket is gone: the connection counts no more. */
  forget(): void {
    this.#isOff = true
    clearTimeout(this.#timer)
    if (this.#isCounted) this.#budget.release()
    this.#isCounted = false
  }

  #count(): void {
    const isCounted = (this.#reasons & countedReasons) !== 0
    if (isCounted === this.#isCounted) return
    this.#isCounted = isCounted
    isCounted ? this.#budget.hold() : this.#budget.release()
  }
}
