// Provides the databases of a bench: an embedded server, or the server that `--database-url` names. Each run gets a
// fresh database on it, which is dropped after the run.

import pg from 'pg'
import { startEmbeddedDatabase } from '../../src/server/store/embeddedDatabase.ts'
import { databaseCpuMs, postmasterOf } from './processes.ts'

export class BenchDatabase {
  readonly #adminUrl: string
  readonly #stop: () => Promise<void>
  #made = 0

  private constructor(adminUrl: string, stop: () => Promise<void>) {
    this.#adminUrl = adminUrl
    this.#stop = stop
  }

  /** Throws ConfigError when the embedded database cannot run on this machine. */
  static async open(dataDir: string, url: string | undefined): Promise<BenchDatabase> {
    if (url !== undefined) return new BenchDatabase(url, async () => {})
    const embedded = await startEmbeddedDatabase(dataDir)
    return new BenchDatabase(embedded.url, () => embedded.stop())
  }

  async fresh(): Promise<Database> {
    const name = `chargelift_bench_${process.pid}_${++this.#made}`
    const admin = await connected(this.#adminUrl)
    await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    await admin.query(`CREATE DATABASE ${name}`)
    const url = new URL(this.#adminUrl)
    url.pathname = `/${name}`
    return Database.open(url.href, async () => {
      await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
      await admin.end()
    })
  }

  stop(): Promise<void> {
    return this.#stop()
  }
}

/** One database, with the bench's own session. */
export class Database {
  readonly url: string
  /** The process id of the postmaster. Undefined when the database does not run on this machine. */
  readonly postmaster: number | undefined
  #client: pg.Client
  readonly #drop: () => Promise<void>

  private constructor(url: string, client: pg.Client, postmaster: number | undefined, drop: () => Promise<void>) {
    this.url = url
    this.#client = client
    this.postmaster = postmaster
    this.#drop = drop
  }

  static async open(url: string, drop: () => Promise<void> = async () => {}): Promise<Database> {
    const client = await connected(url)
    const { rows } = await client.query('SELECT pg_backend_pid() AS pid')
    return new Database(url, client, postmasterOf(rows[0].pid), drop)
  }

  async query<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<{ rows: Row[] }> {
    return this.#client.query<Row>(sql, values)
  }

  /** Opens a new session. Needed when the database has been down. */
  async reconnect(): Promise<void> {
    await this.#client.end().catch(() => {})
    this.#client = await connected(this.url)
  }

  /** CPU time of the database. Undefined when the database does not run on this machine. */
  cpuMs(): number | undefined {
    return this.postmaster === undefined ? undefined : databaseCpuMs(this.postmaster)
  }

  /** Writes all earlier changes to disk, so that this work does not count in the next measurement. */
  async settle(): Promise<void> {
    await this.query('CHECKPOINT').catch(() => {}) // needs a privilege that the user may lack
  }

  async version(): Promise<string> {
    const { rows } = await this.query<{ version: string }>(
      `SELECT current_setting('server_version') || coalesce(
         (SELECT ', TimescaleDB ' || extversion FROM pg_extension WHERE extname = 'timescaledb'), '') AS version`
    )
    return `PostgreSQL ${rows[0]!.version}`
  }

  async close(): Promise<void> {
    await this.#client.end().catch(() => {})
    await this.#drop()
  }
}

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'chargelift bench' })
  client.on('error', () => {})
  await client.connect()
  return client
}
