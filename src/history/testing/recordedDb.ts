// A database for unit tests. It returns the answers that the test sets, and records every statement. SQL itself is
// tested on a real PostgreSQL. Tests with this database cover only what the code decides before and after the SQL.

type Rows = readonly unknown[]

export interface AskedStatement {
  /** The statement on one line. */
  readonly text: string
  readonly values: readonly unknown[]
}

/** A part of a statement, and the rows for statements that contain the part. An Error rejects the query. */
export type Answer = readonly [part: string, rows: Rows | Error | ((values: readonly unknown[]) => Rows)]

export class RecordedDb {
  readonly asked: AskedStatement[] = []
  readonly #answers: readonly Answer[]

  /** The first answer whose part occurs in the statement is used. Without such an answer there are no rows. */
  constructor(answers: readonly Answer[] = []) {
    this.#answers = answers
  }

  /** The database as any pg type that the code under test takes. */
  get db(): never {
    return { query: this.query.bind(this) } as never
  }

  /** The recorded statements that contain this part. */
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
