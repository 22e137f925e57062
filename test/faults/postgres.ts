// A PostgreSQL that a test may stop at any moment and start again. It is separate from the server's embedded
// PostgreSQL.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { startEmbeddedDatabase } from '../../src/server/store/embeddedDatabase.ts'
import { findBinaries, isPostgresOf, run } from '../../src/server/store/postgresProcess.ts'

export class Postgres {
  readonly url: string
  readonly #dir: string
  #pid = 0

  private constructor(dir: string, url: string) {
    this.#dir = dir
    this.url = url
  }

  /** Creates a new PostgreSQL in `dir` and starts it. */
  static async create(dir: string): Promise<Postgres> {
    const embedded = await startEmbeddedDatabase(dir)
    await embedded.stop()
    const postgres = new Postgres(dir, embedded.url)
    await postgres.start()
    return postgres
  }

  async start(): Promise<void> {
    const { postgres } = await findBinaries()
    const settings = {
      port: new URL(this.url).port,
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      max_connections: '50'
    }
    const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const child = await run(postgres, ['-D', this.#folder, ...options], this.#folder, join(this.#dir, 'postgres.log'))
    child.unref()
    this.#pid = child.pid!
    for (const deadline = Date.now() + 60_000; !(await this.#answers()); await sleep(20)) {
      if (Date.now() > deadline) throw new Error('PostgreSQL did not start within 60 s')
    }
  }

  /** Stops PostgreSQL as a crash does: it writes nothing and informs no client. */
  async stopImmediately(): Promise<void> {
    if (!isPostgresOf(this.#folder, this.#pid)) return
    process.kill(this.#pid, 'SIGQUIT')
    while (isPostgresOf(this.#folder, this.#pid)) await sleep(10)
  }

  /** Makes PostgreSQL neither answer nor refuse, as a hanging disk does. */
  freeze(): void {
    for (const pid of this.#pids()) process.kill(pid, 'SIGSTOP')
  }

  thaw(): void {
    for (const pid of this.#pids()) process.kill(pid, 'SIGCONT')
  }

  /**
   * The process ids, the postmaster first. It is signalled first, so that it cannot start other processes meanwhile.
   */
  #pids(): number[] {
    const children = readFileSync(`/proc/${this.#pid}/task/${this.#pid}/children`, 'utf8')
    return [this.#pid, ...children.trim().split(' ').map(Number)]
  }

  get #folder(): string {
    return join(this.#dir, 'postgres')
  }

  async #answers(): Promise<boolean> {
    const client = new pg.Client({ connectionString: this.url })
    client.on('error', () => {})
    try {
      await client.connect()
      return true
    } catch {
      return false
    } finally {
      await client.end().catch(() => {})
    }
  }
}
