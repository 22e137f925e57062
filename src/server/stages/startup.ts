// What every stage of a start is given, and the wait for a database that is away.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { startFault } from '../../ingest/migrate.ts'
import { RetryableError } from '../../model/errors.ts'
import type { Lifetime } from '../../model/lifetime.ts'
import type { ServerConfig } from '../config.ts'
import { databaseRetryMs } from '../limits.ts'

export interface Startup {
  readonly config: ServerConfig
  readonly log: Logger
  /** Owns what the stages start. */
  readonly lifetime: Lifetime
  /** Ends the wait for a database: the start then throws the signal's reason. */
  readonly abort: AbortSignal
}

/** Tries until the database answers: at boot it may start later than the server, or go away again. */
export async function whenDatabaseAnswers<T>(
  { log, abort }: Pick<Startup, 'log' | 'abort'>,
  work: () => Promise<T>,
  pause = (signal: AbortSignal): Promise<void> => sleep(databaseRetryMs, undefined, { signal })
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      const fault = startFault(error as Error)
      if (!(fault instanceof RetryableError)) throw fault
      if (attempt === 1) log.warn({ event: 'database_away', reason: fault.message }, 'waiting for the database')
      await pause(abort)
    }
  }
}
