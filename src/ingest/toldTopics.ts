// Topics on their way from a worker to the main thread: as numbers, with the text of each topic the first time only. A
// string that crosses threads is a new string for each message, which every map must hash and compare anew.

/** What a worker tells with each batch, in the order of its batches. */
export interface NumberedTopics {
  readonly thread: number
  /** Number of the table in this thread: numbers of topics begin with 0 in each table. */
  readonly table: number
  readonly numbers: Uint32Array
  /** The texts of the topics that are told for the first time: the table's next numbers. */
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

  /** Forgets the tables of threads that have ended. */
  keep(threads: ReadonlySet<number>): void {
    for (const thread of this.#tables.keys()) if (!threads.has(thread)) this.#tables.delete(thread)
  }

  get size(): number {
    return this.#tables.size
  }
}
