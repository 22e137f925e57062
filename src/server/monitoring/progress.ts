// The progress watchdog. If messages wait, none is settled and the database answers, then no known fault explains it.
// /readyz reports it, and the log once. The watchdog decides nothing and restarts nothing.

import type { Logger } from 'pino'
import type { IngestCounters } from '../../ingest/ingest.ts'
import { progressTimeoutMs } from './limits.ts'

export interface ProgressOptions {
  readonly counters: Pick<IngestCounters, 'inFlight' | 'committed' | 'rejectedTotal'>
  readonly now: () => number
  /** Why the database does not answer. Undefined when it does. */
  readonly databaseFault: () => Promise<string | undefined>
  readonly report: ProgressReport
}

export interface ProgressReport {
  stalled(reason: string): void
  /** Messages are settled again, after `stalled`. */
  resumed(): void
}

export const progressReport = (log: Pick<Logger, 'error' | 'info'>): ProgressReport => ({
  stalled: reason => log.error({ event: 'no_progress', reason }, 'no progress'),
  resumed: () => log.info({ event: 'progress_resumed' }, 'messages are settled again')
})

const lookIntervalMs = 1_000

export class Progress {
  readonly #options: ProgressOptions
  #settled = 0
  #sinceMs: number
  #told = false

  constructor(options: ProgressOptions) {
    this.#options = options
    this.#sinceMs = options.now()
  }

  /** Looks once a second until the returned function is called. */
  watch(): () => Promise<void> {
    const timer = setInterval(() => void this.look(), lookIntervalMs)
    return async () => clearInterval(timer)
  }

  /** One sentence while messages wait and none is settled for too long. Does not ask whether the database answers. */
  get stall(): string | undefined {
    const seconds = Math.floor((this.#options.now() - this.#sinceMs) / 1000)
    if (seconds * 1000 < progressTimeoutMs) return undefined
    return `none of the messages that wait (${this.#options.counters.inFlight}) was settled for ${seconds} s although the database answers`
  }

  async look(): Promise<void> {
    const { counters, now, databaseFault, report } = this.#options
    const settled = counters.committed + counters.rejectedTotal
    if (settled !== this.#settled || counters.inFlight === 0) {
      this.#settled = settled
      this.#sinceMs = now()
      if (this.#told) report.resumed()
      this.#told = false
    } else if (!this.#told && this.stall !== undefined && (await databaseFault()) === undefined) {
      if (!this.#told && this.stall !== undefined) report.stalled(this.stall)
      this.#told = true
    }
  }
}
