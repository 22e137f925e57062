// What a client has not taken yet. One that takes nothing for a while, or lets too much pile up, is cut: subscribers that do
// not read, and devices that do not read their acknowledgements.

import type { TLSSocket } from 'node:tls'
import { drainTimeoutMs, slowConsumerBytesMax } from '../model/limits.ts'

export class Unsent {
  readonly #socket: TLSSocket
  readonly #cut: (found: string) => void
  #timer: NodeJS.Timeout | undefined

  /** `cut` gets what was found. */
  constructor(socket: TLSSocket, cut: (found: string) => void) {
    this.#socket = socket
    this.#cut = cut
  }

  /** Writes; what the socket does not take at once is watched. After its end there is nobody to write to. */
  write(bytes: Buffer): boolean {
    if (this.#socket.writableEnded) return true
    const isTaken = this.#socket.write(bytes)
    if (!isTaken) this.#watch()
    return isTaken
  }

  /** False when there is too much, and the client was cut; `more` waits in front of the socket. */
  isBearable(more: number): boolean {
    const bytes = this.#socket.writableLength + more
    if (bytes < slowConsumerBytesMax) return true
    this.#cut(`${bytes} bytes unsent`)
    return false
  }

  forget(): void {
    clearTimeout(this.#timer)
  }

  #watch(): void {
    if (!this.isBearable(0) || this.#timer !== undefined) return
    this.#timer = setTimeout(() => this.#cut(`nothing taken for ${drainTimeoutMs / 1000} s`), drainTimeoutMs)
    this.#socket.once('drain', () => {
      clearTimeout(this.#timer)
      this.#timer = undefined
    })
  }
}
