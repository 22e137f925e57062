// The interface of scenarios, and the Bench that each scenario receives. The Bench provides settings, a database, fresh
// names and the product as a target. It collects the scenario's results.

import type { Budget } from '../budgets/budget.ts'
import { columns } from '../load/columns.ts'
import type { Progress } from '../progress.ts'
import type { Failure, Run } from '../report/result.ts'
import { BenchDatabase, Database } from '../rig/database.ts'
import type { Fleet, Load } from '../rig/measure.ts'
import { fleetNames } from '../rig/names.ts'
import { type Expected, type Product, productName, productThatRuns, startProduct } from '../rig/product.ts'
import { VerifyError } from '../rig/verify.ts'
import type { Defaults, Settings } from '../settings.ts'

export interface Scenario {
  readonly summary: string
  /** True when the scenario supports --baselines. */
  readonly hasBaselines?: boolean
  readonly defaults: Defaults
  readonly run: (bench: Bench) => Promise<void>
}

/** The folder of all files that the bench writes. */
export const folder = 'data/bench'

export class Bench {
  readonly settings: Settings
  readonly progress: Progress
  readonly runs: Run[] = []
  readonly failures: Failure[] = []
  readonly skipped: string[] = []
  /** Filled only by the scenario `budgets`. */
  readonly budgets: Budget[] = []
  readonly versions: Record<string, string> = {}
  #databases: BenchDatabase | undefined
  readonly #inUse = new Set<Closable>()
  #interrupted = false

  constructor(settings: Settings, progress: Progress) {
    this.settings = settings
    this.progress = progress
  }

  /** Makes new names, and selects the values that the fleet sends. */
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

  /** Starts a server on a fresh database, or uses the server that `--server` names. */
  async product(expected: Expected): Promise<Product> {
    const { server, certs, workers, 'database-url': url, 'metrics-url': metricsUrl } = this.settings
    const product = server
      ? await productThatRuns(await Database.open(url!), { ...server, certs, metricsUrl }, expected)
      : await startProduct(
          await (await this.databases()).fresh(),
          { certs, workers, processes: this.settings['server-processes'], redisUrl: this.settings['redis-url'] },
          expected
        )
    this.versions.database = await product.database.version()
    await product.database.settle()
    return product
  }

  /** Runs `work` and then closes the resource, also after an error. */
  async using<T extends Closable, Result>(resource: T, work: (resource: T) => Promise<Result>): Promise<Result> {
    this.#inUse.add(resource)
    try {
      return await work(resource)
    } finally {
      this.#inUse.delete(resource)
      if (!this.#interrupted) await resource.close()
    }
  }

  /** Measures the product once for each repeat, with a new server and new names each time. */
  async eachRepeat(work: (product: Product, expected: Expected, repeat: number) => Promise<Run>): Promise<void> {
    for (let repeat = 1; repeat <= this.settings.repeats; repeat++) {
      const expected = this.expected()
      await this.using(await this.product(expected), product =>
        this.attempt(productName, repeat, () => work(product, expected, repeat))
      )
    }
  }

  /** Runs `work` with the fleet and ends the fleet's processes afterwards, also after an error. */
  async withFleet<Result>(fleet: Promise<Fleet>, work: (fleet: Fleet) => Promise<Result>): Promise<Result> {
    const opened = await fleet
    try {
      return await work(opened)
    } finally {
      await opened.end()
    }
  }

  /** Runs `work` for a target. Keeps the run, or the findings of a VerifyError. Throws all other errors. */
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

  get isInterrupted(): boolean {
    return this.#interrupted
  }

  /** Called at Ctrl-C. Ends everything that would survive this process. */
  async interrupt(): Promise<void> {
    this.#interrupted = true
    for (const resource of [...this.#inUse].reverse()) await resource.close().catch(() => {})
    await this.#close()
  }

  async close(): Promise<void> {
    if (!this.#interrupted) await this.#close()
  }

  async #close(): Promise<void> {
    this.progress.clear()
    await this.#databases?.stop()
  }
}

interface Closable {
  close(): Promise<void>
}

/** The number of connections that one generator process can handle on one core. */
const chargersPerProcess = 5_000
