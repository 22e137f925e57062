// The memory that may be held for what is not settled yet: admitted messages, and the buffers of connections that are
// not read. One object for the whole process, shared by the lanes (which take and give bytes) and the gates (which
// ask). Over it nobody is read who has more than his fair share in flight, so whatever clients do, memory stops
// growing. A few small messages are everybody's share: who is modest is always read, and nobody waits for ever.

import { fairShareBytesMin, fairShareMessagesMin, heldConnectionBytes, messageOverheadBytes } from './limits.ts'

export class Budget {
  readonly limitBytes: number
  #messages = 0
  #messageBytes = 0
  #connections = 0
  #held = 0

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  /** So many messages of so many bytes in all were admitted. */
  take(messages: number, bytes: number): void {
    this.#messages += messages
    this.#messageBytes += bytes
  }

  /** So many messages of so many bytes in all are settled, or dropped. */
  give(messages: number, bytes: number): void {
    this.#messages -= messages
    this.#messageBytes -= bytes
  }

  connected(): void {
    this.#connections++
  }

  disconnected(): void {
    this.#connections--
  }

  /** A connection is not read: what its socket has buffered stays in memory. */
  hold(): void {
    this.#held++
  }

  release(): void {
    this.#held--
  }

  get usedBytes(): number {
    return this.#messageBytes + this.#messages * messageOverheadBytes + this.#held * heldConnectionBytes
  }

  get isOver(): boolean {
    return this.usedBytes >= this.limitBytes
  }

  /** Whether a connection with this much in flight may send more. */
  mayRead(messages: number, bytes: number): boolean {
    if (messages === 0 || !this.isOver) return true
    if (messages < fairShareMessagesMin && bytes < fairShareBytesMin) return true
    return bytes < this.limitBytes / this.#connections
  }
}
