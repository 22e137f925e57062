// Topics on their way from a worker to the main thread: as numbers, with the text of each the first time only. A string
// that crosses threads is a new one for each message, which every map that it comes to must hash and compare anew.

/** What a worker tells, batch after batch and in this order. */
export interface NumberedTopics {
  readonly thread: number
  /** Of this thread: a new one begins with number 0. */
  readonly table: number
  readonly numbers: Uint32Array
  /** The texts of those numbers that it tells for the first time; they go on where the table ended. */
  readonly added: readonly string[]
}

/** What the main thread was told. */
export class ToldTopics {
  readonly #tables = new Map<number, { readonly table: number; readonly texts: string[] }>()

  /** Throws for a number that it was never told. */
  textsOf({ thread, table, numbers, added }: NumberedTopics): string[] {
    let known = this.#tables.get(thread)
    if (known?.table !== table) {
      known = { table, texts: [] }
      this.#tables.set(thread, known)
    }
    const { texts } = known
    for (const text of added) texts.push(text)
    return Array.from(numbers, number => {
      const text = texts[number]
      if (text === undefined) throw new Error(`expected a topic below ${texts.length}, found ${number}`)
      return text
    })
  }

  /** Forgets what threads that have ended told. */
  keep(threads: ReadonlySet<number>): void {
    for (const thread of this.#tables.keys()) if (!threads.has(thread)) this.#tables.delete(thread)
  }

  get size(): number {
    return this.#tables.size
  }
}
