// What a scenario is given: settings, a database, fresh names, the product as a target; and what it gives back.

import { columns } from '../load/columns.ts'
import type { Progress } from '../progress.ts'
import type { Failure, Run } from '../report/result.ts'
import { BenchDatabase, Database } from '../rig/database.ts'
import type { Load } from '../rig/measure.ts'
import { fleetNames } from '../rig/names.ts'
import { type Expected, type Product, productThatRuns, startProduct } from '../rig/product.ts'
import { VerifyError } from '../rig/verify.ts'
import type { Defaults, Settings } from '../settings.ts'

export interface Scenario {
  readonly summary: string
  readonly defaults: Defaults
  readonly run: (bench: Bench) => Promise<void>
}

/** Where everything of the bench lies. */
export const folder = 'data/bench'

export class Bench {
  readonly settings: Settings
  readonly progress: Progress
  readonly runs: Run[] = []
  readonly failures: Failure[] = []
  readonly skipped: string[] = []
  readonly versions: Record<string, string> = {}
  #databases: BenchDatabase | undefined

  constructor(settings: Settings, progress: Progress) {
    this.settings = settings
    this.progress = progress
  }

  /** New names, and the values that are sent. */
  expected(): Expected {
    const { certs, connections, values } = this.settings
    return { names: fleetNames(certs, connections), columns: columns.slice(0, values) }
  }

  load({ names, columns }: Expected): Load {
    const { qos, window, rate, seconds, churn, connections, processes } = this.settings
    return {
      names,
      columns,
      qos: qos as 0 | 1 | 2,
      window: window ?? columns.length,
      rate,
      seconds,
      churn: churn ?? 0,
      processes: processes ?? Math.ceil(connections / chargersPerProcess)
    }
  }

  async databases(): Promise<BenchDatabase> {
    this.#databases ??= await BenchDatabase.open(folder, this.settings['database-url'])
    return this.#databases
  }

  /** A server of our own on a fresh database, or the one that was given. */
  async product(expected: Expected): Promise<Product> {
    const { server, certs, workers, 'database-url': url, 'metrics-url': metricsUrl } = this.settings
    const product = server
      ? await productThatRuns(await Database.open(url!), { ...server, certs, metricsUrl }, expected)
      : await startProduct(await (await this.databases()).fresh(), { certs, workers }, expected)
    this.versions.database = await product.database.version()
    await product.database.settle()
    return product
  }

  /** Does the work for a target, and keeps what is found wrong. Other errors are the caller's. */
  async attempt(target: string, repeat: number, work: () => Promise<Run>): Promise<Run | undefined> {
    try {
      const run = await work()
      this.runs.push(run)
      this.progress.print(`  ${target}: ${run.verified}`)
      return run
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error
      this.failures.push({ target, repeat, findings: error.findings })
      this.progress.print(`  ${target}: NOT verified, no speed: ${error.findings.join('; ')}`)
      return undefined
    }
  }

  async close(): Promise<void> {
    this.progress.clear()
    await this.#databases?.stop()
  }
}

/** A process of the generator keeps up with so many connections on one core. */
const chargersPerProcess = 5_000
