// The unacknowledged messages of one identity, over all its connections. Above the limit its sockets are not read;
// below half of the limit they are read again. An identity within its window is never held by it.

import { windowMessagesMax } from './limits.ts'

export interface Held {
  /** Reads again. */
  release(): void
}

export class Window {
  #inFlight = 0
  #connections = 0
  readonly #unused: () => void
  readonly #held = new Set<Held>()

  /** `unused`: no connection is left and nothing is in flight. Until then a reconnect finds its messages in flight. */
  constructor(unused: () => void = () => {}) {
    this.#unused = unused
  }

  get exceeded(): boolean {
    return this.#inFlight > windowMessagesMax
  }

  join(): void {
    this.#connections++
  }

  part(): void {
    this.#connections--
    this.#reportIfUnused()
  }

  enter(messages: number): void {
    this.#inFlight += messages
  }

  leave(messages: number): void {
    this.#inFlight -= messages
    this.#reportIfUnused()
  }

  hold(connection: Held): void {
    this.#held.add(connection)
  }

  /** To be called after messages have left. */
  releaseIfBelow(): void {
    if (this.#held.size === 0 || this.#inFlight > windowMessagesMax / 2) return
    const held = [...this.#held]
    this.#held.clear()
    for (const connection of held) connection.release()
  }

  forget(connection: Held): void {
    this.#held.delete(connection)
  }

  get isUnused(): boolean {
    return this.#connections === 0 && this.#inFlight === 0
  }

  #reportIfUnused(): void {
    if (this.isUnused) this.#unused()
  }
}
