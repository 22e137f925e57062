// Asks the database every few seconds whether it answers, and now and then whether its background jobs fail. Metrics,
// health and problems read the result without waiting for the database. Only changes are reported.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, QueryConfig } from 'pg'

export interface DatabaseReport {
  /** The database does not answer any more. Called once. */
  lost(reason: string): void
  /** The database answers again, after `lost`. */
  found(): void
  /** One more of TimescaleDB's background jobs fails. */
  jobsFailed(count: number): void
}

const answerMs = 2_000
const lookIntervalMs = 5_000
const jobsIntervalMs = 60_000

export class DatabaseWatch {
  /** Why the database does not answer. Undefined while it does. */
  fault: string | undefined
  /** Background jobs of TimescaleDB whose last run failed. */
  failedJobs = 0
  readonly #db: Pool
  readonly #report: DatabaseReport
  #isSuspected = false
  #jobsLookedMs = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  constructor(db: Pool, report: DatabaseReport) {
    this.#db = db
    this.#report = report
  }

  get isUp(): boolean {
    return this.fault === undefined
  }

  /** Asks until the returned function is called. */
  watch(): () => Promise<void> {
    const lookLater = (): void => {
      this.#timer = setTimeout(() => void this.look().finally(() => this.#timer && lookLater()), lookIntervalMs).unref()
    }
    lookLater()
    return async () => {
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
  }

  async look(): Promise<void> {
    const before = this.fault
    const found = await faultOf(this.#db)
    // A single failure may be a moment in which this process, or the machine, had no time.
    const isSure = found === undefined || this.#isSuspected
    this.#isSuspected = found !== undefined
    if (!isSure) return
    this.fault = found
    if (this.fault !== undefined && before === undefined) this.#report.lost(this.fault)
    if (this.fault === undefined && before !== undefined) this.#report.found()
    if (this.isUp && performance.now() - this.#jobsLookedMs > jobsIntervalMs) await this.#lookAtJobs()
  }

  async #lookAtJobs(): Promise<void> {
    this.#jobsLookedMs = performance.now()
    const failed = await failedJobs(this.#db).catch(() => this.failedJobs) // the next look asks again
    if (failed > this.failedJobs) this.#report.jobsFailed(failed)
    this.failedJobs = failed
  }
}

/**
 * Why the database does not answer. Undefined when it does. Ends in time for a probe: a frozen database does not even
 * refuse.
 */
export async function faultOf(db: Pool): Promise<string | undefined> {
  const query = { text: 'SELECT 1', query_timeout: answerMs } as QueryConfig
  const answer = db.query(query).then(
    () => undefined,
    error => (error as Error).message
  )
  return Promise.race([answer, sleep(answerMs, `nothing within ${answerMs / 1000} s`, { ref: false })])
}

/** Jobs of TimescaleDB on this database: compression, retention, refreshes. Without the extension there are none. */
async function failedJobs(db: Pool): Promise<number> {
  const { rows: found } = await db.query("SELECT to_regclass('timescaledb_information.job_stats') IS NOT NULL AS yes")
  if (!found[0].yes) return 0
  const { rows } = await db.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM timescaledb_information.job_stats WHERE last_run_status = 'Failed'"
  )
  return rows[0]!.count
}
