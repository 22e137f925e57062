// A value that is read again when it is asked for and no longer fresh. All callers that wait share one read. When the
// read fails or takes too long, they get the older value.

import { atMost } from '../../../model/atMost.ts'

export interface CachedOptions<Value> {
  readonly read: () => Promise<Value>
  readonly freshMs: number
  /** How long a caller waits for a fresh value when there is an older one. */
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
        // also after a failure, so that not every caller waits for a database that is away
        this.#readMs = performance.now()
        this.#reading = undefined
      })
    return this.#reading
  }
}
