// Writes the newest entry of each key to the database behind the work: coalesced, one write at a time. A failed write
// costs only freshness: its entries go with the next write.

const writeRowsMax = 5_000

export interface WriteBehindOptions<Entry> {
  readonly intervalMs: number
  /**
   * Slow writes come less often: they take a twentieth of the time at most, but come at least this often. Default:
   * `intervalMs`.
   */
  readonly intervalMaxMs?: number
  /** Stores some of the entries. */
  readonly write: (entries: readonly [key: string, entry: Entry][]) => Promise<void>
  /** Called once, until a write succeeds again. */
  readonly failed: (error: Error) => void
  /** For tests. Default: the monotonic clock. */
  readonly now?: () => number
}

export class WriteBehind<Entry> {
  readonly #options: WriteBehindOptions<Entry>
  readonly #dirty = new Map<string, Entry>()
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  #isFailing = false
  #pauseMs: number

  constructor(options: WriteBehindOptions<Entry>) {
    this.#options = options
    this.#pauseMs = options.intervalMs
  }

  note(key: string, entry: Entry): void {
    this.#dirty.set(key, entry)
    // A pending write does not keep the process alive: a stop calls `close`.
    this.#timer ??= setTimeout(() => this.#write(), this.#pauseMs).unref()
  }

  /** How many entries wait. */
  get size(): number {
    return this.#dirty.size
  }

  /** Writes the entries that wait, then ends. */
  async close(): Promise<void> {
    this.#write()
    await this.#writing
    clearTimeout(this.#timer)
  }

  #write(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#writing = this.#writing.then(() => this.#writeAll())
  }

  async #writeAll(): Promise<void> {
    const { intervalMs, intervalMaxMs = intervalMs, now = () => performance.now() } = this.#options
    const startedMs = now()
    const entries = [...this.#dirty]
    this.#dirty.clear()
    for (let at = 0; at < entries.length; at += writeRowsMax) {
      const part = entries.slice(at, at + writeRowsMax)
      try {
        await this.#options.write(part)
        this.#isFailing = false
      } catch (error) {
        if (!this.#isFailing) this.#options.failed(error as Error)
        this.#isFailing = true
        for (const [key, entry] of part) if (!this.#dirty.has(key)) this.note(key, entry)
      }
    }
    this.#pauseMs = Math.min(intervalMaxMs, Math.max(intervalMs, 20 * (now() - startedMs)))
  }
}
