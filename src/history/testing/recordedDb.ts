// A database for unit tests: it answers what the test tells it to, and keeps every statement that it was asked. SQL
// itself is tested on a real PostgreSQL; here only what the code decides before and after it.

type Rows = readonly unknown[]

export interface AskedStatement {
  /** In one line. */
  readonly text: string
  readonly values: readonly unknown[]
}

/** Part of a statement, and its rows; an Error rejects. */
export type Answer = readonly [part: string, rows: Rows | Error | ((values: readonly unknown[]) => Rows)]

export class RecordedDb {
  readonly asked: AskedStatement[] = []
  readonly #answers: readonly Answer[]

  /** The first answer whose part is in the statement; without one there are no rows. */
  constructor(answers: readonly Answer[] = []) {
    this.#answers = answers
  }

  /** As whatever of pg the code under test takes. */
  get db(): never {
    return { query: this.query.bind(this) } as never
  }

  /** The statements that hold this part. */
  of(part: string): readonly AskedStatement[] {
    return this.asked.filter(({ text }) => text.includes(part))
  }

  async query(query: string | { text: string; values?: unknown[] }, given?: unknown[]): Promise<object> {
    const { text, values = given ?? [] } = typeof query === 'string' ? { text: query } : query
    this.asked.push({ text: text.replaceAll(/\s+/g, ' ').trim(), values })
    const found = this.#answers.find(([part]) => text.includes(part))?.[1] ?? []
    if (found instanceof Error) throw found
    const rows = typeof found === 'function' ? found(values) : found
    return { rows, rowCount: rows.length }
  }
}
