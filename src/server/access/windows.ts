// Counters by key within a window of time: attempts by address, events of one kind. Their number is bounded, because
// strangers could fill the memory otherwise.

export class Windows<T> {
  readonly #windowMs: number
  readonly #keysMax: number
  /** In the order in which the windows began. */
  readonly #entries = new Map<string, { readonly sinceMs: number; readonly value: T }>()

  constructor(windowMs: number, keysMax: number) {
    this.#windowMs = windowMs
    this.#keysMax = keysMax
  }

  /**
   * The value of the key's window, made anew when the last window has ended. Undefined for a new key when there are too
   * many keys.
   */
  at(key: string, nowMs: number, make: () => T): T | undefined {
    this.#forgetEnded(nowMs)
    const known = this.#entries.get(key)
    if (known !== undefined) return known.value
    if (this.#entries.size >= this.#keysMax) return undefined
    const value = make()
    this.#entries.set(key, { sinceMs: nowMs, value })
    return value
  }

  #forgetEnded(nowMs: number): void {
    for (const [key, { sinceMs }] of this.#entries) {
      if (nowMs - sinceMs < this.#windowMs) return
      this.#entries.delete(key)
    }
  }
}
