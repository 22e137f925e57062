// The bytes of a connection that were read and not consumed. A frame that comes in many small pieces is gathered in one
// growing buffer, so that its cost stays linear; and memory grows with what has come, not with what was announced.

export class Rest {
  #bytes: Buffer = none
  #length = 0
  /** How many bytes the incomplete frame still lacks; 0 = not known, or there is none. */
  #lacking = 0

  get isEmpty(): boolean {
    return this.#length === 0
  }

  /** Whether the frame is still incomplete with this chunk. */
  lacksMoreThan(chunk: Buffer): boolean {
    return this.#lacking > chunk.length
  }

  /** The chunk is copied: a kept slice would pin its whole read chunk. */
  add(chunk: Buffer): void {
    const length = this.#length + chunk.length
    if (length > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#length))
      this.#bytes.copy(grown, 0, 0, this.#length)
      this.#bytes = grown
    }
    chunk.copy(this.#bytes, this.#length)
    this.#length = length
    this.#lacking = Math.max(0, this.#lacking - chunk.length)
  }

  /** Everything that is kept, with the chunk behind it; then nothing is kept. */
  drainWith(chunk: Buffer): Buffer {
    if (this.isEmpty) return chunk
    return Buffer.concat([this.drain(), chunk])
  }

  drain(): Buffer {
    const bytes = this.#bytes.subarray(0, this.#length)
    this.clear()
    return bytes
  }

  /** Keeps these bytes alone. The frame that they begin lacks `lacking` bytes; not positive = not known. */
  keep(bytes: Buffer, lacking: number): void {
    this.clear()
    this.add(bytes)
    this.#lacking = Math.max(0, lacking)
  }

  clear(): void {
    this.#bytes = none
    this.#length = 0
    this.#lacking = 0
  }
}

const none = Buffer.alloc(0)
