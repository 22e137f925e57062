// What is counted by key within a window of time: attempts by address, events of one kind. Bounded: when there are too many
// keys at once, the rest share one, so that nothing is uncounted and no memory grows with the number of strangers.

export class Windows<T> {
  readonly #windowMs: number
  readonly #keysMax: number
  /** In the order of their beginning. */
  readonly #entries = new Map<string, { readonly sinceMs: number; readonly value: T }>()

  constructor(windowMs: number, keysMax: number) {
    this.#windowMs = windowMs
    this.#keysMax = keysMax
  }

  /** The value of the key's window; made anew when the last one has ended. `make` is told whether others share it. */
  at(key: string, nowMs: number, make: (isShared: boolean) => T): T {
    this.#forgetEnded(nowMs)
    const isShared = !this.#entries.has(key) && this.#entries.size >= this.#keysMax
    const entryKey = isShared ? sharedKey : key
    const known = this.#entries.get(entryKey)
    if (known !== undefined) return known.value
    const value = make(isShared)
    this.#entries.set(entryKey, { sinceMs: nowMs, value })
    return value
  }

  #forgetEnded(nowMs: number): void {
    for (const [key, { sinceMs }] of this.#entries) {
      if (nowMs - sinceMs < this.#windowMs) return
      this.#entries.delete(key)
    }
  }
}

const sharedKey = ''
