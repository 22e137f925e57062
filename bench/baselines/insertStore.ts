// Stores messages as the tutorial does: each message becomes a row, by INSERT, over a few connections. A statement
// stores one message, or up to a thousand messages. Messages wait in memory until they are stored, and the sender gets
// no report of the storing.

import pg from 'pg'
import { columns } from '../load/columns.ts'
import type { Database } from '../rig/database.ts'
import type { StoredShape } from '../rig/verify.ts'

export interface InsertOptions {
  readonly databaseUrl: string
  /** The most rows in one statement. */
  readonly rows: number
}

/** Creates the tutorial's table `ev_readings`, plus a column for the charger's name, which the tutorial forgot. */
export async function createTutorialTable(database: Database): Promise<void> {
  const types = columns.map(({ column, scale }) => `${column} ${scale === undefined ? 'text' : 'double precision'}`)
  await database.query(
    `CREATE TABLE ev_readings (time timestamptz NOT NULL, charger text NOT NULL, ${types.join(', ')})`
  )
  const { rows } = await database.query("SELECT FROM pg_extension WHERE extname = 'timescaledb'")
  if (rows.length > 0) await database.query("SELECT create_hypertable('ev_readings', 'time')")
  else await database.query('CREATE INDEX ON ev_readings (time DESC)') // a hypertable has this index, too
}

export const tutorialShape: StoredShape = { from: 'ev_readings r', charger: 'r.charger', row: 'message' }

interface Message {
  readonly charger: string
  readonly column: string
  readonly time: string
  readonly value: number | string
}

const connectionCount = 4
const columnOf = new Map(columns.map(({ valueName, column }) => [valueName, column]))
const width = 2 + columns.length

export class InsertStore {
  stored = 0
  readonly #options: InsertOptions
  readonly #queue: Message[] = []
  #head = 0
  readonly #idle: (() => void)[] = []
  #failed: (error: Error) => void = () => {}
  /** Rejects when a statement fails. */
  readonly failure = new Promise<never>((_, reject) => {
    this.#failed = reject
  })

  private constructor(options: InsertOptions) {
    this.#options = options
  }

  static async open(options: InsertOptions): Promise<InsertStore> {
    const store = new InsertStore(options)
    store.failure.catch(() => {})
    for (let i = 0; i < connectionCount; i++) {
      const client = new pg.Client({ connectionString: options.databaseUrl })
      await client.connect()
      client.on('error', error => store.#failed(error))
      store.#work(client).catch(error => store.#failed(error))
    }
    return store
  }

  /** Queues one MQTT message for storing. The arguments are the message's topic and payload as received. */
  take(topic: string, payload: Buffer): void {
    const [, charger, name] = topic.split('/')
    const { SamplingTime, Value } = JSON.parse(payload.toString()) as { SamplingTime: string; Value: number | string }
    this.#queue.push({ charger: charger!, column: columnOf.get(name!)!, time: SamplingTime, value: Value })
    this.#idle.pop()?.()
  }

  async #work(client: pg.Client): Promise<never> {
    for (;;) {
      const batch = this.#next()
      if (batch.length === 0) await new Promise<void>(resolve => this.#idle.push(resolve))
      else {
        await (this.#options.rows === 1 ? insertOne(client, batch[0]!) : insertMany(client, batch))
        this.stored += batch.length
      }
    }
  }

  #next(): Message[] {
    const batch = this.#queue.slice(this.#head, this.#head + this.#options.rows)
    this.#head += batch.length
    if (this.#head > 10_000) this.#queue.splice(0, this.#head)
    if (this.#head > 10_000) this.#head = 0
    return batch
  }
}

const insertOne = (client: pg.Client, { charger, column, time, value }: Message): Promise<unknown> =>
  client.query({
    name: column, // PostgreSQL prepares each statement once
    text: `INSERT INTO ev_readings (time, charger, ${column}) VALUES ($1, $2, $3)`,
    values: [time, charger, value]
  })

function insertMany(client: pg.Client, batch: readonly Message[]): Promise<unknown> {
  const rows = batch.map((_, i) => `(${Array.from({ length: width }, (_, k) => `$${i * width + k + 1}`).join(', ')})`)
  const values = batch.flatMap(({ charger, column, time, value }) => [
    time,
    charger,
    ...columns.map(other => (other.column === column ? value : null))
  ])
  const names = columns.map(({ column }) => column).join(', ')
  return client.query(`INSERT INTO ev_readings (time, charger, ${names}) VALUES ${rows.join(', ')}`, values)
}
