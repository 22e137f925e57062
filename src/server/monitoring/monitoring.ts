// Watches the database and the chargers: whether the database answers, which chargers have problems, and which server
// keeps the problems and calls the webhook.

import type { Pool } from 'pg'
import type { Logger } from 'pino'
import { readVersion } from '../../model/assets.ts'
import type { ServerConfig } from '../config.ts'
import { DatabaseWatch } from '../store/databaseWatch.ts'
import type { Entries } from './problems/facts.ts'
import { ProblemKeeper } from './problems/keeper.ts'
import { Problems } from './problems/problems.ts'
import { loadProblems } from './problems/rows.ts'
import type { Surroundings } from './problems/rules.ts'

export interface MonitoringOptions {
  readonly config: Pick<ServerConfig, 'nodeId' | 'silentAfterMs' | 'webhook'>
  readonly log: Logger
  readonly db: Pool
  readonly chargers: ReadonlyMap<string, Entries>
  /** Whether batches are being kept and retried. */
  readonly isInTrouble: () => boolean
}

/** The most chargers that a log line names. */
const namesMax = 5

export class Monitoring {
  readonly database: DatabaseWatch
  readonly problems: Problems
  readonly keeper: ProblemKeeper
  readonly version = readVersion()
  readonly #options: MonitoringOptions
  #storingSinceMs = Date.now()

  constructor(options: MonitoringOptions) {
    const { config, log, db, chargers } = options
    this.#options = options
    this.database = new DatabaseWatch(db, {
      lost: reason => log.error({ event: 'database_lost', reason }, 'the database does not answer'),
      found: () => log.info({ event: 'database_back' }, 'the database answers again'),
      jobsFailed: count => log.warn({ event: 'database_jobs_failed', count }, 'background jobs of TimescaleDB fail')
    })
    this.problems = new Problems({
      chargers,
      surroundings: () => this.#surroundings(),
      changed: (condition, opened, closed) =>
        log.info(
          {
            event: 'problems_changed',
            condition,
            opened: opened.length,
            closed: closed.length,
            chargers: [...opened, ...closed].slice(0, namesMax)
          },
          'problems of chargers opened or closed'
        ),
      failed: error => log.error({ event: 'problems_failed', err: error }, 'problems not checked')
    })
    this.keeper = new ProblemKeeper({
      db,
      node: config.nodeId,
      problems: this.problems,
      webhook: config.webhook,
      report: {
        notKept: ({ message }) => log.warn({ event: 'problems_not_kept', reason: message }, 'problems not written'),
        told: (opened, closed) =>
          log.info({ event: 'webhook_sent', opened, closed }, 'the webhook accepted the message'),
        notTold: ({ message }) =>
          log.error(
            { event: 'webhook_failed', reason: message },
            'the webhook did not accept the message, trying again'
          )
      }
    })
  }

  /** Reads the problems that held before the restart. Rejects when the database does not answer. */
  async load(): Promise<void> {
    this.problems.restore(await loadProblems(this.#options.db))
  }

  /** Returns how to stop. */
  start(): () => Promise<unknown> {
    const stops = [this.database.watch(), this.problems.watch(), this.keeper.watch()]
    return () => Promise.all(stops.map(stop => stop()))
  }

  #surroundings(): Surroundings {
    const nowMs = Date.now()
    if (!this.database.isUp || this.#options.isInTrouble()) this.#storingSinceMs = nowMs
    const { silentAfterMs } = this.#options.config
    return { nowMs, storingSinceMs: this.#storingSinceMs, silentAfterMs, version: this.version }
  }
}
