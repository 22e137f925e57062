// A value that is read anew when it is asked for and no longer fresh. All who ask meanwhile share one reading; when that fails, or
// takes too long, what was known before is as good as it gets.

import { atMost } from '../../../model/atMost.ts'

export interface CachedOptions<Value> {
  readonly read: () => Promise<Value>
  readonly freshMs: number
  /** How long who asks waits for a fresh one when there is an older one. */
  readonly patienceMs: number
}

export class Cached<Value> {
  readonly #options: CachedOptions<Value>
  #known: { readonly value: Value } | undefined
  #readMs = Number.NEGATIVE_INFINITY
  #reading: Promise<Value> | undefined

  constructor(options: CachedOptions<Value>) {
    this.#options = options
  }

  /** Rejects only while there was never a value. */
  async get(): Promise<Value> {
    const { freshMs, patienceMs } = this.#options
    if (this.#known === undefined) return this.#read()
    if (performance.now() - this.#readMs <= freshMs) return this.#known.value
    const reading = this.#read().catch(() => {})
    await atMost(patienceMs, reading)
    return this.#known.value
  }

  #read(): Promise<Value> {
    this.#reading ??= this.#options
      .read()
      .then(value => {
        this.#known = { value }
        return value
      })
      .finally(() => {
        this.#readMs = performance.now() // also when it failed: not everybody waits for what is away
        this.#reading = undefined
      })
    return this.#reading
  }
}
