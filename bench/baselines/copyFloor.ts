// The baseline `copy-floor`: loads the rows of the product's own run, by COPY from files, into an empty table of the
// same schema. It shows what the database alone can take, with nothing in front of it.

import { createReadStream, createWriteStream, mkdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import { workersDefault } from '../../src/ingest/ingest.ts'
import { migrateDatabase } from '../../src/ingest/migrate.ts'
import type { Database } from '../rig/database.ts'
import { defined } from '../rig/measure.ts'
import type { Expected } from '../rig/product.ts'
import { judge, ourShape, readStored, VerifyError } from '../rig/verify.ts'
import { type Bench, folder } from '../scenarios/scenario.ts'

export const copyFloorName = 'copy-floor'
export const copyFloorSummary = "the rows of the product's run by COPY from files: the limit of the database"

interface Kept {
  readonly expected: Expected
  readonly ledger: Float64Array
}

export class CopyFloor {
  readonly #bench: Bench
  readonly #dir = join(folder, `copy-${process.pid}`)
  readonly #files: readonly string[]
  #kept: Kept | undefined

  constructor(bench: Bench) {
    this.#bench = bench
    const count = bench.settings.workers ?? workersDefault()
    this.#files = Array.from({ length: count }, (_, i) => join(this.#dir, `${i}.copy`))
  }

  /** Saves the rows of a verified run, in one file for each connection. */
  async keep(database: Database, expected: Expected, ledger: Float64Array): Promise<void> {
    mkdirSync(this.#dir, { recursive: true })
    this.#kept = { expected, ledger }
    await withClients(database.url, this.#files.length, (client, i) => {
      const rows = `SELECT * FROM ev_readings WHERE charger_id % ${this.#files.length} = ${i}`
      return pipeline(client.query(copyTo(`COPY (${rows}) TO STDOUT BINARY`)), createWriteStream(this.#files[i]!))
    })
    const { rows } = await database.query<{ id: number; name: string }>('SELECT id, name FROM chargers')
    this.#chargers = rows
  }

  #chargers: readonly { id: number; name: string }[] = []

  async measure(repeat: number): Promise<void> {
    const kept = this.#kept
    if (kept === undefined) return
    this.#kept = undefined
    const database = await (await this.#bench.databases()).fresh()
    try {
      await migrateDatabase(database.url)
      await database.query('INSERT INTO chargers (id, name) SELECT * FROM unnest($1::int[], $2::text[])', [
        this.#chargers.map(({ id }) => id),
        this.#chargers.map(({ name }) => name)
      ])
      await database.settle()
      await this.#bench.attempt(copyFloorName, repeat, () => this.#load(database, kept, repeat))
    } finally {
      await database.close()
    }
  }

  clean(): void {
    rmSync(this.#dir, { recursive: true, force: true })
  }

  async #load(database: Database, { expected, ledger }: Kept, repeat: number) {
    const { names, columns } = expected
    const totalBytes = this.#files.reduce((sum, file) => sum + statSync(file).size, 0)
    const loaded = (): number => streams.reduce((sum, { bytesRead }) => sum + bytesRead, 0)
    const streams: { bytesRead: number }[] = []
    const drawing = setInterval(() => this.#bench.progress.show(copyFloorName, loaded() / totalBytes), 200)
    const [cpu, databaseMs, startedMs] = [process.cpuUsage(), database.cpuMs(), performance.now()]
    await withClients(database.url, this.#files.length, (client, i) => {
      const stream = createReadStream(this.#files[i]!, { highWaterMark: 256 * 1024 })
      streams.push(stream)
      return pipeline(stream, client.query(copyFrom('COPY ev_readings FROM STDIN BINARY')))
    }).finally(() => clearInterval(drawing))
    const seconds = (performance.now() - startedMs) / 1000
    const { user, system } = process.cpuUsage(cpu)
    const stored = await readStored((sql, values) => database.query(sql, values), ourShape, columns, names.prefix)
    const findings = judge(names.names, ledger, stored, columns, 'poll')
    if (findings.length > 0) throw new VerifyError(findings)
    const rows = [...stored.values()].reduce((sum, entry) => sum + entry[0]!, 0)
    const messages = rows * columns.length
    const loader = (user + system) / messages
    const databaseUs = databaseMs === undefined ? undefined : ((database.cpuMs()! - databaseMs) * 1000) / messages
    return {
      target: copyFloorName,
      repeat,
      verified: `${rows} rows by COPY from files: none lost, none doubled, sums equal`,
      figures: defined({
        messagesPerSecond: messages / seconds,
        rowsPerSecond: rows / seconds,
        serverUs: loader,
        databaseUs,
        storingUs: databaseUs === undefined ? undefined : loader + databaseUs
      }),
      cpuUs: { loader, ...(databaseUs !== undefined && { database: databaseUs }) },
      moments: [],
      latency: [],
      batchRows: []
    }
  }
}

/**
 * Opens `count` connections and runs `work` on all of them at the same time. Each connection does one part of the work.
 */
async function withClients(
  url: string,
  count: number,
  work: (client: pg.Client, index: number) => Promise<void>
): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const client = new pg.Client({ connectionString: url })
      client.on('error', () => {})
      await client.connect()
      try {
        await work(client, i)
      } finally {
        await client.end()
      }
    })
  )
}
