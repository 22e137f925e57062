// The base of the fault tests: a PostgreSQL that a test can stop, a server that a test can kill, and certificates.

import { join } from 'node:path'
import { after, before, type TestContext } from 'node:test'
import { windowMessagesMax } from '../../src/broker/gate/limits.ts'
import { Harness } from '../harness.ts'
import { Device } from './device.ts'
import { Postgres } from './postgres.ts'
import { ServerProcess } from './serverProcess.ts'
import { type StormOptions, storm } from './storm.ts'

export class FaultBench {
  readonly harness = new Harness()
  postgres!: Postgres
  server!: ServerProcess
  readonly #ends: (() => void)[] = []

  /**
   * Registers its start and its stop with node:test. `place` gets the folder of the database before the database is
   * created.
   */
  static use(place: (folder: string) => void = () => {}): FaultBench {
    const bench = new FaultBench()
    before(() => bench.#start(place))
    after(() => bench.#stop())
    return bench
  }

  get databaseFolder(): string {
    return join(this.harness.dir, 'own')
  }

  get databaseUrl(): string {
    return this.postgres.url
  }

  /** Registers a function that runs after the database has stopped. */
  onEnd(end: () => void): void {
    this.#ends.push(end)
  }

  /** Returns a started device that resends each message until it is acknowledged. */
  async device(name: string): Promise<Device> {
    await this.harness.device(name)
    const { certs } = this.harness
    const device = new Device({
      certs,
      name,
      port: this.server.mqttPort,
      window: windowMessagesMax,
      random: Math.random
    })
    this.onEnd(() => device.stop())
    device.start()
    return device
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

  async #start(place: (folder: string) => void): Promise<void> {
    await this.harness.authority()
    place(this.databaseFolder)
    this.postgres = await Postgres.create(this.databaseFolder)
    this.server = await ServerProcess.create(this.harness.certs, this.databaseUrl)
    this.server.start()
    await this.server.ready()
  }

  async #stop(): Promise<void> {
    await this.server?.end('SIGKILL')
    await this.postgres?.stopImmediately()
    for (const end of this.#ends) end()
    await this.harness.stop()
  }
}
