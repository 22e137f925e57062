// The memory that may be held for what is not settled yet: admitted messages, and the buffers of connections that are
// not read. One object for the whole process, shared by the lanes (which take and give bytes) and the gates (which
// ask). Over the limit, a connection with more than its fair share in flight is not read: so memory stops growing,
// whatever clients do. A few small messages are always within the share: no modest connection is held, and none waits
// for ever.

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

  /** A connection is not read: the buffers of its socket stay in memory. */
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
