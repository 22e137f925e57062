// What the fault tests stand on: a PostgreSQL that can be stopped, a server that can be killed, certificates.

import { join } from 'node:path'
import { after, before, type TestContext } from 'node:test'
import { Harness } from '../harness.ts'
import { Postgres } from './postgres.ts'
import { ServerProcess } from './serverProcess.ts'
import { type StormOptions, storm } from './storm.ts'

export class FaultBench {
  readonly harness = new Harness()
  postgres!: Postgres
  server!: ServerProcess

  /** Registers its start and end with node:test. */
  static use(): FaultBench {
    const bench = new FaultBench()
    before(() => bench.#start())
    after(() => bench.#stop())
    return bench
  }

  get databaseUrl(): string {
    return this.postgres.url
  }

  async storm(
    t: TestContext,
    options: Pick<StormOptions, 'seed' | 'clients' | 'messages' | 'faults' | 'holdMs'>
  ): Promise<void> {
    await storm({
      ...options,
      certs: this.harness.certs,
      server: this.server,
      postgres: this.postgres,
      databaseUrl: this.databaseUrl,
      issue: (name, role) => this.harness.device(name, role),
      say: line => t.diagnostic(line)
    })
  }

  async #start(): Promise<void> {
    await this.harness.authority()
    this.postgres = await Postgres.create(join(this.harness.dir, 'own'))
    this.server = await ServerProcess.create(this.harness.certs, this.databaseUrl)
    this.server.start()
    await this.server.ready()
  }

  async #stop(): Promise<void> {
    await this.server?.end('SIGKILL')
    await this.postgres?.stopImmediately()
    await this.harness.stop()
  }
}
