// The unacknowledged messages of one identity, over all its connections. Above the limit its sockets are not read;
// below half of it they are again. Nobody within the window is ever held by it.

import { windowMessagesMax } from '../model/limits.ts'

export interface Held {
  /** Reads again. */
  release(): void
}

export class Window {
  #inFlight = 0
  readonly #held = new Set<Held>()

  get exceeded(): boolean {
    return this.#inFlight > windowMessagesMax
  }

  enter(): void {
    this.#inFlight++
  }

  leave(): void {
    this.#inFlight--
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
}
