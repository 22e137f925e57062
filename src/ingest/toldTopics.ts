// Topics on their way from a worker to the main thread. They are sent as numbers, and the text of each topic is sent
// only the first time. A string that crosses threads is a new string for each message, and every map must hash and
// compare it again.

/** The topics that a worker sends with each batch, in the order of its batches. */
export interface NumberedTopics {
  readonly thread: number
  /** The number of the table in this thread. In each table, the numbers of topics begin with 0. */
  readonly table: number
  readonly numbers: Uint32Array
  /** The texts of the topics that are sent for the first time. They get the next numbers of the table. */
  readonly added: readonly string[]
}

/** The topics that the main thread has received. */
export class ToldTopics {
  readonly #tables = new Map<number, { readonly table: number; readonly texts: string[] }>()

  /** Throws for a number that was never received. */
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
